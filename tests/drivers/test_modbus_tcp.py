from __future__ import annotations

import asyncio
import contextlib
import math
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bench.capabilities import EdgeKind, Measures, Switch, TimedBy
from bench.errors import DeviceError, DeviceLost, UsageError
from drivers.emulated.modbus_models import MeterModel, RelayModel
from drivers.emulated.modbus_wire import ModbusSlave, ModbusTcpWire
from drivers.emulated.schedule import Schedule
from drivers.emulated.supply import Gate, SupplyNode
from drivers.modbus_address import ModbusAddress
from drivers.reference_meter import MeterConfig, ModbusMeter, RegisterConfig
from drivers.relay import ModbusRelay, RelayConfig
from tests.drivers.surroundings import Surroundings

REGISTERS = {
    "voltage": {"address": "0", "unit": "V"},
    "current": {"address": "2"},
    "power": {"address": "4"},
    "frequency": {"address": "6"},
}


class Bench(Surroundings):
    """A source at 230 V, a relay (device 1) and a reference meter (device 2) behind one TCP listener."""

    def __init__(self) -> None:
        super().__init__()
        self.schedule = Schedule(self.loop, seed=7)
        self.mains, self.load = SupplyNode(self.loop.time), SupplyNode(self.loop.time)
        self.gate = Gate(self.mains, self.load, self.loop.time, closed=True)
        self.mains.step(230.0)
        self.relay_slave, self.meter_slave = ModbusSlave(1), ModbusSlave(2)
        self.relay_model = RelayModel(self.gate, self.schedule)
        self.relay_model.attach(self.relay_slave)
        self.meter_model = MeterModel(self.load, random.Random(3), load_ohms=46.0)
        self.meter_model.attach(self.meter_slave)
        self.wire = ModbusTcpWire([self.relay_slave, self.meter_slave], self.schedule)

    def relay(self, **config: Any) -> ModbusRelay:
        fields = {"resource": f"tcp://127.0.0.1:{self.wire.port}?device=1", "coil": "0", "feedback": "0"} | config
        return ModbusRelay(self.context("relay"), RelayConfig.model_validate(fields))

    def meter(self, **config: Any) -> ModbusMeter:
        fields = {"resource": f"tcp://127.0.0.1:{self.wire.port}?device=2", "registers": REGISTERS} | config
        return ModbusMeter(self.context("meter"), MeterConfig.model_validate(fields))


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[Bench]:
    bench = Bench()
    await bench.wire.start()
    try:
        yield bench
    finally:
        await bench.wire.stop()
        bench.schedule.close()


@contextlib.asynccontextmanager
async def connected(device: Any) -> AsyncIterator[Any]:
    await device.connect()
    try:
        yield device
    finally:
        await device.close()


async def test_relay_cuts_and_restores_the_supply() -> None:
    async with running() as bench, connected(bench.relay()) as relay:
        assert isinstance(relay, Switch)
        assert await relay.is_closed()
        before = bench.stream.clock.now()
        edge = await relay.switch(False)
        after = bench.stream.clock.now()
        assert (edge.kind, edge.volts, edge.timed_by) == (EdgeKind.FALL, 0.0, TimedBy.BENCH)
        assert before.mono_ns <= edge.at.mono_ns - edge.uncertainty_ns
        assert edge.at.mono_ns + edge.uncertainty_ns <= after.mono_ns
        assert edge.at.utc_ns - edge.at.mono_ns == before.utc_ns - before.mono_ns
        assert bench.load.volts == 0.0
        assert not await relay.is_closed()
        edge = await relay.switch(True)
        assert edge.kind is EdgeKind.RESTORE
        assert math.isnan(edge.volts)
        assert bench.load.volts == 230.0
    assert bench.states() == ["connected", "closed"]


async def test_edge_uncertainty_holds_the_true_moment_with_a_slow_relay() -> None:
    async with running() as bench, connected(bench.relay(operate_time="30 ms")) as relay:
        bench.relay_slave.faults.delay_s = 0.4
        moments: list[float] = []
        bench.load.subscribe(lambda _node: moments.append(bench.loop.time()))
        edge = await relay.switch(False)
        assert len(moments) == 1
        assert abs(moments[0] * 1e9 - edge.at.mono_ns) <= edge.uncertainty_ns
        assert edge.uncertainty_ns == pytest.approx(0.215e9, abs=2e6)


