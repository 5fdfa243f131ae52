"""The same drivers and wires on an ordinary event loop."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bench.errors import DeviceLost
from bench.events import Event
from tests.drivers import console_bench, hub_bench
from tests.drivers import modbus_bench as tcp_bench
from tests.drivers import test_modbus_rtu as rtu_bench
from tests.drivers.surroundings import connected

pytestmark = pytest.mark.realtime


async def test_modbus_tcp() -> None:
    async with tcp_bench.running() as bench, connected(bench.meter(timeout="50 ms")) as meter:
        assert (await meter.measure("voltage")).value == 230.0
        bench.meter_slave.faults.silent = True
        with pytest.raises(DeviceLost):
            await meter.measure("voltage")
        bench.meter_slave.faults.silent = False
        assert (await meter.measure("voltage")).value == 230.0


async def test_modbus_rtu(tmp_path: Path) -> None:
    async with rtu_bench.running(tmp_path) as bench, connected(bench.relay()) as relay:
        edge = await relay.switch(False)
        assert bench.load.volts == 0.0
        assert edge.uncertainty_ns >= 10_000_000


async def test_hub() -> None:
    async with hub_bench.running() as bench, connected(bench.hub()) as hub:
        told = asyncio.Event()

        def listen(event: Event) -> None:
            if event.data.get("changed") == "power" or event.data.get("state") == "lost":
                told.set()

        bench.stream.subscribe(listen)
        bench.panel.show(power="off")
        async with asyncio.timeout(5):
            await told.wait()
            assert hub.hub_state().power == "off"
            told.clear()
            await bench.broker.stop()
            await told.wait()
        assert bench.states("hub") == ["connected", "lost"]


async def test_console(tmp_path: Path) -> None:
    async with console_bench.running(tmp_path) as bench, connected(bench.console()) as console:
        assert await console.ask("time", {}) == {"time": "1"}
        bench.wire.line.unplug()
        with pytest.raises(DeviceLost):
            await console.ask("time", {})
