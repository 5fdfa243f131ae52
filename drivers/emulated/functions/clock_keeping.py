"""A meter compares its clock with the Comms Hub's every day, whoever watches (SMETS 4.4.1, 5.5.1)."""

from __future__ import annotations

from drivers.emulated.device import from_utc_ns
from drivers.emulated.functions.base import Function

ADJUSTED, TOO_FAR = 0x8145, 0x8F0C
_DAY_S = 86_400.0
_NOTICEABLE_S, _MOST_S = 1.0, 10.0


class ClockKeeping(Function):
    """The daily look at the Comms Hub's clock.

    A clock that is off by up to 10 seconds is put right, which is told with 0x8145 if it was off by a second or more;
    one that is off by more stays as it is, which is told with 0x8F0C every day. The first look is a day after the
    start.
    """

    def start(self) -> None:
        """Look a day from now."""
        self.world.schedule.after(_DAY_S, self._look)

    def _look(self) -> None:
        self.world.schedule.after(_DAY_S, self._look)
        device = self.device
        if not device.powered:
            return
        network_ns = self.world.clock.now().utc_ns
        off_s = abs(device.clock.utc_ns() - network_ns) / 1e9
        if off_s > _MOST_S:
            device.raise_alert(TOO_FAR)
        elif off_s >= _NOTICEABLE_S:
            device.clock.set(from_utc_ns(network_ns))
            device.raise_alert(ADJUSTED)