async def test_welded_contact_is_found_by_feedback() -> None:
    async with running() as bench, connected(bench.relay()) as relay:
        bench.relay_model.stuck = True
        with pytest.raises(DeviceError, match="did not follow") as raised:
            await relay.switch(False)
        assert not isinstance(raised.value, DeviceLost)
        assert await relay.is_closed()


async def test_relay_that_ignores_writes_is_found_without_feedback() -> None:
    async with running() as bench, connected(bench.relay(feedback=None)) as relay:
        bench.relay_slave.faults.ignore_writes = True
        with pytest.raises(DeviceError, match="did not follow"):
            await relay.switch(False)
        assert bench.load.volts == 230.0


async def test_normally_closed_contact() -> None:
    async with running() as bench:
        slave = ModbusSlave(5)
        model = RelayModel(bench.gate, bench.schedule, normally_closed=True)
        model.attach(slave, coil=3, feedback=9)
        wire = ModbusTcpWire([slave], bench.schedule)
        await wire.start()
        resource = f"tcp://127.0.0.1:{wire.port}?device=5"
        relay = bench.relay(resource=resource, coil="3", feedback="9", contact="normally_closed")
        async with connected(relay):
            assert await relay.is_closed() and not model.energised
            await relay.switch(False)
            assert model.energised and bench.load.volts == 0.0
            await relay.switch(True)
            assert not model.energised and bench.load.volts == 230.0
        await wire.stop()


async def test_relay_driven_by_a_holding_register() -> None:
    async with running() as bench:
        slave = ModbusSlave(1)
        model = RelayModel(bench.gate, bench.schedule)
        model.attach_register(slave, register=16, on_value=0xAA, off_value=0x55)
        wire = ModbusTcpWire([slave], bench.schedule)
        await wire.start()
        fields = {"coil": None, "holding_register": "16", "on_value": "170", "off_value": "85", "feedback": None}
        async with connected(bench.relay(resource=f"tcp://127.0.0.1:{wire.port}?device=1", **fields)) as relay:
            await relay.switch(False)
            assert not model.energised and not await relay.is_closed()
            await relay.switch(True)
            assert await relay.is_closed()
        wrong = bench.relay(resource=f"tcp://127.0.0.1:{wire.port}?device=1", **fields | {"on_value": "1"})
        with pytest.raises(DeviceError, match="neither on"):
            await wrong.connect()
        await wire.stop()


async def test_meter_reads_every_quantity() -> None:
    async with running() as bench, connected(bench.meter()) as meter:
        assert isinstance(meter, Measures)
        readings = {name: await meter.measure(name) for name in ("voltage", "current", "frequency", "power")}
        assert {name: (reading.value, reading.unit) for name, reading in readings.items()} == {
            "voltage": (230.0, "V"),
            "current": (5.0, "A"),
            "frequency": (50.0, "Hz"),
            "power": (1150.0, "W"),
        }
        bench.mains.ramp(253.0, 10.0)
        await asyncio.sleep(1.0)
        assert (await meter.measure("voltage")).value == pytest.approx(240.0, abs=1e-4)
        with pytest.raises(UsageError, match="cannot measure 'pressure'"):
            await meter.measure("pressure")


@given(
    raw=st.integers(-32768, 32767),
    kind=st.sampled_from(["float32", "int16", "int32"]),
    word_order=st.sampled_from(["big", "little"]),
    scale=st.sampled_from([1.0, 0.1, 10.0]),
)
def test_register_formats_round_trip(raw: int, kind: str, word_order: str, scale: float) -> None:
    slave = ModbusSlave(1)
    slave.value("holding", 4, lambda: raw * scale, type=kind, scale=scale, word_order=word_order)
    register = RegisterConfig.model_validate({"address": 4, "type": kind, "word_order": word_order, "scale": scale})
    answer = slave.answer(bytes([3, 0, 4, 0, register.count]))
    words = [int.from_bytes(answer[index : index + 2], "big") for index in range(2, len(answer), 2)]
    assert register.decode(words) == pytest.approx(raw * scale)


