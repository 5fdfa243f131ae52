"""The emulated Comms Hub: fed by the ESME, it carries messages between DCC and HAN once it has booted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from bench.eui import Eui64
from bench.gbcs.firmware_use_cases import transfer_alert
from bench.gbcs.hub_use_cases import Backup
from bench.gbcs.message import Cra, Message
from bench.parties import DeviceType, Dut
from drivers.emulated.device import Anchor, EmulatedDevice, Sent, Surroundings, from_utc_ns
from drivers.emulated.functions.firmware import Firmware
from drivers.emulated.functions.sub_ghz import SubGhz
from drivers.emulated.han import Han
from drivers.emulated.hub_functions import Chf, Gpf
from drivers.emulated.identities import RemotePartyRole
from drivers.emulated.power import PowerSense
from drivers.emulated.schedule import Timer
from drivers.emulated.supply import SupplyNode

TRANSFER_FAILED, TRANSFERRED = 0x8F89, 0x8F8A
"""Alerts, for the DCC: an image did not get to its device, or did (CCS08)."""

_TOLD_OF = (DeviceType.PPMID, DeviceType.HCALCS)
"""Of whose images a hub tells."""
_PROCESSING_S = 0.1


class Wan(Protocol):
    """The DCC as a Comms Hub sees it."""

    def from_device(self, sent: Sent) -> None:
        """A message of a device has crossed the WAN."""

    def power_outage(self, hub: Eui64, start: datetime) -> None:
        """The hub says with its last breath that its supply is gone, and since when."""

    def joined(self, device: Eui64) -> None:
        """A device has become a member of the hub's HAN."""

    def log_changed(self, hub: Eui64, backup: Backup) -> None:
        """The hub's device log is another one now: what is kept of it for the day on which the hub is exchanged."""

    def hub_up(self) -> None:
        """The hub is connected again."""


@dataclass(frozen=True, slots=True)
class HubStatus:
    """What can be seen of a hub from outside.

    Attributes:
        power: "on", "off" or "booting".
        wan: "up" or "down".
        han: "up" or "down".
        leds: by name, "on", "off", "flash" (slowly: working on it) or "blink" (the join window is open).
    """

    power: str
    wan: str
    han: str
    leds: Mapping[str, str]


