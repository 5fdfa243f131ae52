"""The rig file: one bench position, its devices, what feeds what, its limits, its park state and its safe state.

`RigFile` is the typed form of `rigs/NAME.yaml`, and `DutFile` that of the file of the devices under test, which
changes every week and therefore lives apart. `Rig` is both together, as `bench.rig.load` reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from bench import strict_yaml
from bench.parties import DeviceType, Dut
from bench.quantities import SecondsField
from bench.rig.sections import ClockRules, Limits, Monitor, Protection, SafetyState, ServiceSpec, SupplyPath, UserSpec
from bench.schema import EuiField, InstallCode, NameField, Part, YesNo


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
        band: where its radio is; a sniffer of the 2.4 GHz band hears nothing of the sub-GHz one.
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
    band: Literal["2.4 GHz", "sub-GHz"] = "2.4 GHz"


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