async def test_meter_scales_and_converts_units() -> None:
    async with running() as bench:
        slave = ModbusSlave(1)
        slave.value("holding", 100, lambda: 50.02, type="uint16", scale=0.01)
        slave.value("holding", 101, lambda: 1.5, type="float32", word_order="little")
        slave.value("input", 7, lambda: -12.3, type="int32", scale=0.1)
        wire = ModbusTcpWire([slave], bench.schedule)
        await wire.start()
        registers = {
            "frequency": {"address": "100", "type": "uint16", "scale": "0.01", "table": "holding"},
            "power": {"address": "101", "unit": "kW", "table": "holding", "word_order": "little"},
            "current": {"address": "7", "unit": "mA", "type": "int32", "scale": "0.1"},
        }
        meter = bench.meter(resource=f"tcp://127.0.0.1:{wire.port}?device=1", registers=registers)
        async with connected(meter):
            assert (await meter.measure("frequency")).value == pytest.approx(50.02)
            assert (await meter.measure("power")).value == pytest.approx(1500.0)
            assert (await meter.measure("current")).value == pytest.approx(-0.0123)
        await wire.stop()


async def test_not_a_number_is_no_measurement() -> None:
    async with running() as bench, connected(bench.meter()) as meter:
        bench.mains.step(math.nan)
        with pytest.raises(DeviceError, match="no measurement"):
            await meter.measure("voltage")


async def test_wrong_register_map_is_found_at_connect() -> None:
    async with running() as bench:
        meter = bench.meter(registers={"voltage": {"address": "400"}})
        with pytest.raises(DeviceError, match=r"illegal data address \(Modbus exception 2\)") as raised:
            await meter.connect()
        assert not isinstance(raised.value, DeviceLost)
        with pytest.raises(DeviceError, match="not connected"):
            await meter.measure("voltage")
        relay = bench.relay(feedback="7")
        with pytest.raises(DeviceError, match="illegal data address"):
            await relay.connect()


async def test_absent_device_behind_a_gateway_is_lost() -> None:
    async with running() as bench:
        with pytest.raises(DeviceLost, match="gateway target device failed to respond"):
            await bench.meter(resource=f"tcp://127.0.0.1:{bench.wire.port}?device=9").connect()


async def test_refused_connection_says_where_and_why() -> None:
    async with running() as bench:
        meter = bench.meter()
        await bench.wire.stop()
        with pytest.raises(
            DeviceLost, match=r"meter \(tcp://127.0.0.1:\d+ device 2\): cannot open .*Connect call fail"
        ):
            await meter.connect()
        await meter.close()


async def test_silence_is_a_loss_once_and_the_next_verb_recovers() -> None:
    async with running() as bench, connected(bench.meter(timeout="2 s")) as meter:
        bench.meter_slave.faults.silent = True
        for _ in range(2):
            began = bench.loop.time()
            with pytest.raises(DeviceLost, match="does not answer within 2 s"):
                await meter.measure("voltage")
            assert bench.loop.time() - began == pytest.approx(2.0)
        bench.meter_slave.faults.silent = False
        assert (await meter.measure("voltage")).value == 230.0
    assert bench.states() == ["connected", "lost", "reconnected", "closed"]


async def test_late_answer_is_never_taken_for_the_next() -> None:
    async with running() as bench, connected(bench.meter()) as meter:
        bench.meter_slave.faults.delay_s = 1.5
        with pytest.raises(DeviceLost):
            await meter.measure("voltage")
        bench.meter_slave.faults.delay_s = 0.9
        assert (await meter.measure("frequency")).value == 50.0


async def test_garbled_answers_are_an_error_and_not_a_loss() -> None:
    async with running() as bench, connected(bench.meter()) as meter:
        bench.meter_slave.faults.garbled = True
        with pytest.raises(DeviceError, match="garbled") as raised:
            await meter.measure("voltage")
        assert not isinstance(raised.value, DeviceLost)
        bench.meter_slave.faults.garbled = False
        assert (await meter.measure("voltage")).value == 230.0
    assert bench.states() == ["connected", "garbled", "closed"]


