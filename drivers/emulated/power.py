"""Whether a mains-fed device has power, and what its meter makes of the voltage: events from exact trajectories."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from drivers.emulated.schedule import Schedule, Timer
from drivers.emulated.supply import SupplyNode, Trajectory

_REGISTER_DIGITS = 3
"""The mean is kept to the millivolt, so that 253 V held for a whole period are 253 V and not a rounding error more."""

_LOG_LENGTH = 4320
"""Entries of the average RMS voltage log: 90 days of half hours (SMETS 5.7.5.4)."""


class PowerSense:
    """Tells when a device loses its power and gets it back.

    Below the brown-out voltage a device lives on for its hold-up time; a shorter dip is not noticed.

    Args:
        schedule: timers.
        node: the device's terminals.
        brown_out_v: RMS volts below which there is no supply.
        hold_up_s: seconds that the device lives on.
        on_fall: supply went away; whether that becomes an outage is not known yet.
        on_lost: the hold-up time is over, the device is off.
        on_back: supply came back to a device that was off.
    """

    def __init__(
        self,
        schedule: Schedule,
        node: SupplyNode,
        brown_out_v: float,
        hold_up_s: float,
        *,
        on_fall: Callable[[], None],
        on_lost: Callable[[], None],
        on_back: Callable[[], None],
    ) -> None:
        self._schedule, self._node = schedule, node
        self._brown_out_v, self._hold_up_s = brown_out_v, hold_up_s
        self._on_fall, self._on_lost, self._on_back = on_fall, on_lost, on_back
        self._crossing: Timer | None = None
        self._hold_up: Timer | None = None
        self._supplied = self.powered = node.volts >= brown_out_v
        node.subscribe(self._changed)

    def _changed(self, node: SupplyNode) -> None:
        if self._crossing is not None:
            self._crossing.cancel()
            self._crossing = None
        self._set(node.volts >= self._brown_out_v)
        # A slope passes the level once; which side it then is on, its target says.
        after = node.trajectory.target_v >= self._brown_out_v
        crossing_s = node.trajectory.crosses(self._brown_out_v)
        if after is not self._supplied and crossing_s is not None:
            self._crossing = self._schedule.at(crossing_s, lambda: self._set(after))

    def _set(self, supplied: bool) -> None:
        if supplied is self._supplied:
            return
        self._supplied = supplied
        if not supplied:
            self._on_fall()
            self._hold_up = self._schedule.after(self._hold_up_s, self._lose)
            return
        if self._hold_up is not None:
            self._hold_up.cancel()
            self._hold_up = None
        if not self.powered:
            self.powered = True
            self._on_back()

    def _lose(self) -> None:
        self._hold_up = None
        self.powered = False
        self._on_lost()


@dataclass(frozen=True, slots=True)
class VoltageSettings:
    """Configuration of the average RMS voltage (SMETS 5.7.4.4 to .6), and the settings that 6.5 writes beside it.

    Attributes:
        period_s: length of each averaging period, seconds.
        over_v: average over-voltage threshold, volts.
        under_v: average under-voltage threshold, volts.
    """

    period_s: int
    over_v: float
    under_v: float


class AverageVoltage:
    """Means of the RMS voltage over free-running periods, compared with the thresholds as each period ends.

    The periods' grid has a phase of its own, aligned with no hour. A period in which the meter was off, or which a
    new length cut short, has no mean and changes nothing.

    Args:
        schedule: timers.
        phase: 0 to below 1, where in a period the world begins.
        settings: length and thresholds.
        on_crossing: called with the alert code as a mean crosses a threshold: 0x8002 and 0x8085 for over-voltage and
            its end, 0x8006 and 0x8089 for under-voltage.

    Attributes:
        means: loop time of its end, and volts, of each period; the oldest are forgotten.
        over_count: how often over-voltage began.
        under_count: how often under-voltage began.
    """

    def __init__(
        self,
        schedule: Schedule,
        phase: float,
        settings: VoltageSettings,
        on_crossing: Callable[[int], None],
    ) -> None:
        self._schedule, self._on_crossing = schedule, on_crossing
        self._phase, self._origin_s = phase, schedule.now_s
        self._settings = settings
        self._trajectory: Trajectory | None = None
        self._volt_seconds = 0.0
        self._marked_s = schedule.now_s
        self._whole = False
        self._index = 0
        self._timer: Timer | None = None
        self._over = self._under = False
        self.means: deque[tuple[float, float]] = deque(maxlen=_LOG_LENGTH)
        self.over_count = self.under_count = 0
        self._begin()

    @property
    def settings(self) -> VoltageSettings:
        """What is in force."""
        return self._settings

    @property
    def period_end_s(self) -> float:
        """When the period that runs now will end, in loop time."""
        return self._edge_s(self._index)

    def configure(self, settings: VoltageSettings) -> None:
        """Change length or thresholds; a new length begins with its next whole period."""
        changed = settings.period_s != self._settings.period_s
        self._settings = settings
        if changed:
            self._begin()

    @property
    def mean_v(self) -> float | None:
        """The mean of the last whole period, volts."""
        return self.means[-1][1] if self.means else None

    def reset_counts(self) -> None:
        """Count from zero again."""
        self.over_count = self.under_count = 0

    def save(self) -> dict[str, Any]:
        """Settings, means and counts, for another life of the world; moments as seconds gone by."""
        now_s = self._schedule.now_s
        return {
            "settings": self._settings,
            "origin_age_s": now_s - self._origin_s,
            "means": [(now_s - end_s, volts) for end_s, volts in self.means],
            "counts": (self.over_count, self.under_count),
            "beyond": (self._over, self._under),
        }

    def load(self, saved: Mapping[str, Any], away_s: float) -> None:
        """Go on with the grid, the settings and the means of an earlier life that ended `away_s` seconds ago."""
        now_s = self._schedule.now_s
        self._settings = saved["settings"]
        self._origin_s = now_s - saved["origin_age_s"] - away_s
        self.means.clear()
        self.means.extend((now_s - age_s - away_s, volts) for age_s, volts in saved["means"])
        self.over_count, self.under_count = saved["counts"]
        self._over, self._under = saved["beyond"]
        self._begin()

    def follow(self, trajectory: Trajectory | None) -> None:
        """The meter's terminals follow a new trajectory from now on; None while the meter is off."""
        self._accumulate()
        self._trajectory = trajectory
        if trajectory is None:
            self._whole = False

    def _edge_s(self, index: int) -> float:
        return self._origin_s + (index - self._phase) * self._settings.period_s

    def _begin(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        period_s = self._settings.period_s
        self._index = int((self._schedule.now_s - self._origin_s) / period_s + self._phase) + 1
        self._whole = False
        self._timer = self._schedule.at(self.period_end_s, self._end)

    def _accumulate(self) -> None:
        now_s = self._schedule.now_s
        if self._trajectory is not None:
            self._volt_seconds += self._trajectory.integral(self._marked_s, now_s)
        self._marked_s = now_s

    def _end(self) -> None:
        self._accumulate()
        if self._whole:
            self._compare(round(self._volt_seconds / self._settings.period_s, _REGISTER_DIGITS))
        self._volt_seconds = 0.0
        self._whole = self._trajectory is not None
        self._index += 1
        self._timer = self._schedule.at(self.period_end_s, self._end)

    def _compare(self, mean_v: float) -> None:
        self.means.append((self._schedule.now_s, mean_v))
        over, under = mean_v > self._settings.over_v, mean_v < self._settings.under_v
        was_over, self._over = self._over, over
        was_under, self._under = self._under, under
        self.over_count += over and not was_over
        self.under_count += under and not was_under
        for now, before, begins, ends in ((over, was_over, 0x8002, 0x8085), (under, was_under, 0x8006, 0x8089)):
            if now and not before:
                self._on_crossing(begins)
            elif before and not now:
                self._on_crossing(ends)
