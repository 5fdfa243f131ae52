"""Credit and debt (1.5, 1.6, 2.1 to 2.5, 4.3, 4.4.4, 4.4.5, 4.13, 4.18, 6.2.9)."""

from __future__ import annotations

from typing import Any

from bench.duis.body_parts import DAYS
from bench.duis.smets1_write import Content
from bench.gbcs.load_control_fields import DatePattern, SwitchingTime
from bench.gbcs.payment_fields import suspensions
from bench.gbcs.payment_gas import CONTROLS
from bench.gbcs.payment_gas_calendar import GasCalendar
from bench.gbcs.payment_use_cases import START_SCRIPT
from drivers.emulated.commands import Values
from drivers.emulated.functions.payment import DAY_S, ElectricityPayment
from drivers.emulated.mmc.base import (
    METERS,
    METERS_AND_PROXY,
    Answers,
    gas_date,
    is_gas,
    moment,
    nothing,
    time_of_day,
    wildcard_date,
    yes_or_no,
)
from drivers.emulated.smets1 import Smets1Device

_EVERY_YEAR = 65_535
_SETTINGS = {
    "DebtRecoveryPerPayment": "recovery_per_payment_bp",
    "DebtRecoveryRateCap": "debt_recovery_rate_cap",
    "DisablementThreshold": "disablement_threshold",
    "EmergencyCreditLimit": "emergency_credit_limit",
    "EmergencyCreditThreshold": "emergency_credit_threshold",
    "LowCreditThreshold": "low_credit_threshold",
    "CreditMaxCreditThreshold": "max_credit_threshold",
    "MaxCreditMaxMeterBalance": "max_meter_balance",
}


def _registers(values: Values, _device: Smets1Device) -> Content:
    return {
        "EmergencyCreditBalance": str(values["emergency_credit_balance"]),
        "AccumulatedDebtRegister": str(values["accumulated_debt"]),
        "PaymentDebtRegister": str(values["payment_debt"]),
        "TimeDebtRegister1": str(values["time_debt_1"]),
        "TimeDebtRegister2": str(values["time_debt_2"]),
        "MeterBalance": str(values["meter_balance"]),
    }


def _balance(values: Values, device: Smets1Device) -> Content:
    """A gas meter has a balance of each mode; the first is that of credit mode."""
    if not is_gas(device):
        return {"MeterBalance": str(values["meter_balance"])}
    prepaid = {"MeterBalancePrepaymentMode": str(values["meter_balance"])}
    return {"MeterBalance": str(values["credit_mode_balance"]), "Gas": prepaid}


def _mode(values: Values, device: Smets1Device) -> Content:
    if not is_gas(device):
        return {"PaymentMode": values["payment_mode"].capitalize()}
    mode, disabled, emergency = CONTROLS[values["payment_control"]]
    said = {"PaymentMode": mode.capitalize()}
    if mode == "credit":
        return said
    return said | {"SuspendDebtEmergency": yes_or_no(emergency), "SuspendDebtDisabled": yes_or_no(disabled)}


def _debt_payments(values: Values, _device: Smets1Device) -> Content:
    rows = [{"Amount": str(row[1]), "Timestamp": moment(row[0])} for row in values["debt_payments"]]
    return {"PaymentBasedDebtRepayment": {"LogEntry": rows}}


def _credits(values: Values, device: Smets1Device) -> Content:
    rows: Any = values["prepayment_credits"]
    if is_gas(device):
        rows = ((at, amount) for _, amount, at in rows)
    return {
        "PrepaymentCredits": {"LogEntry": [{"Amount": str(amount), "Timestamp": moment(at)} for at, amount in rows]}
    }


def _configuration(values: Values, device: Smets1Device) -> Content:
    said: dict[str, Any] = {name: str(values[key]) for name, key in _SETTINGS.items()}
    if is_gas(device):
        calendar = values.get("non_disablement_calendar")
        return said | {"Gas": {"NonDisablementCalendar": calendar and _gas_calendar(calendar), **_gas_debts(values)}}
    disabled, emergency = suspensions(values["collections"])
    prepaid = device.function(ElectricityPayment).account.prepayment
    if prepaid:
        said |= {"SuspendDebtDisabled": yes_or_no(disabled), "SuspendDebtEmergency": yes_or_no(emergency)}
    own = {
        "PaymentMode": "Prepayment" if prepaid else "Credit",
        "NonDisablementCalendar": {
            "ElectricitySpecialDays": {
                "SpecialDay": [
                    {"@index": str(day.number), **wildcard_date(day.pattern)} for day in values["special_days"]
                ]
            },
            "ElectricityNonDisablementSchedule": [
                _non_disablement(entry, [day.number for day in values["special_days"]])
                for entry in values["non_disablement_times"]
            ],
        },
    }
    return said | {"Electricity": {**own, **_debts(values)}}


