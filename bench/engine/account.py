"""What a run has come to so far: results, problems and findings, each an event before it counts."""

from __future__ import annotations

from collections.abc import Sequence

from bench.clock import ClockKind
from bench.errors import ClockError
from bench.quantities import format_duration
from bench.results import RunResult, StepResult
from bench.resume import Resumption
from bench.rig.session import RigSession
from bench.runbook import Placed, Runbook
from bench.verdict import Verdict, gravest

_NS = 1_000_000_000


class Account:
    """The account of one run.

    Args:
        session: the connected rig.
        earlier: what a run that was interrupted had noted by then.

    Attributes:
        results: of the steps that ended, in order.
    """

    def __init__(self, session: RigSession, earlier: Resumption) -> None:
        self._session = session
        self.results: list[StepResult] = []
        self._problems = list(earlier.problems)
        self._findings = list(earlier.findings)

    def finish(self, result: StepResult, *, kept: bool = False) -> None:
        """Enter how a step ended.

        Args:
            result: how.
            kept: it was so before the interruption, and the step was not done again.
        """
        self.results.append(result)
        self._session.stream.emit(
            "engine",
            "step",
            {
                "state": "end",
                "group": result.group,
                "path": result.placed.path,
                "name": result.placed.name,
                "as": result.placed.step.user,
                "verdict": result.verdict.value,
                "summary": result.summary,
                "reason": result.reason,
                "duration_ns": result.ended.mono_ns - result.began.mono_ns,
                "latencies": [list(item) for item in result.latencies],
                "requirements": list(result.placed.step.covers),
                "covers": list(result.placed.step.covers) if result.verdict is Verdict.PASSED else [],
                **({"kept": True} if kept else {}),
            },
        )

    def block(self, group: str, steps: Sequence[Placed]) -> None:
        """Enter steps that are not begun."""
        for placed in steps:
            now = self._session.clock.now()
            self.finish(StepResult(group, placed, Verdict.BLOCKED, "", "an earlier step did not pass", now, now))

    def problem(self, verdict: Verdict, text: str) -> None:
        """Enter what keeps the whole run from being better than this verdict; once, however often it is said."""
        if (verdict, text) not in self._problems:
            self._problems.append((verdict, text))
            self._session.stream.emit("engine", "problem", {"verdict": verdict.value, "text": text})

    def finding(self, text: str) -> None:
        """Enter what is odd and by itself fails nothing."""
        self._findings.append(text)
        self._session.stream.emit("engine", "finding", {"text": text})

    def add_findings(self, texts: Sequence[str]) -> None:
        """Enter findings that have been events already."""
        self._findings.extend(texts)

    def check_clock(self) -> None:
        """Enter what is wrong with the clock now."""
        clock, rules = self._session.clock, self._session.rig.file.clock
        if clock.kind is ClockKind.REAL and rules.require_synchronised:
            uncertainty_ns = clock.now().uncertainty_ns
            if uncertainty_ns is None:
                self.problem(Verdict.UNDECIDED, "the system clock is unsynchronised")
            elif uncertainty_ns > rules.max_uncertainty * _NS:
                shown = format_duration(uncertainty_ns / _NS)
                self.problem(Verdict.UNDECIDED, f"the system clock may be wrong by {shown}")
        try:
            clock.check()
        except ClockError as error:
            self.problem(Verdict.UNDECIDED, str(error))

    def conclude(self, runbook: Runbook, *, abort_reason: str | None, unsafe: Sequence[str], parked: bool) -> RunResult:
        """Close the account.

        Args:
            runbook: what was carried out.
            abort_reason: why the run was aborted; None if it was not.
            unsafe: why the safe state was not confirmed; empty if it was, or was not asked for.
            parked: whether the rig was left parked.
        """
        if abort_reason is not None:
            self.problem(Verdict.UNDECIDED, f"aborted: {abort_reason}")
        if unsafe:
            self.problem(Verdict.UNDECIDED, f"the safe state was not confirmed: {'; '.join(unsafe)}")
        if self._session.ledger.fault:
            self.problem(
                Verdict.UNDECIDED, f"the record of messages could not be written: {self._session.ledger.fault}"
            )
        tested = [result.verdict for result in self.results if result.group == "step"]
        if tested and all(verdict is Verdict.SKIPPED for verdict in tested):
            self.problem(Verdict.UNDECIDED, "every step was skipped, so that nothing was tested")
        verdicts = [result.verdict for result in self.results if result.group != "teardown"]
        verdict = gravest([*verdicts, *(verdict for verdict, _ in self._problems)])
        if verdict.passed:
            verdict = Verdict.PASSED
        reasons = [
            f"{result.placed.name}: {result.reason}"
            for result in self.results
            if result.reason and not result.verdict.passed
        ]
        texts = [text for _, text in self._problems]
        reason = "; ".join(dict.fromkeys([*(r for r in reasons if "an earlier step" not in r), *texts]))
        return RunResult(runbook, verdict, reason, not unsafe, parked, self.results, self._findings)
