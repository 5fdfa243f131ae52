"""Which Service Requests the emulated DCC takes, in the order in which it checks them, and the code of each refusal."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from bench.duis.requests import Request
from bench.duis.service_requests import (
    SIGNED_VARIANTS,
    ServiceRequest,
    Target,
    WebService,
    all_service_requests,
    web_service,
)
from bench.eui import Eui64
from bench.parties import DeviceType
from drivers.emulated.dcc_inventory import COMMISSIONED, DECOMMISSIONED, INSTALLED, PENDING, WHITELISTED, Entry

SUPPLIERS = ("IS", "GS")
NETWORK_OPERATORS = ("ED", "GT")
ROLES = ("IS", "ES", "GS", "RSA", "ED", "GT", "OU")

ONLY_LOCAL = (2, 6)
"""Command Variants of commands that the User alone delivers."""
ALSO_LOCAL = (2, 3, 6, 7)
"""Command Variants of commands that the User delivers, or may deliver beside the DCC."""
_SMETS1_COMMAND_VARIANTS = {"2.2": (1, 2, 3)}
"""Command Variants for SMETS1 devices, which hold no User's signature, where they are not 1 and 4."""
_METER_SUPPLIER = {DeviceType.ESME: "IS", DeviceType.GSME: "GS"}
_METER_OPERATOR = {DeviceType.ESME: "ED", DeviceType.GSME: "GT"}


_LIVING = (COMMISSIONED, INSTALLED)
_STATUSES = {
    "8.1.1": (INSTALLED,),
    "8.3": (WHITELISTED, INSTALLED, COMMISSIONED, DECOMMISSIONED),
    "8.2": (),
    "8.4": (),
}
"""SMI statuses that a device must have, where they are not those of one on the HAN; empty: any. They follow the life of
a device: pre-notified, whitelisted, installed, commissioned."""

_FOR_ANYBODY = ("6.21", "6.23", "8.7.1", "8.7.2", "8.8.1", "8.8.2", "8.9", "8.11", "8.12.1", "8.12.2", "8.4", "11.2")
"""What a User of the right role may send to a meter that somebody else serves: while devices are installed or change
their supplier it is not yet his."""

_DUAL_BAND = ("6.28", "6.29", "6.30", "6.31", "6.32")
"""What only a dual band Comms Hub knows."""

_ABOUT = {
    "8.7.1": ("other_device_id",),
    "8.7.2": ("other_device_id",),
    "8.12.1": ("old_chf_id",),
    "8.12.2": ("old_gpf_id",),
}
"""What names the other device, where that has to be in the inventory: one that is left by 8.8 may be gone."""

_DUTY = {"IS": "supplier", "GS": "supplier", "ED": "operator", "GT": "operator"}
"""As what a User of a role must serve a meter; the other roles serve none."""


@cache
def eligible_roles() -> Mapping[str, tuple[str, ...]]:
    """The DUIS User Roles that may send each Service Reference Variant."""
    rows = json.loads(resources.files("drivers.emulated").joinpath("eligibility.json").read_text("utf-8"))["roles"]
    return {variant: tuple(roles) for variant, roles in rows.items()}


@cache
def smets1_variants() -> frozenset[str]:
    """The Service Reference Variants that there are for SMETS1 devices."""
    rows = json.loads(resources.files("drivers.emulated").joinpath("eligibility.json").read_text("utf-8"))
    return frozenset(rows["smets1"])


@dataclass(frozen=True, slots=True)
class Party:
    """A User as the DCC knows it: name on the rig, role and User ID."""

    name: str
    role: str
    eui: Eui64


