"""What the DCC keeps until its time, and what devices do at a date."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from bench.duis import responses as duis
from bench.gbcs.crypto import sign_pre_command
from tests.emulated.firmware_worlds import IMAGE_HASH, distribute
from tests.emulated.worlds import ESME, GSME, Small, small_world

AHEAD = timedelta(minutes=30)


def signed(small: Small, user: str, variant: str, params: dict[str, Any]) -> duis.Response:
    """Send a critical request, future dated, and what its User signed."""
    answer = small.send(user, variant, ESME, params)
    assert isinstance(answer, duis.PreCommand) and answer.request_id is not None
    payload = sign_pre_command(answer.payload, small.world.users[user].signing.private_key)
    body = {"gbcs_payload": payload, "execution_date_time": params["execution_date_time"]}
    return small.send(user, variant, ESME, body, command_variant=5, counter=answer.request_id.counter)


async def test_a_reading_for_later_is_kept_by_the_dcc() -> None:
    with small_world() as small:
        began_s, when = small.loop.time(), small.world.mail.now + AHEAD
        answer = small.send("ED", "4.10", ESME, {"execution_date_time": when})
        assert answer.response_code == "I99"
        await asyncio.sleep(AHEAD.total_seconds() - 1)
        assert small.posts == []
        await asyncio.sleep(30)
        (post,) = small.posts
        assert isinstance(post.message, duis.GbcsResponse)
        assert post.message.request_id == answer.request_id
        assert 0 < post.at_s - began_s - AHEAD.total_seconds() < 10
        assert small.decode(post).ok


async def test_a_date_in_the_past_is_now() -> None:
    with small_world() as small:
        when = small.world.mail.now - AHEAD
        assert (await small.ask("ED", "4.10", ESME, {"execution_date_time": when}, within_s=10)).ok


async def test_what_is_kept_for_a_device_that_is_gone_by_then_fails() -> None:
    with small_world() as small:
        small.send("IS", "4.10", ESME, {"execution_date_time": small.world.mail.now + AHEAD})
        assert small.send("IS", "8.3", params={"device_id": ESME}).response_code == "I99"
        assert small.send("IS", "8.4", params={"device_id": ESME, "delete_device": True}).response_code == "I99"
        await asyncio.sleep(AHEAD.total_seconds() + 10)
        failed = [post.message for post in small.posts if isinstance(post.message, duis.ErrorResponse)]
        assert [each.response_code for each in failed] == ["E19"]


async def test_a_device_tells_when_it_has_acted() -> None:
    with small_world() as small:
        await distribute(small, "IS", ESME)
        when = small.world.mail.now + AHEAD
        answer = signed(small, "IS", "11.3", {"firmware_hash": IMAGE_HASH, "execution_date_time": when})
        assert answer.response_code == "I99"
        await asyncio.sleep(10)
        first = small.posts[-1]
        assert isinstance(first.message, duis.GbcsResponse)
        assert small.decode(first).ok
        assert small.world.esme.firmware == "00000001"
        await asyncio.sleep(AHEAD.total_seconds())
        assert small.world.esme.firmware == "00010002"
        message = small.posts[-1].message
        assert isinstance(message, duis.FutureDatedDeviceAlert)
        assert (message.alert_code, message.instruction_number, message.total_instructions) == (0x8F66, 1, 1)
        assert message.request_id == answer.request_id
        assert small.protection(small.posts[-1]) == "valid"
        assert small.alerts() == [("0x8F72", "IS")]
        await asyncio.sleep(4000)
        assert small.posts[-1].message == message


async def test_a_device_tells_that_it_could_not() -> None:
    with small_world() as small:
        when = small.world.mail.now + AHEAD
        signed(small, "IS", "11.3", {"firmware_hash": IMAGE_HASH, "execution_date_time": when})
        await asyncio.sleep(AHEAD.total_seconds() + 10)
        message = small.posts[-1].message
        assert isinstance(message, duis.FutureDatedDeviceAlert)
        assert message.alert_code == 0x8F67


async def test_an_alert_that_comes_twice_tells_of_one_instruction() -> None:
    with small_world("alert-twice:0x8F66@5s") as small:
        await distribute(small, "IS", ESME)
        when = small.world.mail.now + AHEAD
        signed(small, "IS", "11.3", {"firmware_hash": IMAGE_HASH, "execution_date_time": when})
        await asyncio.sleep(AHEAD.total_seconds() + 30)
        told = [post.message for post in small.posts if isinstance(post.message, duis.FutureDatedDeviceAlert)]
        assert [each.instruction_number for each in told] == [1, 1]
        assert small.alerts() == [("0x8F72", "IS")]


async def test_a_device_that_says_nothing_in_time_is_e30() -> None:
    with small_world("alert-never:0x8F66", world={"device_timeout": "10 min"}) as small:
        await distribute(small, "IS", ESME)
        when = small.world.mail.now + AHEAD
        answer = signed(small, "IS", "11.3", {"firmware_hash": IMAGE_HASH, "execution_date_time": when})
        await asyncio.sleep(AHEAD.total_seconds() + 590)
        assert not any(isinstance(post.message, duis.ErrorResponse) for post in small.posts)
        await asyncio.sleep(20)
        failed = small.posts[-1].message
        assert isinstance(failed, duis.ErrorResponse)
        assert (failed.response_code, failed.request_id) == ("E30", answer.request_id)


@pytest.mark.parametrize("user", ["IS", "GS"])
async def test_activating_at_once(user: str) -> None:
    with small_world(world={"gsme_wake": "60 s"}) as small:
        target = ESME if user == "IS" else GSME
        refused = await small.ask(user, "11.3", target, {"firmware_hash": IMAGE_HASH})
        assert (refused.ok, refused.values["outcome"]) == (False, "no image held")
        await distribute(small, user, target)
        other = await small.ask(user, "11.3", target, {"firmware_hash": bytes(32)})
        assert (other.ok, other.values["outcome"]) == (False, "hash mismatch")
        done = await small.ask(user, "11.3", target, {"firmware_hash": IMAGE_HASH})
        assert (done.ok, done.values["firmware_version"]) == (True, bytes.fromhex("00010002"))
        read = await small.ask(user, "11.2", target)
        assert read.values["firmware_version"] == bytes.fromhex("00010002")
        assert [code for code in small.codes() if code.startswith("N")] == []
