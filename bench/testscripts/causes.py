"""What the Test Scripts for alerts and Response Codes have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.ctsd.requirements import Requirement
from bench.ctsd.tables import Role
from bench.parties import DeviceType
from bench.testscripts.knowledge import Case, Step, hub_is_commissioned
from bench.testscripts.params import GAS, duration_text

Tree = dict[str, Any]
Cause = Callable[[Requirement, Case], Tree]

NOTICE = "5 min"
"""How long the DCC may take to tell of what it did itself."""


def commissioned(case: Case, *devices: str) -> list[Tree]:
    """The preconditions that the Comms Hub and the meter, or these devices, are Commissioned."""
    found = [hub_is_commissioned(case)]
    for device in devices or (case.subject,):
        found.append(
            {
                "title": f"The device {device} is Commissioned",
                "as": case.supplier,
                "inventory": {"device": device, "status": "Commissioned"},
                "establish": procedures("remove", "commission", device=device),
            }
        )
    return found


def not_installed(case: Case) -> list[Tree]:
    """The preconditions before the meter is installed."""
    return [
        hub_is_commissioned(case),
        {
            "title": f"The device {case.subject} is not installed",
            "as": case.supplier,
            "inventory": {"device": case.subject, "status": ["absent", "Pending"]},
            "establish": procedures("remove", device=case.subject),
        },
    ]


def procedures(*names: str, device: str) -> list[Step]:
    """Steps that call procedures about a device."""
    return [{"procedure": f"{name}-{device}"} for name in names]


def of_role(case: Case, role: Role, variant: str = "8.2") -> Case:
    """The same test data in the hands of another role."""
    return Case(role, variant, case.smets, case.data)


def supplier_of(case: Case) -> Case:
    """The same in the hands of the meter's supplier."""
    return of_role(case, Role.GS if case.role in GAS else Role.IS)


def covering(requirement: Requirement, step: Step, *more: Tree) -> Step:
    """A step whose pass is the evidence, with what must come besides."""
    return {"step": "1", **step, "covers": [requirement.id], "expect": [*step.get("expect", ()), *more]}


def window(case: Case, kind: DeviceType) -> str:
    """How long a device of a kind may take to say something."""
    windows = case.data.windows
    return duration_text(windows.gas if kind is DeviceType.GSME else windows.mains)


def refused(requirement: Requirement, step: Step, variant: str, code: str, case: Case) -> Tree:
    """The runbook of a request that is answered with a Response Code at once."""
    step = step | {"expect": [{"response": variant, "code": code, "within": duration_text(case.data.windows.dcc)}]}
    step["title"] = f"{step['title']}: {code}"
    return {"preconditions": [hub_is_commissioned(case)], "steps": [covering(requirement, step)]}
