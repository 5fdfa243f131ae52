"""The bench PC dies, with engine and guard: the AC source, in another process, goes off by its own watchdog."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from tests.emulated.benches import RIG
from tests.processes import emulating, hilbench, serving
from tests.service.kills import prepare_rig, supply_of

pytestmark = [pytest.mark.realtime, pytest.mark.soak]


def test_the_source_goes_off_when_engine_and_guard_are_killed(tmp_path: Path) -> None:
    (tmp_path / "file" / "duts").mkdir(parents=True)
    (tmp_path / "file" / "duts" / "emulated.yaml").write_text((RIG.parent / "duts" / "emulated.yaml").read_text())
    rig = tmp_path / "file" / "rig.yaml"
    section = "profile: keysight-ac6800, watchdog: {time: 4 s}, timeout: 1500 ms"
    rig.write_text(RIG.read_text().replace("profile: scpi-99", section))
    with emulating(tmp_path, rig=rig):
        path = prepare_rig(tmp_path)
        path.write_text(path.read_text().replace("scpi-ac-source\n    timeout: 5 s\n", "scpi-ac-source\n"))
        checked = hilbench(tmp_path, "rig", "check", str(path))
        assert "source goes off by its own watchdog 4.0 s after this PC has died" in checked.stdout, checked.stdout
        with serving(tmp_path) as engine:
            time.sleep(6.0)  # noqa: TID251 - the engine is idle for longer than the watchdog waits
            for child in Path(f"/proc/{engine.pid}/task/{engine.pid}/children").read_text().split():
                os.kill(int(child), signal.SIGKILL)
            engine.kill()
        # Nobody looks meanwhile: a look would be a word.
        time.sleep(5.0)  # noqa: TID251 - another process
        assert asyncio.run(supply_of(tmp_path)) == (True, False), "the relay has no watchdog, the source has"
        parked = hilbench(tmp_path, "rig", "park", "--no-wait", str(path))
        assert parked.returncode == 0 and "source: its watchdog had acted, and is cleared" in parked.stdout, parked
        assert asyncio.run(supply_of(tmp_path)) == (True, True)
