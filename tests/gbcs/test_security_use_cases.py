"""Credentials that devices hold and have, as reference messages have them, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.eui import Eui64
from bench.gbcs import asn1
from bench.gbcs.alerts import Asn1Specific, decode_alert
from bench.gbcs.credentials import USE_CASES as UPDATES
from bench.gbcs.credentials import Cell, Outcome
from bench.gbcs.errors import GbcsError
from bench.gbcs.message import Message
from bench.gbcs.security_use_cases import HELD, NOT_HELD, USE_CASES, Held

CASES = {each.name: each for each in USE_CASES}
PARTY, KEY_ID = Eui64.parse("90-B3-D5-1F-30-02-00-00"), bytes.fromhex("48cf97fa9f827fb5")


def message(rtds: Path, name: str) -> Message:
    return Message.parse(bytes.fromhex((rtds / "gbcs" / "messages" / f"{name}_GBCS.HEX").read_text()))


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("CS02aMAC_6.24.1_SUCCESS_COMMAND", "CS02a"),
        ("CS02aMAC_6.24.1_ERROR_COMMAND", "CS02a"),
        ("CS02c_6.17_SUCCESS_COMMAND", "CS02c"),
        ("CS02c_6.17_ERROR_COMMAND", "CS02c"),
    ],
)
def test_commands_are_read_and_written_again(rtds: Path, file: str, name: str) -> None:
    reference = message(rtds, file)
    assert reference.message_code == CASES[name].message_code
    params = CASES[name].decode_command(reference.content)
    assert CASES[name].encode_command(params, originator_counter=1) == reference.content


def test_a_refused_certificate_is_read_and_written_again(rtds: Path) -> None:
    reference = message(rtds, "CS02d_6.15.2_ERROR_RESPONSE")
    response = CASES["CS02d"].decode_response(reference.content)
    assert (response.ok, response.values) == (False, {"status": 3})
    assert CASES["CS02d"].encode_response(response.values, originator_counter=1, ok=False) == reference.content


def test_credentials_are_laid_out_as_the_reference_response_of_cs02f_has_them(rtds: Path) -> None:
    content = message(rtds, "CS02fSignature_NA_ERROR_RESPONSE").content
    held = CASES["CS02a"].decode_response(content).values["credentials"]
    assert held[0].role == "network_operator"
    assert held[0].cells[0] == ("digital_signature", PARTY, KEY_ID)
    assert held[1] == Held("transitional_cos", NOT_HELD)
    assert CASES["CS02a"].encode_response({"credentials": held}, originator_counter=1) == content


def test_other_responses_round_trip() -> None:
    certificate = asn1.sequence(asn1.integer(1))
    for name, values, ok in (
        ("CS02c", {"certification_request": certificate}, True),
        ("CS02c", {"status": 2}, False),
        ("CS02d", {}, True),
        ("CS02e", {"certificate": certificate}, True),
        ("CS02e", {"status": 1}, False),
    ):
        content = CASES[name].encode_response(values, originator_counter=1, ok=ok)
        response = CASES[name].decode_response(content)
        assert (response.ok, response.values) == (ok, values)
    content = CASES["CS02d"].encode_command({"certificate": certificate}, originator_counter=1)
    assert CASES["CS02d"].decode_command(content) == {"certificate": certificate}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("CS02a", asn1.sequence(asn1.sequence(Cell("supplier", "key_agreement").encode()), asn1.sequence())),
        ("CS02c", asn1.sequence(asn1.element(0x03, b"\x00\x00"))),
        ("CS02c", asn1.sequence(asn1.element(0x03, b"\x07\x80"), asn1.integer(1))),
        ("CS02d", b"\x02\x01\x05\x00"),
    ],
)
def test_wrong_commands_are_refused(name: str, content: bytes) -> None:
    with pytest.raises(GbcsError):
        CASES[name].decode_command(content)


def test_a_key_identifier_has_eight_bytes() -> None:
    content = CASES["CS02a"].encode_response(
        {"credentials": (Held("supplier", HELD, 5, (("key_agreement", PARTY, b"short"),)),)}, originator_counter=1
    )
    with pytest.raises(GbcsError, match="5 bytes"):
        CASES["CS02a"].decode_response(content)
    with pytest.raises(GbcsError, match="key_usage"):
        CASES["CS02c"].encode_command({"key_usage": "both"}, originator_counter=1)


def test_the_alert_of_a_dated_update_has_the_parts_of_published_alerts(rtds: Path) -> None:
    name = "CS02gLoadControllerBySupplier_6.15.1_8F66_FUTURE_DATED_SUCCESS_ALERT_GBCS.HEX"
    alert = decode_alert(Message.parse(bytes.fromhex((rtds / "gbcs" / "alerts" / name).read_text())))
    assert alert is not None
    assert isinstance(alert.specific, bytes)
    cursor = asn1.Cursor(alert.specific).sequence("outcome")
    assert cursor.integer("counter") > 0
    use_case = UPDATES[0]
    outcome = Outcome(Cell("supplier", "digital_signature"), 0, PARTY, KEY_ID, PARTY, KEY_ID)
    said = use_case.alert(77, {"outcomes": (outcome,)})
    assert isinstance(said, Asn1Specific)
    assert asn1.Cursor(said.content).sequence("outcome").integer("counter") == 77
