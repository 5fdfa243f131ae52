"""Rigs that take what is posted to an address, and posts to it."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.duis import responses as duis
from bench.duis.request_id import RequestId
from bench.eui import Eui64
from drivers.concern import Interests
from drivers.receive_address import Address, Member
from drivers.routed_receive import RoutedReceive
from drivers.shared_receive import join
from tests.drivers.dcc_fake import DCC, IS, NOW


def about(device: Eui64, user: Eui64, counter: int = 1) -> bytes:
    """An alert of a device to a User."""
    return duis.build_response(
        duis.DeviceAlert(
            response_id=RequestId(device, user, counter), response_date_time=NOW, alert_code=0x8F36, payload=b"alert"
        )
    )


def answering(request: RequestId) -> bytes:
    return duis.build_response(
        duis.Acknowledgement(
            request_id=request,
            response_code="I99",
            response_date_time=NOW,
            service_reference="8.1",
            service_reference_variant="8.1.1",
        )
    )


@dataclass
class Rig:
    """A rig with one device and the User IS, and what came for it."""

    name: str
    device: Eui64
    refusal: str | None = None
    asked: set[RequestId] = field(default_factory=set)
    got: list[bytes] = field(default_factory=list)
    peers: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    @property
    def member(self) -> Member:
        interests = Interests(self.asked, frozenset({IS}), frozenset({self.device}), DCC)
        return Member(self.name, "dcc", interests, self._take, lambda what, why, peer: self.refusals.append(why))

    def _take(self, document: bytes, peer: str) -> str | None:
        self.got.append(document)
        self.peers.append(peer)
        return self.refusal


def free_address(path: str = "/x") -> Address:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return Address("127.0.0.1", int(probe.getsockname()[1]), path, "")


@asynccontextmanager
async def taking_part(
    address: Address, rig: Rig, shared: Path | None, *, complete: bool = True
) -> AsyncIterator[RoutedReceive]:
    member = rig.member
    service = await join(address, None, member, shared)
    if complete:
        service.rig_connected()
    try:
        yield service  # type: ignore[misc]
    finally:
        await service.leave(member)


async def post(address: Address, document: bytes, path: str = "", tls: ssl.SSLContext | None = None) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection(address.host, address.port, ssl=tls)
    head = f"POST {path or address.path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/xml\r\n"
    writer.write(f"{head}Content-Length: {len(document)}\r\nConnection: close\r\n\r\n".encode() + document)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    if not answer:
        raise ConnectionResetError
    return int(answer.split()[1]), answer.partition(b"\r\n\r\n")[2].decode()


async def soon(true: Callable[[], object]) -> None:
    """Come back as soon as something is so."""
    for _ in range(500):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never was so")


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    return process.pid
