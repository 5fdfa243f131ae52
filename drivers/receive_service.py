"""The bench's receive service: the HTTP address at which the DCC delivers responses and alerts.

It only knows HTTP: who may come in, how much and how long. What a delivered document means is for `deliver` to
say, which returns why it refuses one, or None. Everything refused is reported; nothing raises.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from bench.duis.safe_xml import MAX_BYTES
from bench.errors import DeviceError
from drivers.duis_http import CONTENT_TYPE, read_bounded

READ_TIMEOUT_S = 10.0
"""A client gets this long for its request line and headers, and again for its body."""
MAX_CONNECTIONS = 64
MAX_READING = 16
"""Bodies being read at once: with MAX_BYTES each, the bound of what strangers can make the bench hold."""

_log = logging.getLogger(__name__)
# An access log would hold the secret path.
_no_access_log = logging.getLogger(f"{__name__}.no_access_log")
_no_access_log.disabled = True

Deliver = Callable[[bytes, str], str | None]
"""Takes a body and the sender's IP address; returns None to accept it, or a short reason to refuse it."""
DeliverLater = Callable[[bytes, str], Awaitable[str | None]]
"""The same, where others have to be asked."""
Refused = Callable[[str, str, str], None]
"""Told what was refused, why, and the sender's IP address."""


class NotNow(str):
    """A reason to refuse a body for the moment: whoever posted it is to post it again."""

    __slots__ = ()


class _Protocol(web.RequestHandler):
    """aiohttp's connection, which reports what never becomes a request."""

    __slots__ = ("_report", "_server")

    def __init__(self, server: _Server, report: Callable[[str, str], None], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=READ_TIMEOUT_S,
            lingering_time=1.0,
            auto_decompress=False,
            access_log=_no_access_log,
        )
        self._report = report
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if len(self._server.connections) > MAX_CONNECTIONS:
            self._report(f"more than {MAX_CONNECTIONS} connections at once", _peer(transport))
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        why = "it is no HTTP request that can be read"
        if status >= 500:
            why = "the bench failed on it"
            _log.error("a fault of the bench in its receive service", exc_info=exc)
        self._report(f"{why} ({type(exc).__name__})", request.remote or "")
        return web.Response(status=status, text="not understood")


def _peer(transport: asyncio.BaseTransport) -> str:
    name = transport.get_extra_info("peername")
    return str(name[0]) if name else ""


class _Server(web.Server):
    def __init__(self, handler: Any, report: Callable[[str, str], None]) -> None:
        super().__init__(handler)
        self._report = report

    def __call__(self) -> web.RequestHandler:
        return _Protocol(self, self._report, asyncio.get_running_loop())


class ReceiveService:
    """An HTTP listener for one path.

    Args:
        host: address to listen at.
        port: TCP port; 0 takes a free one.
        path: what the DCC posts to; its last part may be a secret token, so it is never printed.
        tls: context for https.
        deliver: gets each body; one that it accepts is answered with 204, another with 400 and its reason, or with
            503 if it is refused for the moment.
        refused: told of everything that never reaches `deliver`.
        where: how errors name the device.
        listener: a socket that listens at the address already and that others accept from, too. Each message has a
            connection of its own then: none is bound to one of them.
    """

    def __init__(
        self,
        host: str,
        port: int,
        path: str,
        *,
        tls: ssl.SSLContext | None,
        deliver: Deliver | DeliverLater,
        refused: Refused,
        where: str,
        listener: socket.socket | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._path = path.encode()
        self._tls = tls
        self._deliver = deliver
        self._refused = refused
        self._where = where
        self._listener = listener
        self._runner: web.ServerRunner | None = None
        self._reading = 0

    @property
    def port(self) -> int:
        """The TCP port that it listens at; the configured one while it does not."""
        addresses = self._runner.addresses if self._runner else []
        return int(addresses[0][1]) if addresses else self._port

    async def start(self) -> None:
        """Listen.

        Raises:
            DeviceError: the address cannot be had.
        """
        self._runner = web.ServerRunner(_Server(self._answer, self._refuse_connection), shutdown_timeout=1.0)
        await self._runner.setup()
        site: web.BaseSite
        if self._listener is not None:
            site = web.SockSite(self._runner, self._listener, ssl_context=self._tls)
        else:
            site = web.TCPSite(self._runner, self._host, self._port, ssl_context=self._tls)
        try:
            await site.start()
        except OSError as error:
            await self.stop()
            raise DeviceError(
                f"the receive service cannot listen at {self._host} port {self._port}: {error.strerror}",
                where=self._where,
                next_step="End the other program that listens there, or change `receive_host` or `receive_port`",
            ) from None

    async def stop(self) -> None:
        """Stop listening and end every connection, within about two seconds; may be called twice."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    def _refuse_connection(self, why: str, peer: str) -> None:
        self._refused("a connection to the receive service", why, peer)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        status, why = await self._handle(request)
        response = web.Response(status=status, text=why)
        if status not in (204, 400) or self._listener is not None:
            response.force_close()
        return response

    async def _handle(self, request: web.BaseRequest) -> tuple[int, str | None]:
        """Return the HTTP status and, but for 204, the reason."""
        peer = request.remote or ""
        status, why = self._check_head(request)
        if why is None and self._reading >= MAX_READING:
            status, why = 503, f"more than {MAX_READING} messages at once"
        if why is None:
            self._reading += 1
            try:
                body = await self._read(request)
            finally:
                self._reading -= 1
            if isinstance(body, bytes):
                refusal = self._deliver(body, peer)
                if isinstance(refusal, Awaitable):
                    refusal = await refusal
                if refusal is None:
                    return 204, None
                return (503 if isinstance(refusal, NotNow) else 400), refusal
            status, why = body
        self._refused("a request to the receive service", why, peer)
        return status, why

    def _check_head(self, request: web.BaseRequest) -> tuple[int, str | None]:
        # In constant time, and before anything else is said: a stranger learns nothing about the path.
        if not hmac.compare_digest(request.path.encode(errors="surrogateescape"), self._path):
            return 404, "not the path of the receive service"
        if request.method != "POST":
            return 405, "only POST is understood"
        if request.content_type != CONTENT_TYPE:
            return 400, f"the content type is not {CONTENT_TYPE}"
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            return 400, "compressed content is not understood"
        if (request.content_length or 0) > MAX_BYTES:
            return 413, f"more than {MAX_BYTES} bytes"
        return 200, None

    async def _read(self, request: web.BaseRequest) -> bytes | tuple[int, str]:
        """Return the body, or HTTP status and reason."""
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                body = await read_bounded(request.content)
        except TimeoutError:
            return 408, f"the body did not come within {READ_TIMEOUT_S:g} s"
        except (OSError, web.PayloadAccessError, web.RequestPayloadError) as error:
            return 400, f"the body broke off ({type(error).__name__})"
        return (413, f"more than {MAX_BYTES} bytes") if body is None else body
