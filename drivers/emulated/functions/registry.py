"""Which functions each type of device has."""

from __future__ import annotations

from collections.abc import Mapping

from bench.parties import DeviceType
from drivers.emulated.device import EmulatedDevice
from drivers.emulated.functions import (
    configuration,
    firmware,
    hub,
    load_control,
    payment,
    readings,
    security,
    tariff,
)
from drivers.emulated.functions.activations import Activations
from drivers.emulated.functions.base import Function

_AREAS: tuple[Mapping[DeviceType, tuple[type[Function], ...]], ...] = (
    tariff.FUNCTIONS,
    payment.FUNCTIONS,
    readings.FUNCTIONS,
    configuration.FUNCTIONS,
    load_control.FUNCTIONS,
    security.FUNCTIONS,
    hub.FUNCTIONS,
    firmware.FUNCTIONS,
)


def equip(device: EmulatedDevice) -> None:
    """Give a device the functions of its type."""
    device.add(Activations(device))
    for area in _AREAS:
        for kind in area.get(device.dut.type, ()):
            device.add(kind(device))
