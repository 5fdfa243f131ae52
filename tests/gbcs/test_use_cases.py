"""Use cases: known answers laid out by hand, round trips both ways, refusals, and a whole exchange."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.gbcs import crypto
from bench.gbcs.credentials import Cell, Outcome, Replacement
from bench.gbcs.dlms_use_case import DlmsUseCase
from bench.gbcs.errors import GbcsError
from bench.gbcs.gbz_use_cases import GbzUseCase
from bench.gbcs.message import Framing, Message
from bench.gbcs.use_case import Response, Sender, UseCase
from bench.gbcs.use_cases import all_use_cases, use_case_for, use_cases_for_service
from tests.gbcs.samples import ACB, CHF, ESME, GSME, NETWORK_OPERATOR, SUPPLIER, private_key

COUNTER = 4711  # 0x1267
AT = datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)  # 0x3136EDD7 seconds after 2000
CERTIFICATE = b"\x30\x82\x00\x85" + bytes(133)
CELL = Cell("network_operator", "digital_signature")


def use_case(name: str) -> UseCase:
    return next(found for found in all_use_cases() if found.name == name)


def raw(text: str) -> bytes:
    return bytes.fromhex(text)


VOLTAGE = {
    "average_rms_voltage_measurement_period_s": 60,
    "rms_extreme_over_voltage_threshold_v": 290,
    "rms_extreme_over_voltage_measurement_period_s": 1,
    "rms_extreme_under_voltage_threshold_v": 170,
    "rms_extreme_under_voltage_measurement_period_s": 2,
    "rms_voltage_sag_threshold_v": 210,
    "rms_voltage_sag_measurement_period_s": 3,
    "rms_voltage_swell_threshold_v": 260,
    "rms_voltage_swell_measurement_period_s": 4,
    "average_rms_over_voltage_threshold_v": 253,
    "average_rms_under_voltage_threshold_v": 207,
}
DETECTORS = "".join(f"02 0047 000011000{n}FF 04  02 0047 000011000{n}FF 06" for n in (1, 2, 3, 4))

COMMANDS = [
    (
        "ECS29a",
        VOLTAGE,
        f"D9 20001267 00 0D 02 0007 0100201800FF 04 {DETECTORS}"
        "02 0001 010020230004 02  02 0001 0100201F0004 02  03 0003 010020200004 01  03 0003 010020240004 01"
        "0D 06 0000003C 06 00000122 06 00000001 06 000000AA 06 00000002 06 000000D2 06 00000003 06 00000104 06 00000004"
        "06 000000FD 06 000000CF 0F 00 0F 00",
    ),
    (
        "ECS29c",
        VOLTAGE,
        f"D9 20001267 00 0B 02 0001 0100201F0004 02  02 0001 010020230004 02  02 0007 0100201800FF 04 {DETECTORS}"
        "0B 06 000000CF 06 000000FD 06 0000003C"
        "06 00000122 06 00000001 06 000000AA 06 00000002 06 000000D2 06 00000003 06 00000104 06 00000004",
    ),
    ("ECS42", {}, "D9 20001267 00 01 03 0009 00000A006AFF 01 01 12 0033"),
    ("ECS43", {}, "D9 20001267 00 01 03 0009 00000A006AFF 01 01 12 0034"),
    ("ECS44", {}, "D9 20001267 00 01 03 0009 00000A006AFF 01 01 12 0036"),
    ("ECS45", {}, "D9 20001267 00 01 01 0046 000060030AFF 03 01 00"),
    (
        "ECS70",
        {"validity_interval_start": AT, "validity_interval_end": AT + timedelta(seconds=30)},
        "D9 20001267 00 05 02 0008 0000010000FF 09  03 0008 0000010000FF 05  03 0008 0000010000FF 04"
        "01 0008 0000010000FF 02  01 0008 0000010000FF 04"
        "05 16 05  02 03 09 0C FFFFFFFFFFFFFFFFFF8000FF 09 0C 07EA0301FF 0C1E0F00 8000FF"
        "09 0C 07EA0301FF 0C1E2D00 8000FF  0F 00  00  00",
    ),
    (
        "GCS28",
        {"validity_interval_start": AT, "validity_interval_end": AT + timedelta(seconds=30)},
        "30 22 18 0F 32303236303330313132333031355A 18 0F 32303236303330313132333034355A",
    ),
    (
        "ECS39a",
        {"import_mpan": "1200000000001"},
        "D9 20001267 00 01 02 0001 00005E2C220B 02 01 09 0D 31323030303030303030303031",
    ),
    ("GCS32", {"issued_at": AT}, "01 09 01 01 0702 0015 01 00 0B 00000000 D7ED3631 00000000 00000000 00 01"),
    ("GCS39", {"issued_at": AT}, "01 09 01 01 0702 0015 01 00 0B 00000000 D7ED3631 00000000 00000000 01 01"),
    ("GCS33", {}, "01 09 01 01 0702 0007 00 00 00 0502 1400"),
    (
        "GCS41",
        {"import_mprn": "9876543210", "issued_at": AT},
        "01 09 01 01 0708 001A 09 00 03 D7ED3631 00000000 00000000 0A 39383736353433323130",
    ),
    (
        "CCS01",
        {"device": GSME, "install_code": bytes(range(16)), "device_type": "GSME", "join_time_period_s": 3600},
        "D9 20001267 00 03 03 0068 00001E0300FF 01  02 0068 00001E0300FF 03  02 0068 00001E0300FF 02"
        "03 02 04 09 08 00DB1234567890A1 16 01 09 10 000102030405060708090A0B0C0D0E0F 16 01  12 0E10  03 FF",
    ),
    ("CCS02", {"device": GSME}, "D9 20001267 00 01 03 0068 00001E0300FF 02 01 09 08 00DB1234567890A1"),
    ("CS03B", {"other_device": GSME, "other_device_type": "GSME"}, "30 10 02 01 02 04 08 00DB1234567890A1 02 01 00"),
    (
        "CS03C",
        {"other_device": ESME, "other_device_type": "ESME", "certificate": b"\x30\x03\x02\x01\x07"},
        "30 15 02 01 03 04 08 00DB1234567890A0 02 01 01 30 03 02 01 07",
    ),
    (
        "CS02b network operator, handover",
        {
            "authorising_cell": CELL,
            "floor_counter": 7,
            "replacements": (Replacement(CELL, b"\x30\x03\x02\x01\x08"),),
            "certification_path": (b"\x30\x03\x02\x01\x09",),
        },
        "30 2E 30 13 02 01 03 A2 07 02 01 03 03 02 07 80 83 02 1267 84 01 07"
        "30 10 30 0E 30 03 02 01 08 30 07 02 01 03 03 02 07 80 30 05 30 03 02 01 09",
    ),
]

OUTCOME = Outcome(CELL, 0, ACB, bytes(range(8)), NETWORK_OPERATOR, bytes(range(8, 16)))
RESPONSES: list[tuple[str, Response, str]] = [
    ("ECS29c", Response(True, {}, "success"), "DA 20001267 00 00 0B" + "00" * 11 + "0B" + "0200" * 11),
    (
        "ECS29a",
        Response(
            False,
            {"failed_item": "average_rms_over_voltage_threshold_v", "failure_code": 3},
            "average_rms_over_voltage_threshold_v: read-write denied (3)",
        ),
        "DA 20001267 00 00 0D" + "00" * 13 + "0D" + "0200" * 9 + "0203 02FA 03FA 03FA",
    ),
    (
        "ECS26b",
        Response(
            True,
            {name: value for name, value in VOLTAGE.items() if name != "average_rms_voltage_measurement_period_s"},
            "success",
        ),
        "DA 20001267 00 00 0A 06 00000122 06 00000001 06 000000AA 06 00000002 06 000000D2 06 00000003"
        "06 00000104 06 00000004 06 000000FD 06 000000CF 0A" + "0100" * 10,
    ),
    ("ECS44", Response(True, {}, "success"), "DA 20001267 00 00 01 00 01 03 00"),
    (
        "ECS44",
        Response(False, {"failed_item": "arm_supply", "failure_code": 1}, "arm_supply: hardware fault (1)"),
        "DA 20001267 00 00 01 00 01 03 01",
    ),
    ("ECS45", Response(True, {"supply_state": "armed"}, "success"), "DA 20001267 00 00 01 16 02 01 01 00"),
    (
        "ECS70",
        Response(True, {"device_time": AT, "clock_status": 0}, "success"),
        "DA 20001267 00 00 05 00 00 00 09 0C 07EA0301FF 0C1E0F00 8000FF 11 00 05 0200 0300 0300 0100 0100",
    ),
    (
        "GCS28",
        Response(True, {"device_time": AT, "clock_status": 0}, "success"),
        "30 14 18 0F 32303236303330313132333031355A 02 01 00",
    ),
    (
        "GCS28",
        Response(False, {"device_time": AT, "clock_status": 1}, "the clock is invalid"),
        "30 14 18 0F 32303236303330313132333031355A 02 01 01",
    ),
    ("ECS39a", Response(True, {}, "success"), "DA 20001267 00 00 01 00 01 02 00"),
    (
        "GCS39",
        Response(True, {"issued_at": AT, "supply_state": "armed"}, "success"),
        "01 09 01 01 0702 0010 09 00 0C 00000000 D7ED3631 00000000 01",
    ),
    (
        "GCS39",
        Response(False, {"status": 0xC0}, "ZCL status C0"),
        "01 09 01 01 0702 0005 08 00 0B 0B C0",
    ),
    (
        "GCS33",
        Response(True, {"remaining_battery_life_days": 3650, "supply_state": "armed"}, "success"),
        "01 09 01 01 0702 000E 08 00 01 0502 00 21 420E 1400 00 30 01",
    ),
    (
        "GCS33",
        Response(False, {"remaining_battery_life_days": 3650, "status": 1}, "supply_state: ZCL status 01"),
        "01 09 01 01 0702 000C 08 00 01 0502 00 21 420E 1400 01",
    ),
    ("GCS41", Response(True, {}, "success"), "01 09 01 01 0708 0005 00 00 0B 03 00"),
    ("GCS41", Response(False, {"status": 0x86}, "ZCL status 86"), "01 09 01 01 0708 0005 00 00 0B 03 86"),
    ("CCS01", Response(True, {}, "success"), "DA 20001267 00 00 03 00 00 00 03 0300 0200 0200"),
    ("CCS02", Response(True, {}, "success"), "DA 20001267 00 00 01 00 01 03 00"),
    ("CS03B", Response(True, {}, "success"), "02 01 00"),
    ("CS03C", Response(False, {"join_result": 4}, "device log full (4)"), "02 01 04"),
    ("CS03C", Response(False, {"join_result": 99}, "join result (99)"), "02 01 63"),
    (
        "CS02b network operator, handover",
        Response(True, {"floor_changes": (("network_operator", 7),), "outcomes": (OUTCOME,)}, "success"),
        "30 82 004D 05 00 30 49 02 02 1267 02 01 03 30 08 30 06 02 01 03 02 01 07 30 36 30 34"
        "30 07 02 01 03 03 02 07 80 0A 01 00 04 08 90B3D51F30000002 04 08 0001020304050607"
        "04 08 90B3D51F30020000 04 08 08090A0B0C0D0E0F",
    ),
    ("CS02b network operator by network operator", Response(True, {}, "accepted"), "30 82 0002 05 00"),
]


@pytest.mark.parametrize(("name", "params", "content"), COMMANDS, ids=[row[0] for row in COMMANDS])
def test_command(name: str, params: dict[str, Any], content: str) -> None:
    assert use_case(name).encode_command(params, originator_counter=COUNTER).hex() == raw(content).hex()
    assert use_case(name).decode_command(raw(content)) == params


@pytest.mark.parametrize(("name", "response", "content"), RESPONSES, ids=[row[0] for row in RESPONSES])
def test_response(name: str, response: Response, content: str) -> None:
    encoded = use_case(name).encode_response(response.values, originator_counter=COUNTER, ok=response.ok)
    assert encoded.hex() == raw(content).hex()
    assert use_case(name).decode_response(raw(content)) == response


def test_failed_replacement_is_not_ok() -> None:
    bad = Outcome(CELL, 5, ACB, bytes(8), NETWORK_OPERATOR, bytes(8))
    handover = use_case("CS02b network operator, handover")
    values = {"floor_changes": (), "outcomes": (OUTCOME, bad)}
    response = handover.decode_response(handover.encode_response(values, originator_counter=1, ok=False))
    assert response == Response(False, values, "network_operator digital_signature: status 5")
    with pytest.raises(GbcsError, match="do not fit ok=True"):
        handover.encode_response(values, originator_counter=1)


def test_valve_in_another_state_than_asked_is_not_ok() -> None:
    arm = use_case("GCS39")
    values = {"issued_at": AT, "supply_state": "disabled"}
    response = arm.decode_response(arm.encode_response(values, originator_counter=1))
    assert response == Response(False, values, "the supply is disabled")


def test_unusual_result_codes_are_kept() -> None:
    log = use_case("CCS01")
    values = {"failed_item": "device", "failure_code": 2, "result_codes": [2, 0, 0]}
    content = log.encode_response(values, originator_counter=1, ok=False)
    assert log.decode_response(content) == Response(False, values, "device: temporary failure (2)")


def test_default_failures() -> None:
    for found in all_use_cases():
        if isinstance(found, DlmsUseCase | GbzUseCase):
            content = found.encode_response({}, originator_counter=1, ok=False)
            assert not found.decode_response(content).ok, found.name


SEEDS = [(name, raw(content)) for name, _, content in COMMANDS] + [
    (name, raw(content)) for name, _, content in RESPONSES
]


@given(st.sampled_from(SEEDS), st.data())
@settings(max_examples=400)
def test_damaged_content_raises_nothing_else(seed: tuple[str, bytes], data: st.DataObject) -> None:
    name, content = seed
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(damaged)[: data.draw(st.integers(0, len(content)))]
    for read in (use_case(name).decode_command, use_case(name).decode_response):
        for damage in (bytes(damaged), cut):
            try:
                read(damage)
            except GbcsError:
                continue


@pytest.mark.parametrize(("name", "content"), SEEDS)
def test_truncated_content_is_refused(name: str, content: bytes) -> None:
    for end in range(len(content)):
        for read in (use_case(name).decode_command, use_case(name).decode_response):
            with pytest.raises(GbcsError):
                read(content[:end])


@pytest.mark.parametrize("found", all_use_cases(), ids=lambda found: found.name)
def test_noise_is_refused(found: UseCase) -> None:
    for content in (b"", b"\x00", b"\xd9", b"\xda" + bytes(40), b"\x01\x09\xff", b"\x30\x05", b"\xff" * 30):
        with pytest.raises(GbcsError):
            found.decode_command(content)
        with pytest.raises(GbcsError):
            found.decode_response(content)


@pytest.mark.parametrize(
    ("name", "params", "complaint"),
    [
        ("ECS29a", {}, "average_rms_voltage_measurement_period_s is missing"),
        ("ECS29a", {**VOLTAGE, "average_rms_over_voltage_threshold_v": -1}, "is -1; expected a whole number"),
        ("ECS29a", {**VOLTAGE, "average_rms_over_voltage_threshold_v": 1 << 32}, "a whole number from 0 to"),
        ("ECS29a", {**VOLTAGE, "average_rms_over_voltage_threshold_v": 253.5}, "is 253.5"),
        ("ECS42", {"volts": 1}, "has no parameter volts; expected no parameters"),
        ("ECS39a", {"import_mpan": "12345"}, "expected 13 digits"),
        ("GCS41", {"import_mprn": 1234567890, "issued_at": AT}, "expected 10 digits"),
        ("GCS32", {"issued_at": "now"}, "a datetime with its time zone"),
        ("CCS01", {"device": GSME, "install_code": bytes(6), "device_type": "GSME"}, "install_code has 6 bytes"),
        ("CCS01", {"device": GSME, "install_code": bytes(16), "device_type": "TOASTER"}, "'TOASTER'; expected ESME or"),
        ("CCS02", {"device": "00-DB"}, "expected an Eui64"),
        ("CS03B", {"other_device": GSME, "other_device_type": "CAD"}, "expected GSME or"),
    ],
)
def test_wrong_parameters_are_explained(name: str, params: dict[str, Any], complaint: str) -> None:
    with pytest.raises(GbcsError, match=complaint):
        use_case(name).encode_command(params, originator_counter=1)


def test_content_of_another_use_case_is_refused() -> None:
    enable = use_case("ECS42").encode_command({}, originator_counter=1)
    for name in ("ECS43", "ECS45", "ECS29a", "GCS32", "GCS28", "CCS02"):
        with pytest.raises(GbcsError):
            use_case(name).decode_command(enable)
    with pytest.raises(GbcsError):
        use_case("GCS39").decode_command(use_case("GCS32").encode_command({"issued_at": AT}, originator_counter=1))


def test_secret_is_not_in_the_error() -> None:
    with pytest.raises(GbcsError) as caught:
        use_case("CCS01").encode_command({"device": GSME, "install_code": b"SECRET"}, originator_counter=1)
    assert "SECRET" not in str(caught.value)


def test_lookup() -> None:
    voltage = use_case_for(0x0045)
    assert voltage is not None
    assert (voltage.name, voltage.service_reference, voltage.device_type, voltage.critical) == (
        "ECS29a",
        "6.5",
        "ESME",
        False,
    )
    assert use_case_for(0x7777) is None
    assert [found.name for found in use_cases_for_service("7.2", "ESME")] == ["ECS43"]
    assert [found.name for found in use_cases_for_service("7.2", "GSME")] == ["GCS32"]
    assert [found.name for found in use_cases_for_service("8.11", "CHF")] == ["CCS01", "CCS02"]
    assert [found.name for found in use_cases_for_service("8.1.1", "GSME")] == ["GCS28"]
    assert [found.name for found in use_cases_for_service("8.7.2", "GSME")] == ["CS03B", "CS03C"]
    assert all(found.sender is Sender.BROKER for found in use_cases_for_service("6.21", "GPF"))
    assert use_cases_for_service("7.2", "CHF") == ()
    update = use_case_for(0x0103)
    assert update is not None
    assert update.critical


def test_critical_command_from_user_to_device_and_back() -> None:
    """The DCC makes a pre-command, the User signs it, the DCC seals it, the device checks, obeys and answers."""
    user, broker, device, device_ds = (private_key(scalar) for scalar in (1, 2, 3, 4))
    disable = use_cases_for_service("7.2", "ESME")[0]
    pre = disable.build_command({}, originator=SUPPLIER, recipient=ESME, originator_counter=COUNTER)
    assert pre.framing is Framing.PRE_COMMAND
    signed = Message.parse(crypto.sign_pre_command(pre.encode(), user))
    sealed = crypto.seal(signed, crypto.message_key(signed, broker, device.public_key())).encode()

    command = Message.parse(sealed)
    assert crypto.verify_mac(command, crypto.message_key(command, device, broker.public_key()))
    assert crypto.verify_signature(command, user.public_key())
    found = use_case_for(command.message_code)
    assert found is disable
    assert found.decode_command(command.content) == {}
    answer = crypto.sign(found.build_response(command, {}), device_ds).encode()

    response = Message.parse(answer)
    assert response.framing is Framing.SIGNED
    assert crypto.verify_signature(response, device_ds.public_key())
    assert (response.originator, response.recipient, response.originator_counter) == (ESME, SUPPLIER, COUNTER)
    assert disable.decode_response(response.content).ok


def test_command_of_the_broker_names_its_user() -> None:
    add = use_case("CCS01")
    assert add.sender is Sender.BROKER_FOR_USER
    params = {"device": ESME, "install_code": bytes(16), "device_type": "ESME", "join_time_period_s": 300}
    command = add.build_command(
        params, originator=ACB, recipient=CHF, originator_counter=9, user=SUPPLIER, user_counter=COUNTER
    )
    assert command.framing is Framing.MACED
    command = crypto.seal(command, bytes(16))
    response = crypto.seal(add.build_response(Message.parse(command.encode()), {}), bytes(16))
    assert (response.originator, response.recipient) == (CHF, ACB)
    assert (response.supplementary_remote_party, response.supplementary_remote_party_counter) == (SUPPLIER, COUNTER)
    assert Message.parse(response.encode()) == response


def test_response_that_is_dated() -> None:
    read = use_case("ECS23")
    command = crypto.seal(
        read.build_command({"log_from": AT, "log_to": AT}, originator=SUPPLIER, recipient=ESME, originator_counter=1),
        bytes(16),
    )
    values = {
        "average_rms_under_voltage_counter": 1,
        "average_rms_over_voltage_counter": 2,
        "average_rms_voltage_log": ((AT, 241),),
        "average_rms_voltage_measurement_period_s": 1800,
    }
    response = read.build_response(command, values, device_time=AT)
    assert response.date_time == raw("07EA0301FF 0C1E0F00 8000FF")
    assert read.decode_response(response.content).values == values
    undated = read.build_response(command, values)
    assert undated.date_time == raw("FFFFFFFFFFFFFFFFFF 8000FF")
