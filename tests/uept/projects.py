"""Projects, and evidence for them, as tests need them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from bench.ctsd.populations import Population
from bench.ctsd.tables import Role
from bench.events import EventStream
from bench.evidence.keys import BenchKey
from bench.uept.changes import Changes
from bench.uept.creation import create
from bench.uept.model import Result
from bench.uept.project import open_project
from tests.evidence.bundles import pack_virtual

START = date(2026, 11, 2)
NOW = datetime(2026, 11, 4, 12, tzinfo=UTC)


@contextmanager
def project(
    folder: Path, role: Role = Role.ED, population: Population = Population.NEW, **options: Any
) -> Iterator[Changes]:
    """A new project, open, with somebody who changes it on the third day of testing."""
    path = folder / "project.uept"
    options = {"rehearsal": True, "days": 10} | options
    create(path, "Northern Grid plc", role, population, START, who="Ada", now=NOW, **options)
    with open_project(path) as opened:
        yield Changes(opened, "Ada", NOW)


def by_hand(changes: Changes, test: str, result: Result = Result.PASSED, reason: str = "", **more: Any) -> int:
    """Record a result with evidence."""
    reason = reason or ("" if result is Result.PASSED else "it did not answer")
    values = {"at": NOW, "script": "by hand", "evidence": "log.txt", "real": True} | more
    return changes.record(test, result, reason=reason, **values)


def all_pass(changes: Changes, but: Sequence[str] = ()) -> None:
    """Let every test that is due pass."""
    with changes.store.change():
        for test in changes.project.tests():
            if test.due and test.id not in but:
                by_hand(changes, test.id)


def step(verdict: str, *covers: str, reason: str = "") -> Mapping[str, Any]:
    """What the journal says at the end of a step."""
    return {
        "state": "end",
        "name": "1 Act",
        "path": "steps.0",
        "group": "step",
        "as": "ED",
        "verdict": verdict,
        "reason": reason,
        "summary": "",
        "requirements": list(covers),
        "duration_ns": 1,
        "latencies": [],
    }


def evidence(
    folder: Path, key: BenchKey, *steps: Mapping[str, Any], run: str = "r1", verdict: str = "passed", why: str = ""
) -> Path:
    """A bundle of a run with these steps."""

    def script(stream: EventStream) -> None:
        for each in steps:
            stream.emit("engine", "step", dict(each))

    start = {"state": "start", "runbook": "outage", "emulated": True}
    end = {"state": "end", "verdict": verdict, "reason": why}
    return pack_virtual(folder / run, key, run=run, script=script, start=start, end=end)
