"""Payment of a GSME, and what its proxy says of it, as the commands of GBCS have them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from bench.gbcs.gbz_snapshots import GENERAL
from bench.gbcs.payment_gas import CONTROLS, MODE_PART
from bench.gbcs.payment_gas_calendar import GasCalendar
from bench.gbcs.payment_gas_configuration import CONFIGURATION_PARTS
from bench.gbcs.payment_gas_reads import CURRENCY_GBP, TRAILING_DIGITS
from drivers.emulated.commands import Action, Refused, Values
from drivers.emulated.device import EmulatedDevice
from drivers.emulated.functions.activations import Activations, Instruction
from drivers.emulated.functions.base import Function
from drivers.emulated.functions.event_log import within
from drivers.emulated.functions.gas_settings import GasSettings
from drivers.emulated.functions.logs import GasLogs
from drivers.emulated.functions.payment_meter import PaymentMeter
from drivers.emulated.functions.pricing import Pricing
from drivers.emulated.functions.readings import GasMetering
from drivers.emulated.functions.tariff_gas import GasTariff
from drivers.emulated.gsme import Gsme

_MODE, _CONFIGURATION = "payment mode", "prepayment configuration"
_PERIODS = {True: "daily", False: "hourly"}
_READS = ("GCS14", "GCS60", "GCS16b", "GCS21b", "GCS15d", "GCS15e")
_REFUSED = 0x01
# Litres times tenths of MJ/m3 times hundred-thousandths, in watt-hours: 3.6 MJ are a kWh.
_TO_WATT_HOURS = 10 * 100_000 * 36 // 10


class GasPayment(PaymentMeter):
    """Payment of a GSME: the balance of prepayment mode and what is due in credit mode are two registers.

    Gas is charged for by its energy: volume, calorific value and conversion factor (SMETS 4.5).

    Attributes:
        calendar: the non-disablement calendar; None until one was set.
        calendar_issued_at: when it was issued.
    """

    remembers: ClassVar[tuple[str, ...]] = (*PaymentMeter.remembers, "calendar", "calendar_issued_at")

    def __init__(self, device: EmulatedDevice) -> None:
        super().__init__(device)
        self.calendar: GasCalendar | None = None
        self.calendar_issued_at: datetime | None = None

    @property
    def actions(self) -> Mapping[str, Action]:
        """What it can be told to do, by use case name."""
        return {
            "GCS02": partial(self._change_mode, False),
            "GCS03": partial(self._change_mode, True),
            "GCS04": self._manage_debt,
            "GCS05": self._configure,
            "GCS06": self._activate,
            "GCS40a": partial(self._adjust, "balance"),
            "GCS40b": self._reset_balance,
            "GCS40c": partial(self._adjust, "due"),
            "GCS40d": self._reset_due,
            "CS01b": self._take,
            "GCS14": self._read_registers,
            "GCS15d": lambda params: {"debt_payments": within(self.debt_payments, params)},
            "GCS15e": self._read_credits,
            "GCS16b": self._read_days,
            "GCS21b": self._read_configuration,
            "GCS21j": lambda _params: {"payment_control": self._control},
            "GCS60": self._read_balances,
        }

    def start(self) -> None:
        """Begin to charge."""
        self.device.function(GasLogs).read_money = self.money
        self.begin()

    @property
    def tariff(self) -> Pricing:
        """What sets the prices."""
        return self.device.function(GasTariff)

    @property
    def register(self) -> int:
        """What the balance of prepayment mode says."""
        return self.account.balance

    def keeps_on(self, at: datetime) -> bool:
        """Whether a moment lies in a non-disablement period."""
        return self.calendar is not None and self.calendar.keeps_on(at)

    def _consumed(self, moment: datetime) -> int:
        litres, settings = self.device.function(GasMetering).gas(moment).consumed, self.device.function(GasSettings)
        return litres * settings.calorific_value_dmj_per_m3 * settings.conversion_factor_e5 // _TO_WATT_HOURS

    def _default_price(self) -> int:
        return self.world.spec.prices.gas

    def _default_standing_charge(self) -> int:
        return self.world.spec.prices.gas_standing

    @property
    def _control(self) -> int:
        settings = self.settings
        found = ("credit", False, False)
        if self.account.prepayment:
            found = ("prepayment", settings.collect_while_kept_on, not settings.accumulate)
        return next(bits for bits, words in CONTROLS.items() if words == found)

    def _change_mode(self, prepayment: bool, params: Values) -> Values:
        self._plan(_MODE, (MODE_PART,), params, partial(self._apply_mode, prepayment, params))
        return {
            "non_disablement": int(self.keeps_on(self.device.clock.utc())),
            "calendar_id": 0,
            "emergency_credit_limit": self.settings.emergency_credit_limit,
            "emergency_credit_threshold": self.settings.emergency_credit_threshold,
        }

    def _apply_mode(self, prepayment: bool, params: Values) -> None:
        self.settle()
        if prepayment:
            self.settings.collect_while_kept_on = params["suspend_debt_disabled"]
            self.settings.accumulate = not params["suspend_debt_emergency"]
            self.settings.disablement_threshold = params["disablement_threshold"]
        self.set_mode(prepayment=prepayment)

    def _plan(self, about: str, parts: tuple[Instruction, ...], params: Values, change: Any) -> None:
        activations, when = self.device.function(Activations), params["activation_time"]
        activations.cancel(about)
        if when == "now":
            change()
        elif when != "never":
            activations.at(when, parts, change, about=about)

    def _adjust(self, register: str, params: Values) -> Values:
        self.settle()
        setattr(self.account, register, getattr(self.account, register) + params["adjustment"])
        self.refresh_soon()
        return {}

    def _reset_balance(self, _params: Values) -> Values:
        self.settle()
        due = self.account.due
        self.reset()
        self.account.due = due
        return {}

    def _reset_due(self, _params: Values) -> Values:
        self.settle()
        self.account.due = 0
        return {}

    def _activate(self, _params: Values) -> Values:
        try:
            self.activate_emergency_credit()
        except Refused as refused:
            raise Refused(str(refused), {"status": _REFUSED}) from None
        return {}

    def _take(self, params: Values) -> Values:
        command = self.device.command
        amount = self.top_up(params["utrn"], command.originator_counter if command else None)
        return {"amount": amount, "meter_balance": self.account.balance}

    def _manage_debt(self, params: Values) -> Values:
        self.settle()
        settings, names = self.settings, ("time_debt_1", "time_debt_2")
        settings.rates = params["time_debt_1_rate"], params["time_debt_2_rate"]
        settings.daily = params["time_debt_1_period"] == "daily", params["time_debt_2_period"] == "daily"
        settings.recovery_per_payment_bp = params["recovery_per_payment_bp"]
        for debt, name in enumerate(names):
            self.account.change_time_debt(debt, params[f"{name}_adjustment"])
        self.account.payment_debt = max(0, self.account.payment_debt + params["payment_debt_adjustment"])
        return {}

    def _configure(self, params: Values) -> Values:
        self._plan(_CONFIGURATION, CONFIGURATION_PARTS, params, partial(self._apply_configuration, params))
        return {}

    def _apply_configuration(self, params: Values) -> None:
        self.settle()
        for name in ("max_meter_balance", "max_credit_threshold", "low_credit_threshold", "debt_recovery_rate_cap"):
            setattr(self.settings, name, params[name])
        self.settings.emergency_credit_limit = params["emergency_credit_limit"]
        self.settings.emergency_credit_threshold = params["emergency_credit_threshold"]
        self.calendar, self.calendar_issued_at = params["non_disablement_calendar"], params["issued_at"]
        self.refresh_soon()

    def _read_registers(self, _params: Values) -> Values:
        self.settle()
        account = self.account
        return {
            "trailing_digits": TRAILING_DIGITS,
            "currency": CURRENCY_GBP,
            "accumulated_debt": account.accumulated_debt,
            "emergency_credit_balance": account.emergency_credit,
            "meter_balance": account.balance,
            "payment_debt": account.payment_debt,
            "time_debt_1": account.time_debts[0],
            "time_debt_2": account.time_debts[1],
        }

    def _read_balances(self, _params: Values) -> Values:
        self.settle()
        return {"credit_mode_balance": max(0, self.account.due), "meter_balance": self.account.balance}

    def _read_credits(self, params: Values) -> Values:
        rows = within(self.credits, params)
        return {"prepayment_credits": tuple((utrn, amount, moment) for moment, amount, utrn in rows)}

    def _read_days(self, params: Values) -> Values:
        rows = []
        for moment, money in self.daily:
            debts = (money.accumulated_debt, *money.time_debts, money.payment_debt)
            rows.append((moment, GENERAL, *debts, money.emergency_credit, money.balance))
        return {"prepayment_daily_log": within(tuple(rows), params)}

    def _read_configuration(self, _params: Values) -> Values:
        settings = self.settings
        values: dict[str, Any] = {
            "trailing_digits": TRAILING_DIGITS,
            "recovery_per_payment_bp": settings.recovery_per_payment_bp,
            "debt_recovery_rate_cap": settings.debt_recovery_rate_cap,
            "time_debt_1_period": _PERIODS[settings.daily[0]],
            "time_debt_2_period": _PERIODS[settings.daily[1]],
            "disablement_threshold": settings.disablement_threshold,
            "emergency_credit_limit": settings.emergency_credit_limit,
            "emergency_credit_threshold": settings.emergency_credit_threshold,
            "low_credit_threshold": settings.low_credit_threshold,
            "max_meter_balance": settings.max_meter_balance,
            "max_credit_threshold": settings.max_credit_threshold,
            "time_debt_1_rate": max(0, settings.rates[0]),
            "time_debt_2_rate": max(0, settings.rates[1]),
        }
        if self.calendar is not None:
            issued = {"issued_at": self.calendar_issued_at, "activation_time": "now"}
            values |= {"non_disablement_calendar": self.calendar, **issued}
        return values


class GasPaymentProxy(Function):
    """What a GPF says of the payment of its GSME: the copy that it keeps is never behind."""

    @property
    def actions(self) -> Mapping[str, Action]:
        """What it can be told to do, by use case name."""
        return {name: partial(self._copy, name) for name in _READS}

    def _copy(self, name: str, params: Values) -> Values:
        for each in self.device.neighbours:
            if isinstance(each, Gsme):
                return each.function(GasPayment).actions[name](params)
        raise Refused("there is no gas meter")
