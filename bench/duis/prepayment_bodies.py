"""Payment: balance, payment mode, prepayment and debt (1.5, 1.6, 2.1 to 2.3)."""

from __future__ import annotations

from datetime import time

from bench.duis import values as v
from bench.duis.body_parts import (
    DATE_PATTERN,
    DAYS,
    FUTURE,
    GAS_DATE_PATTERN,
    MIDNIGHT,
    Body,
    days_of_week,
    index_of,
)
from bench.duis.shapes import Choice, Flag, Group, Leaf, Repeat
from bench.duis.tariff_bodies import seasons, special_days, week_profiles

_SCALE = v.whole(-128, 127)


def _adjust(tag: str) -> Group:
    branches = (Leaf("AdjustMeterBalance", v.INT),), (Flag("ResetMeterBalance", required=True),)
    return Group(tag, (Choice(branches, default={"adjust_meter_balance": 0}),), nests=True)


_SWITCH = v.one_of("START", "STOP")
# Supply is not cut off from 16:00 until 10:00 of the next day.
_NO_CUT_FROM, _NO_CUT_UNTIL = time(16, 0), time(10, 0)
_ELECTRICITY_SCHEDULE = (
    Leaf("NonDisablementScript", _SWITCH),
    Group(
        "SpecialDaysApplicability",
        (Repeat("SpecialDayApplicability", v.whole(1, 20), 0, 20, key="special_day_ids", inner="SpecialDayID"),),
    ),
    days_of_week(required=True),
    Group(
        "ScheduleDatesAndTime",
        (
            Leaf("SwitchTime", v.TIME),
            Leaf("StartDate", v.CALENDAR_DATE, default="2014-01-01"),
            Leaf("EndDate", v.CALENDAR_DATE, default="2099-12-31"),
        ),
    ),
)
_ELECTRICITY_CALENDAR = Group(
    "ElectricityNonDisablementCalendar",
    (
        Group(
            "ElectricitySpecialDays",
            (Repeat("SpecialDay", (index_of(20), Group("Date", DATE_PATTERN, nests=True)), 0, 20),),
        ),
        Repeat(
            "ElectricityNonDisablementSchedule",
            _ELECTRICITY_SCHEDULE,
            1,
            22,
            default=(
                {"non_disablement_script": "START", "switch_time": _NO_CUT_FROM, "days_of_week": DAYS},
                {"non_disablement_script": "STOP", "switch_time": _NO_CUT_UNTIL, "days_of_week": DAYS},
            ),
        ),
    ),
)
_GAS_DAY = (
    Repeat(
        "TimeStartAction",
        (Leaf("StartTime", v.TIME), Leaf("NonDisablementAction", _SWITCH)),
        1,
        3,
        default=(
            {"start_time": MIDNIGHT, "non_disablement_action": "START"},
            {"start_time": _NO_CUT_UNTIL, "non_disablement_action": "STOP"},
            {"start_time": _NO_CUT_FROM, "non_disablement_action": "START"},
        ),
    ),
    Leaf("GasDayName", v.whole(1, 5), default=1),
)
_GAS_CALENDAR = Group(
    "GasNonDisablementCalendar",
    (
        Group("DayProfiles", (Repeat("GasNonDisablementDayProfile", _GAS_DAY, 1, 5, default=({},)),)),
        week_profiles(2, 5),
        seasons("SeasonProfiles", 3, GAS_DATE_PATTERN, 2, named=False),
        special_days(20, GAS_DATE_PATTERN, 5),
    ),
)


# Thousandths of a penny: 100_000 is a pound.
def _limits(kind: v.Kind, cap: v.Kind) -> tuple[Leaf, Leaf, Leaf, Leaf]:
    return (
        Leaf("DebtRecoveryRateCap", cap, default=500),
        Leaf("EmergencyCreditLimit", kind, default=1_000_000),
        Leaf("EmergencyCreditThreshold", kind, default=100_000),
        Leaf("LowCreditThreshold", kind, default=200_000),
    )


def _maxima(kind: v.Kind) -> tuple[Leaf, Leaf]:
    return (
        Leaf("MaxMeterBalance", kind, default=25_000_000),
        Leaf("MaxCreditThreshold", kind, default=24_900_000),
    )


_PERIOD = Leaf("DebtRecoveryRatePeriod", v.one_of("HOURLY", "DAILY"), default="DAILY")


def _recovery(number: int, fuel: str) -> Group:
    rate: tuple[Leaf, ...]
    if fuel == "Elec":
        rate = (
            Leaf("DebtRecoveryRate", v.whole(-0x8000, 0x7FFF), default=0),
            Leaf("DebtRecoveryRatePriceScale", _SCALE, default=-5),
        )
    else:
        rate = (Leaf("DebtRecoveryRate", v.INT, default=0),)
    return Group(f"{fuel}DebtRecovery{number}", (*rate, _PERIOD), nests=True)


BODIES: dict[str, Body] = {
    "1.5": Body(
        (Choice(((_adjust("PrepaymentMode"),), (_adjust("CreditMode"),)), default={"prepayment_mode": {}}),),
    ),
    "1.6": Body(
        (
            FUTURE,
            Choice(
                (
                    (Flag("Credit", required=True),),
                    (
                        Group(
                            "Prepayment",
                            (
                                Leaf("SuspendDebtDisabled", v.BOOLEAN, default=False),
                                Leaf("SuspendDebtEmergency", v.BOOLEAN, default=False),
                                Leaf("DisablementThreshold", v.INT, default=0),
                            ),
                        ),
                    ),
                ),
                default={"credit": True},
            ),
        )
    ),
    "2.1": Body(
        (
            FUTURE,
            Choice(
                (
                    (
                        Group(
                            "UpdatePrepayConfigElectricity",
                            (*_limits(v.INT, v.UNSIGNED_SHORT), _ELECTRICITY_CALENDAR, *_maxima(v.INT)),
                            nests=True,
                        ),
                    ),
                    (
                        Group(
                            "UpdatePrepayConfigGas",
                            (*_limits(v.UNSIGNED_INT, v.INT), _GAS_CALENDAR, *_maxima(v.UNSIGNED_INT)),
                            nests=True,
                        ),
                    ),
                ),
                default={"update_prepay_config_electricity": {}},
            ),
        ),
        gas={"update_prepay_config_gas": {}},
    ),
    "2.2": Body((Leaf("UTRN", v.text(20, 20, "[0-9]*", "a UTRN of 20 digits")),)),
    "2.3": Body(
        (
            Leaf("TimeDebtRegister1", v.INT, default=0),
            Leaf("TimeDebtRegister2", v.INT, default=0),
            Leaf("PaymentDebtRegister", v.INT, default=0),
            Leaf("DebtRecoveryPerPayment", v.whole(0, 10_000), default=0),
            Choice(
                (
                    (_recovery(1, "Elec"), _recovery(2, "Elec")),
                    (_recovery(1, "Gas"), _recovery(2, "Gas")),
                ),
                default={"elec_debt_recovery1": {}, "elec_debt_recovery2": {}},
            ),
        ),
        gas={"gas_debt_recovery1": {}, "gas_debt_recovery2": {}},
    ),
}
"""Bodies by Service Reference Variant."""
