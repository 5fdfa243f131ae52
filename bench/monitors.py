"""Quantities read all through a run, at fixed moments of the clock, and held against the rig's limits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bench.capabilities import Measures
from bench.errors import BenchError
from bench.interlock import Watchdog
from bench.rig import RigSession
from bench.rig_file import Monitor
from bench.tasks import at_once

LOST_AFTER = 3
"""Failed readings in a row after which the meter counts as lost, and the rig as unwatched."""


class Monitors:
    """The rig's monitors.

    Args:
        session: the rig.
        trip: called with the reason when a limit is broken, or when the meter that watches it is lost.
    """

    def __init__(self, session: RigSession, trip: Callable[[str], None]) -> None:
        self._session = session
        self._trip = trip

    async def run(self) -> None:
        """Read until cancelled."""
        await at_once(self._one(monitor) for monitor in self._session.rig.file.monitors)

    async def _one(self, monitor: Monitor) -> None:
        session = self._session
        meter = session.capability(Measures, monitor.device)  # type: ignore[type-abstract]
        guards = monitor.device == session.rig.file.supply.meter
        watchdog = Watchdog(session.rig.file.limits, self._trip)
        loop, failures = asyncio.get_running_loop(), 0
        due_s = loop.time()
        while True:
            try:
                reading = await meter.measure(monitor.quantity)
            except BenchError as error:
                failures += 1
                session.stream.emit(monitor.device, "device", {"state": "lost", "detail": str(error)})
                if guards and failures == LOST_AFTER:
                    self._trip(f"the reference meter is lost, so that nothing watches the limits: {error}")
            else:
                failures = 0
                data = {"quantity": reading.quantity, "value": reading.value, "unit": reading.unit}
                session.stream.emit(monitor.device, "measurement", data, at=reading.at)
                if guards:
                    watchdog.read(reading.quantity, reading.value)
            due_s += monitor.every
            # A late reading leaves the grid alone: the next ones stay at their moments.
            while due_s <= loop.time():
                due_s += monitor.every
            await asyncio.sleep(due_s - loop.time())