def _debts(values: Values) -> Content:
    return {
        f"DebtRecovery{number}": {
            "DebtRecoveryRate": str(values[f"time_debt_{number}_rate"]),
            "DebtRecoveryRatePriceScale": str(values[f"time_debt_{number}_price_scale"]),
            "DebtRecoveryRatePeriod": "DAILY" if values[f"time_debt_{number}_period_s"] >= DAY_S else "HOURLY",
        }
        for number in (1, 2)
    }


def _gas_debts(values: Values) -> Content:
    return {
        f"DebtRecovery{number}": {
            "DebtRecoveryRate": str(values[f"time_debt_{number}_rate"]),
            "DebtRecoveryRatePeriod": values[f"time_debt_{number}_period"].upper(),
        }
        for number in (1, 2)
    }


def _non_disablement(entry: SwitchingTime, special_days: list[int]) -> Content:
    applies = [
        {"SpecialDayID": str(number)} for number, on in zip(special_days, entry.special_days, strict=False) if on
    ]
    weekdays = [{"DayOfWeekID": name} for name, on in zip(DAYS, entry.weekdays, strict=True) if on]
    return {
        "NonDisablementScript": "START" if entry.selector == START_SCRIPT else "STOP",
        "SpecialDaysApplicability": {"SpecialDayApplicability": applies},
        "DaysOfWeekApplicability": {"DayOfWeekApplicability": weekdays},
        "ScheduleDatesAndTime": {
            "SwitchTime": time_of_day(entry.at),
            "StartDate": _date(entry.begins),
            "EndDate": _date(entry.ends),
        },
    }


def _date(pattern: DatePattern) -> str | None:
    """A date as a schedule has it, in which year 65535 is every one; None for every day."""
    if pattern.month is None or pattern.day is None:
        return None
    return f"{pattern.year or _EVERY_YEAR:04}-{pattern.month:02}-{pattern.day:02}"


def _gas_calendar(calendar: GasCalendar) -> Content:
    return {
        "DayProfiles": {
            "GasNonDisablementDayProfile": [
                {
                    "TimeStartAction": [
                        {
                            "@index": str(index),
                            "StartTime": time_of_day(at),
                            "NonDisablementAction": "START" if keeps_on else "STOP",
                        }
                        for index, (at, keeps_on) in enumerate(times, 1)
                    ],
                    "GasDayName": str(number),
                }
                for number, times in calendar.days.items()
            ]
        },
        "WeekProfiles": {
            "WeekProfile": [
                {
                    "WeekName": str(number),
                    "ReferencedDayName": [{"@index": str(at), "": str(day)} for at, day in enumerate(days, 1)],
                }
                for number, days in calendar.weeks.items()
            ]
        },
        "SeasonProfiles": {
            "Season": [
                {"SeasonStartDate": gas_date(first_day), "ReferencedWeekName": str(week)}
                for first_day, week in calendar.seasons
            ]
        },
        "SpecialDays": {
            "SpecialDay": [
                {"Date": gas_date(date), "ReferencedDayName": str(day)} for date, day in calendar.special_days
            ]
        },
    }


ANSWERS: Answers = {
    **dict.fromkeys(("1.5", "1.6", "2.1", "2.2", "2.3", "2.5"), (nothing, METERS)),
    "4.3": (_registers, METERS_AND_PROXY),
    "4.4.4": (_debt_payments, METERS_AND_PROXY),
    "4.4.5": (_credits, METERS_AND_PROXY),
    "4.13": (_configuration, METERS_AND_PROXY),
    "4.18": (_balance, METERS_AND_PROXY),
    "6.2.9": (_mode, METERS),
}
"""By Service Reference Variant."""
