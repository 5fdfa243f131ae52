"""A relay or contactor in the supply path, driven by a Modbus coil or holding register."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from bench.capabilities import Edge, EdgeKind, TimedBy
from bench.clock import Instant
from bench.device import DeviceContext, Driver, DriverConfig, Problem
from bench.errors import BenchError, DeviceError
from bench.quantities import SecondsField
from drivers.modbus import Exchange, ModbusUnit, middle
from drivers.modbus_address import ModbusConfig

Address = Annotated[int, Field(ge=0, le=0xFFFF)]


class WatchdogConfig(DriverConfig):
    """A relay module's own watchdog: it releases its outputs when it has heard nothing for some time.

    Attributes:
        holding_register: where that time is kept; 0 in it switches the watchdog off.
        time: how long it waits for a word of the bench.
        unit: what one in the register stands for.
    """

    holding_register: Address
    time: Annotated[SecondsField, Field(gt=0)]
    unit: Annotated[SecondsField, Field(gt=0)] = 0.1

    @property
    def ticks(self) -> int:
        """The time in the register's unit."""
        return round(self.time / self.unit)

    @model_validator(mode="after")
    def _fits_its_register(self) -> WatchdogConfig:
        if not 1 <= self.ticks <= 0xFFFF:
            raise ValueError(f"{self.time:g} s is {self.ticks} of its unit: 1 to 65535 fit into the register")
        return self


class RelayConfig(ModbusConfig):
    """A Modbus relay in the rig file.

    Attributes:
        coil: the coil that drives it; either this or `holding_register`.
        holding_register: the holding register that drives it.
        on_value: what is written to the register to energise the relay.
        off_value: what is written to release it.
        contact: "normally_open" conducts while energised, "normally_closed" while released.
        feedback: a discrete input that is true while the supply path is closed; without it only the output is read
            back, and a welded contact goes unnoticed.
        feedback_inverted: the discrete input is true while the path is open.
        operate_time: the longest the contact takes to follow its coil; the state is read back after it.
        watchdog: the module's own watchdog, armed from the connection to its orderly end.
    """

    coil: Address | None = None
    holding_register: Address | None = None
    on_value: Annotated[int, Field(ge=0, le=0xFFFF)] = 1
    off_value: Annotated[int, Field(ge=0, le=0xFFFF)] = 0
    contact: Literal["normally_open", "normally_closed"] = "normally_open"
    feedback: Address | None = None
    feedback_inverted: bool = False
    operate_time: Annotated[SecondsField, Field(ge=0, le=5)] = 0.02
    watchdog: WatchdogConfig | None = None

    @model_validator(mode="after")
    def _one_output(self) -> RelayConfig:
        if (self.coil is None) == (self.holding_register is None):
            raise ValueError("a relay is driven by either a coil or a holding_register: give one of them")
        if self.on_value == self.off_value:
            raise ValueError("on_value and off_value are the same: the relay could not be switched")
        if self.coil is not None and (self.on_value, self.off_value) != (1, 0):
            raise ValueError("on_value and off_value belong to a register, and this relay is driven by a coil")
        return self


