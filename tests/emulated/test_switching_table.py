"""A switching table: which script counts when, whatever it holds."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.gbcs.load_control_fields import LAST_DAY, SECOND_LAST_DAY, DatePattern
from bench.gbcs.tariff_fields import Day, Season, TariffSpecialDay, Week
from drivers.emulated.functions.switching import SwitchingTable

ANY = DatePattern()
MILLENNIUM = datetime(2000, 1, 1, tzinfo=UTC)
ALWAYS = Season("", ANY, time(), 1)
NIGHT_AND_DAY = Day(1, ((time(), 2), (time(7), 1)))


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def table(*days: Day, **parts: Any) -> SwitchingTable:
    whole: dict[str, Any] = {"seasons": (ALWAYS,), "weeks": (Week(1, (1,) * 7),), "days": days, **parts}
    return SwitchingTable(**whole)


def test_a_time_of_day_begins_what_it_says() -> None:
    own = table(NIGHT_AND_DAY)
    asked = ("2026-01-01T00:00", "2026-01-01T06:59:59", "2026-01-01T07:00", "2026-01-01T23:59:59")
    assert [own.script(moment(text)) for text in asked] == [2, 2, 1, 1]
    assert own.next(moment("2026-01-01T06:59")) == moment("2026-01-01T07:00")
    assert own.next(moment("2026-01-01T07:00")) == moment("2026-01-02T00:00")


def test_before_the_first_time_of_a_day_the_day_before_goes_on() -> None:
    own = table(Day(1, ((time(6), 3), (time(23), 2))), Day(2, ((time(8), 5),)), weeks=(Week(1, (1, 2, 1, 1, 1, 1, 1)),))
    tuesday = "2026-01-06"
    assert own.script(moment(f"{tuesday}T05:00")) == 2
    assert own.script(moment(f"{tuesday}T08:00")) == 5
    assert own.script(moment("2026-01-07T05:59")) == 5


def test_the_last_entry_of_one_time_counts() -> None:
    assert table(Day(1, ((time(), 7), (time(), 8)))).script(moment("2026-01-01T12:00")) == 8


def test_seasons_take_turns_every_year() -> None:
    winter = Season("", DatePattern(month=10, day=LAST_DAY, weekday=7), time(1), 1)
    summer = Season("", DatePattern(month=3, day=LAST_DAY, weekday=7), time(1), 2)
    weeks = (Week(1, (1,) * 7), Week(2, (2,) * 7))
    own = table(Day(1, ((time(), 1),)), Day(2, ((time(), 2),)), seasons=(winter, summer), weeks=weeks)
    asked = ("2026-03-29T00:59", "2026-03-29T01:00", "2026-10-25T00:59", "2026-10-25T01:00", "2027-01-01T00:00")
    assert [own.script(moment(text)) for text in asked] == [1, 2, 2, 1, 1]
    assert own.next(moment("2026-03-29T00:59")) == moment("2026-03-29T01:00")


def test_a_season_of_one_year_lasts_until_the_next_begins() -> None:
    first = Season("", DatePattern(2014, 10, 27), time(), 1)
    second = Season("", DatePattern(2027, 3, 29), time(), 2)
    weeks = (Week(1, (1,) * 7), Week(2, (2,) * 7))
    own = table(Day(1, ((time(), 1),)), Day(2, ((time(), 2),)), seasons=(first, second), weeks=weeks)
    assert own.script(moment("2014-10-26T23:59")) is None
    assert own.script(moment("2014-10-27T00:00")) == 1
    assert own.script(moment("2027-03-28T23:59")) == 1
    assert own.script(moment("2030-01-01T00:00")) == 2


def test_a_special_day_has_its_own_times() -> None:
    own = table(
        NIGHT_AND_DAY,
        Day(2, ((time(), 9),)),
        special_days=(TariffSpecialDay(1, DatePattern(month=12, day=25), 2), TariffSpecialDay(2, ANY, 1)),
    )
    assert own.script(moment("2026-12-24T23:00")) == 1
    assert own.script(moment("2026-12-25T12:00")) == 9
    assert own.script(moment("2026-12-26T03:00")) == 2


@pytest.mark.parametrize(
    ("parts", "fault"),
    [
        ({}, None),
        ({"seasons": ()}, "seasons"),
        ({"seasons": (Season("", ANY, time(), 2),)}, "seasons"),
        ({"weeks": (Week(1, (1, 1, 1, 1, 1, 1, 3)),)}, "weeks"),
        ({"weeks": (Week(1, (1,)),)}, "weeks"),
        ({"days": (Day(1, ((time(), 200),)),)}, "days"),
        ({"days": (Day(1, ()),)}, "days"),
        ({"special_days": (TariffSpecialDay(1, ANY, 4),)}, "special_days"),
    ],
)
def test_what_is_named_has_to_be_there(parts: dict[str, Any], fault: str | None) -> None:
    assert table(NIGHT_AND_DAY, **parts).fault(range(1, 49)) == fault


PATTERNS = st.builds(
    DatePattern,
    st.none() | st.integers(0, 0xFFFE),
    st.none() | st.integers(1, 12),
    st.none() | st.integers(0, 0xFE),
    st.none() | st.integers(0, 0xFE),
)
TIMES = st.times(max_value=time(23, 59, 59)).map(lambda at: at.replace(microsecond=0))
NUMBERS = st.integers(0, 4)
TABLES = st.builds(
    SwitchingTable,
    st.lists(st.builds(Season, st.just(""), PATTERNS | st.just(ANY), TIMES, NUMBERS), max_size=3).map(tuple),
    st.lists(st.builds(Week, NUMBERS, st.lists(NUMBERS, min_size=7, max_size=7).map(tuple)), max_size=3).map(tuple),
    st.lists(
        st.builds(Day, NUMBERS, st.lists(st.tuples(TIMES, st.integers(0, 250)), max_size=4).map(tuple)), max_size=4
    ).map(tuple),
    st.lists(st.builds(TariffSpecialDay, NUMBERS, PATTERNS, NUMBERS), max_size=3).map(tuple),
)


@given(TABLES, st.integers(0, 90 * 366 * 86_400).map(lambda number: MILLENNIUM + timedelta(seconds=number)))
@settings(max_examples=60, deadline=None)
def test_nothing_changes_between_two_moments_of_any_table(own: SwitchingTable, at: datetime) -> None:
    following = own.next(at)
    assert at < following <= at + timedelta(days=1)
    script = own.script(at)
    assert own.script(at + (following - at) / 2) == script
    assert own.script(following - timedelta(microseconds=1)) == script
    assert script is None or any(script == each for day in own.days for _, each in day.times)


def days_of(pattern: DatePattern, year: int, month: int) -> list[int]:
    first = date(year, month, 1)
    around = (first + timedelta(days=number) for number in range(31))
    return [day.day for day in around if day.month == month and pattern.matches(day)]


def test_a_weekday_and_a_day_are_read_together() -> None:
    assert days_of(DatePattern(month=3, day=LAST_DAY, weekday=7), 2026, 3) == [29]
    assert days_of(DatePattern(day=SECOND_LAST_DAY, weekday=1), 2026, 3) == [23]
    assert days_of(DatePattern(month=5, day=1, weekday=1), 2026, 5) == [4]
    assert days_of(DatePattern(day=29, weekday=1), 2026, 10) == [5]
    assert days_of(DatePattern(2026, 5, 4, 1), 2026, 5) == [4]
    assert days_of(DatePattern(2026, 5, 5, 1), 2026, 5) == []
    assert days_of(DatePattern(weekday=1), 2026, 3) == [2, 9, 16, 23, 30]
