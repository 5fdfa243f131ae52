"""Lines of the sniffer's firmware, and the clock by which it stamps them."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.zigbee.mac import fcs
from drivers.sniffer_format import DeviceClock, SniffedFrame, parse_line, plain


@given(st.binary(min_size=3, max_size=125), st.integers(-120, 20), st.integers(0, 255), st.integers(0, 2**63))
def test_lines_of_every_format_are_read(psdu: bytes, power: int, lqi: int, time_us: int) -> None:
    tail = f"power: {power} lqi: {lqi} time: {time_us}"
    for text, ok in (
        (f"received: {(psdu + fcs(psdu)).hex()} {tail}", True),
        (f"psdu: {psdu.hex().upper()} {tail}", None),
        (f"r {base64.b64encode(psdu).decode()} {power} {lqi} {time_us}", None),
    ):
        found = parse_line(plain(f"uart:~$ \r\x1b[8D\x1b[J{text}\r\n"))
        assert found == SniffedFrame(psdu, power, lqi, time_us, ok)


@given(st.text(max_size=200))
def test_any_text_is_a_frame_or_not(text: str) -> None:
    found = parse_line(plain(text))
    assert found is None or found.psdu


@pytest.mark.parametrize(
    "text",
    [
        "received: 0308ffffffff0 power: -40 lqi: 1 time: 1",
        "received: 03 power: -40 lqi: 1 time: 1",
        "psdu: 020007 power: -40 lqi: 256 time: 1",
        "psdu: 020007 power: -999 lqi: 1 time: 1",
        f"psdu: {'00' * 126} power: -40 lqi: 1 time: 1",
        "psdu: 020007 power: -40 lqi: 1 time: 1 psdu:",
        "r AgAH= -40 1 1",
        "r AgAH -40 1",
    ],
)
def test_damaged_line_is_no_frame(text: str) -> None:
    assert parse_line(text) is None


@given(
    st.integers(0, 2**40),
    st.lists(st.tuples(st.floats(0.001, 20_000), st.floats(0, 0.5)), min_size=1, max_size=30),
    st.floats(-50, 50),
    st.sampled_from(["64", "32", "signed"]),
)
def test_device_time_is_unwrapped_and_related(
    uptime_us: int, steps: list[tuple[float, float]], ppm: float, width: str
) -> None:
    clock, air_s = DeviceClock(), 0.0
    arrivals: list[float] = []
    first: int | None = None
    for delay_s, late_s in [(0.0, 0.0), *steps]:
        air_s += delay_s
        # Lines leave the sniffer in the order of the air.
        arrivals.append(max([air_s + late_s, *arrivals[-1:]]))
        true_us = uptime_us + round(air_s * (1 + ppm * 1e-6) * 1e6)
        printed = true_us if width == "64" else true_us % 2**32
        if width == "signed" and printed >= 2**31:
            printed -= 2**32
        at = clock.relate(printed, round(arrivals[-1] * 1e9))
        assert at.jumped_us == 0
        first = at.device_us if first is None else first
        assert at.device_us - first == true_us - uptime_us
        assert at.mono_ns <= round(arrivals[-1] * 1e9)
        # The first line was not late, so only drift is left.
        assert abs(at.mono_ns - air_s * 1e9) <= 2000 + air_s * 200e-6 * 1e9


def test_signed_32_bits_are_read_as_unsigned() -> None:
    clock = DeviceClock()
    assert clock.relate(-5, 0).device_us == 2**32 - 5
    assert clock.relate(5, 10_000).device_us == 2**32 + 5


def test_clock_that_jumps_is_noticed_and_followed() -> None:
    clock = DeviceClock()
    clock.relate(1_000_000_000_000, 0)
    assert clock.relate(1_000_001_000_000, 1_000_000_000).jumped_us == 0
    jumped = clock.relate(5, 2_000_000_000)
    assert jumped.jumped_us and jumped.mono_ns == 2_000_000_000
    assert clock.relate(1_000_005, 3_000_000_000) == type(jumped)(1_000_005, 3_000_000_000)
