"""The parameters of each Service Request as a Test Script states them: text, with references to the rig's facts.

What the defaults of `bench.duis.default_params` cannot say, since only the rig knows it, stands here once for all: a
runbook that is made from the matrix and a test of the emulated DCC go by the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from bench.ctsd.tables import Role, Smets
from bench.duis.default_params import default_params, needed_params
from bench.duis.service_requests import CV_TRANSFORM, SIGNED_VARIANTS, service_request
from bench.errors import UsageError
from bench.parties import DeviceType
from bench.testscripts.data import DataPlan

GAS = (Role.GS, Role.GT)
"""Roles whose meter is the gas meter."""

_ONLY = {"6.21": "GPF", "8.12.2": "GPF", "8.12.1": "CHF", "8.9": "CHF", "6.28": "CHF"}
"""Variants whose typical target is another device than the meter."""

_MOMENTS = {
    "current_date_time": "${now}",
    "restriction_date_time": "${now}",
    "start_date_time": "${now}",
    "end_date_time": "${now + 1 h}",
    "schedule_start_date": "${today + 24 h}",
    "opt_in_date": "${today + 24 h}",
    "execution_date_time": "${now}",
}
"""Moments that a request needs, from the moment of sending."""

_INSTEAD_OF = {
    "5.1": ("dsp_read_active_import_profile_data",),
    "6.20.1": ("import_mpan",),
    "6.22": ("electricity_supplier_alerts",),
    "8.2": ("uprn",),
    "12.1": ("uprn",),
}
"""Parameters of a choice that others take the place of, where `_instead` gives any."""

FILLED_IN = ("12.2", "8.11", "6.21", "8.3", "8.4", "8.7.1", "8.7.2", "8.8.1", "8.8.2", "6.20.1", "8.2")
"""Variants whose identifiers the bench fills in from the devices that a step names."""


def meter_type(role: Role) -> DeviceType:
    """The meter of a role's fuel."""
    return DeviceType.GSME if role in GAS else DeviceType.ESME


def target_type(role: Role, variant: str) -> DeviceType:
    """What a request goes to: the device of the role's fuel where the variant serves it."""
    if variant in _ONLY:
        return DeviceType(_ONLY[variant])
    known = service_request(variant).device_types
    gas = ("GSME", "GPF", "CHF", "ESME", "PPMID", "HCALCS")
    order = gas if role in GAS else ("ESME", "CHF", "GPF", "GSME", "PPMID", "HCALCS")
    return DeviceType(next(kind for kind in order if kind in known or not known))


def other_type(role: Role) -> DeviceType:
    """The device that a meter is joined with."""
    return DeviceType.GPF if role in GAS else DeviceType.PPMID


def params_of(
    variant: str, command_variant: int, role: Role, smets: Smets, data: DataPlan, *, future: bool = False
) -> dict[str, Any]:
    """The parameters of a request, as text.

    Args:
        variant: the Service Reference Variant.
        command_variant: 1 to 8; a signed one has the parameters of its transformation.
        role: who asks.
        smets: of which kind the devices are.
        data: the Test Data Plan.
        future: whether it is future dated.

    Raises:
        UsageError: the test data lack what the request needs.
    """
    sent = CV_TRANSFORM if command_variant in SIGNED_VARIANTS else command_variant
    gas = role in GAS and "GSME" in service_request(variant).device_types
    needed = needed_params(variant, sent)
    params: dict[str, Any] = {name: _MOMENTS[name] for name in needed if name in _MOMENTS}
    params |= {
        name: plain(value) for name, value in default_params(variant, sent, device_type="GSME" if gas else None).items()
    }
    if future:
        params["execution_date_time"] = f"${{now + {duration_text(data.windows.future)}}}"
    if variant not in FILLED_IN:
        known = _known(role, smets, data, command_variant)
        params |= {name: _value(known[name]) for name in needed if name in known and name not in params}
    instead = _instead(variant, role, smets, data)
    if instead:
        params = {name: each for name, each in params.items() if name not in _INSTEAD_OF.get(variant, ())}
    given = data.params.get(f"{variant} GSME" if gas else variant, {})
    return params | instead | dict(given)


def duration_text(duration_s: float) -> str:
    """A duration as a runbook writes it: one number and one unit."""
    whole = round(duration_s)
    for seconds, unit in ((3600, "h"), (60, "min")):
        if whole % seconds == 0 and whole >= 2 * seconds:
            return f"{whole // seconds} {unit}"
    return f"{whole} s"


def _utrn(user: str, meter: str, smets: Smets, data: DataPlan, number: int) -> str:
    if smets is Smets.SMETS1:
        return data.smets1_utrn
    return data.utrn or f"${{{user}.utrn.{meter}.{number}}}"


def _value(known: Any) -> Any:
    return known() if callable(known) else known


def _known(role: Role, smets: Smets, data: DataPlan, number: int) -> Mapping[str, Any]:
    """What no default can say, by the names of parameters; what the test data may lack is looked up when needed.

    `number` tells the top-ups of one plan apart.
    """

    def fact(kind: DeviceType, key: str = "id") -> Any:
        return lambda: f"${{{data.device(smets, kind)}.{key}}}"

    user, own = data.user(role), meter_type(role)
    return {
        "certificate": [f"${{{user}.signing}}"],
        "device_certificate": fact(own, "certificate"),
        "device_id": fact(own),
        "device_id_list": fact(own),
        "digital_signing_certificate": f"${{{user}.signing}}",
        "export_mpan": data.export_mpan,
        "firmware_hash": data.firmware.hash,
        "firmware_image": data.firmware.image,
        "firmware_version": data.firmware.version,
        "import_mpxn": fact(own, "mpxn"),
        "key_agreement_certificate": f"${{{user}.agreement}}",
        "mpxn": fact(own, "mpxn"),
        "old_chf_id": fact(DeviceType.CHF),
        "old_gpf_id": fact(DeviceType.GPF),
        "other_device_id": fact(other_type(role)),
        "utrn": lambda: _utrn(user, data.device(smets, own), smets, data, data.top_up_number + number),
    }


def _instead(variant: str, role: Role, smets: Smets, data: DataPlan) -> dict[str, Any]:
    """More parameters, and others than the defaults."""
    user = data.user(role)
    if variant == "5.1" and role is Role.ES:
        # An export supplier reads export only.
        return {
            "dsp_scheduled_service_reference": "4.6",
            "dsp_scheduled_service_reference_variant": "4.6.2",
            "dsp_retrieve_export_daily_read_log": {},
        }
    if variant == "6.15.1":
        # A User replaces its own credentials, by themselves where it has no others.
        return {
            "remote_party_role": "Supplier" if role in (Role.IS, Role.GS, Role.ES) else "NetworkOperator",
            "digital_signing_certificate": f"${{{user}.signing}}",
            "key_agreement_certificate": f"${{{user}.agreement}}",
        }
    if variant == "6.22" and role is Role.ED:
        return {"electricity_network_operator_alerts": {}}
    if variant in ("8.14.1", "8.14.2", "8.14.3", "8.14.4"):
        return {"device_id": f"${{{data.device(smets, DeviceType.CHF)}.id}}"}
    if variant == "12.1":
        return {"post_code": data.post_code, "address_identifier": data.address_identifier}
    return {}


def plain(value: object) -> Any:
    """A default as a runbook writes it: text, lists and mappings.

    Raises:
        UsageError: it is nothing that can be written so.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, str | int | Decimal):
        return str(value)
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [plain(each) for each in value]
    raise UsageError(f"{value!r} cannot be written in a runbook")
