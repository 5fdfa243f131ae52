"""The rig file: one bench position, its devices, what feeds what, its limits, its park state and its safe state.

`RigFile` is the typed form of `rigs/NAME.yaml`; `load_rig` reads it together with the file of the devices under
test, which changes every week and therefore lives apart. Nothing here opens a port.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, field_validator, model_validator

from bench import strict_yaml
from bench.errors import BenchError, UsageError
from bench.eui import Eui64
from bench.parties import DeviceType, Dut
from bench.quantities import AmpsField, HertzField, SecondsField, SlopeField, VoltsField


def _read_eui(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return Eui64.parse(value)
    except BenchError as error:
        raise ValueError(str(error)) from None


def _read_bool(value: object) -> object:
    words = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}
    if isinstance(value, str):
        if value.lower() not in words:
            raise ValueError(f"{value!r} is neither yes nor no")
        return words[value.lower()]
    return value


def _read_install_code(value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch("(?:[0-9A-Fa-f]{2}){6,18}", value):
        # Not a word of what was written: it may be the secret with a slip in it.
        raise ValueError("this is not an install code; write 6 to 18 bytes in hexadecimal")
    return value


def _read_name(value: object) -> object:
    # It becomes the name of a folder.
    if isinstance(value, str) and not re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]{0,79}", value):
        raise ValueError(f"{value!r} is not a name: letters, digits, '.', '_' and '-' only, 80 at most")
    return value


NameField = Annotated[str, BeforeValidator(_read_name)]
InstallCode = Annotated[str, BeforeValidator(_read_install_code)]
EuiField = Annotated[Eui64, BeforeValidator(_read_eui), PlainSerializer(str)]
YesNo = Annotated[bool, BeforeValidator(_read_bool)]


class Part(BaseModel):
    """Base of every section: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class VoltageRange(Part):
    """Lowest and highest voltage; an outage (0 V) is governed by `outage`, not by `min`."""

    min: VoltsField
    max: VoltsField

    @model_validator(mode="after")
    def _ordered(self) -> VoltageRange:
        if not 0 <= self.min < self.max:
            raise ValueError(f"min ({self.min:g} V) must be below max ({self.max:g} V), and neither negative")
        return self


class FrequencyRange(Part):
    """Lowest and highest frequency."""

    min: HertzField
    max: HertzField


class Limits(Part):
    """What no verb may exceed on this rig.

    Attributes:
        voltage: RMS volts at the source, while it is on.
        frequency: hertz.
        current: highest RMS current at the reference meter.
        slope: steepest ramp.
        outage: longest interruption.
        excess_readings: how many readings in a row of the reference meter above `voltage.max` abort a run.
    """

    voltage: VoltageRange
    frequency: FrequencyRange = FrequencyRange(min=45.0, max=65.0)
    current: AmpsField | None = None
    slope: SlopeField = Field(default=1e6, gt=0)
    outage: SecondsField = Field(ge=0)
    excess_readings: int = Field(default=2, ge=1, le=100)


class SupplyPath(Part):
    """What feeds what, by device name: source, then relay, then the meter under test.

    Attributes:
        source: the AC source.
        relay: the contactor behind it.
        meter: the reference meter behind the relay.
        feeds: the device under test that it supplies.
    """

    source: str
    relay: str | None = None
    meter: str | None = None
    feeds: str


class SafetyAction(Part):
    """One thing to do to one device: `output`/`voltage` for a source, `closed` for a switch."""

    device: str
    output: YesNo | None = None
    voltage: VoltsField | None = None
    closed: YesNo | None = None

    @model_validator(mode="after")
    def _does_something(self) -> SafetyAction:
        if self.output is None and self.closed is None:
            raise ValueError("say what to do: 'output: off' for a source, 'closed: no' for a relay")
        if self.voltage is not None and not self.output:
            raise ValueError("a voltage needs 'output: on'")
        return self


class SafetyState(Part):
    """A state of the rig, reached device by device in this order, read back, within a deadline."""

    deadline: SecondsField = Field(default=10.0, gt=0)
    actions: tuple[SafetyAction, ...] = Field(min_length=1)


class UserSpec(Part):
    """A party that the bench acts as on this rig.

    Attributes:
        role: the DUIS User Role.
        id: its User ID, an EUI-64.
        keys: folder with ds.key, ds.pem, ka.key, ka.pem, xml.key and xml.pem; the emulated bench makes its own.
    """

    role: str
    id: EuiField
    keys: Path | None = None


