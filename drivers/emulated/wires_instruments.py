"""Wires of the instruments: the AC source over SCPI, the relay and the reference meter over Modbus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from bench.quantities import parse as parse_quantity
from drivers.emulated.ac_source import AcSourceModel
from drivers.emulated.ac_source_commands import chroma_interpreter, keysight_interpreter, plain_interpreter
from drivers.emulated.faults import Fault
from drivers.emulated.modbus_models import MeterModel, RelayModel
from drivers.emulated.modbus_wire import ModbusRtuWire, ModbusSlave, ModbusTcpWire
from drivers.emulated.scpi_lan import hislip_server, vxi11_server
from drivers.emulated.scpi_wire import SerialWire, WireFaults, WireServer, socket_server
from drivers.emulated.wires import SLOW_S, WRONG_WIRES, Place, Wire

_LANGUAGES = {
    "scpi-99": plain_interpreter,
    "chroma-61500": chroma_interpreter,
    "keysight-ac6800": keysight_interpreter,
}
_NETWORKS = {
    "scpi-tcp": (socket_server, "TCPIP0::{host}::{port}::SOCKET"),
    "scpi-hislip": (hislip_server, "TCPIP0::{host}::hislip0,{port}::INSTR"),
    "scpi-vxi11": (vxi11_server, "TCPIP0::{host},{port}::inst0::INSTR"),
}
_DEVICE_ID = 1
_SOURCE_BOOT_S, _MODBUS_BOOT_S = 5.0, 3.0


class ScpiWire(Wire):
    """The AC source, in the language of the profile that the rig file names."""

    faults = ("source-ignores", *(f"source-{name}" for name in WRONG_WIRES))

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        if place.role != "source":
            raise place.wrong("an AC source has to feed something", "Name it in the rig's supply.source")
        profile = str(place.section.get("profile", "scpi-99"))
        if profile not in _LANGUAGES:
            raise place.wrong(f"the profile {profile!r} is not emulated", f"These are: {', '.join(_LANGUAGES)}")
        spec, node = place.world.spec.world, place.world.source_node
        self.model = AcSourceModel(
            place.loop,
            node,
            volts=spec.nominal,
            noise=place.world.schedule.random("AC source's instruments"),
        )
        if node.trajectory.target_v:
            self.model.volts = node.trajectory.target_v
            self.model.switch(True)
        place.world.hertz = lambda: self.model.hertz
        self._faults = WireFaults()
        self._chance = place.world.schedule.random(f"lost answers of {place.name}")
        self._interpreter = _LANGUAGES[profile](self.model)
        self._server: WireServer | None = None
        self._serial: SerialWire | None = None

    async def start(self) -> Mapping[str, Any]:
        """Listen, or plug the line in."""
        place = self.place
        if place.spec.kind == "scpi-serial":
            rng = place.world.schedule.random(f"line of {place.name}")
            self._serial = SerialWire(self._interpreter, self._faults, place.link, rng)
            return {"resource": str(place.link)}
        serve, resource = _NETWORKS[place.spec.kind]
        self._server = serve(self._interpreter, self._faults)
        port = await self._server.start(place.spec.host, place.spec.port)
        return {"resource": resource.format(host=place.spec.host, port=port)}

    async def close(self) -> None:
        """Free the line and the model's timer; the output stays as it is."""
        self.model.close()
        if self._server is not None:
            await self._server.close()
        if self._serial is not None:
            self._serial.close()

    async def fail(self, fault: Fault) -> None:
        """Begin a fault."""
        match fault.name:
            case "source-ignores":
                self.model.disobedience.ignores = True
            case "source-vanishes":
                await self._vanish()
            case "source-disconnects":
                if self._server is not None:
                    self._server.drop()
                else:
                    await self._vanish()
                    await self._return()
            case "source-reboots":
                await self._vanish()
                self.model.reset()
                await asyncio.sleep(_SOURCE_BOOT_S)
                await self._return()
            case _:
                self._set(fault, True)

    async def mend(self, fault: Fault) -> None:
        """Let it be over."""
        match fault.name:
            case "source-ignores":
                self.model.disobedience.ignores = False
            case "source-vanishes":
                await self._return()
            case _:
                self._set(fault, False)

    def _set(self, fault: Fault, wrong: bool) -> None:
        match fault.name:
            case "source-silent":
                self._faults.silent = wrong
            case "source-slow":
                self._faults.delay_s = SLOW_S if wrong else 0.0
            case "source-garbled":
                self._faults.garbled = wrong
            case "source-drops":
                self._faults.drops = self._chance if wrong else None
            case "source-half":
                self._faults.half = wrong
            case _:
                self._faults.stuck = wrong

    async def _vanish(self) -> None:
        if self._server is not None:
            await self._server.vanish()
        if self._serial is not None:
            self._serial.line.unplug()

    async def _return(self) -> None:
        if self._server is not None:
            await self._server.resume()
        if self._serial is not None:
            self._serial.line.plug()


