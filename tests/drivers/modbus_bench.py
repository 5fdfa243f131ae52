"""An emulated relay and reference meter behind one Modbus slave, and their drivers."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any

from drivers.emulated.modbus_models import MeterModel, RelayModel
from drivers.emulated.modbus_wire import ModbusSlave, ModbusTcpWire
from drivers.emulated.schedule import Schedule
from drivers.emulated.supply import Gate, SupplyNode
from drivers.reference_meter import MeterConfig, ModbusMeter
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
