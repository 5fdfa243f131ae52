"""CS06: the activation of firmware, its response and its alert."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.eui import Eui64
from bench.gbcs.alerts import Alert, build_alert, decode_alert
from bench.gbcs.catalogue import Encoding
from bench.gbcs.errors import GbcsError
from bench.gbcs.firmware_use_cases import (
    OUTCOMES,
    TRANSFER_OUTCOMES,
    activation_alert,
    read_activation_alert,
    read_transfer_alert,
    read_upgrade_alert,
    transfer_alert,
    upgrade_alert,
)
from bench.gbcs.message import Message
from bench.gbcs.use_cases import UseCase, use_case_for, use_cases_for_service

ESME, USER = Eui64.parse("00-DB-12-34-56-78-90-A0"), Eui64.parse("90-B3-D5-1F-30-01-00-00")
WHEN = datetime(2030, 1, 15, 9, tzinfo=UTC)
COUNTERS = st.integers(0, 2**63 - 1)


def cs06() -> UseCase:
    found = use_case_for(0x0012)
    assert found is not None
    assert use_cases_for_service("11.3", "GSME") == (found,)
    return found


@given(st.binary(min_size=32, max_size=32), st.none() | st.integers(0, 10**9), COUNTERS)
def test_commands_are_read_back(image_hash: bytes, later_s: int | None, counter: int) -> None:
    params: dict[str, Any] = {"image_hash": image_hash}
    if later_s is not None:
        params["execution_date_time"] = WHEN + timedelta(seconds=later_s)
    content = cs06().encode_command(params, originator_counter=counter)
    assert cs06().decode_command(content) == params


def test_the_command_is_the_reference_message(rtds: Path) -> None:
    file = rtds / "gbcs" / "messages" / "CS06_11.3_FUTURE_DATED_SUCCESS_PRECOMMAND_GBCS.HEX"
    message = Message.parse(bytes.fromhex(file.read_text("ascii")))
    params = cs06().decode_command(message.content)
    assert params["execution_date_time"] == WHEN
    assert cs06().encode_command(params, originator_counter=message.originator_counter) == message.content


@given(st.sampled_from(list(OUTCOMES.values())), st.binary(min_size=4, max_size=4))
def test_outcomes_are_read_back(outcome: str, version: bytes) -> None:
    values = {"outcome": outcome, "firmware_version": version}
    ok = outcome == "success"
    response = cs06().decode_response(cs06().encode_response(values, originator_counter=1, ok=ok))
    assert (response.ok, response.values) == (ok, values)
    with pytest.raises(GbcsError, match="outcome"):
        cs06().encode_response(values, originator_counter=1, ok=not ok)


def test_a_command_for_later_is_accepted_without_an_outcome() -> None:
    content = cs06().encode_response({}, originator_counter=1)
    assert content == b"\x05\x00"
    response = cs06().decode_response(content)
    assert (response.ok, response.values) == (True, {})


@pytest.mark.parametrize(
    "content", ["", "0500ff", "050100", "3000", "300902010404040000000100", "3009020100040400000001ff", "04200011"]
)
def test_what_is_no_response_is_refused(content: str) -> None:
    with pytest.raises(GbcsError):
        cs06().decode_response(bytes.fromhex(content))


@pytest.mark.parametrize("content", ["", "3000", "3006040100020100", "30250420" + "00" * 32 + "020101ff", "0500"])
def test_what_is_no_command_is_refused(content: str) -> None:
    with pytest.raises(GbcsError):
        cs06().decode_command(bytes.fromhex(content))


@given(COUNTERS, st.sampled_from(list(OUTCOMES.values())))
def test_the_alert_says_which_command_and_how_it_went(counter: int, outcome: str) -> None:
    values = {"outcome": outcome, "firmware_version": b"\x00\x01\x00\x02"}
    alert = Alert(0x8F66, WHEN, Encoding.ASN1, activation_alert(counter, values))
    message = build_alert(alert, originator=ESME, recipient=USER, originator_counter=7)
    assert message.message_code == 0x00CA
    found = decode_alert(message)
    assert found is not None
    assert (found.code, found.timestamp) == (0x8F66, WHEN)
    assert read_activation_alert(found) == {"originator_counter": counter} | values
    with pytest.raises(GbcsError):
        read_activation_alert(alert)


@pytest.mark.parametrize("outcome", TRANSFER_OUTCOMES.values())
def test_a_hub_says_how_a_transfer_went(outcome: str) -> None:
    values = {"firmware_version": b"\x00\x01\x00\x02", "outcome": outcome}
    alert = Alert(0x8F8A, WHEN, Encoding.ASN1, transfer_alert(ESME, values))
    message = build_alert(alert, originator=USER, recipient=USER, originator_counter=7, critical=True)
    assert message.message_code == 0x0128
    found = decode_alert(message)
    assert found is not None
    assert read_transfer_alert(found) == {"device": ESME} | values
    with pytest.raises(GbcsError):
        read_upgrade_alert(found)


def test_a_display_says_what_it_runs() -> None:
    values = {"firmware_version": b"\x00\x01\x00\x02", "outcome": "failure"}
    specific = upgrade_alert(values)
    assert (specific.message_code, specific.content.hex()) == (0x0129, "040400010002" + "020101")
    alert = Alert(0x8F8B, WHEN, Encoding.ASN1, specific)
    found = decode_alert(build_alert(alert, originator=ESME, recipient=USER, originator_counter=7, critical=True))
    assert found is not None
    assert read_upgrade_alert(found) == values
    with pytest.raises(GbcsError, match="not in ASN.1"):
        read_upgrade_alert(Alert(0x8F8B, WHEN, Encoding.GBZ))
    with pytest.raises(GbcsError, match="outcome"):
        upgrade_alert(values | {"outcome": "maybe"})
