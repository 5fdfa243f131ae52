"""Tariffs and prices of an ESME (1.1.1 to 1.2.2, 1.7, 4.11.1, 4.11.2, 6.26)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time
from decimal import Decimal
from typing import Any, ClassVar

from bench.gbcs.load_control_fields import DatePattern
from bench.gbcs.tariff_fields import (
    BLOCK_PRICES,
    BLOCK_SCRIPT,
    BLOCKS,
    NO_THRESHOLD,
    SECONDARY_SCRIPT,
    TOU_PRICES,
    Day,
    Season,
    Week,
)
from bench.gbcs.tariff_use_cases import (
    PRICE_PARTS,
    SECONDARY_PRICE_PARTS,
    SECONDARY_PRICES,
    SECONDARY_SWITCHING_PARTS,
    STANDING_CHARGE,
    SWITCHING_PARTS,
    TIMES_OF_USE,
)
from bench.gbcs.tariff_use_cases import PRICES as PRICE_MATRIX
from bench.parties import DeviceType
from drivers.emulated.commands import Action, Refused, Values
from drivers.emulated.device import EmulatedDevice
from drivers.emulated.functions.base import Function
from drivers.emulated.functions.electricity_settings import ElectricitySettings
from drivers.emulated.functions.logs_calendar import next_billing_time, next_midnight
from drivers.emulated.functions.pricing import Place, Pricing
from drivers.emulated.functions.readings import Metering
from drivers.emulated.functions.switching import SwitchingTable
from drivers.emulated.functions.tariff_gas import GasTariff

_WH_PER_KWH = 1000.0
_MOST_THRESHOLDS = BLOCKS - 1
_ACTIVE_PRICE_DIGITS = 5
_MOST_32_BITS = 0xFFFFFFFF
_OTHER_REASON = 250
_TABLE = ("seasons", "weeks", "days", "special_days")
_THRESHOLDS = tuple(f"thresholds_{tou}" for tou in range(1, TIMES_OF_USE + 1))
_SWITCHING = (*_TABLE, *_THRESHOLDS, "currency_gbp")
_PRICES = (*STANDING_CHARGE.names, *PRICE_MATRIX.names)
_SECONDARY = tuple(f"secondary_{name}" for name in _TABLE)
_SCRIPTS = frozenset((*range(1, TOU_PRICES + 1), *range(BLOCK_SCRIPT + 1, BLOCK_SCRIPT + BLOCK_PRICES + 1)))
_SECONDARY_SCRIPTS = range(SECONDARY_SCRIPT + 1, SECONDARY_SCRIPT + 5)


def _one_price(script: int) -> tuple[Any, ...]:
    """The table of a new meter: one script, always."""
    always = Season("all year", DatePattern(), time(), 1)
    return (always,), (Week(1, (1,) * 7),), (Day(1, ((time(), script),)),), ()


class Tariff(Pricing):
    """The tariff of an ESME: prices by time of use, blocks with prices of their own, and the secondary element's.

    A script of 1 to 48 is a price by time of use; one of 101 to 108 is one of eight times of use with blocks, whose
    registers and thresholds are its own. A threshold is what was used in all blocks of its time of use together. The
    secondary element has a table and prices, and nothing that draws: this is a meter with one element.

    Attributes:
        tariff: switching table, thresholds, currency and prices, by the names of ECS24.
        secondary: table and prices of the secondary element, by the names of ECS24b.
        daily_block_reset: the blocks begin anew every midnight, UTC, and not at the times of billing only (6.26).
    """

    remembers: ClassVar[tuple[str, ...]] = (*Pricing.remembers, "tariff", "secondary", "daily_block_reset")

    def __init__(self, device: EmulatedDevice) -> None:
        super().__init__(device)
        self.tariff: dict[str, Any] = {
            **dict(zip(_TABLE, _one_price(1), strict=True)),
            **dict.fromkeys(_THRESHOLDS, (NO_THRESHOLD,) * _MOST_THRESHOLDS),
            "currency_gbp": True,
            "standing_charge": 0,
            "standing_charge_scale": -_ACTIVE_PRICE_DIGITS,
            "prices": {},
            "prices_scale": -_ACTIVE_PRICE_DIGITS,
        }
        self.secondary: dict[str, Any] = {
            **dict(zip(_SECONDARY, _one_price(SECONDARY_SCRIPT + 1), strict=True)),
            "secondary_prices": {},
            "secondary_prices_scale": -_ACTIVE_PRICE_DIGITS,
        }
        self.daily_block_reset = False
        self._tables = self._read_tables()

    def load(self, saved: Mapping[str, Any]) -> None:
        """Remember what an earlier life saved."""
        super().load(saved)
        self._tables = self._read_tables()

    def _read_tables(self) -> tuple[SwitchingTable, SwitchingTable]:
        primary, secondary = (self.tariff[name] for name in _TABLE), (self.secondary[name] for name in _SECONDARY)
        return SwitchingTable(*primary), SwitchingTable(*secondary)

    @property
    def actions(self) -> Mapping[str, Action]:
        """What it can be told to do, by use case name."""
        return {
            "ECS01a": self._set_tariff,
            "ECS01b": self._set_prices,
            "ECS01c": self._set_secondary,
            "ECS01d": self._set_secondary_prices,
            "ECS05": self._reset,
            "ECS24": self._read,
            "ECS24b": self._read_secondary,
            "ECS48": self._set_daily_reset,
        }

    # What it is

    @property
    def standing_charge(self) -> Decimal:
        """What a day costs whatever is used, in currency units."""
        return Decimal(self.tariff["standing_charge"]).scaleb(self.tariff["standing_charge_scale"])

    @property
    def counts(self) -> str:
        """What counts now, as the price matrix names its price: "tou_1" or "block_1_tou_1"."""
        self.refresh()
        return _name_of(self.place)

    @property
    def registers(self) -> Metering:
        """What counts."""
        return self.device.function(Metering)

    @property
    def table(self) -> SwitchingTable:
        """The switching table of the primary element."""
        return self._tables[0]

    def _thresholds(self, script: int | None) -> tuple[tuple[int, ...], tuple[int, ...]]:
        if script is None or script <= BLOCK_SCRIPT:
            return (), ()
        tou = script - BLOCK_SCRIPT
        limits = tuple(limit for limit in self.tariff[f"thresholds_{tou}"] if limit != NO_THRESHOLD)
        return tuple(block * BLOCK_PRICES + tou - 1 for block in range(BLOCKS)), limits

    def _place(self, script: int | None, block: int) -> Place:
        if script is None:
            return 0, None
        return (script - BLOCK_SCRIPT - 1, block) if script > BLOCK_SCRIPT else (script - 1, None)

    def _price(self, place: Place) -> Decimal:
        return Decimal(self.tariff["prices"].get(_name_of(place), 0)).scaleb(self.tariff["prices_scale"])

    def _kwh(self, amount: float) -> float:
        return amount / _WH_PER_KWH

    def _anew(self, after: datetime) -> datetime | None:
        billing = next_billing_time(self.device.function(ElectricitySettings).billing_calendar, after)
        midnight = next_midnight(after) if self.daily_block_reset else None
        return min((moment for moment in (billing, midnight) if moment is not None), default=None)

    # Commands

    def _set_tariff(self, params: Values) -> Values:
        self._check(params, "", _SCRIPTS)
        when = params["activation_time"]
        switching = {name: params[name] for name in _SWITCHING}
        for name in _THRESHOLDS:
            limits = params[name]
            if len(limits) > _MOST_THRESHOLDS or list(limits) != sorted(limits):
                raise Refused(f"{name} do not rise, or are too many", {"failed_item": name})
            switching[name] = (*limits, *(NO_THRESHOLD,) * (_MOST_THRESHOLDS - len(limits)))
        self._set("switching", SWITCHING_PARTS, when, switching)
        self._set("prices", PRICE_PARTS, when, {name: params[name] for name in _PRICES})
        return {}

    def _set_prices(self, params: Values) -> Values:
        self._set("prices", PRICE_PARTS, params["activation_time"], {name: params[name] for name in _PRICES})
        return {}

    def _set_secondary(self, params: Values) -> Values:
        self._check(params, "secondary_", _SECONDARY_SCRIPTS)
        table = {name: params[name] for name in _SECONDARY}
        self._set("secondary switching", SECONDARY_SWITCHING_PARTS, params["activation_time"], table)
        return self._set_secondary_prices(params)

    def _set_secondary_prices(self, params: Values) -> Values:
        prices = {name: params[name] for name in SECONDARY_PRICES.names}
        self._set("secondary prices", SECONDARY_PRICE_PARTS, params["activation_time"], prices)
        return {}

    def _check(self, params: Values, element: str, scripts: range | frozenset[int]) -> None:
        """Refuse a table that names what it does not have."""
        fault = SwitchingTable(*(params[f"{element}{name}"] for name in _TABLE)).fault(scripts)
        if fault is not None:
            failed = {"failed_item": f"{element}{fault}", "failure_code": _OTHER_REASON}
            raise Refused(f"the {fault.replace('_', ' ')} of the switching table name what it does not have", failed)

    def _apply(self, values: Mapping[str, Any]) -> None:
        self.refresh()
        before = self.standing_charge
        self.tariff |= {name: value for name, value in values.items() if name in self.tariff}
        self.secondary |= {name: value for name, value in values.items() if name in self.secondary}
        self._tables = self._read_tables()
        self.refresh()
        if self.standing_charge != before:
            self._tell()

    def _reset(self, _params: Values) -> Values:
        self.begin_blocks()
        return {}

    def _set_daily_reset(self, params: Values) -> Values:
        self.daily_block_reset = params["daily_block_reset"]
        self.refresh()
        return {}

    def _read(self, _params: Values) -> Values:
        return {**self.tariff, "active_price": _fifth_digits(self.price_now())}

    def _read_secondary(self, _params: Values) -> Values:
        script = self._tables[1].script(self.device.clock.utc()) or _SECONDARY_SCRIPTS[0]
        price = Decimal(self.secondary["secondary_prices"].get(f"tou_{script - SECONDARY_SCRIPT}", 0))
        active = price.scaleb(self.secondary["secondary_prices_scale"])
        return {**self.secondary, "secondary_active_price": _fifth_digits(active)}


def _name_of(place: Place) -> str:
    register, block = place
    return f"tou_{register + 1}" if block is None else f"block_{block + 1}_tou_{register + 1}"


def _fifth_digits(price: Decimal) -> int:
    """A price in hundred-thousandths of the currency unit, as a register says it that knows no negative numbers."""
    return max(0, min(round(price.scaleb(_ACTIVE_PRICE_DIGITS)), _MOST_32_BITS))


FUNCTIONS: Mapping[DeviceType, tuple[type[Function], ...]] = {
    DeviceType.ESME: (Tariff,),
    DeviceType.GSME: (GasTariff,),
}
"""By type of device."""
