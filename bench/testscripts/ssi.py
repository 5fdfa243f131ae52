"""The log-in to the Self Service Interface (8.1.27): its Test Script, and the step that it calls."""

from __future__ import annotations

from typing import Any

from bench.capabilities import SelfService
from bench.ctsd.requirements import Requirement
from bench.rig.session import RigSession
from bench.testscripts.data import DataPlan
from bench.verbs import NEEDS

FUNCTION = "self-service-log-in"


async def log_in(session: RigSession, user: str) -> str:
    """Log in as a User of the rig; what the table of steps says of it.

    Raises:
        BenchError: see `SelfService.log_in`.
    """
    done = await session.capability(SelfService).log_in(user)
    drawn = ", its picture is kept" if done.picture else ""
    return f"{done.issuer} let {done.subject} in; the interface shows {done.title!r}{drawn}"


setattr(log_in, NEEDS, SelfService)


def ssi_runbook(requirement: Requirement, data: DataPlan, name: str) -> dict[str, Any]:
    """The runbook of the log-in.

    Raises:
        UsageError: the test data have no User of the role.
    """
    user = data.user(requirement.role)
    step = {
        "step": "1",
        "title": "Log in by way of the identity provider",
        "covers": [requirement.id],
        "as": user,
        "call": {"function": FUNCTION, "arguments": {"user": user}},
    }
    return {"runbook": name, "title": f"{requirement.title}, as {requirement.role}", "steps": [step]}
