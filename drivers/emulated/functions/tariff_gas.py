"""Tariffs and prices of a GSME (1.1.1, 1.2.1, 4.11.1)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any, ClassVar

from bench.gbcs.load_control_fields import DatePattern
from bench.gbcs.tariff_fields import Day, Season, TariffSpecialDay, Week
from bench.gbcs.tariff_gas_payloads import (
    MOST_PRICES,
    PRICE_NAMES,
    PRICE_PARTS,
    SWITCHING_NAMES,
    SWITCHING_PARTS,
)
from bench.gbcs.use_cases import UseCase
from drivers.emulated.commands import Action, Refused, Values
from drivers.emulated.device import EmulatedDevice
from drivers.emulated.functions.gas_settings import GasSettings
from drivers.emulated.functions.logs_calendar import next_billing_period
from drivers.emulated.functions.pricing import Place, Pricing
from drivers.emulated.functions.readings import GasMetering
from drivers.emulated.functions.switching import SwitchingTable

_PRICE_DIGITS = 5
_LITRES_PER_M3 = 1000.0
_MJ_PER_KWH = 3.6


class GasTariff(Pricing):
    """The tariff of a GSME: four prices by time of use, or four blocks.

    A script of 0 is the price of the block, one of 1 to 4 a price by time of use. A threshold, in litres, is what was
    used in all blocks together. What was used is charged by the calorific value and the conversion factor of its time.

    Attributes:
        tariff: calendar, thresholds, currency and prices, by the names of GCS01a.
        changed_at: when the tariff was issued that is in force.
        kwh_per_litre: as it is now.
    """

    remembers: ClassVar[tuple[str, ...]] = (*Pricing.remembers, "tariff", "changed_at", "kwh_per_litre")

    def __init__(self, device: EmulatedDevice) -> None:
        super().__init__(device)
        self.tariff: dict[str, Any] = {
            "seasons": ((DatePattern(), 1),),
            "weeks": (Week(1, (1,) * 7),),
            "days": (Day(1, ((time(), 1),)),),
            "special_days": (),
            "thresholds": (),
            "scheme": "tou",
            "prices": (0,),
            "standing_charge": 0,
            "currency": "GBP",
            "thresholds_in_use": 0,
        }
        self.changed_at = datetime(2024, 1, 1, tzinfo=UTC)
        self.kwh_per_litre = 0.0
        self._table = self._read_table(self.tariff)

    def load(self, saved: Mapping[str, Any]) -> None:
        """Remember what an earlier life saved."""
        super().load(saved)
        self._table = self._read_table(self.tariff)

    def start(self) -> None:
        """Go on, and charge for energy."""
        self.kwh_per_litre = self.kwh_per_litre or self._conversion
        super().start()

    @staticmethod
    def _read_table(values: Mapping[str, Any]) -> SwitchingTable:
        return SwitchingTable(
            tuple(Season("", first_day, time(), week) for first_day, week in values["seasons"]),
            values["weeks"],
            values["days"],
            tuple(TariffSpecialDay(n, date, day) for n, (date, day) in enumerate(values["special_days"], start=1)),
        )

    @property
    def actions(self) -> Mapping[str, Action]:
        """What it can be told to do, by use case name."""
        return {"GCS01a": self._set_tariff, "GCS01b": self._set_prices, "GCS21f": self._read}

    # What it is

    @property
    def standing_charge(self) -> Decimal:
        """What a day costs whatever is used, in currency units."""
        return Decimal(self.tariff["standing_charge"]).scaleb(-_PRICE_DIGITS)

    @property
    def registers(self) -> GasMetering:
        """What counts."""
        return self.device.function(GasMetering)

    @property
    def table(self) -> SwitchingTable:
        """The calendar."""
        return self._table

    @property
    def _conversion(self) -> float:
        own = self.device.function(GasSettings)
        mj_per_m3 = own.calorific_value_dmj_per_m3 / 10 * own.conversion_factor_e5 / 100_000
        return mj_per_m3 / _MJ_PER_KWH / _LITRES_PER_M3

    def _thresholds(self, script: int | None) -> tuple[tuple[int, ...], tuple[int, ...]]:
        if script or script is None:
            return (), ()
        return tuple(range(MOST_PRICES)), self.tariff["thresholds"][: self.tariff["thresholds_in_use"]]

    def _place(self, script: int | None, block: int) -> Place:
        return (max(0, (script or 1) - 1), None) if script != 0 else (0, block)

    def _price(self, place: Place) -> Decimal:
        register, block = place
        number = register if block is None else block
        prices = self.tariff["prices"]
        return Decimal(prices[number] if number < len(prices) else 0).scaleb(-_PRICE_DIGITS)

    def _kwh(self, amount: float) -> float:
        return amount * self.kwh_per_litre

    def _anew(self, after: datetime) -> datetime | None:
        return next_billing_period(self.device.function(GasSettings).billing, after)

    def _commanded(self, use_case: UseCase, ok: bool) -> None:
        super()._commanded(use_case, ok)
        if self.kwh_per_litre != self._conversion:
            self.settle(self.registers.count().total)
            self.kwh_per_litre = self._conversion

    # Commands

    def _set_tariff(self, params: Values) -> Values:
        fault = self._read_table(params).fault(range(MOST_PRICES + 1))
        if fault is not None:
            raise Refused(f"the {fault.replace('_', ' ')} of the calendar name what it does not have")
        if list(params["thresholds"]) != sorted(params["thresholds"]):
            raise Refused("the thresholds do not rise")
        switching = {name: params[name] for name in SWITCHING_NAMES}
        self._set("switching", SWITCHING_PARTS, params["activation_time"], switching)
        return self._set_prices(params)

    def _set_prices(self, params: Values) -> Values:
        prices = {name: params[name] for name in PRICE_NAMES} | {"issued_at": params["issued_at"]}
        self._set("prices", PRICE_PARTS, params["activation_time"], prices)
        return {}

    def _apply(self, values: Mapping[str, Any]) -> None:
        self.refresh()
        before = self.standing_charge
        self.changed_at = values.get("issued_at", self.changed_at)
        self.tariff |= {name: value for name, value in values.items() if name in self.tariff}
        self._table = self._read_table(self.tariff)
        self.refresh()
        if self.standing_charge != before:
            self._tell()

    def _read(self, _params: Values) -> Values:
        said = {name: value for name, value in self.tariff.items() if name != "thresholds_in_use"}
        price = int(self.price_now().scaleb(_PRICE_DIGITS))
        return {**said, "issued_at": self.changed_at, "activation_time": "now", "active_price": price}
