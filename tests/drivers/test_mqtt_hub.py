"""A Comms Hub's state from a broker: known once connected, then told as it changes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bench.capabilities import CommsHub
from drivers.hub_topics import MAX_PAYLOAD, read
from drivers.mqtt_hub import HubConfig
from tests.drivers.hub_bench import EPOCH, TOPIC, running
from tests.drivers.surroundings import connected


async def test_the_whole_state_is_known_once_connected() -> None:
    async with running() as bench, connected(bench.hub()) as hub:
        assert isinstance(hub, CommsHub)
        await asyncio.sleep(0.1)
        state = hub.hub_state()
        assert (state.power, state.wan, state.han, dict(state.leds)) == ("on", "up", "up", {"mesh": "blink 1 Hz"})
        assert all(seen["retained"] for seen in bench.of("seen.hub"))
        assert len(bench.of("seen.hub")) == 4
    assert bench.states() == ["connected", "closed"]


async def test_changes_are_news_and_arrive_at_once() -> None:
    async with running() as bench, connected(bench.hub()) as hub:
        await asyncio.sleep(60)
        bench.events.clear()
        bench.panel.show(power="off", wan="down", leds={"mesh": "off"})
        bench.panel.show(power="off")
        await asyncio.sleep(0.001)
        seen = bench.of("seen.hub", "hub")
        assert [entry["changed"] for entry in seen] == ["power", "wan", "leds"]
        assert seen[0] == {
            "power": "off",
            "wan": "up",
            "han": "up",
            "leds": {"mesh": "blink 1 Hz"},
            "changed": "power",
            "since": "2026-01-01T00:01:00.000000Z",
            "retained": False,
        }
        state = hub.hub_state()
        assert state.at is not None and state.at.mono_ns == pytest.approx(60e9, abs=1e6)
        json.dumps(seen)


async def test_what_is_known_already_is_no_news() -> None:
    async with running() as bench, connected(bench.hub()):
        await asyncio.sleep(1)
        bench.events.clear()
        await bench.publish("power", json.dumps({"state": "on", "since": EPOCH}))
        assert bench.of("seen.hub") == bench.of("seen.refused") == []
        # The hub was off and came back between the two messages.
        await bench.publish("power", json.dumps({"state": "on", "since": "2026-01-01T00:00:01Z"}))
        assert len(bench.of("seen.hub")) == 1


async def test_old_news_is_refused() -> None:
    async with running() as bench, connected(bench.hub()) as hub:
        await asyncio.sleep(5)
        bench.panel.show(power="booting")
        await asyncio.sleep(0.1)
        await bench.publish("power", json.dumps({"state": "off", "since": EPOCH}))
        assert hub.hub_state().power == "booting"
        (refused,) = bench.of("seen.refused")
        assert refused["what"] == f"message on {TOPIC}/power"
        assert "later news is known" in refused["why"]


@pytest.mark.parametrize(
    ("part", "payload", "why"),
    [
        ("power", "off", "Invalid JSON"),
        ("power", b"\xff\xfe", "JSON"),
        ("power", '{"state": "exploded", "since": "2026-01-01T00:00:00Z"}', "state"),
        ("power", '{"state": "off"}', "since"),
        ("power", '{"state": "off", "since": "2026-01-01T00:00:00"}', "since"),
        ("power", '{"state": "off", "since": 5}', "since"),
        ("wan", '{"state": true, "since": "2026-01-01T00:00:00Z"}', "state"),
        ("led", '{"state": {"": "on"}, "since": "2026-01-01T00:00:00Z"}', "state"),
        ("led", '{"state": "on", "since": "2026-01-01T00:00:00Z"}', "state"),
        ("monitor", '{"state": "asleep"}', "state"),
        ("power", "[" * 100_000, "more than the"),
        ("power", "[" * 4000, "JSON"),
    ],
)
async def test_malformed_payloads_are_on_record_and_change_nothing(part: str, payload: str | bytes, why: str) -> None:
    async with running() as bench, connected(bench.hub()) as hub:
        await asyncio.sleep(1)
        before = hub.hub_state()
        bench.events.clear()
        await bench.publish(part, payload)
        (refused,) = bench.of("seen.refused")
        assert why in refused["why"]
        assert bench.states() == ["garbled"]
        assert hub.hub_state() == before
        bench.panel.show(power="off")
        await asyncio.sleep(0.1)
        assert hub.hub_state().power == "off"


async def test_unknown_part_is_refused_without_blaming_the_hub() -> None:
    async with running() as bench, connected(bench.hub()):
        await asyncio.sleep(1)
        await bench.publish("colour", "{}")
        assert "there is no part 'colour'" in bench.of("seen.refused")[0]["why"]
        assert bench.states() == ["connected"]


@given(st.binary(max_size=200), st.sampled_from(["power", "wan", "led", "monitor"]))
def test_any_bytes_are_read_or_refused(payload: bytes, part: str) -> None:
    with contextlib.suppress(ValueError):
        read(part, payload)


def test_longest_payload() -> None:
    with pytest.raises(ValueError, match="more than the 4096"):
        read("power", b" " * (MAX_PAYLOAD + 1))


async def test_two_runs_give_the_same_events() -> None:
    async def run() -> list[tuple[str, str, Any]]:
        async with running() as bench, connected(bench.hub()):
            for second in range(120):
                await asyncio.sleep(1)
                bench.panel.show(power="off" if second % 7 < 3 else "on", leds={"wan": str(second % 3)})
            began = bench.events[0].at.mono_ns
            return [(event.kind, str(event.at.mono_ns - began), dict(event.data)) for event in bench.events]

    first, second = await run(), await run()
    strip = [(kind, at) for kind, at, _ in first]
    assert strip == [(kind, at) for kind, at, _ in second]
    assert len(first) > 100


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"topic": "hilbench/#"}, "is no topic"),
        ({"topic": ""}, "is no topic"),
        ({"topic": "a/"}, "is no topic"),
        ({"topic": "$SYS/x"}, "is no topic"),
        ({"topic": "a", "username": "x"}, "belong together"),
        ({"topic": "a", "port": "0"}, "greater than or equal to 1"),
        ({"topic": "a", "keepalive": "15"}, "number and a unit"),
        ({"topic": "a", "keepalive": "7500 ms"}, "whole number of seconds"),
        ({"topic": "a", "password": "x"}, "Extra inputs"),
    ],
)
def test_bad_configurations_are_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        HubConfig.model_validate({"host": "127.0.0.1"} | fields)


def test_the_documented_example_is_a_description() -> None:
    page = (Path(__file__).parents[2] / "docs" / "comms-hub-mqtt.md").read_text()
    example = yaml.load(page.split("    hub:\n")[1].split("\n\n")[0], yaml.BaseLoader)
    assert example.pop("driver") == "mqtt-hub"
    assert HubConfig.model_validate(example).where == "mqtts://broker.lab:8883"
    assert read("power", page.split("    {")[1].splitlines()[0].join(("{", "")).encode())
