"""Limits that no verb can exceed: the same rules at plan time, at call time, and against the meter during a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NoReturn

from bench.capabilities import AcSource, Edge, SourceState
from bench.errors import LimitExceeded
from bench.quantities import format_duration
from bench.rig.sections import Limits


def _refuse(what: str) -> NoReturn:
    raise LimitExceeded(what, next_step="Change the runbook, or have the rig's limits reviewed")


def check_voltage(limits: Limits, volts: float) -> None:
    """Raise LimitExceeded unless a source voltage is within the rig's limits."""
    if not limits.voltage.min <= volts <= limits.voltage.max:
        _refuse(f"{volts:g} V is outside the rig's limits of {limits.voltage.min:g} V to {limits.voltage.max:g} V")


def check_frequency(limits: Limits, hertz: float) -> None:
    """Raise LimitExceeded unless a frequency is within the rig's limits."""
    if not limits.frequency.min <= hertz <= limits.frequency.max:
        low, high = limits.frequency.min, limits.frequency.max
        _refuse(f"{hertz:g} Hz is outside the rig's limits of {low:g} Hz to {high:g} Hz")


def check_slope(limits: Limits, volts_per_second: float) -> None:
    """Raise LimitExceeded for a slope that is steeper than the rig allows, or not positive."""
    if not 0 < volts_per_second <= limits.slope:
        _refuse(f"a slope of {volts_per_second:g} V/s is outside the rig's limit of {limits.slope:g} V/s")


def check_outage(limits: Limits, duration_s: float) -> None:
    """Raise LimitExceeded for an interruption that is longer than the rig allows."""
    if not duration_s <= limits.outage:
        longest = format_duration(limits.outage)
        _refuse(f"an outage of {format_duration(duration_s)} is longer than the rig's limit of {longest}")


class GuardedSource:
    """An AC source whose every verb is checked against the rig's limits before a byte is sent."""

    def __init__(self, source: AcSource, limits: Limits) -> None:
        self._source = source
        self._limits = limits

    async def output(self, on: bool) -> Edge:
        """Switch the output; the voltage it will come up with is checked first."""
        if on:
            check_voltage(self._limits, (await self._source.read_state()).set_volts)
        return await self._source.output(on)

    async def set_voltage(self, volts: float) -> Edge:
        """Set the RMS voltage."""
        check_voltage(self._limits, volts)
        return await self._source.set_voltage(volts)

    async def set_frequency(self, hertz: float) -> None:
        """Set the frequency."""
        check_frequency(self._limits, hertz)
        await self._source.set_frequency(hertz)

    async def ramp(self, volts: float, volts_per_second: float) -> Sequence[Edge]:
        """Move to a voltage at a slope."""
        check_voltage(self._limits, volts)
        check_slope(self._limits, volts_per_second)
        return await self._source.ramp(volts, volts_per_second)

    async def excursion(self, volts: float, duration_s: float) -> Sequence[Edge]:
        """Sag or swell."""
        check_voltage(self._limits, volts)
        return await self._source.excursion(volts, duration_s)

    async def interrupt(self, duration_s: float) -> Sequence[Edge]:
        """Take the supply away and give it back."""
        check_outage(self._limits, duration_s)
        return await self._source.interrupt(duration_s)

    async def read_state(self) -> SourceState:
        """Read settings and the measured voltage."""
        return await self._source.read_state()


_BACK_BY = 0.005
"""A reading counts as back inside a limit when it is so far inside, as a part of the limit: hysteresis."""
_DEAD = 0.1
"""Below this part of the lowest voltage there is no supply, which is no danger: an outage is what the bench is for."""


class Watchdog:
    """Holds the readings of who watches the supply against its band, with as many in a row as the rig demands.

    A reading just inside a limit neither counts nor lets what was counted be forgotten: a supply that stands at its
    limit does not escape by its noise.

    Args:
        limits: the rig's.
        trip: called once, with the reason, when the limit is broken.
        reads: who reads, for the reason.
    """

    def __init__(self, limits: Limits, trip: Callable[[str], None], reads: str = "the reference meter") -> None:
        self._limits, self._trip, self._reads = limits, trip, reads
        self._counts: dict[str, int] = {}
        self._tripped = False

    def read(self, quantity: str, value: float, *, live: bool = False) -> None:
        """Take one reading into account.

        Args:
            quantity: "voltage", "current" or "frequency"; others have no limit.
            value: in V, A or Hz.
            live: whether the supply is to be there now, and was seen; only then a voltage can be too low.
        """
        limits = self._limits
        if quantity == "voltage":
            self._above(value, limits.voltage.max, "V")
            if live and value > _DEAD * limits.voltage.min:
                self._below(value, limits.voltage.min, "V")
        elif quantity == "current" and limits.current is not None:
            self._above(value, limits.current, "A")
        elif quantity == "frequency" and value > 0:
            self._above(value, limits.frequency.max, "Hz")
            self._below(value, limits.frequency.min, "Hz")

    def _above(self, value: float, limit: float, unit: str) -> None:
        if value > limit:
            self._count(f"{value:g} {unit}, above", limit, unit)
        elif value < limit * (1 - _BACK_BY):
            self._counts.pop(f"above {unit}", None)

    def _below(self, value: float, limit: float, unit: str) -> None:
        if value < limit:
            self._count(f"{value:g} {unit}, below", limit, unit)
        elif value > limit * (1 + _BACK_BY):
            self._counts.pop(f"below {unit}", None)

    def _count(self, what: str, limit: float, unit: str) -> None:
        key = f"{what.rpartition(' ')[2]} {unit}"
        self._counts[key] = count = self._counts.get(key, 0) + 1
        if count >= self._limits.excess_readings and not self._tripped:
            self._tripped = True
            self._trip(f"{self._reads} read {what} the rig's limit of {limit:g} {unit}, {count} times in a row")
