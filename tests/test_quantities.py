from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.quantities import format_duration, parse


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("253 V", "voltage", 253.0),
        ("253V", "voltage", 253.0),
        ("0.4 kV", "voltage", 400.0),
        ("100 ms", "duration", 0.1),
        ("30 min", "duration", 1800.0),
        ("49.5 Hz", "frequency", 49.5),
        ("1.5e1 A", "current", 15.0),
        ("60 V/min", "slope", 1.0),
        ("2 µs", "duration", 2e-6),
    ],
)
def test_quantities_are_read_in_their_base_unit(text: str, kind: str, value: float) -> None:
    assert math.isclose(parse(text, kind), value, rel_tol=1e-12)


@pytest.mark.parametrize("text", ["253", "V", "", "253 Hz", "253 v", "two V", "1 2 V", "nan V", "inf V", "253 V extra"])
def test_what_is_not_a_voltage_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="voltage"):
        parse(text, "voltage")


@given(st.integers(0, 10**6))
def test_milliseconds_are_the_nearest_float(number: int) -> None:
    assert parse(f"{number} ms", "duration") == number / 1000


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0001, "0 ms"),
        (0.85, "850 ms"),
        (12.44, "12.4 s"),
        (59.99, "1 min 0 s"),
        (200, "3 min 20 s"),
        (28800, "8 h 0 min"),
    ],
)
def test_durations_are_printed_as_people_read_them(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
