from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bench.capabilities import AcSource, SourceState
from bench.errors import LimitExceeded
from bench.interlock import GuardedSource, Watchdog
from bench.rig.sections import Limits

LIMITS = Limits.model_validate(
    {
        "voltage": {"min": "180 V", "max": "270 V"},
        "frequency": {"min": "47 Hz", "max": "53 Hz"},
        "current": "20 A",
        "slope": "200 V/s",
        "outage": "30 min",
        "excess_readings": "2",
    }
)


class Recorder:
    """A source that notes every verb that reaches it."""

    def __init__(self, set_volts: float = 230.0) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self._set_volts = set_volts

    def __getattr__(self, name: str) -> Callable[..., Awaitable[None]]:
        async def verb(*arguments: Any) -> None:
            self.calls.append((name, *arguments))

        return verb

    async def read_state(self) -> SourceState:
        return SourceState(False, self._set_volts, 50.0, 0.0)


def guarded(recorder: Recorder) -> GuardedSource:
    source: AcSource = recorder  # type: ignore[assignment]
    return GuardedSource(source, LIMITS)


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("set_voltage", (270.1,)),
        ("set_voltage", (179.9,)),
        ("set_voltage", (float("nan"),)),
        ("set_frequency", (53.1,)),
        ("set_frequency", (float("nan"),)),
        ("ramp", (280.0, 10.0)),
        ("ramp", (250.0, 201.0)),
        ("ramp", (250.0, 0.0)),
        ("ramp", (250.0, float("nan"))),
        ("excursion", (300.0, 1.0)),
        ("excursion", (100.0, 1.0)),
        ("interrupt", (1800.1,)),
        ("interrupt", (float("nan"),)),
    ],
)
async def test_nothing_beyond_a_limit_reaches_the_source(verb: str, arguments: tuple[float, ...]) -> None:
    recorder = Recorder()
    with pytest.raises(LimitExceeded):
        await getattr(guarded(recorder), verb)(*arguments)
    assert recorder.calls == []


async def test_an_output_that_would_come_up_too_high_is_not_switched_on() -> None:
    recorder = Recorder(set_volts=300.0)
    with pytest.raises(LimitExceeded, match="300 V"):
        await guarded(recorder).output(True)
    await guarded(recorder).output(False)
    assert recorder.calls == [("output", False)]


async def test_what_is_within_the_limits_goes_through_unchanged() -> None:
    recorder = Recorder()
    source = guarded(recorder)
    await source.set_voltage(270.0)
    await source.ramp(180.0, 200.0)
    await source.interrupt(1800.0)
    assert recorder.calls == [("set_voltage", 270.0), ("ramp", 180.0, 200.0), ("interrupt", 1800.0)]
    await asyncio.sleep(0)


def test_the_watchdog_trips_once_after_as_many_readings_as_the_rig_demands() -> None:
    trips: list[str] = []
    watchdog = Watchdog(LIMITS, trips.append)
    for value in (271.0, 230.0, 271.0, 269.9, 0.0):
        watchdog.read("voltage", value)
    assert trips == [], "one reading alone is noise"
    for value in (271.0, 272.0, 273.0, 274.0):
        watchdog.read("voltage", value)
    assert len(trips) == 1
    assert "272 V, above the rig's limit of 270 V, 2 times in a row" in trips[0]
    watchdog = Watchdog(LIMITS, trips.append)
    for value in (25.0, 25.0):
        watchdog.read("current", value)
    assert "20 A" in trips[1]


def test_what_stands_at_its_limit_does_not_escape_by_noise() -> None:
    trips: list[str] = []
    watchdog = Watchdog(LIMITS, trips.append)
    for value in (271.0, 269.5, 271.0):
        watchdog.read("voltage", value)
    assert len(trips) == 1, "269.5 V is no way back"
    watchdog = Watchdog(LIMITS, trips.append)
    for value in (271.0, 268.0, 271.0):
        watchdog.read("voltage", value)
    assert len(trips) == 1, "268 V is"


def test_a_voltage_can_be_too_low_only_where_there_is_to_be_one() -> None:
    trips: list[str] = []
    watchdog = Watchdog(LIMITS, trips.append)
    for value, live in ((60.0, False), (60.0, False), (0.0, True), (0.0, True), (10.0, True), (10.0, True)):
        watchdog.read("voltage", value, live=live)
    assert trips == [], "an outage is what the bench is for"
    for _ in range(2):
        watchdog.read("voltage", 60.0, live=True)
    assert trips == ["the reference meter read 60 V, below the rig's limit of 180 V, 2 times in a row"]


def test_a_frequency_has_a_band_while_there_is_one() -> None:
    for value, words in (
        (53.5, "53.5 Hz, above the rig's limit of 53 Hz"),
        (46.5, "46.5 Hz, below the rig's limit of 47"),
    ):
        trips: list[str] = []
        watchdog = Watchdog(LIMITS, trips.append, "the source's own meter")
        for reading in (0.0, 0.0, 50.0, value, value):
            watchdog.read("frequency", reading)
        assert len(trips) == 1 and words in trips[0] and trips[0].startswith("the source's own meter read")
