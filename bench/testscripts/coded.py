"""Test Scripts for Device Alerts, DCC Alerts and Response Codes, each by its real cause."""

from __future__ import annotations

from collections.abc import Mapping

from bench.ctsd.requirements import Requirement
from bench.ctsd.tables import Column, Role, cells, matrix
from bench.duis.service_requests import Target, service_request
from bench.errors import UsageError
from bench.parties import DeviceType
from bench.testscripts.causes import (
    NOTICE,
    Cause,
    Tree,
    commissioned,
    covering,
    not_installed,
    of_role,
    procedures,
    refused,
    supplier_of,
    window,
)
from bench.testscripts.coded_smets1 import SMETS1_CAUSES, without_supply
from bench.testscripts.data import DataPlan
from bench.testscripts.knowledge import Case, Step, hub_is_commissioned
from bench.testscripts.matrix import INSTRUCTIONS
from bench.testscripts.params import GAS, duration_text, meter_type, params_of


def coded_runbook(requirement: Requirement, data: DataPlan, name: str) -> Tree:
    """The runbook that provokes an alert or a Response Code.

    Raises:
        UsageError: the test data lack what it needs, or nothing on a bench provokes it.
    """
    smets = requirement.smets
    if smets is None:
        raise UsageError(f"{requirement.id} names no kind of device")
    case = Case(requirement.role, "8.2", smets, data)
    # Whatever is missing is said before anything else: without a device of the kind there is nothing to test.
    data.device(smets, DeviceType.CHF)
    data.device(smets, meter_type(requirement.role))
    cause = _CAUSES.get(requirement.codes[0])
    if cause is None:
        raise UsageError(f"nothing that this bench can do provokes {requirement.codes[0]}")
    head = {"runbook": name, "title": f"{requirement.title}, as {requirement.role} ({smets})"}
    return head | cause(requirement, case)


# Device Alerts


def _supply_armed(requirement: Requirement, case: Case) -> Tree:
    alert = {"device_alert": "0x8F32", "from": case.subject, "within": window(case, meter_type(case.role))}
    return {
        "preconditions": commissioned(case),
        "setup": [case.send("7.2")],
        "steps": [covering(requirement, case.send("7.3"), alert)],
        **({} if case.role in GAS else {"teardown": [case.send("7.1")]}),
    }


def _joined(requirement: Requirement, case: Case) -> Tree:
    step = _join(case)
    alert = {"device_alert": "0x8183", "from": case.subject, "within": duration_text(case.data.windows.join)}
    return {
        "preconditions": not_installed(case),
        "setup": [case.send("12.2")],
        "steps": [covering(requirement, step, alert)],
        "teardown": procedures("remove", "commission", device=case.subject),
    }


def _join(case: Case) -> Step:
    window = duration_text(case.data.windows.join)
    step = case.send("8.11", params={"join_time_period": window})
    step["send"]["device"] = case.subject
    return step | {"forbid": [{"dcc_alert": "N25", "for": "2 min"}]}


_FUTURE = {Role.IS: "6.14.2", Role.GS: "1.6"}
"""What a supplier sends with a later date, to hear by 0x8F66 that it was done."""


def _future_dated(requirement: Requirement, case: Case) -> Tree:
    variant = _FUTURE[case.role]
    sent = of_role(case, case.role, variant)
    step = case.send(variant)
    step["send"]["params"] = params_of(variant, 5, case.role, case.smets, case.data, future=True)
    own_s = case.data.windows.gas if case.role in GAS else case.data.windows.mains
    late = duration_text(case.data.windows.future + own_s)
    alert = {"device_alert": "0x8F66", "from": sent.target, "within": late}
    return {
        "preconditions": commissioned(case),
        "steps": [covering(requirement, step, *([alert] * INSTRUCTIONS.get(variant, 1)))],
    }


def _integrity(requirement: Requirement, case: Case) -> Tree:
    step = {
        "title": "Make the meter find a defect in itself",
        "as": case.user,
        "prompt": {
            "text": f"Provoke a defect that {case.subject} reports (as its maker describes), then answer done",
            "choices": ["done", "cannot"],
            "passes": ["done"],
        },
    }
    alert = {"device_alert": "0x81A0", "from": case.subject, "within": window(case, meter_type(case.role))}
    return {"preconditions": commissioned(case), "steps": [covering(requirement, step, alert)]}


# DCC Alerts


def _whitelisted(requirement: Requirement, case: Case) -> Tree:
    case = of_role(case, case.role, "8.11")
    alert = {"dcc_alert": "N24", "for": "8.11", "within": NOTICE}
    return {
        "preconditions": not_installed(case),
        "setup": [case.send("12.2")],
        "steps": [covering(requirement, _join(case), alert)],
        "teardown": procedures("remove", "commission", device=case.subject),
    }


