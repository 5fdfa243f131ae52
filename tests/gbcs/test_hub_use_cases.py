"""Device logs, joins and the sub-GHz radio: written and read back, laid out by hand, and refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.eui import Eui64
from bench.gbcs import sub_ghz
from bench.gbcs.alerts import Alert, build_alert, decode_alert
from bench.gbcs.catalogue import Encoding
from bench.gbcs.errors import GbcsError
from bench.gbcs.hub_use_cases import Backup, HashedKey, LoggedDevice, channel_entry, read_channel_entry
from bench.gbcs.message import Cra
from bench.gbcs.sub_ghz import ALL_CHANNELS, PAGES, Channel, Configuration, Discarded
from bench.gbcs.use_case import UseCase
from bench.gbcs.use_cases import all_use_cases, use_cases_for_service
from tests.gbcs.samples import ACB, CHF, ESME, GSME

COUNTER = 4711  # 0x1267
AT = datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)  # a Sunday
EUIS = st.binary(min_size=8, max_size=8).map(Eui64)
BYTES, WORDS, SIGNED = st.integers(0, 0xFF), st.integers(0, 0xFFFF), st.integers(-128, 127)
MOMENTS = st.integers(0, 2**31).map(lambda seconds: AT + timedelta(seconds=seconds))
LOGGED = st.builds(
    LoggedDevice,
    device=EUIS,
    status=BYTES,
    rssi_dbm=st.tuples(SIGNED, SIGNED, SIGNED),
    link_quality=st.tuples(BYTES, BYTES, BYTES),
    last_heard=st.none() | MOMENTS,
    hops=BYTES,
    failures=BYTES,
    successes=BYTES,
    application_version=BYTES,
    stack_version=BYTES,
)
KEYS = st.lists(st.builds(HashedKey, EUIS, st.binary(min_size=16, max_size=16)), max_size=5).map(tuple)
BACKUPS = st.builds(Backup, MOMENTS, st.binary(min_size=8, max_size=8), KEYS)
CHANNELS = st.sampled_from(ALL_CHANNELS)
CONFIGURATIONS = st.builds(
    Configuration,
    st.sets(CHANNELS).map(lambda found: tuple(each for each in ALL_CHANNELS if each in found)),
    *(BYTES if name in ("w", "q", "n", "p") else WORDS for name in "12wcqnxpmfr"),
)
TRIGGERS = st.sampled_from(list(sub_ghz.TRIGGERS.values()))
KINDS = st.sampled_from(["GSME", "GPF", "PPMID", "TYPE2"])


def use_case(name: str) -> UseCase:
    return next(found for found in all_use_cases() if found.name == name)


def command(name: str, params: dict[str, Any]) -> bytes:
    return use_case(name).encode_command(params, originator_counter=COUNTER)


COMMANDS: list[tuple[str, dict[str, Any], str]] = [
    (
        "CCS03",
        {"device_log_to_restore": Backup(None, bytes(7) + b"\x40", (HashedKey(ESME, b"K" * 16),))},
        "D9 20001267 00 01 03 0068 00001E0300FF 05 01 02 02 09 08 0000000000000040 01 01 02 02 09 08 00DB1234567890A0"
        "09 10" + "4B" * 16,
    ),
    ("CCS06", {}, "D9 20001267 00 01 01 0068 00001E0300FF 04 01 00"),
    ("CCS07", {}, "D9 20001267 00 02 03 0068 00001E0300FF 04 03 0068 00001E0301FF 04 02 00 00"),
    ("CS03A1", {"other_device": GSME, "other_device_type": "GSME"}, "30 10 02 01 00 04 08 00DB1234567890A1 02 01 00"),
    ("CS03A2", {"other_device": ESME, "other_device_type": "ESME"}, "30 10 02 01 01 04 08 00DB1234567890A0 02 01 01"),
    ("CS04ACCritical", {"other_device": GSME}, "04 08 00DB1234567890A1"),
    ("CS04B", {"other_device": GSME}, "04 08 00DB1234567890A1"),
    ("GCS59", {"joined_devices": ((GSME, "GSME"),)}, "30 11 30 0F 30 0D 04 08 00DB1234567890A1 02 01 00"),
    ("DBCH01", {}, "D9 20001267 00 01 01 0001 00005E2C0A02 02 01 00"),
    (
        "DBCH02",
        {"log_from": AT, "log_to": AT},
        "D9 20001267 00 01 04 0007 00005E2C0A03 02 01"
        "02 04 02 04 12 0001 09 06 00005E2C64FF 0F 02 12 0000 06 3136EDD7 06 3136EDD7 01 00 01 00",
    ),
    ("DBCH05", {}, "D9 20001267 00 01 02 0001 00005E2C0A01 02 01 11 00"),
]


@pytest.mark.parametrize(("name", "params", "expected"), COMMANDS)
def test_commands_are_laid_out_as_specified(name: str, params: dict[str, Any], expected: str) -> None:
    content = command(name, params)
    assert content.hex() == expected.replace(" ", "").lower()
    read = use_case(name).decode_command(content)
    assert read == (params or ({"trigger": "remote party command"} if name == "DBCH05" else {}))


def test_which_use_cases_serve_a_request() -> None:
    assert [each.name for each in use_cases_for_service("8.7.1", "ESME")] == ["CS03A1", "CS03A2"]
    assert [each.name for each in use_cases_for_service("8.8.2", "GSME")] == ["CS04ACNonCritical", "CS04B"]
    assert [each.name for each in use_cases_for_service("6.31", "CHF")] == ["DBCH01"]
    assert use_cases_for_service("6.31", "ESME") == ()


@given(st.lists(LOGGED, max_size=4).map(tuple), BACKUPS, BACKUPS)
def test_device_logs_are_read_back(log: tuple[LoggedDevice, ...], now: Backup, before: Backup) -> None:
    for name in ("CCS05CCS04", "CCS06"):
        content = use_case(name).encode_response({"device_log": log}, originator_counter=COUNTER)
        assert use_case(name).decode_response(content).values == {"device_log": log}
    both = {"device_log": now, "previous_device_log": before}
    content = use_case("CCS07").encode_response(both, originator_counter=COUNTER)
    assert use_case("CCS07").decode_response(content).values == both
    params = {"device_log_to_restore": Backup(None, now.extended_pan_id, now.keys)}
    assert use_case("CCS03").decode_command(command("CCS03", params)) == params


def test_a_day_of_the_week_stays() -> None:
    logged = LoggedDevice(ESME, 0x80, (0, 0, 0), (0, 0, 0), AT, 1, 0, 0, 1, 1, weekday=True)
    data = logged.to_data()
    assert isinstance(data.value, tuple)
    assert data.value[8].octets.hex() == "07ea0301070c1e0f008000ff"
    assert LoggedDevice.from_data(data) == logged


@given(CONFIGURATIONS, CHANNELS, st.lists(st.tuples(MOMENTS, CHANNELS, TRIGGERS), max_size=5))
def test_the_radio_is_read_back(
    configuration: Configuration, channel: Channel, changes: list[tuple[datetime, Channel, str]]
) -> None:
    settings = {"sub_ghz_configuration": configuration}
    assert use_case("DBCH04").decode_command(command("DBCH04", settings)) == settings
    log = tuple((time, sub_ghz.CHANNEL_CHANGED, channel_entry(each, trigger)) for time, each, trigger in changes)
    for name, values in (
        ("DBCH01", {"sub_ghz_channel": channel}),
        ("DBCH02", {"sub_ghz_channel_log": log}),
        ("DBCH03", settings),
    ):
        content = use_case(name).encode_response(values, originator_counter=COUNTER)
        assert use_case(name).decode_response(content).values == values
    assert [read_channel_entry(entry) for _, _, entry in log] == [(each, trigger) for _, each, trigger in changes]


def test_channels_are_bits_of_zigbee_pages() -> None:
    assert len(ALL_CHANNELS) == 27 + 8 + 27 + 27
    for channel, raw in (
        (Channel(28, 0), "e0000001"),
        (Channel(28, 26), "e4000000"),
        (Channel(29, 27), "e8000001"),
        (Channel(30, 35), "f0000001"),
        (Channel(31, 26), "fc000000"),
    ):
        assert sub_ghz.mask_of(channel).hex() == raw
        assert sub_ghz.channel_of(bytes.fromhex(raw)) == channel
    assert (str(Channel(31, 3)), str(Channel(30, 61))) == ("upper band 3", "lower band 61")
    for bad in ("e0000003", "e0000000", "d8000001", "e8000100", "e000", ""):
        with pytest.raises(GbcsError):
            sub_ghz.channel_of(bytes.fromhex(bad))
    with pytest.raises(GbcsError, match="no channel 27 in page 28"):
        Channel(28, 27)
    assert set(PAGES) == {28, 29, 30, 31}


def test_a_configuration_is_laid_out_as_specified() -> None:
    configuration = Configuration((Channel(28, 1), Channel(31, 2)), 150, 220, 3, 120, 10, 11, 5000, 100, 99, 4000, 3000)
    expected = (
        "D9 20001267 00 01 02 0001 00005E2C0A00 02 01 02 0F 04 20 E0000002 04 20 E8000000 04 20 F0000000 04 20 F8000004"
        "12 0096 12 00DC 11 03 12 0078 11 0A 11 0B 12 1388 11 64 12 0063 12 0FA0 12 0BB8"
    )
    content = command("DBCH04", {"sub_ghz_configuration": configuration})
    assert content.hex() == expected.replace(" ", "").lower()


@given(st.lists(st.tuples(EUIS, KINDS, BYTES.map(lambda n: n % 0x80)), max_size=4).map(tuple))
def test_results_of_a_restored_gpf_log_are_read_back(results: tuple[tuple[Eui64, str, int], ...]) -> None:
    gcs59 = use_case("GCS59")
    content = gcs59.encode_response({"results": results}, originator_counter=COUNTER)
    response = gcs59.decode_response(content)
    assert response.values == {"results": results}
    assert response.ok is (not results or any(result == 0 for _, _, result in results))
    joined = {"joined_devices": tuple((eui, kind) for eui, kind, _ in results)}
    assert gcs59.decode_command(command("GCS59", joined)) == joined


def test_unjoins_say_yes_or_no() -> None:
    for name in ("CS04ACCritical", "CS04ACNonCritical", "CS04B"):
        unjoin = use_case(name)
        assert unjoin.encode_response({}, originator_counter=COUNTER) == bytes.fromhex("020100")
        refused = unjoin.decode_response(unjoin.encode_response({}, originator_counter=COUNTER, ok=False))
        assert (refused.ok, refused.values) == (False, {"unjoin_result": 1})
        with pytest.raises(GbcsError):
            unjoin.encode_response({"unjoin_result": 0}, originator_counter=COUNTER, ok=False)


SAID: list[tuple[int, dict[str, Any], int]] = [
    (sub_ghz.LIMITED, {"device": GSME}, 0x0110),
    (sub_ghz.CHANNEL_CHANGED, {"channel": Channel(30, 40), "trigger": "GSME missed its curfew"}, 0x0111),
    (sub_ghz.SCAN_ASSESSED, {"outcome": "joining permitted", "trigger": "remote party command"}, 0x0112),
    (
        sub_ghz.CONFIGURED,
        {"configuration": Configuration((Channel(29, 30),), 150, 220, 3, 120, 10, 11, 5000, 100, 99, 4000, 3000)},
        0x0113,
    ),
    (sub_ghz.DISCARDED, {"message": Discarded(ACB, GSME, Cra.COMMAND, 1 << 40)}, 0x0114),
    (sub_ghz.FULL, {"device": ESME}, 0x0115),
    (sub_ghz.SCAN_STARTED, {}, 0x1001),
    (sub_ghz.GSME_LOST, {}, 0x1001),
]


@pytest.mark.parametrize(("code", "values", "message_code"), SAID)
def test_alerts_are_read_back(code: int, values: dict[str, Any], message_code: int) -> None:
    alert = Alert(code, AT, Encoding.DLMS, sub_ghz.specific(code, values))
    message = build_alert(alert, originator=CHF, recipient=ACB, originator_counter=COUNTER)
    assert message.message_code == message_code
    read = decode_alert(message)
    assert read == alert
    assert sub_ghz.read_specific(read) == values


def test_an_alert_that_says_something_else_is_refused() -> None:
    for code in (sub_ghz.LIMITED, sub_ghz.CHANNEL_CHANGED, sub_ghz.CONFIGURED, sub_ghz.DISCARDED, sub_ghz.FULL):
        for raw in (
            "0900",
            "0100",
            "02020900090101",
            "1205",
            "0203090009000900",
            "020209010109010a",
            "02020420e00000010900",
        ):
            with pytest.raises(GbcsError):
                sub_ghz.read_specific(Alert(code, AT, Encoding.DLMS, bytes.fromhex(raw)))
    assert sub_ghz.read_specific(Alert(0x8F32, AT, Encoding.DLMS, b"")) is None


@given(st.sampled_from(["DBCH03", "CCS06", "CCS07"]), st.binary(max_size=60), st.integers(0, 80))
def test_whatever_comes_is_read_or_refused(name: str, junk: bytes, at: int) -> None:
    good = {
        "DBCH03": {"sub_ghz_configuration": Configuration((Channel(29, 30),), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)},
        "CCS06": {"device_log": (LoggedDevice(ESME, 0, (0, 0, 0), (0, 0, 0), AT, 1, 2, 3, 4, 5),)},
        "CCS07": dict.fromkeys(
            ("device_log", "previous_device_log"), Backup(AT, bytes(8), (HashedKey(ESME, bytes(16)),))
        ),
    }[name]
    content = use_case(name).encode_response(good, originator_counter=COUNTER)
    for broken in (content[:at] + junk, content[:at] + junk + content[at + len(junk) :], junk):
        try:
            use_case(name).decode_response(broken)
        except GbcsError:
            continue
