"""Results from evidence: what the bundle of a run proves of each test that its steps cover.

Only evidence that verifies, signed by a key that is believed, becomes a result. A requirement passed if every step
that covers it did; what the bench could not decide is blocked, with the reason.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.clock import ClockKind
from bench.errors import UsageError
from bench.evidence.manifest import JOURNAL, MANIFEST
from bench.evidence.verify import Level, Report, verify
from bench.journal_reader import read_journal
from bench.uept.changes import Changes
from bench.uept.files import file_hash
from bench.uept.model import Result
from bench.verdict import Verdict

_RESULTS = {
    Verdict.PASSED.value: Result.PASSED,
    Verdict.FAILED.value: Result.FAILED,
    Verdict.BLOCKED.value: Result.BLOCKED,
    Verdict.UNDECIDED.value: Result.BLOCKED,
    Verdict.SKIPPED.value: Result.NOT_RUN,
}
_GRAVITY = (Result.FAILED, Result.BLOCKED, Result.NOT_RUN, Result.PASSED)
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Proven:
    """What a bundle says of one requirement.

    Attributes:
        test: the requirement's id.
        reason: why it did not pass.
    """

    test: str
    result: Result
    reason: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What a bundle proves.

    Attributes:
        run: the run's id.
        runbook: what was run.
        ended: when, UTC; None of a run in virtual time, which happened on no day.
        real: it is fit to be compliance evidence: real devices, real time that was synchronised.
        proven: by requirement.
    """

    run: str
    runbook: str
    ended: datetime | None
    real: bool
    proven: tuple[Proven, ...]


def read_proof(bundle: Path, trusted: Collection[str]) -> Proof:
    """Read what a bundle proves.

    Args:
        bundle: its folder.
        trusted: fingerprints of the keys that are believed.

    Raises:
        UsageError: it does not verify, or is signed by nobody that is believed.
    """
    report = verify(bundle, trusted)
    if report.level is not Level.VERIFIED:
        why = report.problem or "who signed it is not known"
        raise UsageError(f"{bundle} is no evidence: {why}", next_step=_next_step(report))
    runbook, ended_ns, undecided, steps = "", 0, "", []
    for record in read_journal(bundle / JOURNAL):
        data, ended_ns = record.data, record.at.utc_ns
        if record.kind == "run" and data.get("state") == "start":
            runbook = str(data.get("runbook", ""))
        elif record.kind == "run" and data.get("state") == "end":
            undecided = data.get("reason", "") if data.get("verdict") == Verdict.UNDECIDED.value else ""
        elif record.kind == "step" and data.get("state") == "end":
            steps.append(data)
    when = datetime.fromtimestamp(ended_ns // _NS, UTC) if report.clock is ClockKind.REAL else None
    return Proof(report.run, runbook, when, _real(report), tuple(_proven(steps, undecided)))


def _next_step(report: Report) -> str:
    if report.level is Level.INTEGRITY_ONLY:
        return f"If you believe that bench, add --trust {report.fingerprint}"
    return "Only evidence that verifies becomes a result"


def _real(report: Report) -> bool:
    return report.clock is ClockKind.REAL and report.synchronised and not report.emulated


def _proven(steps: Iterable[Mapping[str, Any]], undecided: str) -> Iterator[Proven]:
    """What steps prove; where the run as a whole could not be decided, nothing passed in it."""
    found: dict[str, list[tuple[Result, str]]] = {}
    for step in steps:
        for requirement in step.get("requirements", ()):
            result = _RESULTS[step["verdict"]]
            if result is Result.PASSED and undecided:
                result, step = Result.BLOCKED, {**step, "reason": undecided}
            reason = "" if result is Result.PASSED else step.get("reason") or f"the step {step['name']} did not pass"
            found.setdefault(requirement, []).append((result, reason))
    for requirement, outcomes in found.items():
        result, reason = min(outcomes, key=lambda outcome: _GRAVITY.index(outcome[0]))
        yield Proven(requirement, result, reason)


def take(
    changes: Changes,
    bundles: Sequence[Path],
    trusted: Collection[str],
    *,
    regression: bool = False,
    retest_of: int | None = None,
) -> list[tuple[Path, int, int]]:
    """Record what bundles prove; of each, how many results are new and how many the project has no test for.

    A run that is recorded already is passed over, so that the same folder may be given again.

    Raises:
        UsageError: a bundle does not verify; then nothing of any bundle is recorded.
    """
    known = {test.id for test in changes.project.tests()}
    recorded = {(each.run, each.test) for each in changes.project.executions() if each.run}
    proofs = [(bundle, read_proof(bundle, trusted)) for bundle in bundles]
    taken = []
    with changes.store.change():
        for bundle, proof in sorted(proofs, key=lambda pair: (pair[1].ended or changes.now, pair[1].run)):
            new = 0
            for each in proof.proven:
                if each.test not in known or (proof.run, each.test) in recorded:
                    continue
                issue = retest_of if retest_of is not None and _raised(changes, retest_of) == each.test else None
                changes.record(
                    each.test,
                    each.result,
                    at=proof.ended or changes.now,
                    script=proof.runbook,
                    reason=each.reason,
                    run=proof.run,
                    evidence=str(bundle.resolve()),
                    sha256=file_hash(bundle / MANIFEST),
                    real=proof.real,
                    regression=regression,
                    retest_of=issue,
                )
                new += 1
            taken.append((bundle, new, sum(each.test not in known for each in proof.proven)))
    return taken


def _raised(changes: Changes, issue: int) -> str:
    execution = changes.issue(issue).execution
    return next(each.test for each in changes.project.executions() if each.number == execution)
