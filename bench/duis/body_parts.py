"""What the bodies of Service Requests have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any

from bench.duis import values as v
from bench.duis.shapes import Choice, Flag, Group, Leaf, Repeat, Shape


@dataclass(frozen=True, slots=True)
class Body:
    """One body.

    Attributes:
        shape: its elements.
        check: says what is wrong between parameters that are each right, or returns None.
        gas: the parameters that choose what a gas device takes, where the defaults choose electricity.
    """

    shape: Shape = ()
    check: Callable[[Mapping[str, Any]], str | None] = lambda values: None
    gas: Mapping[str, Any] | None = None


def optional(tag: str, kind: v.Kind) -> Leaf:
    """An element that may be left away."""
    return Leaf(tag, kind, required=False)


def index_of(highest: int, tag: str = "index") -> Leaf:
    """The attribute that says which of several an element is, from 1."""
    return Leaf(tag, v.whole(1, highest), attribute=True, default=1)


def text_of(key: str, kind: v.Kind) -> Leaf:
    """The text of an element that has attributes."""
    return Leaf("", kind, key=key, text=True)


def numbered(tag: str, highest: int, key: str, kind: v.Kind, default: tuple[object, ...]) -> Repeat:
    """Elements with an index each: entries of `index` and `key`."""
    content = (Leaf("index", v.whole(1, highest), attribute=True), text_of(key, kind))
    entries = tuple({"index": number, key: value} for number, value in enumerate(default, 1))
    return Repeat(tag, content, 1, highest, default=entries)


FUTURE = optional("ExecutionDateTime", v.DATE_TIME)
# Whatever a log holds: none of it is older than smart meters, and none from the next century.
LOG_PERIOD = Group(
    "ReadLogPeriod",
    (
        Leaf("StartDateTime", v.DATE_TIME, default=datetime(2012, 1, 1, tzinfo=UTC)),
        Leaf("EndDateTime", v.DATE_TIME, default=datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ),
)
DEVICE = Leaf("DeviceID", v.EUI)
EMPTY = Body()
FUTURE_DATABLE = Body((FUTURE,))
CERTIFICATION_PATH = Group("CertificationPathCertificates", (Repeat("Certificate", v.BASE64, 1, 3),))
TIME_BASED_CHECKS = Leaf("ApplyTimeBasedCPVChecks", v.BOOLEAN, default=False)
MIDNIGHT = time(0, 0)

_TWO_DIGITS = "{:02d}".format
_YEAR = v.whole(2014, 9999)
_MONTH = v.Kind("a whole number from 1 to 12", v.whole(1, 12).accept, _TWO_DIGITS)
_DAY = v.Kind("a whole number from 1 to 31", v.whole(1, 31).accept, _TWO_DIGITS)
_DAY_OF_WEEK = v.whole(1, 7)


def _either(tag: str, specified: Leaf, *otherwise: str) -> Group:
    branches: tuple[Shape, ...] = (specified,), *((Flag(each, required=True),) for each in otherwise)
    return Group(tag, (Choice(branches, default={Flag(otherwise[-1]).key: True}),))


# What is not said is a wildcard: of an empty mapping every day is a match.
DATE_PATTERN: Shape = (
    _either("Year", Leaf("SpecifiedYear", _YEAR), "NonSpecifiedYear"),
    _either("Month", Leaf("SpecifiedMonth", _MONTH), "NonSpecifiedMonth"),
    _either(
        "DayOfMonth",
        Leaf("SpecifiedDayOfMonth", _DAY),
        "LastDayOfMonth",
        "SecondLastDayOfMonth",
        "NonSpecifiedDayOfMonth",
    ),
    _either("DayOfWeek", Leaf("SpecifiedDayOfWeek", _DAY_OF_WEEK), "NonSpecifiedDayOfWeek"),
)
"""A day of an electricity device's calendar; `specified_day_of_week` counts from Monday, 1."""

GAS_DATE_PATTERN: Shape = (
    _either("GasYearWithWildcards", Leaf("SpecifiedYear", _YEAR), "NonSpecifiedYear"),
    _either("GasMonthWithWildcards", Leaf("SpecifiedMonth", _MONTH), "NonSpecifiedMonth"),
    _either("GasDayOfMonthWithWildcards", Leaf("SpecifiedDayOfMonth", _DAY), "GasNonSpecifiedDayOfMonth"),
    _either("GasDayOfWeekWithWildcards", Leaf("SpecifiedDayOfWeek", _DAY_OF_WEEK), "NonSpecifiedDayOfWeek"),
)
"""A day of a gas device's calendar."""

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def days_of_week(*, required: bool) -> Group:
    """The days of the week that a schedule applies to, as a list `days_of_week` of their names."""
    days = Repeat("DayOfWeekApplicability", v.one_of(*DAYS), 0, 7, key="days_of_week", inner="DayOfWeekID")
    return Group("DaysOfWeekApplicability", (days,), required)
