"""The non-disablement calendar of a GSME, as ZigBee commands (GBCS section 19; SEP 1.2, calendar cluster, type 3).

A published configuration and a published answer fix the layout.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from bench.gbcs import use_case
from bench.gbcs.errors import GbcsError
from bench.gbcs.gbz_commands import moment_from, moment_to, uint_from
from bench.gbcs.load_control_fields import DatePattern, date_pattern
from bench.gbcs.reader import Reader
from bench.gbcs.use_case import Values

CALENDAR = 0x0707
DAY, WEEK, SEASONS, SPECIAL_DAYS = 1, 2, 3, 4
"""Command ids that publish a part of a calendar."""

_HEADER = 0
_PROVIDER = bytes(4)
_TYPE = 3
_CENTURY = 1900
_ANY = 0xFF
_ANY_YEAR = b"\xff\xff"
_WEEK_DAYS = 7
_MINUTES = 24 * 60
_DAY_LENGTH = timedelta(days=1)
_A_YEAR_DAYS = 367
_START = "calendar_start"
_NOW, _NEVER = bytes(4), b"\xff\xff\xff\xfe"

Times = tuple[tuple[time, bool], ...]
"""From each time of day on, whether the supply stays on whatever the credit."""


@dataclass(frozen=True, slots=True)
class GasCalendar:
    """When a GSME does not close its valve for lack of credit; times are UTC.

    Attributes:
        days: day profiles, by their numbers.
        weeks: of each week profile the number of its day profile for every day from Monday on, by their numbers.
        seasons: from which day on which week counts.
        special_days: days with a day profile of their own.
    """

    days: dict[int, Times] = field(default_factory=dict)
    weeks: dict[int, tuple[int, ...]] = field(default_factory=dict)
    seasons: tuple[tuple[DatePattern, int], ...] = ()
    special_days: tuple[tuple[DatePattern, int], ...] = ()

    def keeps_on(self, at: datetime) -> bool:
        """Whether a moment lies in a non-disablement period; what nothing is said about does not."""
        for back in range(_WEEK_DAYS + 1):
            day = (at - back * _DAY_LENGTH).date()
            for start, keeps in sorted(self.days.get(self._day_of(day), ()), reverse=True):
                if back or start <= at.time():
                    return keeps
        return False

    def _day_of(self, day: date) -> int:
        for pattern, number in self.special_days:
            if pattern.matches(day):
                return number
        week = self.weeks.get(self._week_of(day), ())
        return week[day.weekday()] if len(week) == _WEEK_DAYS else 0

    def _week_of(self, day: date) -> int:
        for back in range(_A_YEAR_DAYS):
            earlier = day - back * _DAY_LENGTH
            for pattern, number in self.seasons:
                if pattern.matches(earlier):
                    return number
        return self.seasons[-1][1] if self.seasons else 0


def write_start(values: Values, never: bytes = _NEVER) -> bytes:
    """Write when a calendar takes effect: `activation_time`, a moment, "now", or "never", which cancels."""
    when = values.get("activation_time", "now")
    if when in ("now", "never"):
        return _NOW if when == "now" else never[::-1]
    return moment_to(values, "activation_time")


def read_start(reader: Reader, never: bytes = _NEVER) -> datetime | str | None:
    """Read what `write_start` writes."""
    raw = reader.take(4, "start time")
    if raw in (_NOW, never[::-1]):
        return "now" if raw == _NOW else "never"
    return moment_from(Reader(raw), "start time")


def calendar_of(values: Values) -> GasCalendar:
    """Return the parameter `non_disablement_calendar`.

    Raises:
        GbcsError: it is missing, or something else.
    """
    calendar = use_case.present(values, "non_disablement_calendar")
    if not isinstance(calendar, GasCalendar):
        raise GbcsError(f"non_disablement_calendar is {calendar!r}", expected="a GasCalendar")
    return calendar


def write_header(values: Values) -> bytes:
    """Write the command that announces a calendar; its id is its time of issue."""
    calendar = calendar_of(values)
    counts = (len(calendar.seasons), len(calendar.weeks), len(calendar.days))
    return _head(values) + write_start(values) + bytes([_TYPE, 0, 0]) + _bytes(*counts)


def read_header(reader: Reader) -> tuple[dict[str, Any], tuple[int, int, int]]:
    """Read what `write_header` writes: its times, and how many seasons, weeks and days follow."""
    found = _read_head(reader)
    found["activation_time"] = read_start(reader)
    reader.literal(bytes([_TYPE, 0, 0]), "calendar type, time reference and name")
    seasons, weeks, days = reader.take(3, "numbers of seasons, weeks and days")
    return found, (seasons, weeks, days)


def write_parts(values: Values) -> Iterator[tuple[int, bytes]]:
    """Command id and payload of each part of a calendar."""
    calendar = calendar_of(values)
    for number, times in calendar.days.items():
        rows = b"".join((at.hour * 60 + at.minute).to_bytes(2, "little") + bytes([keeps]) for at, keeps in times)
        yield DAY, _head(values) + _bytes(number, len(times), 0, 1, _TYPE) + rows
    for number, days in calendar.weeks.items():
        if len(days) != _WEEK_DAYS:
            raise GbcsError(f"week {number} has {len(days)} days", expected=str(_WEEK_DAYS))
        yield WEEK, _head(values) + _bytes(number, *days)
    yield SEASONS, _head(values) + b"\x00\x01" + _rows(calendar.seasons)
    count = len(calendar.special_days)
    yield SPECIAL_DAYS, _head(values) + write_start(values) + _bytes(_TYPE, count, 0, 1) + _rows(calendar.special_days)


def read_part(command: int, reader: Reader) -> tuple[dict[str, Any], GasCalendar]:
    """Read a part of a calendar: its times, and a calendar of that part alone.

    Raises:
        GbcsError: it is none.
    """
    found = _read_head(reader)
    if command == DAY:
        number, count = reader.uint(1, "day id"), reader.uint(1, "number of entries")
        reader.literal(bytes([0, 1, _TYPE]), "command index, commands and calendar type")
        return found, GasCalendar(days={number: tuple(_read_time(reader) for _ in range(count))})
    if command == WEEK:
        number = reader.uint(1, "week id")
        return found, GasCalendar(weeks={number: tuple(reader.take(_WEEK_DAYS, "days of the week"))})
    if command == SEASONS:
        reader.literal(b"\x00\x01", "command index and commands")
        return found, GasCalendar(seasons=_read_rows(reader))
    if command != SPECIAL_DAYS:
        raise GbcsError(f"command {command:02x} publishes no part of a calendar")
    found["activation_time"] = read_start(reader)
    reader.literal(bytes([_TYPE]), "calendar type")
    count = reader.uint(1, "number of special days")
    reader.literal(b"\x00\x01", "command index and commands")
    rows = _read_rows(reader)
    if len(rows) != count:
        raise GbcsError(f"{len(rows)} special days", expected=f"{count}")
    return found, GasCalendar(special_days=rows)


def joined(first: GasCalendar, second: GasCalendar) -> GasCalendar:
    """Two parts of one calendar as one.

    Raises:
        GbcsError: they say two things about a day or a week.
    """
    if first.days.keys() & second.days.keys() or first.weeks.keys() & second.weeks.keys():
        raise GbcsError("a calendar has two profiles of one number")
    return GasCalendar(
        first.days | second.days,
        first.weeks | second.weeks,
        first.seasons + second.seasons,
        first.special_days + second.special_days,
    )


def _head(values: Values) -> bytes:
    calendar = "calendar_issued_at" if "calendar_issued_at" in values else "issued_at"
    return _PROVIDER + moment_to(values, "issued_at") + moment_to(values, calendar)


def _read_head(reader: Reader) -> dict[str, Any]:
    reader.literal(_PROVIDER, "provider id")
    found: dict[str, Any] = {"issued_at": moment_from(reader, "issuer event id")}
    calendar = moment_from(reader, "calendar id")
    return found if calendar == found["issued_at"] else found | {"calendar_issued_at": calendar}


def _bytes(*numbers: int) -> bytes:
    return bytes(use_case.integer({"number": each}, "number", 0xFF) for each in numbers)


def _read_time(reader: Reader) -> tuple[time, bool]:
    minutes = uint_from(reader, 2, "start time")
    if minutes >= _MINUTES:
        raise GbcsError(f"minute {minutes} of a day", expected=f"less than {_MINUTES}")
    keeps = reader.uint(1, "friendly credit")
    if keeps > 1:
        raise GbcsError(f"friendly credit is {keeps}", expected="0 or 1")
    return time(*divmod(minutes, 60)), bool(keeps)


def _rows(rows: tuple[tuple[DatePattern, int], ...]) -> bytes:
    return b"".join(_date(pattern) + _bytes(number) for pattern, number in rows)


def _date(pattern: DatePattern) -> bytes:
    year = _ANY if pattern.year is None else pattern.year - _CENTURY
    parts = (_ANY if part is None else part for part in (pattern.month, pattern.day, pattern.weekday))
    return _bytes(year, *parts)


def _read_rows(reader: Reader) -> tuple[tuple[DatePattern, int], ...]:
    rows = []
    while reader.remaining:
        year, rest = reader.uint(1, "year"), reader.take(3, "month, day and weekday")
        head = _ANY_YEAR if year == _ANY else (year + _CENTURY).to_bytes(2, "big")
        rows.append((date_pattern(head + rest), reader.uint(1, "week or day id")))
    return tuple(rows)
