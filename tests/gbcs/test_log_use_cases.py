"""Logs, firmware versions, device logs and settings: known answers laid out by hand, and refusals."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from bench.eui import Eui64
from bench.gbcs.errors import GbcsError
from bench.gbcs.use_case import Response, UseCase
from bench.gbcs.use_cases import all_use_cases, use_cases_for_service
from tests.gbcs.samples import GSME

AT = datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)  # 0x3136EDD7 seconds after 2000
COUNTER = 4711  # 0x1267
RANGE = "02 04 02 04 12 0001 09 06 00005E2C64FF 0F 02 12 0000 06 3136EDD7 06 3136EDD7 01 00"


def use_case(name: str) -> UseCase:
    return next(found for found in all_use_cases() if found.name == name)


COMMANDS: list[tuple[str, dict[str, Any], str]] = [
    ("ECS35a", {"log_from": AT, "log_to": AT}, f"D9 20001267 00 01 04 0007 0000636200FF 02 01 {RANGE} 01 00"),
    ("ECS52", {}, "D9 20001267 00 01 01 0001 0000000201FF 02 01 00"),
    ("ECS05", {}, "D9 20001267 00 01 03 0009 00000A0064FF 01 01 12 0063"),
    (
        "ECS28a",
        {
            "load_limit_supply_flag": 0,
            "load_limit_power_threshold_w": 6900,
            "load_limit_period_s": 300,
            "load_limit_restoration_period_s": 30,
            "activation_time": "never",
        },
        "D9 20001267 00 08 02 2328 00005E2C0003 04 02 2328 00005E2C8007 04 02 2328 00005E2C8006 04"
        "02 2328 00005E2C8008 04 02 2328 00005E2C0003 06 02 2328 00005E2C8007 06 02 2328 00005E2C8006 06"
        "02 2328 00005E2C8008 06 08 03 00 06 00001AF4 06 0000012C 06 0000001E" + "09 0C FFFFFFFFFFFFFFFFFF 8000FF" * 4,
    ),
    (
        "ECS25b3",
        {"logged_events": b"\x80" + bytes(63)},
        "D9 20001267 00 01 02 0001 002161620EFF 02 01 04 82 0200 80" + "00" * 63,
    ),
    ("CS10a", {"log_from": AT, "log_to": AT}, "0109 01 01 0709 0011 01 00 00 13 0000 D7ED3631 D7ED3631 00 0000"),
    ("GCS38", {}, "0109 01 01 0702 0005 00 00 00 0602"),
    ("CS07", {}, "05 00"),
    ("CS08", {}, "05 00"),
]

RESPONSES: list[tuple[str, Response, str]] = [
    (
        "ECS35a",
        Response(True, {"event_log": ((AT, 0x8F01, b""), (AT, 0x8154, b"\x00\x9b"))}, "success"),
        "DA 20001267 00 00 01 13 02 03 06 12 09 10 3136EDD7 8F01 00 3136EDD7 8154 02 009B 01 01 00",
    ),
    (
        "ECS35f",
        Response(True, {"switch_event_log": ((AT, 0x2000, 0x11, 5),)}, "success"),
        "DA 20001267 00 00 01 13 02 04 06 12 16 06 0B 3136EDD7 2000 11 00000005 01 01 00",
    ),
    (
        "ECS52",
        Response(True, {"firmware_version": b"\x01\x23\xab\xcd"}, "success"),
        "DA 20001267 00 00 01 09 04 0123ABCD 01 01 00",
    ),
    (
        "CS10b",
        Response(True, {"matching_events": 1, "events": ((4, 0x8F0C, AT, b"\x09"),)}, "success"),
        "0109 01 01 0709 0011 19 00 01 0100 00 01 00 04 0C8F D7ED3631 01 09",
    ),
    (
        "CS10a",
        Response(True, {"matching_events": 0, "events": ()}, "success; the log holds no such event"),
        "0109 01 01 0709 0005 08 00 0B 00 8B",
    ),
    ("CS10a", Response(False, {"status": 0xC0}, "ZCL status C0"), "0109 01 01 0709 0005 08 00 0B 00 C0"),
    (
        "GCS38",
        Response(True, {"firmware_version": b"\x01\x23\xab\xcd"}, "success"),
        "0109 01 01 0702 000C 08 00 01 0602 00 41 04 0123ABCD",
    ),
    (
        "GCS38",
        Response(False, {"status": 0xC0}, "firmware_version: ZCL status C0"),
        "010901010702 0006 08 00 01 0602 C0",
    ),
    (
        "CS07",
        Response(True, {"joined_devices": ((GSME, "GPF"),)}, "success"),
        "30 14 02 01 00 30 0F 30 0D 04 08 00DB1234567890A1 02 01 03",
    ),
    ("CS07", Response(False, {"status": 1}, "status 1"), "30 03 02 01 01"),
    ("CS08", Response(True, {"firmware_version": b"\x01\x02\x03\x04"}, "success"), "30 09 04 04 01020304 02 01 00"),
    ("CS08", Response(False, {"status": 1}, "status 1"), "30 09 04 04 00000000 02 01 01"),
]


@pytest.mark.parametrize(("name", "params", "content"), COMMANDS, ids=[name for name, _, _ in COMMANDS])
def test_command(name: str, params: dict[str, Any], content: str) -> None:
    written = use_case(name).encode_command(params, originator_counter=COUNTER)
    assert written.hex() == bytes.fromhex(content).hex()
    assert use_case(name).decode_command(written) == params


@pytest.mark.parametrize(("name", "response", "content"), RESPONSES)
def test_response(name: str, response: Response, content: str) -> None:
    raw = bytes.fromhex(content)
    assert use_case(name).decode_response(raw) == response
    written = use_case(name).encode_response(response.values, originator_counter=COUNTER, ok=response.ok)
    assert written.hex() == raw.hex()


def test_empty_logs() -> None:
    for nothing in ("00", "01 00", "13 02 02 06 12 00"):
        content = bytes.fromhex(f"DA 20001267 00 00 01 {nothing} 01 01 00")
        assert use_case("ECS35b").decode_response(content).values == {"security_log": ()}


def test_polyphase_voltages_are_read_phase_by_phase() -> None:
    names = [item.name for item in use_case("ECS23b").items]  # type: ignore[attr-defined]
    assert len(names) == 18
    assert names[6] == "phase_2_average_rms_under_voltage_counter"
    assert use_cases_for_service("4.10", "ESME")[0].name == "ECS23", "a meter with one phase comes first"


@pytest.mark.parametrize(
    ("name", "values", "complaint"),
    [
        ("ECS35a", {"event_log": ((AT, 1),)}, "a row of event_log has 2 columns; expected 3"),
        ("ECS35a", {"event_log": ((AT, 0x10000, b""),)}, "a whole number from 0 to 65535"),
        ("ECS35b", {"security_log": (("now", 1),)}, "a datetime with its time zone"),
        ("CS10a", {"events": ((3, 1, AT, bytes(255)),)}, "at most 254"),
        ("GCS38", {"firmware_version": bytes(255)}, "at most 254"),
        ("CS07", {"joined_devices": ((Eui64(bytes(8)), "TOASTER"),)}, "expected GSME or"),
        ("CS08", {"firmware_version": b"\x01"}, "firmware_version has 1 bytes; expected 4"),
    ],
)
def test_wrong_values_are_explained(name: str, values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(GbcsError, match=complaint):
        use_case(name).encode_response(values, originator_counter=1)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("ECS35b", "DA 20001267 00 00 01 13 02 02 06 11 00 01 01 00", "columns of security_log"),
        ("ECS35b", "DA 20001267 00 00 01 11 07 01 01 00", "expected a compact array"),
        ("CS10a", "0109 01 01 0709 0008 19 00 01 0100 00 02 00", "command index"),
        ("CS07", "30 08 02 01 00 30 03 02 01 03", "has tag 02; expected 30"),
        ("CS07", "30 06 02 01 01 02 01 01", "3 bytes follow the end"),
    ],
)
def test_wrong_responses_are_explained(name: str, content: str, complaint: str) -> None:
    with pytest.raises(GbcsError, match=complaint):
        use_case(name).decode_response(bytes.fromhex(content))


def test_behaviours_of_another_length_are_refused() -> None:
    short = "D9 20001267 00 01 02 0001 001E61620BFF 02 01 04 08 80"
    with pytest.raises(GbcsError, match="expected 512 bits"):
        use_case("ECS25a").decode_command(bytes.fromhex(short))
