"""What the contents of answers are made with: their shape, and the forms of moments, dates, volumes and rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, time
from typing import Any

from bench.duis import values as v
from bench.duis.smets1_write import Content
from bench.gbcs.load_control_fields import LAST_DAY, SECOND_LAST_DAY, DatePattern
from bench.parties import DeviceType
from drivers.emulated.commands import Values
from drivers.emulated.smets1 import Smets1Device

ESME, GSME, GPF, CHF, PPMID = (
    DeviceType.ESME, DeviceType.GSME, DeviceType.GPF, DeviceType.CHF, DeviceType.PPMID
)  # fmt: skip
METERS, GAS = (ESME, GSME), (GSME, GPF)
METERS_AND_PROXY = (ESME, GSME, GPF)
EVERY = (ESME, GSME, GPF, CHF, PPMID)

Write = Callable[[Values, Smets1Device], Content]
"""Makes the content of an answer from the values that a device returned."""

Answers = Mapping[str, tuple[Write, tuple[DeviceType, ...]]]
"""By Service Reference Variant: how it is answered, and by which types of device."""

_LITRES_PER_M3 = 1000
ANY: Content = {}
"""An element that says all by being there."""


def nothing(_values: Values, _device: Smets1Device) -> Content:
    """The answer says no more than whether it was done."""
    return {}


def is_gas(device: Smets1Device) -> bool:
    """Whether it is a gas meter, or its proxy."""
    return device.dut.type in GAS


def moment(at: datetime) -> str:
    """A date and time."""
    return v.DATE_TIME.write(v.DATE_TIME.accept(at))


def time_of_day(at: time) -> str:
    """A time of day, UTC."""
    return f"{at:%H:%M:%S}Z"


def cubic_metres(litres: int) -> str:
    """A volume."""
    return f"{litres // _LITRES_PER_M3}.{litres % _LITRES_PER_M3:03}"


def indexed(values: Iterable[object], *, nonzero: bool = False) -> list[Content]:
    """Values with an index from 1 on; those of nothing may be left out."""
    return [{"@index": str(at), "": str(each)} for at, each in enumerate(values, 1) if each or not nonzero]


def yes_or_no(value: bool) -> str:
    """A boolean."""
    return v.BOOLEAN.write(value)


def wildcard_date(pattern: DatePattern) -> Content:
    """The days on which an ESME's pattern falls."""
    month_ends = {LAST_DAY: "LastDayOfMonth", SECOND_LAST_DAY: "SecondLastDayOfMonth"}
    if pattern.day in month_ends:
        day: Content = {month_ends[pattern.day]: ANY}
    else:
        day = _part("DayOfMonth", pattern.day)
    return {
        "Year": _part("Year", pattern.year),
        "Month": _part("Month", pattern.month),
        "DayOfMonth": day,
        "DayOfWeek": _part("DayOfWeek", pattern.weekday),
    }


def gas_date(pattern: DatePattern) -> Content:
    """The days on which a GSME's pattern falls."""
    day = _part("DayOfMonth", pattern.day)
    return {
        "GasYearWithWildcards": _part("Year", pattern.year),
        "GasMonthWithWildcards": _part("Month", pattern.month),
        "GasDayOfMonthWithWildcards": day if pattern.day is not None else {"GasNonSpecifiedDayOfMonth": ANY},
        "GasDayOfWeekWithWildcards": _part("DayOfWeek", pattern.weekday),
    }


def _part(name: str, value: int | None) -> dict[str, Any]:
    return {f"NonSpecified{name}": ANY} if value is None else {f"Specified{name}": str(value)}
