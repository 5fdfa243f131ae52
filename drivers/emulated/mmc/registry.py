"""Which answers there are, and what those say that were refused."""

from __future__ import annotations

from collections.abc import Mapping

from bench.duis.service_requests import service_request
from bench.duis.smets1_write import Content
from drivers.emulated.commands import Values
from drivers.emulated.mmc import installation, logs, payment, readings, settings, tariff
from drivers.emulated.mmc.base import Answers, Write, is_gas
from drivers.emulated.smets1 import Smets1Device

_ANSWERS: Answers = {
    **readings.ANSWERS,
    **settings.ANSWERS,
    **tariff.ANSWERS,
    **payment.ANSWERS,
    **logs.ANSWERS,
    **installation.ANSWERS,
}
_NAMES = {"6.2.3": "ReadDeviceConfigurationDataBillingCalendarRsp"}
"""Elements that are not called as their Service Request is."""


def is_answered(variant: str, device_type: str) -> bool:
    """Whether the provider can carry a Service Request out at a device of a type, and answer it."""
    return variant in _ANSWERS and device_type in _ANSWERS[variant][1]


def element(variant: str) -> str:
    """The element of the Message Mapping Catalogue that answers a Service Request."""
    return _NAMES.get(variant, f"{service_request(variant).body}Rsp")


def content(variant: str, values: Values, device: Smets1Device) -> Content:
    """What the answer to a Service Request that was carried out says."""
    return _ANSWERS[variant][0](values, device)


def refusal(variant: str, values: Values, device: Smets1Device) -> Content:
    """What the answer says to one that was not: as little as the catalogue allows."""
    write = _REFUSALS.get(variant)
    return write(values, device) if write is not None else {}


def _fuel(_values: Values, device: Smets1Device) -> Content:
    return {"Gas" if is_gas(device) else "Electricity": {}}


def _network_data(_values: Values, device: Smets1Device) -> Content:
    return {"Gas": {}} if is_gas(device) else {"Electricity": {"SinglePhaseESME": {}}}


def _behaviours(_values: Values, device: Smets1Device) -> Content:
    return {f"{'Gas' if is_gas(device) else 'Electricity'}SupplierAlertEventSettings": {}}


_REFUSALS: Mapping[str, Write] = {
    **dict.fromkeys(("4.1.1", "4.1.2", "4.4.2", "4.4.3", "4.11.1"), _fuel),
    "4.10": _network_data,
    "6.2.10": _behaviours,
    **dict.fromkeys(("8.7.1", "8.7.2"), installation.not_joined),
    **dict.fromkeys(("8.8.1", "8.8.2"), installation.not_unjoined),
}
