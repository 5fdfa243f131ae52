"""Ways to a SCPI instrument: TCP sockets and serial lines on the event loop, every other VISA resource in a thread.

A transport carries whole messages and knows nothing of their meaning or of time-outs; whatever goes wrong on it is an
`OSError`. `drivers.scpi` puts order, deadlines and clear errors on top.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

_T = TypeVar("_T")

LONGEST_REPLY = 65_536
"""Bytes after which a reply without an end counts as garbage."""

_SOCKET = re.compile(r"TCPIP\d*::(?P<host>\[[^\]]+\]|[^:]+)::(?P<port>\d{1,5})::SOCKET", re.IGNORECASE)
_SERIAL = re.compile(r"(?:ASRL)?(?P<path>/\S+?)(?:::INSTR)?", re.IGNORECASE)
_VISA = re.compile(r"(?:TCPIP|USB|GPIB|ASRL|VXI|PXI|VICP|PRLGX)\S*::\S+", re.IGNORECASE)


class ScpiTransport(Protocol):
    """One line to one instrument. Every method but `close` raises OSError for a line that does not work."""

    @property
    def broken(self) -> str:
        """Why the line is known to have ended; empty while it is not."""

    async def open(self) -> None:
        """Open the line, or get a fresh one: nothing that was asked before is waited for any more."""

    async def write(self, message: str) -> None:
        """Send a whole message."""

    async def read(self) -> str:
        """The next whole reply, without its terminator."""

    def unasked(self) -> list[str]:
        """Take what arrived while nobody was reading."""

    def shout(self, message: str) -> None:
        """Send past an exchange that is under way, if the line can; never waits."""

    async def close(self) -> None:
        """Free everything; may be called twice and never raises."""


@dataclass(frozen=True, slots=True)
class ScpiAddress:
    """Where an instrument is reached.

    Attributes:
        resource: as it was written.
        host: of a TCP socket, else empty.
        port: of a TCP socket, else 0.
        path: of a serial device, else empty; with neither, it is for VISA.
    """

    resource: str
    host: str = ""
    port: int = 0
    path: str = ""

    @property
    def exclusive(self) -> str:
        """What is held while the line is open, in the same words for every way of writing it."""
        if self.host:
            return f"{self.host}:{self.port}"
        return self.path or self.resource.upper()

    @classmethod
    def parse(cls, text: str) -> ScpiAddress:
        """Read a VISA resource string or the path of a serial device.

        Raises:
            ValueError: it is neither.
        """
        if match := _SOCKET.fullmatch(text):
            if not 0 < int(match["port"]) < 65536:
                raise ValueError(f"{text!r}: a TCP port is between 1 and 65535")
            return cls(text, host=match["host"].strip("[]"), port=int(match["port"]))
        if match := _SERIAL.fullmatch(text):
            return cls(text, path=match["path"])
        if _VISA.fullmatch(text):
            return cls(text)
        raise ValueError(
            f"{text!r} is no instrument address: write TCPIP::192.0.2.7::5025::SOCKET, ASRL/dev/ttyUSB0::INSTR or "
            "another VISA resource string"
        )

    def transport(self, *, timeout_s: float, baud_rate: int, visa_library: str) -> ScpiTransport:
        """The transport for this address; it is not open yet."""
        if self.host:
            return TcpTransport(self.host, self.port)
        if self.path:
            return SerialTransport(self.path, baud_rate)
        return VisaTransport(self.resource, timeout_s, visa_library)


class _Lines(asyncio.Protocol):
    """Cuts what arrives into lines and hands them to the one reader."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._rest = b""
        self._waiter: asyncio.Future[str] | None = None
        self.lines: deque[str] = deque()
        self.lost: OSError | None = None
        self.gone: asyncio.Future[None] = loop.create_future()

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            text = line.rstrip(b"\r").decode("ascii", "backslashreplace")
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_result(text)
            else:
                self.lines.append(text)
        if len(self._rest) > LONGEST_REPLY:
            self._rest = b""
            self._fail(OSError(f"it sent more than {LONGEST_REPLY} bytes without an end of line"))

    def connection_lost(self, exc: Exception | None) -> None:
        what = f"the connection was lost: {exc}" if exc else "the connection was closed by the other end"
        self.lost = self.lost or ConnectionResetError(what)
        self._fail(self.lost)
        if not self.gone.done():
            self.gone.set_result(None)

    async def read(self) -> str:
        if self.lines:
            return self.lines.popleft()
        if self.lost is not None:
            raise self.lost
        self._waiter = self._loop.create_future()
        return await self._waiter

    def take(self) -> list[str]:
        lines = list(self.lines)
        self.lines.clear()
        return lines

    def forget(self) -> None:
        self.lines.clear()
        self._rest = b""

    def _fail(self, error: OSError) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)


class _StreamTransport:
    """What TCP and serial share: lines over an asyncio transport."""

    def __init__(self) -> None:
        self._stream: Any = None
        self._lines: _Lines | None = None

    @property
    def broken(self) -> str:
        """Why the other end is gone, if it is."""
        return "" if self._lines is None or self._lines.lost is None else str(self._lines.lost)

    async def write(self, message: str) -> None:
        """Send a whole message; the operating system or the stream's own buffer takes it at once."""
        if self._lines is None:
            raise ConnectionError("it is not open")
        if self._lines.lost is not None:
            raise self._lines.lost
        self._stream.write(message.encode("ascii", "replace") + b"\n")

    async def read(self) -> str:
        """The next line."""
        if self._lines is None:
            raise ConnectionError("it is not open")
        return await self._lines.read()

    def unasked(self) -> list[str]:
        """Lines that arrived while nobody was reading."""
        return self._lines.take() if self._lines is not None and self._lines.lines else []

    def shout(self, message: str) -> None:
        """Put a message on the line at once."""
        if self._lines is not None and self._lines.lost is None:
            self._stream.write(message.encode("ascii", "replace") + b"\n")

    async def close(self) -> None:
        """Close the line; a message that is still in a buffer is given up."""
        lines, stream = self._lines, self._stream
        self._lines = self._stream = None
        if lines is not None:
            if lines.lost is None:
                lines.lost = ConnectionAbortedError("it was closed by the bench")
            stream.abort()
            await lines.gone


