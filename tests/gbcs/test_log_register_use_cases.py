"""Logs of what registers said: known answers, round trips, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.gbcs import dlms, gbz, log_gas_use_cases, log_register_use_cases, protected
from bench.gbcs.errors import GbcsError
from bench.gbcs.gbz_snapshots import NOT_FOUND, ReadSnapshots
from bench.gbcs.log_gas_use_cases import DAY_S, DAYS, days_between
from bench.gbcs.message import Message
from bench.gbcs.use_case import UseCase

AT = datetime(2014, 12, 31, tzinfo=UTC)
PERIOD = {"log_from": AT, "log_to": AT + timedelta(days=31)}
MOMENTS = st.integers(0, 2**32 - 2).map(lambda seconds: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))
UINT32, INT32 = st.integers(0, 2**32 - 1), st.integers(-(2**31), 2**31 - 1)
UINT48, UINT24 = st.integers(0, 2**48 - 1), st.integers(0, 2**24 - 1)


def several(number: Any, count: int) -> Any:
    return st.lists(number, min_size=count, max_size=count).map(tuple)


REGISTERS = (UINT32, several(UINT32, 48), *(several(UINT32, 8),) * 4)
MONEY = (INT32,) * 6
GAS_ROWS = {
    False: st.tuples(MOMENTS, UINT32, UINT48, several(UINT48, 4), several(UINT48, 4)),
    True: st.tuples(MOMENTS, UINT32, *MONEY),
}
ROWS = {
    ("ECS20b", "billing_log"): (*REGISTERS, *MONEY),
    ("ECS20c", "billing_log"): REGISTERS,
    ("ECS20c", "billing_prepayment_log"): MONEY,
    ("ECS21a", "daily_read_log"): REGISTERS,
    ("ECS21c", "daily_export_log"): (UINT32,),
    ("ECS66", "daily_consumption_log"): (UINT32,),
}


def named(name: str, device_type: str = "") -> UseCase:
    every: tuple[UseCase, ...] = (*log_register_use_cases.USE_CASES, *log_gas_use_cases.USE_CASES)
    return next(each for each in every if each.name == name and each.device_type in (device_type, each.device_type))


@given(st.sampled_from(log_register_use_cases.USE_CASES), st.data())
@settings(max_examples=40)
def test_logs_of_an_esme_round_trip(found: Any, data: st.DataObject) -> None:
    params = {name: data.draw(MOMENTS) for name in PERIOD}
    assert found.decode_command(found.encode_command(params, originator_counter=7)) == params
    values = {
        log: data.draw(st.lists(st.tuples(MOMENTS, *cells), max_size=3).map(tuple))
        for (name, log), cells in ROWS.items()
        if name == found.name
    }
    assert found.decode_response(found.encode_response(values, originator_counter=7)).values == values


@given(st.sampled_from([each for each in log_gas_use_cases.USE_CASES if isinstance(each, ReadSnapshots)]), st.data())
@settings(max_examples=40)
def test_snapshots_of_a_gsme_round_trip(found: ReadSnapshots, data: st.DataObject) -> None:
    params = {name: data.draw(MOMENTS) for name in PERIOD}
    assert found.decode_command(found.encode_command(params, originator_counter=7)) == params
    values = {
        each.name: data.draw(st.lists(GAS_ROWS[each.prepayment], max_size=each.most).map(tuple))
        for each in found.series
    }
    response = found.decode_response(found.encode_response(values, originator_counter=7))
    assert response.ok
    assert response.values == values


@given(MOMENTS, st.sampled_from([360, DAY_S]), st.lists(UINT24, min_size=1, max_size=DAYS).map(tuple))
@settings(max_examples=30)
def test_samples_round_trip(first: datetime, interval_s: int, samples: tuple[int, ...]) -> None:
    values = {"first_sample": first, "interval_s": interval_s, "samples": samples}
    for name in ("GCS18", "GCS61"):
        content = named(name).encode_response(values, originator_counter=7)
        assert named(name).decode_response(content).values == values


def test_a_published_billing_log_is_as_long_as_three_rows(rtds: Path) -> None:
    text = (rtds / "gbcs/messages/ECS20b_4.4.2_SINGLE_SUCCESS_RESPONSE_GBCS.HEX").read_text()
    _, (found,) = dlms.decode_response(Message.parse(bytes.fromhex(text)).content)
    row = (AT, 1, (0,) * 48, *((0,) * 8,) * 4, *(0,) * 6)
    ours = named("ECS20b").encode_response({"billing_log": (row,) * 3}, originator_counter=7)
    _, (plain,) = dlms.decode_response(ours)
    assert isinstance(found.data.value, tuple)
    assert isinstance(plain.data.value, tuple)
    overhead = len(protected.encrypt(b"", bytes(16), Message.parse(bytes.fromhex(text)).originator))
    assert len(found.data.value[1].octets) == len(plain.data.value[1].octets) + overhead


def test_published_network_data_are_as_long_as_41_samples(rtds: Path) -> None:
    text = (rtds / "gbcs/messages/GCS18_4.10_SUCCESS_RESPONSE_GBCS.HEX").read_text()
    message = Message.parse(bytes.fromhex(text))
    values = {"first_sample": AT, "interval_s": 360, "samples": (1,) * 41}
    plain = Message.parse(bytes.fromhex(text))
    (found,) = gbz.read_components(message.content)
    (ours,) = gbz.decode_components(named("GCS18").encode_response(values, originator_counter=7))
    overhead = len(protected.encrypt(b"", bytes(16), plain.originator))
    assert (found.cluster, found.frame_control, found.command) == (ours.cluster, ours.frame_control, ours.command)
    assert len(found.payload) == len(ours.payload) + overhead


COMMANDS: list[tuple[str, dict[str, Any], str]] = [
    ("CS11", {}, "0109 01 01 0709 0004 01 00 01 03"),
    ("GCS31", {"issued_at": AT}, "0109 01 01 0702 0010 01 00 07 00F9351C 00000000 00 6801 2900"),
    ("GCS18", {}, "0109 01 01 0702 000C 01 00 08 0200 01000000 00 2900"),
    (
        "GCS61",
        {"log_from": AT, "number_of_samples": 731},
        "0109 01 01 0702 000C 01 00 08 0100 00F9351C 00 DB02",
    ),
]


@pytest.mark.parametrize(("name", "params", "content"), COMMANDS)
def test_command(name: str, params: dict[str, Any], content: str) -> None:
    assert named(name).encode_command(params, originator_counter=7) == bytes.fromhex(content)
    assert named(name).decode_command(bytes.fromhex(content)) == params


@pytest.mark.parametrize(
    ("name", "content", "ok", "values"),
    [
        ("CS11", "0109 01 01 0709 0004 09 00 02 08", True, {}),
        ("CS11", "0109 01 01 0709 0004 09 00 02 00", False, {}),
        ("CS11", "0109 01 01 0709 0005 08 00 0B 01 C0", False, {"status": 0xC0}),
        ("GCS31", "0109 01 01 0702 0005 09 00 0D 0200", True, {}),
        ("GCS31", "0109 01 01 0702 0005 09 00 0D FFFF", False, {}),
        (
            "GCS61",
            "0109 01 01 0702 0011 19 00 07 0100 00F9351C 00 FFFF 0100 010203",
            True,
            {"first_sample": AT, "interval_s": DAY_S, "samples": (0x030201,)},
        ),
        (
            "GCS18",
            "0109 01 01 0702 0005 08 00 0B 08 8B",
            True,
            {"first_sample": None, "interval_s": 0, "samples": ()},
        ),
        ("GCS18", "0109 01 01 0702 0005 08 00 0B 08 C0", False, {"status": 0xC0}),
    ],
)
def test_response(name: str, content: str, ok: bool, values: dict[str, Any]) -> None:
    response = named(name).decode_response(bytes.fromhex(content))
    assert (response.ok, response.values) == (ok, values)
    assert named(name).encode_response(values, originator_counter=7, ok=ok) == bytes.fromhex(content)


def test_a_snapshot_is_laid_out_as_published() -> None:
    row = (AT, 2, 1, (2, 3, 4, 5), (6, 7, 8, 9))
    money = (AT, 2, 1, 2, 3, 4, -1, -2)
    content = named("GCS15c").encode_response(
        {"billing_log": (row,), "billing_prepayment_log": (money,)}, originator_counter=7
    )
    components = gbz.decode_components(content)
    assert len(components) == 24
    numbers = ["".join(f"{n:02X}0000000000" for n in some) for some in ((1,), (2, 3, 4, 5), (6, 7, 8, 9))]
    head = "00F9351C 00F9351C 01 00 01 02000000"
    assert components[0].payload == bytes.fromhex(f"{head} 06 {numbers[0]} 04 {numbers[1]} 14 {numbers[2]}")
    assert components[1].payload == bytes([0x06, NOT_FOUND])
    debts = "01000000 02000000 03000000 04000000 FFFFFFFF FEFFFFFF"
    assert components[12].payload == bytes.fromhex(f"{head} 00 {debts}")
    assert [each.sequence for each in components] == list(range(24))


@pytest.mark.parametrize(
    ("name", "values", "complaint"),
    [
        ("ECS21a", {"daily_read_log": ((AT, 1),)}, "has 2 columns; expected 7"),
        ("ECS21a", {"daily_read_log": ((AT, 1, (0,) * 47, *((0,) * 8,) * 4),)}, "a tuple of 48 numbers"),
        ("ECS20c", {"billing_prepayment_log": ((AT, 2**31, 0, 0, 0, 0, 0),)}, "32 bits with its sign"),
        ("GCS16a", {"daily_read_log": ((AT, 1, 1),)}, "a tuple of time, cause and registers"),
        ("GCS16a", {"daily_read_log": ((AT, 1, 1, (1,), (1,)),)}, "4 by time of use and 4 by block"),
        ("GCS16a", {"daily_read_log": ((AT, 1, 1, (1,) * 4, (1,) * 4),) * 32}, "at most 31"),
        ("GCS15c", {"billing_prepayment_log": ((AT, 1, *(2**31,) * 6),)}, "whole numbers of 32 bits"),
        ("GCS61", {"first_sample": AT, "interval_s": 1, "samples": (2**24,)}, "from 0 to 16777215"),
    ],
)
def test_wrong_values_are_explained(name: str, values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(GbcsError, match=complaint):
        named(name).encode_response(values, originator_counter=7)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("CS11", "0109 01 01 0709 0004 01 00 01 04", "log id"),
        ("GCS31", "0109 01 01 0702 0010 01 00 07 00F9351C 01000000 00 6801 2900", "start, sample type"),
        ("GCS18", "0109 01 01 0702 000C 01 00 08 0200 02000000 00 2900", "earliest sample"),
        ("GCS16a", "0109 01 01 0702 0010 01 00 06 00F9351C 00F9351C 00 01000000", "expected 31 of them"),
    ],
)
def test_wrong_commands_are_explained(name: str, content: str, complaint: str) -> None:
    with pytest.raises(GbcsError, match=complaint):
        named(name).decode_command(bytes.fromhex(content))


def test_snapshots_of_two_ranges_are_refused() -> None:
    content = bytearray(named("GCS16a").encode_command(PERIOD, originator_counter=7))
    content[-13] ^= 1  # the last request begins at another time
    with pytest.raises(GbcsError, match="two things about log_from"):
        named("GCS16a").decode_command(bytes(content))


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("CS11", "0109 01 01 0709 0004 09 00 03 08", "no response of CS11"),
        ("GCS31", "0109 01 01 0702 0005 09 00 0D 0300", "expected 0002 or FFFF"),
        ("GCS31", "0109 01 01 0702 0005 09 00 0C 0200", "no response of GCS31"),
        ("GCS18", "0109 01 01 0702 0011 19 00 07 0200 00F9351C 00 6801 0100 010203", "no response of GCS18"),
        ("GCS16a", "0109 01 01 0702 0005 08 00 0B 06 8B", "expected 31 of them"),
    ],
)
def test_wrong_responses_are_explained(name: str, content: str, complaint: str) -> None:
    with pytest.raises(GbcsError, match=complaint):
        named(name).decode_response(bytes.fromhex(content))


def test_refused_snapshots_say_with_which_status() -> None:
    content = named("GCS16a").encode_response({"status": 0x7E}, originator_counter=7, ok=False)
    assert named("GCS16a").decode_response(content).values == {"status": 0x7E}


@pytest.mark.parametrize(
    ("days", "samples"), [(timedelta(hours=5), 1), (timedelta(days=9, hours=5), 9), (timedelta(days=9000), DAYS)]
)
def test_a_range_of_days_is_a_number_of_samples(days: timedelta, samples: int) -> None:
    assert days_between(AT, AT + days) == samples