class ClockRules(Part):
    """What the bench's clock must be for a pass on this rig.

    Attributes:
        require_synchronised: a run on an unsynchronised clock cannot pass.
        max_uncertainty: the largest bound on its error that is accepted.
        device_tolerance: how far a device's own clock may be from the bench's for its time stamps to be plausible.
    """

    require_synchronised: YesNo = True
    max_uncertainty: SecondsField = Field(default=1.0, gt=0)
    device_tolerance: SecondsField = Field(default=10.0, ge=0)


class Monitor(Part):
    """A quantity that is read all through a run; the supply path's meter is also held against the limits."""

    device: str
    quantity: Literal["voltage", "current", "frequency", "power"] = "voltage"
    every: SecondsField = 1.0

    @field_validator("every")
    @classmethod
    def _not_too_often(cls, value: float) -> float:
        if value < 0.05:
            raise ValueError("reading more often than every 50 ms is not supported")
        return value


class ServiceSpec(Part):
    """Where other computers reach the engine that serves the rig; without it only this one's users do.

    Attributes:
        listen: ADDRESS:PORT to listen at.
        certificate: PEM file of the engine's certificate chain.
        key: PEM file of its key, unencrypted.
        token: file with the secret that clients show, readable for its owner only.
    """

    listen: str
    certificate: Path
    key: Path
    token: Path

    @property
    def host(self) -> str:
        """The address without brackets."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The TCP port."""
        return int(self.listen.rpartition(":")[2])

    @field_validator("listen")
    @classmethod
    def _has_a_port(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise ValueError(f"{value!r} is not ADDRESS:PORT")
        return value


class Protection(Part):
    """What acts when the bench PC is dead.

    Attributes:
        device: which device of the rig; None for something that the bench does not know.
        how: "watchdog": it notices that nobody speaks to it; "unpowered": it loses its power together with the PC.
        within: how soon, at the latest.
        note: for people: what it is, and where its power comes from.
    """

    device: str | None = None
    how: Literal["watchdog", "unpowered"] | None = None
    within: SecondsField | None = None
    note: str = ""

    @model_validator(mode="before")
    @classmethod
    def _or_words(cls, value: object) -> object:
        return {"note": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _says_how(self) -> Protection:
        if (self.device is None) != (self.how is None):
            raise ValueError("name the device and how it acts: {device: relay, how: watchdog, within: 10 s}")
        return self


class RigFile(Part):
    """One bench position. See docs/rig-files.md for each key.

    Attributes:
        shared: devices that other rigs use too, one rig at a time, by the name that all of their files call it.
    """

    rig: NameField
    title: str = ""
    duts: Path
    dcc: EuiField
    users: Mapping[str, UserSpec]
    devices: Mapping[str, Mapping[str, Any]]
    supply: SupplyPath
    limits: Limits
    park: SafetyState
    safe: SafetyState
    clock: ClockRules = ClockRules()
    monitors: tuple[Monitor, ...] = ()
    drain: SecondsField = Field(default=30.0, ge=0)
    protection: tuple[Protection, ...] = ()
    alarm: tuple[str, ...] = ()
    certificates: Path | None = None
    state: Path | None = None
    service: ServiceSpec | None = None
    shared: Mapping[str, NameField] = Field(default_factory=dict)
    emulation: Mapping[str, Any] | None = None
    emulated_elsewhere: YesNo = False


class DutSpec(Part):
    """A device under test, as its file describes it.

    Attributes:
        smets: the equipment that it is: "1", or "2+" for SMETS2 and everything later.
    """

    type: DeviceType
    id: EuiField
    model: str = ""
    manufacturer: str = ""
    firmware: str = ""
    serial: str = ""
    mpxn: str | None = None
    install_code: InstallCode | None = Field(default=None, repr=False)
    smets: Literal["1", "2+"] = "2+"


class DutFile(Part):
    """The devices on a rig this week."""

    duts: Mapping[str, DutSpec]


@dataclass(frozen=True, slots=True)
class Rig:
    """A rig file with its DUT file, both valid in themselves.

    Attributes:
        file: the typed rig file.
        document: its text and line numbers, for later errors and for evidence.
        duts: devices under test by name.
        dut_document: the text of the DUT file; it holds secrets.
    """

    file: RigFile
    document: strict_yaml.Document
    duts: Mapping[str, Dut]
    dut_document: strict_yaml.Document = field(repr=False)

    @property
    def name(self) -> str:
        """The rig's name."""
        return self.file.rig

    @property
    def emulated(self) -> bool:
        """Whether the rig brings its own emulated world along; one in another process is `emulated_elsewhere`."""
        return self.file.emulation is not None

    def where(self, *location: str | int) -> str:
        """`file:line` of a key, for an error."""
        return self.document.where(location)


def load_rig(path: Path) -> Rig:
    """Read and check a rig file and its DUT file.

    Raises:
        UsageError: with every mistake found, each with its line.
    """
    document = strict_yaml.load(path)
    file = strict_yaml.build(document, RigFile)
    dut_document = strict_yaml.load(path.parent / file.duts)
    specs = strict_yaml.build(dut_document, DutFile).duts
    duts = {name: _dut(name, spec) for name, spec in specs.items()}
    rig = Rig(file, document, duts, dut_document)
    mistakes = [*_dut_mistakes(dut_document, specs), *_topology_mistakes(rig), *_user_mistakes(rig)]
    if mistakes:
        raise UsageError("\n".join(mistakes))
    return rig


def _dut(name: str, spec: DutSpec) -> Dut:
    return Dut(
        name,
        spec.type,
        spec.id,
        spec.model,
        spec.manufacturer,
        spec.firmware,
        spec.serial,
        spec.mpxn,
        spec.install_code,
        smets1=spec.smets == "1",
    )


def _dut_mistakes(document: strict_yaml.Document, specs: Mapping[str, DutSpec]) -> list[str]:
    mistakes, seen = [], dict[Eui64, str]()
    for name, spec in specs.items():
        other = seen.setdefault(spec.id, name)
        # A Comms Hub's two functions are two devices with an identifier each; sharing one is E120201 at the DCC.
        if other != name:
            mistakes.append(f"{document.where(('duts', name, 'id'))}: {name} has the same id as {other}")
    return mistakes


def _user_mistakes(rig: Rig) -> list[str]:
    mistakes, seen = [], dict[Eui64, str]()
    for name, user in rig.file.users.items():
        other = seen.setdefault(user.id, name)
        if other != name:
            mistakes.append(f"{rig.where('users', name, 'id')}: User {name} has the same id as User {other}")
        if user.keys is None and not rig.emulated:
            mistakes.append(
                f"{rig.where('users', name)}: User {name} has no keys; name the folder that holds them with 'keys:'"
            )
    return mistakes


def _topology_mistakes(rig: Rig) -> list[str]:
    file, mistakes = rig.file, []
    for name, section in file.devices.items():
        if "driver" not in section:
            mistakes.append(f"{rig.where('devices', name)}: device {name} names no driver; add 'driver: ...'")
    roles = {"source": file.supply.source, "relay": file.supply.relay, "meter": file.supply.meter}
    named: dict[str, str] = {}
    for role, device in roles.items():
        if device is None:
            continue
        if device not in file.devices:
            mistakes.append(
                f"{rig.where('supply', role)}: there is no device {device!r}; the rig has {', '.join(file.devices)}"
            )
        if device in named:
            mistakes.append(
                f"{rig.where('supply', role)}: {device!r} cannot be both {named[device]} and {role} of the supply path"
            )
        named[device] = role
    if file.supply.feeds not in rig.duts:
        mistakes.append(
            f"{rig.where('supply', 'feeds')}: there is no device under test {file.supply.feeds!r}; "
            f"the DUT file has {', '.join(rig.duts)}"
        )
    elif rig.duts[file.supply.feeds].type is not DeviceType.ESME:
        mistakes.append(
            f"{rig.where('supply', 'feeds')}: the mains feeds an ESME, which feeds the Comms Hub; "
            f"{file.supply.feeds!r} is a {rig.duts[file.supply.feeds].type}"
        )
    for state in ("park", "safe"):
        for index, action in enumerate(getattr(file, state).actions):
            where = rig.where(state, "actions", index)
            if action.device not in file.devices:
                mistakes.append(f"{where}: there is no device {action.device!r}")
            if action.voltage is not None and not file.limits.voltage.min <= action.voltage <= file.limits.voltage.max:
                mistakes.append(f"{where}: {action.voltage:g} V is outside the rig's own limits")
    for index, monitor in enumerate(file.monitors):
        if monitor.device not in file.devices:
            mistakes.append(f"{rig.where('monitors', index)}: there is no device {monitor.device!r}")
    for device in file.shared:
        if device not in file.devices:
            mistakes.append(f"{rig.where('shared', device)}: there is no device {device!r}")
    return mistakes
