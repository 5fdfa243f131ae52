from __future__ import annotations

import asyncio
import contextlib
import os
import resource
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer.rtu import FramerRTU

from bench.errors import DeviceError, DeviceLost, UsageError
from drivers.emulated.modbus_models import MeterModel, RelayModel
from drivers.emulated.modbus_wire import ModbusRtuWire, ModbusSlave, crc16
from drivers.emulated.schedule import Schedule
from drivers.emulated.supply import Gate, SupplyNode
from drivers.reference_meter import MeterConfig, ModbusMeter
from drivers.relay import ModbusRelay, RelayConfig
from tests.drivers.surroundings import Surroundings, connected

REGISTERS = {"voltage": {"address": "0"}, "frequency": {"address": "6"}}


class Bench(Surroundings):
    """A relay (device 1) and a reference meter (device 2) on one RS-485 line."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.schedule = Schedule(self.loop, seed=7)
        self.mains, self.load = SupplyNode(self.loop.time), SupplyNode(self.loop.time)
        self.gate = Gate(self.mains, self.load, self.loop.time, closed=True)
        self.mains.step(230.0)
        self.relay_slave, self.meter_slave = ModbusSlave(1), ModbusSlave(2)
        RelayModel(self.gate, self.schedule).attach(self.relay_slave)
        MeterModel(self.load, Random(3)).attach(self.meter_slave)
        self.wire = ModbusRtuWire(
            folder / "line", [self.relay_slave, self.meter_slave], self.schedule, self.schedule.random("line")
        )

    def relay(self, settings: str = "", **config: Any) -> ModbusRelay:
        fields = {
            "resource": f"rtu://{self.wire.link}?device=1&parity=N{settings}",
            "coil": "0",
            "feedback": "0",
        } | config
        return ModbusRelay(self.context("relay"), RelayConfig.model_validate(fields))

    def meter(self, device: int = 2, **config: Any) -> ModbusMeter:
        fields = {"resource": f"rtu://{self.wire.link}?device={device}&parity=N", "registers": REGISTERS} | config
        return ModbusMeter(self.context("meter"), MeterConfig.model_validate(fields))


@contextlib.asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Bench]:
    bench = Bench(folder)
    bench.wire.plug()
    try:
        yield bench
    finally:
        bench.wire.close()
        bench.schedule.close()


@pytest.fixture
def many_files() -> Iterator[None]:
    """Every descriptor below 1024 is taken, as in a process with a few dozen rigs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2048:
        pytest.skip("this machine lets nobody have 1,100 open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    files = [os.open(os.devnull, os.O_RDONLY)]
    while files[-1] < 1024:
        files.append(os.dup(files[0]))
    yield
    for file in files:
        os.close(file)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_line_works_in_a_process_with_very_many_files(tmp_path: Path, many_files: None) -> None:
    async with running(tmp_path) as bench, connected(bench.meter()) as meter:
        assert (await meter.measure("voltage")).value == 230.0


async def test_two_devices_share_a_line(tmp_path: Path) -> None:
    async with running(tmp_path) as bench, connected(bench.meter()) as meter, connected(bench.relay()) as relay:
        for closed in (False, True, False):
            edge, _, _ = await asyncio.gather(
                relay.switch(closed), meter.measure("voltage"), meter.measure("frequency")
            )
            assert edge.uncertainty_ns < 20e6
            assert (await meter.measure("voltage")).value == (230.0 if closed else 0.0)
        await meter.close()
        assert not await relay.is_closed()
    assert bench.states("relay") == bench.states("meter") == ["connected", "closed"]


async def test_devices_of_one_line_need_one_set_of_settings(tmp_path: Path) -> None:
    async with running(tmp_path) as bench, connected(bench.meter()):
        with pytest.raises(UsageError, match="different serial settings"):
            await bench.relay("&baud=9600").connect()
        async with connected(bench.relay("&baud=19200")):
            pass


async def test_absent_device_is_silent_and_the_others_go_on(tmp_path: Path) -> None:
    async with running(tmp_path) as bench, connected(bench.relay()) as relay:
        with pytest.raises(DeviceLost, match=r"device 9\): it does not answer within 1 s"):
            await bench.meter(9).connect()
        assert await relay.is_closed()


async def test_late_answer_is_never_taken_for_the_next(tmp_path: Path) -> None:
    async with running(tmp_path) as bench, connected(bench.meter()) as meter:
        bench.meter_slave.faults.delay_s = 1.5
        with pytest.raises(DeviceLost):
            await meter.measure("voltage")
        bench.meter_slave.faults.delay_s = 0.0
        began = bench.loop.time()
        # Same function, same length: only the pause tells the answers apart.
        assert (await meter.measure("frequency")).value == 50.0
        assert bench.loop.time() - began == pytest.approx(1.0)


async def test_cancelled_verb_leaves_no_answer_behind(tmp_path: Path) -> None:
    async with running(tmp_path) as bench, connected(bench.meter()) as meter:
        bench.meter_slave.faults.delay_s = 0.5
        task = asyncio.create_task(meter.measure("voltage"))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        bench.meter_slave.faults.delay_s = 0.0
        assert (await meter.measure("frequency")).value == 50.0


async def test_wrong_crc_is_garbled(tmp_path: Path) -> None:
    async with running(tmp_path) as bench, connected(bench.meter()) as meter:
        bench.meter_slave.faults.garbled = True
        with pytest.raises(DeviceError, match="garbled") as raised:
            await meter.measure("voltage")
        assert not isinstance(raised.value, DeviceLost)
        bench.meter_slave.faults.garbled = False
        bench.wire.garble_next()
        with pytest.raises(DeviceError):
            await meter.measure("voltage")
        assert (await meter.measure("voltage")).value == 230.0


@pytest.mark.parametrize("pending", [True, False])
async def test_unplugged_adapter_that_comes_back(tmp_path: Path, pending: bool) -> None:
    async with running(tmp_path) as bench, connected(bench.meter()) as meter:
        bench.meter_slave.faults.silent = True
        began = bench.loop.time()
        if pending:
            bench.schedule.after(0.2, bench.wire.unplug)
            with pytest.raises(DeviceLost, match="line broke"):
                await meter.measure("voltage")
        else:
            bench.wire.unplug()
            await asyncio.sleep(0.2)
        with pytest.raises(DeviceLost, match=r"cannot open rtu://.*No such file"):
            await meter.measure("voltage")
        assert bench.loop.time() - began == pytest.approx(0.2, abs=0.01)
        bench.meter_slave.faults.silent = False
        bench.wire.plug()
        assert (await meter.measure("voltage")).value == 230.0
    assert bench.states() == ["connected", "lost", "reconnected", "closed"]


async def test_port_in_use(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        import serial

        with serial.Serial(bench.wire.name, exclusive=True), pytest.raises(DeviceLost, match="cannot open"):
            await bench.meter().connect()


async def test_settings_that_the_port_does_not_have(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        meter = bench.meter(resource=f"rtu://{bench.wire.link}?device=2&parity=E")
        with pytest.raises(DeviceLost, match="does not take the settings 19200 8E1"):
            await meter.connect()


async def test_request_in_pieces_and_garbage_before_it(tmp_path: Path) -> None:
    """By hand: the emulated device frames requests by silence, as real ones do."""
    from serialx import open_serial_connection

    async with running(tmp_path) as bench:
        reader, writer = await open_serial_connection(str(bench.wire.link), baudrate=9600)
        request = bytes([1, 1, 0, 0, 0, 1])
        request += crc16(request)
        writer.write(b"\x55\x66\x77")
        await asyncio.sleep(0.1)
        for byte in request:
            writer.write(bytes([byte]))
        answer = bytes([1, 1, 1, 1])
        assert await reader.readexactly(6) == answer + crc16(answer)
        writer.close()
        await writer.wait_closed()


@given(st.binary(max_size=64))
def test_crc_agrees_with_an_independent_one(data: bytes) -> None:
    assert crc16(data) == FramerRTU.compute_CRC(data).to_bytes(2, "big")
