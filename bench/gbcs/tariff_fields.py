"""Fields of the tariff of an ESME: switching table, special days, thresholds and prices (GBCS section 18)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time
from typing import Any

from bench.gbcs import dlms, use_case
from bench.gbcs.dlms import Data, Tag
from bench.gbcs.dlms_use_case import Field
from bench.gbcs.errors import GbcsError
from bench.gbcs.load_control_fields import DatePattern, date_pattern
from bench.gbcs.use_case import Values

TOU_PRICES, BLOCKS, BLOCK_PRICES = 48, 4, 8
"""Prices by time of use; and of each of four blocks eight more."""

BLOCK_SCRIPT, SECONDARY_SCRIPT = 100, 200
"""Added to the number of a price: scripts of block prices and of the secondary element; by time of use it is bare."""

NO_THRESHOLD = 0xFFFFFFFF

PRICE_NAMES = tuple(
    [bytes([number]) for number in range(1, TOU_PRICES + 1)]
    + [bytes([0xA0 + 0x10 * block + number]) for block in range(BLOCKS) for number in range(1, BLOCK_PRICES + 1)]
)
"""How the price matrix names its 80 prices."""

_SCRIPTS = dlms.octet_string(bytes.fromhex("00000a0064ff"))
_LONG = Tag.INT16
_DATE, _DATE_TIME = 5, 12
_WILDCARD = 0xFF


@dataclass(frozen=True, slots=True)
class Season:
    """A season of a switching table.

    Attributes:
        name: at most 8 ASCII characters.
        start: DLMS date-time, 12 bytes, with wildcards.
        week: the number of its week.
    """

    name: str
    start: bytes
    week: int

    @property
    def first_day(self) -> DatePattern:
        """The days on which it may begin.

        Raises:
            GbcsError: the date is none.
        """
        return date_pattern(self.start[:_DATE])

    @property
    def begins(self) -> time:
        """When it begins on that day, to the second; midnight where that is not specified.

        Raises:
            GbcsError: it is no time of day.
        """
        hour, minute, second = (0 if part == _WILDCARD else part for part in self.start[_DATE : _DATE + 3])
        try:
            return time(hour, minute, second)
        except ValueError:
            raise GbcsError(f"{self.start[_DATE : _DATE + 3].hex()} is no time of day") from None


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
    """A date (5 bytes, with wildcards) with a day of its own."""

    number: int
    date: bytes
    day: int

    @property
    def days(self) -> DatePattern:
        """The days that it stands for.

        Raises:
            GbcsError: the date is none.
        """
        return date_pattern(self.date)


def seasons(name: str) -> Field:
    """Return the seasons of a switching table: a tuple of `Season`."""

    def write(row: Season) -> tuple[Data, ...]:
        text = use_case.ascii_of({"season": row.name}, "season", 8)
        if len(row.start) != _DATE_TIME:
            raise GbcsError(f"the start of season {row.name!r} has {len(row.start)} bytes", expected="12")
        return (
            dlms.octet_string(text),
            dlms.octet_string(row.start),
            dlms.octet_string(bytes([_byte(row.week, "week")])),
        )

    def read(cells: tuple[Data, ...]) -> Season:
        name_, start, week = cells
        if len(start.octets) != _DATE_TIME or len(week.octets) != 1:
            raise GbcsError("a season has no start of 12 bytes or no week of one")
        return Season(use_case.text_of(name_.octets, "season"), start.octets, week.octets[0])

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
        if len(row.date) != _DATE:
            raise GbcsError(f"the date of special day {row.number} has {len(row.date)} bytes", expected="5")
        number = Data(Tag.UINT16, use_case.integer({"special day": row.number}, "special day", 0xFFFF))
        return number, dlms.octet_string(row.date), Data(Tag.UINT8, _byte(row.day, "day"))

    def read(cells: tuple[Data, ...]) -> TariffSpecialDay:
        if len(cells[1].octets) != _DATE:
            raise GbcsError("a special day has no date of 5 bytes")
        return TariffSpecialDay(cells[0].integer, cells[1].octets, cells[2].integer)

    return _table(name, 3, write, read)


def thresholds(name: str) -> Field:
    """Return the thresholds between the blocks at one time of use: a tuple of at most three numbers, in Wh."""

    def write(values: Values) -> Data:
        found = use_case.present(values, name)
        return Data(Tag.ARRAY, tuple(dlms.uint32(use_case.integer({name: each}, name)) for each in found))

    def read(data: Data) -> dict[str, Any]:
        return {name: tuple(each.integer for each in _elements(data))}

    return Field((name,), write, read)


def charges(name: str, commodity: tuple[int, int, str, int], price_names: Sequence[bytes]) -> Field:
    """Return a table of prices: `NAME`, a tuple of numbers, and `NAME_scale`, the power of ten of the currency unit.

    Args:
        name: of the prices.
        commodity: the power of ten of the quantity that is charged for, and the class, OBIS code and attribute of it.
        price_names: how the table names its prices.
    """
    scale, class_id, obis, attribute = commodity
    reference = Data(
        Tag.STRUCTURE,
        (Data(Tag.UINT16, class_id), dlms.octet_string(dlms.parse_obis(obis)), Data(Tag.INT8, attribute)),
    )
    scale_name = f"{name}_scale"

    def write(values: Values) -> Data:
        prices = use_case.present(values, name)
        if not isinstance(prices, tuple) or len(prices) != len(price_names):
            raise GbcsError(f"{name} is {prices!r}", expected=f"a tuple of {len(price_names)} prices")
        rows = (
            Data(Tag.STRUCTURE, (dlms.octet_string(price_name), Data(_LONG, _signed(price, 16, name))))
            for price_name, price in zip(price_names, prices, strict=True)
        )
        price_scale = Data(Tag.INT8, _signed(use_case.present(values, scale_name), 8, scale_name))
        scales = Data(Tag.STRUCTURE, (Data(Tag.INT8, scale), price_scale))
        return Data(Tag.STRUCTURE, (scales, reference, Data(Tag.ARRAY, tuple(rows))))

    def read(data: Data) -> dict[str, Any]:
        scales, referred, table = _cells(data, 3)
        rows = [_cells(row, 2) for row in _elements(table)]
        if referred != reference or [row[0].octets for row in rows] != list(price_names):
            raise GbcsError(f"{name} is a table of other prices", expected=f"{len(price_names)} of them")
        return {name: tuple(row[1].integer for row in rows), scale_name: _cells(scales, 2)[1].integer}

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
