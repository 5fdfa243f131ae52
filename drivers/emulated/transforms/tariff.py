"""Tariffs and prices: Service Requests made into commands.

Published commands fix what goes where: of a block price the outer index of DUIS is the time of use and the inner one
the block. That a GSME's day has one price from midnight on, and that one with a price by time of use has no thresholds
in use, is inferred.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, time
from typing import Any

from bench.gbcs.tariff_fields import (
    BLOCK_SCRIPT,
    SECONDARY_SCRIPT,
    Day,
    Season,
    TariffSpecialDay,
    Week,
)
from bench.gbcs.tariff_gas_payloads import PRICE_PARTS as GAS_PRICE_PARTS
from bench.gbcs.tariff_gas_payloads import SWITCHING_PARTS as GAS_SWITCHING_PARTS
from bench.gbcs.tariff_use_cases import (
    PRICE_PARTS,
    SECONDARY_PRICE_PARTS,
    SECONDARY_SWITCHING_PARTS,
    SWITCHING_PARTS,
    TIMES_OF_USE,
)
from bench.parties import DeviceType
from drivers.emulated.transforms.base import Command, NotTransformable, Transform, Wanted, plain, wildcard_date

_Entry = Mapping[str, Any]


def _activated(wanted: Wanted, params: Mapping[str, Any], instructions: int) -> Command:
    when = wanted.activation
    return wanted.only({**params, "activation_time": when}, instructions if isinstance(when, datetime) else 0)


def _indexed(entries: Iterable[_Entry], count: int, name: str = "price") -> tuple[int, ...]:
    """Numbers in the order of their index; those that are not named are zero."""
    named = {each["index"]: each[name] for each in entries}
    return tuple(named.get(number, 0) for number in range(1, count + 1))


# Electricity


def _table(given: _Entry, element: str, script_added: int) -> dict[str, Any]:
    """Seasons, weeks, days and special days."""

    def script(entry: _Entry) -> int:
        block: int | None = entry.get("block_tariff_action")
        return int(entry["tou_tariff_action"]) + script_added if block is None else block + BLOCK_SCRIPT

    seasons = tuple(
        Season(
            each["season_name"],
            wildcard_date(each["season_start_date"]),
            time(),
            each["referenced_week_name"],
        )
        for each in given["season"]
    )
    days = tuple(
        Day(
            each["day_name"],
            tuple((entry["start_time"].replace(tzinfo=None), script(entry)) for entry in each["profile_schedule"]),
        )
        for each in given["day_profile"]
    )
    special_days = tuple(
        TariffSpecialDay(number, wildcard_date(each["date"]), each["referenced_day_name"])
        for number, each in enumerate(given.get("special_day", ()), start=1)
    )
    named = {"seasons": seasons, "weeks": _weeks(given), "days": days, "special_days": special_days}
    return {f"{element}{name}": rows for name, rows in named.items()}


def _weeks(given: _Entry) -> tuple[Week, ...]:
    return tuple(
        Week(each["week_name"], _indexed(each["referenced_day_name"], 7, "day_name")) for each in given["week_profile"]
    )


def _thresholds(given: _Entry) -> dict[str, tuple[int, ...]]:
    named = {each["index"]: each["block_threshold"] for each in given["thresholds"]}
    return {
        f"thresholds_{tou}": _indexed(named[tou], len(named[tou]), "threshold") for tou in range(1, TIMES_OF_USE + 1)
    }


def _prices(given: _Entry) -> dict[str, Any]:
    """Standing charge and price matrix."""
    (tariff,) = (each for name, each in given.items() if name.endswith("_tariff"))
    prices = {f"tou_{each['index']}": each["price"] for each in tariff.get("tou_price", ())}
    for tou in tariff.get("block_prices", ()):
        prices |= {f"block_{block['index']}_tou_{tou['index']}": block["price"] for block in tou["block_price"]}
    return {
        "standing_charge": given["standing_charge"],
        "standing_charge_scale": given["standing_charge_scale"],
        "prices": prices,
        "prices_scale": given["price_scale"],
    }


def _secondary_prices(params: _Entry) -> dict[str, Any]:
    prices = {f"tou_{each['index']}": each["price"] for each in params["electricity_price_element"]}
    return {"secondary_prices": prices, "secondary_prices_scale": params["price_scale"]}


# Gas


def _gas_table(given: _Entry) -> dict[str, Any]:
    thresholds: Sequence[_Entry] = given["block_threshold"]
    return {
        "seasons": tuple(
            (wildcard_date(each["season_start_date"]), each["referenced_week_name"]) for each in given["season"]
        ),
        "weeks": _weeks(given),
        "days": tuple(
            Day(each["day_name"], ((time(), each.get("tou_tariff_action", 0)),)) for each in given["day_profile"]
        ),
        "special_days": tuple(
            (wildcard_date(each["date"]), each["referenced_day_name"]) for each in given.get("special_day", ())
        ),
        "thresholds": _indexed(thresholds, len(thresholds), "threshold"),
    }


def _gas_prices(given: _Entry) -> dict[str, Any]:
    blocks = given.get("block_tariff")
    entries = given["tou_tariff"]["tou_price"] if blocks is None else blocks["block_price"]
    return {
        "scheme": "tou" if blocks is None else "block",
        "prices": _indexed(entries, max(each["index"] for each in entries)),
        "thresholds_in_use": 0 if blocks is None else blocks["number_of_thresholds"],
        "standing_charge": given["standing_charge"],
        "currency": given["currency_units"],
    }


# Service Requests


def _part(wanted: Wanted, gas: str, electricity: str) -> _Entry:
    """What the request says for the fuel of its target.

    Raises:
        NotTransformable: E11, it is for the other fuel.
    """
    name = gas if wanted.target_type == DeviceType.GSME else electricity
    found = wanted.params.get(name)
    if not isinstance(found, Mapping):
        raise NotTransformable("E11")
    return found


def _price(wanted: Wanted) -> Command:
    given = _part(wanted, "gas_price_elements", "electricity_price_elements")
    if wanted.target_type == DeviceType.GSME:
        return _activated(wanted, {"issued_at": wanted.now, **_gas_prices(given)}, len(GAS_PRICE_PARTS))
    return _activated(wanted, _prices(given), len(PRICE_PARTS))


def _tariff(wanted: Wanted) -> Command:
    given = _part(wanted, "gas_tariff_elements", "elec_tariff_elements")
    prices = _part(wanted, "gas_price_elements", "electricity_price_elements")
    if wanted.target_type == DeviceType.GSME:
        params = {"issued_at": wanted.now, **_gas_table(given), **_gas_prices(prices)}
        return _activated(wanted, params, len(GAS_SWITCHING_PARTS) + len(GAS_PRICE_PARTS))
    currency = {"currency_gbp": given["currency_units"] == "GBP"}
    params = {**_table(given, "", 0), **_thresholds(given), **currency, **_prices(prices)}
    return _activated(wanted, params, len(SWITCHING_PARTS) + len(PRICE_PARTS))


def _secondary(wanted: Wanted) -> Command:
    table = _table(wanted.params, "secondary_", SECONDARY_SCRIPT)
    parts = len(SECONDARY_SWITCHING_PARTS) + len(SECONDARY_PRICE_PARTS)
    return _activated(wanted, table | _secondary_prices(wanted.params), parts)


def _secondary_price(wanted: Wanted) -> Command:
    return _activated(wanted, _secondary_prices(wanted.params), len(SECONDARY_PRICE_PARTS))


def _daily_reset(wanted: Wanted) -> Command:
    return wanted.only({"daily_block_reset": wanted.params["daily_tariff_block_counter_matrix_reset"]})


TRANSFORMS: Mapping[str, Transform] = {
    "1.1.1": _tariff,
    "1.1.2": _secondary,
    "1.2.1": _price,
    "1.2.2": _secondary_price,
    "1.7": plain,
    "4.11.1": plain,
    "4.11.2": plain,
    "6.26": _daily_reset,
}
"""By Service Reference Variant."""
