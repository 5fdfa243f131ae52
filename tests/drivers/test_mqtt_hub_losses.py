"""A broker or a monitor that goes away, or was never there."""

from __future__ import annotations

import asyncio
import json

import pytest

from bench.errors import DeviceError, DeviceLost
from tests.drivers.hub_bench import EPOCH, Bench, running
from tests.drivers.surroundings import connected


async def test_broker_goes_away_and_comes_back() -> None:
    async with running() as bench, connected(bench.hub()) as hub:
        port = bench.broker.port
        await asyncio.sleep(1)
        await bench.broker.stop()
        await asyncio.sleep(5)
        assert bench.states("hub") == ["connected", "lost"]
        assert not hub.can_see() and hub.gaps() == 1
        bench.panel.show(wan="down")
        await bench.broker.start()
        assert bench.broker.port == port
        await asyncio.sleep(40)
        assert bench.states("hub") == ["connected", "lost", "reconnected"]
        assert hub.hub_state().wan == "down"
        assert hub.can_see() and hub.gaps() == 1
        news = [entry for entry in bench.of("seen.hub") if entry["changed"] == "wan"]
        assert [entry["wan"] for entry in news] == ["up", "down"]


async def test_back_off_is_bounded_and_does_not_give_up() -> None:
    async with running() as bench, connected(bench.hub()):
        await bench.broker.stop()
        await asyncio.sleep(1800)
        assert bench.states("hub") == ["connected", "lost"]
        await bench.broker.start()
        await asyncio.sleep(32)
        assert bench.states("hub") == ["connected", "lost", "reconnected"]


async def test_dropped_connections_come_back_quickly() -> None:
    async with running() as bench, connected(bench.hub()) as hub:
        await asyncio.sleep(60)
        bench.broker.drop()
        await asyncio.sleep(3)
        assert bench.states("hub")[:3] == ["connected", "lost", "reconnected"]
        bench.panel.show(power="off")
        await asyncio.sleep(0.1)
        assert hub.hub_state().power == "off"


async def test_monitor_that_dies_is_a_loss_by_its_will() -> None:
    async with running() as bench, connected(bench.hub()):
        await asyncio.sleep(1)
        bench.monitor.vanish()
        await asyncio.sleep(0.1)
        assert bench.states("hub") == ["connected", "lost"]
        assert "monitor went away" in bench.of("device", "hub")[-1]["detail"]
        await asyncio.sleep(2)
        assert bench.states("hub") == ["connected", "lost", "reconnected"]


async def test_garbled_monitor() -> None:
    async with running() as bench, connected(bench.hub()) as hub:
        await asyncio.sleep(1)
        bench.monitor.garble_next()
        bench.panel.show(power="off")
        bench.panel.show(wan="down")
        await asyncio.sleep(0.1)
        assert (hub.hub_state().power, hub.hub_state().wan) == ("on", "down")
        assert bench.states("hub") == ["connected", "garbled"]
        assert hub.can_see() and hub.gaps() == 1


async def test_no_monitor_is_found_at_connect() -> None:
    async with running(monitored=False) as bench:
        hub = bench.hub(timeout="3 s")
        with pytest.raises(DeviceLost, match="monitor is not online"):
            await hub.connect()
        assert bench.loop.time() == pytest.approx(3.0, abs=0.1)
        assert bench.states() == []


async def test_connecting_again_asks_again() -> None:
    async with running() as bench:
        hub = bench.hub(timeout="3 s")
        for _ in range(2):
            async with connected(hub):
                assert hub.hub_state().power == "on"
        await bench.monitor.stop()
        with pytest.raises(DeviceLost, match="not online"):
            await hub.connect()
    assert bench.states() == ["connected", "closed"] * 2


async def test_offline_monitor_is_found_at_connect() -> None:
    async with running() as bench:
        await bench.monitor.stop()
        with pytest.raises(DeviceLost, match="monitor is not online"):
            await bench.hub().connect()


async def test_half_a_monitor_is_found_at_connect() -> None:
    async with running(monitored=False) as bench:
        await bench.publish("monitor", '{"state": "online"}', retain=True)
        await bench.publish("power", json.dumps({"state": "on", "since": EPOCH}), retain=True)
        with pytest.raises(DeviceError, match="has not told wan, han") as raised:
            await bench.hub().connect()
        assert not isinstance(raised.value, DeviceLost)


async def test_refused_connection() -> None:
    async with running(monitored=False) as bench:
        hub = bench.hub()
        await bench.broker.stop()
        with pytest.raises(DeviceLost, match=r"mqtt://127.0.0.1:\d+: the MQTT broker cannot be used: .*refused"):
            await hub.connect()
        await hub.close()


async def test_something_that_is_no_broker() -> None:
    bench = Bench()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    hub = bench.hub(port=server.sockets[0].getsockname()[1])
    with pytest.raises(DeviceLost, match="timed out"):
        await hub.connect()
    server.close()
    await asyncio.sleep(0.1)


async def test_cancelled_connect_leaves_nothing() -> None:
    bench = Bench()
    heard: list[bytes] = []

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read())
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    hub = bench.hub(port=server.sockets[0].getsockname()[1])
    task = asyncio.create_task(hub.connect())
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    server.close()
    await asyncio.sleep(0.1)
    assert len(heard) == 1
