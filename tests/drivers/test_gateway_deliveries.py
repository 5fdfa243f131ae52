"""What the DCC delivers: believed only as far as its signatures go, told apart by User, and the same message known."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.clock import VirtualClock
from bench.device import DeviceContext
from bench.duis import responses as duis
from bench.duis.errors import DuisError
from bench.duis.request_id import RequestId
from bench.eui import Eui64
from bench.events import Event, EventStream
from bench.gbcs import dlms
from bench.gbcs.alerts import Alert, FutureDatedAction, IntegrityIssue, SupplyOutage, build_alert
from bench.gbcs.catalogue import Encoding
from bench.gbcs.message import Cra, Framing, Message
from bench.gbcs.use_cases import UseCase, use_cases_for_service
from bench.parties import Certificates, KeyUse
from drivers.duis_sightings import Received, Sightings
from drivers.redaction import Redactor
from tests.drivers.dcc_fake import (
    CHF,
    DCC,
    ED,
    ESME,
    GSME,
    IDENTITIES,
    IS,
    NOW,
    STRANGER,
    MemoryCounters,
    delivered_alert,
    device_alert,
    make_parties,
    protect,
    running,
    signed,
)

RESTORED = datetime(2026, 1, 1, 0, 10, 0, tzinfo=UTC)
OUTAGE = Alert(0x8F35, RESTORED, Encoding.DLMS, SupplyOutage(RESTORED - timedelta(minutes=2), RESTORED))
OVER_VOLTAGE = Alert(0x8002, RESTORED, Encoding.DLMS)
REQUEST = RequestId(IS, ESME, 1000)


async def test_a_critical_alert_is_seen_with_all_it_says():
    payload = protect(device_alert(OUTAGE))
    async with running() as rig:
        assert await rig.deliver(delivered_alert(0x8F35, payload)) == (204, "")
        assert rig.seen("device_alert") == [
            {
                "user": "ED",
                "device": str(ESME),
                "code": "0x8F35",
                "counter": 2000,
                "device_time_utc_ns": int(RESTORED.timestamp()) * 10**9,
                "values": {"interruption": "2026-01-01T00:08:00Z", "restoration": "2026-01-01T00:10:00Z"},
                "signature": "valid",
                "digest": hashlib.sha256(payload).hexdigest(),
            }
        ]
        assert rig.seen("refused") == []
        assert [wire["hex"] for wire in rig.wires("rx", "gbcs")] == [payload.hex()]
        (wire,) = rig.wires("rx", "receive")
        assert wire["text"].startswith("<?xml") and "<ds:SignatureValue>" in wire["text"]


async def test_a_non_critical_alert_is_verified_by_its_mac():
    async with running() as rig:
        await rig.deliver(delivered_alert(0x8002, protect(device_alert(OVER_VOLTAGE))))
        await rig.deliver(delivered_alert(0x8183, protect(device_alert(replace(OVER_VOLTAGE, code=0x8183)))))
        assert [(each["code"], each["signature"]) for each in rig.seen("device_alert")] == [
            ("0x8002", "valid"),
            ("0x8183", "valid"),
        ]


def _corrupt(payload: bytes, at: int) -> bytes:
    at %= len(payload)
    return payload[:at] + bytes([payload[at] ^ 1]) + payload[at + 1 :]


FORGED = Eui64.parse("00-00-00-00-00-00-00-01")


@pytest.mark.parametrize(
    ("alert", "payload", "why"),
    [
        (0x8F35, _corrupt(protect(device_alert(OUTAGE)), -1), "the GBCS signature does not verify"),
        (0x8F35, _corrupt(protect(device_alert(OUTAGE)), 10), "the GBCS signature does not verify"),
        (0x8002, _corrupt(protect(device_alert(OVER_VOLTAGE)), -1), "the MAC does not verify"),
        (0x8002, protect(device_alert(OVER_VOLTAGE), user=IS), "the MAC does not verify"),
        (0x8F35, protect(device_alert(OUTAGE, recipient=IS)), "names 90-B3-D5-1F-30-01-00-00 as its User, the DCC"),
        (0x8F35, protect(device_alert(OUTAGE, device=GSME)), "as its device, the DCC 00-DB-12-34-56-78-90-A0"),
        (0x8F35, protect(device_alert(OUTAGE, device=FORGED)), "no digital signature certificate of 00-00"),
        (0x8002, protect(device_alert(OVER_VOLTAGE, device=FORGED)), "no key agreement certificate of 00-00"),
        (0x8002, protect(device_alert(OVER_VOLTAGE, recipient=DCC)), "the MAC is for 90-B3-D5-1F-30-00-00-02"),
        (0x8F36, protect(device_alert(OUTAGE)), "the DCC calls it 0x8F36, the device 0x8F35"),
        (
            0x8F35,
            protect(replace(device_alert(OUTAGE), framing=Framing.MACED)),
            "0x8F35 is critical and must be signed",
        ),
        (0x8F35, protect(replace(device_alert(OUTAGE), cra=Cra.RESPONSE)), "its content is no alert"),
        (0x8F35, protect(replace(device_alert(OUTAGE), content=b"\x0f\x20")), "its content cannot be read"),
        (0x8F35, protect(replace(device_alert(OUTAGE), content=b"\x77")), "its content is no alert"),
    ],
)
async def test_an_alert_that_is_not_what_it_seems_says_why(alert: int, payload: bytes, why: str) -> None:
    async with running() as rig:
        # What the DCC passed on is its affair: its own document is in order.
        assert (await rig.deliver(delivered_alert(alert, payload)))[0] == 204
        (seen,) = rig.seen("device_alert")
        assert why in seen["signature"]


@pytest.mark.parametrize("payload", [b"", b"\xdf\x09", b"<xml/>", protect(device_alert(OUTAGE))[:-1]])
async def test_an_alert_whose_frame_is_broken_is_refused(payload: bytes):
    async with running() as rig:
        await rig.deliver(delivered_alert(0x8F35, payload))
        assert rig.seen("device_alert") == []
        (refused,) = rig.seen("refused")
        assert refused["what"] == "device alert 0x8F35"
        assert "its GBCS message cannot be read" in refused["why"]


async def test_the_same_message_twice_has_the_same_digest_and_another_one_has_not():
    payload = protect(device_alert(OUTAGE))
    first = delivered_alert(0x8F35, payload)
    async with running() as rig:
        await rig.deliver(first)
        await rig.deliver(replace(first, response_date_time=NOW + timedelta(hours=1)))
        await rig.deliver(delivered_alert(0x8F35, protect(device_alert(OUTAGE, counter=2001))))
        one, again, other = (each["digest"] for each in rig.seen("device_alert"))
        assert one == again != other


async def test_a_message_for_a_stranger_is_seen_with_a_note():
    payload = protect(device_alert(OUTAGE, recipient=STRANGER))
    async with running() as rig:
        assert (await rig.deliver(delivered_alert(0x8F35, payload, user=STRANGER)))[0] == 204
        (seen,) = rig.seen("device_alert")
        assert (seen["user"], seen["note"], seen["signature"]) == (
            str(STRANGER),
            "it is for no User of this rig",
            "valid",
        )


async def test_specific_values_of_alerts():
    integrity = Alert(0x81A0, RESTORED, Encoding.DLMS, IntegrityIssue(6))
    unknown = Alert(0x8F3F, None, Encoding.GBZ, b"\x01\x02")
    async with running() as rig:
        await rig.deliver(delivered_alert(0x81A0, protect(device_alert(integrity))))
        message = build_alert(
            unknown, originator=GSME, recipient=ED, originator_counter=7, critical=False, message_code=0x1001
        )
        await rig.deliver(delivered_alert(0x8F3F, protect(message), device=GSME))
        first, second = rig.seen("device_alert")
        assert first["values"] == {"reason": 6, "meaning": "watchdog"}
        assert (second["values"], second["device_time_utc_ns"]) == ({"raw": "0102"}, None)


async def test_throttling_is_told():
    async with running() as rig:
        alert = replace(
            delivered_alert(0x8F35, protect(device_alert(OUTAGE))), throttled_sequence_id=3, throttled_count=17
        )
        await rig.deliver(alert)
        assert rig.seen("device_alert")[0]["throttled_count"] == 17


def _n24(**changes: Any) -> duis.Response:
    alert = duis.DccAlert(
        response_id=RequestId(DCC, IS, 5),
        response_date_time=NOW,
        alert_code="N24",
        body_name="UpdateHANDeviceLogResult",
        body={"update_han_device_log_service_request_id": RequestId(IS, CHF, 1000)},
    )
    return replace(alert, **changes)


async def test_a_dcc_alert_names_the_request_that_it_answers():
    async with running() as rig:
        assert (await rig.deliver(_n24()))[0] == 204
        (seen,) = rig.seen("dcc_alert")
        assert len(seen["digest"]) == 64
        assert dict(seen) | {"digest": ""} == {
            "user": "IS",
            "code": "N24",
            "for_request": str(RequestId(IS, CHF, 1000)),
            "device": None,
            "values": {"update_han_device_log_service_request_id": str(RequestId(IS, CHF, 1000))},
            "signature": "valid",
            "digest": "",
            "strange": ["unsolicited"],
        }


async def test_a_dcc_alert_without_a_response_id_goes_to_who_asked():
    async with running() as rig:
        await rig.deliver(_n24(response_id=None))
        assert rig.seen("dcc_alert")[0]["user"] == "IS"


async def test_a_power_outage_event_names_its_comms_hub():
    body = {"comms_hub_device_id": CHF, "start_date_time": RESTORED, "mpxn": "1234567890123"}
    ad1 = _n24(alert_code="AD1", body_name="PowerOutageEvent", body=body, response_id=RequestId(DCC, ED, 6))
    async with running() as rig:
        await rig.deliver(ad1)
        await rig.deliver(ad1)
        first, second = rig.seen("dcc_alert")
        assert (first["user"], first["code"], first["device"], first["for_request"]) == ("ED", "AD1", str(CHF), None)
        assert first["values"]["start_date_time"] == "2026-01-01T00:10:00Z"
        assert first["digest"] == second["digest"]


def _use_case(variant: str) -> UseCase:
    return use_cases_for_service(variant, "ESME")[0]


def _answer(
    variant: str, values: dict[str, Any], *, ok: bool = True, request: RequestId = REQUEST, **changes: Any
) -> Message:
    use_case = _use_case(variant)
    command = Message(
        framing=Framing.MACED,
        cra=Cra.COMMAND,
        originator_counter=request.counter,
        originator=request.originator,
        recipient=request.target,
        message_code=use_case.message_code,
        content=b"",
    )
    return replace(use_case.build_response(command, values, ok=ok), **changes)


def _delivered(variant: str, payload: bytes, **changes: Any) -> duis.Response:
    response = duis.GbcsResponse(
        request_id=REQUEST,
        response_id=REQUEST.response_id(),
        response_date_time=NOW,
        service_reference=".".join(variant.split(".")[:2]),
        service_reference_variant=variant,
        payload=payload,
    )
    return replace(response, **changes)


async def test_a_response_is_verified_decoded_and_tied_to_its_request():
    payload = protect(_answer("7.4", {"supply_state": "armed"}))
    async with running() as rig:
        assert (await rig.deliver(_delivered("7.4", payload)))[0] == 204
        assert rig.seen("response") == [
            {
                "user": "IS",
                "request_id": str(REQUEST),
                "service_request": "7.4",
                "response_code": "I0",
                "synchronous": False,
                "device": str(ESME),
                "signature": "valid",
                "digest": hashlib.sha256(payload).hexdigest(),
                "gbcs": {"use_case": "ECS45", "ok": True, "values": {"supply_state": "armed"}, "detail": "success"},
                "strange": ["unsolicited"],
            }
        ]


async def test_a_refusal_by_the_device_is_told():
    async with running() as rig:
        await rig.deliver(_delivered("7.2", protect(_answer("7.2", {}, ok=False))))
        (seen,) = rig.seen("response")
        assert (seen["response_code"], seen["signature"], seen["gbcs"]["ok"]) == ("I0", "valid", False)
        assert "hardware fault" in seen["gbcs"]["detail"]


async def test_a_response_without_header_ids_is_tied_by_the_gbcs_message():
    async with running() as rig:
        payload = protect(_answer("7.4", {"supply_state": "armed"}))
        await rig.deliver(_delivered("7.4", payload, request_id=None))
        await rig.deliver(_delivered("7.4", payload, request_id=None, response_id=None))
        assert [each["request_id"] for each in rig.seen("response")] == [str(REQUEST)] * 2


async def test_a_response_through_the_broker_is_tied_by_the_supplementary_counter():
    through = _answer(
        "7.4",
        {"supply_state": "armed"},
        recipient=DCC,
        originator_counter=999_999,
        supplementary_remote_party=IS,
        supplementary_remote_party_counter=1000,
    )
    async with running() as rig:
        for ids in ({}, {"request_id": None, "response_id": None}):
            await rig.deliver(_delivered("7.4", protect(through), **ids))
        other = replace(through, supplementary_remote_party_counter=1001)
        await rig.deliver(_delivered("7.4", protect(other)))
        first, second, third = rig.seen("response")
        for seen in (first, second):
            assert (seen["user"], seen["request_id"], seen["signature"]) == ("IS", str(REQUEST), "valid")
        assert third["signature"] == "the device answers the command with counter 1001, not 1000"


async def test_a_response_to_the_broker_alone_is_whose_the_dcc_says():
    async with running() as rig:
        payload = protect(_answer("7.4", {"supply_state": "armed"}, recipient=DCC, originator_counter=77))
        await rig.deliver(_delivered("7.4", payload))
        (seen,) = rig.seen("response")
        assert (seen["user"], seen["request_id"], seen["signature"]) == ("IS", str(REQUEST), "valid")


@pytest.mark.parametrize(
    ("variant", "message", "why"),
    [
        ("7.4", _answer("7.4", {"supply_state": "armed"}, originator_counter=1001), "counter 1001, not 1000"),
        ("7.4", _answer("7.4", {"supply_state": "armed"}, originator=GSME), "as its device, the DCC"),
        ("7.4", _answer("7.4", {"supply_state": "armed"}, recipient=ED), "as its User, the DCC"),
        ("7.4", _answer("7.4", {"supply_state": "armed"}, cra=Cra.ALERT), "is no response but alert"),
        ("7.4", _answer("7.4", {"supply_state": "armed"}, content=b"\x00"), "its content cannot be read"),
        ("7.2", _answer("7.2", {}, framing=Framing.MACED), "a response to a critical command must be signed"),
    ],
)
async def test_a_response_that_is_not_what_it_seems_says_why(variant: str, message: Message, why: str):
    async with running() as rig:
        await rig.deliver(_delivered(variant, protect(message)))
        (seen,) = rig.seen("response")
        assert why in seen["signature"]


async def test_a_use_case_that_is_not_decoded_is_judged_by_its_result_codes():
    async with running() as rig:
        for codes in ((0, 0), (0, 3)):
            results = tuple(dlms.AccessResult(dlms.Verb.SET, code, dlms.NULL) for code in codes)
            content = dlms.encode_response(1000, results)
            message = _answer("7.4", {"supply_state": "armed"}, message_code=0x7FFF, content=content)
            await rig.deliver(_delivered("1.1.1", protect(replace(message, framing=Framing.SIGNED))))
        message = _answer("7.4", {"supply_state": "armed"}, message_code=0x7FFF, content=b"\x30\x00")
        await rig.deliver(_delivered("1.1.1", protect(replace(message, framing=Framing.SIGNED))))
        good, bad, unknown = (each["gbcs"] for each in rig.seen("response"))
        assert (good["use_case"], good["ok"], good["values"]) == ("message code 0x7FFF", True, {})
        assert (bad["ok"], bad["detail"]) == (False, "DLMS result codes 0, 3")
        assert "ok" not in unknown


async def test_an_asynchronous_error_of_the_dcc_is_a_response_too():
    error = duis.ErrorResponse(
        request_id=REQUEST,
        response_code="E21",
        response_date_time=NOW,
        service_reference="7.4",
        service_reference_variant="7.4",
    )
    async with running() as rig:
        await rig.deliver(error)
        (seen,) = rig.seen("response")
        assert (seen["response_code"], seen["request_id"], seen["gbcs"]) == ("E21", str(REQUEST), None)


def _future_dated(instruction: int, *, counter: int = 1000, message_code: int = 0x0050, **changes: Any):
    target = dlms.Target(9, "0-0:10.0.106.255", 1)
    action = FutureDatedAction(message_code, counter, target)
    message = device_alert(Alert(0x8F66, RESTORED, Encoding.DLMS, action), recipient=IS, counter=3000 + instruction)
    alert = duis.FutureDatedDeviceAlert(
        request_id=REQUEST,
        response_id=REQUEST.response_id(),
        response_date_time=NOW,
        service_reference="7.2",
        service_reference_variant="7.2",
        alert_code=0x8F66,
        payload=protect(message),
        instruction_number=instruction,
        total_instructions=2,
    )
    return replace(alert, **changes)


async def test_each_instruction_of_a_future_dated_command_is_a_device_alert():
    async with running() as rig:
        for instruction in (1, 2):
            assert (await rig.deliver(_future_dated(instruction)))[0] == 204
        seen = rig.seen("device_alert")
        assert [(each["code"], each["instruction"], each["total"], each["for_request"]) for each in seen] == [
            ("0x8F66", 1, 2, str(REQUEST)),
            ("0x8F66", 2, 2, str(REQUEST)),
        ]
        assert [each["signature"] for each in seen] == ["valid"] * 2
        assert seen[0]["values"]["originator_counter"] == 1000
        assert rig.seen("response") == []


async def test_a_future_dated_alert_of_another_command_says_so_and_one_without_ids_is_tied_by_its_counter():
    async with running() as rig:
        await rig.deliver(_future_dated(1, counter=999))
        await rig.deliver(_future_dated(1, request_id=None, response_id=None))
        # 8.11's command is the broker's own: its counter is not that of the request.
        await rig.deliver(_future_dated(1, counter=999, message_code=0x0001))
        first, second, third = rig.seen("device_alert")
        assert first["signature"] == "the device reports on the command with counter 999, not 1000"
        assert (second["signature"], second["for_request"]) == ("valid", str(REQUEST))
        assert third["signature"] == "valid"


def _smets1(code: int = 0x8F40) -> duis.Response:
    raw = (
        '<sr:SMETS1ResponseMessage xmlns:sr="http://www.dccinterface.co.uk/ServiceUserGateway"'
        ' xmlns:ra="http://www.dccinterface.co.uk/ResponseAndAlert"><sr:SMETS1SignedResponse><sr:SMETS1Response>'
        f"<ra:GBCSHexAlertCode>{code:04X}</ra:GBCSHexAlertCode>"
        "</sr:SMETS1Response></sr:SMETS1SignedResponse></sr:SMETS1ResponseMessage>"
    )
    return duis.Smets1Response(
        response_id=RequestId(ESME, ED, 9), response_date_time=NOW, raw=raw.encode(), device_alert_code=code
    )


async def test_a_smets1_alert_without_its_providers_signature_is_seen_and_not_believed():
    async with running() as rig:
        await rig.deliver(_smets1())
        (seen,) = rig.seen("device_alert")
        assert (seen["user"], seen["device"], seen["code"]) == ("ED", str(ESME), "0x8F40")
        assert "the signature of the SMETS1 Service Provider" in seen["signature"]


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
    judge.report(Received(_delivered("7.4", payload), ""))
    assert [event.kind for event in events if event.kind != "wire"] == ["seen.refused"] * 2
