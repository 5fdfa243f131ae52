"""A Test Script for each cell of the DUIS matrix (SR01 to SR10), as the tree of a runbook."""

from __future__ import annotations

from typing import Any

from bench.ctsd.requirements import Requirement
from bench.ctsd.tables import Column, Smets
from bench.duis.service_requests import Target, service_request
from bench.errors import UsageError
from bench.testscripts.data import DataPlan
from bench.testscripts.knowledge import Case, Needs, good_code, needs_of
from bench.testscripts.params import FILLED_IN, duration_text, params_of

_ALERT_MARGIN_S = 300.0
INSTRUCTIONS: dict[str, int] = {"1.1.2": 3, "6.14.2": 2}
"""How many instructions the device reports on (0x8F66) for a future-dated request, where it is more than one."""


def cell_runbook(requirement: Requirement, data: DataPlan, name: str) -> dict[str, Any]:
    """The runbook that tests a cell.

    Raises:
        UsageError: the test data lack what it needs.
    """
    cell, smets = requirement.cell, requirement.smets
    if cell is None or smets is None:
        raise UsageError(f"{requirement.id} is no cell of the DUIS matrix")
    case = Case(requirement.role, cell.variant, smets, data)
    if cell.variant == "6.15.2" and cell.column is not Column.CV4 and not data.params.get(cell.variant):
        raise UsageError(
            "6.15.2 needs a certificate that SMKI has issued for the key of a 6.17; give it in the Test Data Plan"
        )
    needs = needs_of(case, transformed_only=_is_transformed(cell.column, smets))
    runbook: dict[str, Any] = {
        "runbook": name,
        "title": f"{requirement.title}, as {requirement.role} ({smets})",
        "preconditions": needs.preconditions,
    }
    if needs.setup:
        runbook["setup"] = needs.setup
    runbook["steps"] = [_step(requirement, case, cell.column, needs)]
    if cell.column in (Column.CV2, Column.CV6) and data.local_delivery:
        runbook["steps"] = _delivered(runbook["steps"][0], case)
    if needs.teardown:
        runbook["teardown"] = needs.teardown
    return runbook


def _is_transformed(column: Column, smets: Smets) -> bool:
    """Whether a request is transformed and not sent on: a SMETS1 device gets one of Command Variant 4 itself."""
    return column is Column.CV4 and smets is Smets.SMETS2


def _step(requirement: Requirement, case: Case, column: Column, needs: Needs) -> dict[str, Any]:
    request = service_request(case.variant)
    send: dict[str, Any] = {"service_request": case.variant}
    if case.target != "dcc":
        send["to"] = case.target
    if case.variant in FILLED_IN and case.variant not in ("6.21", "6.20.1"):
        send["device"] = case.about
    params = params_of(
        case.variant, column.command_variant, case.role, case.smets, case.data, future=column.future_dated
    )
    params |= needs.params
    if params:
        send["params"] = params
    send["command_variant"] = str(column.command_variant)
    if needs.save:
        send["save"] = needs.save
    step = {
        "step": "1",
        "title": request.name,
        "covers": [requirement.id],
        "as": case.user,
        "send": send,
        "expect": _expected(case, column),
    }
    if column is Column.CV1_FD:
        step["forbid"] = [
            {
                "response": case.variant,
                "code": "I0",
                "for": duration_text(case.data.windows.future - case.data.windows.dcc),
            }
        ]
    return step


def _delivered(step: dict[str, Any], case: Case) -> list[dict[str, Any]]:
    """The step that gets a local command, and another by which it is carried to the device."""
    send = step["send"] | {"save": "local"}
    deliver = {
        "step": "2",
        "title": f"Deliver it to {case.target} by the hand-held terminal",
        "as": case.user,
        "covers": step["covers"],
        "deliver": {"command": "local", "to": case.target},
    }
    first = {name: value for name, value in step.items() if name != "covers"}
    return [first | {"send": send}, deliver]


def _expected(case: Case, column: Column) -> list[dict[str, Any]]:
    """What must come for a Command Variant (DUIS; decision on CV4 in docs/ctsd.md)."""
    variant, windows = case.variant, case.data.windows
    answer = {"response": variant, "code": "I0", "form": "device", "within": case.within}
    if service_request(variant).target is Target.DCC:
        return [{"response": variant, "code": good_code(variant), "within": case.within}]
    if _is_transformed(column, case.smets):
        return [answer | {"form": "pre-command", "within": duration_text(windows.dcc)}]
    local = answer | {"form": "local-command", "within": duration_text(windows.dcc)}
    if column in (Column.CV2, Column.CV6):
        return [local]
    if column in (Column.CV3, Column.CV7):
        return [local, answer]
    if not column.future_dated:
        return [answer]
    own_s = windows.gas if case.within == duration_text(windows.gas) else windows.mains
    late = duration_text(windows.future + own_s + _ALERT_MARGIN_S)
    if column is Column.CV1_FD:
        return [answer | {"within": late}]
    alert = {"device_alert": "0x8F66", "from": case.target, "within": late}
    return [answer, *([alert] * INSTRUCTIONS.get(variant, 1))]
