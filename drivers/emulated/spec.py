"""What a rig file may say about its emulated world: the section `emulation`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer, field_validator, model_validator

from bench.device import DriverConfig
from bench.errors import UsageError
from bench.eui import Eui64
from bench.quantities import SecondsField, VoltsField
from drivers.emulated.fault_schedule import FaultScheduleSpec
from drivers.emulated.faults import Fault


def _read_eui(value: object) -> object:
    try:
        return Eui64.parse(value) if isinstance(value, str) else value
    except UsageError as error:
        raise ValueError(str(error)) from None


EuiField = Annotated[Eui64, BeforeValidator(_read_eui), PlainSerializer(str)]
Status = Literal["unknown", "Pending", "Whitelisted", "InstalledNotCommissioned", "Commissioned", "Decommissioned"]
"""A device's status in the Smart Metering Inventory; "unknown" for one that it does not hold."""


class VoltageSpec(DriverConfig):
    """Average RMS voltage as the ESME measures it until a Service Request 6.5 says otherwise (SMETS 5.7.4).

    Attributes:
        period: how long each mean is taken.
        over: a mean above this raises 0x8002.
        under: a mean below this raises 0x8006.
    """

    period: SecondsField = 1800.0
    over: VoltsField = 264.0
    under: VoltsField = 200.0

    @model_validator(mode="after")
    def _ordered(self) -> VoltageSpec:
        if not 0 <= self.under < self.over:
            raise ValueError("the under-voltage threshold lies below the over-voltage threshold")
        if self.period < 1 or self.period != int(self.period):
            raise ValueError("the averaging period is a whole number of seconds")
        return self


class ThrottleSpec(DriverConfig):
    """What the DCC does about storms of alerts (SECMP0062). The figures are plausible ones of this emulation.

    Attributes:
        most: so many alerts of one code from one device pass in a window; 0 lets every one pass.
        window: its length; also how long further ones are held back before one tells of them.
    """

    most: int = Field(default=20, ge=0)
    window: SecondsField = Field(default=300.0, gt=0)


class DualBandSpec(DriverConfig):
    """A Comms Hub with a second radio below 1 GHz, and what is reached by it. The figures are plausible ones.

    Attributes:
        devices: the devices under test that are reached by it, by their names.
        capacity: so many devices have room on it.
        bit_rate: bits per second on the air.
        overhead: how many bits are sent for each bit of a message.
        scan: how long the hub listens to all its channels.
    """

    devices: tuple[str, ...]
    capacity: int = Field(default=4, ge=0)
    bit_rate: int = Field(default=100_000, gt=0)
    overhead: float = Field(default=1.5, ge=1)
    scan: SecondsField = Field(default=60.0, gt=0)


class PriceSpec(DriverConfig):
    """What energy costs where no tariff was set, in thousandths of pence.

    Attributes:
        electricity: of a kWh.
        gas: of a kWh.
        electricity_standing: the standing charge of a day.
        gas_standing: likewise.
    """

    electricity: int = Field(default=25_000, ge=0)
    gas: int = Field(default=6_000, ge=0)
    electricity_standing: int = Field(default=50_000, ge=0)
    gas_standing: int = Field(default=30_000, ge=0)


class WorldSpec(DriverConfig):
    """Physics and timing of the emulated world. No source fixes these values: they are plausible, and can be set.

    Attributes:
        nominal: voltage of the AC source at the start.
        energised: whether the source is on and the relay closed at the start.
        brown_out: below this voltage a meter and its Comms Hub have no supply.
        hold_up: how long both live on without supply; a shorter dip is no outage.
        voltage: average RMS voltage.
        esme_boot: from the return of supply until the ESME says anything on the HAN.
        hub_boot: from the return of supply until the Comms Hub passes anything on.
        outage_event: how long the hub's supply is gone when it sends a Power Outage Event: "more than three
            minutes".
        han_latency: one message between hub and a device that listens.
        wan_latency: one message between DCC and hub.
        scan_interval: how often a device without a network looks for one.
        han_channel: the IEEE 802.15.4 channel of the HAN.
        gsme_wake: how often the GSME wakes.
        gsme_install_wake: how often it does so while it is being installed.
        gsme_install: how long that lasts after it joined.
        device_timeout: how long the DCC waits for a device's response (E21).
        retry: how often the DCC tries to deliver a message that nobody takes.
        retry_for: how long it tries.
        throttle: what it does about storms of alerts.
        dual_band: the hub's second radio; without it the hub is a single band one.
        prices: what energy costs where no tariff was set.
    """

    nominal: VoltsField = 230.0
    energised: bool = True
    brown_out: VoltsField = 80.0
    hold_up: SecondsField = 0.5
    voltage: VoltageSpec = VoltageSpec()
    esme_boot: SecondsField = 3.0
    hub_boot: SecondsField = 45.0
    outage_event: SecondsField = 180.5
    han_latency: SecondsField = 0.4
    wan_latency: SecondsField = 0.6
    han_channel: int = Field(default=11, ge=11, le=26)
    scan_interval: SecondsField = 10.0
    gsme_wake: SecondsField = 1800.0
    gsme_install_wake: SecondsField = 10.0
    gsme_install: SecondsField = 3600.0
    device_timeout: SecondsField = 2400.0
    retry: SecondsField = 2.0
    retry_for: SecondsField = 120.0
    throttle: ThrottleSpec = ThrottleSpec()
    dual_band: DualBandSpec | None = None
    prices: PriceSpec = PriceSpec()

    @model_validator(mode="after")
    def _outage_event_is_late_enough(self) -> WorldSpec:
        if self.outage_event <= 180.0:
            raise ValueError("a Power Outage Event follows more than three minutes without supply")
        return self


