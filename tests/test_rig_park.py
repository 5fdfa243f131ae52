"""After an abort a rig stands safe; `hilbench rig park` brings it back."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.clock import RealClock
from bench.emulate import write_rig
from bench.errors import UsageError
from bench.rig import park
from bench.rig.emulation import build_emulation
from bench.rig.load import load_rig
from bench.rig.session import open_rig
from bench.safety import reach

ROOT = Path(__file__).parent.parent


@pytest.mark.realtime
async def test_a_rig_that_was_made_safe_is_parked_although_the_meter_is_without_supply(tmp_path: Path) -> None:
    rig = load_rig(ROOT / "rigs" / "emulated.yaml")
    world = build_emulation(rig, RealClock(), seed=1, faults=())
    try:
        await world.start()
        path = write_rig(rig, world, tmp_path / "rig")
        lab = load_rig(path)
        async with open_rig(lab, RealClock(), state=tmp_path / "state") as session:
            assert await reach(session, "safe", lab.file.safe) == ()
        report = await park._park(lab, tmp_path / "state", print)
        assert report.confirmed
        assert sorted(report.lines) == ["park  relay: closed", "park  source: output on at 230 V"]
        async with open_rig(lab, RealClock(), state=tmp_path / "state", only={"source", "relay"}) as session:
            assert (await session.drivers["source"].read_state()).output_on  # type: ignore[attr-defined]
            assert await session.drivers["relay"].is_closed()  # type: ignore[attr-defined]
    finally:
        await world.close()


@pytest.mark.realtime
async def test_a_relay_that_does_not_follow_is_not_called_parked(tmp_path: Path) -> None:
    rig = load_rig(ROOT / "rigs" / "emulated.yaml")
    stuck = build_emulation(rig, RealClock(), seed=1, faults=("relay-ignores", "source-ignores"))
    try:
        await stuck.start()
        path = write_rig(rig, stuck, tmp_path / "stuck")
        path.write_text(path.read_text().replace("230 V", "240 V"))
        report = await park._park(load_rig(path), tmp_path / "state", print)
        assert not report.confirmed
        assert any("NOT CONFIRMED" in line for line in report.lines)
        assert report.lines[-1] == "THE SAFE STATE WAS NOT CONFIRMED"
    finally:
        await stuck.close()


def test_an_emulated_world_of_its_own_needs_no_parking(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="begins parked each time"):
        park.park(ROOT / "rigs" / "emulated.yaml", tmp_path, print)
