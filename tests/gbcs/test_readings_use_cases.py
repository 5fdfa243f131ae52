"""Registers, profiles and maximum demands as reference messages have them, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import pytest

from bench.eui import Eui64
from bench.gbcs import dlms, gbz, protected
from bench.gbcs.errors import GbcsError
from bench.gbcs.message import Message
from bench.gbcs.readings_fields import END, START
from bench.gbcs.readings_use_cases import USE_CASES
from bench.gbcs.use_case import UseCase

CASES = {(each.name, each.device_type): each for each in USE_CASES}
USER, DEVICE = Eui64.parse("90-B3-D5-1F-30-01-00-00"), Eui64.parse("00-DB-12-34-56-78-90-A0")
A_DAY = {"log_from": datetime(2014, 12, 31, tzinfo=UTC), "log_to": datetime(2015, 1, 1, tzinfo=UTC)}


def message(rtds: Path, name: str) -> Message:
    return Message.parse(bytes.fromhex((rtds / "gbcs" / "messages" / f"{name}_GBCS.HEX").read_text()))


@pytest.mark.parametrize(
    ("file", "name", "params"),
    [
        ("ECS17a_4.2_ERROR_COMMAND", "ECS17a", {}),
        ("ECS17b_4.1.1_SINGLE_SUCCESS_COMMAND", "ECS17b", {}),
        ("ECS17d_4.1.2_TWIN_SUCCESS_COMMAND", "ECS17d", {}),
        ("ECS17e_4.1.3_SUCCESS_COMMAND", "ECS17e", {}),
        ("ECS22b_4.8.1_ERROR_COMMAND", "ECS22b", A_DAY),
        ("ECS57_6.18.2_SOME_OPTIONALS_SUCCESS_COMMAND", "ECS57", {"reset_max_demand_config_time": True}),
        ("GCS13a_4.1.1_ERROR_COMMAND", "GCS13a", {}),
    ],
)
def test_commands_are_those_of_reference_messages(rtds: Path, file: str, name: str, params: dict[str, Any]) -> None:
    reference = message(rtds, file)
    use_case = next(each for each in USE_CASES if each.name == name)
    made = use_case.build_command(
        params,
        originator=reference.originator,
        recipient=reference.recipient,
        originator_counter=reference.originator_counter,
    )
    assert made.content == reference.content
    assert use_case.decode_command(reference.content) == params


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("ECS17a_4.2_SUCCESS_RESPONSE", "ECS17a"),
        ("ECS17a_4.2_ERROR_RESPONSE", "ECS17a"),
        ("ECS17b_4.1.1_ERROR_RESPONSE", "ECS17b"),
        ("ECS18b_4.12.1_ERROR_RESPONSE", "ECS18b"),
        ("ECS27_4.15_SUCCESS_RESPONSE", "ECS27"),
        ("ECS57_6.18.2_ALL_OPTIONALS_ERROR_RESPONSE", "ECS57"),
    ],
)
def test_responses_are_read_and_written_again(rtds: Path, file: str, name: str) -> None:
    reference = message(rtds, file)
    use_case = next(each for each in USE_CASES if each.name == name)
    response = use_case.decode_response(reference.content)
    assert response.ok is ("SUCCESS" in file)
    written = use_case.encode_response(response.values, originator_counter=reference.originator_counter, ok=response.ok)
    assert written == reference.content


@pytest.mark.parametrize(
    ("file", "name", "values"),
    [
        ("ECS17b_4.1.1_SINGLE_SUCCESS_RESPONSE", "ECS17b", {"active_import_wh": 1, "reactive_import_varh": 2}),
        (
            "GCS13b_4.1.4_SUCCESS_RELIABLE_GSME_RESPONSE",
            "GCS13b",
            {f"block_counter_{number}": number for number in range(1, 5)},
        ),
        (
            "GCS13c_4.1.2_SUCCESS_RELIABLE_GSME_RESPONSE",
            "GCS13c",
            {f"tou_register_{number}": number for number in range(1, 5)},
        ),
    ],
)
def test_encrypted_responses_have_the_length_of_reference_messages(
    rtds: Path, file: str, name: str, values: dict[str, Any]
) -> None:
    reference = message(rtds, file)
    use_case = next(each for each in USE_CASES if each.name == name)
    if name.startswith("GCS"):
        values = values | {"divisor": 1000, "multiplier": 1, "unit": 1}
    plain = use_case.encode_response(values, originator_counter=reference.originator_counter)
    assert use_case.decode_response(plain).values == values
    concealed = protected.conceal(replace(reference, content=plain), bytes(16)).content
    assert len(concealed) == len(reference.content)
    if name.startswith("GCS"):
        (made,), (wanted,) = gbz.read_components(concealed), gbz.read_components(reference.content)
        assert (made.cluster, made.frame_control, made.command) == (
            wanted.cluster,
            wanted.frame_control,
            wanted.command,
        )


def round_trip(use_case: UseCase, values: dict[str, Any]) -> None:
    content = use_case.encode_response(values, originator_counter=5)
    assert use_case.decode_response(content).values == values


def test_every_response_of_the_esme_round_trips() -> None:
    at = datetime(2026, 1, 1, 12, tzinfo=UTC)
    demand = {"max_demand_export_reset_at": None, "max_demand_export_w": 5, "max_demand_export_at": at}
    for name, values in {
        "ECS17c": {"active_import_w": 700, "primary_active_import_w": 700},
        "ECS17d": {"tou_registers_wh": tuple(range(48))},
        "ECS17e": {"block_registers_wh": tuple(range(64))},
        "ECS18a": demand,
        "ECS22a": {"export_profile": ((at, 1, 2), (at, 3, 4))},
        "ECS22b": {"import_profile": ((at, 1),)},
        "ECS22c": {"reactive_import_profile": ()},
    }.items():
        round_trip(CASES[name, "ESME"], values)


def test_a_period_is_a_start_and_an_end_every_day() -> None:
    use_case = CASES["ECS37", "ESME"]
    params = {START: time(17), END: time(22, 30)}
    content = use_case.encode_command(params, originator_counter=1)
    assert use_case.decode_command(content) == params
    for wrong, right in ((b"\x04\x07\xfe", b"\x04\x07\xfc"), (b"\x09\x04\x11\x00", b"\x09\x04\x19\x00")):
        assert wrong in content
        with pytest.raises(GbcsError):
            use_case.decode_command(content.replace(wrong, right, 1))
    for bad in ({START: time(1)}, {START: time(1), END: "22:30"}):
        with pytest.raises(GbcsError):
            use_case.encode_command(bad, originator_counter=1)


@pytest.mark.parametrize("count", [47, 49])
def test_a_wrong_number_of_registers_is_refused(count: int) -> None:
    use_case = CASES["ECS17d", "ESME"]
    with pytest.raises(GbcsError, match="48"):
        use_case.encode_response({"tou_registers_wh": (0,) * count}, originator_counter=1)
    content = use_case.encode_response({"tou_registers_wh": (0,) * 48}, originator_counter=1)
    assert b"\x01\x30\x06" in content
    with pytest.raises(GbcsError):
        use_case.decode_response(content.replace(b"\x01\x30\x06", bytes([1, count, 6]), 1))


def test_a_reset_of_nothing_is_refused() -> None:
    with pytest.raises(GbcsError, match="nothing to set"):
        CASES["ECS57", "ESME"].encode_command({}, originator_counter=1)
    content = CASES["ECS57", "ESME"].encode_command({"reset_max_demand_import": True}, originator_counter=1)
    _, (access,) = dlms.decode_request(content)
    assert str(access.target) == "4/1-0:1.6.0.255/1"
