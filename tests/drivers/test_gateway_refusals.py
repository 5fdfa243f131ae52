"""What the gateway does not sign, and what it does not take for an answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bench.duis import responses as duis
from bench.duis.request_id import RequestId
from bench.duis.requests import Request
from bench.errors import DeviceError
from bench.gbcs.message import Framing, Message
from tests.drivers.dcc_fake import (
    CLOCK,
    ED,
    ESME,
    GSME,
    IS,
    JANUARY_2026_MS,
    NOW,
    STRANGER,
    FakeDcc,
    acknowledge,
    answer_fields,
    pre_command_for,
    running,
    validity,
)


def _swap(**changes: Any) -> Callable[[Request], duis.Response]:
    return lambda request: pre_command_for(request, **changes)


def _with_payload(payload: bytes) -> Callable[[Request], duis.Response]:
    return lambda request: replace(pre_command_for(request), payload=payload)  # type: ignore[call-arg]


def _other_use_case(request: Request) -> duis.Response:
    other = pre_command_for(replace(request, service_reference_variant="7.1"))
    return replace(other, service_reference_variant="7.2")  # type: ignore[call-arg]


def _arm_in_the_guise_of_disable(request: Request) -> duis.Response:
    arm = Message.parse(pre_command_for(replace(request, service_reference_variant="7.3")).payload)  # type: ignore[attr-defined]
    return pre_command_for(request, content=arm.content)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (_swap(originator=ED), "its originator is 90-B3-D5-1F-30-02-00-00"),
        (_swap(recipient=GSME), "its recipient is 00-DB-12-34-56-78-90-A1"),
        (_swap(originator_counter=5), "its originator counter is 5"),
        (_swap(supplementary_remote_party=ED), "its supplementary party is"),
        (_swap(message_code=0x0081), "GCS32, a command for a GSME"),
        (_swap(content=b"\x00"), "its content is not that of ECS43"),
        (_other_use_case, "it is ECS42 .* does not serve 7.2"),
        (_arm_in_the_guise_of_disable, "its content is not that of ECS43"),
        (_with_payload(b"\xdf\x09"), "no GBCS message"),
        (_swap(framing=Framing.SIGNED, signature=bytes(64)), "bytes"),
    ],
)
async def test_a_pre_command_that_was_not_asked_for_is_not_signed(answer: Callable[[Request], duis.Response], why: str):
    dcc = FakeDcc(answer=lambda service, request: answer(request))
    async with running(dcc) as rig:
        with pytest.raises(DeviceError, match=f"was not signed: .*{why}"):
            await rig.gateway.request("IS", "7.2", ESME, {})
        assert len(dcc.requests) == 1
        assert rig.seen("response") == []
        assert [each["what"] for each in rig.seen("refused")] == ["pre-command for 7.2"]


@pytest.mark.parametrize("interval", [(3600, 3600), (-60, 120), (120, -60)])
async def test_a_clock_command_for_another_time_is_not_signed(interval: tuple[int, int]):
    dcc = FakeDcc(answer=lambda service, request: pre_command_for(request, validity(*interval)))
    async with running(dcc) as rig:
        with pytest.raises(DeviceError, match="it sets the clock"):
            await rig.gateway.request("IS", "8.1.1", ESME, CLOCK)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"request_id": RequestId(IS, ESME, 1)}, "it answers 90-B3.*:1, not"),
        ({"request_id": RequestId(ED, ESME, JANUARY_2026_MS)}, "it answers 90-B3-D5-1F-30-02"),
        ({"request_id": None, "response_id": None}, "it answers no request"),
        ({"service_reference_variant": "7.1"}, "it answers 7.1"),
    ],
)
async def test_an_answer_to_something_else_is_refused(change: dict[str, Any], why: str):
    dcc = FakeDcc(answer=lambda service, request: replace(acknowledge(request), **change))
    async with running(dcc) as rig:
        with pytest.raises(DeviceError, match=why):
            await rig.gateway.request("IS", "7.4", ESME, {})
        assert [each["what"] for each in rig.seen("refused")] == ["answer to 7.4"]
        assert rig.seen("response") == []


@pytest.mark.parametrize(
    ("variant", "kind"),
    [("7.2", duis.Acknowledgement), ("7.4", duis.PreCommand), ("7.4", duis.GbcsResponse), ("7.4", duis.DeviceAlert)],
)
async def test_a_kind_of_answer_that_the_service_does_not_give_is_refused(variant: str, kind: type):
    def answer(service: str, request: Request) -> duis.Response:
        if kind is duis.DeviceAlert:
            return duis.DeviceAlert(request_id=request.request_id, response_date_time=NOW, alert_code=1, payload=b"x")
        more = {duis.PreCommand: {"gbcs_version": "4.3", "payload": b"x"}, duis.GbcsResponse: {"payload": b"x"}}
        return kind(**answer_fields(request), **more.get(kind, {}))  # type: ignore[no-any-return]

    async with running(FakeDcc(answer=answer)) as rig:
        with pytest.raises(DeviceError, match=f"must not answer with a {kind.__name__}"):
            await rig.gateway.request("IS", variant, ESME, {})


@pytest.mark.parametrize("signer", [STRANGER, IS])
async def test_an_answer_that_the_dcc_did_not_sign_is_refused(signer: Any):
    async with running(FakeDcc(signer=signer)) as rig:
        with pytest.raises(DeviceError, match="not trusted"):
            await rig.gateway.request("IS", "7.4", ESME, {})
        assert rig.seen("response") == []
