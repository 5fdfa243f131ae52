"""The procedural calendar: when each step of Tables 1 to 3 of SEC Appendix R is due, and what is due next (5.4)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

from bench.errors import UsageError
from bench.uept.working_days import add_working_days, working_days

_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the procedure.

    Attributes:
        id: the clause that asks for it.
        table: of the document, 1 to 3; 0 for what only the text asks for.
        title: what is to be done.
        by: "Party" or "DCC".
        to: who gets it; empty where the document says nobody.
        anchor: a date of the project ("test_start", "test_end"), or the id of the step that comes before.
        offset_working_days: how many Working Days after the anchor it is due; negative: before it.
        repeats: "", "weekly" or "daily".
        until: the date up to which it repeats.
        only_if: "" or "deficiencies": the review of the artefacts found some.
        needs: the documents that go with it.
    """

    id: str
    table: int
    title: str
    by: str
    to: str
    anchor: str
    offset_working_days: int
    repeats: str
    until: str
    only_if: str
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Due:
    """One occasion of a step.

    Attributes:
        on: when it is due; None until the step that it counts from is done.
        done: when it was done; None if it is open.
        expected: `on` as it would be if every open step before were done on its last day.
    """

    step: Step
    on: date | None
    done: date | None
    expected: date | None

    def late(self, today: date) -> bool:
        """Whether it is open, and its day has gone by."""
        return self.done is None and self.on is not None and self.on < today


@cache
def _raw() -> tuple[Mapping[str, Any], ...]:
    return tuple(json.loads(files("bench.uept").joinpath("procedure.json").read_text("utf-8"))["steps"])


def steps(population: str) -> tuple[Step, ...]:
    """Every step, in order; Eligibility Testing is notified later than the others (clause 1.3)."""
    return tuple(_step(raw, population) for raw in _raw())


def _step(raw: Mapping[str, Any], population: str) -> Step:
    offset = raw.get("eligibility_offset") if population == "eligibility" else None
    offset = offset or raw["offset"]
    repeats = next((word for word in ("weekly", "daily") if f"{word}_until" in raw), "")
    return Step(
        id=raw["id"],
        table=raw["table"],
        title=raw["title"],
        by=raw["from"],
        to=raw["to"],
        anchor=offset["anchor"],
        offset_working_days=offset["days"],
        repeats=repeats,
        until=raw.get(f"{repeats}_until", ""),
        only_if=raw.get("if", ""),
        needs=tuple(raw["needs"]),
    )


def step_of(population: str, step_id: str) -> Step:
    """The step of an id.

    Raises:
        UsageError: there is none.
    """
    known = {step.id: step for step in steps(population)}
    if step_id not in known:
        raise UsageError(f"the procedure has no step {step_id!r}", next_step=f"Steps: {', '.join(known)}")
    return known[step_id]


def calendar(
    population: str,
    dates: Mapping[str, date],
    done: Mapping[str, tuple[date, ...]],
    *,
    deficiencies: bool = False,
) -> tuple[Due, ...]:
    """When each step is due.

    Args:
        population: of the project.
        dates: "test_start" and "test_end"; after a revised start, the revised one (decision 67).
        done: on which days steps were done, by id; of those that repeat, each day.
        deficiencies: the review found some, so that 5.4.2.7 and 5.4.2.8 are due.

    Raises:
        UsageError: a year's bank holidays are not known.
    """
    found: list[Due] = []
    expected: dict[str, date] = dict(dates)
    for step in steps(population):
        if step.only_if and not deficiencies:
            continue
        days = done.get(step.id, ())
        if step.repeats:
            found += _repeated(step, dates, days)
            continue
        first = min(days, default=None)
        fixed = step.anchor in dates or bool(done.get(step.anchor))
        base = max(done[step.anchor]) if done.get(step.anchor) else expected.get(step.anchor)
        would_be = add_working_days(base, step.offset_working_days) if base is not None else None
        found.append(Due(step, would_be if fixed else None, first, would_be))
        if would_be is not None:
            expected[step.id] = first or would_be
    return tuple(found)


def _repeated(step: Step, dates: Mapping[str, date], days: tuple[date, ...]) -> list[Due]:
    if step.anchor not in dates or step.until not in dates:
        return []
    first, last = add_working_days(dates[step.anchor], step.offset_working_days), dates[step.until]
    if step.repeats == "daily":
        return [Due(step, day, day if day in days else None, day) for day in working_days(first, last)]
    occasions, found = [], []
    while first < last:
        occasions.append(first)
        first += _WEEK
    for number, begin in enumerate(occasions):
        # One report a calendar week; the day in it is the first one's (decision 66).
        due = add_working_days(begin, 0)
        monday = begin - timedelta(days=begin.weekday())
        given = [day for day in days if monday <= day < monday + _WEEK]
        if number == 0:
            given += [day for day in days if day < monday]
        found.append(Due(step, due, min(given, default=None), due))
    return found


def next_due(dues: tuple[Due, ...], today: date) -> tuple[Due, ...]:
    """What is open: first what is late, then what comes, in the order of its day."""
    pending = [due for due in dues if due.done is None and due.expected is not None]
    return tuple(sorted(pending, key=lambda due: (not due.late(today), due.expected or today)))
