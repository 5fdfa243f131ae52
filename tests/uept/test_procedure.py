"""The procedural calendar against dates that were counted by hand."""

from __future__ import annotations

from datetime import date

import pytest

from bench.errors import UsageError
from bench.uept.procedure import calendar, next_due, step_of

DATES = {"test_start": date(2026, 11, 2), "test_end": date(2026, 11, 20)}


def due(done: dict[str, tuple[date, ...]], step: str, population: str = "new", **options: bool) -> list[date | None]:
    return [each.on for each in calendar(population, DATES, done, **options) if each.step.id == step]


@pytest.mark.parametrize(
    ("step", "day"),
    [
        ("5.4.2.1", date(2026, 8, 7)),  # 60 Working Days before, the August bank holiday left out
        ("5.4.2.5", date(2026, 9, 28)),
        ("5.4.2.6", date(2026, 10, 5)),
        ("5.4.2.9", date(2026, 10, 26)),
        ("5.4.5.1", date(2026, 11, 2)),
        ("5.4.5.4", date(2026, 11, 20)),
        ("6.1.7", date(2026, 11, 6)),
    ],
)
def test_what_counts_from_the_dates_of_testing(step: str, day: date) -> None:
    assert due({}, step) == [day]


def test_eligibility_testing_is_notified_ten_days_later() -> None:
    assert due({}, "5.4.2.1", "eligibility") == [date(2026, 8, 21)]


def test_what_counts_from_another_step_waits_for_it() -> None:
    assert due({}, "5.4.2.2") == [None]
    done = {"5.4.2.1": (date(2026, 8, 3),)}
    assert due(done, "5.4.2.2") == [date(2026, 8, 5)]
    expected = {each.step.id: each.expected for each in calendar("new", DATES, done)}
    assert expected["5.4.2.3"] == date(2026, 8, 12), "five after the day on which the acknowledgement is due"


def test_reports_are_weekly_and_daily() -> None:
    weekly = [each for each in calendar("new", DATES, {"5.4.2.4": (date(2026, 9, 10),)}) if each.step.id == "5.4.2.4"]
    assert [each.on for each in weekly][:2] == [date(2026, 9, 7), date(2026, 9, 14)]
    assert len(weekly) == 8
    assert [each.done for each in weekly][:2] == [date(2026, 9, 10), None], "one in the calendar week is enough"
    assert len(due({}, "5.4.5.3")) == 15


def test_revised_artefacts_are_due_only_if_the_review_found_something() -> None:
    assert due({}, "5.4.2.7") == []
    assert due({}, "5.4.2.7", deficiencies=True) == [date(2026, 10, 19)]
    assert due({}, "5.4.2.8", deficiencies=True) == [date(2026, 10, 22)]


def test_what_is_late_comes_first() -> None:
    done = {"5.4.2.1": (date(2026, 8, 3),), "5.4.2.2": (date(2026, 8, 5),)}
    open_ = next_due(calendar("new", DATES, done), date(2026, 9, 10))
    assert [(each.step.id, each.late(date(2026, 9, 10))) for each in open_[:3]] == [
        ("5.4.2.3", True),
        ("5.4.2.4", True),
        ("5.4.2.4", False),
    ]


def test_a_step_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match=r"no step '5\.4\.9'"):
        step_of("new", "5.4.9")
