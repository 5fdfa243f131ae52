"""Billing calendars, and the schedules of auxiliary loads (6.8, 6.14.1 to 6.14.3)."""

from __future__ import annotations

from datetime import UTC, datetime, time

from bench.duis import values as v
from bench.duis.body_parts import DATE_PATTERN, DAYS, FUTURE, MIDNIGHT, Body, days_of_week, index_of
from bench.duis.shapes import Choice, Flag, Group, Leaf, Repeat, Shape

_DAY_OF_MONTH = v.whole(1, 28)


def _every(tag: str) -> Group:
    return Group(
        tag,
        (
            Leaf("DayOfMonth", _DAY_OF_MONTH, default=1),
            Leaf("BillingPeriodStartMonth", v.whole(1, 12), default=1),
        ),
        nests=True,
    )


_ELECTRICITY_BILLING = Group(
    "ElectricityBillingCalendar",
    (
        Leaf("BillingTime", v.TIME, default=MIDNIGHT),
        Choice(
            (
                (Flag("Daily", required=True),),
                (Leaf("Weekly", v.whole(1, 7)),),
                (Leaf("Monthly", _DAY_OF_MONTH),),
                (_every("Quarterly"),),
                (_every("SixMonthly"),),
                (_every("Yearly"),),
            ),
            default={"monthly": 1},
        ),
    ),
    nests=True,
)
_PERIODS = ("Daily", "Weekly", "Monthly", "Quarterly", "SixMonthly", "Yearly")
_GAS_BILLING = Group(
    "GasBillingCalendar",
    (
        Leaf("BillingPeriodStart", v.DATE_TIME, default=datetime(2024, 1, 1, tzinfo=UTC)),
        Leaf("Periodicity", v.one_of(*_PERIODS), default="Monthly"),
    ),
    nests=True,
)


def _switching_times(tag: str) -> Group:
    return Group(
        tag,
        (
            Leaf("SwitchTime", v.TIME, default=MIDNIGHT),
            Group("StartDate", DATE_PATTERN, nests=True),
            Group("EndDate", DATE_PATTERN, nests=True),
        ),
    )


def _on_special_days(attribute: str) -> Repeat:
    return Repeat("SpecialDaysApplicability", (index_of(20, attribute),), 0, 20)


def _special_days(tag: str, attribute: str) -> Repeat:
    return Repeat(tag, (index_of(20, attribute), *DATE_PATTERN), 0, 20)


_SWITCH = Group(
    "ActivateDeactivateSwitch",
    (
        index_of(5),
        Choice(((Flag("ActivateSwitch", required=True),), (Flag("DeactivateSwitch", required=True),))),
    ),
)
_LOAD_SCHEDULE: Shape = (
    _SWITCH,
    _on_special_days("index"),
    days_of_week(required=False),
    _switching_times("ALCSScheduleDatesAndTime"),
)
# Seven hours of the night, every day.
_ON, _OFF = MIDNIGHT, time(7, 0)
_CONTROLLER = Leaf("auxiliaryControllerN", v.whole(1, 5), attribute=True, key="auxiliary_controller", default=1)
_CONTROLLER_SCHEDULE: Shape = (
    Group(
        "AuxiliaryControllerAction",
        (_CONTROLLER, Leaf("CommandedStateLevel", v.whole(0, 100)), Flag("InputFromControlledLoad")),
    ),
    _on_special_days("identifier"),
    days_of_week(required=False),
    _switching_times("AuxiliaryControllerSchedulePeriodAndTime"),
)

BODIES: dict[str, Body] = {
    "6.8": Body(
        (Choice(((_ELECTRICITY_BILLING,), (_GAS_BILLING,)), default={"electricity_billing_calendar": {}}),),
        gas={"gas_billing_calendar": {}},
    ),
    "6.14.1": Body(
        (
            Repeat(
                "ALCSHCALCSDescription",
                (index_of(5), Leaf("SwitchDescription", v.text(1, 22, "[ -~]+"))),
                1,
                5,
                default=({"index": 1, "switch_description": "Test load"},),
            ),
        )
    ),
    "6.14.2": Body(
        (
            FUTURE,
            Repeat(
                "ALCSHCALCSConnectionSchedule",
                _LOAD_SCHEDULE,
                1,
                48,
                default=(
                    {"activate_switch": True, "switch_time": _ON, "days_of_week": DAYS},
                    {"deactivate_switch": True, "switch_time": _OFF, "days_of_week": DAYS},
                ),
            ),
            Group("ALCSHCALCSSpecialDays", (_special_days("ALCSHCALCSSpecialDay", "index"),)),
            Repeat(
                "SwitchTypeAndId",
                (
                    index_of(5),
                    Choice(((Flag("ALCS", required=True),), (Leaf("HCALCS", v.EUI),)), default={"alcs": True}),
                ),
                0,
                5,
            ),
        )
    ),
    "6.14.3": Body(
        (
            FUTURE,
            Repeat("AuxiliaryControllerSchedule", _CONTROLLER_SCHEDULE, 0, 120),
            Group(
                "AuxiliaryControllerSpecialDayDefinitions",
                (_special_days("AuxiliaryControllerSpecialDayDefinition", "identifier"),),
            ),
        )
    ),
}
"""Bodies by Service Reference Variant."""