class ModbusRelay(Driver[RelayConfig]):
    """Implements `Switch`."""

    Config = RelayConfig

    def __init__(self, context: DeviceContext, config: RelayConfig) -> None:
        super().__init__(context, config)
        self._unit = ModbusUnit(context, config)
        self._closed_when_on = config.contact == "normally_open"
        self._armed = self._unsafe = False

    def resources(self) -> list[str]:
        """Its one output; the line, and other outputs of the same module, may be shared."""
        coil, register = self.config.coil, self.config.holding_register
        return [f"{self.config.resource} " + (f"coil {coil}" if coil is not None else f"holding register {register}")]

    def shared_ports(self) -> Mapping[str, str]:
        """The serial line, if it is on one."""
        return self.config.resource.shared_port

    async def connect(self) -> None:
        """Open the line, and read the output and the feedback input, so that wrong addresses are found now."""
        await self._unit.open(self._open)
        if self._armed:
            self.start_background(self._feed, title="watchdog")

    async def close(self) -> None:
        """Give the line back; the relay stays as it is, and its watchdog, which would release it later, is off.

        It stays armed if the relay was to open and did not say that it had: then it is the last that may still do it.
        """
        await self.stop_background()
        if self.config.watchdog is not None and self._armed and not self._unsafe:
            self._armed = False
            with contextlib.suppress(BenchError):
                await self._unit.write_register(self.config.watchdog.holding_register, 0)
        self._unit.close()

    @property
    def acts_alone_after_s(self) -> float | None:
        """How long after the last word of the bench its watchdog opens the supply path; None if it does not."""
        return self.config.watchdog.time if self.config.watchdog is not None and self._closed_when_on else None

    @property
    def opens_unpowered(self) -> bool:
        """Whether the supply path is open while the relay has no power."""
        return self._closed_when_on

    def problems(self) -> Sequence[Problem]:
        """A watchdog that would close the path, since the contact conducts while it is released."""
        if self.config.watchdog is None or self._closed_when_on:
            return ()
        return (
            Problem("its watchdog would close the supply path", "Use the normally open contact, or leave watchdog out"),
        )

    async def _open(self) -> None:
        await self._read_all()
        watchdog = self.config.watchdog
        if watchdog is None or not self.arms:
            return
        await self._unit.write_register(watchdog.holding_register, watchdog.ticks)
        self._armed = True
        (found,), _ = await self._unit.read_registers(watchdog.holding_register)
        if found != watchdog.ticks:
            raise DeviceError(
                f"its watchdog reads back {found}, not {watchdog.ticks}",
                where=f"{self.name} ({self.config.resource})",
                next_step="Check the watchdog's register and unit with its manual",
            )

    async def _feed(self) -> None:
        """Let it hear something in time, whatever else goes on."""
        assert self.config.watchdog is not None
        while True:
            await self.context.clock.sleep(self.config.watchdog.time / 3)
            with contextlib.suppress(BenchError):
                await self._is_energised()

    async def switch(self, closed: bool) -> Edge:
        """Close or open the supply path and read it back.

        The edge lies between the sending of the command and its confirmation plus the operate time.

        Raises:
            DeviceLost: the relay does not answer.
            DeviceError: it refuses, or it accepted the command and did not follow it.
        """
        self._unsafe = not closed
        exchange = await self._drive(closed == self._closed_when_on)
        await self.context.clock.sleep(self.config.operate_time)
        if await self.is_closed() != closed:
            raise DeviceError(
                f"it accepted the command to {'close' if closed else 'open'} and did not follow it",
                where=f"{self.name} ({self.config.resource})",
                next_step="Do not trust this relay to cut the supply: look for a welded contact",
            )
        self._unsafe = False
        return self._edge(closed, exchange.sent, exchange.answered)

    async def is_closed(self) -> bool:
        """Read the contact: by its feedback input if it has one, else by its output."""
        config = self.config
        if config.feedback is not None:
            (fed_back,) = await self._unit.read_bits(config.feedback, inputs=True)
            return fed_back != config.feedback_inverted
        return await self._is_energised() == self._closed_when_on

    async def _read_all(self) -> None:
        await self._is_energised()
        await self.is_closed()

    async def _is_energised(self) -> bool:
        config = self.config
        if config.coil is not None:
            (on,) = await self._unit.read_bits(config.coil)
            return on
        assert config.holding_register is not None
        (value,), _ = await self._unit.read_registers(config.holding_register)
        if value not in (config.on_value, config.off_value):
            raise DeviceError(
                f"its register holds {value}, which is neither on ({config.on_value}) nor off ({config.off_value})",
                where=f"{self.name} ({config.resource})",
            )
        return value == config.on_value

    async def _drive(self, on: bool) -> Exchange:
        if self.config.coil is not None:
            return await self._unit.write_coil(self.config.coil, on)
        assert self.config.holding_register is not None
        return await self._unit.write_register(
            self.config.holding_register, self.config.on_value if on else self.config.off_value
        )

    def _edge(self, closed: bool, sent: Instant, confirmed: Instant) -> Edge:
        at, half_ns = middle(sent, confirmed, slack_ns=round(self.config.operate_time * 1e9))
        kind, volts = (EdgeKind.RESTORE, math.nan) if closed else (EdgeKind.FALL, 0.0)
        return Edge(kind, volts, at, half_ns, TimedBy.BENCH)
