"""Test Scripts for the DCC Alerts and Response Codes of SMETS1 devices, each by its real cause."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bench.ctsd.requirements import Requirement
from bench.ctsd.tables import Cell, Column, Role, Smets, cells
from bench.duis.service_requests import Target, service_request
from bench.errors import UsageError
from bench.parties import DeviceType
from bench.testscripts.causes import NOTICE, Cause, Tree, commissioned, covering, of_role, refused
from bench.testscripts.knowledge import Case, Step
from bench.testscripts.params import params_of, target_type

_ANY_USER = ("6.21", "6.23", "8.4", "8.7.1", "8.7.2", "8.8.1", "8.8.2", "8.9", "8.11", "11.2")
"""What the DCC takes from a User who does not serve the device."""
_UNREACHED = "15 min"
"""How long the DCC may try a device that cannot be reached."""


def without_supply(requirement: Requirement, case: Case, step: Step) -> Tree:
    """A step that is done while the meter and its Comms Hub have no supply."""
    dark = {"title": "Cut the supply of the meter and its Comms Hub", "relay": {"closed": "no"}}
    allow = [
        {"dcc_alert": "AD1", "as": case.data.users[role]} for role in (Role.ED, Role.GT) if role in case.data.users
    ]
    others = case.data.devices.get(Smets.SMETS2, {})
    restored = [
        {"device_alert": "0x8F36", "from": others[DeviceType.ESME], "as": case.data.users[Role.ED]}
        for _ in range(Role.ED in case.data.users and DeviceType.ESME in others)
    ]
    return {
        "preconditions": commissioned(case),
        "setup": [dark],
        "steps": [covering(requirement, step) | {"allow": allow}],
        "teardown": [
            {"title": "Give the supply back", "relay": {"closed": "yes"}, "allow": allow},
            {"title": "Meter and Comms Hub start", "wait": "3 min", "allow": [*restored, *allow]},
        ],
    }


def _cells(case: Case) -> Iterator[Cell]:
    """What the role may ask a device for by a command that nobody signs."""
    for cell in cells(case.role):
        if cell.column is Column.CV1 and service_request(cell.variant).target is Target.DEVICE:
            yield cell


def _unreachable(requirement: Requirement, case: Case) -> Tree:
    """N55: the service provider cannot reach the device, since its Comms Hub has no supply."""
    # A reading, so that nothing is left half done at the meter.
    variant = next(
        cell.variant
        for cell in _cells(case)
        if Smets.SMETS1 in cell.mark.variants
        and not _about_hub(case, cell)
        and service_request(cell.variant).name.startswith(("Read", "Retrieve"))
    )
    step = of_role(case, case.role, variant).send(variant, 1)
    step["expect"] = [{"dcc_alert": "N55", "within": _UNREACHED}]
    return without_supply(requirement, case, step)


def _about_hub(case: Case, cell: Cell) -> bool:
    return target_type(case.role, cell.variant) not in (DeviceType.ESME, DeviceType.GSME)


def _utrn(requirement: Requirement, case: Case) -> Tree:
    """N56: the service provider makes a UTRN for the consumer to enter (2.2 with Command Variant 2)."""
    step = of_role(case, case.role, "2.2").send("2.2", 2)
    step["send"]["command_variant"] = "2"
    step["expect"] = [{"dcc_alert": "N56", "within": NOTICE}]
    return {"preconditions": commissioned(case), "steps": [covering(requirement, step)]}


def _hub_firmware(requirement: Requirement, case: Case) -> Tree:
    """N57: the gas supplier is told of an image for the Comms Hub, here one that he sends himself."""
    hub = case.data.device(case.smets, DeviceType.CHF)
    step = case.send("11.1", params={"device_id_list": f"${{{hub}.id}}"})
    alert = {"dcc_alert": "N57", "values": {"firmware_version_update_status": "UpdateRequested"}, "within": NOTICE}
    wait = {
        "title": "The image is activated",
        "wait": "1 h",
        "allow": [{"dcc_alert": "N57", "values": {"firmware_version_update_status": "ActivationSuccessful"}}],
    }
    return {
        "preconditions": commissioned(case),
        "steps": [covering(requirement, step, alert)],
        "teardown": [wait | {"as": case.user}],
    }


def _not_for_smets1(requirement: Requirement, case: Case) -> Tree:
    """E60: a Service Request that there is not for SMETS1 devices."""
    known = {cell.variant for role in Role for cell in cells(role) if Smets.SMETS1 in cell.mark.variants}
    held = case.data.devices.get(case.smets, {})
    for cell in _cells(case):
        if cell.variant not in known and target_type(case.role, cell.variant) in held:
            return refused(requirement, _step(case, cell.variant, 1), cell.variant, "E60", case)
    raise UsageError("the role has no Service Request that is for SMETS2+ devices only")


def _other_command_variant(requirement: Requirement, case: Case) -> Tree:
    """E63: a command to be delivered locally, which a SMETS1 device does not have."""
    for cell in _cells(case):
        variants = service_request(cell.variant).command_variants
        if Smets.SMETS1 in cell.mark.variants and 2 in variants and cell.variant != "2.2":
            return refused(requirement, _step(case, cell.variant, 2), cell.variant, "E63", case)
    raise UsageError("the role has no Service Request with a Command Variant that is for SMETS2+ devices only")


def _other_user_id(requirement: Requirement, case: Case) -> Tree:
    """E64: a User ID of the Party that it has not notified to the DCC for SMETS1 devices."""
    user = case.data.other_id(case.role)
    for cell in _cells(case):
        mine = Smets.SMETS1 in cell.mark.variants and cell.variant not in _ANY_USER and cell.variant != "2.2"
        if mine and not _about_hub(case, cell):
            step = _step(case, cell.variant, 1) | {"as": user}
            return refused(requirement, step, cell.variant, "E64", case)
    raise UsageError("the role has no Service Request to a device that it serves")


def _step(case: Case, variant: str, command_variant: int) -> Step:
    step = of_role(case, case.role, variant).send(variant, command_variant)
    step["send"]["command_variant"] = str(command_variant)
    params = params_of(variant, command_variant, case.role, case.smets, case.data)
    return step | {"send": step["send"] | ({"params": params} if params else {})}


SMETS1_CAUSES: Mapping[str, Cause] = {
    "N55": _unreachable,
    "N56": _utrn,
    "N57": _hub_firmware,
    "E60": _not_for_smets1,
    "E63": _other_command_variant,
    "E64": _other_user_id,
}
"""By code."""