def refusal(
    request: Request,
    service: WebService,
    party: Party | None,
    *,
    dcc: Eui64,
    find: Callable[[Eui64], Entry | None],
    serves: Callable[[Entry, str], Eui64 | None],
    unnotified: Callable[[Entry, str], Eui64 | None] = lambda entry, duty: None,
) -> str | None:
    """The response code with which the DCC refuses a request, or None.

    Args:
        request: what was asked.
        service: the web service that it came to.
        party: the User that signed it; None if its role is none of DUIS.
        dcc: the Access Control Broker.
        find: looks a device up in the inventory.
        serves: the User that serves a device as "supplier" or "operator".
        unnotified: of a SMETS1 device, another User ID of whoever serves it as that, which the DCC was not told of.
    """
    known = all_service_requests().get(request.service_reference_variant)
    roles = eligible_roles().get(request.service_reference_variant, ())
    if party is None or request.request_id.originator != party.eui or party.role not in ROLES:
        return "E1"
    if known is None:
        return "E12"
    if _wrong_url(known, request, service):
        return "E13"
    if request.command_variant not in known.command_variants or request.raw_body is not None:
        return "E12"
    if party.role not in roles:
        return "E2"
    if known.target is Target.DCC:
        return _inventory_refusal(request, party, dcc, find, serves)
    entry = find(request.request_id.target)
    if entry is None:
        return "E19"
    if entry.smets1:
        return _smets1_refusal(request, known, entry, party, serves, unnotified) or _about_refusal(request, find)
    if known.device_types and entry.type not in known.device_types:
        return "E11"
    if request.service_reference_variant in _DUAL_BAND and not entry.dual_band:
        # No source says how a single band hub is refused; it is a device that does not go with the request.
        return "E11"
    if request.command_variant in ALSO_LOCAL and party.role not in SUPPLIERS and entry.status != COMMISSIONED:
        return "E17"
    return _entry_refusal(request, entry, party, serves) or _about_refusal(request, find)


def _wrong_url(known: ServiceRequest, request: Request, service: WebService) -> bool:
    if known.target is Target.DCC and service is not WebService.DCC_ONLY:
        return True
    return web_service(request.command_variant) is not service


def _inventory_refusal(
    request: Request,
    party: Party,
    dcc: Eui64,
    find: Callable[[Eui64], Entry | None],
    serves: Callable[[Entry, str], Eui64 | None],
) -> str | None:
    if request.request_id.target != dcc:
        return "E19"
    device = request.params.get("device_id")
    if device is None or request.service_reference_variant == "12.2":
        return None
    entry = find(device)
    if entry is None:
        return "E19"
    if entry.smets1 and request.service_reference_variant not in smets1_variants():
        return "E60"
    return _entry_refusal(request, entry, party, serves)


def _smets1_refusal(
    request: Request,
    known: ServiceRequest,
    entry: Entry,
    party: Party,
    serves: Callable[[Entry, str], Eui64 | None],
    unnotified: Callable[[Entry, str], Eui64 | None],
) -> str | None:
    """What is checked of a request to a SMETS1 device.

    That E64 is about every request of a supplier or network operator, and E60 and E63 come before E11, is inferred.
    """
    variant, duty = request.service_reference_variant, _DUTY.get(party.role)
    if variant not in smets1_variants():
        return "E60"
    if request.command_variant not in _SMETS1_COMMAND_VARIANTS.get(variant, (1, 4)):
        return "E63"
    if known.device_types and entry.type not in known.device_types:
        return "E11"
    refused = _entry_refusal(request, entry, party, serves)
    own = refused == "E4" and duty is not None and party.eui == unnotified(entry, duty)
    return "E64" if own else refused


def _entry_refusal(
    request: Request, entry: Entry, party: Party, serves: Callable[[Entry, str], Eui64 | None]
) -> str | None:
    variant = request.service_reference_variant
    duty = None if variant in _FOR_ANYBODY else _DUTY.get(party.role)
    if duty and entry.type in _METER_SUPPLIER and party.eui != serves(entry, duty):
        return "E4"
    statuses = _STATUSES.get(variant, _LIVING)
    if statuses and entry.status not in statuses:
        return "E5"
    return None


def _about_refusal(request: Request, find: Callable[[Eui64], Entry | None]) -> str | None:
    """8.7, 8.8, 8.11 and 8.12 are about a second device."""
    params: Mapping[str, Any] = request.params
    if request.service_reference_variant == "8.11":
        entry = find(params["device_id"])
        if entry is None:
            return "E19"
        adds = params["request_type"] == "Add"
        return "E5" if adds and entry.status not in (PENDING, WHITELISTED, INSTALLED) else None
    about = [params[name] for name in _ABOUT.get(request.service_reference_variant, ()) if name in params]
    return None if all(find(device) for device in about) else "E19"


def default_role(entry: Entry, duty: str) -> str | None:
    """The DUIS User Role that serves a device as "supplier" or "operator"; a Comms Hub has nobody of its own."""
    roles = _METER_SUPPLIER if duty == "supplier" else _METER_OPERATOR
    return next((role for kind, role in roles.items() if kind == entry.type), None)


def is_signed(request: Request) -> bool:
    """Whether its body is a Signed Pre-Command."""
    return request.command_variant in SIGNED_VARIANTS
