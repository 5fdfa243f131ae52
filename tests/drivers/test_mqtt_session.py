"""The bench as a client of a broker: logged in, over TLS, and with its connection kept alive."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bench.errors import DeviceLost, UsageError
from drivers.emulated.hub_wire import HubMonitor
from drivers.mqtt_session import MqttConfig, MqttSecrets, MqttSession
from tests.drivers.hub_bench import EPOCH, TOPIC, Bench, running
from tests.drivers.surroundings import connected


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
