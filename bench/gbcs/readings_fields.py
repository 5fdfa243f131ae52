"""Fields of the registers and maximum demands of an ESME (GBCS section 18)."""

from __future__ import annotations

from datetime import time
from typing import Any

from bench.gbcs import dlms, use_case
from bench.gbcs.dlms import Data, Tag
from bench.gbcs.dlms_use_case import Field, constant
from bench.gbcs.errors import GbcsError
from bench.gbcs.use_case import Values

WATTS, WATT_HOURS, VAR_HOURS, COUNT = 27, 30, 32, 255
"""DLMS units."""

START, END = "config_time_period_start", "config_time_period_end"

_SCRIPT = dlms.octet_string(bytes.fromhex("00000a8064ff"))
_ALWAYS_VALID = (
    Data(Tag.UINT16, 0xFFFF),
    Data(Tag.BIT_STRING, b"\x07\xfe"),  # every day of the week
    Data(Tag.BIT_STRING, b"\x00"),
    dlms.octet_string(bytes.fromhex("000001ffff")),
    dlms.octet_string(b"\xff" * 5),
)


def scaler_unit(unit: int) -> Field:
    """Return the scaler and unit of a register; the scaler is always one."""
    return constant(Data(Tag.STRUCTURE, (Data(Tag.INT8, 0), Data(Tag.ENUM, unit))))


def numbers(name: str, count: int) -> Field:
    """Return an array of so many 32-bit numbers: a tuple."""

    def write(values: Values) -> Data:
        found = use_case.present(values, name)
        if not isinstance(found, tuple) or len(found) != count:
            raise GbcsError(f"{name} is {found!r}", expected=f"a tuple of {count} numbers")
        return Data(Tag.ARRAY, tuple(dlms.uint32(use_case.integer({name: each}, name)) for each in found))

    def read(data: Data) -> dict[str, Any]:
        if data.tag is not Tag.ARRAY or not isinstance(data.value, tuple) or len(data.value) != count:
            raise GbcsError(f"{name} is {data.tag.name.lower()}", expected=f"an array of {count}")
        return {name: tuple(each.integer for each in data.value)}

    return Field((name,), write, read)


def demand_period() -> Field:
    """Return the daily period of the maximum demand in a configurable time: a schedule of its start and its end."""

    def write(values: Values) -> Data:
        entries = (_entry(number, values, name) for number, name in enumerate((START, END), start=1))
        return Data(Tag.ARRAY, tuple(entries))

    def read(data: Data) -> dict[str, Any]:
        entries = data.value if data.tag is Tag.ARRAY and isinstance(data.value, tuple) else ()
        if len(entries) != 2:
            raise GbcsError("the period is no schedule", expected="two entries, of its start and its end")
        found = {name: _time(entry, name) for entry, name in zip(entries, (START, END), strict=True)}
        if data != write(found):
            raise GbcsError("the schedule is not one of a daily period", expected="a start and an end, every day")
        return found

    return Field((START, END), write, read)


def _entry(number: int, values: Values, name: str) -> Data:
    at = use_case.present(values, name)
    if not isinstance(at, time):
        raise GbcsError(f"{name} is {at!r}", expected="a time of day")
    switch_time = dlms.octet_string(bytes([at.hour, at.minute, at.second, 0]))
    selector = Data(Tag.UINT16, number)
    head = (Data(Tag.UINT16, number), Data(Tag.BOOLEAN, 1), _SCRIPT, selector, switch_time)
    return Data(Tag.STRUCTURE, (*head, *_ALWAYS_VALID))


def _time(entry: Data, name: str) -> time:
    parts = entry.value
    if not isinstance(parts, tuple) or len(parts) != 10 or len(parts[4].octets) != 4:
        raise GbcsError(f"{name} is no entry of a schedule")
    hour, minute, second, _ = parts[4].octets
    try:
        return time(hour, minute, second)
    except ValueError:
        raise GbcsError(f"{name} is {parts[4].octets.hex()}", expected="hour, minute and second") from None
