"""Payment: what is written is read again, what is wrong is explained, and answers are as long as published ones."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.eui import Eui64
from bench.gbcs import gbz, protected, utrn
from bench.gbcs.dlms_use_case import DlmsUseCase
from bench.gbcs.errors import GbcsError
from bench.gbcs.gbz_many_reads import ReadClusters
from bench.gbcs.gbz_snapshots import ReadSnapshots
from bench.gbcs.load_control_fields import DatePattern, SpecialDay, SwitchingTime
from bench.gbcs.payment_fields import (
    CHARGES,
    CREDITS,
    Collection,
    credit_collections,
    prepayment_collections,
    suspensions,
)
from bench.gbcs.payment_gas import CONTROLS, TOP_UP_RESULTS
from bench.gbcs.payment_gas_calendar import GasCalendar
from bench.gbcs.payment_use_cases import REGISTERS, USE_CASES
from bench.gbcs.use_case import UseCase
from tests.gbcs.properties import command_comes_back, is_read_or_refused, refusal_comes_back, response_comes_back

MOMENTS = st.integers(1, 2**32 - 3).map(lambda seconds: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))
INT8, INT16, INT32 = (st.integers(-(1 << bits - 1), (1 << bits - 1) - 1) for bits in (8, 16, 32))
UINT8, UINT16, UINT32 = (st.integers(0, (1 << bits) - 1) for bits in (8, 16, 32))
UTRNS = st.integers(0, 10**20 - 1).map(lambda number: f"{number:020}")
PATTERNS = st.builds(
    DatePattern,
    st.none() | st.integers(2000, 2100),
    st.none() | st.integers(1, 12),
    st.none() | st.integers(1, 31),
    st.none() | st.integers(1, 7),
)
MINUTES = st.integers(0, 1439).map(lambda minute: time(*divmod(minute, 60)))
CALENDARS = st.builds(
    GasCalendar,
    st.dictionaries(UINT8, st.lists(st.tuples(MINUTES, st.booleans()), max_size=3).map(tuple), min_size=1, max_size=5),
    st.dictionaries(UINT8, st.tuples(*(UINT8,) * 7), min_size=1, max_size=2),
    st.lists(st.tuples(PATTERNS, UINT8), max_size=3).map(tuple),
    st.lists(st.tuples(PATTERNS, UINT8), max_size=20).map(tuple),
)
SWITCHING = st.builds(
    SwitchingTime,
    st.sampled_from([0x20, 0x21]),
    st.times().map(lambda at: at.replace(microsecond=0, fold=0)),
    st.tuples(*(st.booleans(),) * 7),
    st.lists(st.booleans(), max_size=20).map(tuple),
    PATTERNS,
    PATTERNS,
)
COLLECTIONS = st.builds(
    Collection,
    st.sampled_from(sorted(CREDITS.values())),
    st.sampled_from(sorted(CHARGES.values())),
    st.integers(0, 7).map(lambda bits: bits << 5),
)
MONEY_ROWS = st.lists(st.tuples(MOMENTS, *(INT32,) * 6), max_size=5).map(tuple)
GAS_MONEY_ROWS = st.lists(st.tuples(MOMENTS, UINT32, *(INT32,) * 6), max_size=5).map(tuple)


def rows(*cells: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(st.tuples(*cells), max_size=5).map(tuple)


NAMED: dict[str, st.SearchStrategy[Any]] = {
    "activation_time": st.sampled_from(["now", "never"]) | MOMENTS,
    "account_status": st.sampled_from(["new and inactive", "active", "closed"]),
    "calendar_id": UINT32,
    "collections": st.lists(COLLECTIONS, max_size=20).map(tuple),
    "non_disablement": st.integers(0, 1),
    "non_disablement_calendar": CALENDARS,
    "non_disablement_times": st.lists(SWITCHING, max_size=4).map(tuple),
    "payment_control": st.sampled_from(sorted(CONTROLS)),
    "payment_mode": st.sampled_from(["credit", "prepayment"]),
    "special_days": st.lists(st.builds(SpecialDay, st.integers(1, 20), PATTERNS), max_size=20).map(tuple),
    "suspend_debt_disabled": st.booleans(),
    "suspend_debt_emergency": st.booleans(),
    "trailing_digits": UINT8,
    "currency": UINT16,
    "utrn": UTRNS,
    "recovery_per_payment_bp": UINT16,
    **dict.fromkeys(("time_debt_1_period", "time_debt_2_period"), st.sampled_from(["hourly", "daily"])),
    **dict.fromkeys(("issued_at", "calendar_issued_at", "log_from", "log_to"), MOMENTS),
    **dict.fromkeys(("time_debt_1_price_scale", "time_debt_2_price_scale"), INT8),
    **dict.fromkeys(("time_debt_1_period_s", "time_debt_2_period_s"), UINT32),
}
POSITIVE = st.integers(0, 2**31 - 1)
FITS = {  # what has 16 bits in one use case and 32 in others
    "ECS07": {"time_debt_1_rate": INT16, "time_debt_2_rate": INT16},
    "ECS26a": {"time_debt_1_rate": INT16, "time_debt_2_rate": INT16, "debt_recovery_rate_cap": UINT16},
    "ECS08": {"debt_recovery_rate_cap": UINT16},
    "ECS08a": {"debt_recovery_rate_cap": UINT16},
    "ECS20a": {"debt_payments": rows(MOMENTS, UINT32)},
    "ECS21b": {"prepayment_daily_log": MONEY_ROWS},
    "GCS16b": {"prepayment_daily_log": GAS_MONEY_ROWS},
    "GCS15d": {"debt_payments": rows(MOMENTS, UINT32, UINT32)},
    "GCS15e": {"prepayment_credits": rows(UTRNS, INT32, MOMENTS)},
}


def strategy(found: UseCase, names: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    known = NAMED | FITS.get(found.name, {})
    return st.fixed_dictionaries({name: known.get(name, POSITIVE) for name in names})


def param_names(found: UseCase) -> tuple[str, ...]:
    if isinstance(found, DlmsUseCase):
        return tuple(name for item in found.items for name in item.params)
    if isinstance(found, ReadClusters):
        return ()
    if isinstance(found, ReadSnapshots):
        return "log_from", "log_to"
    names: tuple[str, ...] = getattr(found, "names", ())
    return names


def returned_names(found: UseCase) -> tuple[str, ...]:
    if isinstance(found, DlmsUseCase):
        return tuple(name for item in found.items for name in item.returned.names)
    if isinstance(found, ReadSnapshots):
        return tuple(each.name for each in found.series)
    names: tuple[str, ...] = getattr(found, "returned", ())
    if found.name == "GCS21b":
        return (*names, "issued_at", "activation_time", "non_disablement_calendar")
    return names


def use_case(name: str) -> Any:
    return next(each for each in USE_CASES if each.name == name)


@given(st.sampled_from(USE_CASES), st.integers(0, 2**63), st.data())
@settings(max_examples=150)
def test_commands_come_back(found: UseCase, counter: int, data: st.DataObject) -> None:
    params = data.draw(strategy(found, param_names(found)))
    command_comes_back(found, counter, params)


@given(st.sampled_from(USE_CASES), st.integers(0, 2**63), st.data())
@settings(max_examples=150)
def test_responses_come_back(found: UseCase, counter: int, data: st.DataObject) -> None:
    values = data.draw(strategy(found, returned_names(found)))
    response_comes_back(found, counter, values)


@given(st.sampled_from(USE_CASES), st.integers(0, 2**63))
@settings(max_examples=80)
def test_refusals_come_back(found: UseCase, counter: int) -> None:
    refusal_comes_back(found, counter)


@given(st.sampled_from(USE_CASES), st.binary(max_size=80), st.data())
@settings(max_examples=200)
def test_any_bytes_are_read_or_refused(found: UseCase, noise: bytes, data: st.DataObject) -> None:
    params = data.draw(strategy(found, param_names(found)))
    command = found.encode_command(params, originator_counter=1)
    place = data.draw(st.integers(0, len(command)))
    is_read_or_refused(found, noise, command[:place], command[:place] + noise[:1] + command[place + 1 :])


@pytest.mark.parametrize("disabled", [True, False])
@pytest.mark.parametrize("emergency", [True, False])
def test_what_is_suspended_is_read_from_what_is_collected(disabled: bool, emergency: bool) -> None:
    made = prepayment_collections(suspend_debt_disabled=disabled, suspend_debt_emergency=emergency)
    assert suspensions(made) == (disabled, emergency)
    assert set(credit_collections()) <= set(made)


SUPPLIER, METER = Eui64.parse("90-B3-D5-1F-30-01-00-00"), Eui64.parse("00-DB-12-34-56-78-90-A0")
KEYS = [ec.derive_private_key(number, ec.SECP256R1()) for number in (5, 6)]
THEN = datetime(2015, 1, 1, tzinfo=UTC)
MONEY = dict.fromkeys(REGISTERS, 1)


@pytest.mark.parametrize(
    ("name", "values", "length"),
    [
        ("ECS19", MONEY, 118),
        ("ECS21b", {"prepayment_daily_log": ((THEN, 1, 2, 3, 4, 5, 6),) * 7}, 295),
        ("GCS14", {"trailing_digits": 0x50, "currency": 826, **MONEY}, 99),
        ("GCS15d", {"debt_payments": ((THEN, 1, 2),) * 10}, 164),
        ("GCS16b", {"prepayment_daily_log": ((THEN, 1, 2, 3, 4, 5, 6, 7),) * 2}, 431),
    ],
)
def test_encrypted_answers_are_as_long_as_published_ones(name: str, values: dict[str, Any], length: int) -> None:
    asked = {} if name in ("ECS19", "GCS14") else {"log_from": THEN, "log_to": THEN}
    found = use_case(name)
    command = found.build_command(asked, originator=SUPPLIER, recipient=METER, originator_counter=1)
    response = found.build_response(command, values)
    key = protected.content_key(response, KEYS[0], KEYS[1].public_key())
    concealed = protected.conceal(response, key, found.in_the_clear)
    assert len(concealed.content) == length
    assert found.decode_response(protected.reveal(concealed, key).content).values == values


def test_format_and_currency_of_a_gas_meter_are_no_secret() -> None:
    found = use_case("GCS14")
    command = found.build_command({}, originator=SUPPLIER, recipient=METER, originator_counter=1)
    response = found.build_response(command, {"trailing_digits": 0x50, "currency": 826, **MONEY})
    concealed = protected.conceal(response, bytes(16), found.in_the_clear)
    assert [each.encrypted for each in gbz.read_components(concealed.content)] == [False, True]


@pytest.mark.parametrize("result", [word for number, word in TOP_UP_RESULTS.items() if number])
def test_a_refused_top_up_says_why(result: str) -> None:
    content = use_case("CS01b").encode_response({"result": result}, originator_counter=1, ok=False)
    response = use_case("CS01b").decode_response(content)
    assert (response.ok, response.values) == (False, {"result": result})


GAS = {"issued_at": THEN, "activation_time": "now"}


@pytest.mark.parametrize(
    ("name", "params", "complaint"),
    [
        ("CS01a", {"utrn": "1"}, "20 digits"),
        ("CS01b", {"utrn": "x" * 20}, "20 digits"),
        ("ECS04a", {"adjustment": 1 << 31}, "a whole number from"),
        ("ECS02", {"collections": ("price",)}, "a tuple of Collection"),
        ("ECS02", {"collections": (Collection("purse", "price"),)}, "the credit is 'purse'"),
        ("ECS02", {"collections": (Collection("meter balance", "price", 1),)}, "three bits"),
        ("GCS03", {**GAS, "disablement_threshold": 0, "suspend_debt_disabled": 2}, "True or False"),
        ("GCS40a", {"issued_at": THEN, "adjustment": -(1 << 31) - 1}, "a whole number from"),
        ("GCS05", {"issued_at": THEN}, "emergency_credit_limit is missing"),
    ],
)
def test_wrong_parameters_are_explained(name: str, params: dict[str, Any], complaint: str) -> None:
    with pytest.raises(GbcsError, match=complaint):
        use_case(name).encode_command(params, originator_counter=1)


def test_a_calendar_keeps_the_supply_on_by_day_week_season_and_special_day() -> None:
    night = ((time(0), True), (time(8), False), (time(22), True))
    calendar = GasCalendar(
        days={1: night, 2: ((time(0), True),), 3: ()},
        weeks={1: (1, 1, 1, 1, 1, 2, 2), 2: (3,) * 7},
        seasons=((DatePattern(month=1, day=1), 1), (DatePattern(month=7, day=1), 2)),
        special_days=((DatePattern(month=12, day=25), 2), (DatePattern(month=3, day=4), 2)),
    )
    assert calendar.keeps_on(datetime(2026, 3, 3, 7, 59, tzinfo=UTC))  # a Tuesday
    assert not calendar.keeps_on(datetime(2026, 3, 3, 12, tzinfo=UTC))
    assert calendar.keeps_on(datetime(2026, 3, 4, 12, tzinfo=UTC))
    assert calendar.keeps_on(datetime(2026, 3, 7, 12, tzinfo=UTC))  # a Saturday
    assert not calendar.keeps_on(datetime(2026, 8, 7, 12, tzinfo=UTC))
    assert not GasCalendar().keeps_on(datetime(2026, 8, 7, 12, tzinfo=UTC))


def test_a_top_up_command_takes_what_was_issued() -> None:
    text = utrn.issue(5, 1, KEYS[0], KEYS[1].public_key(), SUPPLIER, METER, pounds=True)
    content = use_case("CS01b").encode_command({"utrn": text}, originator_counter=1)
    assert use_case("CS01b").decode_command(content) == {"utrn": text}
