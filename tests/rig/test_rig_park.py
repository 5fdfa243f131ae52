"""After an abort a rig stands safe; `hilbench rig park` brings it back."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest

from bench import unparked
from bench.clock import RealClock, VirtualClock
from bench.emulate import write_rig
from bench.errors import UsageError
from bench.evidence.keys import BenchKey
from bench.one_run import RigRunner
from bench.rig import park
from bench.rig.emulation import build_emulation
from bench.rig.file import Rig
from bench.rig.load import load_rig
from bench.rig.session import open_rig
from bench.runner import make_clock, prepare
from bench.safety import reach
from bench.terminal import Silent, TerminalOperator
from tests.rig.rig_files import ROOT


async def test_a_rig_that_was_made_safe_is_parked_although_the_meter_is_without_supply(tmp_path: Path) -> None:
    rig = load_rig(ROOT / "rigs" / "emulated.yaml")
    world = build_emulation(rig, make_clock(), seed=1, faults=())
    try:
        await world.start()
        path = write_rig(rig, world, tmp_path / "rig")
        lab = load_rig(path)
        async with open_rig(lab, make_clock(), state=tmp_path / "state") as session:
            assert await reach(session, "safe", lab.file.safe) == ()
        report = await park._park(lab, tmp_path / "state", wait=False)
        assert report.confirmed
        assert sorted(report.lines[:2]) == ["park  relay: closed", "park  source: output on at 230 V"]
        assert "late alerts are NOT waited for: nobody asked for it" in report.lines[2]
        async with open_rig(lab, make_clock(), state=tmp_path / "state", only={"source", "relay"}) as session:
            assert (await session.drivers["source"].read_state()).output_on  # type: ignore[attr-defined]
            assert await session.drivers["relay"].is_closed()  # type: ignore[attr-defined]
    finally:
        await world.close()


async def aborted(lab: Rig, state: Path) -> Path:
    """A run that is aborted after its first step; its evidence."""
    async with open_rig(lab, make_clock(), state=state) as session:
        runs = RigRunner(session, state / "evidence", BenchKey.load_or_create(state / "keys"))
        _, ((runbook, plan),) = prepare(lab.document.path, ["over-voltage"])
        running = asyncio.create_task(runs.run(runbook, plan, TerminalOperator(), Silent()))
        await asyncio.sleep(30)
        assert runs.engine is not None
        runs.engine.abort("enough")
        return (await running).bundle


@pytest.mark.parametrize("deaf", [False, True])
async def test_what_an_abort_makes_devices_say_is_booked_to_it_by_whoever_parks(tmp_path: Path, deaf: bool) -> None:
    rig, state = load_rig(ROOT / "rigs" / "emulated.yaml"), tmp_path / "state"
    folder = state / "emulated"
    world = build_emulation(rig, VirtualClock(asyncio.get_running_loop()), seed=1, faults=())
    try:
        await world.start()
        path = write_rig(rig, world, tmp_path / "rig")
        lab = load_rig(path)
        bundle = await aborted(lab, state)
        assert unparked.run_of(folder) == str(bundle)
        await asyncio.sleep(300)
        if deaf:
            path.write_text(re.sub(r"(driver: mqtt-hub(\n    .*)*\n    port: )\d+", r"\g<1>9", path.read_text()))
            lab = load_rig(path)
        said: list[str] = []
        report = await park._park(lab, state, said.append)
        assert (report.confirmed, said) == (True, report.lines)
        if deaf:
            assert "late alerts are NOT waited for: hub could not be reached" in said[-1]
            assert unparked.run_of(folder) == str(bundle), "whoever parks it next may still hear of it"
            return
        assert f"booked to {bundle}" in said[2]
        # The DCC gave up on AD1 while nobody was there to take it.
        assert said[3] == "late: 0x8F36 from esme to ED"
        (booked,) = [json.loads(line) for line in (folder / "aftermath.jsonl").read_text().splitlines()]
        assert booked["run"] == str(bundle) and booked["came"] == ["0x8F36 from esme to ED"]
        assert unparked.run_of(folder) == ""
        again = await park._park(lab, state)
        assert len(again.lines) == 2, "a rig that is on has nothing to say"
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
