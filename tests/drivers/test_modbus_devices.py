"""A relay and a reference meter over Modbus TCP: what they do, and what is found out when they do not."""

from __future__ import annotations

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.capabilities import EdgeKind, Measures, Switch, TimedBy
from bench.errors import DeviceError, DeviceLost, UsageError
from drivers.emulated.modbus_models import RelayModel
from drivers.emulated.modbus_wire import ModbusSlave, ModbusTcpWire
from drivers.reference_meter import RegisterConfig
from tests.drivers.modbus_bench import running
from tests.drivers.surroundings import connected


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
