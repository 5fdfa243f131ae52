"""The devices of a SMETS1 installation, without GBCS, which one SMETS1 Service Provider looks after.

What such a meter measures, switches and keeps is what a SMETS2 meter does, and the models are the same. It differs in
how it is spoken to and what it says: it has no keys, only its service provider understands it, and of its alerts Users
get no more than the few that the Common Test Scenarios know of SMETS1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bench.eui import Eui64
from bench.gbcs.alerts import Specific
from bench.gbcs.catalogue import Encoding
from bench.parties import Dut
from drivers.emulated.device import Anchor, EmulatedDevice, Surroundings
from drivers.emulated.esme import Esme
from drivers.emulated.faults import STORM, Fault, canonical_code
from drivers.emulated.gsme import Gsme
from drivers.emulated.han_devices import HanDevice
from drivers.emulated.hub_functions import Gpf
from drivers.emulated.identities import RemotePartyRole
from drivers.emulated.power import PowerSense
from drivers.emulated.supply import SupplyNode

OVER_VOLTAGE, UNDER_VOLTAGE = 0x8F40, 0x8F41
SAYS = {0x8002: OVER_VOLTAGE, 0x8006: UNDER_VOLTAGE, 0x8F32: 0x8F32}
"""The alert that Users get of a SMETS1 device, by the code of what happened to it; of all else it says nothing."""

DESCRIPTIONS = {
    OVER_VOLTAGE: "Average RMS voltage above the average RMS over-voltage threshold",
    UNDER_VOLTAGE: "Average RMS voltage below the average RMS under-voltage threshold",
    0x8F32: "Supply armed",
}
_NEIGHBOURS = {OVER_VOLTAGE: UNDER_VOLTAGE, UNDER_VOLTAGE: OVER_VOLTAGE, 0x8F32: 0x8F30}
# What it says under `alert-wrong-code`.
_EARLIER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a SMETS1 device says, on its way to its service provider.

    Attributes:
        device: who.
        user: for whom.
        code: the alert code.
        at: when, by the device's clock.
        counter: its originator counter.
        forged: the service provider's signature will not verify: a fault.
    """

    device: Eui64
    user: Eui64
    code: int
    at: datetime
    counter: int
    forged: bool = False


class Smets1Device(EmulatedDevice):
    """What the devices of the installation have in common.

    Attributes:
        speak: where its alerts go.
    """

    speak: Callable[[Spoken], None]
    _said: dict[int, Spoken]

    def raise_alert(self, code: int, specific: Specific = b"", *, to: Anchor | None = None) -> None:
        """Take note of what happened, and say it as SMETS1 has it, as the faults allow."""
        self.happens(code, specific)
        if code in SAYS:
            self.say(SAYS[code], to or self._recipient(code))

    def say(self, said: int, recipient: Anchor | None = None) -> None:
        """Say something by the code that Users know, to whom it is for or to somebody in particular."""
        find, recipient = self.world.faults.find, recipient or self._recipient(said)
        name = canonical_code(f"{said:04X}")
        if recipient is None or find("alert-never", name):
            return
        late, twice, storm = find("alert-late", name), find("alert-twice", name), find("alert-storm", name)
        delay_s = late.delay_s if late else 0.0
        spoken = self._spoken(said, recipient, name)
        self._send(spoken, delay_s)
        if twice:
            self._send(spoken, delay_s + twice.delay_s)
        for number in range(1, STORM if storm else 1):
            self._send(replace(spoken, counter=self.next_counter()), delay_s + number * storm.delay_s if storm else 0.0)

    def _send(self, spoken: Spoken, delay_s: float) -> None:
        if delay_s:
            self.world.schedule.after(delay_s, lambda: self.speak(spoken))
        else:
            self.speak(spoken)

    def _spoken(self, code: int, recipient: Anchor, name: str) -> Spoken:
        find = self.world.faults.find
        replay = find("alert-replay", name)
        if replay and self.world.schedule.age_s >= replay.delay_s:
            return self._said.get(code) or self._of_yesterday(code, recipient)
        if find("alert-wrong-user", name):
            recipient = next((each for each in self.strangers if each.eui != recipient.eui), recipient)
        wrong: Fault | None = find("alert-wrong-device", name)
        sender: EmulatedDevice = self.neighbours[0] if wrong and self.neighbours else self
        said = _NEIGHBOURS[code] if find("alert-wrong-code", name) else code
        forged = find("alert-bad-signature", name) is not None
        spoken = Spoken(sender.eui, recipient.eui, said, self.clock.utc(), sender.next_counter(), forged)
        self._said[code] = spoken
        return spoken

    def _of_yesterday(self, code: int, recipient: Anchor) -> Spoken:
        counter = self.next_counter() - _EARLIER // timedelta(milliseconds=1)
        return Spoken(self.eui, recipient.eui, code, self.clock.utc() - _EARLIER, counter)


