"""What happens to the supply on its way from the source: sags, brown-outs, flicker and a frequency that wanders.

The source knows nothing of it, since it measures at its own terminals; the reference meter and all that is fed see it.
"""

from __future__ import annotations

from drivers.emulated.faults import Fault
from drivers.emulated.schedule import Schedule, Timer
from drivers.emulated.supply import SupplyNode, Trajectory

_LEFT_V = {"mains-sag": 200.0, "mains-brown-out": 60.0, "mains-flicker": 207.0}
"""What is left of 230 V where a fault does not say."""
_DRIFT_HZ_PER_MIN = 0.5
_FULL_V = 230.0


class Mains:
    """The cable from the source to the relay.

    Args:
        schedule: its clock and timers.
        source: the source's terminals.

    Attributes:
        node: the far end of the cable.
    """

    def __init__(self, schedule: Schedule, source: SupplyNode) -> None:
        self._schedule, self._source = schedule, source
        self.node = SupplyNode(lambda: schedule.now_s)
        self._left: dict[Fault, float] = {}
        self._drifts: dict[Fault, float] = {}
        self._flickers: dict[Fault, Timer] = {}
        source.subscribe(lambda _node: self._pass_on())
        self._pass_on()

    @property
    def hertz_off(self) -> float:
        """How far the frequency is from what the source was set to, hertz."""
        now_s = self._schedule.now_s
        rates = ((float(fault.argument or _DRIFT_HZ_PER_MIN), since_s) for fault, since_s in self._drifts.items())
        return sum(rate * (now_s - since_s) / 60.0 for rate, since_s in rates)

    def begin(self, fault: Fault) -> None:
        """Let a `mains-` fault begin."""
        if fault.name == "mains-frequency-drift":
            self._drifts[fault] = self._schedule.now_s
            return
        self._left[fault] = float(fault.argument or _LEFT_V[fault.name]) / _FULL_V
        self._pass_on()
        if fault.name == "mains-flicker":
            self._flickers[fault] = self._schedule.after(fault.delay_s, lambda: self._flicker(fault))

    def end(self, fault: Fault) -> None:
        """Let it be over."""
        self._drifts.pop(fault, None)
        if (timer := self._flickers.pop(fault, None)) is not None:
            timer.cancel()
        if self._left.pop(fault, None) is not None or timer is not None:
            self._pass_on()

    def _flicker(self, fault: Fault) -> None:
        if self._left.pop(fault, None) is None:
            self._left[fault] = float(fault.argument or _LEFT_V[fault.name]) / _FULL_V
        self._pass_on()
        self._flickers[fault] = self._schedule.after(fault.delay_s, lambda: self._flicker(fault))

    def _pass_on(self) -> None:
        """The remaining part of what the source does, so that the far end's trajectory starts now."""
        share, now_s, source = min(self._left.values(), default=1.0), self._schedule.now_s, self._source.trajectory
        if not share:
            self.node.step(0.0)
            return
        self.node.follow(
            Trajectory(now_s, share * source.volts(now_s), share * source.target_v, share * source.slope_v_per_s)
        )
