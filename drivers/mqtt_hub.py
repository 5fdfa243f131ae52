"""The monitor of a Comms Hub over MQTT; docs/comms-hub-mqtt.md describes its topics.

The connection is kept up in the background: a broker or a monitor that goes away is a `lost` event, its return a
`reconnected` one. Only a change is news: a message that says what is known already, or that is older than what is
known, never becomes a `seen.hub` event.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

import aiomqtt
from pydantic import AfterValidator

from bench.capabilities import HubState
from bench.device import DeviceContext, Driver
from bench.errors import DeviceError, DeviceLost
from drivers.hub_topics import MONITOR, PARTS, LedPayload, LinkPayload, MonitorPayload, PowerPayload, iso, read
from drivers.mqtt_session import MqttConfig, MqttSecrets, MqttSession, check_topic

_FIRST_RETRY_S = 0.5
_LAST_RETRY_S = 30.0
_NEEDED = ("power", "wan", "han")


class HubConfig(MqttConfig):
    """A Comms Hub monitor in the rig file.

    Attributes:
        topic: what stands before `/power`, `/wan`, `/han`, `/led` and `/monitor`, such as `hilbench/hub/chf`.
    """

    topic: Annotated[str, AfterValidator(check_topic)]


class MqttHub(Driver[HubConfig]):
    """Implements `CommsHub`."""

    Config = HubConfig

    def __init__(self, context: DeviceContext, config: HubConfig) -> None:
        super().__init__(context, config)
        self._secrets = MqttSecrets()
        self._state = HubState()
        self._since: dict[str, datetime] = {}
        self._session: MqttSession | None = None
        self._reachable = asyncio.Event()
        self._complete = asyncio.Event()
        self._was_connected = False
        self._gaps = 0

    def resources(self) -> list[str]:
        """The hub's topic on its broker."""
        return [f"{self.config.where}/{self.config.topic}"]

    def hub_state(self) -> HubState:
        """What the monitor last said; while it is lost, what it said before."""
        return self._state

    def can_see(self) -> bool:
        """Whether the broker and the monitor are there."""
        return self._reachable.is_set()

    def gaps(self) -> int:
        """How often the broker or the monitor went away, or said what could not be read."""
        return self._gaps

    async def connect(self) -> None:
        """Connect to the broker and wait until the monitor has told its whole state.

        Raises:
            UsageError: the password or the TLS files cannot be used.
            DeviceLost: the broker cannot be used, or no monitor is there.
            DeviceError: what the monitor says cannot be read.
        """
        if self._session is not None:
            return
        self._secrets = self.config.secrets()
        self._state = HubState()
        self._since.clear()
        self._reachable.clear()
        self._complete.clear()
        self._session = await self._open()
        self.start_background(self._listen, title="listen to the hub monitor")
        try:
            async with asyncio.timeout(self.config.timeout):
                await self._reachable.wait()
                await self._complete.wait()
        except TimeoutError:
            missing = [part for part in _NEEDED if getattr(self._state, part) is None]
            there = self._reachable.is_set()
            await self.close()
            what = f"has not told {', '.join(missing)}" if there else "is not online"
            raise (DeviceError if there else DeviceLost)(
                f"the broker is there, but the hub's monitor {what}",
                where=f"{self.name} ({self.config.where}/{self.config.topic})",
                next_step="Check that the monitor runs, and that it publishes under the topic in the rig file",
            ) from None
        except BaseException:
            await self.close()
            raise
        self._was_connected = True
        self.context.emit("device", {"state": "connected", "detail": f"{self.config.where}/{self.config.topic}"})

    async def close(self) -> None:
        """Leave the broker."""
        try:
            await self.stop_background()
        finally:
            session, self._session = self._session, None
            if session is not None:
                await session.shut()
            if self._was_connected:
                self._was_connected = False
                self.context.emit("device", {"state": "closed", "detail": ""})

    async def _open(self) -> MqttSession:
        topic = self.config.topic
        client_id = self.config.client_id or f"bench-{topic.replace('/', '-')}"[:64]
        session = MqttSession(self.config, self._secrets, client_id)
        try:
            await session.open()
            await session.subscribe(f"{topic}/+", qos=1)
        except aiomqtt.MqttError as error:
            await session.shut()
            raise DeviceLost(
                f"the MQTT broker does not take the subscription: {error}", where=self.config.where
            ) from None
        except BaseException:
            await session.shut()
            raise
        return session

    async def _listen(self) -> None:
        """Take what comes, for ever; come back after every loss."""
        loop = asyncio.get_running_loop()
        retry_s = _FIRST_RETRY_S
        while True:
            assert self._session is not None
            began_s = loop.time()
            try:
                async for message in self._session.messages:
                    self._take(message)
            except aiomqtt.MqttError as error:
                self._set_reachable(False, f"the connection to the broker broke: {error}")
            await self._session.shut()
            if loop.time() - began_s > _LAST_RETRY_S:
                retry_s = _FIRST_RETRY_S
            while True:
                await asyncio.sleep(retry_s)
                retry_s = min(2 * retry_s, _LAST_RETRY_S)
                try:
                    self._session = await self._open()
                    break
                except DeviceLost:
                    continue  # already on record as lost

    def _take(self, message: aiomqtt.Message) -> None:
        part = message.topic.value.removeprefix(f"{self.config.topic}/")
        payload = message.payload if isinstance(message.payload, bytes) else str(message.payload).encode()
        try:
            text: str | bytes = payload.decode("utf-8")
        except UnicodeDecodeError:
            text = payload
        self.context.wire("rx", text, topic=message.topic.value)
        try:
            told = read(part, payload)
        except ValueError as error:
            self._refuse(part, str(error))
            if part in PARTS or part == MONITOR:
                self._gaps += 1
                self.context.emit("device", {"state": "garbled", "detail": f"{part}: {error}"})
            return
        if isinstance(told, MonitorPayload):
            online = told.state == "online"
            self._set_reachable(online, "the hub's monitor " + ("is online" if online else "went away"))
        else:
            self._learn(part, told, retained=message.retain)

    def _learn(self, part: str, told: PowerPayload | LinkPayload | LedPayload, *, retained: bool) -> None:
        name = "leds" if part == "led" else part
        state = dict(told.state) if isinstance(told, LedPayload) else told.state
        known_since = self._since.get(part)
        if known_since is not None and told.since < known_since:
            self._refuse(part, f"it says how things were at {iso(told.since)}; later news is known")
            return
        if known_since == told.since and getattr(self._state, name) == state:
            return
        self._since[part] = told.since
        changes: dict[str, Any] = {name: state}
        self._state = replace(self._state, **changes, at=self.context.clock.now())
        self.context.emit(
            "seen.hub",
            {
                "power": self._state.power,
                "wan": self._state.wan,
                "han": self._state.han,
                "leds": dict(self._state.leds),
                "changed": name,
                "since": iso(told.since),
                "retained": retained,
            },
        )
        if all(getattr(self._state, needed) is not None for needed in _NEEDED):
            self._complete.set()

    def _refuse(self, part: str, why: str) -> None:
        self.context.emit("seen.refused", {"what": f"message on {self.config.topic}/{part}", "why": why})

    def _set_reachable(self, reachable: bool, detail: str) -> None:
        if reachable == self._reachable.is_set():
            return
        if reachable:
            self._reachable.set()
        else:
            self._gaps += 1
            self._reachable.clear()
            # A monitor that starts again may have another clock.
            self._since.clear()
        if self._was_connected:
            self.context.emit("device", {"state": "reconnected" if reachable else "lost", "detail": detail})
