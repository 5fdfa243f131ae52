"""The receive service's HTTP: who gets in, how much, how long; and that nothing is left when it stops."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from bench.errors import DeviceError
from drivers import receive_service
from drivers.receive_service import MAX_CONNECTIONS, READ_TIMEOUT_S, ReceiveService

PATH = "/smartdcc/duis/a-secret-token-of-the-rig"
HEAD = f"POST {PATH} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/xml\r\n"


@dataclass
class Bench:
    service: ReceiveService
    delivered: list[bytes] = field(default_factory=list)
    refused: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def reasons(self) -> list[str]:
        return [why for _, why, _ in self.refused]

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.service.port)

    async def exchange(self, raw: bytes) -> bytes:
        """Send bytes, half-close nothing, and read what comes until the service is silent or closes."""
        reader, writer = await self.connect()
        try:
            writer.write(raw)
            async with asyncio.timeout(60):
                head = await reader.readuntil(b"\r\n\r\n")
        finally:
            writer.transport.abort()
            await asyncio.sleep(0)
        return head

    async def post(self, body: bytes, head: str = HEAD) -> int:
        answer = await self.exchange(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return int(answer.split()[1])


@asynccontextmanager
async def running(tls: ssl.SSLContext | None = None) -> AsyncIterator[Bench]:
    def deliver(body: bytes, peer: str) -> str | None:
        assert peer == "127.0.0.1"
        bench.delivered.append(body)
        return "not understood" if body == b"<bad/>" else None

    service = ReceiveService(
        "127.0.0.1",
        0,
        PATH,
        tls=tls,
        deliver=deliver,
        refused=lambda what, why, peer: bench.refused.append((what, why, peer)),
        where="gateway",
    )
    bench = Bench(service)
    await service.start()
    try:
        yield bench
    finally:
        await service.stop()
        await service.stop()


async def test_accepts_what_deliver_accepts():
    async with running() as bench:
        assert await bench.post(b"<good/>") == 204
        assert await bench.post(b"<bad/>") == 400
        assert bench.delivered == [b"<good/>", b"<bad/>"]
        assert bench.refused == []


async def test_one_connection_may_carry_several_messages_also_after_a_refused_one():
    async with running() as bench:
        reader, writer = await bench.connect()
        for body, status in ((b"<a/>", b"204"), (b"<bad/>", b"400"), (b"<c/>", b"204")):
            writer.write(f"{HEAD}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.split()[1] == status
            if status == b"400":
                await reader.readexactly(len(b"not understood"))
        writer.close()
        assert bench.delivered == [b"<a/>", b"<bad/>", b"<c/>"]


@pytest.mark.parametrize("path", ["/", "/smartdcc/duis", "/smartdcc/duis/", PATH + "x", PATH[:-1], "/%ff" + PATH])
async def test_a_wrong_path_is_refused_without_a_hint(path: str):
    async with running() as bench:
        assert await bench.post(b"<good/>", HEAD.replace(PATH, path)) == 404
        assert bench.delivered == []
        assert bench.refused == [
            ("a request to the receive service", "not the path of the receive service", "127.0.0.1")
        ]


@pytest.mark.parametrize(
    ("head", "status", "why"),
    [
        (HEAD.replace("POST", "PUT"), 405, "only POST"),
        (HEAD.replace("application/xml", "text/html"), 400, "content type"),
        (HEAD + "Content-Encoding: gzip\r\n", 400, "compressed"),
    ],
)
async def test_refuses_other_requests(head: str, status: int, why: str):
    async with running() as bench:
        assert await bench.post(b"<good/>", head) == status
        assert bench.delivered == []
        assert why in bench.reasons[0]


async def test_refuses_a_long_body_by_its_head_and_by_its_length():
    async with running() as bench:
        announced = await bench.exchange(f"{HEAD}Content-Length: {1 << 40}\r\n\r\n".encode())
        assert announced.split()[1] == b"413"
        reader, writer = await bench.connect()
        writer.write(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode())
        for _ in range(20):
            writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).split()[1] == b"413"
        writer.transport.abort()
        assert bench.delivered == []
        assert [why[:9] for why in bench.reasons] == ["more than"] * 2


async def test_a_slow_body_and_a_silent_client_are_let_go():
    async with running() as bench:
        loop = asyncio.get_running_loop()
        slow, slow_writer = await bench.connect()
        slow_writer.write(f"{HEAD}Content-Length: 10\r\n\r\n<".encode())
        silent, silent_writer = await bench.connect()
        silent_writer.write(b"POST /")
        began = loop.time()
        assert (await slow.readuntil(b"\r\n\r\n")).split()[1] == b"408"
        assert await silent.read() == b""
        assert loop.time() - began == pytest.approx(READ_TIMEOUT_S, abs=1)
        for writer in (slow_writer, silent_writer):
            writer.close()
        assert bench.reasons == ["the body did not come within 10 s"]


async def test_a_body_that_breaks_off_is_refused():
    async with running() as bench:
        _, writer = await bench.connect()
        writer.write(f"{HEAD}Content-Length: 10\r\n\r\n<".encode())
        await asyncio.sleep(0.1)
        writer.transport.abort()
        await asyncio.sleep(0.1)
        assert bench.delivered == []
        assert len(bench.refused) == 1
        assert "broke off" in bench.reasons[0]


@pytest.mark.parametrize(
    "raw", [b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"GET\r\n\r\n", b"POST / HTTP/1.1\r\na b\r\n\r\n"]
)
async def test_no_http_at_all_is_refused(raw: bytes):
    async with running() as bench:
        assert (await bench.exchange(raw)).split()[1] == b"400"
        assert bench.refused[0][0] == "a connection to the receive service"
        assert "no HTTP request" in bench.reasons[0]


async def test_bounds_how_many_bodies_it_reads_and_how_many_connect(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(receive_service, "MAX_READING", 2)
    async with running() as bench:
        writers = []
        for _ in range(2):
            _, writer = await bench.connect()
            writer.write(f"{HEAD}Content-Length: 10\r\n\r\n<".encode())
            writers.append(writer)
        await asyncio.sleep(0.1)
        assert await bench.post(b"<good/>") == 503
        for _ in range(MAX_CONNECTIONS):
            _, writer = await bench.connect()
            writers.append(writer)
        await asyncio.sleep(0.1)
        assert "more than 64 connections at once" in bench.reasons
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0.1)
        assert await bench.post(b"<good/>") == 204


async def test_answers_a_client_that_waits_to_be_told_to_go_on():
    async with running() as bench:
        reader, writer = await bench.connect()
        writer.write(f"{HEAD}Expect: 100-continue\r\nContent-Length: 4\r\n\r\n".encode())
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"<a/>")
        assert (await reader.readuntil(b"\r\n\r\n")).split()[1] == b"204"
        writer.close()


async def test_stop_does_not_wait_for_a_client_that_never_ends():
    loop = asyncio.get_running_loop()
    async with running() as bench:
        _, writer = await bench.connect()
        writer.write(f"{HEAD}Content-Length: 10\r\n\r\n<".encode())
        await asyncio.sleep(0.1)
        began = loop.time()
    assert loop.time() - began <= 3
    writer.close()


async def test_an_address_in_use_is_one_clear_error():
    async with running() as bench:
        second = ReceiveService(
            "127.0.0.1",
            bench.service.port,
            PATH,
            tls=None,
            deliver=lambda body, peer: None,
            refused=lambda what, why, peer: None,
            where="gateway",
        )
        with pytest.raises(DeviceError, match="cannot listen") as caught:
            await second.start()
        assert PATH not in str(caught.value)


async def test_a_fault_of_the_bench_is_reported_and_survived(caplog: pytest.LogCaptureFixture):
    async with running() as bench:
        bench.service._deliver = lambda body, peer: 1 // 0  # type: ignore[assignment,return-value]
        assert await bench.post(b"<good/>") == 500
        assert bench.reasons == ["the bench failed on it (ZeroDivisionError)"]
        bench.service._deliver = lambda body, peer: None
        assert await bench.post(b"<good/>") == 204
    assert [record.message for record in caplog.records] == ["a fault of the bench in its receive service"]
    assert PATH not in caplog.text


@pytest.mark.realtime
async def test_works_in_real_time():
    async with running() as bench:
        assert await bench.post(b"<good/>") == 204
