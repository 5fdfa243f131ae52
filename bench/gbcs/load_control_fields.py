"""Data of load control: calendars of switching times, special days, and script selectors (GBCS sections 7.3.7, 18.2.1).

A selector says what is done to which switch or controller: its high byte is the number of the switch, 1 to 5, or 0x10
more than the number of a controller; its low byte is one of the actions here, or the level of a controller.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from typing import Any

from bench.gbcs import dlms, use_case
from bench.gbcs.dlms import Data, Tag
from bench.gbcs.dlms_use_case import Field
from bench.gbcs.errors import GbcsError
from bench.gbcs.reader import encode_length
from bench.gbcs.use_case import Values

SWITCHES = (1, 2, 3, 4, 5)
"""Numbers of the switches of an ESME; those of controllers are the same."""
CALENDAR_ACTIONS = {0x01: "close", 0x02: "open"}
"""Actions of a switching time."""
ACTIONS = {0x11: "close", 0x12: "open", 0x20: "revert"}
"""Actions of a command; "revert" gives a switch back to its calendar."""
LAST_DAY, SECOND_LAST_DAY = 0xFE, 0xFD
"""Days of a month, counted from its end."""

TRUE = 0xFF
CONTROLLER = 0x10
LEVEL_FLAG = 0x80
_ANY, _ANY_YEAR = 0xFF, 0xFFFF
_SCRIPTS = "0-0:10.0.103.255"
_NO_WINDOW = Data(Tag.UINT16, 0xFFFF)
_DAYS = 7


@dataclass(frozen=True, slots=True)
class DatePattern:
    """A day, or the days that agree in what is given (Blue Book 4.1.6.1).

    Attributes:
        year: or None for every one.
        month: 1 to 12, or None for every one.
        day: of the month, `LAST_DAY`, `SECOND_LAST_DAY`, or None for every one.
        weekday: 1 is Monday, or None for every one.
    """

    year: int | None = None
    month: int | None = None
    day: int | None = None
    weekday: int | None = None

    def matches(self, day: date) -> bool:
        """Whether a day is one of them."""
        if self.day is not None and self.weekday is not None:
            return day.isoweekday() == self.weekday and self._matches_weekday(day)
        return (
            self.year in (None, day.year)
            and self.month in (None, day.month)
            and (self.day is None or self._day_in(day) == day.day)
            and self.weekday in (None, day.isoweekday())
        )

    def _matches_weekday(self, day: date) -> bool:
        """Whether it is the right one of its weekday: the last of a month, or the first on or after a day.

        A day of a given year has to have its weekday. That the second last day means the second last week is inferred.
        """
        weeks_off = {LAST_DAY: 0, SECOND_LAST_DAY: 1}.get(self.day or 0)
        if weeks_off is not None:
            left = monthrange(day.year, day.month)[1] - day.day
            return self.year in (None, day.year) and self.month in (None, day.month) and left // _DAYS == weeks_off
        earliest = 0 if self.year is not None else _DAYS - 1
        around = (day - timedelta(days=number) for number in range(earliest + 1))
        return any(
            each.day == self.day and self.month in (None, each.month) and self.year in (None, each.year)
            for each in around
        )

    def near(self, day: date) -> tuple[int, int, int]:
        """Year, month and day of the month, with those of a day where nothing is given; the weekday does not count."""
        number = day.day if self.day is None else self._day_in(day)
        return self.year or day.year, self.month or day.month, number

    def _day_in(self, day: date) -> int:
        if self.day not in (LAST_DAY, SECOND_LAST_DAY):
            return self.day or 0
        last = monthrange(self.year or day.year, self.month or day.month)[1]
        return last - (self.day == SECOND_LAST_DAY)


@dataclass(frozen=True, slots=True)
class SpecialDay:
    """A day whose switching times are its own.

    Attributes:
        number: 1 to 20.
        pattern: which day, or days.
    """

    number: int
    pattern: DatePattern


@dataclass(frozen=True, slots=True)
class SwitchingTime:
    """One entry of a calendar of switching times.

    Attributes:
        selector: what is done to which switch.
        at: time of day, UTC.
        weekdays: whether it is done on each day of the week, from Monday, that is no special day.
        special_days: whether it is done on each special day, in the order of their table.
        begins: the first day of its period; what it leaves open is no limit.
        ends: the last one.
    """

    selector: int
    at: time
    weekdays: tuple[bool, ...] = (True,) * _DAYS
    special_days: tuple[bool, ...] = ()
    begins: DatePattern = field(default=DatePattern())
    ends: DatePattern = field(default=DatePattern())


def truth(name: str) -> Field:
    """Return a field that holds a boolean."""

    def write(values: Values) -> Data:
        value = use_case.present(values, name)
        if not isinstance(value, bool):
            raise GbcsError(f"{name} is {value!r}", expected="True or False")
        return Data(Tag.BOOLEAN, TRUE if value else 0)

    def read(data: Data) -> dict[str, Any]:
        if data.tag is not Tag.BOOLEAN:
            raise GbcsError(f"{name} is {data.tag.name.lower()}", expected="boolean")
        return {name: bool(data.integer)}

    return Field((name,), write, read)


def label(name: str, longest: int) -> Field:
    """Return a field that holds ASCII text as a visible-string."""

    def read(data: Data) -> dict[str, Any]:
        if data.tag is not Tag.VISIBLE_STRING:
            raise GbcsError(f"{name} is {data.tag.name.lower()}", expected="visible_string")
        return {name: use_case.text_of(data.octets, name)}

    return Field((name,), lambda values: Data(Tag.VISIBLE_STRING, use_case.ascii_of(values, name, longest)), read)


def action_of(numbered: str, actions: Mapping[int, str]) -> Field:
    """Return a selector of one switch, `numbered`, and an `action`, by their words."""

    def write(values: Values) -> Data:
        number = use_case.integer(values, numbered, len(SWITCHES))
        if number not in SWITCHES:
            raise GbcsError(f"{numbered} is {number}", expected="1 to 5")
        return Data(Tag.UINT16, number << 8 | use_case.choice(values, "action", actions))

    def read(data: Data) -> dict[str, Any]:
        number, action = divmod(_selector(data), 256)
        if number not in SWITCHES:
            raise GbcsError(f"the {numbered} is {number}", expected="1 to 5")
        return {numbered: number, "action": use_case.word(action, actions, "action")}

    return Field((numbered, "action"), write, read)


def level_of_controller() -> Field:
    """Return a selector of a `controller` and its `level_percent`; `input` speaks of power from the load.

    Published commands have no flag for a level of output; that the flag means input is inferred.
    """

    def write(values: Values) -> Data:
        number = use_case.integer(values, "controller", len(SWITCHES))
        level = use_case.integer(values, "level_percent", 100)
        if number not in SWITCHES:
            raise GbcsError(f"controller is {number}", expected="1 to 5")
        flag = LEVEL_FLAG if use_case.present(values, "input") else 0
        return Data(Tag.UINT16, (CONTROLLER | number) << 8 | flag | level)

    def read(data: Data) -> dict[str, Any]:
        number, action = divmod(_selector(data), 256)
        level = action & ~LEVEL_FLAG
        if number - CONTROLLER not in SWITCHES or level > 100:
            raise GbcsError(f"{_selector(data):04x} is no level of a controller", expected="1100 to 15e4")
        return {"controller": number - CONTROLLER, "level_percent": level, "input": bool(action & LEVEL_FLAG)}

    return Field(("controller", "level_percent", "input"), write, read)


def _selector(data: Data) -> int:
    if data.tag is not Tag.UINT16:
        raise GbcsError(f"a selector is {data.tag.name.lower()}", expected="uint16")
    return data.integer


def special_days(name: str = "special_days") -> Field:
    """Return a field that holds a table of special days: a tuple of `SpecialDay`."""

    def write(values: Values) -> Data:
        rows = _rows(values, name, SpecialDay)
        return Data(Tag.ARRAY, tuple(Data(Tag.STRUCTURE, _day_cells(row)) for row in rows))

    def read(data: Data) -> dict[str, Any]:
        return {name: tuple(SpecialDay(cells[2].integer, _read_pattern(cells[1])) for cells in _table(data, name, 3))}

    return Field((name,), write, read)


def _day_cells(row: SpecialDay) -> tuple[Data, ...]:
    return Data(Tag.UINT16, row.number), _pattern(row.pattern), Data(Tag.UINT8, row.number)


def switching_times(name: str = "switching_times", scripts: str = _SCRIPTS) -> Field:
    """Return a field that holds a calendar: a tuple of `SwitchingTime`.

    Args:
        name: of the value.
        scripts: OBIS code of the script table that the selectors are of.
    """
    table = dlms.octet_string(dlms.parse_obis(scripts))

    def write(values: Values) -> Data:
        rows = _rows(values, name, SwitchingTime)
        return Data(Tag.ARRAY, tuple(Data(Tag.STRUCTURE, _time_cells(*row, table)) for row in enumerate(rows, 1)))

    def read(data: Data) -> dict[str, Any]:
        return {name: tuple(_read_time(cells, table) for cells in _table(data, name, 10))}

    return Field((name,), write, read)


def _time_cells(number: int, row: SwitchingTime, scripts: Data) -> tuple[Data, ...]:
    at = bytes([row.at.hour, row.at.minute, row.at.second, row.at.microsecond // 10_000])
    return (
        Data(Tag.UINT16, number),
        Data(Tag.BOOLEAN, TRUE),
        scripts,
        Data(Tag.UINT16, row.selector),
        dlms.octet_string(at),
        _NO_WINDOW,
        _bits(row.weekdays),
        _bits(row.special_days),
        _pattern(row.begins),
        _pattern(row.ends),
    )


def _read_time(cells: tuple[Data, ...], scripts: Data) -> SwitchingTime:
    at = cells[4].octets
    if len(at) != 4 or cells[2] != scripts:
        raise GbcsError("a switching time has no time of day, or another script table")
    weekdays = _read_bits(cells[6])
    if len(weekdays) != _DAYS:
        raise GbcsError(f"a week of {len(weekdays)} days", expected=str(_DAYS))
    try:
        moment = time(at[0], at[1], at[2], at[3] * 10_000)
    except ValueError as error:
        raise GbcsError(f"a switching time: {error}") from None
    dates = _read_pattern(cells[8]), _read_pattern(cells[9])
    return SwitchingTime(_selector(cells[3]), moment, weekdays, _read_bits(cells[7]), *dates)


def _rows(values: Values, name: str, kind: type) -> tuple[Any, ...]:
    rows = use_case.present(values, name)
    if not isinstance(rows, tuple) or not all(isinstance(row, kind) for row in rows):
        raise GbcsError(f"{name} is {rows!r}", expected=f"a tuple of {kind.__name__}")
    return rows


def _table(data: Data, name: str, columns: int) -> list[tuple[Data, ...]]:
    rows = data.value
    if data.tag is not Tag.ARRAY or not isinstance(rows, tuple):
        raise GbcsError(f"{name} is {data.tag.name.lower()}", expected="an array")
    out = []
    for row in rows:
        if not isinstance(row.value, tuple) or len(row.value) != columns:
            raise GbcsError(f"a row of {name} is no structure of {columns}")
        out.append(row.value)
    return out


def date_octets(pattern: DatePattern) -> bytes:
    """Return the five bytes of a date that may have wildcards (Blue Book 4.1.6.1)."""
    year = _ANY_YEAR if pattern.year is None else pattern.year
    rest = (_ANY if part is None else part for part in (pattern.month, pattern.day, pattern.weekday))
    return year.to_bytes(2, "big") + bytes(rest)


def _pattern(pattern: DatePattern) -> Data:
    return dlms.octet_string(date_octets(pattern))


def _read_pattern(data: Data) -> DatePattern:
    return date_pattern(data.octets)


def date_pattern(octets: bytes) -> DatePattern:
    """Return the date of five bytes.

    Raises:
        GbcsError: they are none.
    """
    if len(octets) != 5:
        raise GbcsError(f"a date has {len(octets)} bytes", expected="5")
    year = int.from_bytes(octets[:2], "big")
    month, day, weekday = (None if part == _ANY else part for part in octets[2:])
    if month not in (None, *range(1, 13)):
        raise GbcsError(f"month {month}", expected="1 to 12, or every one")
    return DatePattern(None if year == _ANY_YEAR else year, month, day, weekday)


def _bits(flags: tuple[bool, ...]) -> Data:
    number = sum(
        1 << 7 - place % 8 + 8 * (-(-len(flags) // 8) - 1 - place // 8) for place, on in enumerate(flags) if on
    )
    return Data(Tag.BIT_STRING, encode_length(len(flags)) + number.to_bytes(-(-len(flags) // 8), "big"))


def _read_bits(data: Data) -> tuple[bool, ...]:
    if data.tag is not Tag.BIT_STRING or not isinstance(data.value, bytes):
        raise GbcsError(f"{data.tag.name.lower()} data where bits belong")
    octets = data.value
    count = octets[0]
    if count & LEVEL_FLAG:
        raise GbcsError("more bits than special days can have", expected="at most 127")
    return tuple(bool(octets[1 + place // 8] >> 7 - place % 8 & 1) for place in range(count))
