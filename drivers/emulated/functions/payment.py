"""Payment of an ESME: mode, balance, prepayment, debt and top up, as the commands of GBCS have them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar

from bench.gbcs.load_control_fields import SpecialDay, SwitchingTime
from bench.gbcs.payment_fields import Collection, credit_collections, suspensions
from bench.gbcs.payment_use_cases import (
    CAP_PERIOD_S,
    CONFIGURATION_PARTS,
    MODE_PARTS,
    PREPAYMENT_PARTS,
    REGISTERS,
    SPECIAL_DAYS_PART,
    START_SCRIPT,
)
from bench.parties import DeviceType
from drivers.emulated.commands import Action, Refused, Values
from drivers.emulated.device import EmulatedDevice
from drivers.emulated.functions.activations import Activations
from drivers.emulated.functions.base import Function
from drivers.emulated.functions.event_log import within
from drivers.emulated.functions.logs import EnergyLogs
from drivers.emulated.functions.logs_registers import Money
from drivers.emulated.functions.payment_gas import GasPayment, GasPaymentProxy
from drivers.emulated.functions.payment_meter import PaymentMeter
from drivers.emulated.functions.pricing import Pricing
from drivers.emulated.functions.readings import Metering
from drivers.emulated.functions.switch_calendar import Calendar
from drivers.emulated.functions.tariff import Tariff

DAY_S, HOUR_S = 86_400, 3_600
_MODE, _CONFIGURATION = "payment mode", "prepayment configuration"
_LOOK_BACK_DAYS = 8
_CAP_UNIT = 1_000
_MOST_CAP = 0xFFFF
_RATE_SCALE = 5
_RATE_BITS = 15
_DAY = timedelta(days=1)


class ElectricityPayment(PaymentMeter):
    """Payment of an ESME with one element.

    The meter balance is one register, and charges are taken from it in both modes: in credit mode it falls below zero
    by what is due. So say the lists of what is collected that set the modes (`bench.gbcs.payment_fields`). The debt
    recovery rate cap of an ESME has 16 bits: that they are whole pence is inferred.

    Attributes:
        collections: the credit and charge configuration as it was set last.
        special_days: of the non-disablement calendar.
        times: its entries.
        scales: of each time debt the power of ten of its rate, as it was set.
    """

    remembers: ClassVar[tuple[str, ...]] = (
        *PaymentMeter.remembers,
        *("collections", "special_days", "times", "scales"),
    )

    def __init__(self, device: EmulatedDevice) -> None:
        super().__init__(device)
        self.collections: tuple[Collection, ...] = credit_collections()
        self.special_days: tuple[SpecialDay, ...] = ()
        self.times: tuple[SwitchingTime, ...] = ()
        self.scales = (-_RATE_SCALE, -_RATE_SCALE)

    @property
    def actions(self) -> Mapping[str, Action]:
        """What it can be told to do, by use case name."""
        return {
            "ECS02": partial(self._change_mode, False),
            "ECS03": partial(self._change_mode, True),
            "ECS04a": self._adjust,
            "ECS04b": self._reset,
            "ECS07": self._manage_debt,
            **dict.fromkeys(("ECS08", "ECS08a"), self._configure),
            "ECS09": self._activate,
            "CS01a": self._take,
            "ECS19": self._read_registers,
            "ECS20a": lambda params: {"debt_payments": tuple(row[:2] for row in within(self.debt_payments, params))},
            "ECS20d": lambda params: {"prepayment_credits": tuple(row[:2] for row in within(self.credits, params))},
            "ECS21b": self._read_days,
            "ECS26a": self._read_configuration,
            "ECS26j": self._read_mode,
            "ECS82": self._read_balance,
        }

    def start(self) -> None:
        """Begin to charge."""
        self.device.function(EnergyLogs).read_money = self.money
        self.begin()

    @property
    def tariff(self) -> Pricing:
        """What sets the prices."""
        return self.device.function(Tariff)

    @property
    def register(self) -> int:
        """What the meter balance says."""
        return self.account.balance if self.account.prepayment else -self.account.due

    def keeps_on(self, at: datetime) -> bool:
        """Whether a moment lies in a non-disablement period."""
        calendar = Calendar(self.times, self.special_days)
        for back in range(_LOOK_BACK_DAYS if self.times else 0):
            for moment, script in reversed(calendar.on((at - back * _DAY).date())):
                if moment <= at:
                    return script == START_SCRIPT
        return False

    def _consumed(self, moment: datetime) -> int:
        return self.device.function(Metering).energy(moment).imported

    def _default_price(self) -> int:
        return self.world.spec.prices.electricity

    def _default_standing_charge(self) -> int:
        return self.world.spec.prices.electricity_standing

    def _switched(self, prepayment: bool) -> None:
        account = self.account
        if prepayment:
            account.balance, account.due = -account.due, 0
        else:
            account.due, account.balance = -account.balance, 0

    def _change_mode(self, prepayment: bool, params: Values) -> Values:
        when, activations = params["activation_time"], self.device.function(Activations)
        change = partial(self._apply_mode, prepayment, params)
        activations.cancel(_MODE)
        if when == "now":
            change()
        elif when != "never":
            activations.at(when, PREPAYMENT_PARTS if prepayment else MODE_PARTS, change, about=_MODE)
        return {}

    def _apply_mode(self, prepayment: bool, params: Values) -> None:
        self.settle()
        self.collections = params["collections"]
        if prepayment:
            always, without = suspensions(self.collections)
            self.settings.collect_while_kept_on, self.settings.accumulate = always, not without
            self.settings.disablement_threshold = params["disablement_threshold"]
        self.set_mode(prepayment=prepayment)

    def _adjust(self, params: Values) -> Values:
        self.settle()
        if self.account.prepayment:
            self.account.balance += params["adjustment"]
        else:
            self.account.due -= params["adjustment"]
        self.refresh_soon()
        return {}

    def _reset(self, _params: Values) -> Values:
        self.reset()
        return {}

    def _activate(self, _params: Values) -> Values:
        self.activate_emergency_credit()
        return {}

    def _take(self, params: Values) -> Values:
        command = self.device.command
        try:
            self.top_up(params["utrn"], command.originator_counter if command else None)
        except Refused as refused:
            raise Refused(str(refused)) from None  # a response of an ESME does not say why
        return {}

    def _manage_debt(self, params: Values) -> Values:
        self.settle()
        names = ("time_debt_1", "time_debt_2")
        self.scales = params["time_debt_1_price_scale"], params["time_debt_2_price_scale"]
        rates = [_thousandths(params[f"{name}_rate"], scale) for name, scale in zip(names, self.scales, strict=True)]
        self.settings.rates = rates[0], rates[1]
        self.settings.daily = params["time_debt_1_period_s"] >= DAY_S, params["time_debt_2_period_s"] >= DAY_S
        self.settings.recovery_per_payment_bp = params["recovery_per_payment_bp"]
        for debt, name in enumerate(names):
            self.account.change_time_debt(debt, params[f"{name}_adjustment"])
        self.account.payment_debt = max(0, self.account.payment_debt + params["payment_debt_adjustment"])
        return {}

    def _configure(self, params: Values) -> Values:
        when, activations = params["activation_time"], self.device.function(Activations)
        change = partial(self._apply_configuration, params)
        activations.cancel(_CONFIGURATION)
        if when == "now":
            change()
        elif when != "never":
            activations.at(when, (SPECIAL_DAYS_PART, *CONFIGURATION_PARTS), change, about=_CONFIGURATION)
        return {}

    def _apply_configuration(self, params: Values) -> None:
        self.settle()
        settings = self.settings
        for name in ("max_meter_balance", "max_credit_threshold", "low_credit_threshold"):
            setattr(settings, name, params[name])
        settings.emergency_credit_limit = params["emergency_credit_limit"]
        settings.emergency_credit_threshold = params["emergency_credit_threshold"]
        settings.debt_recovery_rate_cap = params["debt_recovery_rate_cap"] * _CAP_UNIT
        self.special_days, self.times = params["special_days"], params["non_disablement_times"]
        self.refresh_soon()

    def _read_registers(self, _params: Values) -> Values:
        return dict(zip(REGISTERS, _cells(self.money()), strict=True))

    def _read_days(self, params: Values) -> Values:
        rows = tuple((moment, *_cells(money)) for moment, money in self.daily)
        return {"prepayment_daily_log": within(rows, params)}

    def _read_balance(self, _params: Values) -> Values:
        return {"meter_balance": self.money().balance}

    def _read_mode(self, _params: Values) -> Values:
        mode = "prepayment" if self.account.prepayment else "credit"
        return {"payment_mode": mode, "account_status": "active"}

    def _read_configuration(self, _params: Values) -> Values:
        settings = self.settings
        values: dict[str, Any] = {}
        for debt, name in enumerate(("time_debt_1", "time_debt_2")):
            values[f"{name}_price_scale"] = self.scales[debt]
            values[f"{name}_rate"] = _rate(settings.rates[debt], self.scales[debt])
            values[f"{name}_period_s"] = DAY_S if settings.daily[debt] else HOUR_S
        return values | {
            "special_days": self.special_days,
            "non_disablement_times": self.times,
            "recovery_per_payment_bp": settings.recovery_per_payment_bp,
            "max_credit_threshold": settings.max_credit_threshold,
            "disablement_threshold": settings.disablement_threshold,
            "max_meter_balance": settings.max_meter_balance,
            "low_credit_threshold": settings.low_credit_threshold,
            "debt_recovery_rate_cap": min(_MOST_CAP, settings.debt_recovery_rate_cap // _CAP_UNIT),
            "debt_recovery_cap_period_s": CAP_PERIOD_S,
            "emergency_credit_limit": settings.emergency_credit_limit,
            "emergency_credit_threshold": settings.emergency_credit_threshold,
            "collections": self.collections,
        }


def _cells(money: Money) -> tuple[int, ...]:
    """The registers in the order of `REGISTERS`."""
    debts = (money.payment_debt, *money.time_debts, money.accumulated_debt)
    return money.emergency_credit, money.balance, *debts


def _thousandths(rate: int, scale: int) -> int:
    """A rate of so many currency units, times ten to the power of its scale, in thousandths of pence."""
    power = scale + _RATE_SCALE
    return int(rate * 10**power) if power >= 0 else int(rate // 10**-power)


def _rate(thousandths: int, scale: int) -> int:
    power = scale + _RATE_SCALE
    rate = int(thousandths // 10**power) if power >= 0 else int(thousandths * 10**-power)
    return min(rate, (1 << _RATE_BITS) - 1)


FUNCTIONS: Mapping[DeviceType, tuple[type[Function], ...]] = {
    DeviceType.ESME: (ElectricityPayment,),
    DeviceType.GSME: (GasPayment,),
    DeviceType.GPF: (GasPaymentProxy,),
}
"""By type of device."""
