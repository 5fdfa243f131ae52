from __future__ import annotations

import gc
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bench.clock import Clock
from bench.events import Event
from bench.evidence.verify import verify
from bench.planner import Plan
from bench.runner import Finished, RunOptions, bench_key, make_clock, run_all
from bench.terminal import TerminalOperator
from tests.benchmarks.night import ROUND, SLOT_S, plan_hours

HOURS = 8
MOST_GROWTH_BYTES = 3_000_000


@dataclass(frozen=True)
class Footprint:
    resident_bytes: int
    files: int
    threads: int


@dataclass
class Watcher:
    """Notes after each run what the process holds."""

    footprints: list[Footprint] = field(default_factory=list)
    samples: int = 0

    def begin(self, plan: Plan, clock: Clock) -> None:
        pass

    def event(self, event: Event) -> None:
        self.samples += event.kind == "measurement"

    def end(self, finished: Finished) -> None:
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        files = len(os.listdir("/proc/self/fd"))
        self.footprints.append(Footprint(pages * os.sysconf("SC_PAGE_SIZE"), files, threading.active_count()))


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_a_night_passes_in_every_run_and_leaves_nothing_behind(tmp_path: Path) -> None:
    rig, planned = plan_hours(HOURS)
    options = RunOptions(tmp_path / "evidence", tmp_path / "state")
    watcher, began = Watcher(), make_clock().now()
    finished = await run_all(rig, planned, options, TerminalOperator(), watcher)

    assert len(finished) == HOURS * 3600 // SLOT_S
    assert [(item.result.runbook.name, item.result.reason) for item in finished if not item.result.verdict.passed] == []
    assert all(item.result.safe and item.result.parked and not item.result.findings for item in finished)

    virtual_s = (make_clock().now().mono_ns - began.mono_ns) / 1e9
    assert virtual_s == pytest.approx(HOURS * 3600, rel=0.03)
    assert watcher.samples >= 0.99 * virtual_s

    trusted = (bench_key(options.state).fingerprint,)
    assert [report for item in finished if (report := verify(item.bundle, trusted)).problem] == []

    # The first round brings in what comes late: modules, caches, connections.
    settled, last = watcher.footprints[len(ROUND) - 1], watcher.footprints[-1]
    assert (last.files, last.threads) == (settled.files, settled.threads)
    assert last.resident_bytes - settled.resident_bytes < MOST_GROWTH_BYTES, watcher.footprints
