"""Payment: mode, balance, prepayment, debt, top up: Service Requests made into commands (1.5 to 2.5, 4.3 to 4.18)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bench.duis.body_parts import DAYS
from bench.gbcs.load_control_fields import DatePattern, SpecialDay, SwitchingTime
from bench.gbcs.payment_fields import credit_collections, prepayment_collections
from bench.gbcs.payment_gas_calendar import GasCalendar
from bench.gbcs.payment_gas_configuration import CONFIGURATION_PARTS as GAS_CONFIGURATION_PARTS
from bench.gbcs.payment_use_cases import (
    CAP_PERIOD_S,
    CONFIGURATION_PARTS,
    MODE_PARTS,
    PREPAYMENT_PARTS,
    START_SCRIPT,
    STOP_SCRIPT,
)
from bench.parties import DeviceType
from drivers.emulated.transforms.base import Command, NotTransformable, Transform, Wanted, plain, wildcard_date

_PERIODS_S = {"HOURLY": 3_600, "DAILY": 86_400}
_EVERY_YEAR = 65_535
_Entry = Mapping[str, Any]


def _is_gas(wanted: Wanted) -> bool:
    return wanted.target_type in (DeviceType.GSME, DeviceType.GPF)


def _dated(wanted: Wanted, instructions: int) -> int:
    return instructions if isinstance(wanted.activation, datetime) else 0


def _balance(wanted: Wanted) -> Command:
    """1.5: a GSME has a balance of each payment mode, an ESME one."""
    ((mode, wish),) = (
        (name, each) for name, each in wanted.params.items() if name in ("prepayment_mode", "credit_mode")
    )
    amount = wish.get("adjust_meter_balance")
    params = {} if amount is None else {"adjustment": amount}
    if not _is_gas(wanted):
        return wanted.command("ECS04b" if amount is None else "ECS04a", params)
    names = {"prepayment_mode": ("GCS40a", "GCS40b"), "credit_mode": ("GCS40c", "GCS40d")}[mode]
    return wanted.command(names[amount is None], {"issued_at": wanted.now, **params})


def _mode(wanted: Wanted) -> Command:
    params = wanted.params
    when = {"activation_time": wanted.activation}
    if _is_gas(wanted):
        when["issued_at"] = wanted.now
    if params.get("credit"):
        if _is_gas(wanted):
            return wanted.command("GCS02", when, _dated(wanted, 1))
        return wanted.command("ECS02", {"collections": credit_collections(), **when}, _dated(wanted, len(MODE_PARTS)))
    suspended = {name: params[name] for name in ("suspend_debt_disabled", "suspend_debt_emergency")}
    threshold = {"disablement_threshold": params["disablement_threshold"]}
    if _is_gas(wanted):
        return wanted.command("GCS03", {**suspended, **threshold, **when}, _dated(wanted, 1))
    collections = {"collections": prepayment_collections(**suspended)}
    return wanted.command("ECS03", {**collections, **threshold, **when}, _dated(wanted, len(PREPAYMENT_PARTS)))


def _configuration(wanted: Wanted) -> Command:
    """2.1.

    Raises:
        NotTransformable: E11, the settings are those of the other fuel; E12, the calendar is none.
    """
    gas, electricity = (
        wanted.params.get("update_prepay_config_gas"),
        wanted.params.get("update_prepay_config_electricity"),
    )
    settings = gas if _is_gas(wanted) else electricity
    if settings is None:
        raise NotTransformable("E11")
    limits = {
        ours: settings[ours]
        for ours in (
            *("debt_recovery_rate_cap", "emergency_credit_limit", "emergency_credit_threshold"),
            *("low_credit_threshold", "max_meter_balance", "max_credit_threshold"),
        )
    }
    limits["activation_time"] = wanted.activation
    if _is_gas(wanted):
        calendar = _gas_calendar(settings)
        params = {"issued_at": wanted.now, "non_disablement_calendar": calendar, **limits}
        return wanted.command("GCS05", params, _dated(wanted, len(GAS_CONFIGURATION_PARTS)))
    params = {"debt_recovery_cap_period_s": CAP_PERIOD_S, **_calendar(settings), **limits}
    return wanted.command("ECS08a", params, _dated(wanted, len(CONFIGURATION_PARTS) + 1))


def _calendar(settings: _Entry) -> dict[str, Any]:
    days = tuple(SpecialDay(day["index"], wildcard_date(day["date"])) for day in settings.get("special_day", ()))
    numbers = [day.number for day in days]
    times = []
    for entry in settings["electricity_non_disablement_schedule"]:
        applies = entry.get("special_day_ids", ())
        if not set(applies) <= set(numbers):
            raise NotTransformable("E12")
        times.append(
            SwitchingTime(
                START_SCRIPT if entry["non_disablement_script"] == "START" else STOP_SCRIPT,
                entry["switch_time"].replace(tzinfo=None),
                tuple(day in entry.get("days_of_week", ()) for day in DAYS),
                tuple(number in applies for number in numbers),
                _date(entry["start_date"]),
                _date(entry["end_date"]),
            )
        )
    return {"special_days": days, "non_disablement_times": tuple(times)}


def _gas_calendar(calendar: _Entry) -> GasCalendar:
    return GasCalendar(
        days={
            day["gas_day_name"]: tuple(
                (each["start_time"].replace(tzinfo=None), each["non_disablement_action"] == "START")
                for each in day["time_start_action"]
            )
            for day in calendar["gas_non_disablement_day_profile"]
        },
        weeks={
            week["week_name"]: tuple(
                each["day_name"] for each in sorted(week["referenced_day_name"], key=lambda each: each["index"])
            )
            for week in calendar["week_profile"]
        },
        seasons=tuple(
            (wildcard_date(season["season_start_date"]), season["referenced_week_name"])
            for season in calendar["season"]
        ),
        special_days=tuple(
            (wildcard_date(day["date"]), day["referenced_day_name"]) for day in calendar.get("special_day", ())
        ),
    )


def _date(text: str) -> DatePattern:
    """A date of a switching time: year 65535 is every one."""
    year, month, day = map(int, text.split("-"))
    return DatePattern(None if year == _EVERY_YEAR else year, month, day)


def _debt(wanted: Wanted) -> Command:
    """2.3: the numbers of a request change the registers.

    Raises:
        NotTransformable: E11, the recovery is that of the other fuel.
    """
    params, gas = wanted.params, _is_gas(wanted)
    recovery = [params.get(f"{'gas' if gas else 'elec'}_debt_recovery{number}") for number in (1, 2)]
    values: dict[str, Any] = {
        "payment_debt_adjustment": params["payment_debt_register"],
        "recovery_per_payment_bp": params["debt_recovery_per_payment"],
    }
    for number, each in enumerate(recovery, start=1):
        if each is None:
            raise NotTransformable("E11")
        name, period = f"time_debt_{number}", each["debt_recovery_rate_period"]
        values[f"{name}_adjustment"] = params[f"time_debt_register{number}"]
        values[f"{name}_rate"] = each["debt_recovery_rate"]
        if gas:
            values[f"{name}_period"] = period.lower()
        else:
            values[f"{name}_period_s"] = _PERIODS_S[period]
            values[f"{name}_price_scale"] = each["debt_recovery_rate_price_scale"]
    return wanted.only({"issued_at": wanted.now, **values} if gas else values)


def _top_up(wanted: Wanted) -> Command:
    return wanted.only({"utrn": wanted.params["utrn"]})


def _log(wanted: Wanted) -> Command:
    return wanted.only({"log_from": wanted.params["start_date_time"], "log_to": wanted.params["end_date_time"]})


TRANSFORMS: Mapping[str, Transform] = {
    "1.5": _balance,
    "1.6": _mode,
    "2.1": _configuration,
    "2.2": _top_up,
    "2.3": _debt,
    "2.5": plain,
    **dict.fromkeys(("4.3", "4.13", "4.18", "6.2.9"), plain),
    **dict.fromkeys(("4.4.4", "4.4.5", "4.14"), _log),
}
"""By Service Reference Variant."""
