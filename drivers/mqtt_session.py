"""One connection to an MQTT 3.1.1 broker, over aiomqtt and paho: opened, used, and closed without anything left.

This is the one place that knows the peculiarities of those two libraries:

* paho measures its keep-alive with `time_func` of its module. It is set to the event loop's clock here, which on an
  ordinary loop is the monotonic clock that paho would use anyway, and on a virtual one is the only right one.
* aiomqtt connects in a thread. A cancelled `open` therefore waits for that thread, which is bounded by the time-out,
  so that no socket appears after everybody has left.
* aiomqtt wakes paho every second to see whether it is time for a keep-alive. A fifth of the keep-alive is often enough,
  since a broker waits for one and a half of it (MQTT 3.1.1, section 3.1.2.10).
* aiomqtt forgets to close what it opened when the broker refuses the login; `shut` closes it. paho forgets a socket
  whose TLS handshake fails; `TidySocket` closes itself.
* aiomqtt starts to watch a socket for writing one turn of the loop late, and the socket may be closed by then: poll(2)
  would report it for ever. `_watch` looks first.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import aiomqtt
import paho.mqtt.client
from aiomqtt.exceptions import MqttConnectError
from pydantic import Field, field_validator, model_validator

from bench.device import DriverConfig
from bench.errors import DeviceLost, UsageError
from bench.quantities import SecondsField
from bench.tidy_socket import TidySocket
from drivers.tls import TlsFiles

# Everything that the libraries would log reaches the bench as an error or an event.
logging.getLogger("mqtt").setLevel(logging.CRITICAL)

_NODELAY = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)


class MqttConfig(DriverConfig):
    """How a broker is reached.

    Attributes:
        host: the broker's host name or address.
        port: its TCP port, usually 1883, or 8883 with TLS.
        client_id: MQTT client identifier; by default made from the topic. Two clients with one identifier push each
            other off the broker.
        username: for the login; needs `password_file`.
        password_file: a file whose first line is the password.
        tls: PEM files; `tls: {}` believes the certificates of the operating system.
        keepalive: after this long without traffic the connection is tested.
        timeout: how long the broker may take to accept a connection or confirm a request.
    """

    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65535)] = 1883
    client_id: Annotated[str, Field(max_length=64)] = ""
    username: str | None = None
    password_file: Path | None = None
    tls: TlsFiles | None = None
    keepalive: Annotated[SecondsField, Field(ge=5, le=3600)] = 15.0
    timeout: Annotated[SecondsField, Field(gt=0, le=60)] = 5.0

    @field_validator("keepalive")
    @classmethod
    def _whole_seconds(cls, value: float) -> float:
        if value != int(value):
            raise ValueError("keepalive is a whole number of seconds")
        return value

    @model_validator(mode="after")
    def _whole_login(self) -> MqttConfig:
        if (self.username is None) != (self.password_file is None):
            raise ValueError("username and password_file belong together: give both or neither")
        return self

    @property
    def where(self) -> str:
        """The broker, for people."""
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"

    def secrets(self) -> MqttSecrets:
        """Read the password and the TLS files, once for all connections.

        Raises:
            UsageError: a file cannot be read or used.
        """
        return MqttSecrets(self._password(), self.tls.context(server=False) if self.tls is not None else None)

    def _password(self) -> str | None:
        if self.password_file is None:
            return None
        try:
            lines = self.password_file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"the password cannot be read: {error}", where=str(self.password_file)) from None
        if not lines or not lines[0]:
            raise UsageError("the password file is empty", where=str(self.password_file))
        return lines[0]


@dataclass(frozen=True, slots=True, repr=False)
class MqttSecrets:
    """What a login needs, read from its files; never printed, logged or put in evidence."""

    password: str | None = None
    tls: ssl.SSLContext | None = None


def check_topic(topic: str) -> str:
    """Let a topic through that may stand before `/NAME`; ValueError for others (MQTT 3.1.1, section 4.7)."""
    if not topic or topic.startswith("$") or topic.endswith("/") or any(sign in topic for sign in "+#\0"):
        raise ValueError(f"{topic!r} is no topic: write names with slashes between them, such as hilbench/hub/chf")
    return topic


class MqttSession(aiomqtt.Client):
    """One connection, for use once: `open`, then publish, subscribe and iterate `messages`, then `shut`."""

    def __init__(
        self, config: MqttConfig, secrets: MqttSecrets, client_id: str, *, will: aiomqtt.Will | None = None
    ) -> None:
        paho.mqtt.client.time_func = asyncio.get_running_loop().time
        if secrets.tls is not None:
            secrets.tls.sslsocket_class = TidySocket
        super().__init__(
            config.host,
            config.port,
            username=config.username,
            password=secrets.password,
            identifier=client_id,
            will=will,
            timeout=config.timeout,
            keepalive=int(config.keepalive),
            socket_options=_NODELAY,
            tls_context=secrets.tls,
        )
        self._where = config.where
        self._client.connect_timeout = config.timeout
        self._entered = False

    async def open(self) -> None:
        """Connect and log in.

        Raises:
            DeviceLost: the broker is not there, does not answer, or refuses the login.
        """
        entering = asyncio.ensure_future(self.__aenter__())
        try:
            await asyncio.shield(entering)
            self._entered = True
        except aiomqtt.MqttError as error:
            await self.shut()
            hint = "Check username and password_file" if isinstance(error, MqttConnectError) else ""
            raise DeviceLost(
                f"the MQTT broker cannot be used: {error}",
                where=self._where,
                next_step=hint or "Check that the broker runs, and host and port in the rig file",
            ) from None
        except asyncio.CancelledError:
            with contextlib.suppress(aiomqtt.MqttError):
                await entering
                self._entered = True
            await self.shut()
            raise

    async def shut(self) -> None:
        """Disconnect, if that is still possible, and close the socket; never raises for a broken connection."""
        if self._entered:
            self._entered = False
            with contextlib.suppress(aiomqtt.MqttError):
                await self.__aexit__(None, None, None)
        # Closes the socket where aiomqtt did not; answered by an error code where there is none.
        self._client.disconnect()
        for future in (self._connected, self._disconnected):
            if future.done() and not future.cancelled():
                future.exception()

    async def _misc_loop(self) -> None:
        while self._client.loop_misc() == paho.mqtt.client.MQTT_ERR_SUCCESS:  # noqa: ASYNC110 - paho has no event
            await asyncio.sleep(self._client.keepalive / 5)

    def _on_socket_register_write(self, client: paho.mqtt.client.Client, userdata: Any, sock: Any) -> None:
        self._loop.call_soon_threadsafe(self._watch, client, sock)

    def _watch(self, client: paho.mqtt.client.Client, sock: Any) -> None:
        current = client.socket()
        if current is not None and current is sock:
            self._loop.add_writer(current.fileno(), self._write, client)

    def _write(self, client: paho.mqtt.client.Client) -> None:
        try:
            client.loop_write()
        except Exception as error:
            if not self._disconnected.done():
                self._disconnected.set_exception(error)

    def vanish(self) -> None:
        """Cut the connection without a word, as a failing device does: the broker then publishes the will."""
        raw = self._client.socket()
        if isinstance(raw, socket.socket):
            with contextlib.suppress(OSError):
                raw.shutdown(socket.SHUT_RDWR)
