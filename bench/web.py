"""`hilbench web`: the cockpit in a browser, by textual-serve, behind a door of our own.

textual-serve starts a process of the cockpit for each browser, and asks nobody who he is. Here every request first
passes a middleware: who is not on this computer must show a token, and no page of another origin may open the
connection, since a browser would let it. Whoever may only look gets a cockpit that has the engine refuse its acts.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
import re
import secrets
import shlex
import signal
import ssl
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp_jinja2
from aiohttp import web
from textual_serve.server import Server

from bench.cli.common import state_folder
from bench.errors import UsageError
from bench.operators import WEB
from bench.service.address import engine_address
from bench.service.remote import read_token

COOKIE = "hilbench_session"
_SHUTDOWN_S = 3.0
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""What the page may load: nothing from anywhere else. The terminal's own script and style are inline in part."""

_ELSEWHERE = re.compile(r"<link[^>]*https?://[^>]*>")
"""What the page would load from elsewhere: a font, without which it does as well."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class WebOptions:
    """How to serve.

    Attributes:
        rig: the rig file, or the address of an engine elsewhere.
        host: the address to listen at.
        port: its TCP port; 0 for any that is free.
        token: file with the secret that browsers show; needed unless host is this computer's own.
        certificate: PEM file of the certificate chain, for TLS.
        key: PEM file of its key.
        view_only: whether browsers may only look.
    """

    rig: Path
    host: str = "127.0.0.1"
    port: int = 8765
    token: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    view_only: bool = False

    @property
    def loopback(self) -> bool:
        """Whether only this computer reaches it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def command(self) -> str:
        """What is started for each browser, for the shell."""
        more = ["--view"] if self.view_only else []
        return shlex.join([sys.executable, "-m", "bench.cli", "tui", str(self.rig), "--who", WEB, *more])


class Door:
    """Lets in who may come in.

    Args:
        token: the secret; empty where none is asked for.
        loopback: whether only this computer is served, under one of its own names.
        secure: whether it is served over TLS.
    """

    def __init__(self, token: str, *, loopback: bool, secure: bool) -> None:
        self._token, self._loopback, self._secure = token, loopback, secure
        # What a browser keeps is not the token: it is worth nothing when this process has ended.
        self._session = secrets.token_urlsafe(32)

    def middleware(self) -> Any:
        """For the web application."""

        @web.middleware
        async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
            self._check_names(request)
            given = request.query.get("token")
            if self._token and given is not None:
                return self._log_in(request, given)
            if self._token and not _same(request.cookies.get(COOKIE, ""), self._session):
                raise web.HTTPUnauthorized(text="Show the token: open this page with ?token=... once.\n")
            response = await handler(request)
            if not response.prepared:
                if isinstance(response, web.Response) and response.content_type == "text/html" and response.text:
                    response.text = _ELSEWHERE.sub("", response.text)
                response.headers["Content-Security-Policy"] = _POLICY
                response.headers["Referrer-Policy"] = "no-referrer"
                response.headers["X-Content-Type-Options"] = "nosniff"
            return response

        return check

    def _check_names(self, request: web.Request) -> None:
        """Refuse what a page of another origin had a browser send, under whatever name it found this server."""
        name = urlsplit(f"//{request.host}").hostname or ""
        if self._loopback and not _is_loopback(name):
            raise web.HTTPForbidden(text="This server has another name.\n")
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            raise web.HTTPForbidden(text="This page may not connect from another site.\n")

    def _log_in(self, request: web.Request, given: str) -> web.StreamResponse:
        if not _same(given, self._token):
            raise web.HTTPUnauthorized(text="The token is not right.\n")
        # On, to an address without the secret in it: addresses are kept in histories.
        response = web.HTTPSeeOther("/")
        response.set_cookie(COOKIE, self._session, httponly=True, samesite="Strict", secure=self._secure, path="/")
        raise response


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), wanted.encode())


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


class CockpitServer(Server):
    """textual-serve's server, behind the door, with addresses relative to where the browser found it."""

    def __init__(self, options: WebOptions, door: Door) -> None:
        super().__init__(options.command(), options.host, options.port, title="hilbench")
        self._door = door

    async def make_app(self) -> web.Application:
        """The web application, with the door in front."""
        app = await self._make_app()
        app.middlewares.append(self._door.middleware())
        return app

    async def on_startup(self, app: web.Application) -> None:
        """Nothing is printed before the port is known."""

    @aiohttp_jinja2.template("app_index.html")
    async def handle_index(self, request: web.Request) -> dict[str, Any]:
        """The page."""
        size = request.query.get("fontsize", "16")
        scheme = "wss" if request.secure else "ws"
        return {
            "font_size": int(size) if size.isascii() and size.isdigit() else 16,
            "app_websocket_url": f"{scheme}://{request.host}/ws",
            "config": {"static": {"url": "/static/"}},
            "application": {"name": self.title},
        }


def check_options(options: WebOptions) -> tuple[str, ssl.SSLContext | None]:
    """The token and the TLS context.

    Raises:
        UsageError: a file cannot be used, or other computers would be served without a token.
    """
    if not options.loopback and options.token is None:
        raise UsageError(
            f"{options.host} can be reached by others, and anybody could use the rig",
            next_step="Give --token FILE (openssl rand -hex 32), or leave --host away and use an SSH tunnel",
        )
    token = read_token(options.token) if options.token is not None else ""
    if (options.certificate is None) != (options.key is None):
        raise UsageError("a certificate needs its key, and a key its certificate", next_step="Give both")
    if options.certificate is None:
        return token, None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(options.certificate, options.key, password="")
    except OSError as error:
        raise UsageError(
            f"certificate and key cannot be used: {error.strerror or error}", where=str(options.certificate)
        ) from None
    return token, context


def serve(options: WebOptions, say: Callable[[str], None], environment: Mapping[str, str]) -> None:
    """Serve browsers until Ctrl-C or SIGTERM.

    Raises:
        UsageError: see `check_options`; also a wrong rig file, or an address that cannot be listened at.
    """
    token, context = check_options(options)
    engine_address(options.rig, state_folder(), environment)
    logging.getLogger("textual-serve").setLevel(logging.ERROR)
    asyncio.run(_serve(options, token, context, say))


async def _serve(options: WebOptions, token: str, context: ssl.SSLContext | None, say: Callable[[str], None]) -> None:
    server = CockpitServer(options, Door(token, loopback=options.loopback, secure=context is not None))
    runner = web.AppRunner(await server.make_app(), access_log=None, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    try:
        site = web.TCPSite(runner, options.host, options.port, ssl_context=context)
        try:
            await site.start()
        except OSError as error:
            raise UsageError(f"browsers cannot be served at {options.host}:{options.port}: {error.strerror}") from None
        port = runner.addresses[0][1]
        host = f"[{options.host}]" if ":" in options.host else options.host
        scheme = "http" if context is None else "https"
        add = "?token=..." if token else ""
        say(f"the cockpit of {options.rig} is at {scheme}://{host}:{port}/{add} until Ctrl-C")
        if token and context is None and not options.loopback:
            say("without --certificate the token crosses the network in clear")
        await ended.wait()
    finally:
        await runner.cleanup()
