"""Logs of what a meter's registers said: billing data, daily readings, daily consumption, network data."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar

from bench.gbcs import catalogue
from bench.gbcs.alerts import FUTURE_DATED_DONE, FutureDatedAction, Specific
from bench.gbcs.gbz_snapshots import END_OF_BILLING_PERIOD, GENERAL, MODE_OR_TARIFF_CHANGED
from bench.gbcs.log_gas_use_cases import DAY_S, DAYS, NETWORK_INTERVAL_S, NETWORK_SAMPLES
from bench.gbcs.log_register_use_cases import BLOCKS
from bench.gbcs.use_cases import UseCase
from bench.parties import DeviceType
from drivers.emulated.commands import Action, Refused, Values
from drivers.emulated.device import EmulatedDevice, to_utc_ns
from drivers.emulated.functions.activations import Activations
from drivers.emulated.functions.base import Function
from drivers.emulated.functions.electricity_settings import ElectricitySettings
from drivers.emulated.functions.event_log import within
from drivers.emulated.functions.gas_settings import GasSettings
from drivers.emulated.functions.logs_calendar import next_billing_period, next_billing_time, next_midnight
from drivers.emulated.functions.logs_registers import Energy, Gas, Money
from drivers.emulated.schedule import Timer

MOST_BILLS, MOST_DAYS = 12, 31
"""A billing log holds so many rows, a daily read log so many (SMETS 4.6.5, 5.7.5)."""

_REGISTERS = 2 + 1 + BLOCKS  # cells of a row of an ESME that are no money: time, import, by time of use, by block
_CHANGES = frozenset(("1.1.1", "1.1.2", "1.6", "6.23"))
_MOST_24_BITS = 0xFFFFFF

Row = tuple[Any, ...]


class RegisterLogs(Function):
    """What both meters do: they take their registers down every midnight, at the times of billing, and on changes.

    The times are UTC of the meter's own clock. A meter that is off when a row is due writes it all the same: its
    registers stand still. A change of tariff, payment mode or supplier
    is taken down when the command is carried out, or when it takes effect if it has a date.

    Attributes:
        bills: what was taken down at the times of billing.
        changes: what was taken down on changes.
        days: what was taken down at midnight.
        consumption: of each day, the midnight at its end and what was consumed.
        at_midnight: all that had been consumed by the last midnight, or when the meter began.
        due: when something is taken down next.
        read_money: says what the meter knows of credit and debts.
    """

    remembers: ClassVar[tuple[str, ...]] = ("bills", "changes", "days", "consumption", "at_midnight", "due")

    def __init__(self, device: EmulatedDevice) -> None:
        super().__init__(device)
        self.bills: tuple[Row, ...] = ()
        self.changes: tuple[Row, ...] = ()
        self.days: tuple[Row, ...] = ()
        self.consumption: tuple[tuple[datetime, int], ...] = ()
        self.at_midnight: int | None = None
        self.due: datetime | None = None
        self.read_money: Callable[[], Money] = Money
        self._timer: Timer | None = None
        device.on_command.append(self._commanded)
        device.on_event.append(self._happened)

    def start(self) -> None:
        """Take down what fell due while the world was stopped, and wait for what comes next."""
        if self.at_midnight is None:
            self.at_midnight = self._total(self.device.clock.utc())
        self.plan()

    def plan(self) -> None:
        """Take down what is due, and look at the calendar again, which may have changed."""
        if self._timer is not None:
            self._timer.cancel()
        now = self.device.clock.utc()
        if self.due is not None:
            due = max(self.due, now - timedelta(days=DAYS))
            while due <= now:
                self._take_down(due)
                due = self._following(due)
        self.due = self._following(now)
        delay_s = (to_utc_ns(self.due) - self.device.clock.utc_ns()) / 1e9
        self._timer = self.world.schedule.after(max(0.0, delay_s), self.plan)

    def _following(self, moment: datetime) -> datetime:
        midnight, billing = next_midnight(moment), self._next_billing(moment)
        return midnight if billing is None else min(midnight, billing)

    def _take_down(self, due: datetime) -> None:
        before = due - timedelta(microseconds=1)
        if next_midnight(before) == due:
            total = self._total(due)
            self.consumption = (*self.consumption, (due, max(0, total - (self.at_midnight or 0))))[-DAYS:]
            self.at_midnight = total
            self.days = (*self.days, self._day(due))[-MOST_DAYS:]
        if self._next_billing(before) == due:
            self.bills = (*self.bills, self._bill(due))[-MOST_BILLS:]

    def _commanded(self, use_case: UseCase, ok: bool) -> None:
        command = self.device.command
        assert command is not None
        planned = self.device.function(Activations).commands.values()
        raw = command.encode()
        if ok and _CHANGES.intersection(use_case.service_references) and all(each != raw for each, _ in planned):
            self._change()
        self.plan()

    def _happened(self, code: int, specific: Specific) -> None:
        if code == FUTURE_DATED_DONE and isinstance(specific, FutureDatedAction):
            names = catalogue.use_case_names().get(specific.message_code)
            if names is not None and _CHANGES.intersection(names.service_references):
                self._change()

    def _change(self) -> None:
        now = self.device.clock.utc().replace(microsecond=0)
        if not self.changes or self.changes[-1][0] != now:  # a command of several instructions is one change
            self.changes = (*self.changes, self._changed(now))[-MOST_BILLS:]

    @abstractmethod
    def _next_billing(self, after: datetime) -> datetime | None:
        """When a billing snapshot is due."""

    @abstractmethod
    def _total(self, moment: datetime) -> int:
        """All that had been consumed by a moment."""

    @abstractmethod
    def _day(self, moment: datetime) -> Row:
        """What is taken down at midnight."""

    @abstractmethod
    def _bill(self, moment: datetime) -> Row:
        """What is taken down at the time of billing."""

    @abstractmethod
    def _changed(self, moment: datetime) -> Row:
        """What is taken down on a change."""


class EnergyLogs(RegisterLogs):
    """The logs of an ESME.

    Attributes:
        exports: of each midnight, the export register.
        read_energy: says what its registers of energy said at a moment.
    """

    remembers: ClassVar[tuple[str, ...]] = (*RegisterLogs.remembers, "exports")

    def __init__(self, device: EmulatedDevice) -> None:
        super().__init__(device)
        self.exports: tuple[tuple[datetime, int], ...] = ()
        self.read_energy: Callable[[datetime], Energy] = lambda moment: Energy()

    @property
    def actions(self) -> Mapping[str, Action]:
        """What it can be told to do, by use case name."""
        return {
            "ECS20b": lambda params: {"billing_log": within(self.changes, params)},
            "ECS20c": lambda params: {
                "billing_log": tuple(row[:_REGISTERS] for row in within(self.bills, params)),
                "billing_prepayment_log": tuple((row[0], *row[_REGISTERS:]) for row in within(self.bills, params)),
            },
            "ECS21a": lambda params: {"daily_read_log": within(self.days, params)},
            "ECS21c": lambda params: {"daily_export_log": within(self.exports, params)},
            "ECS66": lambda params: {"daily_consumption_log": within(self.consumption, params)},
        }

    def _next_billing(self, after: datetime) -> datetime | None:
        return next_billing_time(self.device.function(ElectricitySettings).billing_calendar, after)

    def _total(self, moment: datetime) -> int:
        return self.read_energy(moment).imported

    def _registers(self, moment: datetime) -> Row:
        energy = self.read_energy(moment)
        return (energy.imported, energy.by_time, *energy.by_block)

    def _day(self, moment: datetime) -> Row:
        self.exports = (*self.exports, (moment, self.read_energy(moment).exported))[-MOST_DAYS:]
        return (moment, *self._registers(moment))

    def _bill(self, moment: datetime) -> Row:
        money = self.read_money()
        debts = (money.payment_debt, *money.time_debts, money.accumulated_debt)
        return (moment, *self._registers(moment), money.emergency_credit, money.balance, *debts)

    def _changed(self, moment: datetime) -> Row:
        return self._bill(moment)


class GasLogs(RegisterLogs):
    """The logs of a GSME.

    The network data log has what was consumed in each of 41 periods of six minutes from the moment on at which it was
    started; to start it again is to begin anew.

    Attributes:
        sampling_began: when the network data log was started last; None before that.
        samples: of the network data log, litres.
        read_gas: says what its registers of gas said at a moment.
    """

    remembers: ClassVar[tuple[str, ...]] = (*RegisterLogs.remembers, "sampling_began", "samples", "sampled")

    def __init__(self, device: EmulatedDevice) -> None:
        super().__init__(device)
        self.sampling_began: datetime | None = None
        self.samples: tuple[int, ...] = ()
        self.sampled = 0
        self.read_gas: Callable[[datetime], Gas] = lambda moment: Gas()
        self._sampling: Timer | None = None

    @property
    def actions(self) -> Mapping[str, Action]:
        """What it can be told to do, by use case name."""
        return {
            "GCS15b": lambda params: self._read_bills(self.changes, MODE_OR_TARIFF_CHANGED, params),
            "GCS15c": lambda params: self._read_bills(self.bills, END_OF_BILLING_PERIOD, params),
            "GCS16a": lambda params: {
                "daily_read_log": tuple((row[0], GENERAL, *row[1:]) for row in within(self.days, params))
            },
            "GCS18": self._read_samples,
            "GCS31": self._start_sampling,
            "GCS61": self._read_consumption,
        }

    def start(self) -> None:
        """Go on with the network data log too."""
        super().start()
        self._plan_sample()

    def _next_billing(self, after: datetime) -> datetime | None:
        return next_billing_period(self.device.function(GasSettings).billing, after)

    def _total(self, moment: datetime) -> int:
        return self.read_gas(moment).consumed

    def _day(self, moment: datetime) -> Row:
        gas = self.read_gas(moment)
        return moment, gas.consumed, gas.by_time, gas.by_block

    def _bill(self, moment: datetime) -> Row:
        money = self.read_money()
        debts = (money.accumulated_debt, *money.time_debts, money.payment_debt)
        return (*self._day(moment), *debts, money.emergency_credit, money.balance)

    def _changed(self, moment: datetime) -> Row:
        return self._bill(moment)

    @staticmethod
    def _read_bills(bills: tuple[Row, ...], cause: int, params: Values) -> Values:
        rows = within(bills, params)
        return {
            "billing_log": tuple((row[0], cause, *row[1:4]) for row in rows),
            "billing_prepayment_log": tuple((row[0], cause, *row[4:]) for row in rows),
        }

    def _start_sampling(self, _params: Values) -> Values:
        self.sampling_began = self.device.clock.utc().replace(microsecond=0)
        self.samples, self.sampled = (), self._total(self.sampling_began)
        self._plan_sample()
        return {}

    def _plan_sample(self) -> None:
        if self._sampling is not None:
            self._sampling.cancel()
            self._sampling = None
        if self.sampling_began is not None and len(self.samples) < NETWORK_SAMPLES:
            due = self.sampling_began + timedelta(seconds=NETWORK_INTERVAL_S * (len(self.samples) + 1))
            delay_s = (to_utc_ns(due) - self.device.clock.utc_ns()) / 1e9
            self._sampling = self.world.schedule.after(max(0.0, delay_s), self._sample)

    def _sample(self) -> None:
        total = self._total(self.device.clock.utc())
        self.samples = (*self.samples, min(max(0, total - self.sampled), _MOST_24_BITS))
        self.sampled = total
        self._plan_sample()

    def _read_samples(self, _params: Values) -> Values:
        return _samples(self.sampling_began, NETWORK_INTERVAL_S, self.samples)

    def _read_consumption(self, params: Values) -> Values:
        start, day = params["log_from"], timedelta(seconds=DAY_S)
        rows = [(end - day, litres) for end, litres in self.consumption]
        rows = [row for row in rows if start is None or start <= row[0]][: params["number_of_samples"]]
        return _samples(rows[0][0] if rows else None, DAY_S, tuple(min(each, _MOST_24_BITS) for _, each in rows))


def _samples(first: datetime | None, interval_s: int, samples: tuple[int, ...]) -> Values:
    return {"first_sample": first, "interval_s": interval_s, "samples": samples} if samples else {}


class GasLogProxy(Function):
    """What a GPF says of the logs of its GSME: the copy that it keeps is never behind."""

    @property
    def actions(self) -> Mapping[str, Action]:
        """What it can be told to do, by use case name."""
        return {name: partial(self._copy, name) for name in ("GCS15b", "GCS15c", "GCS16a", "GCS18", "GCS61")}

    def _copy(self, name: str, params: Values) -> Values:
        for each in self.device.neighbours:
            if each.dut.type is DeviceType.GSME:
                return each.function(GasLogs).actions[name](params)
        raise Refused("there is no gas meter")


FUNCTIONS: Mapping[DeviceType, tuple[type[Function], ...]] = {
    DeviceType.ESME: (EnergyLogs,),
    DeviceType.GSME: (GasLogs,),
    DeviceType.GPF: (GasLogProxy,),
}
"""By type of device."""