def _decommissioned(requirement: Requirement, case: Case) -> Tree:
    """N1, N2: the supplier takes the meter off the inventory, and those who are registered for it are told."""
    supplier = supplier_of(case)
    step = supplier.send("8.3")
    step["send"]["device"] = case.subject
    alert = {"dcc_alert": requirement.codes[0], "as": case.user, "from": case.subject, "within": NOTICE}
    return {
        "preconditions": commissioned(case),
        "steps": [covering(requirement, step, alert)],
        "teardown": procedures("remove", "commission", device=case.subject),
    }


def _identity(requirement: Requirement, case: Case) -> Tree:
    """N16: the supplier commissions the meter, and its network operator is told which it is."""
    step = supplier_of(case).send("8.1.1")
    alert = {"dcc_alert": "N16", "as": case.user, "from": case.subject, "within": window(case, meter_type(case.role))}
    return {
        "preconditions": [
            hub_is_commissioned(case),
            {
                "title": f"The device {case.subject} is installed, and not commissioned",
                "as": case.supplier,
                "inventory": {"device": case.subject, "status": "InstalledNotCommissioned"},
                "establish": procedures("remove", "install", device=case.subject),
            },
        ],
        "steps": [covering(requirement, step, alert)],
        "teardown": procedures("remove", "commission", device=case.subject),
    }


def _take_over(case: Case, user: str) -> Step:
    """A step by which a User becomes the supplier of the meter: 6.23 with his certificates."""
    step = case.send("6.23")
    params = step["send"]["params"]
    params["digital_signing_certificate"] = params["certificate"] = f"${{{user}.signing}}"
    params["certificate"] = [f"${{{user}.signing}}"]
    params["key_agreement_certificate"] = f"${{{user}.agreement}}"
    return step | {"title": f"{user} becomes the supplier", "as": user}


def _change_of_supplier(requirement: Requirement, case: Case) -> Tree:
    """N17, N27: another supplier takes the meter over, and the one who had it is told."""
    code = requirement.codes[0]
    alert = {"dcc_alert": code, "as": case.user, "within": NOTICE}
    step = _take_over(case, case.data.new_supplier(case.role))
    step["allow"] = [{"dcc_alert": other, "as": case.user} for other in ("N17", "N27") if other != code]
    back = _take_over(case, case.user)
    new = case.data.new_supplier(case.role)
    back["allow"] = [{"dcc_alert": other, "as": new} for other in ("N17", "N27")]
    return {
        "preconditions": commissioned(case),
        **({"setup": [case.send("5.1", save="schedule")]} if code == "N17" else {}),
        "steps": [covering(requirement, step, alert)],
        "teardown": [back],
    }


def _image_undelivered(requirement: Requirement, case: Case) -> Tree:
    """N19: a meter leaves the HAN while its image is on the way, and the DCC gives up after some hours."""
    wait = {
        "title": "The DCC gives up",
        "as": case.user,
        "wait": "10 s",
        "expect": [{"dcc_alert": "N19", "within": "8 h"}],
    }
    return {
        "preconditions": commissioned(case),
        "setup": [case.send("11.1"), *procedures("remove", device=case.subject)],
        "steps": [covering(requirement, wait)],
        "teardown": procedures("remove", "commission", device=case.subject),
    }


def _version_mismatch(requirement: Requirement, case: Case) -> Tree:
    """N49 to N52: the inventory was told another firmware version than the device has."""
    told = case.send("12.2", params={"firmware_version": "00000001"})
    join = _join(case)
    join["expect"] = [*join["expect"], {"dcc_alert": "N24", "for": "8.11", "within": NOTICE}]
    kind = meter_type(case.role)
    installed = {
        "title": f"The device {case.subject} is installed",
        "as": case.user,
        "inventory": {"device": case.subject, "status": "InstalledNotCommissioned", "within": "15 min"},
    }
    alert = {"dcc_alert": "N49", "within": window(case, kind)}
    return {
        "preconditions": not_installed(case),
        "setup": [told, join, installed, case.send("8.1.1")],
        "steps": [covering(requirement, case.send("11.2"), alert)],
        "teardown": procedures("remove", "commission", device=case.subject),
    }


def _undelivered(requirement: Requirement, case: Case) -> Tree:
    """N53: a command for a meter whose Comms Hub has no supply."""
    variant = "7.4" if case.role is Role.IS else "6.2.1"
    step = case.send(variant, 1)
    step["expect"] = [{"dcc_alert": "N53", "from": case.subject, "within": "15 min"}]
    return without_supply(requirement, case, step)


