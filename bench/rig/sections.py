"""The sections of a rig file, each valid in itself."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from bench.quantities import AmpsField, HertzField, SecondsField, SlopeField, VoltsField
from bench.schema import EuiField, Part, YesNo


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
