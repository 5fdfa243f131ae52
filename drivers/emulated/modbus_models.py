"""Models behind emulated Modbus devices: the relay in the supply path and the reference meter beside it."""

from __future__ import annotations

import random
from collections.abc import Callable

from drivers.emulated.modbus_wire import ModbusSlave
from drivers.emulated.schedule import Schedule, Timer
from drivers.emulated.supply import Gate, SupplyNode


class RelayModel:
    """A relay whose contact is a gate of the supply path.

    Args:
        gate: its contact.
        schedule: moves the contact.
        operate_s: how long the contact takes to follow the coil.
        normally_closed: the contact conducts while the coil is released.

    Attributes:
        stuck: the contact does not follow the coil any more.
    """

    def __init__(
        self, gate: Gate, schedule: Schedule, *, operate_s: float = 0.008, normally_closed: bool = False
    ) -> None:
        self._gate, self._schedule = gate, schedule
        self._operate_s = operate_s
        self._normally_closed = normally_closed
        self._energised = gate.closed != normally_closed
        self._moving: Timer | None = None
        self._moves_s = 0.0
        self._watchdog_s = 0.0
        self._alone: Timer | None = None
        self.stuck = False

    @property
    def energised(self) -> bool:
        """Whether current flows in the coil."""
        return self._energised

    @property
    def closed(self) -> bool:
        """Whether the contact conducts."""
        if self._moving is not None and self._moving.pending and self._schedule.now_s >= self._moves_s:
            # It is looked at by a process that was late itself: the contact was not.
            self._moving.cancel()
            self._follow()
        return self._gate.closed

    def energise(self, on: bool) -> None:
        """Switch the coil; the contact follows a little later."""
        self._energised = on
        if self._moving is not None:
            self._moving.cancel()
        self._moves_s = self._schedule.now_s + self._operate_s
        self._moving = self._schedule.at(self._moves_s, self._follow)

    def attach(self, slave: ModbusSlave, *, coil: int = 0, feedback: int = 0) -> None:
        """Give it a coil, and a discrete input that is true while its contact conducts."""
        slave.coil(coil, lambda: self.energised, self.energise)
        slave.discrete_input(feedback, lambda: self.closed)

    def attach_register(
        self, slave: ModbusSlave, *, register: int = 0, on_value: int = 1, off_value: int = 0, feedback: int = 0
    ) -> None:
        """Give it a holding register in place of a coil; other values than the two change nothing."""

        def write(value: int) -> None:
            if value in (on_value, off_value):
                self.energise(value == on_value)

        slave.holding_register(register, lambda: on_value if self.energised else off_value, write)
        slave.discrete_input(feedback, lambda: self.closed)

    def attach_watchdog(self, slave: ModbusSlave, *, register: int, unit_s: float) -> None:
        """Give it a watchdog: a holding register with the time after whose passing without a request it releases."""

        def write(ticks: int) -> None:
            self._watchdog_s = ticks * unit_s
            self._heard()

        slave.holding_register(register, lambda: round(self._watchdog_s / unit_s), write)
        slave.on_heard = self._heard

    def _heard(self) -> None:
        if self._alone is not None:
            self._alone.cancel()
            self._alone = None
        if self._watchdog_s:
            self._alone = self._schedule.after(self._watchdog_s, lambda: self.energise(False))

    def _follow(self) -> None:
        if not self.stuck:
            self._gate.set(self._energised != self._normally_closed)


class MeterModel:
    """A reference meter at a point of the supply path; it has a supply of its own.

    Args:
        node: where it measures.
        rng: seeded source of its noise.
        noise_volts: standard deviation of a voltage reading.
        frequency: hertz of the supply while there is voltage.
        load_ohms: what the supply feeds, for current and power; None where nothing is known to flow.
    """

    def __init__(
        self,
        node: SupplyNode,
        rng: random.Random,
        *,
        noise_volts: float = 0.0,
        frequency: Callable[[], float] = lambda: 50.0,
        load_ohms: float | None = None,
    ) -> None:
        self._node, self._rng = node, rng
        self._noise_volts, self._frequency, self._load_ohms = noise_volts, frequency, load_ohms

    def volts(self) -> float:
        """One reading of the RMS voltage, with its noise."""
        volts = self._node.volts
        return max(0.0, volts + self._rng.gauss(0.0, self._noise_volts)) if volts and self._noise_volts else volts

    def hertz(self) -> float:
        """The frequency; 0 without voltage."""
        return self._frequency() if self._node.volts else 0.0

    def amps(self) -> float:
        """The current into the load."""
        return self._node.volts / self._load_ohms if self._load_ohms else 0.0

    def watts(self) -> float:
        """The power into the load."""
        return self._node.volts * self.amps()

    def attach(self, slave: ModbusSlave, *, table: str = "input", first: int = 0, word_order: str = "big") -> None:
        """Give it float registers: volts, amps, watts and hertz, two registers each, from `first` on."""
        for index, read in enumerate((self.volts, self.amps, self.watts, self.hertz)):
            slave.value(table, first + 2 * index, read, word_order=word_order)