class TcpTransport(_StreamTransport):
    """A raw TCP socket, as `TCPIP::HOST::PORT::SOCKET`."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__()
        self._host, self._port = host, port

    async def open(self) -> None:
        """Connect; an old connection is dropped, and its late replies with it."""
        await self.close()
        loop = asyncio.get_running_loop()
        self._stream, self._lines = await loop.create_connection(lambda: _Lines(loop), self._host, self._port)
        # A command must not wait for the acknowledgement of the one before.
        self._stream.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class SerialTransport(_StreamTransport):
    """A serial port, held exclusively, as `ASRL/dev/ttyUSB0::INSTR`."""

    def __init__(self, path: str, baud_rate: int) -> None:
        super().__init__()
        self._path, self._baud_rate = path, baud_rate

    async def open(self) -> None:
        """Open the port; one that is open stays so, since closing it would not stop a late reply."""
        if self._lines is not None and self._lines.lost is None:
            self._lines.forget()
            return
        await self.close()
        import serialx  # here: a tenth of a second that a bench without serial ports need not spend

        loop = asyncio.get_running_loop()
        lines = _Lines(loop)
        try:
            self._stream, _ = await serialx.create_serial_connection(
                loop, lambda: lines, self._path, self._baud_rate, transport_cls=serialx.SerialTransport
            )
        except ValueError as error:
            raise OSError(str(error)) from error
        self._lines = lines


class VisaTransport:
    """Every other VISA resource (HiSLIP, VXI-11, USB, GPIB), by pyvisa in one thread of its own.

    A call into VISA cannot be cancelled. A session whose thread is busy when a fresh one is wanted is left to its
    own time-out and awaited by `close`.
    """

    def __init__(self, resource: str, timeout_s: float, library: str) -> None:
        self._resource, self._library = resource, library
        self._timeout_ms = max(1, round(timeout_s * 1000))
        self._session: Any = None
        self._thread: ThreadPoolExecutor | None = None
        self._left: list[tuple[ThreadPoolExecutor, asyncio.Future[None]]] = []

    @property
    def broken(self) -> str:
        """Nothing: VISA notices only when it is asked."""
        return ""

    async def open(self) -> None:
        """Open a fresh session in a fresh thread."""
        self._leave()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"visa {self._resource}")
        self._session = await self._call(self._open_session)

    async def write(self, message: str) -> None:
        """Send a message and its END."""
        session = self._opened()
        await self._call(lambda: session.write(message))

    async def read(self) -> str:
        """Read one reply, up to VISA's own time-out."""
        session = self._opened()
        return str(await self._call(session.read)).rstrip("\r\n")

    def unasked(self) -> list[str]:
        """Nothing: a VISA session hands replies over only when it is read."""
        return []

    def shout(self, message: str) -> None:
        """Not possible on a session that is busy: a fresh one is the way."""

    async def close(self) -> None:
        """Close the session, and wait for every thread to end."""
        self._leave()
        while self._left:
            thread, closed = self._left[0]
            await closed
            thread.shutdown()
            self._left.pop(0)

    def _opened(self) -> Any:
        if self._session is None:
            raise ConnectionError("it is not open")
        return self._session

    def _leave(self) -> None:
        session, self._session = self._session, None
        thread, self._thread = self._thread, None
        if thread is not None:
            # The thread does it when the call that it may be busy with is over, and then ends.
            closed = asyncio.get_running_loop().run_in_executor(thread, _close_quietly, session)
            closed.add_done_callback(lambda _closed: thread.shutdown(wait=False))
            self._left = [left for left in self._left if not left[1].done()] + [(thread, closed)]

    async def _call(self, work: Callable[[], _T]) -> _T:
        assert self._thread is not None
        call = asyncio.get_running_loop().run_in_executor(self._thread, _as_os_error, work)
        try:
            return await asyncio.shield(call)
        except asyncio.CancelledError:
            # The thread goes on, and how it ends concerns nobody any more.
            call.add_done_callback(lambda call: call.cancelled() or call.exception())
            raise

    def _open_session(self) -> Any:
        import pyvisa  # here: a fifth of a second that a bench without VISA need not spend

        # What it would log reaches the bench as an error.
        logging.getLogger("pyvisa").setLevel(logging.CRITICAL)
        session = pyvisa.ResourceManager(self._library).open_resource(
            self._resource, timeout=self._timeout_ms, open_timeout=self._timeout_ms
        )
        session.read_termination = session.write_termination = "\n"  # type: ignore[attr-defined]
        return session


def _as_os_error(work: Callable[[], _T]) -> _T:
    """Run a call of pyvisa, whose backends raise all kinds of exception, and raise only OSError."""
    try:
        return work()
    except OSError:
        raise
    except Exception as error:
        if getattr(error, "abbreviation", "") == "VI_ERROR_TMO":
            raise TimeoutError("no answer") from error
        raise OSError(f"VISA: {str(error) or type(error).__name__}") from error


def _close_quietly(session: Any) -> None:
    with suppress(Exception):
        if session is not None:
            session.close()