class WireSpec(DriverConfig):
    """How one device of the rig is reached.

    Attributes:
        kind: the wire; the known kinds are those of `drivers.emulated.wires`.
        listen: host and port to listen on, where the wire is a socket; port 0 takes a free one.
        options: what the kind of wire takes besides.
    """

    kind: str
    listen: str = "127.0.0.1:0"
    options: Mapping[str, Any] = Field(default_factory=dict)

    @field_validator("listen")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not (port.isascii() and port.isdigit() and int(port) < 65536):
            raise ValueError(f"{value!r} is no address: write 127.0.0.1:0")
        return value

    @property
    def host(self) -> str:
        """The host to listen on."""
        return self.listen.rpartition(":")[0]

    @property
    def port(self) -> int:
        """The port to listen on; 0 takes a free one."""
        return int(self.listen.rpartition(":")[2])


class Registration(DriverConfig):
    """Which Users serve a metering point, by their names on the rig.

    Attributes:
        supplier: gets the supplier's alerts.
        network_operator: gets the network operator's alerts; ED for electricity, GT for gas.
        notified_supplier: of a SMETS1 device, the User that the supplier has told the DCC to be asked by, another
            User ID of the same party; any other of its is refused with E64.
        notified_network_operator: the same of the network operator.
    """

    supplier: str | None = None
    network_operator: str | None = None
    notified_supplier: str | None = None
    notified_network_operator: str | None = None


class EmulationSpec(DriverConfig):
    """The section `emulation` of a rig file.

    Attributes:
        seed: everything random or secret in the world comes from it.
        dcc: the EUI-64 of the DCC's Access Control Broker; the same as the rig's own `dcc`.
        s1sp: the EUI-64 of the SMETS1 Service Provider.
        world: physics and timing.
        wires: how each device of the rig is reached; a device that is not listed has no emulator.
        inventory: what the DCC knows of each device under test at the start; Commissioned unless listed.
        registered: by device under test, which Users serve it; by their roles unless listed.
        duis_versions: by User, the version of DUIS that the DCC has it registered with; that of its requests unless
            listed.
        faults: what goes wrong, `NAME[:ARG][@DELAY][ from MOMENT][ for LENGTH]`.
        fault_schedule: what goes wrong by chance, from the seed.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    seed: int = Field(default=1, ge=-(1 << 63), lt=1 << 63)
    dcc: EuiField = Eui64.parse("90-B3-D5-1F-30-00-00-02")
    s1sp: EuiField = Eui64.parse("90-B3-D5-1F-30-00-00-11")
    world: WorldSpec = WorldSpec()
    wires: Mapping[str, WireSpec] = Field(default_factory=dict)
    inventory: Mapping[str, Status] = Field(default_factory=dict)
    registered: Mapping[str, Registration] = Field(default_factory=dict)
    duis_versions: Mapping[str, Annotated[str, Field(pattern=r"^\d{1,2}\.\d{1,2}$")]] = Field(default_factory=dict)
    faults: tuple[str, ...] = ()
    fault_schedule: FaultScheduleSpec | None = None

    @field_validator("faults")
    @classmethod
    def _known_faults(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            try:
                Fault.parse(text)
            except UsageError as error:
                raise ValueError(str(error)) from None
        return value
