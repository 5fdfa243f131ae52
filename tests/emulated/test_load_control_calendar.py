"""Calendars of auxiliary loads: which switching times count on which day."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.gbcs.load_control_fields import LAST_DAY, DatePattern, SpecialDay, SwitchingTime
from drivers.emulated.functions.switch_calendar import Calendar, meaning

ON, OFF = 0x0101, 0x0102
WORKDAYS = (True,) * 5 + (False,) * 2
CHRISTMAS = SpecialDay(1, DatePattern(month=12, day=25))
MOMENTS = st.integers(0, 10**9).map(lambda seconds: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))
ROWS = st.builds(
    SwitchingTime,
    st.sampled_from([ON, OFF]),
    st.times().map(lambda at: at.replace(fold=0)),
    st.lists(st.booleans(), min_size=7, max_size=7).map(tuple),
    st.just((True,)),
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("selector", "what"),
    [
        (0x0101, (1, True)),
        (0x0502, (5, False)),
        (0x0311, (3, True)),
        (0x0312, (3, False)),
        (0x11E4, (1, True)),
        (0x1164, (1, True)),
        (0x15B2, (5, False)),
        (0x1280, (2, False)),
    ],
)
def test_what_selectors_mean(selector: int, what: tuple[int, bool]) -> None:
    assert meaning(selector) == what


def test_days_of_the_week() -> None:
    calendar = Calendar((SwitchingTime(ON, time(6), WORKDAYS), SwitchingTime(OFF, time(7))))
    assert calendar.next(at("2026-01-02T06:30")) == at("2026-01-02T07:00")
    assert calendar.next(at("2026-01-02T08:00")) == at("2026-01-03T07:00")
    assert calendar.closed(1, at("2026-01-05T06:30")) is True
    assert calendar.closed(1, at("2026-01-04T06:30")) is False


def test_on_a_special_day_only_its_own_times_count() -> None:
    usual = SwitchingTime(ON, time(6), special_days=(False,))
    festive = SwitchingTime(ON, time(9), (False,) * 7, special_days=(True,))
    calendar = Calendar((usual, festive), (CHRISTMAS,))
    assert calendar.on(date(2026, 12, 25)) == [(at("2026-12-25T09:00"), ON)]
    assert calendar.on(date(2026, 12, 26)) == [(at("2026-12-26T06:00"), ON)]


def test_periods() -> None:
    summer = SwitchingTime(ON, time(6), begins=DatePattern(month=6, day=21), ends=DatePattern(month=9, day=21))
    winter = SwitchingTime(OFF, time(6), begins=DatePattern(month=11, day=1), ends=DatePattern(month=2, day=LAST_DAY))
    once = SwitchingTime(ON, time(6), begins=DatePattern(2027, 3, 1), ends=DatePattern(2027, 3, 2))
    calendar = Calendar((summer, winter, once))
    assert [len(calendar.on(date(2026, 6, day))) for day in (20, 21)] == [0, 1]
    assert [len(calendar.on(date(2028, *day))) for day in ((2, 29), (3, 1), (10, 31), (11, 1))] == [1, 0, 0, 1]
    assert [len(calendar.on(date(2027, 3, day))) for day in (1, 2, 3)] == [1, 1, 0]


def test_what_nobody_switched_for_a_year_is_unknown() -> None:
    old = SwitchingTime(ON, time(6), begins=DatePattern(2020, 1, 1), ends=DatePattern(2020, 1, 1))
    calendar = Calendar((old,))
    assert calendar.closed(1, at("2020-06-01T00:00")) is True
    assert calendar.closed(1, at("2022-06-01T00:00")) is None
    assert calendar.closed(2, at("2020-06-01T00:00")) is None
    assert calendar.next(at("2020-06-01T00:00")) is None
    assert Calendar().next(at("2020-06-01T00:00")) is None


@given(st.lists(ROWS, max_size=4).map(tuple), MOMENTS)
def test_nothing_changes_before_the_next_moment(rows: tuple[SwitchingTime, ...], now: datetime) -> None:
    calendar = Calendar(rows, (CHRISTMAS,))
    following = calendar.next(now)
    if following is None:
        assert not any(any(row.weekdays) for row in rows)
        return
    assert following > now
    assert calendar.closed(1, now) is calendar.closed(1, following - timedelta(microseconds=1))
    assert calendar.closed(1, following) is not None
