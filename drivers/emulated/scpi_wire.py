"""Wires for emulated SCPI instruments: raw TCP sockets for any number of clients, serial lines, and what all share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import cast

from drivers.emulated.pty_line import PtyLine
from drivers.emulated.scpi_grammar import Interpreter

_LONGEST_MESSAGE = 65_536


@dataclass(slots=True)
class WireFaults:
    """What goes wrong between instrument and client; may change at any time.

    Attributes:
        silent: commands are carried out, and nothing is said.
        delay_s: every reply is late by this.
        garbled: every reply has its eighth bits set.
        half: of every reply the second half is lost, and its end with it.
        stuck: nothing comes in or goes out.
        drops: decides which replies are lost, one of two on average; None loses none.
    """

    silent: bool = False
    delay_s: float = 0.0
    garbled: bool = False
    half: bool = False
    stuck: bool = False
    drops: Random | None = None


class ScpiSession:
    """One client's conversation: messages are carried out as they come, replies leave in their order.

    Args:
        interpreter: the instrument's language.
        faults: what goes wrong.
        send: puts a reply on the wire, without a terminator.
        send_part: puts bytes on the wire as they are; where there is no such thing, half a reply is none.
    """

    def __init__(
        self,
        interpreter: Interpreter,
        faults: WireFaults,
        send: Callable[[bytes], None],
        send_part: Callable[[bytes], None] = lambda data: None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._interpreter, self._faults, self._send, self._send_part = interpreter, faults, send, send_part
        self._timers: list[asyncio.TimerHandle] = []
        self._last_due_s = 0.0

    def receive(self, message: bytes) -> None:
        """Carry out one program message."""
        faults = self._faults
        if faults.stuck:
            return
        response = self._interpreter.execute(message.decode("ascii", "replace"))
        if response is None or faults.silent or (faults.drops is not None and faults.drops.random() < 0.5):
            return
        data = response.encode("ascii")
        if faults.garbled:
            data = bytes(byte | 0x80 for byte in data)
        send = self._send
        if faults.half:
            data, send = data[: len(data) // 2], self._send_part
        now_s = self._loop.time()
        due_s = max(now_s + faults.delay_s, self._last_due_s)
        if due_s <= now_s:
            send(data)
            return
        self._last_due_s = due_s
        self._timers = [timer for timer in self._timers if timer.when() > now_s]
        self._timers.append(self._loop.call_at(due_s, send, data))

    def clear(self) -> None:
        """Device clear, or the end of the connection: replies that have not left are forgotten."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._last_due_s = 0.0


class LineFeed:
    """Cuts a stream into messages; one that does not end is thrown away."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Take more bytes; the messages that are complete now."""
        *messages, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_MESSAGE:
            self._rest = b""
        return messages


class WireServer:
    """Listens on one TCP port and knows its connections; `serve` makes the protocol of each."""

    def __init__(self, serve: Callable[[WireServer], asyncio.Protocol]) -> None:
        self._serve = serve
        self._server: asyncio.Server | None = None
        self._host = ""
        self._connections: list[asyncio.Transport] = []
        self._unused = asyncio.Event()
        self._unused.set()
        self.port = 0

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; port 0 takes a free one. Returns the port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: self._serve(self), host, port, reuse_address=True)
        self._host, self.port = host, self._server.sockets[0].getsockname()[1]
        return self.port

    async def resume(self) -> None:
        """Listen again, on the same port, after `vanish`."""
        await self.start(self._host, self.port)

    def add(self, connection: asyncio.Transport) -> None:
        """A connection was made."""
        self._connections.append(connection)
        self._unused.clear()

    def remove(self, connection: asyncio.Transport) -> None:
        """A connection ended."""
        if connection in self._connections:
            self._connections.remove(connection)
        if not self._connections:
            self._unused.set()

    def drop(self) -> None:
        """Break every connection."""
        for connection in tuple(self._connections):
            connection.abort()

    async def vanish(self) -> None:
        """Break every connection and refuse new ones."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None
        self.drop()
        await self._unused.wait()

    async def close(self) -> None:
        """Free everything; may be called twice."""
        await self.vanish()


class _SocketClient(asyncio.Protocol):
    def __init__(self, server: WireServer, interpreter: Interpreter, faults: WireFaults) -> None:
        self._server = server
        self._lines = LineFeed()
        self._session = ScpiSession(interpreter, faults, self._send, lambda data: self._transport.write(data))
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._server.add(self._transport)

    def data_received(self, data: bytes) -> None:
        for message in self._lines.feed(data):
            self._session.receive(message)

    def connection_lost(self, exc: Exception | None) -> None:
        self._session.clear()
        self._server.remove(self._transport)

    def _send(self, data: bytes) -> None:
        self._transport.write(data + b"\n")


def socket_server(interpreter: Interpreter, faults: WireFaults) -> WireServer:
    """A server for raw sockets (`TCPIP::HOST::PORT::SOCKET`), not yet listening."""
    return WireServer(lambda server: _SocketClient(server, interpreter, faults))


class SerialWire:
    """The instrument at a serial line: a pty, with one client at a time.

    Args:
        interpreter: the instrument's language.
        faults: what goes wrong between instrument and client.
        link: the stable path of the line.
        rng: for the damage that the line itself can do.

    Attributes:
        line: plug, unplug and damage it here.
    """

    def __init__(self, interpreter: Interpreter, faults: WireFaults, link: Path, rng: Random) -> None:
        self._session = ScpiSession(
            interpreter, faults, lambda data: self.line.send(data + b"\n"), lambda data: self.line.send(data)
        )
        self.line = PtyLine(link, lambda text: self._session.receive(text.encode("ascii", "replace")), rng)
        self.line.plug()

    def close(self) -> None:
        """Free everything; may be called twice."""
        self._session.clear()
        self.line.close()
