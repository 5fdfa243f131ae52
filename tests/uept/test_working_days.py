"""Working Days: the data against the rules of bank holidays, and counting over them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import UsageError
from bench.uept.working_days import (
    add_working_days,
    day_of,
    is_working_day,
    known_years,
    working_days,
    working_days_between,
)

DAYS = st.dates(date(2024, 3, 1), date(2028, 8, 1))


def easter(year: int) -> date:
    """Easter Sunday by the rule of the Gregorian calendar (Butcher)."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    l_ = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * l_) // 451
    month, day = divmod(h + l_ - 7 * m + 114, 31)
    return date(year, month, day + 1)


def by_rule(year: int) -> set[date]:
    """The bank holidays of an ordinary year, substitutes in place of those on weekends."""

    def monday(month: int, first: bool) -> date:
        day = date(year, month, 1) if first else date(year, month, 31)
        while day.weekday():
            day += timedelta(days=1 if first else -1)
        return day

    found = {easter(year) - timedelta(days=2), easter(year) + timedelta(days=1)}
    found |= {monday(5, True), monday(5, False), monday(8, False)}
    for day in (date(year, 1, 1), date(year, 12, 25), date(year, 12, 26)):
        while day.weekday() > 4 or day in found:
            day += timedelta(days=1)
        found.add(day)
    return found


@pytest.mark.parametrize("year", known_years())
def test_the_data_are_what_the_rules_say(year: int) -> None:
    off = {date(year, 1, 1) + timedelta(days=n) for n in range(366)}
    found = {day for day in off if day.year == year and day.weekday() < 5 and not is_working_day(day)}
    assert found == by_rule(year)


def test_christmas_on_a_saturday_is_made_up_for() -> None:
    assert [day.day for day in working_days(date(2027, 12, 24), date(2027, 12, 31))] == [24, 29, 30, 31]


def test_the_day_itself_is_not_counted() -> None:
    assert add_working_days(date(2026, 11, 2), -5) == date(2026, 10, 26)
    assert add_working_days(date(2026, 4, 2), 1) == date(2026, 4, 7), "Easter lies between"
    assert add_working_days(date(2026, 10, 31), 0) == date(2026, 11, 2)


@given(DAYS, st.integers(1, 80))
def test_there_and_back(day: date, count: int) -> None:
    later = add_working_days(day, count)
    assert is_working_day(later)
    assert working_days_between(day, later) == count
    assert working_days_between(later, day) == -count
    if is_working_day(day):
        assert add_working_days(later, -count) == day


def test_a_year_that_is_not_known_is_no_guess() -> None:
    with pytest.raises(UsageError, match="bank holidays of 2031 are not known"):
        is_working_day(date(2031, 6, 2))


def test_a_day_is_one_in_london() -> None:
    assert day_of(datetime(2026, 7, 1, 23, 30, tzinfo=UTC)) == date(2026, 7, 2)
    assert day_of(datetime(2026, 12, 1, 23, 30, tzinfo=UTC)) == date(2026, 12, 1)
