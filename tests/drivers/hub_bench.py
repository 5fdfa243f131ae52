"""A Comms Hub's monitor on a broker of its own, and the driver that listens to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from drivers.emulated.broker import Broker
from drivers.emulated.hub_wire import HubMonitor, HubPanel
from drivers.mqtt_hub import HubConfig, MqttHub
from drivers.mqtt_session import MqttConfig, MqttSecrets, MqttSession
from tests.drivers.surroundings import Surroundings

TOPIC = "hilbench/hub/chf"
EPOCH = "2026-01-01T00:00:00.000000Z"


class Bench(Surroundings):
    def __init__(self, **broker: Any) -> None:
        super().__init__()
        self.broker = Broker(**broker)
        self.panel = HubPanel(self.stream.clock, power="on", wan="up", han="up", leds={"mesh": "blink 1 Hz"})
        self.monitor = HubMonitor(self.panel, TOPIC, host="127.0.0.1", port=lambda: self.broker.port)

    def hub(self, **config: Any) -> MqttHub:
        fields = {"host": "127.0.0.1", "port": str(self.broker.port), "topic": TOPIC} | config
        return MqttHub(self.context("hub"), HubConfig.model_validate(fields))

    async def publish(self, part: str, payload: str | bytes, **more: Any) -> None:
        session = MqttSession(MqttConfig(host="127.0.0.1", port=self.broker.port), MqttSecrets(), "stranger")
        await session.open()
        await session.publish(f"{TOPIC}/{part}", payload, qos=1, **more)
        await session.shut()
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def running(*, monitored: bool = True) -> AsyncIterator[Bench]:
    bench = Bench()
    await bench.broker.start()
    try:
        if monitored:
            await bench.monitor.start()
        yield bench
    finally:
        await bench.monitor.stop()
        await bench.broker.stop()
