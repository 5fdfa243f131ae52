"""Tariffs and prices: 1.1.1 to 1.2.2.

The default is one price at all times: one day profile in one week profile in one season that begins on any day of
any year, and block thresholds that nothing reaches. Prices are multiplied by ten to the power of their scale: 2500
with a scale of -5 is 0.025 of the currency.
"""

from __future__ import annotations

from bench.duis import values as v
from bench.duis.body_parts import (
    DATE_PATTERN,
    FUTURE,
    GAS_DATE_PATTERN,
    MIDNIGHT,
    Body,
    index_of,
    numbered,
    text_of,
)
from bench.duis.shapes import Choice, Flag, Group, Item, Leaf, Repeat, Shape

_PRICE = v.whole(-0x8000, 0x7FFF)
_SCALE = v.whole(-128, 127)
_NEVER = 0xFFFF_FFFF
_CURRENCY = Leaf("CurrencyUnits", v.one_of("GBP", "ECB"), default="GBP")


def _named(tag: str, highest: int) -> Leaf:
    return Leaf(tag, v.whole(1, highest), default=1)


def week_profiles(weeks: int, days: int) -> Group:
    """Week profiles, each of which names a day profile for every day from Monday."""
    every_day = tuple({"index": day, "day_name": 1} for day in range(1, 8))
    referenced = Repeat(
        "ReferencedDayName", (index_of(7), text_of("day_name", v.whole(1, days))), 7, 7, default=every_day
    )
    profile = (_named("WeekName", weeks), referenced)
    return Group("WeekProfiles", (Repeat("WeekProfile", profile, 1, weeks, default=({},)),))


def seasons(tag: str, most: int, start: Shape, weeks: int, *, named: bool) -> Group:
    """Seasons, each of which names a week profile from a day on."""
    name = (Leaf("SeasonName", v.text(0, 8), default="all year"),) if named else ()
    season = (*name, Group("SeasonStartDate", start, nests=True), _named("ReferencedWeekName", weeks))
    return Group(tag, (Repeat("Season", season, 1, most, default=({},)),))


def special_days(most: int, date: Shape, days: int) -> Group:
    """Days with a day profile of their own; none by default."""
    day = (Group("Date", date, nests=True), Leaf("ReferencedDayName", v.whole(1, days)))
    return Group("SpecialDays", (Repeat("SpecialDay", day, 0, most),))


def _electricity_table(actions: tuple[Item, ...]) -> Group:
    schedule = (Leaf("StartTime", v.TIME, default=MIDNIGHT), *actions)
    day = (_named("DayName", 16), Repeat("ProfileSchedule", schedule, 1, 48, default=({},)))
    return Group(
        "SwitchingTable",
        (
            Group("DayProfiles", (Repeat("DayProfile", day, 1, 16, default=({},)),)),
            week_profiles(4, 16),
            seasons("Seasons", 4, DATE_PATTERN, 4, named=True),
        ),
    )


def _tou(highest: int, default: object) -> Leaf:
    return Leaf("TOUTariffAction", v.whole(1, highest), default=default)


_TOU_OR_BLOCK = Choice(
    ((_tou(48, None),), (Leaf("BlockTariffAction", v.whole(1, 8)),)), default={"tou_tariff_action": 1}
)
_ELECTRICITY_TARIFF = Group(
    "ElecTariffElements",
    (
        _CURRENCY,
        _electricity_table((_TOU_OR_BLOCK,)),
        special_days(50, DATE_PATTERN, 16),
        Group(
            "ThresholdMatrix",
            (
                Repeat(
                    "Thresholds",
                    (index_of(8), numbered("BlockThreshold", 3, "threshold", v.UNSIGNED_INT, (_NEVER,))),
                    8,
                    8,
                    default=tuple({"index": number} for number in range(1, 9)),
                ),
            ),
        ),
    ),
    nests=True,
)
_GAS_DAY = (
    _named("DayName", 4),
    Choice(((_tou(4, None),), (Flag("BlockTariff", required=True),)), default={"tou_tariff_action": 1}),
)
_GAS_TARIFF = Group(
    "GasTariffElements",
    (
        Group(
            "SwitchingTable",
            (
                Group("DayProfiles", (Repeat("DayProfile", _GAS_DAY, 1, 4, default=({},)),)),
                week_profiles(2, 4),
                seasons("Seasons", 3, GAS_DATE_PATTERN, 2, named=False),
            ),
        ),
        special_days(20, GAS_DATE_PATTERN, 4),
        Group("ThresholdMatrix", (numbered("BlockThreshold", 3, "threshold", v.UNSIGNED_INT, (_NEVER,)),)),
    ),
    nests=True,
)
_BLOCK_PRICES = Repeat(
    "BlockPrices", (index_of(8), numbered("BlockPrice", 4, "price", _PRICE, (2500,))), 1, 8, default=({"index": 1},)
)
_TOU_PRICES = numbered("TOUPrice", 48, "price", _PRICE, (2500,))
_ELECTRICITY_PRICES = Group(
    "ElectricityPriceElements",
    (
        Leaf("StandingCharge", _PRICE, default=5000),
        Leaf("StandingChargeScale", _SCALE, default=-4),
        Leaf("PriceScale", _SCALE, default=-5),
        Choice(
            (
                (Group("BlockTariff", (_BLOCK_PRICES,), nests=True),),
                (Group("TOUTariff", (_TOU_PRICES,), nests=True),),
                (Group("HybridTariff", (_BLOCK_PRICES, _TOU_PRICES), nests=True),),
            ),
            default={"tou_tariff": {}},
        ),
    ),
    nests=True,
)
_GAS_PRICES = Group(
    "GasPriceElements",
    (
        _CURRENCY,
        Leaf("StandingCharge", v.UNSIGNED_INT, default=30_000),
        Choice(
            (
                (
                    Group(
                        "BlockTariff",
                        (
                            numbered("BlockPrice", 4, "price", v.UNSIGNED_INT, (7000,)),
                            Leaf("NumberOfThresholds", v.whole(1, 3), default=1),
                        ),
                        nests=True,
                    ),
                ),
                (Group("TOUTariff", (numbered("TOUPrice", 4, "price", v.UNSIGNED_INT, (7000,)),), nests=True),),
            ),
            default={"tou_tariff": {}},
        ),
    ),
    nests=True,
)
_PRICE_ELEMENTS = Group(
    "PriceElements",
    (Choice(((_ELECTRICITY_PRICES,), (_GAS_PRICES,)), default={"electricity_price_elements": {}}),),
)
_SECONDARY_PRICES = Group(
    "PriceElements",
    (
        Leaf("PriceScale", _SCALE, default=-5),
        numbered("ElectricityPriceElement", 4, "price", _PRICE, (2500,)),
    ),
)

BODIES: dict[str, Body] = {
    "1.1.1": Body(
        (
            FUTURE,
            Choice(((_ELECTRICITY_TARIFF,), (_GAS_TARIFF,)), default={"elec_tariff_elements": {}}),
            _PRICE_ELEMENTS,
        ),
        gas={"gas_tariff_elements": {}, "gas_price_elements": {}},
    ),
    "1.1.2": Body((FUTURE, _electricity_table((_tou(4, 1),)), special_days(50, DATE_PATTERN, 16), _SECONDARY_PRICES)),
    "1.2.1": Body((FUTURE, _PRICE_ELEMENTS), gas={"gas_price_elements": {}}),
    "1.2.2": Body((FUTURE, _SECONDARY_PRICES)),
}
"""Bodies by Service Reference Variant."""
