"""What the DCC delivers and the gateway must not believe: documents and messages that were changed, or are none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.clock import VirtualClock
from bench.device import DeviceContext
from bench.duis import responses as duis
from bench.duis.errors import DuisError
from bench.events import Event, EventStream
from bench.gbcs.alerts import Alert
from bench.parties import Certificates, KeyUse
from drivers.duis_sightings import Received, Sightings
from drivers.redaction import Redactor
from tests.drivers.dcc_fake import (
    DCC,
    ESME,
    IDENTITIES,
    IS,
    STRANGER,
    MemoryCounters,
    delivered_alert,
    device_alert,
    make_parties,
    protect,
    running,
    signed,
)
from tests.drivers.gateway_deliveries import OUTAGE, OVER_VOLTAGE, delivered_response

ALERT = delivered_alert(0x8F35, protect(device_alert(OUTAGE)))


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (b"", "not well-formed"),
        (b"not xml", "not well-formed"),
        (b"<x/>", "document element is x"),
        (duis.build_response(ALERT), "has no signature"),
        (signed(ALERT, STRANGER), "not trusted"),
        (signed(ALERT, IS), "not trusted"),
        (signed(ALERT).replace(b"8F35", b"8F36"), "does not verify"),
        (signed(ALERT).replace(b"<sr:Header>", b"<sr:Header><?php 1?>"), "processing instruction"),
        (b"<!DOCTYPE a SYSTEM 'http://192.0.2.1/x'>" + signed(ALERT), "well-formed|DTD"),
    ],
)
async def test_a_document_that_cannot_be_believed_is_refused_with_a_reason(document: bytes, why: str):
    async with running() as rig:
        status, reason = await rig.deliver(document)
        assert status == 400
        (refused,) = rig.seen("refused")
        assert refused["what"] == "a message at the receive service"
        assert any(part in refused["why"] and part in reason for part in why.split("|"))
        assert [rig.seen(kind) for kind in ("device_alert", "response", "dcc_alert")] == [[], [], []]


async def test_a_certificate_out_of_its_time_is_not_believed():
    late = IDENTITIES.organisation(DCC, KeyUse.XML_SIGN, None).certificate.not_valid_after_utc  # type: ignore[arg-type]
    async with running() as rig:
        clock = rig.gateway.context.clock
        clock._epoch_utc_ns = int((late + timedelta(days=1)).timestamp()) * 10**9  # type: ignore[attr-defined]
        status, reason = await rig.deliver(ALERT)
        assert (status, rig.seen("device_alert")) == (400, [])
        assert "is valid from" in reason


async def test_a_certificate_of_the_wrong_kind_is_a_reason_and_no_crash():
    from cryptography.hazmat.primitives.asymmetric import rsa

    parties = make_parties()
    entries = [(DCC, KeyUse.XML_SIGN, parties.certificates.find(DCC, KeyUse.XML_SIGN))]
    certificate = parties.certificates.find(ESME, KeyUse.DIGITAL_SIGNATURE)
    assert certificate is not None

    class Odd:
        def public_key(self) -> object:
            return rsa.generate_private_key(65537, 2048).public_key()

    odd = replace(parties, certificates=Certificates([*entries, (ESME, KeyUse.DIGITAL_SIGNATURE, Odd())]))  # type: ignore[list-item]
    async with running(parties=odd) as rig:
        await rig.deliver(ALERT)
        (seen,) = rig.seen("device_alert")
        assert "cannot be used" in seen["signature"]


def _sightings() -> tuple[Sightings, list[Event]]:
    events: list[Event] = []
    stream = EventStream(VirtualClock(asyncio.new_event_loop()))
    stream.subscribe(events.append)
    context = DeviceContext("gateway", stream, make_parties(), MemoryCounters())
    return Sightings(context, Redactor(context.parties)), events


@pytest.fixture
def sightings() -> Iterator[tuple[Sightings, list[Event]]]:
    pair = _sightings()
    yield pair
    pair[0]._context.clock._loop.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("alert", [OUTAGE, OVER_VOLTAGE])
def test_no_bit_of_a_gbcs_message_can_be_changed_unseen(alert: Alert, sightings: Any):
    judge, events = sightings
    payload = protect(device_alert(alert))
    for at in range(len(payload)):
        for bit in (1, 0x80):
            changed = payload[:at] + bytes([payload[at] ^ bit]) + payload[at + 1 :]
            judge.report(Received(delivered_alert(alert.code, changed), ""))  # type: ignore[arg-type]
    seen = [event.data for event in events if event.kind == "seen.device_alert"]
    refused = [event for event in events if event.kind == "seen.refused"]
    assert len(seen) + len(refused) == 2 * len(payload)
    assert not [data for data in seen if data["signature"] == "valid"]


GOOD = signed(ALERT)


@given(at=st.integers(0, len(GOOD) - 1), byte=st.integers(0, 255), cut=st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
def test_no_byte_of_a_document_can_be_changed_unseen(sightings: Any, at: int, byte: int, cut: bool):
    judge, _ = sightings
    changed = GOOD[:at] + bytes([byte]) + (b"" if cut else GOOD[at + 1 :])
    original = judge.read(GOOD)
    try:
        received = judge.read(changed)
    except DuisError:
        return
    # What is outside the signed content, such as white space in the signature's base64, may differ.
    assert received == original


@given(document=st.binary(max_size=200) | st.text(alphabet="<>/a&;!?x= \"'", max_size=80).map(str.encode))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_anything_else_is_refused_without_a_crash(sightings: Any, document: bytes):
    with pytest.raises(DuisError):
        sightings[0].read(document)
    sightings[0]._redactor.document(document)


@given(payload=st.binary(max_size=120))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_payload_the_dcc_may_deliver_is_reported_without_a_crash(sightings: Any, payload: bytes):
    judge, events = sightings
    events.clear()
    judge.report(Received(delivered_alert(0x8F35, payload), ""))  # type: ignore[arg-type]
    judge.report(Received(delivered_response("7.4", payload), ""))
    assert [event.kind for event in events if event.kind != "wire"] == ["seen.refused"] * 2
