"""An engine that other computers reach, if its rig file says so: TLS, and a token before anything else is said."""

from __future__ import annotations

import asyncio
import hmac
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.errors import CodecError, UsageError
from bench.rig.file import Rig
from bench.rig.sections import ServiceSpec
from bench.service.lines import LONGEST_COMMAND, decode, encode
from bench.service.listening import connections
from bench.service.remote import read_token
from bench.service.server import EngineService

_LOGIN_S = 10.0


@asynccontextmanager
async def listening_remotely(service: EngineService, rig: Rig) -> AsyncIterator[None]:
    """Serve clients on other computers if the rig file has a `service` section.

    Raises:
        UsageError: its files cannot be used, or the address cannot be listened at.
    """
    spec = rig.file.service
    if spec is None:
        yield
        return
    folder = rig.document.path.parent
    token = read_token(folder / spec.token)
    context = _server_context(spec, folder)

    async def stranger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await _has_logged_in(reader, token):
            await service.serve(reader, writer)
        else:
            writer.write(encode({"type": "reply", "id": None, "ok": False, "error": "the login is not right"}))
            writer.close()

    async with connections(stranger) as connected:
        try:
            server = await asyncio.start_server(
                connected, spec.host, spec.port, ssl=context, limit=LONGEST_COMMAND, ssl_handshake_timeout=_LOGIN_S
            )
        except OSError as error:
            where = rig.where("service", "listen")
            raise UsageError(f"clients cannot be served at {spec.listen}: {error.strerror}", where=where) from None
        try:
            yield
        finally:
            server.close()


def remote_problems(rig: Rig) -> list[str]:
    """What is wrong with the files of a rig's `service` section."""
    spec, folder = rig.file.service, rig.document.path.parent
    if spec is None:
        return []
    problems = []
    for look in (lambda: read_token(folder / spec.token), lambda: _server_context(spec, folder)):
        try:
            look()
        except UsageError as error:
            problems.append(str(error))
    return problems


async def _has_logged_in(reader: asyncio.StreamReader, token: str) -> bool:
    try:
        async with asyncio.timeout(_LOGIN_S):
            message = decode(await reader.readline())
    except (TimeoutError, ConnectionError, ValueError, CodecError):
        return False
    given = message.get("token")
    login = message.get("do") == "login" and isinstance(given, str)
    return login and hmac.compare_digest(str(given).encode(errors="replace"), token.encode())


def _server_context(spec: ServiceSpec, folder: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # OpenSSL would ask at the terminal for the passphrase of an encrypted key: an empty one fails instead.
        context.load_cert_chain(folder / spec.certificate, folder / spec.key, password="")
    except OSError as error:  # which SSLError is too
        raise UsageError(
            f"certificate and key of the engine cannot be used: {error.strerror or error}",
            where=f"{spec.certificate}, {spec.key}",
            next_step="Give PEM files: a certificate and its unencrypted key",
        ) from None
    return context
