"""An emulated monitor of a Comms Hub: publishes over MQTT what the hub's model says."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import aiomqtt

from bench.clock import Clock
from bench.errors import DeviceLost
from drivers.hub_topics import MONITOR, PARTS, iso
from drivers.mqtt_session import MqttConfig, MqttSession

_RETRY_S = 1.0
_OFFLINE = json.dumps({"state": "offline"})


class HubPanel:
    """What can be seen of a Comms Hub from outside; the hub's model sets it.

    Attributes:
        power: "on", "off" or "booting".
        wan: "up" or "down".
        han: "up" or "down".
        leds: LED name to "on", "off" or a blink pattern.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        power: str = "off",
        wan: str = "down",
        han: str = "down",
        leds: Mapping[str, str] | None = None,
    ) -> None:
        self._clock = clock
        self._listeners: list[Callable[[str], None]] = []
        self.power, self.wan, self.han = power, wan, han
        self.leds: Mapping[str, str] = dict(leds or {})
        self._since = dict.fromkeys(PARTS, iso(clock.now().utc))

    def show(
        self,
        *,
        power: str | None = None,
        wan: str | None = None,
        han: str | None = None,
        leds: Mapping[str, str] | None = None,
    ) -> None:
        """Change what is given, and tell the listeners of each part that is not what it was."""
        new_leds = None if leds is None else {**self.leds, **leds}
        for part, name, new in (
            ("power", "power", power),
            ("wan", "wan", wan),
            ("han", "han", han),
            ("led", "leds", new_leds),
        ):
            if new is not None and new != getattr(self, name):
                setattr(self, name, new)
                self._since[part] = iso(self._clock.now().utc)
                for listener in tuple(self._listeners):
                    listener(part)

    def payload(self, part: str) -> str:
        """The payload of a part, as it is published."""
        state = dict(self.leds) if part == "led" else getattr(self, part)
        return json.dumps({"state": state, "since": self._since[part]})

    def subscribe(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Be told the name of each part that changes; call what is returned to hear no more."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)


class HubMonitor:
    """The monitor: keeps a connection to the broker and publishes every change, retained, at least once.

    Args:
        panel: what it sees.
        topic: what stands before `/power` and the others.
        host: of the broker.
        port: of the broker, asked each time that it connects.
        login: other fields of `MqttConfig`: `username` and `password_file`, `tls`.
    """

    def __init__(self, panel: HubPanel, topic: str, *, host: str, port: Callable[[], int], **login: Any) -> None:
        self._panel, self._topic = panel, topic
        self._host, self._port, self._login = host, port, login
        self._session: MqttSession | None = None
        self._news: deque[tuple[str, str]] = deque()
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._garble = 0
        self._unsubscribe: Callable[[], None] | None = None

    async def start(self) -> None:
        """Begin; returns when the whole state is published.

        Raises:
            DeviceLost: the broker cannot be used.
        """
        self._unsubscribe = self._panel.subscribe(self._changed)
        session = await self._connect()
        self._task = asyncio.create_task(self._run(session), name=f"hub monitor {self._topic}")

    async def stop(self) -> None:
        """Say goodbye and leave; may be called twice."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(aiomqtt.MqttError):
                await session.publish(f"{self._topic}/{MONITOR}", _OFFLINE, qos=1, retain=True)
            await session.shut()

    def garble_next(self, messages: int = 1) -> None:
        """Damage the payloads of the next messages."""
        self._garble += messages

    def vanish(self) -> None:
        """Lose the connection without a word; it comes back after a second."""
        if self._session is not None:
            self._session.vanish()

    def _changed(self, part: str) -> None:
        self._news.append((part, self._panel.payload(part)))
        self._woken.set()

    async def _connect(self) -> MqttSession:
        config = MqttConfig(host=self._host, port=self._port(), **self._login)
        will = aiomqtt.Will(f"{self._topic}/{MONITOR}", _OFFLINE, qos=1, retain=True)
        session = MqttSession(config, config.secrets(), f"monitor-{self._topic.replace('/', '-')}"[:64], will=will)
        try:
            await session.open()
            # What changed before is in the whole state.
            self._news.clear()
            for part in PARTS:
                await self._publish(session, part, self._panel.payload(part))
            await self._publish(session, MONITOR, json.dumps({"state": "online"}))
        except aiomqtt.MqttError as error:
            await session.shut()
            raise DeviceLost(f"the broker does not take the hub's state: {error}") from None
        except BaseException:
            await session.shut()
            raise
        self._session = session
        return session

    async def _publish(self, session: MqttSession, part: str, payload: str) -> None:
        if self._garble:
            self._garble -= 1
            payload = payload[: len(payload) // 2] + "\x00"
        await session.publish(f"{self._topic}/{part}", payload, qos=1, retain=True)

    async def _run(self, session: MqttSession) -> None:
        while True:
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._send_news(session))
                    group.create_task(_wait_for_loss(session))
            except* aiomqtt.MqttError:
                pass
            await session.shut()
            self._session = None
            while self._session is None:
                await asyncio.sleep(_RETRY_S)
                with contextlib.suppress(DeviceLost):
                    session = await self._connect()

    async def _send_news(self, session: MqttSession) -> None:
        while True:
            while self._news:
                part, payload = self._news.popleft()
                await self._publish(session, part, payload)
            self._woken.clear()
            await self._woken.wait()


async def _wait_for_loss(session: MqttSession) -> None:
    """Ends with MqttError as soon as the connection is gone; nothing is ever received on it."""
    async for _ in session.messages:
        pass
