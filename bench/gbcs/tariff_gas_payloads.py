"""ZigBee commands of tariffs: what the calendar and price clusters of a gas meter are told (SEP 1.2).

A published block tariff fixes their layout; how prices by time of use are named is inferred.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, time
from typing import Any

from bench.gbcs import times, use_case
from bench.gbcs.alerts import ZclTarget
from bench.gbcs.errors import GbcsError
from bench.gbcs.gbz_commands import FROM_SERVER, moment_from, moment_to, uint_from
from bench.gbcs.load_control_fields import DatePattern
from bench.gbcs.reader import Reader
from bench.gbcs.tariff_fields import Day, Week
from bench.gbcs.use_case import Values

PRICE, CALENDAR = 0x0700, 0x0707
CURRENCIES = {826: "GBP", 978: "ECB"}
"""ISO 4217 numbers."""

_SCHEMES = {0x00: "tou", 0x10: "block"}
_PROVIDER, _TARIFF_ID = bytes(4), b"\x01\x00\x00\x00"
_NOW, _NEVER = bytes(4), b"\xff" * 4
TRAILING_DIGITS, MULTIPLIER, DIVISOR = 0x50, 1, 1000
"""Prices have five decimal places of a pound for each kWh, thresholds three of a cubic metre."""

_TIER_MODE = 0xFF
MOST_PRICES, MOST_THRESHOLDS = 4, 3

_FIRST_YEAR, _EVERY = 1900, 0xFF

Row = tuple[DatePattern, int]
"""A date, or those that agree in what is given, and the week or day that it has."""


def start_to(values: Values) -> bytes:
    """Return when a tariff begins: `activation_time`, a moment, "now" or "never"."""
    at = values.get("activation_time", "now")
    if at in ("now", "never"):
        return _NOW if at == "now" else _NEVER
    return moment_to(values, "activation_time")


def start_from(reader: Reader) -> datetime | str | None:
    """Read when a tariff begins."""
    raw = reader.take(4, "start time")
    return {_NOW: "now", _NEVER: "never"}.get(raw) or times.decode_zigbee(raw[::-1])


def head(values: Values) -> bytes:
    """Return provider and issuer event id, which is when a command was issued."""
    return _PROVIDER + moment_to(values, "issued_at")


def read_head(reader: Reader) -> dict[str, Any]:
    """Read provider and issuer event id."""
    reader.literal(_PROVIDER, "provider id")
    return {"issued_at": moment_from(reader, "issuer event id")}


def _calendar_head(values: Values) -> bytes:
    return head(values) + moment_to(values, "issued_at")


def _read_calendar_head(reader: Reader) -> dict[str, Any]:
    found = read_head(reader)
    if moment_from(reader, "calendar id") != found["issued_at"]:
        raise GbcsError("the calendar is not that of the command")
    return found


def _counts(values: Values) -> bytes:
    return _bytes(*(len(use_case.present(values, name)) for name in ("seasons", "weeks", "days")))


def _bytes(*numbers: int) -> bytes:
    return bytes(use_case.integer({"number": each}, "number", 0xFF) for each in numbers)


def write_day(values: Values, day: Day) -> bytes:
    """Write one day profile: from each time of day on a tier."""
    entries = b"".join((at.hour * 60 + at.minute).to_bytes(2, "little") + _bytes(tier) for at, tier in day.times)
    return _calendar_head(values) + _bytes(day.number, len(day.times), 0, 1, 0) + entries


def read_day(reader: Reader) -> dict[str, Any]:
    """Read one day profile."""
    found = _read_calendar_head(reader)
    number, count = reader.uint(1, "day id"), reader.uint(1, "number of entries")
    reader.literal(b"\x00\x01\x00", "command index, commands and calendar type")
    rows = []
    for _ in range(count):
        minutes = uint_from(reader, 2, "start time")
        if minutes >= 24 * 60:
            raise GbcsError(f"minute {minutes} of a day", expected="less than 1440")
        rows.append((time(*divmod(minutes, 60)), reader.uint(1, "tier")))
    return found | {"days": (Day(number, tuple(rows)),)}


def write_week(values: Values, week: Week) -> bytes:
    """Write one week profile."""
    if len(week.days) != 7:
        raise GbcsError(f"week {week.number} has {len(week.days)} days", expected="7")
    return _calendar_head(values) + _bytes(week.number, *week.days)


def read_week(reader: Reader) -> dict[str, Any]:
    """Read one week profile."""
    found = _read_calendar_head(reader)
    number = reader.uint(1, "week id")
    return found | {"weeks": (Week(number, tuple(reader.take(7, "days of the week"))),)}


def _rows(values: Values, name: str) -> bytes:
    return b"".join(_date(date) + _bytes(number) for date, number in use_case.present(values, name))


def _date(pattern: DatePattern) -> bytes:
    """Year since 1900, month, day, weekday; FF for every one."""
    year = None if pattern.year is None else pattern.year - _FIRST_YEAR
    if year is not None and not 0 <= year < _EVERY:
        raise GbcsError(f"the year {pattern.year}", expected=f"{_FIRST_YEAR} to {_FIRST_YEAR + _EVERY - 1}")
    return _bytes(*(_EVERY if part is None else part for part in (year, pattern.month, pattern.day, pattern.weekday)))


def _read_date(octets: bytes) -> DatePattern:
    year, month, day, weekday = (None if part == _EVERY else part for part in octets)
    return DatePattern(None if year is None else _FIRST_YEAR + year, month, day, weekday)


def _read_rows(reader: Reader) -> tuple[Row, ...]:
    rows = []
    while reader.remaining:
        rows.append((_read_date(reader.take(4, "date")), reader.uint(1, "week or day id")))
    return tuple(rows)


def write_seasons(values: Values) -> bytes:
    """Write the seasons."""
    return _calendar_head(values) + b"\x00\x01" + _rows(values, "seasons")


def read_seasons(reader: Reader) -> dict[str, Any]:
    """Read the seasons."""
    found = _read_calendar_head(reader)
    reader.literal(b"\x00\x01", "command index and commands")
    return found | {"seasons": _read_rows(reader)}


def write_special_days(values: Values) -> bytes:
    """Write the special days."""
    rows = use_case.present(values, "special_days")
    return _calendar_head(values) + start_to(values) + _bytes(0, len(rows), 0, 1) + _rows(values, "special_days")


def read_special_days(reader: Reader) -> dict[str, Any]:
    """Read the special days."""
    found = _read_calendar_head(reader) | {"activation_time": start_from(reader)}
    reader.literal(b"\x00", "calendar type")
    count = reader.uint(1, "number of special days")
    reader.literal(b"\x00\x01", "command index and commands")
    rows = _read_rows(reader)
    if len(rows) != count:
        raise GbcsError(f"{len(rows)} special days", expected=f"{count}")
    return found | {"special_days": rows}


def write_calendar_head(values: Values) -> bytes:
    """Write when a calendar begins, and what it consists of."""
    return _calendar_head(values) + start_to(values) + b"\x00\x00\x00" + _counts(values)


def _read_calendar(reader: Reader) -> dict[str, Any]:
    found = _read_calendar_head(reader) | {"activation_time": start_from(reader)}
    reader.literal(b"\x00\x00\x00", "calendar type, time reference and name")
    reader.take(3, "numbers of seasons, weeks and days")
    return found


def write_information(values: Values) -> bytes:
    """Write scheme, currency and standing charge."""
    tou = use_case.present(values, "scheme") == "tou"
    prices = len(use_case.present(values, "prices"))
    currency = use_case.choice(values, "currency", CURRENCIES)
    thresholds = use_case.integer(values, "thresholds_in_use", MOST_THRESHOLDS)
    scheme = use_case.choice(values, "scheme", _SCHEMES)
    return b"".join(
        (
            head(values) + _TARIFF_ID + start_to(values),
            bytes([scheme, 0, prices if tou else 0, thresholds, 0]),
            currency.to_bytes(2, "little") + bytes([TRAILING_DIGITS]),
            use_case.integer(values, "standing_charge").to_bytes(4, "little"),
            bytes([_TIER_MODE]) + MULTIPLIER.to_bytes(3, "little") + DIVISOR.to_bytes(3, "little"),
        )
    )


def _read_information(reader: Reader) -> dict[str, Any]:
    found = read_head(reader)
    reader.literal(_TARIFF_ID, "tariff id")
    found["activation_time"] = start_from(reader)
    found["scheme"] = use_case.word(reader.uint(1, "tariff type"), _SCHEMES, "scheme")
    reader.take(2, "label and number of prices")
    found["thresholds_in_use"] = reader.uint(1, "number of thresholds")
    reader.literal(b"\x00", "unit of measure")
    found["currency"] = use_case.word(uint_from(reader, 2, "currency"), CURRENCIES, "currency")
    reader.literal(bytes([TRAILING_DIGITS]), "trailing digits")
    found["standing_charge"] = uint_from(reader, 4, "standing charge")
    reader.take(7, "tier mode, multiplier and divisor")
    return found


def thresholds_of(values: Values) -> tuple[int, ...]:
    """Return the thresholds.

    Raises:
        GbcsError: they are missing or too many.
    """
    found: tuple[int, ...] = use_case.present(values, "thresholds")
    if len(found) > MOST_THRESHOLDS:
        raise GbcsError(f"{len(found)} thresholds", expected=f"at most {MOST_THRESHOLDS}")
    return found


def prices_of(values: Values) -> tuple[int, ...]:
    """Return the prices.

    Raises:
        GbcsError: they are missing, none or too many.
    """
    found: tuple[int, ...] = use_case.present(values, "prices")
    if not 1 <= len(found) <= MOST_PRICES:
        raise GbcsError(f"{len(found)} prices", expected=f"1 to {MOST_PRICES}")
    return found


def write_thresholds(values: Values) -> bytes:
    """Write the thresholds between blocks."""
    found, limit = thresholds_of(values), (1 << 48) - 1
    checked = (use_case.integer({"threshold": each}, "threshold", limit) for each in found)
    numbers = b"".join(each.to_bytes(6, "little") for each in checked)
    return head(values) + start_to(values) + _TARIFF_ID + bytes([0, 1, 1, len(found)]) + numbers


def _read_thresholds(reader: Reader) -> dict[str, Any]:
    found = read_head(reader) | {"activation_time": start_from(reader)}
    reader.literal(_TARIFF_ID + b"\x00\x01\x01", "tariff id, command index, commands and control")
    count = reader.uint(1, "number of thresholds")
    return found | {"thresholds": tuple(uint_from(reader, 6, "threshold") for _ in range(count))}


def write_prices(values: Values) -> bytes:
    """Write the prices."""
    tou = use_case.present(values, "scheme") == "tou"
    prices = prices_of(values)
    rows = b"".join(
        bytes([(index + 1) << 4 if tou else index]) + use_case.integer({"price": price}, "price").to_bytes(4, "little")
        for index, price in enumerate(prices)
    )
    return head(values) + start_to(values) + _TARIFF_ID + bytes([0, 1, int(tou)]) + rows


def _read_prices(reader: Reader) -> dict[str, Any]:
    found = read_head(reader) | {"activation_time": start_from(reader)}
    reader.literal(_TARIFF_ID + b"\x00\x01", "tariff id, command index and commands")
    tou = bool(reader.uint(1, "sub-payload control"))
    prices: list[int] = []
    while reader.remaining:
        index = len(prices)
        reader.literal(bytes([(index + 1) << 4 if tou else index]), "tier or block")
        prices.append(uint_from(reader, 4, "price"))
    return found | {"scheme": "tou" if tou else "block", "prices": tuple(prices)}


_Read = Callable[[Reader], dict[str, Any]]
READERS: dict[tuple[int, int], _Read] = {
    (CALENDAR, 0x00): _read_calendar,
    (CALENDAR, 0x01): read_day,
    (CALENDAR, 0x02): read_week,
    (CALENDAR, 0x03): read_seasons,
    (CALENDAR, 0x04): read_special_days,
    (PRICE, 0x04): _read_information,
    (PRICE, 0x06): _read_thresholds,
    (PRICE, 0x05): _read_prices,
}
"""By cluster and command."""

PRICE_NAMES = ("scheme", "prices", "standing_charge", "currency", "thresholds_in_use")
SWITCHING_NAMES = ("seasons", "weeks", "days", "special_days", "thresholds")
GROWING = ("days", "weeks")
"""Parameters of which each command brings one more."""

SWITCHING_PARTS = tuple(
    ZclTarget(cluster, FROM_SERVER, command) for cluster, command in ((CALENDAR, 0), (CALENDAR, 4), (PRICE, 6))
)
PRICE_PARTS = tuple(ZclTarget(PRICE, FROM_SERVER, command) for command in (4, 5))
"""The commands that have a date, whose execution is told of."""


def write_calendar(values: Values) -> Iterator[tuple[int, int, bytes]]:
    """Cluster, command and payload of everything that makes up a calendar."""
    for day in use_case.present(values, "days"):
        yield CALENDAR, 0x01, write_day(values, day)
    for week in use_case.present(values, "weeks"):
        yield CALENDAR, 0x02, write_week(values, week)
    yield CALENDAR, 0x03, write_seasons(values)
    yield CALENDAR, 0x04, write_special_days(values)
