"""The account of a meter: no money is made or lost, whatever happens in whatever order."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from drivers.emulated.functions.payment_account import Account, Settings

AMOUNTS = st.integers(0, 5_000_000)
THRESHOLD = -500_000


def worth(account: Account) -> int:
    """What the consumer has less what he owes."""
    debts = account.accumulated_debt + account.payment_debt + sum(account.time_debts) + account.emergency_used
    return account.balance - debts


class Accounts(RuleBasedStateMachine):
    """Everything that moves money, against the sum that it must come to."""

    def __init__(self) -> None:
        super().__init__()
        self.account = Account(prepayment=True)
        self.settings = Settings(
            disablement_threshold=THRESHOLD, recovery_per_payment_bp=2_500, rates=(70_000, 300_000), daily=(True, False)
        )
        self.worth = 0

    @rule(amount=AMOUNTS)
    def consume(self, amount: int) -> None:
        self.account.consume(amount, self.settings)
        self.worth -= amount

    @rule(amount=AMOUNTS)
    def charge(self, amount: int) -> None:
        before = self.account.balance
        collected = self.account.charge(amount, self.settings)
        self.worth -= collected
        assert collected == amount or not self.settings.accumulate
        assert self.account.balance >= min(before, THRESHOLD)

    @rule(debt=st.integers(0, 1), kept_on=st.booleans())
    def recover(self, debt: int, kept_on: bool) -> None:
        before = self.account.time_debts[debt]
        settled = self.account.recover(debt, self.settings, kept_on=kept_on)
        left = self.account.time_debts[debt]
        assert before - self.settings.rates[debt] <= left <= before
        assert settled == (before > 0 and left == 0)

    @rule(amount=AMOUNTS)
    def pay(self, amount: int) -> None:
        before = self.account.payment_debt
        recovered = self.account.pay(amount, self.settings)
        self.worth += amount
        assert recovered == before - self.account.payment_debt
        assert recovered <= amount * self.settings.recovery_per_payment_bp // 10_000

    @rule(debt=st.integers(0, 1), by=st.integers(0, 2_000_000))
    def lend(self, debt: int, by: int) -> None:
        self.account.change_time_debt(debt, by)
        self.account.payment_debt += by
        self.worth -= 2 * by

    @rule(always=st.booleans(), accumulate=st.booleans())
    def suspend(self, always: bool, accumulate: bool) -> None:
        self.settings.collect_while_kept_on, self.settings.accumulate = always, accumulate

    @precondition(lambda self: self.account.may_activate(self.settings))
    @rule()
    def activate(self) -> None:
        self.account.activate(self.settings)
        assert not self.account.is_exhausted(self.settings)

    @rule()
    def new_week(self) -> None:
        self.account.recovered = 0

    @invariant()
    def nothing_is_lost(self) -> None:
        assert worth(self.account) == self.worth

    @invariant()
    def nothing_is_out_of_range(self) -> None:
        account, limit = self.account, self.settings.emergency_credit_limit
        debts = (account.accumulated_debt, account.payment_debt, *account.time_debts)
        assert min(debts) >= 0
        assert 0 <= account.emergency_credit <= limit
        assert 0 <= account.emergency_used <= limit
        assert account.recovered <= self.settings.debt_recovery_rate_cap
        if account.emergency_in_use:
            assert account.emergency_credit + account.emergency_used == limit


Accounts.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
TestAccounts = Accounts.TestCase


def test_what_is_due_in_credit_mode_rises_with_consumption_and_falls_with_payments() -> None:
    account, plain = Account(), Settings()
    account.consume(300, plain)
    account.charge(200, plain)
    assert account.pay(100, plain) == 0
    assert (account.due, account.balance, account.is_exhausted(plain)) == (400, 0, False)
    account.time_debts = (50, 0)
    assert not account.recover(0, plain, kept_on=False)
    assert account.time_debts == (50, 0)


def test_a_payment_pays_debts_before_it_raises_the_balance() -> None:
    plain = Settings(recovery_per_payment_bp=5_000, debt_recovery_rate_cap=300)
    account = Account(prepayment=True, payment_debt=1_000, accumulated_debt=200, emergency_used=100)
    account.emergency_in_use, account.emergency_credit = True, plain.emergency_credit_limit - 100
    assert account.pay(1_000, plain) == 300  # not 500: the week's cap
    assert (account.payment_debt, account.accumulated_debt, account.balance) == (700, 0, 400)
    assert (account.emergency_in_use, account.emergency_credit, account.emergency_used) == (False, 0, 0)
    assert account.pay(1_000, plain) == 0
    assert account.balance == 1_400