class Smets1Esme(Smets1Device, Esme):
    """A SMETS1 ESME, with its terminals at a node of the supply path like any other."""

    def __init__(
        self, surroundings: Surroundings, dut: Dut, anchors: Mapping[RemotePartyRole, Anchor], node: SupplyNode
    ) -> None:
        self.speak, self._said = lambda spoken: None, {}
        super().__init__(surroundings, dut, anchors, node)


class Smets1Gsme(Smets1Device, Gsme):
    """A SMETS1 GSME, asleep most of the time."""

    def __init__(self, surroundings: Surroundings, dut: Dut, anchors: Mapping[RemotePartyRole, Anchor]) -> None:
        self.speak, self._said = lambda spoken: None, {}
        super().__init__(surroundings, dut, anchors)


class Smets1Hub(Smets1Device):
    """A SMETS1 Comms Hub: it knows its service provider alone, and has to boot after each outage.

    Args:
        surroundings: the world.
        dut: what the rig says of it.
        anchors: who serves it.
        node: what feeds it.
    """

    def __init__(
        self, surroundings: Surroundings, dut: Dut, anchors: Mapping[RemotePartyRole, Anchor], node: SupplyNode
    ) -> None:
        self.speak, self._said = lambda spoken: None, {}
        super().__init__(surroundings, dut, Encoding.DLMS, anchors)
        spec = surroundings.spec
        self.on_up: Callable[[], None] = lambda: None
        self._power = PowerSense(
            surroundings.schedule,
            node,
            spec.brown_out,
            spec.hold_up,
            on_fall=lambda: None,
            on_lost=self._lost,
            on_back=self._back,
        )
        self._on = self._power.powered

    @property
    def powered(self) -> bool:
        """Whether it has booted."""
        return self._on

    def _lost(self) -> None:
        self._on = False

    def _back(self) -> None:
        self.world.schedule.after(self.world.spec.hub_boot, self._booted)

    def _booted(self) -> None:
        if self._power.powered:
            self._on = True
            self.on_up()


class Smets1Gpf(Smets1Device, Gpf):
    """The gas proxy in a SMETS1 Comms Hub: what a GSME, asleep most of the time, has told it."""

    def __init__(
        self,
        surroundings: Surroundings,
        dut: Dut,
        anchors: Mapping[RemotePartyRole, Anchor],
        hub_on: Callable[[], bool],
    ) -> None:
        self.speak, self._said = lambda spoken: None, {}
        super().__init__(surroundings, dut, anchors, hub_on)


class Smets1Ppmid(Smets1Device, HanDevice):
    """A SMETS1 PPMID behind the meter's load switch."""

    def __init__(
        self, surroundings: Surroundings, dut: Dut, anchors: Mapping[RemotePartyRole, Anchor], node: SupplyNode
    ) -> None:
        self.speak, self._said = lambda spoken: None, {}
        super().__init__(surroundings, dut, anchors, node)
