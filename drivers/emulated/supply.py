"""The mains of the emulated bench: RMS voltage as a function of time, passed from node to node.

A `SupplyNode` is a point of the wiring: the source's terminals, the far side of the relay, the meter's terminals.
Its voltage is a `Trajectory`, linear and then constant, so that means over any interval are exact and nothing has
to sample. Whoever depends on a node subscribes and is told the moment its trajectory changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Trajectory:
    """RMS voltage from `start_s` on: from `start_v` at a constant slope to `target_v`, which then stays.

    Attributes:
        start_s: loop time at which it begins.
        start_v: volts at that moment.
        target_v: volts in the end.
        slope_v_per_s: magnitude of the slope; infinite for a step.
    """

    start_s: float
    start_v: float
    target_v: float
    slope_v_per_s: float = float("inf")

    @property
    def end_s(self) -> float:
        """When the target is reached."""
        return self.start_s + abs(self.target_v - self.start_v) / self.slope_v_per_s

    def volts(self, at_s: float) -> float:
        """Volts at a moment, not before `start_s`."""
        if at_s >= self.end_s:
            return self.target_v
        sign = 1.0 if self.target_v > self.start_v else -1.0
        return self.start_v + sign * self.slope_v_per_s * (at_s - self.start_s)

    def integral(self, from_s: float, to_s: float) -> float:
        """Volt-seconds between two moments, exactly."""
        knee_s = min(max(self.end_s, from_s), to_s)
        sloping = (self.volts(from_s) + self.volts(knee_s)) / 2 * (knee_s - from_s) if knee_s > from_s else 0.0
        return sloping + self.target_v * (to_s - knee_s)

    def crosses(self, volts: float) -> float | None:
        """When it passes through a voltage after its start, or None if it never does."""
        low, high = sorted((self.start_v, self.target_v))
        if not low <= volts <= high or self.start_v == self.target_v:
            return None
        return self.start_s + abs(volts - self.start_v) / self.slope_v_per_s


Changed = Callable[["SupplyNode"], None]


class SupplyNode:
    """One point of the supply path; dead until something feeds it.

    Args:
        time: the loop's clock.
    """

    def __init__(self, time: Callable[[], float]) -> None:
        self._time = time
        self._listeners: list[Changed] = []
        self.trajectory = Trajectory(time(), 0.0, 0.0)

    @property
    def volts(self) -> float:
        """RMS volts now."""
        return self.trajectory.volts(self._time())

    def follow(self, trajectory: Trajectory) -> None:
        """Take a new trajectory from now on and tell every listener."""
        self.trajectory = trajectory
        for listener in tuple(self._listeners):
            listener(self)

    def step(self, volts: float) -> None:
        """Jump to a voltage now."""
        self.follow(Trajectory(self._time(), volts, volts))

    def ramp(self, volts: float, slope_v_per_s: float) -> None:
        """Move to a voltage at a slope, from wherever the node is now."""
        self.follow(Trajectory(self._time(), self.volts, volts, slope_v_per_s))

    def subscribe(self, listener: Changed) -> None:
        """Be told of every change of trajectory, at once and in the order of subscription."""
        self._listeners.append(listener)


class Gate:
    """A contact between two nodes: closed passes the trajectory on, open gives zero volts."""

    def __init__(
        self, upstream: SupplyNode, downstream: SupplyNode, time: Callable[[], float], *, closed: bool
    ) -> None:
        self._upstream, self._downstream, self._time = upstream, downstream, time
        self._closed = closed
        upstream.subscribe(lambda _node: self._pass_on())
        self._pass_on()

    @property
    def closed(self) -> bool:
        """Whether the contact is closed."""
        return self._closed

    def set(self, closed: bool) -> None:
        """Open or close the contact."""
        if closed != self._closed:
            self._closed = closed
            self._pass_on()

    def _pass_on(self) -> None:
        if self._closed:
            now, source = self._time(), self._upstream.trajectory
            # The remaining part of what comes in, so that the downstream trajectory starts now.
            self._downstream.follow(Trajectory(now, source.volts(now), source.target_v, source.slope_v_per_s))
        elif self._downstream.trajectory.target_v != 0.0 or self._downstream.volts != 0.0:
            self._downstream.step(0.0)
