"""Configuration, messages and identity: what is written is read again, and what is wrong is explained."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.eui import Eui64
from bench.gbcs import configuration_gas, configuration_gas_reads
from bench.gbcs.configuration_fields import BillingTime, bits_of, changes_of, codes_of, mask_and_actions
from bench.gbcs.configuration_use_cases import USE_CASES
from bench.gbcs.dlms_use_case import DlmsUseCase
from bench.gbcs.errors import GbcsError
from bench.gbcs.gbz_commands import GbzCommands
from bench.gbcs.use_case import UseCase
from tests.gbcs.properties import command_comes_back, is_read_or_refused, refusal_comes_back, response_comes_back

MOMENTS = st.integers(0, 2**32 - 2).map(lambda seconds: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))
UINT16, UINT8 = st.integers(0, 0xFFFF), st.integers(0, 0xFF)
ASCII = st.characters(min_codepoint=32, max_codepoint=126)
STATES = st.sampled_from(["locked", "unchanged"])
MPANS = st.integers(0, 10**13 - 1).map(lambda number: f"{number:013}")
TIMES = st.builds(
    BillingTime,
    st.times().map(lambda at: at.replace(microsecond=0, fold=0)),
    st.none() | st.integers(1, 12),
    st.none() | st.integers(1, 31),
    st.none() | st.integers(1, 7),
)
BITS = st.binary(min_size=32, max_size=32)
BY_NAME: dict[str, st.SearchStrategy[Any]] = {
    "message": st.text(ASCII, min_size=1, max_size=116),
    "supplier_name": st.text(ASCII, min_size=1, max_size=15),
    "supplier_telephone": st.text(ASCII, min_size=1, max_size=18),
    "customer_identification_number": st.integers(0, 9999).map(lambda number: f"{number:04}"),
    "export_mpan": MPANS,
    "import_mpan": MPANS,
    "import_mprn": st.integers(0, 10**10 - 1).map(lambda number: f"{number:010}"),
    "device_id": st.binary(min_size=8, max_size=8).map(Eui64),
    "meter_variant": st.sampled_from("ABC"),
    "model": st.text("0123456789ABCDEF", min_size=8, max_size=8),
    "manufacturer": st.text("0123456789ABCDEF", min_size=4, max_size=4),
    "supply_tamper_state": STATES,
    "supply_depletion_state": STATES,
    "billing_calendar": st.lists(TIMES, max_size=4).map(tuple),
    "firmware_version": st.binary(min_size=4, max_size=4),
    "period": st.sampled_from(sorted(configuration_gas.PERIODS.values())),
    "calorific_value_unit": st.just("MJ/m3"),
    "flow_unit": st.just("m3/h"),
    "calorific_value_trailing_digits": UINT8,
    "conversion_factor_trailing_digits": UINT8,
    "stabilisation_period_ds": UINT8,
    "flow_divisor": UINT16,
    "flow_multiplier": UINT16,
    "uncontrolled_flow_rate": UINT16,
    "measurement_period_s": UINT16,
    "count": st.integers(1, 20),
    **dict.fromkeys(("wan_alerts_on", "han_events_on", "audible_alarms_on", "logged_events_on"), BITS),
    **dict.fromkeys(("randomised_offset_s", "randomised_offset_number", "randomised_offset_limit_s"), UINT16),
    **dict.fromkeys(("issued_at", "restriction_time", "billing_start"), MOMENTS),
}
GROUPS = st.lists(st.tuples(UINT8, st.lists(UINT16, max_size=5).map(tuple)), min_size=1, max_size=5).map(tuple)
ROWS = st.lists(st.tuples(UINT16, UINT8), max_size=60).map(tuple)


def strategy(names: tuple[str, ...], behaviours: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    known = BY_NAME | {"behaviours": behaviours}
    return st.fixed_dictionaries({name: known.get(name, st.integers(0, 2**32 - 1)) for name in names})


def param_names(found: UseCase) -> tuple[str, ...]:
    if isinstance(found, DlmsUseCase):
        return tuple(name for item in found.items for name in item.params)
    if isinstance(found, GbzCommands):
        return found.names
    return ("issued_at", "behaviours") if found.name == "GCS20" else ()


def returned_names(found: UseCase) -> tuple[str, ...]:
    if isinstance(found, DlmsUseCase):
        return tuple(name for item in found.items for name in item.returned.names)
    others = {"GCS20": ("count",), "CS08": ("firmware_version",)}
    names: tuple[str, ...] = getattr(found, "returned", ())
    return others.get(found.name, names)


def use_case(name: str) -> Any:
    return next(each for each in USE_CASES if each.name == name)


@given(st.sampled_from(USE_CASES), st.integers(0, 2**63), st.data())
@settings(max_examples=250)
def test_commands_come_back(found: UseCase, counter: int, data: st.DataObject) -> None:
    params = data.draw(strategy(param_names(found), GROUPS))
    command_comes_back(found, counter, params)


@given(st.sampled_from(USE_CASES), st.integers(0, 2**63), st.data())
@settings(max_examples=250)
def test_responses_come_back(found: UseCase, counter: int, data: st.DataObject) -> None:
    values = data.draw(strategy(returned_names(found), ROWS))
    assert response_comes_back(found, counter, values) == values


@given(st.sampled_from(USE_CASES), st.integers(0, 2**63))
@settings(max_examples=100)
def test_refusals_come_back(found: UseCase, counter: int) -> None:
    refusal_comes_back(found, counter)


@given(st.sampled_from(USE_CASES), st.binary(max_size=80))
@settings(max_examples=200)
def test_any_bytes_are_read_or_refused(found: UseCase, content: bytes) -> None:
    is_read_or_refused(found, content)


@given(st.dictionaries(st.integers(0, 255), st.booleans()))
def test_changes_of_event_behaviour_come_back(changes: dict[int, bool]) -> None:
    octets = mask_and_actions(changes)
    assert len(octets) == 64
    assert changes_of(octets) == changes


def test_events_are_numbered_from_the_last_bit() -> None:
    assert bits_of([0]) == bytes(31) + b"\x01"
    assert codes_of(b"\x80" + bytes(31)) == [255]


def test_commands_after_one_that_failed_are_not_attempted() -> None:
    content = use_case("GCS24").encode_response({"statuses": (0xC0, None)}, originator_counter=1, ok=False)
    assert content.hex() == "010902000702000508000b0ec0010702000508010bff01"
    assert use_case("GCS24").decode_response(content).detail == "ZCL status C0, not attempted"


ISSUED = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "params", "complaint"),
    [
        ("ECS10", {"message": "x" * 117}, "0 to 116 ASCII characters"),
        ("ECS10", {"message": "£5"}, "ASCII characters"),
        ("ECS10", {}, "message is missing"),
        ("ECS81", {"supply_tamper_state": "open"}, "unchanged or locked"),
        ("ECS39b", {"export_mpan": "123"}, "13 digits"),
        ("ECS30", {"billing_calendar": (time(),)}, "a tuple of BillingTime"),
        ("GCS07", {"issued_at": ISSUED, "message": ""}, "1 to 116"),
        ("GCS25", {"issued_at": ISSUED, "billing_start": ISSUED, "period": "fortnightly"}, "monthly"),
        ("GCS23", {"issued_at": ISSUED, "conversion_factor_e5": 2**32}, "a whole number"),
        ("GCS20", {"issued_at": ISSUED, "behaviours": ((0, (1,) * 256),)}, "at most 255"),
        ("GCS46", {"import_mprn": "1"}, "has no parameter import_mprn"),
    ],
)
def test_wrong_parameters_are_explained(name: str, params: dict[str, Any], complaint: str) -> None:
    with pytest.raises(GbcsError, match=complaint):
        use_case(name).encode_command(params, originator_counter=1)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("GCS23", "0109 01 01 0700 0010 09 00 02 00000000 00000000 40E20100 50", "expected 2 of them"),
        ("GCS20r", "0109 01 01 0708 0005 09 00 05 0081", "not that of GCS20r"),
        ("GCS21a", "0109 01 01 0700 0005 00 00 00 0603", "expected 2 of them"),
        ("ECS12", "D9 20001267 00 01 02 0001 00005E2C0302 02 01 09 02 07DE", "expected 12"),
    ],
)
def test_wrong_commands_are_explained(name: str, content: str, complaint: str) -> None:
    with pytest.raises(GbcsError, match=complaint):
        use_case(name).decode_command(bytes.fromhex(content))


def test_two_times_of_issue_in_one_command_are_refused() -> None:
    gas = use_case("GCS23")
    params = {"issued_at": ISSUED, "conversion_factor_e5": 1, "calorific_value_dmj_per_m3": 2}
    content = bytearray(gas.encode_command(params, originator_counter=1))
    content[11] ^= 1
    with pytest.raises(GbcsError, match="two things about issued_at"):
        gas.decode_command(bytes(content))


def test_a_question_is_not_answered_by_a_yes() -> None:
    asked = next(each for each in configuration_gas_reads.USE_CASES if each.name == "GCS21k")
    with pytest.raises(GbcsError, match="answered by nothing"):
        asked.decode_response(bytes.fromhex("0109 01 01 0700 0005 08 00 0B 0B 00"))
