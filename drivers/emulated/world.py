"""The emulated bench behind its wires: mains, meters, Comms Hub, HAN and DCC, on one schedule."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench.clock import Clock
from bench.duis.service_requests import WebService
from bench.errors import UsageError
from bench.eui import Eui64
from bench.gbcs.message import Message
from bench.parties import Certificates, DeviceType, Dut, KeyUse, Parties, User
from drivers.emulated.ailments import Ailments
from drivers.emulated.comms_hub import CommsHub
from drivers.emulated.dcc import Dcc
from drivers.emulated.dcc_inventory import COMMISSIONED, INSTALLED, Inventory
from drivers.emulated.dcc_mail import BrokerKeys, Mail
from drivers.emulated.device import EmulatedDevice, Surroundings, from_utc_ns, to_utc_ns
from drivers.emulated.esme import Esme
from drivers.emulated.faults import Faults
from drivers.emulated.forbidden_alerts import ForbiddenAlerts
from drivers.emulated.functions.activations import Activations
from drivers.emulated.functions.hub import DeviceLog
from drivers.emulated.functions.joins import join_commissioned
from drivers.emulated.functions.load_control import LoadControl
from drivers.emulated.functions.registry import equip
from drivers.emulated.gsme import Gsme
from drivers.emulated.han_devices import HanDevice
from drivers.emulated.identities import USER_ROLES, Identities, RemotePartyRole
from drivers.emulated.mains import Mains
from drivers.emulated.schedule import Schedule, Timer
from drivers.emulated.serving import Serving
from drivers.emulated.smets1_setup import provider_keys, set_up
from drivers.emulated.spec import EmulationSpec
from drivers.emulated.supply import Gate, SupplyNode


@dataclass(frozen=True, slots=True)
class Wiring:
    """What the mains of the world are made of.

    Attributes:
        dut: the ESME that they feed.
        relay: whether there is a relay between source and meter.
    """

    dut: str
    relay: bool


class World:
    """Everything that is emulated but the wires.

    Args:
        spec: the section `emulation` of the rig file.
        seed: in place of the seed of `spec`.
        faults: what goes wrong.
        wiring: the mains.
        users: the rig's Users: name to DUIS role and User ID.
        duts: the devices under test.
        clock: true time.
        loop: timers.
        outbox: takes what the DCC sends to its Users, until another one is set.
        saved: what an earlier life of this world saved (`save`).

    Attributes:
        on_change: called whenever something may have changed that `save` saves.
        outbox: takes what the DCC sends to its Users.
        hertz: the frequency of the mains.

    Raises:
        UsageError: the devices under test make no bench, or `spec` names what is not there.
    """

    def __init__(
        self,
        spec: EmulationSpec,
        seed: int,
        faults: Faults,
        wiring: Wiring,
        users: Mapping[str, tuple[str, Eui64]],
        duts: Mapping[str, Dut],
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
        outbox: Callable[[bytes], None] = lambda document: None,
        saved: Mapping[str, Any] | None = None,
    ) -> None:
        self.outbox = outbox
        self.on_change: Callable[[], None] = lambda: None
        self.hertz: Callable[[], float] = lambda: 50.0
        self.spec, self.faults = spec, faults
        self.schedule = Schedule(loop, seed)
        self.schedule.on_ran = lambda: self.on_change()
        faults.age_s = lambda: self.schedule.age_s
        self.clock = clock
        self._on_air: list[Callable[[bytes], None]] = []
        identities = Identities(seed)
        self.surroundings = Surroundings(
            self.schedule, clock, faults, identities, spec.world, spec.dcc, lambda what: self._forbidden.follow(what)
        )
        self.users = {name: _user(identities, name, role, eui) for name, (role, eui) in users.items()}
        self._duts = duts
        self._check_names()
        trusted = self._certificates(identities)
        self.parties = Parties(self.users, dict(duts), spec.dcc, trusted)
        identities.on_certificate = trusted.add
        self._serving = Serving(identities, spec, self.users, self.parties.dut_by_eui)
        self._build_mains(wiring, saved)
        self.dcc = self._build_dcc(identities)
        self._build_devices(wiring)
        smets1_esme = self.smets1.esme if self.smets1 is not None else None
        self._forbidden = ForbiddenAlerts(self.surroundings, self.dcc, self.esme, smets1_esme)
        self.dcc.attach(self.hub)
        for device in self.devices:
            device.neighbours = tuple(each for each in self.devices if each is not device)
            device.strangers = self._serving.everybody()
            equip(device)
        if self.smets1 is not None:
            installed = [dut.name for dut in self._duts.values() if self._status(dut) in (INSTALLED, COMMISSIONED)]
            self.smets1.equip(self._serving.everybody(), installed)
        self.hub.chf.function(DeviceLog).on_change = partial(self.dcc.log_changed, self.hub.chf.eui)
        join_commissioned(each for each in self.devices if self._status(each.dut) == COMMISSIONED)
        if saved is not None:
            self._load(saved)
        for function in (each for device in self._every_device for each in device.functions):
            function.start()
        for part in self.dcc.parts:
            part.start()
        self.ailments = Ailments(self.schedule, faults, self)
        self.ailments.start()
        for device in self.devices:
            device.function(Activations).resume()
        self.source_node.subscribe(lambda _node: self.on_change())
        self.line_node.subscribe(lambda _node: self.on_change())

    def close(self) -> None:
        """Stop everything, and raise what went wrong inside the emulation itself."""
        self.schedule.close()

    def handle(self, service: WebService, document: bytes) -> bytes:
        """Let the DCC answer one Service Request; see `Dcc.handle`."""
        try:
            return self.dcc.handle(service, document)
        finally:
            self.on_change()

    def save(self) -> dict[str, Any]:
        """Everything that another life of this world needs to go on (`drivers.emulated.memory` writes it down).

        Of the mains it is what the voltage is or will be; what is on the air of the HAN, and an alert half a second
        before it is said, are lost.
        """
        return {
            "saved": from_utc_ns(self.clock.now().utc_ns),
            "mains": {
                "source_v": self.source_node.trajectory.target_v,
                "relay_closed": self.relay is None or self.relay.closed,
            },
            "devices": {device.dut.name: device.save() for device in self._every_device},
            "functions": {
                device.dut.name: {type(each).__name__: each.save() for each in device.functions if each.remembers}
                for device in self._every_device
            },
            "hub": self.hub.save(),
            "smets1": self.smets1.save() if self.smets1 is not None else [],
            "dcc": self.dcc.save(),
        }

    def _load(self, saved: Mapping[str, Any]) -> None:
        away_s = max(0.0, (self.clock.now().utc_ns - to_utc_ns(saved["saved"])) / 1e9)
        for device in self._every_device:
            device.restore(saved["devices"][device.dut.name], away_s)
            functions = saved["functions"][device.dut.name]
            for function in device.functions:
                function.load(functions.get(type(function).__name__, {}))
        self.hub.load(saved["hub"], away_s)
        if self.smets1 is not None:
            self.smets1.load(saved["smets1"])
        self.dcc.load(saved["dcc"], away_s)

    def overhear(self, listener: Callable[[bytes], None]) -> None:
        """Be given every frame on the HAN's air, without its FCS."""
        self._on_air.append(listener)

    def deliver_locally(self, payload: bytes) -> bytes | None:
        """Carry a local command to the HAN by a hand-held terminal, and bring the device's response back.

        Returns:
            The response; None where no device of the HAN takes the command: it is out of reach, without supply, or
            does not believe it.

        Raises:
            GbcsError: it is no GBCS message.
        """
        return self.hub.hand_held(Message.parse(payload).recipient, payload)

    # Construction

    def _check_names(self) -> None:
        for key, names, known in (
            ("inventory", self.spec.inventory, self._duts),
            ("registered", self.spec.registered, self._duts),
            ("world.dual_band.devices", getattr(self.spec.world.dual_band, "devices", ()), self._duts),
        ):
            for name in names:
                if name not in known:
                    raise UsageError(
                        f"there is no device under test {name!r}",
                        where=f"emulation.{key}",
                        next_step=f"The DUT file has {', '.join(known)}",
                    )
        serving = {
            f"registered.{name}": tuple(each.model_dump().values()) for name, each in self.spec.registered.items()
        }
        for key, users in (serving | {"duis_versions": tuple(self.spec.duis_versions)}).items():
            for user in users:
                if user is not None and user not in self.users:
                    raise UsageError(
                        f"there is no User {user!r}",
                        where=f"emulation.{key}",
                        next_step=f"The rig has {', '.join(self.users)}",
                    )

    def _build_mains(self, wiring: Wiring, saved: Mapping[str, Any] | None) -> None:
        world = self.spec.world
        source_v, closed = (world.nominal, True) if world.energised else (0.0, False)
        if saved is not None:
            source_v, closed = saved["mains"]["source_v"], saved["mains"]["relay_closed"]
        self.source_node = SupplyNode(lambda: self.schedule.now_s)
        if source_v:
            self.source_node.step(source_v)
        self.mains = Mains(self.schedule, self.source_node)
        if wiring.relay:
            self.line_node = SupplyNode(lambda: self.schedule.now_s)
            self.relay: Gate | None = Gate(self.mains.node, self.line_node, lambda: self.schedule.now_s, closed=closed)
        else:
            self.line_node, self.relay = self.mains.node, None
        self._blip: Timer | None = None
        self._steady_v = self.source_node.trajectory.target_v
        if self.faults.all("voltage-blip"):
            self.source_node.subscribe(self._cut_short)

    def _build_devices(self, wiring: Wiring) -> None:
        esme = self._duts.get(wiring.dut)
        hubs = self._of_type(DeviceType.CHF)
        if esme is None or esme.type is not DeviceType.ESME or len(hubs) != 1:
            raise UsageError(
                "an emulated bench has one ESME, which the mains feed, and one CHF",
                where="emulation",
                next_step="Complete the DUT file, or name the ESME in supply.feeds",
            )
        gpf, gsme = next(iter(self._of_type(DeviceType.GPF)), None), next(iter(self._of_type(DeviceType.GSME)), None)
        self.hub = CommsHub(
            self.surroundings,
            hubs[0],
            gpf,
            self._serving.anchors(hubs[0]),
            self.line_node,
            self.dcc,
            self._air,
        )
        self.esme = Esme(self.surroundings, esme, self._serving.anchors(esme), self.line_node)
        self.hub.attach(self.esme, sleepy=False, on_joined=self.esme.joined)
        self.gsme = Gsme(self.surroundings, gsme, self._serving.anchors(gsme)) if gsme else None
        if self.gsme is not None:
            self.hub.attach(self.gsme, sleepy=True, on_joined=self.gsme.joined)
        if self.hub.gpf is not None and gpf is not None and self._status(gpf) == COMMISSIONED:
            self.hub.gpf.anchors |= self._serving.anchors(gpf)
        duts = tuple(self._duts.values())
        self.smets1 = set_up(self.surroundings, duts, self._serving.anchors, self.line_node, self.dcc, self.spec.s1sp)
        self.han_devices = tuple(
            self._han_device(dut) for dut in self._of_type(DeviceType.PPMID) + self._of_type(DeviceType.HCALCS)
        )
        for device in (self.esme, self.gsme, *self.han_devices):
            if device is not None and self._status(device.dut) in (INSTALLED, COMMISSIONED):
                self.hub.han.admit(device.eui)

    def _han_device(self, dut: Dut) -> HanDevice:
        """A device behind the meter's load switch."""
        device, han = HanDevice(self.surroundings, dut, self._serving.anchors(dut), self.esme.load), self.hub.han
        self.hub.attach(device, sleepy=False, on_joined=lambda: self.esme.function(LoadControl).refresh())
        device.on_han = lambda: han.is_member(device.eui)
        self.esme.load.subscribe(lambda _node: han.look(device.eui))
        return device

    def _build_dcc(self, identities: Identities) -> Dcc:
        dcc, role = self.spec.dcc, RemotePartyRole.ACCESS_CONTROL_BROKER
        keys = BrokerKeys(
            identities.organisation(dcc, KeyUse.DIGITAL_SIGNATURE, role),
            identities.organisation(dcc, KeyUse.KEY_AGREEMENT, role),
            identities.organisation(dcc, KeyUse.XML_SIGN, RemotePartyRole.DCC_XML_SIGN),
        )
        self.mail = Mail(self.surroundings, keys, tuple(self.users.values()), lambda document: self.outbox(document))
        self.mail.versions = {self.users[name].eui: version for name, version in self.spec.duis_versions.items()}
        return Dcc(
            self.surroundings,
            tuple(self.users.values()),
            keys,
            self.mail,
            Inventory.of(
                ((dut, self._status(dut)) for dut in self._duts.values()),
                dual_band=self.spec.world.dual_band is not None,
            ),
            self._serving.registered,
            self._change_supplier,
            self._serving.notified,
        )

    @property
    def devices(self) -> tuple[EmulatedDevice, ...]:
        """Every emulated device that speaks GBCS, the Comms Hub's first."""
        found = (self.hub.chf, self.hub.gpf, self.esme, self.gsme, *self.han_devices)
        return tuple(each for each in found if each is not None)

    @property
    def _every_device(self) -> tuple[EmulatedDevice, ...]:
        return self.devices + (self.smets1.devices if self.smets1 is not None else ())

    def _of_type(self, kind: DeviceType) -> list[Dut]:
        return [dut for dut in self._duts.values() if dut.type is kind and not dut.smets1]

    def _status(self, dut: Dut) -> str:
        return self.spec.inventory.get(dut.name, COMMISSIONED)

    def _change_supplier(self, eui: Eui64, user: User) -> None:
        for device in self._every_device:
            if device.eui == eui:
                device.anchors[RemotePartyRole.SUPPLIER] = self._serving.anchor(user)

    def _certificates(self, identities: Identities) -> Certificates:
        trusted = Certificates()
        dcc, broker = self.spec.dcc, RemotePartyRole.ACCESS_CONTROL_BROKER
        for use in (KeyUse.DIGITAL_SIGNATURE, KeyUse.KEY_AGREEMENT):
            trusted.add(dcc, use, identities.organisation(dcc, use, broker).certificate)
            for dut in self._duts.values():
                if not dut.smets1:
                    trusted.add(dut.eui, use, identities.device(dut.eui, use).certificate)
        xml = identities.organisation(dcc, KeyUse.XML_SIGN, RemotePartyRole.DCC_XML_SIGN)
        trusted.add(dcc, KeyUse.XML_SIGN, xml.certificate)
        if any(dut.smets1 for dut in self._duts.values()):
            trusted.add(self.spec.s1sp, KeyUse.XML_SIGN, provider_keys(identities, self.spec.s1sp).certificate)
        for user in self.users.values():
            for use, pair in zip(KeyUse, (user.signing, user.agreement, user.xml), strict=True):
                trusted.add(user.eui, use, pair.certificate)
        return trusted

    # Life

    def _air(self, psdu: bytes) -> None:
        for listener in tuple(self._on_air):
            listener(psdu)

    def _cut_short(self, node: SupplyNode) -> None:
        """`voltage-blip`: what was set does not stay."""
        target_v, before_v = node.trajectory.target_v, self._steady_v
        if self._blip is not None and self._blip.pending:
            self._blip.cancel()
        self._steady_v = target_v
        fault = self.faults.find("voltage-blip")
        if fault is not None and min(target_v, before_v) >= self.spec.world.brown_out and target_v != before_v:
            self._blip = self.schedule.after(fault.delay_s, lambda: self._return_to(before_v))

    def _return_to(self, volts: float) -> None:
        self._steady_v = volts
        self.source_node.step(volts)


def _user(identities: Identities, name: str, role: str, eui: Eui64) -> User:
    party = USER_ROLES.get(role, RemotePartyRole.OTHER)
    return User(
        name,
        role,
        eui,
        identities.organisation(eui, KeyUse.DIGITAL_SIGNATURE, party),
        identities.organisation(eui, KeyUse.KEY_AGREEMENT, party),
        identities.organisation(eui, KeyUse.XML_SIGN, RemotePartyRole.XML_SIGN),
    )
