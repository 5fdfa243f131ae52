"""Fields of the tariff of an ESME: switching table, special days, thresholds and prices (GBCS section 18)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from typing import Any

from bench.gbcs import dlms, use_case
from bench.gbcs.dlms import Data, Tag
from bench.gbcs.dlms_use_case import Field
from bench.gbcs.errors import GbcsError
from bench.gbcs.load_control_fields import DatePattern, date_octets, date_pattern
from bench.gbcs.use_case import Values

TOU_PRICES, BLOCKS, BLOCK_PRICES = 48, 4, 8
"""Prices by time of use; and of each of four blocks eight more."""

BLOCK_SCRIPT, SECONDARY_SCRIPT = 100, 200
"""Added to the number of a price: scripts of block prices and of the secondary element; by time of use it is bare."""

NO_THRESHOLD = 0xFFFFFFFF
_FIRST_BLOCK = 0x90

PRICE_NAMES: Mapping[str, bytes] = {
    **{f"tou_{tou}": bytes([tou]) for tou in range(1, TOU_PRICES + 1)},
    **{
        f"block_{block}_tou_{tou}": bytes([_FIRST_BLOCK + 0x10 * block + tou])
        for block in range(1, BLOCKS + 1)
        for tou in range(1, BLOCK_PRICES + 1)
    },
}
"""How the price matrix names its 80 prices."""

_SCRIPTS = dlms.octet_string(bytes.fromhex("00000a0064ff"))
_LONG = Tag.INT16
_DATE, _DATE_TIME = 5, 12
_UNSPECIFIED = b"\xff\xff\xff"


@dataclass(frozen=True, slots=True)
class Season:
    """A season of a switching table.

    Attributes:
        name: at most 8 ASCII characters.
        first_day: the days on which it begins.
        begins: when on such a day, UTC; None where that is not specified.
        week: the number of its week.
        rest: what follows in the date-time: hundredths, deviation, clock status.
    """

    name: str
    first_day: DatePattern
    begins: time | None
    week: int
    rest: bytes = bytes.fromhex("008000ff")


@dataclass(frozen=True, slots=True)
class Week:
    """A week: the numbers of its days from Monday on."""

    number: int
    days: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Day:
    """A day: from each time of day on the script of a price."""

    number: int
    times: tuple[tuple[time, int], ...]


@dataclass(frozen=True, slots=True)
class TariffSpecialDay:
    """A date, or the dates that agree in what is given, with a day of its own."""

    number: int
    date: DatePattern
    day: int


def seasons(name: str) -> Field:
    """Return the seasons of a switching table: a tuple of `Season`."""

    def write(row: Season) -> tuple[Data, ...]:
        text = use_case.ascii_of({"season": row.name}, "season", 8)
        at = row.begins
        hours = _UNSPECIFIED if at is None else bytes([at.hour, at.minute, at.second])
        return (
            dlms.octet_string(text),
            dlms.octet_string(date_octets(row.first_day) + hours + row.rest),
            dlms.octet_string(bytes([_byte(row.week, "week")])),
        )

    def read(cells: tuple[Data, ...]) -> Season:
        start, week = cells[1].octets, cells[2].octets
        if len(start) != _DATE_TIME or len(week) != 1:
            raise GbcsError("a season has no start of 12 bytes or no week of one")
        hours = start[_DATE : _DATE + len(_UNSPECIFIED)]
        try:
            begins = None if hours == _UNSPECIFIED else time(*hours)
        except ValueError:
            raise GbcsError(f"{hours.hex()} is no time of day") from None
        name_ = use_case.text_of(cells[0].octets, "season")
        return Season(name_, date_pattern(start[:_DATE]), begins, week[0], start[_DATE + len(hours) :])

    return _table(name, 3, write, read)


def weeks(name: str) -> Field:
    """Return the weeks of a switching table: a tuple of `Week`."""

    def write(row: Week) -> tuple[Data, ...]:
        if len(row.days) != 7:
            raise GbcsError(f"week {row.number} has {len(row.days)} days", expected="7")
        days = (Data(Tag.UINT8, _byte(day, "day")) for day in row.days)
        return dlms.octet_string(bytes([_byte(row.number, "week")])), *days

    def read(cells: tuple[Data, ...]) -> Week:
        if len(cells[0].octets) != 1:
            raise GbcsError("a week has no number of one byte")
        return Week(cells[0].octets[0], tuple(cell.integer for cell in cells[1:]))

    return _table(name, 8, write, read)


def days(name: str) -> Field:
    """Return the days of a switching table: a tuple of `Day`."""

    def write(row: Day) -> tuple[Data, ...]:
        actions = tuple(
            Data(
                Tag.STRUCTURE,
                (
                    dlms.octet_string(bytes([at.hour, at.minute, at.second, at.microsecond // 10_000])),
                    _SCRIPTS,
                    Data(Tag.UINT16, use_case.integer({"script": script}, "script", 0xFFFF)),
                ),
            )
            for at, script in row.times
        )
        return Data(Tag.UINT8, _byte(row.number, "day")), Data(Tag.ARRAY, actions)

    def read(cells: tuple[Data, ...]) -> Day:
        found = []
        for action in _elements(cells[1]):
            start, scripts, script = _cells(action, 3)
            if scripts != _SCRIPTS or len(start.octets) != 4:
                raise GbcsError("a switching time is none of the tariff's scripts")
            hour, minute, second, hundredths = start.octets
            try:
                found.append((time(hour, minute, second, hundredths * 10_000), script.integer))
            except ValueError:
                raise GbcsError(f"{start.octets.hex()} is no time of day") from None
        return Day(cells[0].integer, tuple(found))

    return _table(name, 2, write, read)


def special_days(name: str) -> Field:
    """Return special days: a tuple of `TariffSpecialDay`."""

    def write(row: TariffSpecialDay) -> tuple[Data, ...]:
        number = Data(Tag.UINT16, use_case.integer({"special day": row.number}, "special day", 0xFFFF))
        return number, dlms.octet_string(date_octets(row.date)), Data(Tag.UINT8, _byte(row.day, "day"))

    def read(cells: tuple[Data, ...]) -> TariffSpecialDay:
        return TariffSpecialDay(cells[0].integer, date_pattern(cells[1].octets), cells[2].integer)

    return _table(name, 3, write, read)


def thresholds(name: str) -> Field:
    """Return the thresholds between the blocks at one time of use: a tuple of at most three numbers, in Wh."""

    def write(values: Values) -> Data:
        found = use_case.present(values, name)
        return Data(Tag.ARRAY, tuple(dlms.uint32(use_case.integer({name: each}, name)) for each in found))

    def read(data: Data) -> dict[str, Any]:
        return {name: tuple(each.integer for each in _elements(data))}

    return Field((name,), write, read)


def charges(name: str, commodity: tuple[int, int, str, int], price_names: Mapping[str, bytes]) -> Field:
    """Return a table of prices: `NAME`, and `NAME_scale`, the power of ten of the currency unit.

    Prices are those that are not zero, by their names; where there is one without a name, it is a number.

    Args:
        name: of the prices.
        commodity: the power of ten of the quantity that is charged for, and the class, OBIS code and attribute of it.
        price_names: what the table calls its prices.
    """
    scale, class_id, obis, attribute = commodity
    reference = Data(
        Tag.STRUCTURE,
        (Data(Tag.UINT16, class_id), dlms.octet_string(dlms.parse_obis(obis)), Data(Tag.INT8, attribute)),
    )
    scale_name, single = f"{name}_scale", list(price_names) == [""]

    def write(values: Values) -> Data:
        found = use_case.present(values, name)
        prices = {"": found} if single else found
        if not isinstance(prices, Mapping) or not prices.keys() <= price_names.keys():
            raise GbcsError(f"{name} is {found!r}", expected=f"prices by name: {next(iter(price_names))} ...")
        rows = (
            Data(Tag.STRUCTURE, (dlms.octet_string(octets), Data(_LONG, _signed(prices.get(each, 0), 16, name))))
            for each, octets in price_names.items()
        )
        price_scale = Data(Tag.INT8, _signed(use_case.present(values, scale_name), 8, scale_name))
        scales = Data(Tag.STRUCTURE, (Data(Tag.INT8, scale), price_scale))
        return Data(Tag.STRUCTURE, (scales, reference, Data(Tag.ARRAY, tuple(rows))))

    def read(data: Data) -> dict[str, Any]:
        scales, referred, table = _cells(data, 3)
        rows = [_cells(row, 2) for row in _elements(table)]
        if referred != reference or [row[0].octets for row in rows] != list(price_names.values()):
            raise GbcsError(f"{name} is a table of other prices", expected=f"{len(price_names)} of them")
        numbers = dict(zip(price_names, (row[1].integer for row in rows), strict=True))
        prices: Any = numbers[""] if single else {each: price for each, price in numbers.items() if price}
        return {name: prices, scale_name: _cells(scales, 2)[1].integer}

    return Field((name, scale_name), write, read)


def _table(name: str, columns: int, write_row: Any, read_row: Any) -> Field:
    def write(values: Values) -> Data:
        rows = use_case.present(values, name)
        if not isinstance(rows, tuple):
            raise GbcsError(f"{name} is a {type(rows).__name__}", expected="a tuple of rows")
        return Data(Tag.ARRAY, tuple(Data(Tag.STRUCTURE, write_row(row)) for row in rows))

    def read(data: Data) -> dict[str, Any]:
        return {name: tuple(read_row(_cells(row, columns)) for row in _elements(data))}

    return Field((name,), write, read)


def _elements(data: Data) -> tuple[Data, ...]:
    if data.tag is not Tag.ARRAY or not isinstance(data.value, tuple):
        raise GbcsError(f"found {data.tag.name.lower()} data", expected="an array")
    return data.value


def _cells(data: Data, count: int) -> tuple[Data, ...]:
    if data.tag is not Tag.STRUCTURE or not isinstance(data.value, tuple) or len(data.value) != count:
        raise GbcsError(f"found {data.tag.name.lower()} data", expected=f"a structure of {count}")
    return data.value


def _byte(value: int, name: str) -> int:
    return use_case.integer({name: value}, name, 0xFF)


def _signed(value: Any, bits: int, name: str) -> int:
    limit = 1 << bits - 1
    if isinstance(value, bool) or not isinstance(value, int) or not -limit <= value < limit:
        raise GbcsError(f"{name} is {value!r}", expected=f"a whole number of {bits} bits")
    return value
