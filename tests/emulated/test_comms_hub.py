"""The emulated Comms Hub: boots, waits, carries, and tells of its own end."""

from __future__ import annotations

import asyncio

import pytest

from drivers.emulated.comms_hub import HubStatus
from tests.emulated.worlds import CHF, ESME, small_world


async def test_what_can_be_seen_of_it() -> None:
    with small_world() as small:
        seen: list[tuple[float, str, str, str]] = []

        def note(status: HubStatus) -> None:
            seen.append((small.loop.time(), status.power, status.wan, status.han))

        small.world.hub.watch(note)
        await asyncio.sleep(10)
        small.world.source_node.step(0.0)
        await asyncio.sleep(20)
        small.world.source_node.step(230.0)
        await asyncio.sleep(100)
        assert seen == [
            (10.5, "off", "down", "down"),
            (30.0, "booting", "down", "down"),
            (75.0, "on", "up", "up"),
        ]


async def test_the_han_led_shows_the_join_window() -> None:
    with small_world(inventory={"esme": "Pending"}) as small:
        assert small.world.hub.status.leds["han"] == "on"
        added = {"device_id": ESME, "install_code": "11" * 16, "join_time_period": 60}
        await small.ask("IS", "8.11", CHF, added)
        assert small.world.hub.status.leds["han"] == "blink"
        await asyncio.sleep(61)
        assert small.world.hub.status.leds["han"] == "on"


async def test_it_boots_as_long_as_it_is_told() -> None:
    with small_world("hub-boot-slow@10min", world={"hub_boot": "30 s"}) as small:
        small.world.source_node.step(0.0)
        await asyncio.sleep(10)
        small.world.source_node.step(230.0)
        await asyncio.sleep(629)
        assert small.posts == []
        await asyncio.sleep(3)
        assert small.codes() == ["0x8F35"]


async def test_supply_lost_while_booting_starts_it_over() -> None:
    with small_world() as small:
        small.world.source_node.step(0.0)
        await asyncio.sleep(10)
        small.world.source_node.step(230.0)
        await asyncio.sleep(40)
        small.world.source_node.step(0.0)
        await asyncio.sleep(1)
        small.world.source_node.step(230.0)
        await asyncio.sleep(44)
        assert not small.world.hub.on
        await asyncio.sleep(3)
        assert small.world.hub.on
        assert small.codes() == ["0x8F35", "0x8F35"]


async def test_a_command_waits_for_a_hub_that_boots() -> None:
    with small_world() as small:
        small.world.source_node.step(0.0)
        await asyncio.sleep(5)
        small.world.source_node.step(230.0)
        assert (await small.ask("IS", "7.4", ESME)).ok
        assert small.loop.time() == pytest.approx(5 + 45 + 2, abs=1.5)


@pytest.mark.parametrize(("unreachable", "code"), [("hub", "E20"), ("meter", "E21")])
async def test_what_cannot_be_reached_is_told_in_the_end(unreachable: str, code: str) -> None:
    with small_world(world={"device_timeout": "5 min"}) as small:
        if unreachable == "hub":
            small.world.source_node.step(0.0)
        else:
            await small.ask("IS", "8.11", CHF, {"device_id": ESME, "request_type": "Remove"})
        await asyncio.sleep(5)
        before = len(small.posts)
        answer = small.send("IS", "7.4", ESME)
        await asyncio.sleep(400)
        (late,) = [post for post in small.posts[before:] if post.code == "7.4"]
        assert late.message.response_code == code
        assert late.message.request_id == answer.request_id


async def test_ad1_is_not_sent_after_all_if_supply_returns_in_time() -> None:
    with small_world() as small:
        for _ in range(3):
            small.world.source_node.step(0.0)
            await asyncio.sleep(150)
            small.world.source_node.step(230.0)
            await asyncio.sleep(10)
        await asyncio.sleep(300)
        assert "AD1" not in small.codes()


async def test_ad1_needs_a_commissioned_hub() -> None:
    with small_world(inventory={"chf": "InstalledNotCommissioned"}) as small:
        small.world.source_node.step(0.0)
        await asyncio.sleep(300)
        assert small.alerts() == []
