"""Working Days: neither weekend nor bank holiday in England and Wales (decision 65: as the SEC defines them)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from bench.errors import UsageError

_DAY = timedelta(days=1)
_SATURDAY = 5
_LONDON = ZoneInfo("Europe/London")


def day_of(moment: datetime) -> date:
    """The day of a moment where the procedure's days are counted: in London."""
    return moment.astimezone(_LONDON).date()


@cache
def _holidays(year: int) -> frozenset[date]:
    years = json.loads(files("bench.uept").joinpath("bank_holidays.json").read_text("utf-8"))["years"]
    if str(year) not in years:
        raise UsageError(
            f"the bank holidays of {year} are not known",
            next_step=f"Known are {min(years)} to {max(years)}; add the year to bench/uept/bank_holidays.json",
        )
    return frozenset(date.fromisoformat(f"{year}-{day}") for day in years[str(year)])


def known_years() -> tuple[int, ...]:
    """The years whose bank holidays are known."""
    return tuple(
        int(year) for year in json.loads(files("bench.uept").joinpath("bank_holidays.json").read_text("utf-8"))["years"]
    )


def is_working_day(day: date) -> bool:
    """Whether a day is a Working Day.

    Raises:
        UsageError: its year's bank holidays are not known.
    """
    return day.weekday() < _SATURDAY and day not in _holidays(day.year)


def add_working_days(day: date, count: int) -> date:
    """The day that lies `count` Working Days after `day`, or before it where `count` is negative.

    The day itself is not counted (decision 65); 0 gives the day itself if it is a Working Day, else the next one.

    Raises:
        UsageError: a year's bank holidays are not known.
    """
    step = _DAY if count >= 0 else -_DAY
    left = abs(count)
    while left:
        day += step
        left -= is_working_day(day)
    while not is_working_day(day):
        day += step
    return day


def working_days(first: date, last: date) -> Iterator[date]:
    """Each Working Day from `first` to `last`, both included.

    Raises:
        UsageError: a year's bank holidays are not known.
    """
    day = first
    while day <= last:
        if is_working_day(day):
            yield day
        day += _DAY


def working_days_between(first: date, last: date) -> int:
    """How many Working Days lie after `first`, up to and with `last`; negative if `last` is earlier.

    Raises:
        UsageError: a year's bank holidays are not known.
    """
    if last < first:
        return -working_days_between(last, first)
    return sum(1 for _ in working_days(first + _DAY, last))
