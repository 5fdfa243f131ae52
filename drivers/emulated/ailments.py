"""Faults that no wire has, and that begin or end by themselves: of meters, their clocks, the supply and the DCC."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from bench.errors import UsageError
from bench.parties import DeviceType
from drivers.emulated.fault_kinds import KINDS
from drivers.emulated.faults import Fault, Faults
from drivers.emulated.schedule import Schedule, Timer

if TYPE_CHECKING:
    from drivers.emulated.world import World

_METERS = (DeviceType.ESME, DeviceType.GSME)
_STORM_CODE = "N24"


class Ailments:
    """Lets them come and go in their time.

    Args:
        schedule: its timers.
        faults: of the world.
        world: what they befall.

    Raises:
        UsageError: from `start`, if there is nothing that could have one of them.
    """

    def __init__(self, schedule: Schedule, faults: Faults, world: World) -> None:
        self._schedule, self._faults, self._world = schedule, faults, world
        self._storms: dict[Fault, Timer] = {}

    def start(self) -> None:
        """Look at the faults of the world once."""
        for fault in self._faults.every():
            begin, end = self._acts(fault)
            if begin is None:
                continue
            if fault.begins_s <= 0 and not KINDS[fault.name].momentary:
                begin()
            else:
                self._schedule.after(fault.begins_s, begin)
            if end is not None and math.isfinite(fault.ends_s):
                self._schedule.after(fault.ends_s, end)

    def _acts(self, fault: Fault) -> tuple[Callable[[], None] | None, Callable[[], None] | None]:
        """What lets a fault begin, and what ends it; None for nothing."""
        world, argument = self._world, fault.argument or "0"
        if fault.name.startswith("mains-"):
            return partial(world.mains.begin, fault), partial(world.mains.end, fault)
        match fault.name:
            case "meter-integrity":
                return partial(world.esme.integrity, int(argument)), None
            case "gas-meter-integrity":
                if world.gsme is None:
                    raise UsageError(f"there is no gas meter that could have the fault {fault.name}", where="emulation")
                return partial(world.gsme.integrity, int(argument)), None
            case "meter-reboot":
                return world.esme.reboot, None
            case "device-clock-off":
                return partial(self._err, float(argument)), partial(self._err, -float(argument))
            case "device-clock-drifts":
                return partial(self._run_fast, float(argument)), partial(self._run_fast, 0.0)
            case "dcc-storm":
                return partial(self._storm, fault), lambda: self._storms.pop(fault).cancel()
        return None, None

    def _err(self, by_s: float) -> None:
        for device in self._world.devices:
            if device.dut.type in _METERS:
                device.clock.err(by_s)

    def _run_fast(self, ppm: float) -> None:
        for device in self._world.devices:
            if device.dut.type in _METERS:
                device.clock.run_fast(ppm)

    def _storm(self, fault: Fault) -> None:
        self._storms[fault] = self._schedule.after(fault.delay_s, partial(self._storm, fault))
        self._world.dcc.raise_alert(fault.argument or _STORM_CODE)
