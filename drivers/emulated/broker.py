"""An MQTT broker inside the process, that can go away and come back.

amqtt speaks the protocol; the listener is our own, so that the port, every connection and every task have an owner.
It forgets retained messages when it stops, as a broker without persistence does. amqtt does not enforce keep-alive.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import ssl
from dataclasses import dataclass
from typing import Any

from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter
from amqtt.broker import Broker as AmqttBroker
from amqtt.plugins.base import BaseAuthPlugin

for _noisy in ("amqtt", "transitions"):
    logging.getLogger(_noisy).setLevel(logging.CRITICAL)

_LISTENER = "default"
_TIDY_S = 60.0


class LoginPlugin(BaseAuthPlugin):  # type: ignore[misc]
    """Lets in whoever knows the one login, or everybody where there is none."""

    @dataclass
    class Config:
        """The login, or None for both."""

        username: str | None = None
        password: str | None = None

    async def authenticate(self, *, session: Any) -> bool:
        """Whether a client may connect."""
        username, password = self._get_config_option("username", None), self._get_config_option("password", None)
        if username is None:
            session.is_anonymous = True
            return True
        given = f"{session.username}\0{session.password}"
        return hmac.compare_digest(given.encode(), f"{username}\0{password}".encode())


class _Amqtt(AmqttBroker):  # type: ignore[misc]
    async def _session_monitor(self) -> None:
        # amqtt looks every second, which in virtual time is no small part of all that happens.
        while True:
            await asyncio.sleep(_TIDY_S)
            for client_id, (session, _) in list(self._sessions.items()):
                if session.transitions.state == "disconnected" and (session.is_anonymous or session.clean_session):
                    await self._cleanup_session(client_id)


class Broker:
    """The broker.

    Args:
        host: where it listens.
        port: where it listens; 0 takes a free one, which it keeps.
        username: the only login that it accepts; None accepts everybody.
        password: of that login.
        tls: makes it speak TLS.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        username: str | None = None,
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._host, self._port, self._tls = host, port, tls
        self._login = {"username": username, "password": password}
        self._broker: _Amqtt | None = None
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def port(self) -> int:
        """The TCP port, known once it was started."""
        return self._port

    @property
    def running(self) -> bool:
        """Whether it takes connections."""
        return self._server is not None

    async def start(self) -> None:
        """Take connections; again, on the same port, after `stop`. Does nothing if it runs."""
        if self._server is not None:
            return
        self._broker = _Amqtt(
            {
                "listeners": {_LISTENER: {"type": "external"}},
                "plugins": {f"{LoginPlugin.__module__}.{LoginPlugin.__qualname__}": self._login},
            }
        )
        await self._broker.start()
        self._server = await asyncio.start_server(self._serve, self._host, self._port, ssl=self._tls)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Drop every connection and refuse new ones; may be called twice."""
        server, self._server = self._server, None
        broker, self._broker = self._broker, None
        if server is None or broker is None:
            return
        server.close()
        connections = list(self._connections)
        self.drop()
        await asyncio.gather(*connections, return_exceptions=True)
        await broker.shutdown()
        await server.wait_closed()

    def drop(self) -> None:
        """Cut every connection; clients may come back at once."""
        for writer in self._connections.values():
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        broker = self._broker
        assert task is not None
        if broker is None:
            writer.transport.abort()
            return
        self._connections[task] = writer
        try:
            await broker.external_connected(StreamReaderAdapter(reader), StreamWriterAdapter(writer), _LISTENER)
        finally:
            del self._connections[task]
            writer.close()
