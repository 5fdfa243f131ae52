"""What both meters do about payment: they charge for what flows, cut off, and take top ups (SMETS 4.6.4, 5.7.4)."""

from __future__ import annotations

from abc import abstractmethod
from datetime import datetime, timedelta
from typing import ClassVar

from bench.gbcs.errors import GbcsError
from bench.gbcs.utrn import COUNTERS, Utrn
from drivers.emulated.commands import Refused
from drivers.emulated.device import EmulatedDevice, to_utc_ns
from drivers.emulated.functions.base import Function
from drivers.emulated.functions.logs_registers import Money
from drivers.emulated.functions.payment_account import Account, Settings
from drivers.emulated.functions.pricing import Pricing
from drivers.emulated.functions.utrn_entry import ENTRY_SUSPENDED, LOCKED_OUT, EntryLock
from drivers.emulated.identities import RemotePartyRole
from drivers.emulated.meter import Meter, SupplyState
from drivers.emulated.schedule import Timer

LOW_CREDIT, EMERGENCY_AVAILABLE, EMERGENCY_ACTIVATED, EMERGENCY_EXHAUSTED = 0x810D, 0x8119, 0x81AB, 0x81AA
DISABLED_FOR_CREDIT, KEPT_ON, ARMED, ARMED_BY_EMERGENCY = 0x8F0F, 0x8F83, 0x8F32, 0x8168
CREDIT_ADDED_LOCALLY, TOO_MUCH, USED_TWICE, TOO_HIGH, NOT_AUTHENTIC = 0x810E, 0x8F47, 0x8F51, 0x8F5B, 0x8F63
DEBTS_SETTLED = (0x81A7, 0x81A8)
PAYMENT_DEBT_SETTLED = 0x81A9

MOST_COUNTERS, MOST_DEBT_PAYMENTS, MOST_CREDITS, MOST_DAYS = 100, 10, 5, 31
"""So many counters of top ups, payments and days are remembered."""

_TICK_S = 60.0
_POUND = 100_000
_PRICES = "prices"
_AFTER_THE_RESPONSE_S = 0.5
_HOUR, _WEEK_DAYS = timedelta(hours=1), 7
_LONGEST = timedelta(days=731)
_MICROSECOND = timedelta(microseconds=1)


