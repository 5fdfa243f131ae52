"""A DCC that misbehaves, goes away or was never there."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from bench.errors import DeviceError, DeviceLost, UsageError
from drivers.gateway import Gateway
from tests.drivers.dcc_fake import (
    ESME,
    FakeDcc,
    MemoryCounters,
    closing,
    http,
    make_parties,
    running,
    silent,
)

Script = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


def _say(raw: bytes) -> Script:
    async def script(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()

    return script


async def _drip(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(100):
        writer.write(b"<")
        await asyncio.sleep(1)


async def _reset(_: bytes, writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    writer.transport.abort()


@pytest.mark.parametrize(
    ("script", "error", "why"),
    [
        (silent, DeviceLost, "does not answer within 3 s"),
        (_drip, DeviceLost, "does not answer within 3 s"),
        (closing, DeviceLost, "closes the connection without an answer"),
        (_reset, DeviceLost, "cannot be reached|closes the connection"),
        (_say(b"220 mail.example ESMTP\r\n"), DeviceError, "does not answer in HTTP"),
        (_say(http(b"", "302 Found", more="Location: http://192.0.2.1/\r\n")), DeviceError, "redirects"),
        (_say(http(b"", "404 Not Found")), DeviceError, "HTTP status 404"),
        (_say(http(b"", "503 Service Unavailable")), DeviceError, "HTTP status 503"),
        (_say(http(b"<x/>", content_type="text/html")), DeviceError, "'text/html' instead of application/xml"),
        (_say(http(b"<x/>", more="Content-Encoding: gzip\r\n")), DeviceError, "content in 'gzip'"),
        (_say(http(b"x" * ((1 << 20) + 1))), DeviceError, "more than 1048576 bytes"),
        (
            _say(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nTransfer-Encoding: chunked\r\n\r\n"
                + (b"80000\r\n" + b"x" * 0x80000 + b"\r\n") * 3
            ),
            DeviceError,
            "more than 1048576 bytes",
        ),
        (_say(http(b"<x/>" * 4)[:-3]), DeviceError, "breaks its answer off"),
        (_say(http(b"<x/>" * 4)), DeviceError, "cannot be believed: .*not well-formed"),
        (_say(http(b"")), DeviceError, "cannot be believed"),
        (_say(http(b"\xff\xfe\x00")), DeviceError, "is not UTF-8"),
        (_say(http(b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>')), DeviceError, "has a DTD"),
    ],
)
async def test_a_dcc_that_misbehaves_is_one_clear_error_in_time(script: Script, error: type[DeviceError], why: str):
    loop = asyncio.get_running_loop()
    async with running(FakeDcc(raw=script)) as rig:
        began = loop.time()
        with pytest.raises(error, match=why) as caught:
            await rig.gateway.request("IS", "7.4", ESME, {})
        assert type(caught.value) is error
        assert loop.time() - began <= 3.001
        assert str(caught.value).startswith("gateway: ")
        assert rig.dcc.connections == 1  # nothing is sent twice
        assert rig.seen("response") == []


async def test_a_dcc_that_is_gone_is_lost_and_one_that_returns_is_used_again():
    async with running(FakeDcc(raw=silent)) as rig:
        for _ in range(2):
            with pytest.raises(DeviceLost):
                await rig.gateway.request("IS", "7.4", ESME, {})
        rig.dcc.raw = None
        for _ in range(2):
            assert (await rig.gateway.request("IS", "7.4", ESME, {})).response_code == "I99"
        states = [event.data for event in rig.events if event.kind == "device"]
        assert states == [
            {"state": "connected", "detail": "DCC"},
            {"state": "lost", "detail": "serviceS does not answer within 3 s"},
            {"state": "reconnected", "detail": ""},
        ]


async def test_connect_finds_a_dcc_that_is_not_there_and_leaves_nothing_open():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(DeviceLost, match="the port of the DCC cannot be reached: Connection refused"):
        async with running(url=f"http://127.0.0.1:{port}"):
            pass


async def test_a_request_before_connect_says_so():
    async with running() as rig:
        other = Gateway(replace(rig.gateway.context, counters=MemoryCounters()), rig.gateway.config)
        with pytest.raises(DeviceLost, match="it is not connected"):
            await other.request("IS", "7.4", ESME, {})


async def test_a_user_whose_key_is_not_that_of_its_certificate_is_told():
    parties = make_parties()
    mixed = replace(
        parties.users["IS"], xml=replace(parties.users["IS"].xml, certificate=parties.users["ED"].xml.certificate)
    )
    async with running(parties=replace(parties, users={"IS": mixed})) as rig:
        with pytest.raises(UsageError, match="IS cannot sign its requests"):
            await rig.gateway.request("IS", "7.4", ESME, {})
