"""Quantities as people write them: "253 V", "30 min", "49.5 Hz" become typed numbers, strictly.

A bare number has no unit and is refused; so is a unit of another kind. One space between number and unit is
customary, none is accepted. The value is a float in the base unit that the type's name states.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, NewType

from pydantic import BeforeValidator, PlainSerializer

from bench.durations import format_duration as format_duration

Volts = NewType("Volts", float)
Amps = NewType("Amps", float)
Hertz = NewType("Hertz", float)
Seconds = NewType("Seconds", float)
VoltsPerSecond = NewType("VoltsPerSecond", float)

_UNITS: dict[str, tuple[str, dict[str, float]]] = {
    "voltage": ("230 V", {"V": 1.0, "mV": 1e-3, "kV": 1e3}),
    "current": ("16 A", {"A": 1.0, "mA": 1e-3}),
    "frequency": ("50 Hz", {"Hz": 1.0, "mHz": 1e-3, "kHz": 1e3}),
    "duration": (
        "30 s",
        {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0},
    ),
    "power": ("100 W", {"W": 1.0, "mW": 1e-3, "kW": 1e3}),
    "slope": ("10 V/s", {"V/s": 1.0, "V/ms": 1e3, "V/min": 1 / 60}),
}
_FORM = re.compile(r"\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)\s*([A-Za-zµ]+(?:/[A-Za-z]+)?)\s*")


def parse(text: str, kind: str) -> float:
    """Read a quantity of one kind: "voltage", "current", "frequency", "duration", "power" or "slope".

    Returns:
        the value in V, A, Hz, s, W or V/s.

    Raises:
        ValueError: no number, no unit, or a unit of another kind; the sentence shows what to write.
    """
    example, units = _UNITS[kind]
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a {kind}: write a number and a unit, such as {example!r}")
    number, unit = match.groups()
    scale = units.get(unit.replace("µ", "u"))
    if scale is None:
        raise ValueError(f"{text!r} is not a {kind}: its unit must be one of {', '.join(units)}")
    # Dividing by the inverse keeps "100 ms" at exactly 0.1, which multiplying by 1e-3 does not.
    value = float(number) * scale if scale >= 1 else float(number) / round(1 / scale)
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is too large to be a {kind}")
    return value


def _field(kind: str, unit: str) -> tuple[BeforeValidator, PlainSerializer]:
    def read(value: object) -> object:
        if isinstance(value, str):
            return parse(value, kind)
        if isinstance(value, float):
            return value
        raise ValueError(f"{value!r} is not a {kind}: write a number and a unit, such as {_UNITS[kind][0]!r}")

    return BeforeValidator(read), PlainSerializer(lambda value: f"{value:g} {unit}", return_type=str)


VoltsField = Annotated[float, *_field("voltage", "V")]
AmpsField = Annotated[float, *_field("current", "A")]
HertzField = Annotated[float, *_field("frequency", "Hz")]
SecondsField = Annotated[float, *_field("duration", "s")]
SlopeField = Annotated[float, *_field("slope", "V/s")]
