"""Requests as they go to the DCC: the service, the counter, the command that is checked before it is signed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from bench.capabilities import DccGateway
from bench.duis import responses as duis
from bench.duis.request_id import RequestId
from bench.duis.requests import Request
from bench.errors import DeviceLost, UsageError
from bench.gbcs import crypto
from bench.gbcs.message import Framing, Message
from bench.parties import KeyUse
from tests.drivers.dcc_fake import (
    CHF,
    CLOCK,
    DCC,
    ED,
    ESME,
    IDENTITIES,
    INSTALL_CODE,
    IS,
    JANUARY_2026_MS,
    FakeDcc,
    acknowledge,
    answer_fields,
    closing,
    pre_command_for,
    running,
    silent,
    validity,
)


async def test_a_non_critical_request_goes_to_service_s_and_is_acknowledged():
    async with running() as rig:
        exchange = await rig.gateway.request("IS", "7.4", ESME, {})
        assert isinstance(rig.gateway, DccGateway)
        ((service, request, _),) = rig.dcc.requests
        assert (service, request.command_variant, request.service_reference_variant) == ("serviceS", 1, "7.4")
        assert request.request_id == RequestId(IS, ESME, JANUARY_2026_MS)
        assert (exchange.request_id, exchange.response_code) == (str(request.request_id), "I99")
        assert exchange.sent_at.mono_ns <= exchange.answered_at.mono_ns
        (response,) = rig.seen("response")
        assert response["digest"]
        del response["digest"]  # type: ignore[attr-defined]
        assert response == {
            "user": "IS",
            "request_id": str(request.request_id),
            "service_request": "7.4",
            "response_code": "I99",
            "synchronous": True,
            "device": str(ESME),
            "signature": "valid",
            "gbcs": None,
        }


@pytest.mark.parametrize(
    ("variant", "command_variant", "service"),
    [("7.4", None, "serviceS"), ("7.4", 2, "serviceD"), ("7.4", 3, "serviceS"), ("8.3", None, "serviceD")],
)
async def test_the_command_variant_chooses_the_service(variant: str, command_variant: int | None, service: str):
    async with running() as rig:
        params = {"device_id": ESME} if variant == "8.3" else {}
        await rig.gateway.request("IS", variant, ESME, params, command_variant)
        assert [each[0] for each in rig.dcc.requests] == [service]


async def test_a_wrong_command_variant_is_sent_so_that_the_dcc_can_refuse_it():
    dcc = FakeDcc(answer=lambda service, request: acknowledge(request, "E13"))
    async with running(dcc) as rig:
        exchange = await rig.gateway.request("IS", "8.3", DCC, {"device_id": ESME}, 4)
        assert exchange.response_code == "E13"
        assert [each[0] for each in dcc.requests] == ["serviceT"]
        assert [each["response_code"] for each in rig.seen("response")] == ["E13"]


async def test_each_user_has_its_own_counter_and_no_value_comes_twice():
    async with running() as rig:
        ids = [(await rig.gateway.request(user, "7.4", ESME, {})).request_id for user in ("IS", "IS", "ED", "IS")]
        assert [each.rpartition(":")[2] for each in ids] == [str(JANUARY_2026_MS + n) for n in (0, 1, 0, 2)]
        assert [each[:23] for each in ids] == [str(each) for each in (IS, IS, ED, IS)]


async def test_a_critical_request_is_transformed_checked_signed_and_sent_under_one_request_id():
    async with running() as rig:
        exchange = await rig.gateway.request("IS", "7.2", ESME, {})
        assert [(service, request.command_variant) for service, request, _ in rig.dcc.requests] == [
            ("serviceT", 4),
            ("serviceS", 5),
        ]
        assert {str(request.request_id) for _, request, _ in rig.dcc.requests} == {exchange.request_id}
        command = Message.parse(rig.dcc.requests[1][1].params["gbcs_payload"])
        assert command.framing is Framing.SIGNED
        is_key = IDENTITIES.organisation(IS, KeyUse.DIGITAL_SIGNATURE, None).private_key.public_key()  # type: ignore[arg-type]
        assert crypto.verify_signature(command, is_key)
        assert exchange.response_code == "I99"
        # The pre-command is on the way to a response and not one: it must not satisfy "7.2 answers I0".
        assert [each["response_code"] for each in rig.seen("response")] == ["I99"]
        assert len(rig.wires("rx", "gbcs")) == len(rig.wires("tx", "gbcs")) == 1


@pytest.mark.parametrize(("command_variant", "sent"), [(4, [4]), (5, [4, 5]), (6, [4, 6]), (7, [4, 7])])
async def test_a_critical_request_may_stop_at_the_pre_command_or_end_locally(command_variant: int, sent: list[int]):
    async with running() as rig:
        exchange = await rig.gateway.request("IS", "7.2", ESME, {}, command_variant)
        assert [request.command_variant for _, request, _ in rig.dcc.requests] == sent
        assert exchange.response_code == ("I0" if command_variant == 4 else "I99")


async def test_a_signed_pre_command_can_be_given():
    async with running() as rig:
        await rig.gateway.request("IS", "7.2", ESME, {"gbcs_payload": b"\xdf\x09 an old one"}, 5)
        ((service, request, _),) = rig.dcc.requests
        assert (service, request.params["gbcs_payload"]) == ("serviceS", b"\xdf\x09 an old one")


async def test_an_error_to_the_transformation_ends_the_request():
    dcc = FakeDcc(answer=lambda service, request: acknowledge(request, "E5"))
    async with running(dcc) as rig:
        assert (await rig.gateway.request("IS", "7.2", ESME, {})).response_code == "E5"
        assert len(dcc.requests) == 1


@pytest.mark.parametrize("interval", [(0, 10), (10, 10), (10, 0), (10, 1900)])
async def test_a_clock_command_that_fits_moment_and_tolerance_is_signed(interval: tuple[int, int]):
    def answer(service: str, request: Request) -> duis.Response:
        is_transform = service == "serviceT"
        return pre_command_for(request, validity(*interval)) if is_transform else acknowledge(request)

    async with running(FakeDcc(answer=answer)) as rig:
        assert (await rig.gateway.request("IS", "8.1.1", ESME, CLOCK)).response_code == "I99"


async def test_the_inventory_comes_back_with_the_answer():
    device = duis.InventoryDevice(
        device_id=ESME,
        device_type="ESME",
        device_status="Commissioned",
        device_manufacturer="Example",
        device_model="E1",
        more={"import_mpxn": "1234567890123"},
    )
    dcc = FakeDcc(answer=lambda _, request: duis.InventoryResponse(**answer_fields(request), devices=(device,)))
    async with running(dcc) as rig:
        await rig.gateway.request("IS", "8.2", DCC, {"device_id": ESME})
        assert rig.seen("response")[0]["values"] == {
            "devices": [
                {
                    "device_id": str(ESME),
                    "type": "ESME",
                    "status": "Commissioned",
                    "manufacturer": "Example",
                    "model": "E1",
                    "import_mpxn": "1234567890123",
                }
            ]
        }


async def test_a_body_can_be_given_as_xml():
    async with running() as rig:
        body = '<sr:Anything xmlns:sr="http://www.dccinterface.co.uk/ServiceUserGateway"><sr:X/></sr:Anything>'
        await rig.gateway.request("IS", "3.1", ESME, {"raw_body": body})
        assert b"<sr:Anything" in rig.dcc.requests[0][2]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("GS", "7.4", ESME, {}), "no User 'GS'"),
        (("IS", "7.99", ESME, {}), "no Service Reference Variant"),
        (("IS", "7.4", ESME, {"volts": "1"}), "no parameter 'volts'"),
        (("IS", "7.4", ESME, {}, 10), "Command Variant 10"),
        (("IS", "7.4", ESME, {"raw_body": "<unfinished"}), "the body given for 7.4 cannot be sent: .*well-formed"),
    ],
)
async def test_a_request_that_cannot_be_written_is_a_usage_error(arguments: Any, why: str):
    async with running() as rig:
        with pytest.raises(UsageError, match=why):
            await rig.gateway.request(*arguments)
        assert rig.dcc.requests == []


async def test_the_install_code_is_in_no_event_whatever_the_dcc_does_with_it():
    def answer(service: str, request: Request) -> duis.Response:
        code = INSTALL_CODE.lower()
        raw = f'<sr:LogEcho xmlns:sr="http://www.dccinterface.co.uk/ServiceUserGateway">{code}</sr:LogEcho>'
        return duis.OtherServiceResponse(**answer_fields(request), name="LogEcho", raw=raw.encode())

    params = {"device_id": ESME, "request_type": "Add", "install_code": INSTALL_CODE, "import_mpxn": "1234567890123"}
    async with running(FakeDcc(answer=answer)) as rig:
        other = "FFEEDDCCBBAA99887766554433221100"
        await rig.gateway.request("IS", "8.11", CHF, params | {"install_code": other})
        await rig.gateway.request("IS", "8.11", CHF, params)
        spaced = "-".join(INSTALL_CODE[at : at + 2] for at in range(0, 32, 2))
        for text in (INSTALL_CODE, spaced, f"<a><InstallCode>{other}</InstallCode>", f"<InstallCode>{other[::-1]}</a>"):
            await rig.deliver(text.encode())
        assert [request.params["install_code"].hex().upper() for _, request, _ in rig.dcc.requests] == [
            other,
            INSTALL_CODE,
        ]
        everything = json.dumps([[event.data, event.volatile] for event in rig.events]).upper()
        assert "(SECRET)" in everything
        for secret in (INSTALL_CODE, other, other[::-1], spaced):
            assert secret not in everything


async def test_what_differs_between_runs_is_volatile_and_the_rest_repeats():
    streams = []
    for _ in range(2):
        async with running() as rig:
            await rig.gateway.request("IS", "7.2", ESME, {})
            await rig.deliver(b"<x/>")
            with pytest.raises(DeviceLost) as caught:
                rig.dcc.raw = closing
                await rig.gateway.request("IS", "7.4", ESME, {})
            streams.append([(event.kind, event.data) for event in rig.events] + [str(caught.value)])
            dates = [event.volatile.get("Date") for event in rig.events]
            assert "Thu, 01 Jan 2026 00:00:00 GMT" in dates
            for port in (rig.dcc.port, rig.gateway.receive_port):
                # With its colon: five digits alone stand in many a signature by chance.
                assert f":{port}" not in json.dumps(streams[-1])
    assert streams[0] == streams[1]


async def test_a_cancelled_request_leaves_nothing_behind():
    async with running(FakeDcc(raw=silent)) as rig:
        task = asyncio.create_task(rig.gateway.request("IS", "7.4", ESME, {}))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_requests_in_parallel_do_not_mix():
    async with running() as rig:
        exchanges = await asyncio.gather(*(rig.gateway.request(user, "7.2", ESME, {}) for user in ("IS", "ED", "IS")))
        assert len({each.request_id for each in exchanges}) == 3
        assert [each.response_code for each in exchanges] == ["I99"] * 3


async def test_a_request_under_way_ends_when_the_gateway_closes():
    async with running(FakeDcc(raw=silent)) as rig:
        task = asyncio.create_task(rig.gateway.request("IS", "7.4", ESME, {}))
        await asyncio.sleep(1)
        await rig.gateway.close()
        with pytest.raises(DeviceLost):
            await task


@pytest.mark.realtime
async def test_works_in_real_time():
    async with running() as rig:
        assert (await rig.gateway.request("IS", "7.2", ESME, {})).response_code == "I99"
        assert (await rig.deliver(b"<x/>"))[0] == 400