def _scan(requirement: Requirement, case: Case) -> Tree:
    """N54: a dual band Comms Hub tells what it makes of the wish that it look for another channel (6.29)."""
    hub = of_role(case, case.role, "6.29")
    alert = {"dcc_alert": "N54", "from": hub.target, "within": NOTICE}
    return {"preconditions": [hub_is_commissioned(case)], "steps": [covering(requirement, hub.send("6.29"), alert)]}


def _outage(requirement: Requirement, case: Case) -> Tree:
    """AD1: the Comms Hub is without supply for more than three minutes."""
    esme = case.data.device(case.smets, DeviceType.ESME)
    hub = case.data.device(case.smets, DeviceType.CHF)
    others = [case.data.user(role) for role in (Role.ED, Role.GT) if role is not case.role and role in case.data.users]
    step = {
        "title": "Interrupt the supply for 10 min",
        "as": case.user,
        "supply": {"interrupt": {"for": "10 min"}},
        "expect": [{"dcc_alert": "AD1", "from": hub, "within": "5 min", "after": "fall"}],
        "allow": [{"dcc_alert": "AD1", "as": other} for other in others],
    }
    wait = {
        "title": "Meter and Comms Hub start",
        "wait": "3 min",
        "allow": [{"device_alert": "0x8F36", "from": esme, "as": other} for other in others],
    }
    return {"preconditions": [hub_is_commissioned(case)], "steps": [covering(requirement, step), wait]}


def _other_duis(requirement: Requirement, case: Case) -> Tree:
    """N999: the DCC has the User registered with a version of DUIS in which it cannot be told the answer."""
    user = case.data.older_user(case.role)
    step = case.send("11.2" if case.role is not Role.GT else "6.13")
    alert = {"dcc_alert": "N999", "within": window(case, DeviceType.ESME)}
    hub = case.data.device(case.smets, DeviceType.CHF)
    step["send"] = step["send"] | {"to": hub}
    step = step | {"as": user, "expect": [alert]}
    return {"preconditions": [hub_is_commissioned(case)], "steps": [{"step": "1", "covers": [requirement.id]} | step]}


# Response Codes


def _other_device_type(requirement: Requirement, case: Case) -> Tree:
    """E11: a Service Request to a device of a kind that does not have it."""
    variant, kind = _misdirected(case)
    step = case.send(variant, 1)
    step["send"]["to"] = case.data.device(case.smets, kind)
    return refused(requirement, step, variant, "E11", case)


def _misdirected(case: Case) -> tuple[str, DeviceType]:
    held = case.data.devices.get(case.smets, {})
    for cell in cells(case.role):
        kinds = service_request(cell.variant).device_types
        if cell.column is Column.CV1 and kinds and case.smets in cell.mark.variants:
            for kind in (DeviceType.GSME, DeviceType.ESME, DeviceType.CHF):
                if kind.value not in kinds and kind in held:
                    return cell.variant, kind
    raise UsageError("the test data have a device of no kind that a Service Request of the role is not for")


def _other_url(requirement: Requirement, case: Case) -> Tree:
    """E13: a request that no device sees, to the Transform Service."""
    variant = _about_a_device(case)
    step = case.send(variant)
    step["send"]["command_variant"] = "4"
    return refused(requirement, step, variant, "E13", case)


def _unknown_device(requirement: Requirement, case: Case) -> Tree:
    """E19: a request about a device that the inventory does not hold."""
    variant = _about_a_device(case)
    step = case.send(variant)
    step["send"].pop("device", None)
    step["send"]["params"] = {**step["send"].get("params", {}), "device_id": case.data.unknown_device}
    return refused(requirement, step, variant, "E19", case)


def _about_a_device(case: Case) -> str:
    """A DCC-only request of the role that names a device."""
    for variant in ("8.2", "5.1", "8.4"):
        if variant in matrix(case.role) and service_request(variant).target is Target.DCC:
            return variant
    raise UsageError("the role has no Service Request to the DCC that names a device")


_CAUSES: Mapping[str, Cause] = {
    "0x8F32": _supply_armed,
    "0x8183": _joined,
    "0x8F66": _future_dated,
    "0x81A0": _integrity,
    "AD1": _outage,
    "N1": _decommissioned,
    "N2": _decommissioned,
    "N16": _identity,
    "N17": _change_of_supplier,
    "N27": _change_of_supplier,
    "N19": _image_undelivered,
    "N24": _whitelisted,
    "N49": _version_mismatch,
    "N53": _undelivered,
    "N54": _scan,
    "N999": _other_duis,
    "E11": _other_device_type,
    "E13": _other_url,
    "E19": _unknown_device,
    **SMETS1_CAUSES,
}
"""By the first code of a requirement."""
