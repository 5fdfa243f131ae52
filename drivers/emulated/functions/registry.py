"""Which functions each type of device has."""

from __future__ import annotations

from collections.abc import Mapping

from bench.parties import DeviceType
from drivers.emulated.device import EmulatedDevice
from drivers.emulated.functions import (
    configuration,
    event_log,
    firmware,
    hub,
    load_control,
    logs,
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
    event_log.FUNCTIONS,
    logs.FUNCTIONS,
)


def equip(device: EmulatedDevice) -> None:
    """Give a device the functions of its type."""
    device.add(Activations(device))
    for area in _AREAS:
        for kind in area.get(device.dut.type, ()):
            device.add(kind(device))