async def test_dropped_connection_fails_at_once_and_the_next_verb_reconnects() -> None:
    async with running() as bench, connected(bench.meter()) as meter:
        bench.meter_slave.faults.delay_s = 0.5
        bench.schedule.after(0.1, bench.wire.drop)
        began = bench.loop.time()
        with pytest.raises(DeviceLost, match="line broke: the connection was closed by the other end"):
            await meter.measure("voltage")
        assert bench.loop.time() - began == pytest.approx(0.1)
        assert (await meter.measure("voltage")).value == 230.0
        bench.wire.drop()
        await asyncio.sleep(0.1)
        # Dropped while idle: nobody was hurt, and the next verb does not notice.
        assert (await meter.measure("voltage")).value == 230.0
    assert bench.states() == ["connected", "lost", "reconnected", "closed"]


async def test_vanished_listener_that_comes_back() -> None:
    async with running() as bench, connected(bench.meter()) as meter, connected(bench.relay()) as relay:
        await bench.wire.stop()
        for _ in range(2):
            with pytest.raises(DeviceLost):
                await meter.measure("voltage")
        await bench.wire.start()
        assert (await meter.measure("voltage")).value == 230.0
        assert await relay.is_closed()
    assert bench.states("meter") == ["connected", "lost", "reconnected", "closed"]


@pytest.mark.parametrize("code", [1, 2, 3, 4])
async def test_exceptions_are_named(code: int) -> None:
    async with running() as bench, connected(bench.relay()) as relay:
        bench.relay_slave.faults.exception = code
        with pytest.raises(DeviceError, match=rf"Modbus exception {code}\)"):
            await relay.switch(False)
    assert bench.states() == ["connected", "closed"]


async def test_devices_of_one_line_share_a_connection_and_take_turns() -> None:
    async with running() as bench, connected(bench.meter()) as meter, connected(bench.relay()) as relay:
        bench.meter_slave.faults.delay_s = bench.relay_slave.faults.delay_s = 0.2
        began = bench.loop.time()
        reading, edge = await asyncio.gather(meter.measure("voltage"), relay.switch(False))
        assert reading.value == 230.0
        # 0.2 s for the meter, then 0.2 s for the write, 0.02 s for the contact and 0.2 s for the read-back.
        assert bench.loop.time() - began == pytest.approx(0.62, abs=0.01)
        # The wait for the line is no part of the edge's uncertainty.
        assert edge.uncertainty_ns == pytest.approx(0.11e9, abs=1e6)
        await meter.close()
        assert not await relay.is_closed()


async def test_cancelled_verb_leaves_the_line_usable() -> None:
    async with running() as bench, connected(bench.meter()) as meter:
        bench.meter_slave.faults.delay_s = 0.5
        task = asyncio.create_task(meter.measure("voltage"))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await meter.measure("frequency")).value == 50.0


async def test_close_while_a_verb_is_under_way_ends_it() -> None:
    async with running() as bench:
        meter = bench.meter()
        await meter.connect()
        bench.meter_slave.faults.silent = True
        task = asyncio.create_task(meter.measure("voltage"))
        await asyncio.sleep(0.1)
        await meter.close()
        await meter.close()
        with pytest.raises(DeviceLost):
            await task
        assert bench.loop.time() < 1.0


async def test_every_exchange_is_on_record() -> None:
    async with running() as bench, connected(bench.relay()) as relay:
        bench.events.clear()
        await relay.switch(False)
        wires = bench.of("wire", "relay")
    assert [data["direction"] for data in wires] == ["tx", "rx", "tx", "rx"]
    assert wires[0]["hex"][4:] == "000000060105" + "00000000"
    assert wires[0]["hex"] == wires[1]["hex"]


