"""Security credentials: Service Requests made into commands (6.15, 6.17, 6.21, 6.23, 6.24, 8.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.gbcs import asn1
from bench.gbcs.credentials import Cell, Replacement
from drivers.emulated.transforms.base import Command, NotTransformable, Transform, Wanted

_ROLES = {
    "ACB": "access_control_broker",
    "NetworkOperator": "network_operator",
    "Recovery": "recovery",
    "Root": "root",
    "Supplier": "supplier",
    "TransitionalCoS": "transitional_cos",
    "WANProvider": "wan_provider",
}
_WORDS = {"access_control_broker": "broker", "network_operator": "network operator", "supplier": "supplier"}
_CERTIFICATES = (
    ("digital_signing_certificate", "digital_signature", False),
    ("key_agreement_certificate", "key_agreement", False),
    ("key_agreement_top_up_certificate", "key_agreement", True),
)
_USAGES = {"Digital Signature": "digital_signature", "Key Agreement": "key_agreement"}
_UPDATE_INSTRUCTIONS = 1


def _replacements(role: str, params: Mapping[str, Any]) -> tuple[Replacement, ...]:
    return tuple(
        Replacement(Cell(role, usage, top_up), params[name])
        for name, usage, top_up in _CERTIFICATES
        if params.get(name) is not None
    )


def _update(wanted: Wanted, role: str, name: str, *, authorised: bool) -> Command:
    """CS02b; `authorised` names the cell by whose key the device believes it.

    Raises:
        NotTransformable: E12, there is nothing to replace or nobody may; E11, not on this target.
    """
    params = wanted.params
    replacements = _replacements(role, params)
    if not replacements:
        raise NotTransformable("E12")
    content: dict[str, Any] = {"replacements": replacements, "certification_path": tuple(params["certificate"])}
    if authorised:
        content["authorising_cell"] = Cell(role, "digital_signature")
    floor = _floor(params, "floor_seq_number")
    if floor is not None:
        content["floor_counter"] = floor
    top_up = _floor(params, "prepayment_top_up_floor_seq_number")
    if top_up is not None:
        content["prepayment_floor_counters"] = asn1.sequence(asn1.integer(0), asn1.integer(top_up))
    if wanted.future is not None and authorised:
        content["execution_time"] = wanted.future
        return wanted.command(f"CS02b {name}", content, _UPDATE_INSTRUCTIONS)
    return wanted.command(f"CS02b {name}", content)


def _floor(params: Mapping[str, Any], ending: str) -> int | None:
    """A floor sequence number, whose name begins with a role or with "remote_party"."""
    for name, value in params.items():
        prepayment = "prepayment" in name
        if name.endswith(ending) and prepayment is ending.startswith("prepayment"):
            return int(value)
    return None


def _role(wanted: Wanted) -> str:
    role = _ROLES[wanted.params["remote_party_role"]]
    if role not in _WORDS:
        raise NotTransformable("E12")  # nobody but the DCC itself replaces those
    return role


def _by_user(wanted: Wanted) -> Command:
    role = _role(wanted)
    return _update(wanted, role, f"{_WORDS[role]} by {_WORDS[role]}", authorised=True)


def _handover(wanted: Wanted) -> Command:
    role = _role(wanted)
    return _update(wanted, role, f"{_WORDS[role]}, handover", authorised=False)


def _change_of_supplier(wanted: Wanted) -> Command:
    return _update(wanted, "supplier", "supplier by transitional CoS", authorised=False)


def _of_broker(wanted: Wanted) -> Command:
    return _update(wanted, "access_control_broker", "broker by broker", authorised=False)


def _read(wanted: Wanted) -> Command:
    roles = wanted.params.get("remote_party_role") or ()
    return wanted.only({"roles": tuple(_ROLES[role] for role in roles)})


def _own(wanted: Wanted) -> Command:
    return wanted.only({"key_usage": _USAGES[wanted.params["credential_type"]]})


TRANSFORMS: Mapping[str, Transform] = {
    "6.15.1": _by_user,
    "6.15.2": lambda wanted: wanted.only({"certificate": wanted.params["device_certificate"]}),
    "6.17": _own,
    "6.21": _handover,
    "6.23": _change_of_supplier,
    "6.24.1": _read,
    "6.24.2": _own,
    "8.5": _of_broker,
}
"""By Service Reference Variant."""