class ModbusWire(Wire):
    """The relay or the reference meter, with the registers that the rig file gives it."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._slave = ModbusSlave(_DEVICE_ID)
        self._relay: RelayModel | None = None
        self._settings: dict[str, Any] = {}
        self._chance = place.world.schedule.random(f"lost answers of {place.name}")
        self._thousands = False
        self._stale: dict[str, float] | None = None
        self._last: dict[str, float] = {}
        if place.role == "relay":
            self.faults = ("relay-ignores", *(f"relay-{name}" for name in WRONG_WIRES))
            self._attach_relay()
        elif place.role == "meter":
            self.faults = ("meter-stale", "meter-wrong-unit", *(f"meter-{name}" for name in WRONG_WIRES))
            self._attach_meter()
        else:
            raise place.wrong("this Modbus device is neither relay nor meter", "Name it in the rig's supply path")
        self._tcp: ModbusTcpWire | None = None
        self._serial: ModbusRtuWire | None = None

    async def start(self) -> Mapping[str, Any]:
        """Listen, or plug the line in."""
        place = self.place
        if place.spec.kind == "modbus-tcp":
            self._tcp = ModbusTcpWire([self._slave], place.world.schedule, host=place.spec.host, port=place.spec.port)
            await self._tcp.start()
            resource = f"tcp://{place.spec.host}:{self._tcp.port}?device={_DEVICE_ID}"
        else:
            rng = place.world.schedule.random(f"line of {place.name}")
            self._serial = ModbusRtuWire(place.link, [self._slave], place.world.schedule, rng)
            self._serial.plug()
            # A pseudo-terminal takes no parity.
            resource = f"rtu://{place.link}?parity=N&device={_DEVICE_ID}"
        return self._settings | {"resource": resource}

    async def close(self) -> None:
        """Free the line."""
        if self._tcp is not None:
            await self._tcp.stop()
        if self._serial is not None:
            self._serial.close()

    async def fail(self, fault: Fault) -> None:
        """Begin a fault."""
        match fault.name.partition("-")[2]:
            case "vanishes":
                await self._vanish()
            case "disconnects":
                if self._tcp is not None:
                    self._tcp.drop()
                else:
                    await self._vanish()
                    await self._return()
            case "reboots":
                await self._vanish()
                if self._relay is not None:
                    self._relay.energise(False)
                await asyncio.sleep(_MODBUS_BOOT_S)
                await self._return()
            case _:
                self._set(fault, True)

    async def mend(self, fault: Fault) -> None:
        """Let it be over."""
        if fault.name.endswith("-vanishes"):
            await self._return()
        else:
            self._set(fault, False)

    def _set(self, fault: Fault, wrong: bool) -> None:
        faults = self._slave.faults
        match fault.name.partition("-")[2]:
            case "ignores":
                assert self._relay is not None  # only the relay has this fault
                self._relay.stuck = wrong
            case "stale":
                self._stale = {} if wrong else None
            case "wrong-unit":
                self._thousands = wrong
            case "slow":
                faults.delay_s = SLOW_S if wrong else 0.0
            case "garbled":
                faults.garbled = wrong
            case "drops":
                faults.drops = self._chance if wrong else None
            case "half":
                faults.half = wrong
            case _:
                # Silent, or its line is stuck: nothing gets through either way.
                faults.silent = wrong

    async def _vanish(self) -> None:
        if self._tcp is not None:
            await self._tcp.stop()
        if self._serial is not None:
            self._serial.unplug()

    async def _return(self) -> None:
        if self._tcp is not None:
            await self._tcp.start()
        if self._serial is not None:
            self._serial.plug()

    def _attach_relay(self) -> None:
        world, section = self.place.world, self.place.section
        assert world.relay is not None  # the supply path names a relay
        closes = str(section.get("contact", "normally_open"))
        self._relay = RelayModel(world.relay, world.schedule, normally_closed=closes == "normally_closed")
        feedback = int(section.get("feedback", 0))
        if "holding_register" in section:
            on, off = int(section.get("on_value", 1)), int(section.get("off_value", 0))
            register = int(section["holding_register"])
            self._relay.attach_register(self._slave, register=register, on_value=on, off_value=off, feedback=feedback)
        else:
            self._settings = {"coil": int(section.get("coil", 0))}
            self._relay.attach(self._slave, coil=self._settings["coil"], feedback=feedback)
        if watchdog := section.get("watchdog"):
            unit_s = parse_quantity(str(watchdog.get("unit", "100 ms")), "duration")
            self._relay.attach_watchdog(self._slave, register=int(watchdog["holding_register"]), unit_s=unit_s)
        self._settings |= {"feedback": feedback, "feedback_inverted": False}

    def _attach_meter(self) -> None:
        world, section = self.place.world, self.place.section
        model = MeterModel(
            world.line_node,
            world.schedule.random("reference meter"),
            noise_volts=0.05,
            frequency=lambda: world.hertz() + world.mains.hertz_off,
            load_ohms=529.0,
        )
        reads: dict[str, Callable[[], float]] = {
            "voltage": model.volts,
            "current": model.amps,
            "frequency": model.hertz,
            "power": model.watts,
        }
        registers = section.get("registers")
        if not registers:
            registers = {name: {"address": 2 * at} for at, name in enumerate(reads)}
            self._settings = {"registers": registers}
        for quantity, register in registers.items():
            if quantity not in reads:
                continue
            self._slave.value(
                str(register.get("table", "input")),
                int(register["address"]),
                partial(self._reading, quantity, reads[quantity]),
                type=str(register.get("type", "float32")),
                scale=float(register.get("scale", 1.0)) * _prefix(str(register.get("unit", ""))),
                word_order=str(register.get("word_order", "big")),
            )

    def _reading(self, quantity: str, read: Callable[[], float]) -> float:
        """What the meter has in its registers, as its faults allow."""
        if self._stale is not None:
            return self._stale.setdefault(quantity, self._last.get(quantity, 0.0))
        value = self._last[quantity] = read()
        return value / 1000.0 if self._thousands else value


def _prefix(unit: str) -> float:
    """What one of a unit is in base units: a meter that counts millivolts says so by `unit: mV`."""
    letters = unit.replace("Hz", "H")
    return {"m": 1e-3, "k": 1e3}[letters[0]] if len(letters) == 2 else 1.0
