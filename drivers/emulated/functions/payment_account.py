"""The account of a meter: what it knows of credit and debts, and the rules by which money moves (SMETS 4.6.4, 5.7.4).

All amounts are thousandths of pence. No public source fixes the order in which charges are taken and payments are
shared out to the last detail; it is inferred from the credit and charge configuration of published commands:

- Charges are taken from the meter balance down to the disablement threshold, then from emergency credit if it is in
  use. What is left of the price of energy is taken from the balance all the same; what is left of a standing charge or
  a time debt goes to the accumulated debt.
- A payment first recovers a part of the payment-based debt, then pays the accumulated debt, then gives back the
  emergency credit that was used; the rest is added to the balance.
"""

from __future__ import annotations

from dataclasses import dataclass

BASIS_POINTS = 10_000


@dataclass
class Settings:
    """How an account is set up.

    Attributes:
        disablement_threshold: where the supply is cut off.
        low_credit_threshold: below it the consumer is warned.
        emergency_credit_limit: how much emergency credit there is.
        emergency_credit_threshold: from which balance on it is offered.
        max_meter_balance: no payment may take the balance beyond it.
        max_credit_threshold: no single payment may be higher.
        debt_recovery_rate_cap: of the payment-based debt, the most that is recovered in a week.
        recovery_per_payment_bp: the part of each payment that recovers it, hundredths of a percent.
        rates: of each time debt what is recovered in a period.
        daily: of each time debt whether that period is a day, else an hour.
        collect_while_kept_on: time debts are recovered in non-disablement periods too.
        accumulate: standing charges and time debts that no credit is there for become accumulated debt; else they are
            not collected.
    """

    disablement_threshold: int = 0
    low_credit_threshold: int = 200_000
    emergency_credit_limit: int = 500_000
    emergency_credit_threshold: int = 100_000
    max_meter_balance: int = 25_000_000
    max_credit_threshold: int = 25_000_000
    debt_recovery_rate_cap: int = 500_000
    recovery_per_payment_bp: int = 0
    rates: tuple[int, int] = (0, 0)
    daily: tuple[bool, bool] = (True, True)
    collect_while_kept_on: bool = True
    accumulate: bool = True


@dataclass
class Account:
    """Credit and debts.

    Attributes:
        prepayment: the payment mode is prepayment, else credit.
        balance: in prepayment mode, what is left to consume.
        due: in credit mode, what the consumer owes.
        emergency_credit: what is left of the emergency credit that was activated.
        emergency_used: what was used of it and not given back.
        emergency_in_use: it was activated.
        accumulated_debt: charges that no credit was there for.
        payment_debt: the debt that is recovered from payments.
        time_debts: those that are recovered by time.
        recovered: what was recovered of the payment-based debt in the present week.
    """

    prepayment: bool = False
    balance: int = 0
    due: int = 0
    emergency_credit: int = 0
    emergency_used: int = 0
    emergency_in_use: bool = False
    accumulated_debt: int = 0
    payment_debt: int = 0
    time_debts: tuple[int, int] = (0, 0)
    recovered: int = 0

    @property
    def credit(self) -> int:
        """Meter balance and emergency credit together."""
        return self.balance + self.emergency_credit

    def is_exhausted(self, settings: Settings) -> bool:
        """Whether there is no credit left to consume."""
        return self.prepayment and self.balance <= settings.disablement_threshold and self.emergency_credit <= 0

    def may_activate(self, settings: Settings) -> bool:
        """Whether emergency credit is there to be activated: the balance is low, and what was used was given back."""
        low = self.balance <= settings.emergency_credit_threshold
        return self.prepayment and low and not self.emergency_in_use and settings.emergency_credit_limit > 0

    def activate(self, settings: Settings) -> None:
        """Put emergency credit to use."""
        self.emergency_in_use, self.emergency_credit = True, settings.emergency_credit_limit

    def consume(self, amount: int, settings: Settings) -> None:
        """Charge for energy."""
        if not self.prepayment:
            self.due += amount
            return
        left = self._draw(amount, settings)
        self.balance -= left

    def charge(self, amount: int, settings: Settings) -> int:
        """Charge what is due whether anything is consumed or not; what of it was collected."""
        if not self.prepayment:
            self.due += amount
            return amount
        left = self._draw(amount, settings)
        if not settings.accumulate:
            return amount - left
        self.accumulated_debt += left
        return amount

    def recover(self, debt: int, settings: Settings, *, kept_on: bool) -> bool:
        """Recover a time debt for one period; whether it is settled by that.

        Args:
            debt: 0 or 1.
            settings: of the account.
            kept_on: the period ends in a non-disablement period.
        """
        left = self.time_debts[debt]
        amount = min(left, max(0, settings.rates[debt]))
        if not self.prepayment or not amount or (kept_on and not settings.collect_while_kept_on):
            return False
        collected = self.charge(amount, settings)
        self.change_time_debt(debt, -collected)
        return left == collected

    def change_time_debt(self, debt: int, by: int) -> None:
        """Add to a time debt, or take from it; no debt is below zero."""
        changed = max(0, self.time_debts[debt] + by)
        self.time_debts = (changed, self.time_debts[1]) if debt == 0 else (self.time_debts[0], changed)

    def pay(self, amount: int, settings: Settings) -> int:
        """Take a payment; what of it recovered the payment-based debt.

        In credit mode it is taken from what is due.
        """
        if not self.prepayment:
            self.due -= amount
            return 0
        cap = max(0, settings.debt_recovery_rate_cap - self.recovered)
        share = amount * settings.recovery_per_payment_bp // BASIS_POINTS
        recovered = min(self.payment_debt, share, cap)
        self.payment_debt -= recovered
        self.recovered += recovered
        left = amount - recovered
        accumulated = min(left, self.accumulated_debt)
        self.accumulated_debt -= accumulated
        left -= accumulated
        given_back = min(left, self.emergency_used)
        self.emergency_used -= given_back
        self.emergency_credit += given_back
        left -= given_back
        self.balance += left
        if self.emergency_in_use and not self.emergency_used and self.balance > settings.disablement_threshold:
            self.emergency_in_use, self.emergency_credit = False, 0
        return recovered

    def reset(self) -> None:
        """Begin anew: balance, emergency credit and accumulated debt are nothing (1.5)."""
        self.balance = self.due = self.emergency_credit = self.emergency_used = self.accumulated_debt = 0
        self.emergency_in_use = False

    def _draw(self, amount: int, settings: Settings) -> int:
        """Take an amount from the credit that is there; what could not be taken."""
        taken = min(amount, max(0, self.balance - settings.disablement_threshold))
        self.balance -= taken
        used = min(amount - taken, max(0, self.emergency_credit))
        self.emergency_credit -= used
        self.emergency_used += used
        return amount - taken - used
