"""Tariffs and prices (1.1.1, 1.2.1, 4.11.1).

That thresholds of gas are cubic metres, as all its volumes are, is inferred.
"""

from __future__ import annotations

from bench.duis.smets1_write import Content
from bench.gbcs.tariff_fields import BLOCK_PRICES, BLOCK_SCRIPT, BLOCKS, TOU_PRICES, Day, Week
from bench.gbcs.tariff_use_cases import TIMES_OF_USE
from drivers.emulated.commands import Values
from drivers.emulated.mmc.base import (
    ANY,
    METERS,
    METERS_AND_PROXY,
    Answers,
    cubic_metres,
    gas_date,
    indexed,
    is_gas,
    nothing,
    time_of_day,
    wildcard_date,
)
from drivers.emulated.smets1 import Smets1Device

_PRICE_SCALE = "-5"


def _read(values: Values, device: Smets1Device) -> Content:
    return {"Gas": _gas(values)} if is_gas(device) else {"Electricity": _electricity(values)}


def _electricity(values: Values) -> Content:
    pounds = values["currency_gbp"]
    return {
        "PrimaryActiveTariffPrice": str(values["active_price"]),
        "CurrencyUnitsLabel": "GBP" if pounds else "ECB",
        "CurrencyUnitsName": "Millipence" if pounds else "Millicent",
        "StandingCharge": str(values["standing_charge"]),
        "StandingChargeScale": str(values["standing_charge_scale"]),
        "PriceScale": str(values["prices_scale"]),
        "TariffBlockPriceMatrix": {"TariffBlockPrices": _block_prices(values["prices"])},
        "TariffTOUPriceMatrix": {"TariffTOUPrice": _numbered(values["prices"], "tou_{}", TOU_PRICES)},
        "TariffSwitchingTable": {
            "DayProfiles": {"DayProfile": [_day(day) for day in values["days"]]},
            "WeekProfiles": {"WeekProfile": [_week(week, "ReferencedElecDay") for week in values["weeks"]]},
            "Seasons": {
                "Season": [
                    {
                        "SeasonName": season.name,
                        "SeasonStartDate": wildcard_date(season.first_day),
                        "ReferencedWeekName": str(season.week),
                    }
                    for season in values["seasons"]
                ]
            },
        },
        "TariffSwitchingTableSpecialDays": {
            "SpecialDay": [
                {"Date": wildcard_date(day.date), "ReferencedDay": str(day.day)} for day in values["special_days"]
            ]
        },
        "TariffThresholdMatrix": {
            "ElecTariffThresholds": [
                {"@index": str(tou), "BlockThreshold": indexed(values[f"thresholds_{tou}"])}
                for tou in range(1, TIMES_OF_USE + 1)
            ]
        },
    }


def _numbered(prices: Values, name: str, count: int) -> list[Content]:
    """The prices that are set, by number."""
    named = ((number, prices.get(name.format(number))) for number in range(1, count + 1))
    return [{"@index": str(number), "": str(price)} for number, price in named if price is not None]


def _block_prices(prices: Values) -> list[Content]:
    """Of each time of use the prices of its blocks."""
    rows = ((tou, _numbered(prices, f"block_{{}}_tou_{tou}", BLOCKS)) for tou in range(1, BLOCK_PRICES + 1))
    return [{"@index": str(tou), "BlockPrice": blocks} for tou, blocks in rows if blocks]


def _day(day: Day) -> Content:
    schedule = [
        {
            "StartTime": time_of_day(at),
            "TOUTariffAction": str(script) if script <= BLOCK_SCRIPT else None,
            "BlockTariffAction": str(script - BLOCK_SCRIPT) if script > BLOCK_SCRIPT else None,
        }
        for at, script in day.times
    ]
    return {"Day": str(day.number), "ProfileSchedule": schedule}


def _week(week: Week, day: str) -> Content:
    return {"WeekName": str(week.number), day: indexed(week.days)}


def _gas(values: Values) -> Content:
    prices = indexed(values["prices"])
    by_time = values["scheme"] == "tou"
    return {
        "PrimaryActiveTariffPrice": str(max(0, values["active_price"])),
        "PrimaryActiveTariffPriceScale": _PRICE_SCALE,
        "CurrencyUnitsLabel": values["currency"],
        "StandingCharge": str(values["standing_charge"]),
        "TariffSwitchingTable": {
            "DayProfiles": {"DayProfile": [_gas_day(day) for day in values["days"]]},
            "WeekProfiles": {"WeekProfile": [_week(week, "ReferencedDay") for week in values["weeks"]]},
            "Seasons": {
                "Season": [
                    {"SeasonStartDate": gas_date(first_day), "ReferencedWeekName": str(week)}
                    for first_day, week in values["seasons"]
                ]
            },
        },
        "TariffSwitchingTableSpecialDays": {
            "SpecialDay": [{"Date": gas_date(date), "ReferencedDay": str(day)} for date, day in values["special_days"]]
        },
        "TariffThresholds": {"BlockThreshold": indexed(map(cubic_metres, values["thresholds"]))},
        "TOUTariff": {"TariffTOUPrice": prices} if by_time else None,
        "BlockTariff": None if by_time else {"BlockPrice": prices},
    }


def _gas_day(day: Day) -> Content:
    """A day of one price: a script of 0 is that of the block."""
    ((_, script),) = day.times
    return {"DayName": str(day.number), **({"TOUTariffAction": str(script)} if script else {"BlockTariff": ANY})}


ANSWERS: Answers = {
    **dict.fromkeys(("1.1.1", "1.2.1"), (nothing, METERS)),
    "4.11.1": (_read, METERS_AND_PROXY),
}
"""By Service Reference Variant."""
