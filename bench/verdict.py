"""Verdicts of steps and runs, and the exit codes that they become."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Verdict(StrEnum):
    """How a step or a run ended, mildest first."""

    SKIPPED = "skipped"
    """It did not have to run: what it would have established was there already."""
    PASSED = "passed"
    """Everything that had to be seen was seen, nothing forbidden came, and the evidence is sound."""
    BLOCKED = "blocked"
    """It did not run because of what happened before it."""
    FAILED = "failed"
    """The device under test, or the DCC, did not do what it had to."""
    UNDECIDED = "undecided"
    """Nobody can tell: the bench lost a device, its clock or its evidence."""

    @property
    def passed(self) -> bool:
        """Whether it may count as a pass."""
        return self in (Verdict.PASSED, Verdict.SKIPPED)


EXIT_PASSED = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_UNDECIDED = 3
EXIT_UNSAFE = 4

_GRAVITY = list(Verdict)


def gravest(verdicts: Iterable[Verdict]) -> Verdict:
    """The gravest of several; PASSED for none."""
    return max(verdicts, key=_GRAVITY.index, default=Verdict.PASSED)


def exit_code(verdict: Verdict, *, safe: bool) -> int:
    """The process exit code of a run: an unconfirmed safe state outweighs every verdict."""
    if not safe:
        return EXIT_UNSAFE
    if verdict is Verdict.UNDECIDED or verdict is Verdict.BLOCKED:
        return EXIT_UNDECIDED
    return EXIT_PASSED if verdict.passed else EXIT_FAILED
