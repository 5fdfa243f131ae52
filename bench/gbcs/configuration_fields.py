"""Data of configuration use cases: texts, billing calendars and what is done about each event."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import time
from typing import Any

from bench.gbcs import dlms, use_case
from bench.gbcs.dlms import Data, Tag
from bench.gbcs.dlms_use_case import Field
from bench.gbcs.errors import GbcsError
from bench.gbcs.use_case import Values

LOCKED = {0: "unchanged", 0xFF: "locked"}
"""What tampering does to the supply: nothing, or it is locked (SMETS 5.7.4.44)."""

_ANY = 0xFF
_CODES = 256


def text(name: str, longest: int, shortest: int = 0) -> Field:
    """Return a field that holds ASCII text as an octet-string."""
    return Field(
        (name,),
        lambda values: dlms.octet_string(use_case.ascii_of(values, name, longest, shortest)),
        lambda data: {name: use_case.text_of(data.octets, name)},
    )


def locked(name: str) -> Field:
    """Return a field that holds a boolean: "locked" or "unchanged"."""
    return Field(
        (name,),
        lambda values: Data(Tag.BOOLEAN, use_case.choice(values, name, LOCKED)),
        lambda data: {name: LOCKED[0xFF if data.integer else 0]},
    )


def power_thresholds() -> Field:
    """Return the two thresholds between low, medium and high power: an array of two."""
    names = ("low_medium_power_threshold_w", "medium_high_power_threshold_w")

    def write(values: Values) -> Data:
        return Data(Tag.ARRAY, tuple(dlms.uint32(use_case.integer(values, name)) for name in names))

    def read(data: Data) -> dict[str, Any]:
        if not isinstance(data.value, tuple) or len(data.value) != len(names):
            raise GbcsError("the power thresholds are no array of two")
        return {name: each.integer for name, each in zip(names, data.value, strict=True)}

    return Field(names, write, read)


@dataclass(frozen=True, slots=True)
class BillingTime:
    """One time pattern at which an ESME takes a billing snapshot (GBCS section 18.2.1).

    Attributes:
        at: time of day.
        month: 1 to 12, or None for every month.
        day: day of the month, or None for every day.
        weekday: 1 is Monday, or None for every day of the week.
    """

    at: time
    month: int | None = None
    day: int | None = None
    weekday: int | None = None


def billing_calendar(name: str = "billing_calendar") -> Field:
    """Return a field that holds the times of billing snapshots: a tuple of `BillingTime`."""

    def write(values: Values) -> Data:
        rows = use_case.present(values, name)
        if not isinstance(rows, tuple) or not all(isinstance(row, BillingTime) for row in rows):
            raise GbcsError(f"{name} is {rows!r}", expected="a tuple of BillingTime")
        return Data(Tag.ARRAY, tuple(_row(row) for row in rows))

    def read(data: Data) -> dict[str, Any]:
        if data.tag is not Tag.ARRAY or not isinstance(data.value, tuple):
            raise GbcsError(f"{name} is {data.tag.name.lower()}", expected="an array")
        return {name: tuple(_read_row(row) for row in data.value)}

    return Field((name,), write, read)


def _row(row: BillingTime) -> Data:
    at = bytes([row.at.hour, row.at.minute, row.at.second, 0])
    date = b"\xff\xff" + bytes([_ANY if part is None else part for part in (row.month, row.day, row.weekday)])
    return Data(Tag.STRUCTURE, (dlms.octet_string(at), dlms.octet_string(date)))


def _read_row(data: Data) -> BillingTime:
    if data.tag is not Tag.STRUCTURE or not isinstance(data.value, tuple) or len(data.value) != 2:
        raise GbcsError("a billing time is no structure of two")
    at, date = (part.octets for part in data.value)
    if len(at) != 4 or at[3] or len(date) != 5 or not date.startswith(b"\xff\xff"):
        raise GbcsError("a billing time has no time of day and date pattern")
    try:
        return BillingTime(time(*at[:3]), *(None if part == _ANY else part for part in date[2:]))
    except ValueError as error:
        raise GbcsError(f"a billing time: {error}") from None


def mask_and_actions(changes: Mapping[int, bool]) -> bytes:
    """Return 512 bits: which events of a range are to be changed, and to what.

    Args:
        changes: by the low byte of the event's code; an event is switched on or off.
    """
    return bits_of(changes) + bits_of(code for code, on in changes.items() if on)


def changes_of(octets: bytes) -> dict[int, bool]:
    """Return what `mask_and_actions` was made of."""
    mask, actions = (set(codes_of(half)) for half in (octets[:32], octets[32:]))
    return {code: code in actions for code in sorted(mask)}


def bits_of(codes: Iterable[int]) -> bytes:
    """Return 256 bits, numbered from the last one, of which some are set."""
    number = 0
    for code in codes:
        number |= 1 << code
    return number.to_bytes(_CODES // 8, "big")


def codes_of(octets: bytes) -> list[int]:
    """Return the numbers of the bits that are set in 256 bits."""
    number = int.from_bytes(octets, "big")
    return [code for code in range(_CODES) if number >> code & 1]
