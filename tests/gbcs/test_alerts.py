"""Alerts: known answers for each notation, round trips, and what is unknown or damaged."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.gbcs import catalogue, crypto, dlms
from bench.gbcs.alerts import (
    Alert,
    FutureDatedAction,
    IntegrityIssue,
    Specific,
    SupplyOutage,
    ZclTarget,
    build_alert,
    decode_alert,
    encode_alert,
)
from bench.gbcs.catalogue import Encoding
from bench.gbcs.errors import GbcsError
from bench.gbcs.message import Cra, Framing, Message
from tests.gbcs.samples import CREDIT_ALERT, ESME, GSME, NETWORK_OPERATOR, OUTAGE_ALERT, SUPPLIER, private_key

NEW_YEAR = datetime(2015, 1, 1, tzinfo=UTC)
OUTAGE = SupplyOutage(datetime(2014, 12, 31, 23, 50, tzinfo=UTC), datetime(2014, 12, 31, 23, 59, tzinfo=UTC))


def alert_message(content: bytes, counter: int = 2003) -> Message:
    return Message(Framing.SIGNED, Cra.ALERT, counter, ESME, SUPPLIER, 0x1000, content)


def test_decode_outage() -> None:
    alert = decode_alert(Message.parse(OUTAGE_ALERT + b"\x40" + bytes(64)))
    assert alert == Alert(0x8F36, NEW_YEAR, Encoding.DLMS, OUTAGE)
    assert alert.meaning == "Supply outage restored after 3 minutes or more"


def test_build_outage() -> None:
    message = build_alert(
        Alert(0x8F36, NEW_YEAR, Encoding.DLMS, OUTAGE),
        originator=ESME,
        recipient=NETWORK_OPERATOR,
        originator_counter=2003,
    )
    signed = crypto.sign(message, private_key(7)).encode()
    assert signed[:-65] == OUTAGE_ALERT
    assert signed[-65] == 0x40


def test_decode_credit_added() -> None:
    alert = decode_alert(Message.parse(CREDIT_ALERT))
    assert alert == Alert(0x810E, NEW_YEAR, Encoding.GBZ)


def test_build_credit_added() -> None:
    message = build_alert(
        Alert(0x810E, NEW_YEAR, Encoding.GBZ), originator=GSME, recipient=SUPPLIER, originator_counter=3000
    )
    assert crypto.seal(message, bytes(16)).encode()[:-12] == CREDIT_ALERT[:-12]


@pytest.mark.parametrize(
    ("alert", "framing", "message_code", "content"),
    [
        (
            Alert(0x8F32, datetime(2026, 1, 15, 10, 20, 30, tzinfo=UTC), Encoding.DLMS),
            Framing.SIGNED,
            0x1000,
            "0F 200007D3 00 02 02 12 8F32 09 0C 07EA010FFF 0A141E00 8000FF",
        ),
        (
            Alert(0x8F32, datetime(2026, 9, 7, 4, 35, 7, tzinfo=UTC), Encoding.GBZ),
            Framing.SIGNED,
            0x1000,
            "01 09 00 8F32 3230FB7B",
        ),
        (
            Alert(0x8002, NEW_YEAR, Encoding.DLMS),
            Framing.MACED,
            0x1001,
            "0F 200007D3 00 02 02 12 8002 09 0C 07DF0101FF 00000000 8000FF",
        ),
        (
            Alert(0x8F35, NEW_YEAR, Encoding.DLMS, OUTAGE),
            Framing.SIGNED,
            0x0067,
            "0F 200007D3 00 02 04 12 8F35 09 0C 07DF0101FF 00000000 8000FF"
            "09 0C 07DE0C1FFF 17320000 8000FF 09 0C 07DE0C1FFF 173B0000 8000FF",
        ),
        (
            Alert(
                0x8F66,
                NEW_YEAR,
                Encoding.DLMS,
                FutureDatedAction(0x0019, 4242, dlms.Target(0x71, "0-0:19.20.0.255", 7)),
            ),
            Framing.SIGNED,
            0x00CC,
            "0F 200007D3 00 02 03 12 8F66 09 0C 07DF0101FF 00000000 8000FF"
            "09 13 0019 0000000000001092 0071 0000131400FF 07",
        ),
        (
            Alert(0x8F67, NEW_YEAR, Encoding.GBZ, FutureDatedAction(0x006B, 4243, ZclTarget(0x0700, 9, 6))),
            Framing.SIGNED,
            0x00CD,
            "01 09 01 8F67 1C374A80 0E 006B 0000000000001093 0700 09 06",
        ),
        (
            Alert(0x81A0, NEW_YEAR, Encoding.DLMS, IntegrityIssue(6)),
            Framing.MACED,
            0x00F0,
            "0F 200007D3 00 02 03 12 81A0 09 0C 07DF0101FF 00000000 8000FF 09 02 0006",
        ),
        (
            Alert(0x81A0, NEW_YEAR, Encoding.GBZ, IntegrityIssue(2)),
            Framing.MACED,
            0x00F2,
            "01 09 01 81A0 1C374A80 0002",
        ),
    ],
)
def test_known_alerts(alert: Alert, framing: Framing, message_code: int, content: str) -> None:
    message = build_alert(alert, originator=ESME, recipient=SUPPLIER, originator_counter=2003)
    assert message.content.hex() == bytes.fromhex(content).hex()
    assert (message.framing, message.message_code, message.cra) == (framing, message_code, Cra.ALERT)
    assert decode_alert(message) == alert


def test_day_of_week_is_kept() -> None:
    content = bytes.fromhex("0F 200007D3 00 02 02 12 8F32 09 0C 07DF0101 04 00000000 8000FF")
    alert = decode_alert(alert_message(content))
    assert alert == Alert(0x8F32, NEW_YEAR, Encoding.DLMS, weekday=True)
    assert encode_alert(alert, 2003) == content


def test_asn1_alert() -> None:
    content = b"\x30\x82\x00\x1a\x02\x03\x00\x8f\x66\x18\x0f20300115000000Z\x30\x02\x05\x00"
    alert = decode_alert(alert_message(content))
    assert alert == Alert(0x8F66, datetime(2030, 1, 15, tzinfo=UTC), Encoding.ASN1, b"\x30\x02\x05\x00")
    assert encode_alert(alert, 1) == content


@pytest.mark.parametrize(
    "content",
    [
        "0F 200007D3 00 02 03 12 9ABC 09 0C 07DF0101FF 00000000 8000FF 02 02 06 00000001 0F FF",
        "0F 200007D3 00 02 03 12 8F36 09 0C 07DF0101FF 00000000 8000FF 09 03 010203",
        "01 09 01 9ABC 1C374A80 DEADBEEF",
        "01 09 01 8F66 1C374A80 0E",
        "30 1A 02 03 00 9ABC 18 0F 32303330303131353030303030305A 30 02 05 00",
    ],
)
def test_unknown_is_kept_raw(content: str) -> None:
    alert = decode_alert(alert_message(bytes.fromhex(content)))
    assert alert is not None
    assert isinstance(alert.specific, bytes)
    assert bytes.fromhex(content).endswith(alert.specific)
    if alert.code == 0x9ABC:
        assert alert.meaning == "alert 0x9ABC (not in the catalogue)"
    if alert.encoding is not Encoding.ASN1:
        assert encode_alert(alert, 2003) == bytes.fromhex(content)


@pytest.mark.parametrize(
    "content",
    [
        "0F 200007D3 00 02 02 12 8183 09 0C FFFFFFFFFFFFFFFFFF 8000FF",
        "01 09 00 8183 FFFFFFFF",
    ],
)
def test_device_without_a_valid_clock(content: str) -> None:
    alert = decode_alert(alert_message(bytes.fromhex(content)))
    assert alert is not None
    assert (alert.code, alert.timestamp) == (0x8183, None)
    assert encode_alert(alert, 2003) == bytes.fromhex(content)


def test_broken_invoke_id_is_kept_and_told() -> None:
    content = bytes.fromhex("0F 20000001 00 02 02 12 8F32 09 0C 07DF0101FF 00000000 8000FF")
    alert = decode_alert(alert_message(content))
    assert alert is not None
    assert alert.invoke_id == 0x20000001
    assert encode_alert(alert, 2003) == content


def test_long_counter_wraps_in_the_invoke_id() -> None:
    content = encode_alert(Alert(0x8F32, NEW_YEAR, Encoding.DLMS), 0x0123456789ABCDEF)
    assert content[1:5].hex() == "20abcdef"


@pytest.mark.parametrize(
    "content",
    [
        "0F",
        "0F 200007D3 00 02 02 12 8F32 09 0C 07DF0101FF 00000000 8000",
        "0F 200007D3 00 02 02 12 8F32 09 0C 07DF0101FF 00000000 8000FF 00",
        "0F 200007D3 00 02 01 12 8F32",
        "0F 200007D3 00 02 03 12 8F32 09 0C 07DF0101FF 00000000 8000FF 63",
        "01 09 00 8F32 3230FB",
        "01 09 00 8F32 3230FB7B 00",
        "01 09 01 8F32 3230FB7B",
        "30 03 02 01",
        "30 16 02 03 00 8F66 18 0F 32303330303131353030303030305B",
        "30 05 02 03 7F 8F66",
    ],
)
def test_damaged_alert_is_refused(content: str) -> None:
    with pytest.raises(GbcsError):
        decode_alert(alert_message(bytes.fromhex(content)))


@given(st.binary(max_size=80), st.sampled_from([b"", b"\x0f", b"\x01\x09", b"\x30"]))
def test_noise_raises_nothing_else(noise: bytes, head: bytes) -> None:
    try:
        decode_alert(alert_message(head + noise))
    except GbcsError:
        return


def test_what_is_no_alert() -> None:
    assert decode_alert(replace(alert_message(b"\x0f"), cra=Cra.RESPONSE)) is None
    assert decode_alert(alert_message(b"\xd9\x00")) is None


moments = st.integers(0, 2**32 - 2).map(lambda seconds: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))
bytes_6 = st.binary(min_size=6, max_size=6)
targets = st.builds(dlms.Target, st.integers(0, 0xFFFF), bytes_6.map(dlms.format_obis), st.integers(0, 255))
actions = st.builds(FutureDatedAction, st.integers(0, 0xFFFF), st.integers(0, 2**64 - 1), targets)


@given(
    st.integers(0, 2**64 - 1),
    moments,
    st.booleans(),
    st.one_of(
        st.tuples(st.just(0x8F35), st.builds(SupplyOutage, moments, moments)),
        st.tuples(st.just(0x8F66), actions),
        st.tuples(st.just(0x81A0), st.builds(IntegrityIssue, st.integers(0, 0xFFFF))),
        st.tuples(st.just(0x8F32), st.just(b"")),
    ),
)
def test_dlms_round_trip(counter: int, moment: datetime, weekday: bool, what: tuple[int, Specific]) -> None:
    alert = Alert(what[0], moment, Encoding.DLMS, what[1], weekday)
    message = build_alert(alert, originator=ESME, recipient=SUPPLIER, originator_counter=counter)
    assert decode_alert(message) == alert


@given(moments, st.integers(0, 0xFFFF), st.binary(max_size=20))
def test_gbz_round_trip(moment: datetime, code: int, specific: bytes) -> None:
    content = encode_alert(Alert(code, moment, Encoding.GBZ, specific), 1)
    alert = decode_alert(alert_message(content))
    assert alert is not None
    assert encode_alert(alert, 1) == content
    assert (alert.code, alert.timestamp) == (code, moment)


def test_moments_of_another_zone_are_written_in_utc() -> None:
    summer = datetime(2026, 6, 1, 12, tzinfo=timezone(timedelta(hours=1)))
    alert = decode_alert(alert_message(encode_alert(Alert(0x8F32, summer, Encoding.DLMS), 2003)))
    assert alert is not None
    assert alert.timestamp == datetime(2026, 6, 1, 11, tzinfo=UTC)


def test_build_needs_to_know() -> None:
    parties = {"originator": ESME, "recipient": SUPPLIER, "originator_counter": 1}
    unknown = Alert(0x9ABC, NEW_YEAR, Encoding.DLMS)
    with pytest.raises(GbcsError, match="whether alert 0x9ABC is critical"):
        build_alert(unknown, **parties)  # type: ignore[arg-type]
    assert build_alert(unknown, critical=False, **parties).message_code == 0x1001  # type: ignore[arg-type]
    with pytest.raises(GbcsError, match="no message code in ASN1"):
        build_alert(Alert(0x8F66, NEW_YEAR, Encoding.ASN1), **parties)  # type: ignore[arg-type]
    explicit = build_alert(Alert(0x8F66, NEW_YEAR, Encoding.ASN1), message_code=0x00CB, **parties)  # type: ignore[arg-type]
    assert explicit.message_code == 0x00CB


@pytest.mark.parametrize(
    "alert",
    [
        Alert(0x8F35, NEW_YEAR, Encoding.GBZ, OUTAGE),
        Alert(0x8F66, NEW_YEAR, Encoding.DLMS, FutureDatedAction(1, 1, ZclTarget(1, 1, 1))),
        Alert(0x8F66, NEW_YEAR, Encoding.ASN1, IntegrityIssue(1)),
        Alert(0x8F66, None, Encoding.ASN1),
        Alert(0x8F32, datetime(1999, 1, 1, tzinfo=UTC), Encoding.GBZ),
        Alert(0x8F32, NEW_YEAR, Encoding.DLMS, b"\x09\x05"),
    ],
)
def test_what_a_notation_cannot_say(alert: Alert) -> None:
    with pytest.raises(GbcsError):
        encode_alert(alert, 1)


def test_integrity_reasons() -> None:
    assert IntegrityIssue(6).meaning == "watchdog"
    assert IntegrityIssue(77).meaning == "reason 77"


def test_catalogue_is_consistent() -> None:
    for code, entry in catalogue.alert_entries().items():
        assert 0x8000 <= code <= 0x8FFF
        assert set(entry.sources) <= set(catalogue.sources())
        assert entry.sources
        if entry.type == 1:
            assert not entry.message_codes
        for message_code in entry.message_codes.values():
            assert message_code in catalogue.use_case_names()
    assert catalogue.use_case_name(0x0045) == "ECS29a"
    assert catalogue.use_case_names()[0x0045].service_references == ("6.5",)
    assert catalogue.use_case_name(0x7777) == "message code 0x7777"
    for code in (0x8F32, 0x8183, 0x8F66, 0x81A0, 0x8002, 0x8F35, 0x8F36, 0x8F40, 0x8F41):
        assert "CTSD" in catalogue.alert_entries()[code].sources


def test_catalogue_says_of_which_equipment_an_alert_is() -> None:
    entries = catalogue.alert_entries()
    assert entries[0x8F32].smets == ("SMETS1", "SMETS2+")
    assert entries[0x8183].smets == entries[0x8F36].smets == ("SMETS2+",)
    for code in (0x8F40, 0x8F41):
        assert entries[code].smets == ("SMETS1",)
        assert not entries[code].in_gbcs
    assert len(entries) > 180
    assert all(entry.meaning and entry.smets for entry in entries.values())
