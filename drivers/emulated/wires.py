"""Wires between the emulated world and the bench: each kind of wire of a rig file's `emulation.wires`.

A wire starts, says which keys of the device's section in the rig file lead to it, can go wrong, and closes. What the
section says already (a Modbus coil, a topic, a profile) the wire follows.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from drivers.emulated.faults import Fault
from drivers.emulated.spec import WireSpec
from drivers.emulated.world import World

SLOW_S = 3.0
"""How late a slow device answers: later than most drivers wait."""

WRONG_WIRES = ("silent", "slow", "garbled", "drops", "half", "stuck", "vanishes", "disconnects", "reboots")
"""What can go wrong at the wire of every instrument; a fault's name begins with what the instrument is."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a wire is: the device's name and section in the rig file, and what the wire leads to.

    Attributes:
        name: the device's name.
        section: its section in the rig file.
        spec: its entry in `emulation.wires`.
        world: what is behind the wire.
        folder: for the links of serial lines.
        role: what it is in the supply path: "source", "relay", "meter" or "".
        loop: timers.
    """

    name: str
    section: Mapping[str, Any]
    spec: WireSpec
    world: World
    folder: Path
    role: str
    loop: asyncio.AbstractEventLoop

    @property
    def link(self) -> Path:
        """The path of its serial line."""
        return self.folder / self.name

    def option(self, name: str, default: str, known: Mapping[str, Any]) -> Any:
        """What an option of the wire stands for.

        Raises:
            UsageError: for a value that is not among the known ones.
        """
        value = str(self.spec.options.get(name, default))
        if value not in known:
            raise self.wrong(f"{name} is {value!r}", f"It can be {', '.join(known)}")
        return known[value]

    def wrong(self, what: str, next_step: str) -> UsageError:
        """An error about this wire."""
        return UsageError(what, where=f"emulation.wires.{self.name}", next_step=next_step)


class Wire(ABC):
    """One device's wire.

    Attributes:
        options: names of the options that it takes.
        faults: names of the faults that it knows.
    """

    options: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    def __init__(self, place: Place) -> None:
        self.place = place
        unknown = [name for name in place.spec.options if name not in self.options]
        if unknown:
            known = f"It takes {', '.join(self.options)}" if self.options else "It takes none"
            raise place.wrong(f"{place.spec.kind} has no option {unknown[0]!r}", known)

    @abstractmethod
    async def start(self) -> Mapping[str, Any]:
        """Bring it up; returns the keys of the device's section that lead to it."""

    @abstractmethod
    async def close(self) -> None:
        """Free everything; may be called twice, and before `start`."""

    def save(self) -> Any:
        """What another life of its world needs of it, or None (`drivers.emulated.memory` writes it down)."""
        return None

    def load(self, saved: Any) -> None:
        """Go on with what it saved in an earlier life; called before `start`, and only if it saved something."""
        raise AssertionError(f"{self.place.name} saves nothing")

    async def fail(self, fault: Fault) -> None:
        """Let one of its faults begin; one that is momentary is over when this returns."""
        raise AssertionError(f"{self.place.name} knows no fault {fault.name}")

    async def mend(self, fault: Fault) -> None:
        """Let it be over."""
        raise AssertionError(f"{self.place.name} knows no fault {fault.name}")


_INSTRUMENTS, _DEVICES, _DCC = (f"drivers.emulated.wires_{part}" for part in ("instruments", "devices", "dcc"))
KINDS = {
    "scpi-tcp": (_INSTRUMENTS, "ScpiWire"),
    "scpi-serial": (_INSTRUMENTS, "ScpiWire"),
    "scpi-hislip": (_INSTRUMENTS, "ScpiWire"),
    "scpi-vxi11": (_INSTRUMENTS, "ScpiWire"),
    "modbus-tcp": (_INSTRUMENTS, "ModbusWire"),
    "modbus-rtu": (_INSTRUMENTS, "ModbusWire"),
    "mqtt": (_DEVICES, "HubWire"),
    "console": (_DEVICES, "MeterConsole"),
    "nrf-sniffer": (_DEVICES, "Sniffer"),
    "duis-http": (_DCC, "DuisHttp"),
    "hand-held": ("drivers.emulated.hand_held", "HandHeldWire"),
    "self-service": ("drivers.emulated.self_service", "SelfServiceWire"),
}
"""Module and class of each kind of wire: only what a rig uses is loaded."""


def make(place: Place) -> Wire:
    """Make, but not start, a wire.

    Raises:
        UsageError: there is no such kind, or it does not take an option.
    """
    if place.spec.kind not in KINDS:
        raise place.wrong(f"there is no wire {place.spec.kind!r}", f"There are {', '.join(KINDS)}")
    module, name = KINDS[place.spec.kind]
    made = getattr(import_module(module), name)(place)
    assert isinstance(made, Wire)
    return made
