"""The emulated DCC's two ends of HTTP: a server for Service Requests, a client for what Users receive."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiohttp
from aiohttp import web

from bench.duis.safe_xml import MAX_BYTES, MAX_FIRMWARE_BYTES
from bench.duis.service_requests import WebService
from drivers.emulated.dcc import Rejected
from drivers.emulated.schedule import Schedule

CONTENT_TYPE = "application/xml"
PATHS = {
    "/api/v1/serviceT": WebService.TRANSFORM,
    "/api/v1/serviceS": WebService.SEND_COMMAND,
    "/api/v1/serviceD": WebService.DCC_ONLY,
}
"""Where DCC Boxed takes Service Requests."""

_GARBAGE = b"<?xml version='1.0'?><sr:Response><unfinished"
_TIMEOUT_S = 5.0
_LOOK_S = 10.0

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class HttpFaults:
    """What goes wrong on the way; may change at any time.

    Attributes:
        silent: requests are taken and never answered, and nothing is delivered.
        garbled: answers and deliveries are not XML.
        away: requests are refused with status 503, and nothing is delivered until this is over.
        slow_s: how late each answer is now.
    """

    silent: bool = False
    garbled: bool = False
    away: bool = False
    slow_s: Callable[[], float] = lambda: 0.0


class DccServer:
    """Takes Service Requests.

    Args:
        handle: answers one, or raises `Rejected`.
        faults: what goes wrong.
        token: what every request has to bring as `Authorization: Bearer TOKEN`, or None.
    """

    def __init__(
        self, handle: Callable[[WebService, bytes], bytes], faults: HttpFaults, *, token: str | None = None
    ) -> None:
        self._handle, self._faults = handle, faults
        self._authorization = None if token is None else f"Bearer {token}".encode()
        self._runner: web.AppRunner | None = None
        self._closing = asyncio.Event()

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Listen, in HTTPS if there is a context for it; returns the port, a free one for port 0.

        Raises:
            OSError: the address cannot be had.
        """
        # Firmware images come to one service only; the DCC refuses them elsewhere, by the size of what it was sent.
        app = web.Application(client_max_size=MAX_FIRMWARE_BYTES)
        for path, service in PATHS.items():
            app.router.add_post(path, self._route(service))
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, reuse_address=True, ssl_context=tls)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def close(self) -> None:
        """Stop listening and end every connection; may be called twice."""
        self._closing.set()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    def _route(self, service: WebService) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def answer(request: web.Request) -> web.StreamResponse:
            if self._authorization is not None and not self._is_authorized(request):
                return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})
            if service is not WebService.DCC_ONLY and (request.content_length or 0) > MAX_BYTES:
                return web.Response(status=413)
            try:
                body = await request.read()
            except ConnectionError:
                # Who asked has gone before the question was whole: nobody is there to be answered.
                return web.Response(status=400)
            if self._faults.away:
                return web.Response(status=503)
            if self._faults.silent:
                await self._until_gone(request)
                return web.Response(status=503)
            if late_s := self._faults.slow_s():
                await asyncio.sleep(late_s)
            if self._faults.garbled:
                return web.Response(body=_GARBAGE, content_type=CONTENT_TYPE)
            try:
                return web.Response(body=self._handle(service, body), content_type=CONTENT_TYPE)
            except Rejected as error:
                return web.Response(status=400, text=str(error))

        return answer

    async def _until_gone(self, request: web.Request) -> None:
        """Keep whoever asked waiting until he gives up: aiohttp tells nobody, so it is looked at now and then."""
        while request.transport is not None and not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), _LOOK_S)

    def _is_authorized(self, request: web.Request) -> bool:
        shown = request.headers.get("Authorization", "").encode(errors="surrogateescape")
        return hmac.compare_digest(shown, self._authorization or b"")


class Postman:
    """Delivers documents to the Users' receive service, one after the other, as long as somebody may take them.

    A document that nobody takes is tried again; one that the service refuses with a 4xx status is not.

    Args:
        url: of the receive service.
        schedule: its clock.
        faults: what goes wrong.
        retry_s: how long after a failure it tries again.
        retry_for_s: how long it tries; then the document is lost.
        tls: context for an https `url`.

    Attributes:
        on_change: called when a document has left the bag.
    """

    def __init__(
        self,
        url: str,
        schedule: Schedule,
        faults: HttpFaults,
        *,
        retry_s: float,
        retry_for_s: float,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._url, self._schedule, self._faults = url, schedule, faults
        self._retry_s, self._retry_for_s = retry_s, retry_for_s
        self._tls: ssl.SSLContext | bool = True if tls is None else tls
        self._bag: deque[tuple[float, bytes]] = deque()
        self._woken = asyncio.Event()
        self._session: aiohttp.ClientSession | None = None
        self._task: asyncio.Task[None] | None = None
        self.on_change: Callable[[], None] = lambda: None
        self.delivered = 0
        self.refused = 0
        self.lost = 0

    def deliver(self, document: bytes) -> None:
        """Take a document for delivery."""
        self._bag.append((self._schedule.now_s, document))
        self._woken.set()

    def save(self) -> list[tuple[float, bytes]]:
        """What was not delivered yet: seconds gone by since it was posted, and the document."""
        return [(self._schedule.now_s - since_s, document) for since_s, document in self._bag]

    def load(self, saved: list[tuple[float, bytes]]) -> None:
        """Deliver what an earlier life has not; the time in which nobody was there to try does not count."""
        now_s = self._schedule.now_s
        self._bag.extendleft((now_s - age_s, document) for age_s, document in reversed(saved))

    async def start(self) -> None:
        """Begin to deliver."""
        self._session = aiohttp.ClientSession(
            # A connection of its own for each: none is idle and dead when it is needed.
            connector=aiohttp.TCPConnector(force_close=True, use_dns_cache=False),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
        )
        self._task = asyncio.create_task(self._run(self._session), name="emulated DCC: deliveries")

    async def close(self) -> None:
        """Stop; what was not delivered is lost. May be called twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _run(self, session: aiohttp.ClientSession) -> None:
        while True:
            while self._bag:
                # It stays in the bag until it is settled: who is killed meanwhile delivers it in the next life.
                since_s, document = self._bag[0]
                if not self._faults.silent:
                    await self._hand_over(session, since_s, _GARBAGE if self._faults.garbled else document)
                self._bag.popleft()
                self.on_change()
            self._woken.clear()
            await self._woken.wait()

    async def _hand_over(self, session: aiohttp.ClientSession, since_s: float, document: bytes) -> None:
        while True:
            status = await self._try(session, document)
            if status is not None and status < 500:
                self.delivered += status < 300
                self.refused += status >= 300
                return
            if self._schedule.now_s - since_s + self._retry_s > self._retry_for_s:
                self.lost += 1
                _log.warning(
                    "the receive service took nothing for %g s: a message of the DCC is lost", self._retry_for_s
                )
                return
            await asyncio.sleep(self._retry_s)

    async def _try(self, session: aiohttp.ClientSession, document: bytes) -> int | None:
        """Post once; the HTTP status, or None if there was none."""
        if self._faults.away:
            return None
        try:
            async with (
                asyncio.timeout(_TIMEOUT_S),
                session.post(self._url, data=document, headers={"Content-Type": CONTENT_TYPE}, ssl=self._tls) as reply,
            ):
                await reply.read()
                return reply.status
        except (aiohttp.ClientError, OSError, TimeoutError):
            return None
