"""Responses that the DCC delivers: verified, decoded, and tied to the request that they answer."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from bench.duis import responses as duis
from bench.duis.request_id import RequestId
from bench.gbcs import dlms
from bench.gbcs.message import Cra, Framing, Message
from bench.gbcs.use_cases import UseCase, use_cases_for_service
from tests.drivers.dcc_fake import (
    DCC,
    ED,
    ESME,
    GSME,
    IS,
    NOW,
    protect,
    running,
)
from tests.drivers.gateway_deliveries import REQUEST, delivered_response


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


async def test_a_response_is_verified_decoded_and_tied_to_its_request():
    payload = protect(_answer("7.4", {"supply_state": "armed"}))
    async with running() as rig:
        assert (await rig.deliver(delivered_response("7.4", payload)))[0] == 204
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
        await rig.deliver(delivered_response("7.2", protect(_answer("7.2", {}, ok=False))))
        (seen,) = rig.seen("response")
        assert (seen["response_code"], seen["signature"], seen["gbcs"]["ok"]) == ("I0", "valid", False)
        assert "hardware fault" in seen["gbcs"]["detail"]


async def test_a_response_without_header_ids_is_tied_by_the_gbcs_message():
    async with running() as rig:
        payload = protect(_answer("7.4", {"supply_state": "armed"}))
        await rig.deliver(delivered_response("7.4", payload, request_id=None))
        await rig.deliver(delivered_response("7.4", payload, request_id=None, response_id=None))
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
            await rig.deliver(delivered_response("7.4", protect(through), **ids))
        other = replace(through, supplementary_remote_party_counter=1001)
        await rig.deliver(delivered_response("7.4", protect(other)))
        first, second, third = rig.seen("response")
        for seen in (first, second):
            assert (seen["user"], seen["request_id"], seen["signature"]) == ("IS", str(REQUEST), "valid")
        assert third["signature"] == "the device answers the command with counter 1001, not 1000"


async def test_a_response_to_the_broker_alone_is_whose_the_dcc_says():
    async with running() as rig:
        payload = protect(_answer("7.4", {"supply_state": "armed"}, recipient=DCC, originator_counter=77))
        await rig.deliver(delivered_response("7.4", payload))
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
        await rig.deliver(delivered_response(variant, protect(message)))
        (seen,) = rig.seen("response")
        assert why in seen["signature"]


async def test_a_use_case_that_is_not_decoded_is_judged_by_its_result_codes():
    async with running() as rig:
        for codes in ((0, 0), (0, 3)):
            results = tuple(dlms.AccessResult(dlms.Verb.SET, code, dlms.NULL) for code in codes)
            content = dlms.encode_response(1000, results)
            message = _answer("7.4", {"supply_state": "armed"}, message_code=0x7FFF, content=content)
            await rig.deliver(delivered_response("1.1.1", protect(replace(message, framing=Framing.SIGNED))))
        message = _answer("7.4", {"supply_state": "armed"}, message_code=0x7FFF, content=b"\x30\x00")
        await rig.deliver(delivered_response("1.1.1", protect(replace(message, framing=Framing.SIGNED))))
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
