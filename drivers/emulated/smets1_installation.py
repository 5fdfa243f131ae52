"""A SMETS1 installation: an ESME, a GSME and what is around them, on the HAN of a Comms Hub."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from bench.eui import Eui64
from bench.parties import DeviceType, Dut
from drivers.emulated.device import Anchor, Surroundings
from drivers.emulated.functions.activations import Activations
from drivers.emulated.functions.event_log import EventLog
from drivers.emulated.functions.identity import FirmwareVersion, HubIdentity
from drivers.emulated.functions.joins import join_commissioned
from drivers.emulated.functions.registry import equip
from drivers.emulated.functions.security import Credentials
from drivers.emulated.functions.smets1_credit import Smets1Credit
from drivers.emulated.functions.smets1_han import Smets1Han
from drivers.emulated.functions.smets1_network_data import Smets1NetworkData
from drivers.emulated.identities import RemotePartyRole
from drivers.emulated.smets1 import (
    Smets1Device,
    Smets1Esme,
    Smets1Gpf,
    Smets1Gsme,
    Smets1Hub,
    Smets1Ppmid,
    Spoken,
)
from drivers.emulated.supply import SupplyNode


class Smets1Installation:
    """The SMETS1 devices of a bench and the way to them.

    Args:
        surroundings: the world.
        duts: what the rig says of them.
        anchors: who serves a device.
        node: what feeds ESME and Comms Hub.
        to_provider: takes what a device says.

    Attributes:
        hub: its Comms Hub.
        esme: its ESME, or None.
        gsme: its GSME, or None.
        gpf: the gas proxy of its Comms Hub, or None.
        ppmid: its PPMID, or None.
        on_join: told of each device that joins the HAN.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        duts: Sequence[Dut],
        anchors: Callable[[Dut], Mapping[RemotePartyRole, Anchor]],
        node: SupplyNode,
        to_provider: Callable[[Spoken], None],
    ) -> None:
        self._world, self._to_provider = surroundings, to_provider
        self._waiting: list[Spoken] = []
        found = {dut.type: dut for dut in duts}
        kinds = (DeviceType.CHF, DeviceType.ESME, DeviceType.GSME, DeviceType.GPF, DeviceType.PPMID)
        hub, esme, gsme, gpf, ppmid = (found.get(kind) for kind in kinds)
        assert hub is not None  # the world has seen to it
        self.hub = Smets1Hub(surroundings, hub, anchors(hub), node)
        self.esme = Smets1Esme(surroundings, esme, anchors(esme), node) if esme else None
        self.gsme = Smets1Gsme(surroundings, gsme, anchors(gsme)) if gsme else None
        self.gpf = Smets1Gpf(surroundings, gpf, anchors(gpf), lambda: self.hub.powered) if gpf else None
        behind = self.esme.load if self.esme is not None else node
        self.ppmid = Smets1Ppmid(surroundings, ppmid, anchors(ppmid), behind) if ppmid else None
        self.on_join: Callable[[Eui64], None] = lambda eui: None
        self.hub.on_up = self._up
        for device in self.devices:
            device.speak = self._speak

    @property
    def devices(self) -> tuple[Smets1Device, ...]:
        """Every device, the Comms Hub first."""
        found = (self.hub, self.esme, self.gsme, self.gpf, self.ppmid)
        return tuple(each for each in found if each is not None)

    def equip(self, strangers: tuple[Anchor, ...], installed: Collection[str]) -> None:
        """Give the devices their functions, and let them know each other.

        Args:
            strangers: Users that serve none of them.
            installed: names of those that are on the HAN, and joined to each other.
        """
        for device in self.devices:
            device.neighbours = tuple(each for each in self.devices if each is not device)
            device.strangers = strangers
            if device is self.hub:
                for kind in (Activations, FirmwareVersion, HubIdentity, Credentials, EventLog, Smets1Han):
                    device.add(kind(device))
                continue
            # What is SMETS1's own comes first: what a device does already stays when it is equipped.
            if device in (self.esme, self.gsme):
                device.add(Smets1Credit(device))
            if device is self.gsme:
                device.add(Smets1NetworkData(device))
            equip(device)
        self._han.on_join = lambda eui: self.on_join(eui)
        present = [device for device in self.devices if device.dut.name in installed]
        self._han.begin(device.eui for device in present if device not in (self.hub, self.gpf))
        join_commissioned(device for device in present if device is not self.hub)

    def find(self, eui: Eui64) -> Smets1Device | None:
        """The device with this ID, or None."""
        return next((each for each in self.devices if each.eui == eui), None)

    def reaches(self, device: Smets1Device) -> bool:
        """Whether a device can be spoken to now: it is on the HAN, and has power."""
        inside = device in (self.hub, self.gpf) or device.eui in self._han.members
        return self.hub.powered and device.powered and inside

    def heard(self, device: Smets1Device) -> None:
        """Take note that a device has said something."""
        self._han.heard(device.eui)

    @property
    def _han(self) -> Smets1Han:
        return self.hub.function(Smets1Han)

    def save(self) -> list[Spoken]:
        """What waits for the hub to boot."""
        return self._waiting

    def load(self, saved: Any) -> None:
        """Let what waited wait again, or go, if the hub is there."""
        self._waiting = list(saved)
        if self.hub.powered:
            self._up()

    def _speak(self, spoken: Spoken) -> None:
        if not self.hub.powered:
            self._waiting.append(spoken)
            return
        self._han.heard(spoken.device)
        latency_s = self._world.spec.han_latency + self._world.spec.wan_latency
        self._world.schedule.after(latency_s, lambda: self._to_provider(spoken))

    def _up(self) -> None:
        waiting, self._waiting = self._waiting, []
        for spoken in waiting:
            self._speak(spoken)