@pytest.mark.parametrize("garbage", [b"\x00", b"\xff" * 9, b"HTTP/1.1 400 Bad Request\r\n\r\n", None])
async def test_something_else_on_the_port_is_an_error(garbage: bytes | None) -> None:
    surroundings = Surroundings()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.read(100)
        # An answer in a valid envelope with a function that nobody knows.
        writer.write(garbage if garbage is not None else request[:4] + bytes([0, 3, request[6], 0x63, 0]))
        await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    meter = ModbusMeter(
        surroundings.context(),
        MeterConfig.model_validate({"resource": f"tcp://127.0.0.1:{port}?device=2", "registers": REGISTERS}),
    )
    with pytest.raises(DeviceError, match="garbled"):
        await meter.connect()
    assert surroundings.states() == ["garbled"]
    server.close()
    await server.wait_closed()
    await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    ("resource", "line", "device"),
    [
        ("tcp://bench-3:1502?device=0", "tcp://bench-3:1502", 0),
        ("tcp://10.0.0.7?device=255", "tcp://10.0.0.7:502", 255),
        ("rtu:///dev/ttyUSB0?device=247", "rtu:///dev/ttyUSB0", 247),
    ],
)
def test_resources(resource: str, line: str, device: int) -> None:
    address = ModbusAddress.parse(resource)
    assert (address.line, address.device) == (line, device)


def test_serial_settings() -> None:
    address = ModbusAddress.parse("rtu:///dev/ttyS1?baud=9600&parity=n&stop=2&device=3")
    assert (address.host, address.baud, address.parity, address.stop_bits) == ("/dev/ttyS1", 9600, "N", 2)
    default = ModbusAddress.parse("rtu:///dev/ttyS1?device=3")
    assert (default.baud, default.parity, default.stop_bits) == (19200, "E", 1)


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        ("", "write tcp://HOST"),
        ("udp://x?device=1", "write tcp://HOST"),
        ("tcp://x", "names no device"),
        ("tcp://?device=1", "names no host"),
        ("tcp://x:99999?device=1", "write tcp://HOST"),
        ("tcp://x?device=256", "from 0 to 255"),
        ("tcp://x?device=1&baud=9600", "unknown setting 'baud'"),
        ("rtu://dev/ttyUSB0?device=1", "three slashes"),
        ("rtu:///dev/ttyUSB0?device=0", "from 1 to 247"),
        ("rtu:///dev/ttyUSB0?device=1&device=2", "twice"),
        ("rtu:///dev/ttyUSB0?device=one", "whole number"),
        ("rtu:///dev/ttyUSB0?device=1&parity=Q", "parity is N, E or O"),
        ("rtu:///dev/ttyUSB0?device=1&baud", "write tcp://HOST"),
        (7, "write tcp://HOST"),
    ],
)
def test_bad_resources_are_refused_in_plain_words(resource: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        RelayConfig.model_validate({"resource": resource, "coil": 0})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "either a coil or a holding_register"),
        ({"coil": 0, "holding_register": 0}, "either a coil or a holding_register"),
        ({"coil": 65536}, "less than or equal to 65535"),
        ({"holding_register": 0, "on_value": 0}, "could not be switched"),
        ({"coil": 0, "on_value": 2}, "belong to a register"),
        ({"coil": 0, "timeout": "0 s"}, "greater than 0"),
        ({"coil": 0, "timeout": "3"}, "number and a unit"),
        ({"coil": 0, "kontact": "x"}, "Extra inputs"),
    ],
)
def test_bad_relays_are_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        RelayConfig.model_validate({"resource": "tcp://x?device=1"} | fields)


@pytest.mark.parametrize(
    ("registers", "words"),
    [
        ({}, "at least 1"),
        ({"pressure": {"address": 0}}, "voltage"),
        ({"voltage": {"address": 0, "unit": "A"}}, "write V, mV or kV"),
        ({"voltage": {"address": 0, "unit": "MV"}}, "write V, mV or kV"),
        ({"voltage": {"address": 0, "type": "double"}}, "float32"),
        ({"voltage": {"address": 0, "scale": "inf"}}, "finite"),
    ],
)
def test_bad_register_maps_are_refused(registers: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        MeterConfig.model_validate({"resource": "tcp://x?device=1", "registers": registers})
