"""The plan of a role: every requirement with its Test Script, in an order that makes sense on a bench."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.ctsd.populations import NO_AGREEMENTS, Agreements, Population
from bench.ctsd.requirements import Kind, Requirement, count, requirements
from bench.ctsd.tables import Role
from bench.errors import UsageError
from bench.planner import Plan, plan
from bench.rig.file import Rig
from bench.runbook import Runbook
from bench.steps import Step
from bench.testscripts.data import DataPlan
from bench.testscripts.scripts import Script, script_for

_FIRST = ("12.2", "8.11", "8.1.1", "8.7.1", "8.7.2", "6.21", "2.5", "11.1", "11.3")
"""A device is installed before it is asked anything, and has emergency credit to offer before it is topped up."""
_LAST = (
    "7.2",
    "7.3",
    "7.1",
    "6.15.1",
    "6.15.2",
    "6.17",
    "6.23",
    "8.8.1",
    "8.8.2",
    "8.4",
    "8.3",
    "8.12.1",
    "8.12.2",
    "8.14.3",
    "8.14.4",
)
"""What disturbs others comes last: the supply is disabled, then armed, then enabled; keys change; devices leave."""


@dataclass(frozen=True, slots=True)
class Item:
    """One requirement of a plan.

    Attributes:
        requirement: what has to be tested.
        script: that tests it; None if there is none.
        reason: why there is none; empty if there is.
        runbook: the script, read; None without one.
        plan: what it will do on the rig; None without one.
        hardware: what of the bench it uses beside the DCC: "AC source", "relay", "console", "HAN sniffer", "operator".
    """

    requirement: Requirement
    script: Script | None
    reason: str
    runbook: Runbook | None
    plan: Plan | None
    hardware: tuple[str, ...] = ()

    @property
    def runnable(self) -> bool:
        """Whether a runbook tests it on this rig."""
        return self.plan is not None

    def as_json(self) -> dict[str, Any]:
        """For a program to read."""
        requirement = self.requirement
        return {
            "requirement": requirement.id,
            "title": requirement.title,
            "clause": requirement.clause,
            "scenario": requirement.scenario,
            "smets": requirement.smets.value if requirement.smets else None,
            "mandatory": requirement.mandatory,
            "dual_band": requirement.dual_band,
            "precondition": requirement.precondition,
            "met_by": requirement.met_by or None,
            "runbook": self.script.name if self.script else None,
            "runnable": self.runnable,
            "reason": self.reason or None,
            "hardware": list(self.hardware),
            "usual_s": self.plan.usual_s if self.plan else None,
            "longest_s": self.plan.longest_s if self.plan else None,
        }


@dataclass(frozen=True, slots=True)
class RolePlan:
    """What a role has to run on a rig, in order.

    Attributes:
        role: the User Role.
        population: why the Party tests.
        items: every requirement, those of one runbook beside each other.
    """

    role: Role
    population: Population
    items: tuple[Item, ...]

    def runbooks(self) -> Iterator[tuple[Runbook, Plan, tuple[Requirement, ...]]]:
        """Each runbook once, with the requirements that it covers."""
        done: set[str] = set()
        for item in self.items:
            if item.runbook is None or item.plan is None or item.runbook.name in done:
                continue
            done.add(item.runbook.name)
            name = item.runbook.name
            covered = tuple(
                each.requirement for each in self.items if each.runbook is not None and each.runbook.name == name
            )
            yield item.runbook, item.plan, covered

    @property
    def usual_s(self) -> float:
        """How long it all usually takes, in seconds of the rig's clock."""
        return sum(plan.usual_s for _, plan, _ in self.runbooks())

    @property
    def longest_s(self) -> float:
        """How long it takes at most."""
        return sum(plan.longest_s for _, plan, _ in self.runbooks())

    def as_json(self) -> dict[str, Any]:
        """For a program to read."""
        counts = count([item.requirement for item in self.items])
        return {
            "role": self.role.value,
            "population": self.population.value,
            "tests": counts.tests,
            "executions": counts.executions,
            "optional": counts.optional,
            "by_scenario": dict(counts.by_scenario),
            "by_smets": dict(counts.by_variant),
            "runnable": sum(item.runnable and item.requirement.mandatory for item in self.items),
            "runbooks": len(list(self.runbooks())),
            "usual_s": self.usual_s,
            "longest_s": self.longest_s,
            "requirements": [item.as_json() for item in self.items],
        }


def plan_role(
    rig: Rig,
    role: Role,
    population: Population,
    data: DataPlan,
    folder: Path,
    agreements: Agreements = NO_AGREEMENTS,
) -> RolePlan:
    """Find the Test Script of each requirement, and plan it on the rig.

    A script that the rig cannot carry out is a reason, not an error: the plan says which tests need another bench.
    """
    made: dict[str, Item] = {}
    items = []
    for requirement in sorted(requirements(role, population, agreements), key=_rank):
        items.append(_item(rig, requirement, data, folder, made))
    return RolePlan(role, population, tuple(items))


def _item(rig: Rig, requirement: Requirement, data: DataPlan, folder: Path, made: dict[str, Item]) -> Item:
    try:
        script = script_for(requirement, data, folder)
    except UsageError as error:
        return Item(requirement, None, str(error), None, None)
    if (same := made.get(script.name)) is not None:
        return Item(requirement, script, same.reason, same.runbook, same.plan, same.hardware)
    try:
        runbook = script.load()
        item = Item(requirement, script, "", runbook, plan(rig, runbook), hardware(runbook))
    except UsageError as error:
        # One line: the mistakes of one script are all of one kind, such as a User that the rig does not have.
        item = Item(requirement, script, str(error).splitlines()[0], None, None)
    made[script.name] = item
    return item


def _rank(requirement: Requirement) -> tuple[int, int, int]:
    """Where a requirement stands: kinds, then the order of installing, reading and disturbing, then the document's."""
    kinds = (
        Kind.SSI,
        Kind.INSTALL,
        Kind.SERVICE_REQUEST,
        Kind.RESPONSE_CODE,
        Kind.DEVICE_ALERT,
        Kind.DCC_ALERT,
    )
    variant = requirement.cell.variant if requirement.cell else ""
    if variant in _FIRST:
        return kinds.index(requirement.kind), 0, _FIRST.index(variant)
    if variant in _LAST:
        return kinds.index(requirement.kind), 2, _LAST.index(variant)
    return kinds.index(requirement.kind), 1, 0


def hardware(runbook: Runbook) -> tuple[str, ...]:
    """What of the bench a runbook uses beside the DCC."""
    found: dict[str, None] = {}
    for placed in runbook.all_steps():
        for step in _flat(placed.step):
            for name, used in (
                ("AC source", step.supply),
                ("relay", step.relay),
                ("console", step.console),
                ("reference meter", step.measure),
                ("operator", step.prompt),
                ("hand-held terminal", step.deliver),
            ):
                if used is not None:
                    found[name] = None
            if any(match.kind == "han" and match.witness == "required" for match in step.expect):
                found["HAN sniffer"] = None
    return tuple(found)


def _flat(step: Step) -> Sequence[Step]:
    return (step, *(inner for part in step.parallel or () for inner in _flat(part)))
