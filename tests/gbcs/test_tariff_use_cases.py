"""Tariffs and prices: what is written is read again, and what is wrong is explained."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.gbcs.dlms_use_case import DlmsUseCase
from bench.gbcs.errors import GbcsError
from bench.gbcs.load_control_fields import DatePattern
from bench.gbcs.tariff_fields import PRICE_NAMES, Day, Season, TariffSpecialDay, Week
from bench.gbcs.tariff_gas import SetGasTariff
from bench.gbcs.tariff_gas_reads import ReadGasTariff
from bench.gbcs.tariff_use_cases import USE_CASES
from bench.gbcs.use_case import UseCase
from tests.gbcs.properties import command_comes_back, is_read_or_refused, refusal_comes_back, response_comes_back

MOMENTS = st.integers(1, 2**32 - 2).map(lambda seconds: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))
ACTIVATION = st.sampled_from(["now", "never"]) | MOMENTS
UINT8, UINT16, UINT32 = st.integers(0, 0xFF), st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)
ASCII = st.characters(min_codepoint=32, max_codepoint=126)
TIMES = st.times().map(lambda at: at.replace(microsecond=at.microsecond // 10_000 * 10_000, fold=0))


def many(each: st.SearchStrategy[Any], most: int, least: int = 0) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(each, min_size=least, max_size=most).map(tuple)


NUMBER = st.integers(-0x8000, 0x7FFF)


def prices(names: Collection[str]) -> st.SearchStrategy[dict[str, int]]:
    return st.dictionaries(st.sampled_from(list(names)), NUMBER.filter(bool), max_size=8)


PATTERNS = st.builds(
    DatePattern,
    st.none() | st.integers(0, 0xFFFE),
    st.none() | st.integers(1, 12),
    st.none() | st.integers(0, 0xFE),
    st.none() | st.integers(0, 0xFE),
)
WHOLE_TIMES = st.times().map(lambda at: at.replace(microsecond=0, fold=0))
SEASONS = many(
    st.builds(
        Season,
        st.text(ASCII, max_size=8),
        PATTERNS,
        st.none() | WHOLE_TIMES,
        UINT8,
        st.just(bytes.fromhex("008000ff")) | st.binary(min_size=4, max_size=4),
    ),
    4,
)
WEEKS = many(st.builds(Week, UINT8, many(UINT8, 7, 7)), 4)
DAYS = many(st.builds(Day, UINT8, many(st.tuples(TIMES, UINT16), 6)), 6)
SPECIAL_DAYS = many(st.builds(TariffSpecialDay, UINT16, PATTERNS, UINT8), 6)
ELECTRICITY: dict[str, st.SearchStrategy[Any]] = {
    "currency_gbp": st.booleans(),
    "daily_block_reset": st.booleans(),
    "activation_time": ACTIVATION,
    "standing_charge": NUMBER,
    "prices": prices(PRICE_NAMES),
    "secondary_prices": prices([f"tou_{tou}" for tou in range(1, 5)]),
    **{f"{element}{name}": rows for element in ("", "secondary_") for name, rows in (
        ("seasons", SEASONS), ("weeks", WEEKS), ("days", DAYS), ("special_days", SPECIAL_DAYS), ("active_price", UINT32)
    )},
    **dict.fromkeys(("standing_charge_scale", "prices_scale", "secondary_prices_scale"), st.integers(-128, 127)),
    **{f"thresholds_{tou}": many(UINT32, 3) for tou in range(1, 9)},
}  # fmt: skip
MINUTES = st.integers(0, 1439).map(lambda minutes: time(*divmod(minutes, 60)))
PARTS = st.none() | st.integers(0, 0xFE)
ROWS = many(st.tuples(st.builds(DatePattern, st.none() | st.integers(1900, 2154), PARTS, PARTS, PARTS), UINT8), 6)
GAS: dict[str, st.SearchStrategy[Any]] = {
    "issued_at": MOMENTS,
    "activation_time": ACTIVATION,
    "scheme": st.sampled_from(["tou", "block"]),
    "prices": many(UINT32, 4, 1),
    "standing_charge": UINT32,
    "currency": st.sampled_from(["GBP", "ECB"]),
    "thresholds_in_use": st.integers(0, 3),
    "seasons": ROWS,
    "special_days": ROWS,
    "weeks": many(st.builds(Week, UINT8, many(UINT8, 7, 7)), 3, 1),
    "days": many(st.builds(Day, UINT8, many(st.tuples(MINUTES, UINT8), 5)), 4, 1),
    "thresholds": many(st.integers(0, 2**48 - 1), 3),
    "active_price": UINT32,
}
_PRICES = ("issued_at", "activation_time", "scheme", "prices", "standing_charge", "currency")
_CALENDAR = ("seasons", "weeks", "days", "special_days", "thresholds")


def drawn(data: st.DataObject, found: UseCase, sent: bool) -> dict[str, Any]:
    """Parameters of a command, or values of its response."""
    if isinstance(found, DlmsUseCase):
        names = [name for item in found.items for name in (item.params if sent else item.returned.names)]
        return {name: data.draw(ELECTRICITY[name], name) for name in names}
    chosen: tuple[str, ...] = ()
    if isinstance(found, SetGasTariff) and sent:
        chosen = (*_PRICES, "thresholds_in_use", *(_CALENDAR if found.whole else ()))
    elif isinstance(found, ReadGasTariff) and not sent:
        chosen = (*_PRICES, *_CALENDAR, "active_price")
    return {name: data.draw(GAS[name], name) for name in chosen}


def use_case(name: str) -> Any:
    return next(each for each in USE_CASES if each.name == name)


@given(st.sampled_from(USE_CASES), st.integers(0, 2**63), st.data())
@settings(max_examples=150)
def test_commands_come_back(found: UseCase, counter: int, data: st.DataObject) -> None:
    params = drawn(data, found, sent=True)
    command_comes_back(found, counter, params)


@given(st.sampled_from(USE_CASES), st.integers(0, 2**63), st.data())
@settings(max_examples=150)
def test_responses_come_back(found: UseCase, counter: int, data: st.DataObject) -> None:
    values = drawn(data, found, sent=False)
    assert response_comes_back(found, counter, values) == values


@given(st.sampled_from(USE_CASES), st.integers(0, 2**63))
@settings(max_examples=50)
def test_refusals_come_back(found: UseCase, counter: int) -> None:
    refusal_comes_back(found, counter)


@given(st.sampled_from(USE_CASES), st.binary(max_size=80), st.data())
@settings(max_examples=150)
def test_any_bytes_are_read_or_refused(found: UseCase, content: bytes, data: st.DataObject) -> None:
    whole = bytearray(found.encode_command(drawn(data, found, sent=True), originator_counter=1))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    is_read_or_refused(found, content, bytes(whole), bytes(whole[:place]))


def test_a_time_that_is_none_is_no_season() -> None:
    found = use_case("ECS01c")
    params = {"secondary_seasons": (Season("spring", DatePattern(2031, 3, 20), time(22, 45), 1),)}
    others = {"secondary_weeks": (), "secondary_days": (), "secondary_special_days": (), "activation_time": "now"}
    price = {"secondary_prices": {}, "secondary_prices_scale": 0}
    content = found.encode_command(params | others | price, originator_counter=1)
    start = bytes.fromhex("07ef0314ff162d00008000ff")
    assert content.count(start) == 1
    with pytest.raises(GbcsError, match="192d00 is no time of day"):
        found.decode_command(content.replace(start, bytes.fromhex("07ef0314ff192d00008000ff")))


ISSUED = datetime(2026, 1, 1, tzinfo=UTC)
PRICED = {"issued_at": ISSUED, "scheme": "tou", "currency": "GBP", "standing_charge": 1, "thresholds_in_use": 0}
WHOLE = PRICED | {"prices": (1,), "weeks": (), "days": (), "seasons": (), "special_days": (), "thresholds": ()}


@pytest.mark.parametrize(
    ("name", "params", "complaint"),
    [
        ("ECS01d", {"secondary_prices": {"tou_5": 1}}, "prices by name: tou_1"),
        ("ECS01d", {"secondary_prices": {"tou_4": 0x8000}, "secondary_prices_scale": 0}, "16 bits"),
        ("ECS01d", {"secondary_prices": {}, "secondary_prices_scale": -200}, "8 bits"),
        ("ECS48", {"daily_block_reset": 1}, "True or False"),
        ("GCS01b", PRICED | {"prices": ()}, "1 to 4"),
        ("GCS01b", PRICED | {"prices": (1,), "scheme": "hybrid"}, "tou or block"),
        ("GCS01b", PRICED | {"prices": (1,), "currency": "USD"}, "GBP or ECB"),
        ("GCS01b", PRICED | {"prices": (1,), "weeks": ()}, "no parameter weeks"),
        ("GCS01a", WHOLE | {"thresholds": (1, 2, 3, 4)}, "at most 3"),
        ("GCS01a", WHOLE | {"weeks": (Week(1, (1,)),)}, "expected 7"),
        ("GCS01a", WHOLE | {"days": (Day(1, ((time(), 256),)),)}, "0 to 255"),
        ("GCS01a", WHOLE | {"seasons": ((DatePattern(2155), 1),)}, "1900 to 2154"),
    ],
)
def test_wrong_parameters_are_explained(name: str, params: dict[str, Any], complaint: str) -> None:
    with pytest.raises(GbcsError, match=complaint):
        use_case(name).encode_command(params, originator_counter=1)


def test_a_tariff_of_gas_fails_at_one_of_its_commands() -> None:
    found = use_case("GCS01b")
    content = found.encode_response({"failed": 1, "status": 0x87}, originator_counter=1, ok=False)
    assert found.decode_response(content).values == {"failed": 1, "status": 0x87}
