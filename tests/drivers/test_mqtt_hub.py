from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bench.capabilities import CommsHub
from bench.errors import DeviceError, DeviceLost, UsageError
from drivers.emulated.broker import Broker
from drivers.emulated.hub_wire import HubMonitor, HubPanel
from drivers.hub_topics import MAX_PAYLOAD, read
from drivers.mqtt_hub import HubConfig, MqttHub
from drivers.mqtt_session import MqttConfig, MqttSecrets, MqttSession
from tests.drivers.surroundings import Surroundings

TOPIC = "hilbench/hub/chf"
EPOCH = "2026-01-01T00:00:00.000000Z"


class Bench(Surroundings):
    def __init__(self, **broker: Any) -> None:
        super().__init__()
        self.broker = Broker(**broker)
        self.panel = HubPanel(self.stream.clock, power="on", wan="up", han="up", leds={"mesh": "blink 1 Hz"})
        self.monitor = HubMonitor(self.panel, TOPIC, host="127.0.0.1", port=lambda: self.broker.port)

    def hub(self, **config: Any) -> MqttHub:
        fields = {"host": "127.0.0.1", "port": str(self.broker.port), "topic": TOPIC} | config
        return MqttHub(self.context("hub"), HubConfig.model_validate(fields))

    async def publish(self, part: str, payload: str | bytes, **more: Any) -> None:
        session = MqttSession(MqttConfig(host="127.0.0.1", port=self.broker.port), MqttSecrets(), "stranger")
        await session.open()
        await session.publish(f"{TOPIC}/{part}", payload, qos=1, **more)
        await session.shut()
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def running(*, monitored: bool = True) -> AsyncIterator[Bench]:
    bench = Bench()
    await bench.broker.start()
    try:
        if monitored:
            await bench.monitor.start()
        yield bench
    finally:
        await bench.monitor.stop()
        await bench.broker.stop()


@contextlib.asynccontextmanager
async def connected(hub: MqttHub) -> AsyncIterator[MqttHub]:
    await hub.connect()
    try:
        yield hub
    finally:
        await hub.close()


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


async def test_broker_goes_away_and_comes_back() -> None:
    async with running() as bench, connected(bench.hub()) as hub:
        port = bench.broker.port
        await asyncio.sleep(1)
        await bench.broker.stop()
        await asyncio.sleep(5)
        assert bench.states("hub") == ["connected", "lost"]
        assert not hub.can_see() and hub.gaps() == 1
        bench.panel.show(wan="down")
        await bench.broker.start()
        assert bench.broker.port == port
        await asyncio.sleep(40)
        assert bench.states("hub") == ["connected", "lost", "reconnected"]
        assert hub.hub_state().wan == "down"
        assert hub.can_see() and hub.gaps() == 1
        news = [entry for entry in bench.of("seen.hub") if entry["changed"] == "wan"]
        assert [entry["wan"] for entry in news] == ["up", "down"]


async def test_back_off_is_bounded_and_does_not_give_up() -> None:
    async with running() as bench, connected(bench.hub()):
        await bench.broker.stop()
        await asyncio.sleep(1800)
        assert bench.states("hub") == ["connected", "lost"]
        await bench.broker.start()
        await asyncio.sleep(32)
        assert bench.states("hub") == ["connected", "lost", "reconnected"]


async def test_dropped_connections_come_back_quickly() -> None:
    async with running() as bench, connected(bench.hub()) as hub:
        await asyncio.sleep(60)
        bench.broker.drop()
        await asyncio.sleep(3)
        assert bench.states("hub")[:3] == ["connected", "lost", "reconnected"]
        bench.panel.show(power="off")
        await asyncio.sleep(0.1)
        assert hub.hub_state().power == "off"


async def test_monitor_that_dies_is_a_loss_by_its_will() -> None:
    async with running() as bench, connected(bench.hub()):
        await asyncio.sleep(1)
        bench.monitor.vanish()
        await asyncio.sleep(0.1)
        assert bench.states("hub") == ["connected", "lost"]
        assert "monitor went away" in bench.of("device", "hub")[-1]["detail"]
        await asyncio.sleep(2)
        assert bench.states("hub") == ["connected", "lost", "reconnected"]


async def test_garbled_monitor() -> None:
    async with running() as bench, connected(bench.hub()) as hub:
        await asyncio.sleep(1)
        bench.monitor.garble_next()
        bench.panel.show(power="off")
        bench.panel.show(wan="down")
        await asyncio.sleep(0.1)
        assert (hub.hub_state().power, hub.hub_state().wan) == ("on", "down")
        assert bench.states("hub") == ["connected", "garbled"]
        assert hub.can_see() and hub.gaps() == 1


async def test_no_monitor_is_found_at_connect() -> None:
    async with running(monitored=False) as bench:
        hub = bench.hub(timeout="3 s")
        with pytest.raises(DeviceLost, match="monitor is not online"):
            await hub.connect()
        assert bench.loop.time() == pytest.approx(3.0, abs=0.1)
        assert bench.states() == []


async def test_connecting_again_asks_again() -> None:
    async with running() as bench:
        hub = bench.hub(timeout="3 s")
        for _ in range(2):
            async with connected(hub):
                assert hub.hub_state().power == "on"
        await bench.monitor.stop()
        with pytest.raises(DeviceLost, match="not online"):
            await hub.connect()
    assert bench.states() == ["connected", "closed"] * 2


async def test_offline_monitor_is_found_at_connect() -> None:
    async with running() as bench:
        await bench.monitor.stop()
        with pytest.raises(DeviceLost, match="monitor is not online"):
            await bench.hub().connect()


