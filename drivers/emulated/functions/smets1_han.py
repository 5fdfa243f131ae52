"""The HAN of a SMETS1 Comms Hub, as its service provider knows it (8.9, 8.11)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from bench.eui import Eui64
from drivers.emulated.commands import Action, Refused, Values
from drivers.emulated.functions.base import Function
from drivers.emulated.meter import Meter

_CHANGED = 0x8F12
_LOOK_S = 5.0


class Smets1Han(Function):
    """Who may join, who has joined, and when each was heard.

    A device that is added while it has power joins within seconds, one that gets power before the join window closes
    then; no frame of it is on the air that the sniffer hears. An install code is compared where the rig has one. What
    a SMETS1 hub does, and that its provider tells the DCC of a join, is inferred from SMETS2+ ones.

    Attributes:
        log: who may be on the HAN.
        members: who is.
        last_heard: when each of them was heard last, by the hub's clock.
        on_join: told of a device that joins.
    """

    remembers: ClassVar[tuple[str, ...]] = ("log", "members", "last_heard")

    def __init__(self, device: Any) -> None:
        super().__init__(device)
        self.log: tuple[Eui64, ...] = ()
        self.members: tuple[Eui64, ...] = ()
        self.last_heard: dict[Eui64, datetime] = {}
        self.on_join: Callable[[Eui64], None] = lambda eui: None

    @property
    def actions(self) -> Mapping[str, Action]:
        """What it can be told to do, by use case name."""
        return {"CCS01": self._add, "CCS02": self._remove, **dict.fromkeys(("CCS06", "CCS07"), self._read)}

    def begin(self, members: Iterable[Eui64]) -> None:
        """Begin with these devices on the HAN."""
        self.log = self.members = tuple(members)

    def heard(self, eui: Eui64) -> None:
        """Take note that a device was heard."""
        if eui in self.members:
            self.last_heard[eui] = self.device.clock.utc().replace(microsecond=0)

    def _add(self, params: Values) -> Values:
        eui = params["device"]
        if eui not in self.log:
            self.log = (*self.log, eui)
        self.device.happens(_CHANGED)
        self._look(eui, params["install_code"], self.world.schedule.now_s + params["join_time_period_s"])
        return {}

    def _look(self, eui: Eui64, install_code: bytes, until_s: float) -> None:
        self.world.schedule.after(_LOOK_S, partial(self._try, eui, install_code, until_s))

    def _try(self, eui: Eui64, install_code: bytes, until_s: float) -> None:
        found = self.device.neighbour(eui)
        if eui not in self.log or eui in self.members or self.world.schedule.now_s > until_s:
            return
        if found is None or not found.powered or not self.device.powered:
            self._look(eui, install_code, until_s)
            return
        if found.dut.install_code in (None, "", install_code.hex().upper()):
            self.members = (*self.members, eui)
            self.heard(eui)
            if isinstance(found, Meter):
                found.joined()
            self.on_join(eui)

    def _remove(self, params: Values) -> Values:
        eui = params["device"]
        if eui not in self.log:
            raise Refused("the device is not in the device log")
        self.log, self.members = (tuple(each for each in rows if each != eui) for rows in (self.log, self.members))
        self.last_heard.pop(eui, None)
        self.device.happens(_CHANGED)
        return {}

    def _read(self, _params: Values) -> Values:
        """Security details there are none: no link key of a SMETS1 HAN is known outside of it."""
        return {"device_log": tuple((eui, self.last_heard.get(eui)) for eui in self.log)}
