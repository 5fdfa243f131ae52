"""The system clock of a real engine process is stepped in mid-run, by libfaketime; its monotonic clock goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.evidence.verify import verify
from bench.guard import last_report
from bench.journal_reader import read_journal
from bench.service.client import EngineClient, connected
from tests.processes import emulating, serving
from tests.service.engines import until
from tests.service.kills import prepare_rig

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)

pytestmark = [
    pytest.mark.realtime,
    pytest.mark.soak,
    pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed"),
]
RUNBOOK = """
runbook: stepped
title: A supply that is held while the clock is stepped
steps:
  - {step: 1, title: Hold, supply: {set: 230 V}}
  - {step: 2, title: Wait, wait: 600 ms}
  - {step: 3, title: Healthy, measure: {quantity: voltage, between: [226 V, 234 V]}}
"""


class SystemClock:
    """What a process believes to be the time: that of this machine, and so many seconds."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "clock"
        self.offset_s = 0.0
        self.step(0.0)
        self.variables = {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._path),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def step(self, seconds: float) -> None:
        """Step it; whoever reads it meanwhile sees the old time or the new one."""
        self.offset_s += seconds
        fresh = self._path.with_suffix(".new")
        fresh.write_text(f"{self.offset_s:+.3f}\n")
        fresh.replace(self._path)


async def run(client: EngineClient, runbook: Path, clock: SystemClock, step_s: float) -> tuple[str, str, Path]:
    """Verdict, reason and evidence of a run in the middle of which the clock is stepped."""
    await client.call("run", runbooks=[str(runbook)])
    await until(client, kind="step", state="start", name="2 Wait")
    bundle = Path((await client.call("status"))["run"]["folder"])
    if step_s:
        clock.step(step_s)
    ended = await until(client, type="job", state="end")
    return ended["verdict"], ended["reason"], bundle


def jump_s(bundle: Path) -> float:
    """By how much UTC left the monotonic clock from the first record of a journal to its last."""
    offsets = [record.at.utc_ns - record.at.mono_ns for record in read_journal(bundle / "journal.jsonl")]
    return (offsets[-1] - offsets[0]) / 1e9


async def test_each_run_in_which_the_system_clock_is_stepped_is_undecided_and_no_other(tmp_path: Path) -> None:
    runbook = tmp_path / "stepped.yaml"
    runbook.write_text(RUNBOOK)
    clock = SystemClock(tmp_path)
    with emulating(tmp_path):
        prepare_rig(tmp_path)
        with serving(tmp_path, variables=clock.variables):
            async with connected(tmp_path / "bench" / "emulated" / "engine.sock") as client:
                await client.call("subscribe")
                for step_s in (3600.0, -7200.0, 3600.0, 0.7, -0.7, 0.2):
                    verdict, reason, bundle = await run(client, runbook, clock, step_s)
                    assert abs(jump_s(bundle) - step_s) < 0.1, "the clock of the process was really stepped"
                    assert verify(bundle).problem == ""
                    stepped = f"the system clock was stepped by {step_s:+.1f}"[:-1] in reason
                    bad = abs(step_s) > 0.5
                    assert (verdict, stepped) == (("undecided", True) if bad else ("passed", False)), reason
                    verdict, reason, bundle = await run(client, runbook, clock, 0.0)
                    assert (verdict, reason, verify(bundle).problem) == ("passed", "", "")
                assert last_report(tmp_path / "bench" / "emulated") is None, "the guard lets such an engine live"
