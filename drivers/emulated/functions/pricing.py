"""What the tariffs of both meters do: they follow their switching table and their blocks, and know what a kWh costs.

Blocks count what was used since they began anew. That they do so at each billing time is inferred: the Service Request
that has them do so daily (6.26) and the block period of a GSME, which is its billing period, say as much.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar, Protocol

from bench.eui import Eui64
from bench.gbcs.use_cases import UseCase
from drivers.emulated.device import EmulatedDevice, to_utc_ns
from drivers.emulated.functions.activations import Activations, Instruction
from drivers.emulated.functions.base import Function
from drivers.emulated.functions.counting import Count
from drivers.emulated.functions.switching import SwitchingTable
from drivers.emulated.schedule import Timer

_LONGEST = timedelta(days=400)
"""So much of the time in which a world was stopped is followed step by step."""

_INSTANT = timedelta(microseconds=1)
_NEARLY = 1e-6

Place = tuple[int, int | None]
"""The register that counts, from 0 on, and its block, from 0 on, or None for a price by time of use."""


class Registers(Protocol):
    """What counts for a tariff."""

    on_flow: list[Callable[[], None]]

    def count(self, at: datetime | None = None, *, before: bool = False) -> Count:
        """What was counted up to now, or up to a moment; `before` leaves out what changed at that moment itself."""
        ...

    def count_in(self, at: datetime, register: int, block: int | None = None, *, anew: bool = False) -> None:
        """Count from a moment on in another register."""
        ...

    def reaches(self, amount: float) -> datetime | None:
        """When the main register says so much."""
        ...


class Pricing(Function):
    """A tariff that switches by the meter's own clock, and what it has made energy cost so far.

    Attributes:
        on_price: called after the price of energy or the standing charge has changed, also for moments over which the
            world was stopped; `cost` is then what it was at such a moment.
        price: currency units per kWh, as it was when the tariff switched last.
        place: what counts since then.
        followed: up to when the table was followed.
        cost_before: what all energy up to the last change of price had cost, currency units.
        cost_from: what the main register said then.
        set_by: sender and counter of the command that set each part last, by part.
    """

    remembers: ClassVar[tuple[str, ...]] = ("price", "place", "followed", "cost_before", "cost_from", "set_by")

    def __init__(self, device: EmulatedDevice) -> None:
        super().__init__(device)
        self.on_price: list[Callable[[], None]] = []
        self.price = Decimal(0)
        self.place: Place = (0, None)
        self.followed: datetime | None = None
        self.cost_before = self.cost_from = 0.0
        self.set_by: dict[str, tuple[Eui64, int]] = {}
        self._timer: Timer | None = None
        self._following: datetime | None = None
        device.on_command.append(self._commanded)

    # What prepayment and others ask

    def price_now(self) -> Decimal:
        """What a kWh costs now, in currency units; may be negative."""
        self.refresh()
        return self.price

    @property
    @abstractmethod
    def standing_charge(self) -> Decimal:
        """What a day costs whatever is used, in currency units."""

    def cost(self) -> float:
        """What all energy has cost since the meter began, each kWh at the price of its time, in currency units.

        The standing charge is not in it.
        """
        self.refresh()
        return self._cost_at(self.registers.count(self._following).total)

    # What each meter has

    @property
    @abstractmethod
    def registers(self) -> Registers:
        """What counts."""

    @property
    @abstractmethod
    def table(self) -> SwitchingTable:
        """The switching table in force."""

    @abstractmethod
    def _thresholds(self, script: int | None) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The counters that belong together while a script counts, by block, and the thresholds between the blocks."""

    @abstractmethod
    def _place(self, script: int | None, block: int) -> Place:
        """What counts for a script in a block."""

    @abstractmethod
    def _price(self, place: Place) -> Decimal:
        """What a kWh costs there."""

    @abstractmethod
    def _kwh(self, amount: float) -> float:
        """The energy of an amount of the main register."""

    @abstractmethod
    def _anew(self, after: datetime) -> datetime | None:
        """When the blocks begin anew after a moment."""

    # Following

    def start(self) -> None:
        """Switch what was to be switched while the world was stopped, and go on."""
        self.registers.on_flow.append(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Switch what has to be switched by now, and come back when there is something to do again.

        Whoever is told of a price meanwhile finds everything as it was at that moment.
        """
        if self._following is not None:
            return
        now = self.device.clock.utc()
        moment = max(min(self.followed or now, now), now - _LONGEST)
        try:
            while (due := self._next(moment)) <= now:
                self._following = due
                self._switch(due, anew=self._anew(moment) == due)
                moment = due
            self._following = now
            self._switch(now)
        finally:
            self._following = None
        self.followed = now
        if self._timer is not None:
            self._timer.cancel()
        delay_s = (to_utc_ns(self._next(now)) - self.device.clock.utc_ns()) / 1e9
        self._timer = self.world.schedule.after(max(0.0, delay_s), self.refresh)

    def begin_blocks(self) -> None:
        """Let all blocks begin anew now."""
        self.refresh()
        self._switch(self.device.clock.utc(), anew=True)
        self.refresh()  # when the first one ends is another moment now

    def _commanded(self, _use_case: UseCase, _ok: bool) -> None:
        self.refresh()  # the command may have set the clock, the billing calendar or the conversion of gas

    def _next(self, after: datetime) -> datetime:
        found = [self.table.next(after)]
        if (anew := self._anew(after)) is not None:
            found.append(anew)
        if (crossed := self._crossed(after)) is not None:
            found.append(max(crossed, after + _INSTANT))
        return min(found)

    def _crossed(self, after: datetime) -> datetime | None:
        """When the next block begins, if all goes on as it does."""
        count = self.registers.count(after)
        numbers, thresholds = self._thresholds(self.table.script(after))
        used = sum(count.counters[number] for number in numbers)
        above = [limit for limit in thresholds if limit > used + _NEARLY]
        return self.registers.reaches(count.total + min(above) - used) if above else None

    def _switch(self, moment: datetime, *, anew: bool = False) -> None:
        """Count and charge from a moment on as the tariff says."""
        script, count = self.table.script(moment), self.registers.count(moment)
        numbers, thresholds = self._thresholds(script)
        used = 0.0 if anew else sum(count.counters[number] for number in numbers)
        place = self._place(script, sum(limit <= used + _NEARLY for limit in thresholds))
        price = self._price(place)
        if anew or place != self.place:
            self.registers.count_in(moment, *place, anew=anew)
            self.place = place
        if price != self.price:
            self.settle(count.total)
            self.price = price
            self._tell()

    def settle(self, total: float) -> None:
        """Charge what was used up to now as it was priced: a price or the conversion changes."""
        self.cost_before, self.cost_from = self._cost_at(total), total

    def _cost_at(self, total: float) -> float:
        return self.cost_before + self._kwh(max(0.0, total - self.cost_from)) * float(self.price)

    def _tell(self) -> None:
        for listener in tuple(self.on_price):
            listener()

    # Setting

    def _set(self, part: str, instructions: Sequence[Instruction], when: Any, values: Mapping[str, Any]) -> None:
        """Set a part of the tariff now, at a moment, or "never", which forgets what is planned of it.

        Of two commands about the same part the later one counts: what an earlier life had planned is not planned again
        if a part of it was set since.
        """
        command = self.device.command
        assert command is not None
        sender, counter = self.set_by.get(part, (command.originator, 0))
        if sender == command.originator and command.originator_counter < counter:
            return
        self.set_by = {**self.set_by, part: (command.originator, command.originator_counter)}
        activations, about = self.device.function(Activations), f"tariff {part}"
        if when in ("now", "never"):
            activations.cancel(about)
            if when == "now":
                self._apply(values)
        else:
            activations.at(when, instructions, partial(self._apply, values), about=about)

    @abstractmethod
    def _apply(self, values: Mapping[str, Any]) -> None:
        """Have these values from now on."""
