"""Who a device is: model, metering point, firmware (6.2.4, 6.2.7, 6.20.2, 11.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from bench.parties import DeviceType
from drivers.emulated.commands import Action, Refused, Values
from drivers.emulated.device import EmulatedDevice
from drivers.emulated.functions.base import Function

_SINGLE_ELEMENT = "A"


def model(device: EmulatedDevice) -> str:
    """Image type and hardware version: eight hexadecimal digits."""
    return device.dut.model.rjust(8, "0")[-8:]


def manufacturer(device: EmulatedDevice) -> str:
    """The ZigBee manufacturer code: four hexadecimal digits."""
    return device.dut.manufacturer.rjust(4, "0")[-4:]


class FirmwareVersion(Function):
    """The firmware in execution, of every type of device; it is kept in `EmulatedDevice.firmware`."""

    remembers: ClassVar[tuple[str, ...]] = ("firmware",)

    @property
    def firmware(self) -> str:
        """Eight hexadecimal digits."""
        return self.device.firmware

    @firmware.setter
    def firmware(self, version: str) -> None:
        self.device.firmware = version

    @property
    def actions(self) -> Mapping[str, Action]:
        """What it can be told to do, by use case name."""
        return dict.fromkeys(("ECS52", "GCS38", "CS08"), self._read)

    def _read(self, _params: Values) -> Values:
        try:
            version = bytes.fromhex(self.device.firmware)
        except ValueError:
            version = b""
        if len(version) != 4:
            raise Refused(f"the firmware version {self.device.firmware!r} is not eight hexadecimal digits")
        return {"firmware_version": version}


class HubIdentity(Function):
    """Identity and type of a Comms Hub."""

    @property
    def actions(self) -> Mapping[str, Action]:
        """What it can be told to do, by use case name."""
        return {"ECS26n": self._read, "ECS26i": lambda _params: self._read(_params) | {"device_id": self.device.eui}}

    def _read(self, _params: Values) -> dict[str, object]:
        return {"model": model(self.device), "manufacturer": manufacturer(self.device)}


class GasProxy(Function):
    """What a GPF says for its GSME: the copy that it keeps."""

    _MIRRORED = ("GCS21a", "GCS21f", "GCS21m", "GCS46")

    @property
    def actions(self) -> Mapping[str, Action]:
        """What it can be told to do, by use case name."""
        return {name: self._mirror(name) for name in self._MIRRORED}

    def _mirror(self, name: str) -> Action:
        def mirrored(params: Values) -> Values:
            meter = next((each for each in self.device.neighbours if each.dut.type is DeviceType.GSME), None)
            if meter is None:
                raise Refused("there is no gas meter")
            return meter.actions[name](params)

        return mirrored


class ElectricityIdentity(Function):
    """MPANs and type of an ESME.

    Attributes:
        export_mpan: set by the export supplier; None before that.
    """

    remembers: ClassVar[tuple[str, ...]] = ("export_mpan",)

    def __init__(self, device: EmulatedDevice) -> None:
        super().__init__(device)
        self.export_mpan: str | None = None

    @property
    def actions(self) -> Mapping[str, Action]:
        """What it can be told to do, by use case name."""
        return {"ECS39b": self._set_export, "ECS40": self._read}

    def _set_export(self, params: Values) -> Values:
        self.export_mpan = params["export_mpan"]
        return {}

    def _read(self, _params: Values) -> Values:
        return {"import_mpan": self.device.metering_point or None, "export_mpan": self.export_mpan}


def electricity_type(device: EmulatedDevice) -> dict[str, object]:
    """What an ESME says of its type: it has a single element."""
    return {"meter_variant": _SINGLE_ELEMENT, "model": model(device), "manufacturer": manufacturer(device)}
