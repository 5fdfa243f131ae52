"""The same driver by way of VISA, in real time: its calls block a thread."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from bench.capabilities import EdgeKind
from bench.errors import DeviceError, DeviceLost
from drivers.emulated.scpi_grammar import Interpreter
from drivers.emulated.scpi_lan import hislip_server, vxi11_server
from drivers.emulated.scpi_wire import WireFaults, WireServer
from tests.drivers.ac_bench import ac_bench

pytestmark = [
    pytest.mark.realtime,
    # pyvisa-py leaves the socket of a connection that was refused to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

Serve = Callable[[Interpreter, WireFaults], WireServer]
both = pytest.mark.parametrize(
    ("serve", "resource"),
    [
        pytest.param(hislip_server, "TCPIP0::127.0.0.1::hislip0,{port}::INSTR", id="HiSLIP"),
        pytest.param(vxi11_server, "TCPIP0::127.0.0.1,{port}::inst0::INSTR", id="VXI-11"),
    ],
)


@pytest.fixture(autouse=True)
def what_pyvisa_left() -> Iterator[None]:
    yield
    gc.collect()


@both
async def test_verbs(serve: Serve, resource: str) -> None:
    async with ac_bench(serve=serve, resource=resource) as bench:
        assert bench.source.resources() == [bench.resource.upper()]
        edge = await bench.source.set_voltage(253.0)
        assert (edge.kind, bench.node.volts) == (EdgeKind.SET, 253.0)
        assert edge.uncertainty_ns >= 20_000_000
        await bench.source.interrupt(0.05)
        assert [volts for _, volts in bench.history] == [253.0, 0.0, 253.0]
        with pytest.raises(DeviceError, match="-222 Data out of range"):
            await bench.source.set_voltage(400.0)
        await bench.source.make_safe()
        assert bench.node.volts == 0.0
        assert "SOUR:VOLT?" in bench.sent() and "253.00" in bench.received()


@both
async def test_no_late_reply_after_a_time_out(serve: Serve, resource: str) -> None:
    async with ac_bench(serve=serve, resource=resource, timeout="300 ms") as bench:
        bench.faults.delay_s = 0.4
        with pytest.raises(DeviceLost, match="does not answer"):
            await bench.source.measure("voltage")
        bench.faults.delay_s = 0.0
        assert (await bench.source.measure("frequency")).value == 50.0
        assert bench.states() == ["connected", "lost", "reconnected"]


@both
async def test_make_safe_takes_a_connection_of_its_own(serve: Serve, resource: str) -> None:
    async with ac_bench(serve=serve, resource=resource, timeout="500 ms") as bench:
        loop = asyncio.get_running_loop()
        off_s: list[float] = []
        bench.node.subscribe(lambda _: off_s.append(loop.time()))
        bench.faults.delay_s = 0.4
        blocked = asyncio.create_task(bench.source.measure("voltage"))
        await asyncio.sleep(0.1)
        began_s = loop.time()
        safe = asyncio.create_task(bench.source.make_safe())
        await asyncio.sleep(0.1)
        bench.faults.delay_s = 0.0
        await safe
        # 20 ms on a machine that does nothing else; a loaded one gets some grace, and waiting would take 300 ms.
        assert off_s[0] - began_s < 0.1
        with pytest.raises(DeviceError, match="taken over"):
            await blocked


@both
async def test_refused_and_silent(serve: Serve, resource: str) -> None:
    async with ac_bench(serve=serve, resource=resource, timeout="200 ms", connect=False) as bench:
        bench.faults.silent = True
        with pytest.raises(DeviceLost, match="does not answer"):
            await bench.source.connect()
        await bench.server.vanish()
        with pytest.raises(DeviceLost, match=r"^source \(TCPIP0::127.0.0.1.*\): "):
            await bench.source.connect()


@both
async def test_vanishing(serve: Serve, resource: str) -> None:
    async with ac_bench(serve=serve, resource=resource, timeout="200 ms") as bench:
        await bench.server.vanish()
        with pytest.raises(DeviceLost, match="source"):
            await bench.source.measure("voltage")
        await bench.server.resume()
        assert (await bench.source.measure("voltage")).value == 230.0


@both
async def test_each_instrument_has_a_thread_of_its_own(serve: Serve, resource: str) -> None:
    before = set(threading.enumerate())
    async with ac_bench(serve=serve, resource=resource), ac_bench(serve=serve, resource=resource):
        names = [thread.name for thread in threading.enumerate() if thread not in before]
        assert len(names) == 2 and all(name.startswith("visa ") for name in names)
    assert not [thread for thread in threading.enumerate() if thread not in before]


async def test_a_resource_of_another_library_is_one_clear_error() -> None:
    async with ac_bench(
        resource="TCPIP0::127.0.0.1::hislip0,1::INSTR", visa_library="/nowhere", connect=False
    ) as bench:
        with pytest.raises(DeviceLost, match="opening it failed: .*nowhere"):
            await bench.source.connect()


def test_a_bench_without_visa_does_not_load_it() -> None:
    code = "import sys, drivers.ac_source; print([m for m in sys.modules if m.startswith(('pyvisa', 'serialx'))])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