async def test_half_a_monitor_is_found_at_connect() -> None:
    async with running(monitored=False) as bench:
        await bench.publish("monitor", '{"state": "online"}', retain=True)
        await bench.publish("power", json.dumps({"state": "on", "since": EPOCH}), retain=True)
        with pytest.raises(DeviceError, match="has not told wan, han") as raised:
            await bench.hub().connect()
        assert not isinstance(raised.value, DeviceLost)


async def test_refused_connection() -> None:
    async with running(monitored=False) as bench:
        hub = bench.hub()
        await bench.broker.stop()
        with pytest.raises(DeviceLost, match=r"mqtt://127.0.0.1:\d+: the MQTT broker cannot be used: .*refused"):
            await hub.connect()
        await hub.close()


async def test_something_that_is_no_broker() -> None:
    bench = Bench()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    hub = bench.hub(port=server.sockets[0].getsockname()[1])
    with pytest.raises(DeviceLost, match="timed out"):
        await hub.connect()
    server.close()
    await asyncio.sleep(0.1)


async def test_cancelled_connect_leaves_nothing() -> None:
    bench = Bench()
    heard: list[bytes] = []

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read())
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    hub = bench.hub(port=server.sockets[0].getsockname()[1])
    task = asyncio.create_task(hub.connect())
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    server.close()
    await asyncio.sleep(0.1)
    assert len(heard) == 1


async def test_login(tmp_path: Path) -> None:
    bench = Bench(username="bench", password="s3cret")
    await bench.broker.start()
    secret = tmp_path / "password"
    secret.write_text("wrong\n")
    bench.monitor = HubMonitor(
        bench.panel,
        TOPIC,
        host="127.0.0.1",
        port=lambda: bench.broker.port,
        username="bench",
        password_file=secret,
    )
    for login in ({}, {"username": "bench", "password_file": str(secret)}):
        with pytest.raises(DeviceLost, match="MQTT broker cannot be used") as raised:
            await bench.hub(**login).connect()
        assert "password_file" in str(raised.value)
    secret.write_text("s3cret\n")
    await bench.monitor.start()
    async with connected(bench.hub(username="bench", password_file=str(secret))) as hub:
        assert hub.hub_state().power == "on"
    assert "s3cret" not in repr(bench.events)
    await bench.monitor.stop()
    await bench.broker.stop()


@pytest.mark.parametrize(("content", "words"), [(None, "cannot be read"), ("", "empty"), ("\n", "empty")])
async def test_bad_password_file(tmp_path: Path, content: str | None, words: str) -> None:
    path = tmp_path / "password"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match=words):
        await Bench().hub(port="1", username="bench", password_file=str(path)).connect()


def certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    begin = datetime(2000, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, private = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return chain, private


async def test_tls(tmp_path: Path) -> None:
    chain, private = certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, private)
    bench = Bench(tls=context)
    await bench.broker.start()
    tls = {"tls": {"ca": str(chain)}}
    bench.monitor = HubMonitor(bench.panel, TOPIC, host="localhost", port=lambda: bench.broker.port, **tls)
    await bench.monitor.start()
    async with connected(bench.hub(host="localhost", **tls)) as hub:
        assert hub.hub_state().power == "on"
    # The certificate is for another name.
    with pytest.raises(DeviceLost, match="cannot be used"):
        await bench.hub(**tls).connect()
    await bench.monitor.stop()
    await bench.broker.stop()


async def test_idle_client_keeps_its_connection_alive() -> None:
    """By the loop's clock: paho's own would never notice that virtual time passed."""
    pings = 0

    async def broker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal pings
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                kind, length = await reader.readexactly(2)
                await reader.readexactly(length)
                if kind >> 4 == 1:
                    writer.write(bytes([0x20, 2, 0, 0]))
                elif kind >> 4 == 12:
                    pings += 1
                    writer.write(bytes([0xD0, 0]))
        writer.close()

    server = await asyncio.start_server(broker, "127.0.0.1", 0)
    config = MqttConfig(host="127.0.0.1", port=server.sockets[0].getsockname()[1])
    session = MqttSession(config, MqttSecrets(), "idle")
    await session.open()
    await asyncio.sleep(600)
    assert 30 <= pings <= 40
    await session.shut()
    server.close()
    await asyncio.sleep(0.1)


async def test_segments_are_sent_at_once() -> None:
    async with running(monitored=False) as bench:
        session = MqttSession(MqttConfig(host="127.0.0.1", port=bench.broker.port), MqttSecrets(), "witness")
        await session.open()
        raw = session._client.socket()
        assert isinstance(raw, socket.socket)
        assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        await session.shut()


async def test_broker_that_stops_answering_is_lost() -> None:
    bench = Bench()
    retained = (("monitor", {"state": "online"}), ("power", "on"), ("wan", "up"), ("han", "up"))

    async def broker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Accepts, takes one subscription, tells the state, and then only listens."""
        await reader.read(1000)
        writer.write(bytes([0x20, 2, 0, 0]))
        subscription = await reader.read(1000)
        writer.write(bytes([0x90, 3]) + subscription[2:4] + b"\x01")
        for part, state in retained:
            payload = json.dumps(state if part == "monitor" else {"state": state, "since": EPOCH}).encode()
            topic = f"{TOPIC}/{part}".encode()
            writer.write(bytes([0x31, 2 + len(topic) + len(payload), 0, len(topic)]) + topic + payload)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(broker, "127.0.0.1", 0)
    async with connected(bench.hub(port=server.sockets[0].getsockname()[1], keepalive="10 s")):
        server.close()
        await asyncio.sleep(60)
        assert bench.states("hub") == ["connected", "lost"]
    await asyncio.sleep(0.1)


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
