"""What devices and the DCC tell unasked: believed only as far as its signatures go, and the same message known."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bench.duis import responses as duis
from bench.duis.request_id import RequestId
from bench.eui import Eui64
from bench.gbcs import dlms
from bench.gbcs.alerts import Alert, FutureDatedAction, IntegrityIssue, build_alert
from bench.gbcs.catalogue import Encoding
from bench.gbcs.message import Cra, Framing
from tests.drivers.dcc_fake import (
    CHF,
    DCC,
    ED,
    ESME,
    GSME,
    IS,
    NOW,
    STRANGER,
    delivered_alert,
    device_alert,
    protect,
    running,
)
from tests.drivers.gateway_deliveries import OUTAGE, OVER_VOLTAGE, REQUEST, RESTORED


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
