"""A reference meter whose Modbus register map the rig file describes."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator

from bench.capabilities import Measurement
from bench.device import DeviceContext, Driver, DriverConfig
from bench.errors import DeviceError, UsageError
from drivers.modbus import ModbusUnit
from drivers.modbus_address import ModbusConfig

Quantity = Literal["voltage", "current", "frequency", "power"]
BASE_UNITS: Mapping[str, str] = {"voltage": "V", "current": "A", "frequency": "Hz", "power": "W"}
_PREFIXES = {"": 1.0, "m": 1e-3, "k": 1e3}
_FORMATS = {"int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I", "float32": ">f"}


class RegisterConfig(DriverConfig):
    """Where and how the meter keeps one quantity.

    Attributes:
        address: of the first register, counted from zero.
        type: "float32" (IEEE 754), "int16", "uint16", "int32" or "uint32".
        table: "input" (function 4) or "holding" (function 3).
        word_order: which word of a 32-bit value comes first: "big" the high one, "little" the low one.
        scale: what the number is multiplied by to give the unit: 0.1 where the meter counts tenths.
        unit: of the scaled number: V, A, Hz or W, with or without m or k before it; the base unit if not given.
    """

    address: Annotated[int, Field(ge=0, le=0xFFFF)]
    type: Literal["float32", "int16", "uint16", "int32", "uint32"] = "float32"
    table: Literal["input", "holding"] = "input"
    word_order: Literal["big", "little"] = "big"
    scale: Annotated[float, Field(allow_inf_nan=False)] = 1.0
    unit: str = ""

    @property
    def count(self) -> int:
        """How many registers it occupies."""
        return 1 if self.type in ("int16", "uint16") else 2

    def decode(self, registers: list[int]) -> float:
        """The scaled number that the registers hold."""
        words = registers if self.word_order == "big" else registers[::-1]
        (raw,) = struct.unpack(_FORMATS[self.type], struct.pack(f">{len(words)}H", *words))
        return float(raw) * self.scale


class MeterConfig(ModbusConfig):
    """A reference meter in the rig file.

    Attributes:
        registers: the register of each quantity that the meter measures: "voltage", "current", "frequency", "power".
    """

    registers: Annotated[Mapping[Quantity, RegisterConfig], Field(min_length=1)]

    @field_validator("registers")
    @classmethod
    def _units_fit(cls, registers: Mapping[Quantity, RegisterConfig]) -> Mapping[Quantity, RegisterConfig]:
        for quantity, register in registers.items():
            _factor(quantity, register.unit)
        return registers


def _factor(quantity: str, unit: str) -> float:
    base = BASE_UNITS[quantity]
    prefix = unit.removesuffix(base) if unit else ""
    if prefix not in _PREFIXES or (unit and not unit.endswith(base)):
        raise ValueError(f"{unit!r} is not a unit of {quantity}: write {base}, m{base} or k{base}")
    return _PREFIXES[prefix]


class ModbusMeter(Driver[MeterConfig]):
    """Implements `Measures`."""

    Config = MeterConfig

    def __init__(self, context: DeviceContext, config: MeterConfig) -> None:
        super().__init__(context, config)
        self._unit = ModbusUnit(context, config)
        self._factors: dict[str, float] = {
            quantity: _factor(quantity, register.unit) for quantity, register in config.registers.items()
        }

    def resources(self) -> list[str]:
        """The device on its line; the line itself may be shared."""
        return [str(self.config.resource)]

    def shared_ports(self) -> Mapping[str, str]:
        """The serial line, if it is on one."""
        return self.config.resource.shared_port

    async def connect(self) -> None:
        """Open the line and read every quantity once, so that a wrong register map is found now."""
        await self._unit.open(self._read_all)

    async def close(self) -> None:
        """Give the line back."""
        self._unit.close()

    async def measure(self, quantity: str) -> Measurement:
        """Read one quantity, in V, A, Hz or W; the moment is the middle of the exchange.

        Raises:
            UsageError: the register map has no such quantity.
            DeviceLost: the meter does not answer.
            DeviceError: it refuses, or what it says is no number.
        """
        register = self.config.registers.get(quantity)  # type: ignore[call-overload]
        if register is None:
            raise UsageError(
                f"it cannot measure {quantity!r}",
                where=self.name,
                next_step=f"Its register map in the rig file has {', '.join(self.config.registers)}",
            )
        registers, exchange = await self._unit.read_registers(
            register.address, register.count, inputs=register.table == "input"
        )
        value = register.decode(registers) * self._factors[quantity]
        if not math.isfinite(value):
            raise DeviceError(
                f"its {quantity} is {value}, which is no measurement",
                where=f"{self.name} ({self.config.resource})",
                next_step="Check type and word_order of the register in the rig file",
            )
        return Measurement(quantity, value, BASE_UNITS[quantity], exchange.middle[0])

    async def _read_all(self) -> None:
        for quantity in self.config.registers:
            await self.measure(quantity)