class CommsHub:
    """The hub: its supply, its WAN and HAN interfaces, and the queues in front of them.

    Without supply it works on for as long as it takes to tell of it: a Power Outage Event follows after more than three
    minutes (SEC, MP102A). When supply returns it boots; until then nothing passes in either direction, and what
    devices want to say waits.

    Args:
        surroundings: the world.
        chf: what the rig says of the Comms Hub Function.
        gpf: the same of the Gas Proxy Function, or None.
        anchors: whom both trust at first.
        node: what feeds it.
        wan: the DCC.
        on_air: overhears the HAN.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        chf: Dut,
        gpf: Dut | None,
        anchors: Mapping[RemotePartyRole, Anchor],
        node: SupplyNode,
        wan: Wan,
        on_air: Callable[[bytes], None],
    ) -> None:
        self._world, self._wan = surroundings, wan
        spec = surroundings.spec
        self._fell_s = 0.0
        self._fell_utc: datetime | None = None
        self._boot: Timer | None = None
        self._outage_event: Timer | None = None
        self._waiting: list[Sent] = []
        self._unheard: list[Sent] = []
        self._rising: list[Sent] = []
        self._falling: list[tuple[EmulatedDevice, bytes]] = []
        self._watchers: list[Callable[[HubStatus], None]] = []
        self._devices: dict[Eui64, EmulatedDevice] = {}
        self._power = PowerSense(
            surroundings.schedule,
            node,
            spec.brown_out,
            spec.hold_up,
            on_fall=self._fell,
            on_lost=self._lost,
            on_back=self._back,
        )
        self.on = self._power.powered
        self.han = Han(
            surroundings,
            chf.eui,
            hub_on=self._is_on,
            on_air=on_air,
            on_joined=self._joined,
        )
        self.chf = Chf(surroundings, chf, anchors, self._is_on, self.han, self._window_changed)
        self.gpf = Gpf(surroundings, gpf, anchors, self._is_on) if gpf is not None else None
        for function in (self.chf, self.gpf):
            if function is not None:
                self._devices[function.eui] = function
                function.uplink = self.up

    def attach(self, device: EmulatedDevice, *, sleepy: bool, on_joined: Callable[[], None]) -> None:
        """Bring a device of the HAN within reach."""
        self._devices[device.eui] = device
        device.uplink = self.up
        self.han.attach(device, sleepy=sleepy, on_joined=on_joined)

    def watch(self, watcher: Callable[[HubStatus], None]) -> None:
        """Be told of every change of what can be seen from outside."""
        self._watchers.append(watcher)

    @property
    def status(self) -> HubStatus:
        """What can be seen from outside now."""
        if not self._power.powered:
            return HubStatus("off", "down", "down", {"sw": "off", "wan": "off", "han": "off", "gas": "off"})
        if not self.on:
            return HubStatus("booting", "down", "down", {"sw": "flash", "wan": "flash", "han": "off", "gas": "off"})
        han = "blink" if self.han.window_open else "on"
        return HubStatus("on", "up", "up", {"sw": "on", "wan": "on", "han": han, "gas": "on"})

    def up(self, sent: Sent) -> None:
        """Take a message from a device towards the DCC; what is no member of the HAN is not heard."""
        if not self._hears(sent.device.eui):
            return
        if not self.on:
            self._waiting.append(sent)
            return
        if not self._radio.in_touch(sent.device.eui):
            self._unheard.append(sent)
            self._radio.on_touch = self._hear
            return
        if self._on_han(sent.device.eui):
            self.han.heard(sent.device.eui)
        spec = self._world.spec
        latency_s = spec.wan_latency + (spec.han_latency if self._on_han(sent.device.eui) else 0.0)
        self._rising.append(sent)
        self._world.schedule.after(latency_s, lambda: self._risen(sent, self._wan.from_device))

    def down(self, target: Eui64, message: bytes) -> bool:
        """Take a command from the DCC; False if the hub cannot be reached now."""
        if not self.on:
            return False
        device = self._devices.get(target)
        if device is not None and self._hears(target):
            delay_s = self._world.spec.han_latency if self._on_han(target) else 0.0
            awake_s = device.next_awake_s(self._world.schedule.now_s + delay_s)
            falling = device, message
            self._falling.append(falling)
            self._world.schedule.at(awake_s, lambda: self._fallen(falling))
        return True

    def hand_held(self, target: Eui64, message: bytes) -> bytes | None:
        """Take a command from a hand-held terminal on the HAN, and return what its device answers, if anything."""
        device = self._devices.get(target)
        if device is None or not device.powered or not self.on or not self._hears(target):
            return None
        return device.receive(message)

    def hand_image(self, target: Eui64, image: bytes, version: str) -> bool:
        """Give a device the whole of a firmware image; False if it cannot be reached now, or takes none."""
        device = self._devices.get(target)
        if device is None or not device.powered or not self.on or not self._hears(target):
            return False
        if not self._radio.in_touch(target):
            return False
        takers = [each for each in device.functions if isinstance(each, Firmware)]
        if takers and device.dut.type in _TOLD_OF:
            self._tell_transfer(target, version, TRANSFERRED, "success")
        if takers and self._radio.serves(target):
            self._radio.air.distribute(target, image, version)
            return True
        for taker in takers:
            taker.receive(image, version)
        return bool(takers)

    def give_image_up(self, target: Eui64, version: str) -> bool:
        """Tell that an image did not reach its PPMID or HCALCS; False if the hub cannot tell anything now."""
        if self.on:
            self._tell_transfer(target, version, TRANSFER_FAILED, "file transfer failure")
        return self.on

    def _tell_transfer(self, target: Eui64, version: str, code: int, outcome: str) -> None:
        values = {"firmware_version": bytes.fromhex(version), "outcome": outcome}
        broker = self.chf.anchors[RemotePartyRole.ACCESS_CONTROL_BROKER]
        self.chf.raise_alert(code, transfer_alert(target, values), to=broker)

    @property
    def _radio(self) -> SubGhz:
        """The radio below 1 GHz; that of a single band hub serves nobody."""
        return self.chf.function(SubGhz)

    def _hear(self) -> None:
        """Take what devices had to say while they were out of touch."""
        unheard, self._unheard = self._unheard, []
        for sent in unheard:
            self.up(sent)

    def _is_on(self) -> bool:
        return self.on

    def _window_changed(self, window_s: float) -> None:
        self._tell()
        if window_s:
            self._world.schedule.after(window_s, self._tell)

    def _hears(self, eui: Eui64) -> bool:
        return not self._on_han(eui) or self.han.is_member(eui)

    def _on_han(self, eui: Eui64) -> bool:
        return eui != self.chf.eui and (self.gpf is None or eui != self.gpf.eui)

    def _hand_over(self, device: EmulatedDevice, message: bytes) -> None:
        if not device.powered or not self.on or not self._hears(device.eui):
            return
        if not self._radio.send(device, message):
            self.han.traffic(device.eui).failures += 1
            return
        if self._on_han(device.eui):
            self.han.heard(device.eui)
        response = device.receive(message)
        if response is not None:
            sent = Sent(device, response)
            self._rising.append(sent)
            self._world.schedule.after(_PROCESSING_S, lambda: self._risen(sent, self.up))

    def _fallen(self, falling: tuple[EmulatedDevice, bytes]) -> None:
        self._falling.remove(falling)
        self._hand_over(*falling)

    def _risen(self, sent: Sent, then: Callable[[Sent], None]) -> None:
        self._rising.remove(sent)
        then(sent)

    def save(self) -> dict[str, Any]:
        """Its HAN, since when it has no supply, and every message on its way, for another life of the world."""
        return {
            "han": self.han.save(),
            "fell": (self._world.schedule.now_s - self._fell_s, self._fell_utc),
            "outage_to_tell": self._outage_event is not None and self._outage_event.pending,
            "up": [(sent.device.eui, sent.message, sent.alert_code) for sent in self._not_sent()],
            "down": [(device.eui, message) for device, message in self._falling],
        }

    def load(self, saved: Mapping[str, Any], away_s: float) -> None:
        """Go on where an earlier life of the world stopped, `away_s` seconds ago."""
        self.han.load(saved["han"], away_s)
        age_s, self._fell_utc = saved["fell"]
        self._fell_s = self._world.schedule.now_s - age_s - away_s
        if saved["outage_to_tell"] and not self._power.powered:
            at_s = self._fell_s + self._world.spec.outage_event
            self._outage_event = self._world.schedule.at(at_s, self._tell_outage)
        for eui, message, code in saved["up"]:
            self.up(Sent(self._devices[eui], message, code))
        for eui, message in saved["down"]:
            self.down(eui, message)

    def carries(self, command: bytes, key: tuple[Eui64, Eui64, int]) -> bool:
        """Whether a command, or the response to it (device, originator, counter), is on its way now."""
        rising = (Message.parse(sent.message) for sent in self._not_sent())
        return any(each == command for _, each in self._falling) or any(
            each.cra is Cra.RESPONSE and (each.originator, each.recipient, each.originator_counter) == key
            for each in rising
        )

    def _not_sent(self) -> tuple[Sent, ...]:
        """What devices have said and the DCC has not got yet."""
        return (*self._rising, *self._waiting, *self._unheard)

    def _joined(self, eui: Eui64) -> None:
        self._tell()
        self._world.schedule.after(self._world.spec.wan_latency, lambda: self._wan.joined(eui))

    def _tell(self) -> None:
        for watcher in tuple(self._watchers):
            watcher(self.status)

    def _fell(self) -> None:
        now = self._world.clock.now()
        self._fell_s, self._fell_utc = self._world.schedule.now_s, from_utc_ns(now.utc_ns)

    def _lost(self) -> None:
        self.on = False
        if self._boot is not None:
            self._boot.cancel()
        self._outage_event = self._world.schedule.at(self._fell_s + self._world.spec.outage_event, self._tell_outage)
        self._tell()

    def _tell_outage(self) -> None:
        assert self._fell_utc is not None  # it runs after _fell only
        self._wan.power_outage(self.chf.eui, self._fell_utc)

    def _back(self) -> None:
        if self._outage_event is not None:
            self._outage_event.cancel()
        slow = self._world.faults.find("hub-boot-slow")
        boot_s = self._world.spec.hub_boot + (slow.delay_s if slow else 0.0)
        self._boot = self._world.schedule.after(boot_s, self._booted)
        self._tell()

    def _booted(self) -> None:
        self.on = True
        self._tell()
        self.han.look_all()
        self._wan.hub_up()
        waiting, self._waiting = self._waiting, []
        for sent in waiting:
            self.up(sent)
