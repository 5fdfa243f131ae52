"""A run that a client asked for, and what clients are told of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from bench.one_run import Finished
from bench.planner import Plan
from bench.runbook import Runbook


@dataclass(frozen=True, slots=True)
class Job:
    """It waits, goes on, or has ended.

    Attributes:
        number: what clients call it.
    """

    number: int
    runbook: Runbook
    plan: Plan

    def told(self, state: str) -> dict[str, Any]:
        """The message that it waits or begins; the plan is in the latter."""
        more = {"plan": plan_for_clients(self.plan)} if state == "start" else {}
        return {"type": "job", "state": state, "job": self.number, "runbook": self.runbook.name, **more}

    def ended(self, finished: Finished | None, error: str) -> dict[str, Any]:
        """How it ended.

        Args:
            finished: the run; None if it came to nothing.
            error: why; "" if it did not.
        """
        done: dict[str, Any] = {"job": self.number, "runbook": self.runbook.name, "error": error}
        if finished is not None:
            result = finished.result
            done |= {
                "verdict": result.verdict.value,
                "reason": result.reason,
                "safe": result.safe,
                "duration_s": round(finished.duration_s, 3),
                "bundle": str(finished.bundle.absolute()),
                "body_hash": finished.body_hash,
            }
        return done


def plan_for_clients(plan: Plan) -> dict[str, Any]:
    """A plan as a document."""
    return asdict(plan) | {"usual_s": plan.usual_s, "longest_s": plan.longest_s}
