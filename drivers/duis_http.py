"""DUIS over HTTP, as a client: one POST, one bounded answer, and one clear error for whatever else happens.

Each POST has a connection of its own: a Service Request is not idempotent and must not be sent again because
an idle connection turned out to be dead. Errors never contain port numbers, so that a run which meets them repeats
exactly.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from urllib.parse import urlsplit

import aiohttp

from bench.duis.safe_xml import MAX_BYTES
from bench.errors import DeviceError, DeviceLost

CONTENT_TYPE = "application/xml"

_VERDICT_S = 0.3


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What came back: the body, and what differs between runs (Date, Server)."""

    body: bytes = field(repr=False)
    volatile: Mapping[str, str]


async def read_bounded(stream: aiohttp.StreamReader, limit: int = MAX_BYTES) -> bytes | None:
    """Read to the end of a body; None as soon as it is longer than `limit` bytes."""
    parts: list[bytes] = []
    left = limit
    while chunk := await stream.readany():
        left -= len(chunk)
        if left < 0:
            return None
        parts.append(chunk)
    return b"".join(parts)


async def _is_closed_at_once(reader: asyncio.StreamReader) -> bool:
    """Whether the server ends the connection unasked: so it refuses a client, in TLS 1.3 after the handshake only."""
    try:
        async with asyncio.timeout(_VERDICT_S):
            return await reader.read(1) == b""
    except TimeoutError:
        # Silence is consent: a server says nothing before it is asked.
        return False


def _tls_alert(error: BaseException | None) -> str | None:
    """What the other end's TLS alert says, if one is behind an error."""
    while error is not None:
        reason = getattr(error, "reason", None)
        if isinstance(error, ssl.SSLError) and isinstance(reason, str) and "_ALERT_" in reason:
            return reason.partition("_ALERT_")[2].replace("_", " ").lower()
        error = getattr(error, "os_error", None) or error.__cause__ or error.__context__
    return None


class DuisClient:
    """Posts DUIS documents to the DCC.

    Args:
        url: what stands before `/serviceT`.
        timeout_s: bound of each exchange, from the first byte of the connection to the last of the answer.
        tls: context for an https `url`.
        where: how errors name the device.
        token: sent with each request as `Authorization: Bearer TOKEN`, or None.
    """

    def __init__(
        self, url: str, *, timeout_s: float, tls: ssl.SSLContext | None, where: str, token: str | None = None
    ) -> None:
        self._url = url
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._timeout_s = timeout_s
        self._tls = tls
        self._where = where
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Prepare, and see whether the DCC's TCP port (and TLS) answers.

        Raises:
            DeviceLost: nothing answers.
            DeviceError: the certificate of what answers is not trusted, or it does not trust the bench's.
        """
        parts = urlsplit(self._url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            async with asyncio.timeout(self._timeout_s):
                reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=self._tls)
            try:
                refused = self._tls is not None and await _is_closed_at_once(reader)
            finally:
                writer.transport.abort()
        except (OSError, TimeoutError) as error:
            raise self._explain(error, "the port of the DCC") from None
        if refused:
            raise self._refused("the port of the DCC", "it closes the connection after the handshake")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True, use_dns_cache=False, limit=16),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=("User-Agent", "Accept-Encoding", "Accept"),
        )

    async def close(self) -> None:
        """Free the sockets."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def post(self, service: str, document: bytes) -> HttpAnswer:
        """Send one document to `serviceT`, `serviceS` or `serviceD` and return the answer to it.

        Cancellation closes the connection; the DCC may still act on what it got.

        Raises:
            DeviceLost: no connection, no answer in time, or the connection broke before one began.
            DeviceError: an answer that DUIS does not allow: a redirect or another status than 200, another content
                type, a body that is compressed, too long or cut short, or no HTTP at all.
        """
        if self._session is None:
            raise DeviceLost("it is not connected", where=self._where, next_step="Connect the rig first")
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._session.post(
                    f"{self._url}/{service}",
                    # A firmware image goes out in pieces, so that nothing else has to wait for it.
                    data=document if len(document) <= MAX_BYTES else BytesIO(document),
                    headers={"Content-Type": CONTENT_TYPE, **self._headers},
                    allow_redirects=False,
                    ssl=self._tls if self._tls is not None else True,
                ) as response,
            ):
                self._check_head(service, response)
                body = await read_bounded(response.content)
                volatile = {name: response.headers[name] for name in ("Date", "Server") if name in response.headers}
        except (TimeoutError, OSError, aiohttp.ClientError) as error:
            raise self._explain(error, service) from None
        if body is None:
            raise self._wrong(f"{service} answers with more than {MAX_BYTES} bytes")
        return HttpAnswer(body, volatile)

    def _check_head(self, service: str, response: aiohttp.ClientResponse) -> None:
        status = response.status
        if status == 401:
            raise DeviceError(
                f"{service} asks for another token than the bench's, or for one at all (HTTP status 401)",
                where=self._where,
                next_step="Write the DCC's token as `token` in the rig file",
            )
        if 300 <= status < 400:
            raise self._wrong(f"{service} redirects (HTTP status {status}), which is not followed")
        if status != 200:
            raise self._wrong(f"{service} answers with HTTP status {status}")
        if response.content_type != CONTENT_TYPE:
            raise self._wrong(f"{service} answers with {response.content_type[:80]!r} instead of {CONTENT_TYPE}")
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding.lower() != "identity":
            raise self._wrong(f"{service} answers with content in {encoding[:80]!r}, which was not asked for")
        if (response.content_length or 0) > MAX_BYTES:
            raise self._wrong(f"{service} answers with more than {MAX_BYTES} bytes")

    def _wrong(self, what: str) -> DeviceError:
        return DeviceError(what, where=self._where, next_step="Check that `url` is that of DCC's DUIS services")

    def _refused(self, what: str, why: str) -> DeviceError:
        return DeviceError(
            f"{what} refuses the bench's certificate, or asks for one: {why}",
            where=self._where,
            next_step="Check `certificate` and `key` of `tls` in the rig file: the DCC has to trust who issued it",
        )

    def _explain(self, error: Exception, what: str) -> DeviceError:
        """The one error for what asyncio, ssl and aiohttp may raise."""
        if (alert := _tls_alert(error)) is not None:
            return self._refused(what, alert)
        if isinstance(error, TimeoutError) and not (isinstance(error, OSError) and error.errno):
            reason = f"{what} does not answer within {self._timeout_s:g} s"
        elif isinstance(error, (ssl.SSLError, aiohttp.ClientSSLError)):
            cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
            return DeviceError(
                f"{what} does not speak TLS that the bench trusts: {getattr(cause, 'reason', None) or 'no TLS'}",
                where=self._where,
                next_step="Check `tls` in the rig file: the `ca` that issued its certificate, and the name in `url`",
            )
        elif isinstance(error, aiohttp.ClientPayloadError):
            return self._wrong(f"{what} breaks its answer off")
        elif isinstance(error, aiohttp.ClientResponseError):
            return self._wrong(f"{what} does not answer in HTTP")
        elif isinstance(error, aiohttp.ServerDisconnectedError):
            reason = f"{what} closes the connection without an answer"
        elif isinstance(error, OSError) and error.errno and error.errno > 0:
            reason = f"{what} cannot be reached: {os.strerror(error.errno)}"
        else:
            reason = f"{what} cannot be reached"
        return DeviceLost(
            reason, where=self._where, next_step="Check that the DCC runs, and `url` and `timeout` in the rig file"
        )
