"""Configuration, messages, identity and alert behaviour: Service Requests made into commands."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import time
from decimal import Decimal
from typing import Any

from bench.gbcs.configuration_fields import BillingTime, mask_and_actions
from bench.parties import DeviceType
from drivers.emulated.functions.load_limit import INSTRUCTIONS
from drivers.emulated.transforms.base import Command, NotTransformable, Transform, Wanted, plain
from drivers.emulated.transforms.installation import clock

_GAS = (DeviceType.GSME, DeviceType.GPF)
_DECIMAL_DIVISOR = 10_000
_BILLING_LETTERS = {
    "Daily": "daily",
    "Weekly": "weekly",
    "Monthly": "monthly",
    "Quarterly": "quarterly",
    "SixMonthly": "six monthly",
    "Yearly": "yearly",
}
_SHORT_PERIODS = ("Daily", "Weekly", "Monthly")


def _issued(wanted: Wanted, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """Parameters, with the time of issue where the command is a ZigBee one."""
    return {"issued_at": wanted.now, **params} if wanted.target_type in _GAS else params


def _renamed(**names: str) -> Transform:
    """A command whose parameters are those of the request by other names."""

    def made(wanted: Wanted) -> Command:
        return wanted.only(_issued(wanted, {ours: wanted.params[theirs] for ours, theirs in names.items()}))

    return made


def _named(electricity: str = "", gas: str = "", hub: str = "", proxy: str = "") -> Transform:
    """A read without parameters; the use case depends on the type of the target."""
    names = {DeviceType.ESME: electricity, DeviceType.GSME: gas, DeviceType.CHF: hub, DeviceType.GPF: proxy or gas}

    def made(wanted: Wanted) -> Command:
        return wanted.command(next((name for kind, name in names.items() if kind == wanted.target_type), ""))

    return made


def _behaviours_read(wanted: Wanted) -> Command:
    if wanted.target_type == DeviceType.GSME:
        return wanted.command("GCS20r")
    return wanted.command("ECS25r2" if wanted.role == "ED" else "ECS25r1")


_ELECTRICITY_WAYS = {
    "electricity_supplier_alerts": ("ECS25a", "wan_alerts"),
    "electricity_supplier_han_alert_settings": ("ECS25a1", "han_events"),
    "electricity_supplier_alarm_settings": ("ECS25a2", "audible_alarms"),
    "electricity_supplier_logging_settings": ("ECS25a3", "logged_events"),
    "electricity_network_operator_alerts": ("ECS25b", "wan_alerts"),
    "electricity_network_operator_logging_settings": ("ECS25b3", "logged_events"),
}
_GAS_BITS = {"event_log": 0x03, "wan_alert": 0x08, "han_alert": 0x10, "alarm": 0x40}


def _behaviours(wanted: Wanted) -> Command:
    """6.22: what is not named stays as it is; a supplier's settings are not for network operators.

    Raises:
        NotTransformable: E12, the settings are not those of the User's role; E11, of the target.
    """
    ((form, settings),) = ((name, each) for name, each in wanted.params.items() if isinstance(each, Mapping))
    if form.startswith("gas"):
        return wanted.command("GCS20", {"issued_at": wanted.now, "behaviours": _gas_behaviours(form, settings)})
    if (wanted.role == "ED") is not ("network_operator" in form):
        raise NotTransformable("E12")
    name, field = _ELECTRICITY_WAYS[form]
    changes = {int(code[3:], 16): word == "Enable" for code, word in settings.items()}
    return wanted.command(name, {field: mask_and_actions(changes)})


def _gas_behaviours(form: str, settings: Mapping[str, Any]) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """One bit map for all events that share it, in the order of the request.

    The shorter form only says whether an event is alerted over the WAN; the rest of the bit map is as a new meter has
    it, because GCS20 has no way to leave it alone.
    """
    groups: dict[int, list[int]] = {}
    for code, setting in settings.items():
        words = {"wan_alert": setting} if isinstance(setting, str) else setting
        behaviour = sum(bits for way, bits in _GAS_BITS.items() if words.get(way, "Enable") == "Enable")
        groups.setdefault(behaviour, []).append(int(code[1:], 16))
    every = sum(_GAS_BITS.values())
    return tuple((behaviour, tuple(codes)) for behaviour, codes in groups.items()) or ((every, ()),)


def _load_limit(wanted: Wanted) -> Command:
    params = wanted.params
    settings = {
        "load_limit_power_threshold_w": params["load_limit_power_threshold"],
        "load_limit_period_s": params["load_limit_period"],
        "load_limit_restoration_period_s": params["load_limit_restoration_period"],
        "load_limit_supply_flag": 0xFF if params["load_limit_supply_state"] == "Disable" else 0,
        "activation_time": wanted.future or "now",
    }
    return wanted.only(settings, INSTRUCTIONS if wanted.future else 0)


def _gas_conversion(wanted: Wanted) -> Command:
    params = wanted.params
    return wanted.only(
        {
            "issued_at": wanted.now,
            "conversion_factor_e5": int(Decimal(str(params["conversion_factor"])).scaleb(5)),
            "calorific_value_dmj_per_m3": int(Decimal(str(params["calorific_value"])).scaleb(1)),
        }
    )


def _gas_flow(wanted: Wanted) -> Command:
    """6.7: a whole number of m3/h makes the older GCS24, a decimal one GCS24a, in ten-thousandths."""
    params = wanted.params
    decimal = params.get("uncontrolled_gas_flow_rate_decimal")
    if decimal is None:
        rate, divisor = params["uncontrolled_gas_flow_rate"], 1
    else:
        rate, divisor = int(Decimal(str(decimal)) * _DECIMAL_DIVISOR), _DECIMAL_DIVISOR
    settings = {
        "issued_at": wanted.now,
        "uncontrolled_flow_rate": rate,
        "flow_divisor": divisor,
        "stabilisation_period_ds": params["stabilisation_period"],
        "measurement_period_s": params["measurement_period"],
        "supply_tamper_state": params["supply_tamper_state"].lower(),
        "supply_depletion_state": params["supply_depletion_state"].lower(),
    }
    return wanted.command("GCS24" if decimal is None else "GCS24a", settings)


def _billing(wanted: Wanted) -> Command:
    params = wanted.params
    gas, electricity = params.get("gas_billing_calendar"), params.get("electricity_billing_calendar")
    if gas is not None:
        period = gas["periodicity"]
        settings = {
            "issued_at": wanted.now,
            "billing_start": gas["billing_period_start"],
            "period": _BILLING_LETTERS[period],
        }
        return wanted.command("GCS25" if period in _SHORT_PERIODS else "GCS25a", settings)
    assert electricity is not None  # the schema has one of both
    at = electricity["billing_time"]
    for form, times in _BILLING_TIMES.items():
        if electricity.get(form) not in (None, False):
            short = form in ("daily", "weekly", "monthly")
            calendar = times(at, electricity[form])
            return wanted.command("ECS30" if short else "ECS30a", {"billing_calendar": calendar})
    raise NotTransformable("E12")


def _every(months: int) -> Callable[[time, Any], tuple[BillingTime, ...]]:
    def times(at: time, given: Mapping[str, int]) -> tuple[BillingTime, ...]:
        first = given["billing_period_start_month"]
        rows = sorted((first - 1 + step) % 12 + 1 for step in range(0, 12, months))
        return tuple(BillingTime(at, month=month, day=given["day_of_month"]) for month in rows)

    return times


_BILLING_TIMES: Mapping[str, Callable[[time, Any], tuple[BillingTime, ...]]] = {
    "daily": lambda at, _: (BillingTime(at),),
    "weekly": lambda at, weekday: (BillingTime(at, weekday=weekday),),
    "monthly": lambda at, day: (BillingTime(at, day=day),),
    "quarterly": _every(3),
    "six_monthly": _every(6),
    "yearly": _every(12),
}


def _tamper_state(wanted: Wanted) -> Command:
    return wanted.only({"supply_tamper_state": wanted.params["supply_tamper_state"].lower()})


def _customer_number(wanted: Wanted) -> Command:
    """9.1: four digits that nobody can know before; the same for the same RequestID."""
    digest = hashlib.sha256(f"customer identification number {wanted.request.request_id}".encode()).digest()
    number = f"{int.from_bytes(digest[:8], 'big') % 10_000:04}"
    return wanted.only(_issued(wanted, {"customer_identification_number": number}))


TRANSFORMS: Mapping[str, Transform] = {
    "3.1": _renamed(message="supplier_message"),
    "3.2": _renamed(restriction_time="restriction_date_time"),
    "3.4": _renamed(supplier_name="supplier_name", supplier_telephone="supplier_telephone_number"),
    "3.5": _renamed(),
    "6.2.2": plain,
    "6.2.3": _named("ECS26l", "GCS21k"),
    "6.2.4": _named("ECS26m", "GCS21m", "ECS26n"),
    "6.2.5": plain,
    "6.2.7": plain,
    "6.2.8": plain,
    "6.2.10": _behaviours_read,
    "6.4.1": _load_limit,
    "6.4.2": plain,
    "6.6": _gas_conversion,
    "6.7": _gas_flow,
    "6.8": _billing,
    "6.11": clock,
    "6.12": _renamed(
        low_medium_power_threshold_w="low_medium_power_threshold",
        medium_high_power_threshold_w="medium_high_power_threshold",
    ),
    "6.20.2": _renamed(export_mpan="export_mpan"),
    "6.22": _behaviours,
    "6.25": _tamper_state,
    "6.27": _named("ECS29e"),
    "9.1": _customer_number,
    "11.2": plain,
}
"""By Service Reference Variant."""