class PaymentMeter(Function):
    """The account of a meter, kept by its own clock (UTC).

    Energy is charged for at least once a minute in prepayment mode, standing charges at midnight, time debts at the
    end of their hour or day. A supply that was cut off for want of credit is armed once there is credit again: the
    consumer closes the load switch (`close`). When it is told how is inferred from the names of the alert codes.

    The device remembers the counters of its last 100 top ups; one that it knows, or that is older than all of them, is
    refused. A UTRN has 10 bits of the counter: the rest is that of the command that brings it, or what is nearest to
    the newest one known. That makes 8F64 ("not for this device") look like 8F63 ("not authentic").

    Attributes:
        account: credit and debts.
        settings: how the account is set up.
        settled_at: up to when all was charged for.
        consumed: what had been consumed then, in watt-hours.
        remainder: what was too little to be charged for, thousandths of the smallest amount.
        priced: a tariff sets the prices by now; before that the world's own are charged.
        spent: what all energy had cost by that tariff, thousandths of pence.
        cut_off: the supply was cut off for want of credit.
        told: alerts that are not raised again until their cause has gone.
        counters: upper halves of the counters of top ups that were taken.
        daily: registers of each midnight.
        debt_payments: times, amounts, and what was left of the payment-based debt.
        credits: times, amounts and UTRNs of top ups.
        entry: whether the consumer may type in UTRNs.
    """

    remembers: ClassVar[tuple[str, ...]] = (
        *("account", "settings", "settled_at", "consumed", "remainder", "priced", "spent", "cut_off", "told"),
        *("counters", "daily", "debt_payments", "credits", "entry"),
    )

    def __init__(self, device: EmulatedDevice) -> None:
        super().__init__(device)
        self.account, self.settings = Account(), Settings()
        self.settled_at: datetime | None = None
        self.consumed = self.remainder = 0
        self.cut_off = False
        self.told: set[int] = set()
        self.counters: tuple[int, ...] = ()
        self.daily: tuple[tuple[datetime, Money], ...] = ()
        self.debt_payments: tuple[tuple[datetime, int, int], ...] = ()
        self.credits: tuple[tuple[datetime, int, str], ...] = ()
        self.entry = EntryLock()
        self.priced = False
        self.spent = 0
        self._timer: Timer | None = None

    @property
    def meter(self) -> Meter:
        """The device."""
        assert isinstance(self.device, Meter)
        return self.device

    def begin(self) -> None:
        """Charge for what flowed while the world was stopped, and go on."""
        if self.settled_at is None:
            self.settled_at = self.device.clock.utc()
            self.consumed = self._consumed(self.settled_at)
        self.tariff.on_price.append(self.settle)
        self._timer = self.world.schedule.after(0.0, self.refresh)

    def money(self) -> Money:
        """Credit and debts now."""
        self.settle()
        return self._registers()

    @property
    @abstractmethod
    def register(self) -> int:
        """What the meter balance says."""

    def settle(self) -> None:
        """Charge for everything up to now, and for what fell due meanwhile in its order."""
        spent = round(self.tariff.cost() * _POUND)  # first: it may tell of new prices, which settles up to them
        now, since = self.device.clock.utc(), self.settled_at
        if since is None or now <= since:
            return
        self.settled_at = now
        consumed = self._consumed(now)
        cost, used = self._cost(consumed, spent), max(1, consumed - self.consumed)
        charged, first = 0, self.consumed
        moment = max(since, now - _LONGEST)
        while (moment := _next_hour(moment)) <= now:
            # What a tariff made of it in between is not known any more: energy of one settlement has one price.
            part = cost * (self._consumed(moment) - first) // used
            self.account.consume(part - charged, self.settings)
            charged = part
            self._turn(moment)
        self.account.consume(cost - charged, self.settings)
        self.consumed, self.spent, self.priced = consumed, spent, _PRICES in self.tariff.set_by

    def _cost(self, consumed: int, spent: int) -> int:
        """What the energy since the last settlement costs."""
        if self.priced:
            return spent - self.spent
        whole, self.remainder = divmod((consumed - self.consumed) * self._default_price() + self.remainder, 1000)
        return whole

    def refresh(self) -> None:
        """Settle, act on what the credit is by now, and look again in a while."""
        if self._timer is not None:
            self._timer.cancel()
        self.settle()
        self._act()
        now = self.device.clock.utc()
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        wait_s = (to_utc_ns(midnight) - to_utc_ns(now)) / 1e9
        self._timer = self.world.schedule.after(
            min(_TICK_S, wait_s) if self.account.prepayment else wait_s, self.refresh
        )

    def refresh_soon(self) -> None:
        """Act once the response to the present command is on its way."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.world.schedule.after(_AFTER_THE_RESPONSE_S, self.refresh)

    # What is done to it

    def set_mode(self, *, prepayment: bool) -> None:
        """Change the payment mode."""
        self.settle()
        if prepayment != self.account.prepayment:
            self._switched(prepayment)
            self.account.prepayment = prepayment
        self.told.clear()
        self.refresh_soon()

    def reset(self) -> None:
        """Reset balance, emergency credit and accumulated debt."""
        self.settle()
        self.account.reset()
        self.refresh_soon()

    def activate_emergency_credit(self) -> None:
        """Put emergency credit to use, whoever wants that.

        Raises:
            Refused: there is none, or it is not there yet.
        """
        self.settle()
        if not self.account.may_activate(self.settings):
            raise Refused("emergency credit is not available")
        self.account.activate(self.settings)
        self.world.schedule.after(_AFTER_THE_RESPONSE_S, lambda: self.meter.tell(EMERGENCY_ACTIVATED))
        self.refresh_soon()

    def enter(self, text: str) -> int:
        """Take a UTRN that the consumer types in; its amount.

        Raises:
            Refused: it is not taken.
        """
        now = self.device.clock.utc()
        if self.entry.holds(now):
            self._tell_soon(LOCKED_OUT)
            raise _refused("the entry of UTRNs is suspended", "locked out")
        try:
            amount = self.top_up(text)
        except Refused as refused:
            if refused.values["result"] == "invalid" and self.entry.failed(now):
                self._tell_soon(ENTRY_SUSPENDED)
            raise
        self.entry.succeeded()
        self.meter.tell(CREDIT_ADDED_LOCALLY)
        return amount

    def close(self) -> None:
        """Close the load switch or valve, as the consumer does.

        Raises:
            Refused: the supply is not armed.
        """
        if self.meter.supply is not SupplyState.ARMED:
            raise Refused(f"the supply is {self.meter.supply.name.lower()}, not armed")
        self.meter.set_supply(SupplyState.ENABLED)
        self.refresh_soon()

    def top_up(self, text: str, counter: int | None = None) -> int:
        """Take a UTRN; its amount.

        Args:
            text: the UTRN.
            counter: the originator counter of the command that brought it.

        Raises:
            Refused: it is not taken; its value `result` says why.
        """
        self.settle()
        try:
            utrn = Utrn.parse(text)
        except GbcsError as error:
            raise _refused(error.args[0], "invalid") from None
        number = self._authenticated(utrn, counter)
        if number in self.counters or (len(self.counters) == MOST_COUNTERS and number < min(self.counters)):
            self._tell_soon(USED_TWICE)
            raise _refused("the UTRN was used before", "duplicate")
        self.accept(utrn.amount, text)
        self.counters = tuple(sorted((*self.counters, number)))[-MOST_COUNTERS:]
        return utrn.amount

    def accept(self, amount: int, utrn: str) -> None:
        """Take a payment whose UTRN is authentic and new.

        Args:
            amount: thousandths of pence.
            utrn: what the log of credits says of it.

        Raises:
            Refused: it is more than the settings allow; its value `result` says why.
        """
        self.settle()
        if amount > self.settings.max_credit_threshold:
            self._tell_soon(TOO_HIGH)
            raise _refused("the UTRN exceeds the maximum credit threshold", "value too large")
        if self.account.prepayment and self.account.balance + amount > self.settings.max_meter_balance:
            self._tell_soon(TOO_MUCH)
            raise _refused("the balance would exceed its maximum", "too much credit")
        self._pay(amount, utrn)

    def _authenticated(self, utrn: Utrn, counter: int | None) -> int:
        supplier = self.device.anchors.get(RemotePartyRole.SUPPLIER)
        number = self._number(utrn, counter)
        own = self.device.agreement.private_key
        if supplier is None or not utrn.is_authentic(
            number, own, supplier.agreement_key, supplier.eui, self.device.eui
        ):
            self._tell_soon(NOT_AUTHENTIC)
            raise _refused("the UTRN is not authentic", "invalid")
        return number

    def _number(self, utrn: Utrn, counter: int | None) -> int:
        """The upper half of the counter of which the UTRN has 10 bits."""
        if counter is not None and (counter >> 32) % COUNTERS == utrn.counter:
            return counter >> 32
        newest = self.counters[-1] if self.counters else 0
        around = newest - newest % COUNTERS + utrn.counter
        near = (each for each in (around - COUNTERS, around, around + COUNTERS) if each >= 0)
        return min(near, key=lambda each: abs(each - newest))

    def _pay(self, amount: int, utrn: str) -> None:
        now = self.device.clock.utc().replace(microsecond=0)
        owed = self.account.payment_debt
        recovered = self.account.pay(amount, self.settings)
        self.credits = (*self.credits, (now, amount, utrn))[-MOST_CREDITS:]
        if recovered:
            left = self.account.payment_debt
            self.debt_payments = (*self.debt_payments, (now, recovered, left))[-MOST_DEBT_PAYMENTS:]
            if owed and not left:
                self._tell_soon(PAYMENT_DEBT_SETTLED)
        self.refresh_soon()

    def _tell_soon(self, code: int) -> None:
        self.world.schedule.after(_AFTER_THE_RESPONSE_S, lambda: self.meter.tell(code))

    # What time does to it

    def _turn(self, moment: datetime) -> None:
        """What is due at a full hour."""
        midnight = moment.hour == 0
        if midnight:
            self.account.charge(self._standing_charge(), self.settings)
            if moment.isoweekday() == _WEEK_DAYS:
                self.account.recovered = 0
        kept_on = self.keeps_on(moment - _MICROSECOND)
        for debt, daily in enumerate(self.settings.daily):
            if (midnight or not daily) and self.account.recover(debt, self.settings, kept_on=kept_on):
                self.meter.tell(DEBTS_SETTLED[debt])
        if midnight:
            self.daily = (*self.daily, (moment, self._registers()))[-MOST_DAYS:]

    def _standing_charge(self) -> int:
        if _PRICES in self.tariff.set_by:
            return round(self.tariff.standing_charge * _POUND)
        return self._default_standing_charge()

    def _act(self) -> None:
        account, settings = self.account, self.settings
        exhausted = account.is_exhausted(settings)
        self._tell_once(LOW_CREDIT, account.prepayment and account.credit < settings.low_credit_threshold)
        self._tell_once(EMERGENCY_AVAILABLE, account.may_activate(settings))
        self._tell_once(EMERGENCY_EXHAUSTED, account.emergency_in_use and account.emergency_credit <= 0)
        kept_on = exhausted and self.keeps_on(self.device.clock.utc())
        self._tell_once(KEPT_ON, kept_on and not self.cut_off)
        if exhausted and not kept_on and self.meter.supply is not SupplyState.DISABLED:
            self.cut_off = True
            self.meter.set_supply(SupplyState.DISABLED)
            self.meter.tell(DISABLED_FOR_CREDIT)
        elif self.cut_off and not exhausted:
            self.cut_off = False
            if self.meter.supply is SupplyState.DISABLED:
                self.meter.set_supply(SupplyState.ARMED)
                emergency = account.emergency_in_use and account.balance <= settings.disablement_threshold
                self.meter.tell(ARMED_BY_EMERGENCY if emergency else ARMED)

    def _tell_once(self, code: int, holds: bool) -> None:
        if holds and code not in self.told:
            self.meter.tell(code)
        self.told = self.told | {code} if holds else self.told - {code}

    def _registers(self) -> Money:
        account = self.account
        return Money(
            account.emergency_credit,
            self.register,
            account.payment_debt,
            account.time_debts,
            account.accumulated_debt,
        )

    @property
    @abstractmethod
    def tariff(self) -> Pricing:
        """What sets the prices."""

    @abstractmethod
    def keeps_on(self, at: datetime) -> bool:
        """Whether a moment lies in a non-disablement period."""

    @abstractmethod
    def _consumed(self, moment: datetime) -> int:
        """Watt-hours that had been consumed by a moment."""

    def _switched(self, prepayment: bool) -> None:
        """The payment mode is about to change."""

    @abstractmethod
    def _default_price(self) -> int:
        """What a kWh costs where no tariff was set."""

    @abstractmethod
    def _default_standing_charge(self) -> int:
        """What a day costs where no tariff was set."""


def _next_hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0) + _HOUR


def _refused(why: str, result: str) -> Refused:
    return Refused(why, {"result": result})
