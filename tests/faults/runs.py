"""Runs of the shipped runbooks on the emulated rig, in process and over its real wires, with faults in its world."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.evidence.verify import Level, verify
from bench.runner import Finished, RunOptions, bench_key, prepare, run_all
from bench.terminal import Silent, TerminalOperator
from bench.verdict import Verdict

ROOT = Path(__file__).parents[2]
RIG = ROOT / "rigs" / "emulated.yaml"
SMETS1_RIG = ROOT / "rigs" / "emulated-smets1.yaml"
RUNBOOKS = ("supply-outage-short", "supply-outage-long", "over-voltage", "arm-supply", "han-join", "ic01", "ic02")

_MEMORY = next((folder for folder in ("/dev/shm",) if os.access(folder, os.W_OK)), None)
"""Where writing to disk and waiting for it costs nothing."""
_EXIT_CODES = {Verdict.PASSED: 0, Verdict.FAILED: 1, Verdict.UNDECIDED: 3}


@dataclass(frozen=True, slots=True)
class Ends:
    """How a run of a runbook must end.

    Attributes:
        runbook: its name, or the path of one that a test wrote.
        verdict: of the run.
        words: all of them in its reason.
        findings: how many of what was odd, and some words of each in their order; None for any.
        safe: whether a park or safe state is confirmed.
        parked: whether another run may follow.
    """

    runbook: str | Path
    verdict: Verdict
    words: tuple[str, ...] = ()
    findings: tuple[str, ...] | None = None
    safe: bool = True
    parked: bool = True

    def check(self, finished: Finished) -> None:
        """Compare with what was."""
        result = finished.result
        assert result.verdict is self.verdict, f"{result.verdict}: {result.reason}"
        if self.verdict is Verdict.PASSED:
            assert result.reason == ""
        for words in self.words:
            assert words in result.reason, f"{words!r} is not in {result.reason!r}"
        assert (result.safe, result.parked) == (self.safe, self.parked), result.reason
        assert finished.exit_code == (_EXIT_CODES[self.verdict] if self.safe else 4)
        if self.findings is not None:
            assert len(result.findings) == len(self.findings), result.findings
            for said, wanted in zip(result.findings, self.findings, strict=True):
                assert wanted in said, f"{wanted!r} is not in {said!r}"
        failed_steps = [step for step in result.steps if not step.verdict.passed]
        assert bool(failed_steps or result.reason) is (self.verdict is not Verdict.PASSED)


def passes(runbook: str | Path, *findings: str) -> Ends:
    """It passes, and this is odd, all of it."""
    return Ends(runbook, Verdict.PASSED, findings=findings)


def fails(runbook: str | Path, *words: str, findings: tuple[str, ...] | None = None) -> Ends:
    """It fails, and its reason says this."""
    return Ends(runbook, Verdict.FAILED, words, findings)


def undecided(runbook: str | Path, *words: str, safe: bool = True, parked: bool = True) -> Ends:
    """Nobody can tell, and its reason says why."""
    return Ends(runbook, Verdict.UNDECIDED, words, safe=safe, parked=parked)


def quiet_rig(folder: Path, shipped: Path = RIG) -> Path:
    """A shipped rig, but for its reference meter, which is read every ten seconds: most of what a run costs."""
    (folder / "duts").mkdir(parents=True)
    shutil.copy(shipped.parent / "duts" / shipped.name, folder / "duts")
    rig = folder / "rig.yaml"
    rig.write_text(shipped.read_text().replace("every: 1 s", "every: 10 s"))
    return rig


async def run_session(
    folder: Path,
    runbooks: Sequence[str | Path],
    faults: Sequence[str] = (),
    *,
    seed: int | None = None,
    rig: Path = RIG,
) -> list[Finished]:
    """Run runbooks one after the other on one emulated rig; evidence goes to `folder`/out, and must be sound."""
    paths = [str(name if isinstance(name, Path) else ROOT / "runbooks" / f"{name}.yaml") for name in runbooks]
    the_rig, planned = prepare(rig, paths)
    options = RunOptions(folder / "out", folder / "state", seed, tuple(faults))
    with _no_unhandled_errors():
        finished = await run_all(the_rig, planned, options, TerminalOperator(), Silent())
    own = bench_key(options.state).fingerprint
    for item in finished:
        report = verify(item.bundle, [own])
        assert (report.level, report.problem) == (Level.VERIFIED, "")
        assert report.verdict == item.result.verdict
    return finished


async def run_with(runbook: str | Path, *faults: str, seed: int | None = None) -> Finished:
    """Run one runbook on a rig of its own; its evidence is checked, and gone afterwards."""
    with TemporaryDirectory(dir=_MEMORY) as folder:
        (finished,) = await run_session(Path(folder), [runbook], faults, seed=seed)
    return finished


async def see(faults: Sequence[str], *expected: Ends, shipped: Path = RIG) -> list[Finished]:
    """Run runbooks one after the other on one quiet rig with faults, and see that each ends as it must."""
    with TemporaryDirectory(dir=_MEMORY) as name:
        folder = Path(name)
        rig = quiet_rig(folder, shipped)
        finished = await run_session(folder, [item.runbook for item in expected], faults, rig=rig)
    assert len(finished) == len(expected)
    for item, one in zip(expected, finished, strict=True):
        item.check(one)
    return finished


@contextmanager
def _no_unhandled_errors() -> Iterator[None]:
    """Fail for whatever the event loop would only have logged."""
    loop, errors = asyncio.get_running_loop(), list[dict[str, Any]]()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _loop, context: errors.append(context))
    try:
        yield
    finally:
        loop.set_exception_handler(before)
    assert errors == []
