"""Quantities read all through a run, at fixed moments of the clock, and held against the rig's limits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bench.capabilities import AcSource, EdgeKind, Measurement, Measures, can
from bench.clock import Clock
from bench.errors import BenchError
from bench.events import Event
from bench.interlock import Watchdog
from bench.rig.sections import Monitor
from bench.rig.session import RigSession
from bench.tasks import at_once

LOST_AFTER = 3
"""Failed readings in a row after which the meter counts as lost, and the rig as unwatched."""


UNSTEADY_AFTER = 3
"""Readings in a row after which a voltage counts as not being what it was set to any more."""
_STEADY = 0.05
"""How far a reading may be from what was set, as a part of it: more than instruments and cables differ."""


class Steadiness:
    """Notices a supply that does not stay as a step set it: then nothing that follows says anything of the meter.

    A voltage that the reference meter never saw is not judged: the relay may be open, or the meter elsewhere.

    Args:
        tell: called with what is wrong.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._volts: float | None = None
        self._since_ns = 0
        self._seen = False
        self._off_in_a_row = 0

    def receive(self, event: Event) -> None:
        """Learn what the supply is set to, until the next step; for the event stream."""
        if event.kind == "device" and event.data["state"] == "tripped":
            self._tell(f"{event.source}: {event.data['detail']}")
        if event.source != "engine":
            return
        if event.kind == "edge":
            live = event.data["edge"] != EdgeKind.FALL.value
            self._volts = event.data["volts"] if live else None
            self._since_ns, self._seen, self._off_in_a_row = event.data["mono_ns"], False, 0
        elif event.kind in ("step", "park", "safe") and event.data.get("state") == "start":
            self._volts = None

    @property
    def live(self) -> bool:
        """Whether the supply is to be there now, and was seen to be."""
        return self._volts is not None and self._seen

    def read(self, reading: Measurement) -> None:
        """Take one reading into account."""
        if self._volts is None or reading.quantity != "voltage" or reading.at.mono_ns < self._since_ns:
            return
        steady = abs(reading.value - self._volts) <= _STEADY * self._volts
        self._seen = self._seen or steady
        self._off_in_a_row = 0 if steady else self._off_in_a_row + 1
        if self._seen and self._off_in_a_row == UNSTEADY_AFTER:
            reads = f"the reference meter reads {reading.value:.1f} V"
            self._tell(f"the supply did not stay at {self._volts:g} V as it was set: {reads}")


class _SourceMeter:
    """The AC source's own measurement of its voltage, for a rig without a reference meter."""

    def __init__(self, source: AcSource, clock: Clock) -> None:
        self._source, self._clock = source, clock

    async def measure(self, quantity: str) -> Measurement:
        """Read the voltage at the source's terminals; an output that is off counts as 0 V."""
        state = await self._source.read_state()
        return Measurement(quantity, state.measured_volts, "V", self._clock.now())


def _meter(session: RigSession, monitor: Monitor) -> Measures:
    driver = session.drivers.get(monitor.device)
    if monitor.quantity == "voltage" and not can(driver, Measures) and can(driver, AcSource):
        return _SourceMeter(driver, session.clock)
    return session.capability(Measures, monitor.device)


class Monitors:
    """The rig's monitors.

    Args:
        session: the rig.
        trip: called with the reason when a limit is broken, or when the meter that watches it is lost.
        tell: called when the supply does not stay as it was set.
    """

    def __init__(self, session: RigSession, trip: Callable[[str], None], tell: Callable[[str], None]) -> None:
        self._session = session
        self._trip = trip
        self._steadiness = Steadiness(tell)

    async def run(self) -> None:
        """Read until cancelled."""
        unsubscribe = self._session.stream.subscribe(self._steadiness.receive)
        try:
            await at_once(self._one(monitor) for monitor in self._session.rig.file.monitors)
        finally:
            unsubscribe()

    async def _one(self, monitor: Monitor) -> None:
        session = self._session
        meter = _meter(session, monitor)
        supply = session.rig.file.supply
        guards = monitor.device in (supply.meter, supply.source)
        who = "the reference meter" if monitor.device == supply.meter else "the source's own meter"
        watchdog = Watchdog(session.rig.file.limits, self._trip, who)
        loop, failures = asyncio.get_running_loop(), 0
        due_s = loop.time()
        while True:
            try:
                reading = await meter.measure(monitor.quantity)
            except BenchError as error:
                failures += 1
                session.stream.emit(monitor.device, "device", {"state": "lost", "detail": str(error)})
                if guards and failures == LOST_AFTER:
                    self._trip(f"{who} is lost, so that nothing watches the limits: {error}")
            else:
                failures = 0
                data = {"quantity": reading.quantity, "value": reading.value, "unit": reading.unit}
                session.stream.emit(monitor.device, "measurement", data, at=reading.at)
                if guards:
                    watchdog.read(reading.quantity, reading.value, live=self._steadiness.live)
                if monitor.device == supply.meter:
                    self._steadiness.read(reading)
            due_s += monitor.every
            # A late reading leaves the grid alone: the next ones stay at their moments.
            while due_s <= loop.time():
                due_s += monitor.every
            await asyncio.sleep(due_s - loop.time())
