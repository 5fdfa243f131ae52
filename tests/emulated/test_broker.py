from __future__ import annotations

import asyncio

from drivers.emulated.broker import Broker
from drivers.mqtt_session import MqttConfig, MqttSession


async def test_the_broker_forgets_clients_that_have_left() -> None:
    broker = Broker()
    await broker.start()
    try:
        config = MqttConfig(host="127.0.0.1", port=broker.port)
        staying, leaving = (MqttSession(config, config.secrets(), name) for name in ("staying", "leaving"))
        await staying.open()
        await leaving.open()
        await leaving.shut()
        await asyncio.sleep(61)
        assert broker._broker is not None
        assert list(broker._broker._sessions) == ["staying"]
        await staying.shut()
    finally:
        await broker.stop()
