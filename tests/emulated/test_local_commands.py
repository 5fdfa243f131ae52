"""Commands that a User delivers itself, and the responses that it brings back."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bench.duis import responses as duis
from bench.eui import Eui64
from bench.gbcs.crypto import sign_pre_command
from bench.gbcs.message import Message
from bench.gbcs.use_cases import use_case_for
from drivers.emulated.dcc_parts.local import NOT_AUTHENTIC, OTHER_REQUEST, UNKNOWN
from tests.emulated.worlds import CHF, CODES, ESME, GSME, Small, small_world


def local(small: Small, user: str, variant: str, target: Eui64, params: Any = None, cv: int = 2) -> duis.LocalCommand:
    """Ask for a local command, signing what is critical."""
    if cv in (2, 3):
        answer = small.send(user, variant, target, params, command_variant=cv)
    else:
        transformed = small.send(user, variant, target, params)
        assert isinstance(transformed, duis.PreCommand) and transformed.request_id is not None
        payload = sign_pre_command(transformed.payload, small.world.users[user].signing.private_key)
        counter = transformed.request_id.counter
        answer = small.send(user, variant, target, {"gbcs_payload": payload}, command_variant=cv, counter=counter)
    assert isinstance(answer, duis.LocalCommand), answer
    assert answer.response_code == "I0"
    return answer


def ok(response: bytes | None) -> bool:
    assert response is not None
    message = Message.parse(response)
    use_case = use_case_for(message.message_code)
    assert use_case is not None
    return use_case.decode_response(message.content).ok


async def test_a_local_command_crosses_no_wan() -> None:
    with small_world() as small:
        command = local(small, "IS", "7.4", ESME)
        await asyncio.sleep(3000)
        assert small.posts == []
        assert ok(small.world.deliver_locally(command.payload))
        await asyncio.sleep(60)
        assert small.posts == []


async def test_a_critical_local_command_acts_when_it_is_delivered_and_once() -> None:
    with small_world() as small:
        command = local(small, "IS", "7.2", ESME, cv=6)
        await asyncio.sleep(60)
        assert small.world.esme.load.volts == 230.0
        assert ok(small.world.deliver_locally(command.payload))
        assert small.world.esme.load.volts == 0.0
        assert small.world.deliver_locally(command.payload) is None


@pytest.mark.parametrize(("variant", "cv"), [("7.4", 3), ("7.2", 7)])
async def test_a_command_for_both_ways(variant: str, cv: int) -> None:
    with small_world() as small:
        command = local(small, "IS", variant, ESME, cv=cv)
        await asyncio.sleep(10)
        assert [post.code for post in small.posts] == [variant]
        assert small.posts[0].message.request_id == command.request_id
        # A meter takes what is signed once only.
        assert (small.world.deliver_locally(command.payload) is None) == (cv == 7)


@pytest.mark.parametrize("first", ["wan", "terminal"])
async def test_a_response_that_comes_both_ways_counts_once(first: str) -> None:
    with small_world(inventory={"esme": "Pending"}) as small:
        command = local(small, "IS", "8.11", CHF, {"device_id": ESME, "install_code": CODES["esme"]}, cv=3)
        response = small.world.deliver_locally(command.payload)
        if first == "wan":
            await asyncio.sleep(10)
        returned = small.send("IS", "8.13", params={"device_gbcs_response": response}).response_code
        assert returned == (UNKNOWN if first == "wan" else "I99")
        await asyncio.sleep(10)
        assert [code for code in small.codes() if code == "N24"] == ["N24"]


async def test_a_hand_held_terminal_reaches_what_is_on_the_han() -> None:
    with small_world() as small:
        command = local(small, "GS", "7.4", GSME)
        assert ok(small.world.deliver_locally(command.payload))
        small.world.source_node.step(0.0)
        await asyncio.sleep(10)
        assert small.world.deliver_locally(command.payload) is None


async def test_what_is_returned_counts_as_if_it_had_come_over_the_wan() -> None:
    with small_world(inventory={"esme": "InstalledNotCommissioned"}) as small:
        added = {"device_id": ESME, "install_code": CODES["esme"]}
        command = local(small, "IS", "8.11", CHF, added)
        response = small.world.deliver_locally(command.payload)
        assert ok(response)
        await asyncio.sleep(10)
        assert small.codes() == []
        back = {"device_gbcs_response": response, "original_request_id": command.request_id}
        assert small.send("IS", "8.13", params=back).response_code == "I99"
        assert small.codes() == ["N24"]
        assert small.send("IS", "8.13", params=back).response_code == UNKNOWN


async def test_what_is_returned_must_be_the_answer_to_a_local_command() -> None:
    with small_world() as small:
        command = local(small, "IS", "7.2", ESME, cv=6)
        response = small.world.deliver_locally(command.payload)
        assert response is not None and command.request_id is not None
        message = Message.parse(response)
        assert message.signature is not None
        forged = replace(message, signature=message.signature[:-1] + bytes([message.signature[-1] ^ 1])).encode()
        other = replace(command.request_id, counter=command.request_id.counter + 1)

        def returned(user: str, payload: bytes, **more: Any) -> str:
            return small.send(user, "8.13", params={"device_gbcs_response": payload, **more}).response_code

        assert returned("IS", b"\xdd\x00") == NOT_AUTHENTIC
        assert returned("IS", forged) == NOT_AUTHENTIC
        assert returned("IS", command.payload) == UNKNOWN
        assert returned("GS", response) == UNKNOWN
        assert returned("IS", response, original_request_id=other) == OTHER_REQUEST
        assert returned("IS", response) == "I99"


async def test_who_gets_no_local_commands() -> None:
    with small_world(inventory={"esme": "InstalledNotCommissioned"}) as small:
        refused = small.send("ED", "4.10", ESME, command_variant=2)
        assert refused.response_code == "E17"
        assert isinstance(small.send("IS", "4.10", ESME, command_variant=2), duis.LocalCommand)
        later = {"execution_date_time": "2030-01-01T00:00:00Z"}
        assert small.send("IS", "4.10", ESME, later, command_variant=2).response_code == "E17"
        assert small.send("IS", "4.10", ESME, later, command_variant=3).response_code == "E17"
    with small_world() as small:
        assert isinstance(small.send("ED", "4.10", ESME, command_variant=2), duis.LocalCommand)
