"""What both meters do: a supply that can be enabled, disabled and armed, a clock that is set, an identifier."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import IntEnum
from typing import Any

from bench.gbcs.alerts import DEVICE_JOINED, INTEGRITY_ISSUE, SUPPLY_ARMED, IntegrityIssue, Specific
from bench.gbcs.catalogue import Encoding
from bench.parties import Dut
from drivers.emulated.commands import Refused, Values
from drivers.emulated.device import Anchor, EmulatedDevice, Surroundings, from_utc_ns
from drivers.emulated.identities import RemotePartyRole

_AFTER_THE_RESPONSE_S = 0.5
_RESTARTING = (5, 6)
_CLOCK_ADJUSTED, _CLOCK_NOT_ADJUSTED = 0x8145, 0x81C6
_NOTICEABLE = timedelta(seconds=1)


class SupplyState(IntEnum):
    """State of the load switch or valve (SMETS 5.5.12 and 4.5; the numbers are the DLMS control states)."""

    DISABLED = 0
    """Open; the consumer cannot close it."""
    ENABLED = 1
    """Closed."""
    ARMED = 2
    """Open; the consumer can close it."""


class Meter(EmulatedDevice):
    """An ESME or a GSME. Its supply state moves its own load switch or valve and nothing ahead of it.

    Attributes:
        on_supply: called whenever the supply state was set.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        dut: Dut,
        encoding: Encoding,
        anchors: Mapping[RemotePartyRole, Anchor],
    ) -> None:
        super().__init__(surroundings, dut, encoding, anchors)
        self.supply = SupplyState.ENABLED
        self.mpxn = dut.mpxn
        self.on_supply: list[Callable[[], None]] = []

    def save(self) -> dict[str, Any]:
        """What it keeps without power."""
        return super().save() | {"supply": self.supply, "mpxn": self.mpxn}

    def restore(self, saved: Mapping[str, Any], away_s: float) -> None:
        """Go on where an earlier life of the world stopped."""
        super().restore(saved, away_s)
        self.supply, self.mpxn = saved["supply"], saved["mpxn"]

    def enable_supply(self, _params: Values) -> Values:
        """Close the load switch (7.1)."""
        self.set_supply(SupplyState.ENABLED)
        return {}

    def disable_supply(self, _params: Values) -> Values:
        """Open the load switch or valve (7.2)."""
        self.set_supply(SupplyState.DISABLED)
        self.world.stimulus("disabled")
        return {}

    def arm_supply(self, _params: Values) -> Values:
        """Let the consumer close it (7.3), and say so with 0x8F32.

        Raises:
            Refused: the supply is not disabled, so there is nothing to arm.
        """
        if self.supply is not SupplyState.DISABLED:
            raise Refused(f"the supply is {self.supply.name.lower()}, not disabled")
        self.set_supply(SupplyState.ARMED)
        self.world.stimulus("armed")
        self._say_later(SUPPLY_ARMED)
        return {}

    def set_clock(self, params: Values) -> Values:
        """Take over the Comms Hub's time if it lies within what the command states (6.11, 8.1.1).

        A clock that was put right by a second or more is told with 0x8145, and one that was not with 0x81C6. No source
        says from which difference on a clock counts as adjusted.

        Raises:
            Refused: it does not.
        """
        network = from_utc_ns(self.world.clock.now().utc_ns)
        start, end = params["validity_interval_start"], params["validity_interval_end"]
        if start is None or end is None or not start <= network <= end:
            self._say_later(_CLOCK_NOT_ADJUSTED)
            raise Refused("the Comms Hub's time is outside the command's validity interval", self.unset_clock())
        before = self.clock.utc()
        self.clock.set(network)
        if abs(self.clock.utc() - before) >= _NOTICEABLE:
            self._say_later(_CLOCK_ADJUSTED)
        return {"device_time": self.clock.utc(), "clock_status": 0}

    def _say_later(self, code: int) -> None:
        """Raise an alert once the response is on its way."""
        self.world.schedule.after(_AFTER_THE_RESPONSE_S, lambda: self.raise_alert(code))

    def unset_clock(self) -> Values:
        """What a response says of a clock that was not set."""
        return {}

    @property
    def metering_point(self) -> str | None:
        """Its MPAN or MPRN as it was set last."""
        return self.mpxn

    def integrity(self, reason: int) -> None:
        """Have a defect, which the meter finds and tells with 0x81A0 if it is to tell it.

        Args:
            reason: its number in `INTEGRITY_REASONS`; an unexpected reset and the watchdog restart the meter first.
        """
        if reason in _RESTARTING:
            self.reboot()
        self.tell(INTEGRITY_ISSUE, IntegrityIssue(reason))

    @abstractmethod
    def reboot(self) -> None:
        """Restart the meter's software; what it has measured and remembers stays."""

    @abstractmethod
    def tell(self, code: int, specific: Specific = b"") -> None:
        """Raise an alert, now or as soon as the meter has booted."""

    def joined(self) -> None:
        """It has become a member of the HAN."""
        self.raise_alert(DEVICE_JOINED)

    def set_supply(self, state: SupplyState) -> None:
        """Put the load switch or valve into a state, whoever wants that."""
        self.supply = state
        for listener in self.on_supply:
            listener()
