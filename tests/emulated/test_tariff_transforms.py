"""Service Requests for tariffs become the commands that are published, to the byte."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import pytest

from bench.duis.request_id import RequestId
from bench.duis.requests import build_request, parse_request
from bench.duis.safe_xml import parse
from bench.gbcs.errors import GbcsError
from bench.gbcs.message import Message
from drivers.emulated.transforms.base import NotTransformable, Wanted
from drivers.emulated.transforms.registry import transform
from tests.emulated.tariffs import (
    NEVER_REACHED,
    date,
    day,
    gas_prices,
    gas_tariff,
    numbered,
    prices,
    season,
    secondary,
    tariff,
)
from tests.emulated.worlds import ESME, USERS

WHEN, NEVER = datetime(2030, 1, 15, 9, tzinfo=UTC), datetime(3000, 12, 31, tzinfo=UTC)
CHARGE = {"standing_charge": 20_000, "standing_charge_scale": -5}
WORKING_WEEKS = (
    {"week_name": 1, "referenced_day_name": numbered((1, 1, 1, 1, 1, 3, 3), "day_name")},
    {"week_name": 2, "referenced_day_name": numbered((2, 2, 2, 2, 2, 3, 3), "day_name")},
)
SEASONS = (
    season("winter", 1, year=2014, month=10, day_of_month=27),
    season("summer", 2, year=2015, month=3, day_of_month=29),
)
SECONDARY_DAYS = (
    day(1, (time(), 1), (time(7), 4), (time(19), 3)),
    day(2, (time(6), 4), (time(18), 3), (time(23), 1)),
    day(3, (time(), 4)),
)


def special(first: int, second: int) -> tuple[dict[str, Any], ...]:
    may, christmas = date(year=2015, month=5, day_of_month=1), date(month=12, day_of_month=25)
    return {"date": may, "referenced_day_name": first}, {"date": christmas, "referenced_day_name": second}


def charged(elements: dict[str, Any]) -> dict[str, Any]:
    return {"electricity_price_elements": elements["electricity_price_elements"] | CHARGE}


def wanted(variant: str, params: Mapping[str, Any], target: str = "ESME") -> Wanted:
    """A request as the DCC has it: written and read."""
    request_id = RequestId(USERS["IS"][1], ESME, 1000)
    document = build_request(variant, request_id=request_id, command_variant=4, params=params)
    return Wanted(parse_request(parse(document)), target, None, "IS", datetime(2015, 1, 1, tzinfo=UTC), 0.0)


BY_TIME = tariff(
    [day(1, (time(), 2), (time(7), 3)), day(2, (time(6), 3), (time(23), 2)), day(3, (time(), 1))],
    WORKING_WEEKS,
    SEASONS,
    special(2, 3),
)
BY_BLOCK = tariff(
    [day(1, (time(), 1), action="block")],
    seasons=(season("all", 1, year=2015, month=1, day_of_month=1),),
    thresholds={1: (10_000, 20_000, NEVER_REACHED)},
)
SECONDARY = secondary(
    10100, 0, 12300, 13400, days=SECONDARY_DAYS, week_profile=WORKING_WEEKS, season=SEASONS, special_day=special(3, 1)
)
HYBRID_PRICES = prices(3121, blocks={1: (3289, 4546), 2: (5002, 7969)})
ELECTRICITY_PRICES = {"electricity_price_element": numbered((1010, 1120, 1230, 1340)), "price_scale": -5}
GAS = gas_tariff(0, thresholds=(1_000_000, 2_000_000, 3_000_000), month=3, day_of_month=20)
PUBLISHED: dict[str, tuple[str, dict[str, Any], str]] = {
    "ECS01a_1.1.1_IMMEDIATE_TOU_SUCCESS_COMMAND": ("1.1.1", BY_TIME | charged(prices(2121, 3127, 4744)), "ESME"),
    "ECS01a_1.1.1_IMMEDIATE_BLOCK_SUCCESS_PRECOMMAND": (
        "1.1.1",
        BY_BLOCK | charged(prices(blocks={1: (1361, 2289, 5566)})),
        "ESME",
    ),
    "ECS01b_1.2.1_FUTURE_DATED_TOU_BLOCK_SUCCESS_PRECOMMAND": (
        "1.2.1",
        charged(HYBRID_PRICES) | {"execution_date_time": WHEN},
        "ESME",
    ),
    "ECS01c_1.1.2_FUTURE_DATED_SUCCESS_COMMAND": ("1.1.2", SECONDARY | {"execution_date_time": WHEN}, "ESME"),
    "ECS01c_1.1.2_CANCELLATION_SUCCESS_COMMAND": ("1.1.2", SECONDARY | {"execution_date_time": NEVER}, "ESME"),
    "ECS01d_1.2.2_IMMEDIATE_SUCCESS_COMMAND": ("1.2.2", ELECTRICITY_PRICES, "ESME"),
    "ECS01d_1.2.2_FUTURE_DATED_SUCCESS_PRECOMMAND": (
        "1.2.2",
        ELECTRICITY_PRICES | {"execution_date_time": WHEN},
        "ESME",
    ),
    "ECS05_1.7_SUCCESS_COMMAND": ("1.7", {}, "ESME"),
    "GCS01a_1.1.1_FUTURE_DATED_BLOCK_SUCCESS_PRECOMMAND": (
        "1.1.1",
        GAS | gas_prices(9600, 10200, 10750, 11000, charge=54_794, thresholds_in_use=3) | {"execution_date_time": WHEN},
        "GSME",
    ),
    "GCS21f_4.11.1_NOT_FOUND_COMMAND": ("4.11.1", {}, "GSME"),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_request_becomes_the_published_command(name: str, rtds: Path) -> None:
    variant, params, target = PUBLISHED[name]
    text = (rtds / "gbcs" / "messages" / f"{name}_GBCS.HEX").read_text()
    published = Message.parse(bytes.fromhex("".join(text.split())))
    if variant == "4.11.1":
        request_id = RequestId(USERS["IS"][1], ESME, 1000)
        document = build_request(variant, request_id=request_id, command_variant=1, params=params)
        asked = Wanted(parse_request(parse(document)), target, None, "GS", WHEN, 0.0)
    else:
        asked = wanted(variant, params, target)
    command = transform(asked)
    content = command.use_case.encode_command(command.params, originator_counter=published.originator_counter)
    assert command.use_case.message_code == published.message_code
    assert content.hex() == published.content.hex()
    assert bool(command.instructions) is ("FUTURE_DATED" in name)


def test_the_published_request_becomes_a_command(rtds: Path) -> None:
    text = (rtds / "duis" / "ECS01a_1.1.1_FUTURE_DATED_TOU_BLOCK_SUCCESS_REQUEST_DUIS.XML").read_bytes()
    request = parse_request(parse(text))
    command = transform(Wanted(request, "ESME", None, "IS", WHEN, 0.0))
    params = command.params
    assert (command.use_case.name, command.instructions, params["activation_time"]) == ("ECS01a", 6, WHEN)
    assert [each.times for each in params["days"]] == [
        ((time(), 102), (time(7), 101)),
        ((time(6), 101), (time(23), 102)),
        ((time(), 1),),
    ]
    assert (params["thresholds_1"], params["thresholds_2"]) == ((10_000, NEVER_REACHED), (40_000, NEVER_REACHED))
    assert params["prices"] == {
        "tou_1": 2121,
        "block_1_tou_1": 2289,
        "block_1_tou_2": 4002,
        "block_2_tou_1": 3546,
        "block_2_tou_2": 6969,
    }


@pytest.mark.parametrize(("target", "other"), [("ESME", GAS), ("GSME", BY_TIME)])
def test_a_tariff_for_the_other_fuel_is_refused(target: str, other: dict[str, Any]) -> None:
    price = gas_prices(1) if other is GAS else prices(1)
    for variant, params in (("1.1.1", other | price), ("1.2.1", price)):
        with pytest.raises(NotTransformable) as refused:
            transform(wanted(variant, params, target))
        assert refused.value.code == "E11"


def test_a_date_that_no_gas_meter_can_have_is_refused() -> None:
    late = gas_tariff(1, year=2155, month=1, day_of_month=1)
    command = transform(wanted("1.1.1", late | gas_prices(1), "GSME"))
    with pytest.raises(GbcsError, match="the year 2155"):
        command.use_case.encode_command(command.params, originator_counter=1)
