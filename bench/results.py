"""How steps and runs end."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.clock import Instant
from bench.runbook import Placed, Runbook
from bench.verdict import Verdict

_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class StepResult:
    """How one step ended.

    Attributes:
        group: "precondition", "setup", "step" or "teardown".
        summary: what the verb did, in words.
        reason: why it did not pass; empty if it did.
        latencies: "0x8F35 from esme" to nanoseconds after its anchor, with their uncertainty.
    """

    group: str
    placed: Placed
    verdict: Verdict
    summary: str
    reason: str
    began: Instant
    ended: Instant
    latencies: tuple[tuple[str, int, int], ...] = ()

    @property
    def duration_s(self) -> float:
        """How long it took, in seconds of the clock."""
        return (self.ended.mono_ns - self.began.mono_ns) / _NS


@dataclass(slots=True)
class RunResult:
    """How a run ended.

    Attributes:
        safe: whether the rig's park state, or after an abort its safe state, was confirmed by read-back.
        parked: whether the rig was left parked, so that another run may follow.
        findings: what was odd and did not by itself fail the run.
    """

    runbook: Runbook
    verdict: Verdict
    reason: str
    safe: bool
    parked: bool
    steps: list[StepResult] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
