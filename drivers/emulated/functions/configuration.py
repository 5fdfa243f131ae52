"""Configuration, messages, identity and alert behaviour."""

from __future__ import annotations

from collections.abc import Mapping

from bench.parties import DeviceType
from drivers.emulated.functions.base import Function
from drivers.emulated.functions.clock_keeping import ClockKeeping
from drivers.emulated.functions.consumer import ConsumerDisplay, DataRestriction
from drivers.emulated.functions.electricity_settings import ElectricitySettings
from drivers.emulated.functions.event_behaviour import EventBehaviour
from drivers.emulated.functions.gas_settings import GasSettings
from drivers.emulated.functions.identity import ElectricityIdentity, FirmwareVersion, GasProxy, HubIdentity
from drivers.emulated.functions.load_limit import LoadLimit

FUNCTIONS: Mapping[DeviceType, tuple[type[Function], ...]] = {
    DeviceType.ESME: (
        ClockKeeping,
        ConsumerDisplay,
        DataRestriction,
        ElectricityIdentity,
        ElectricitySettings,
        EventBehaviour,
        FirmwareVersion,
        LoadLimit,
    ),
    DeviceType.GSME: (ClockKeeping, ConsumerDisplay, EventBehaviour, FirmwareVersion, GasSettings),
    DeviceType.CHF: (FirmwareVersion, HubIdentity),
    DeviceType.GPF: (DataRestriction, FirmwareVersion, GasProxy),
    DeviceType.PPMID: (FirmwareVersion,),
    DeviceType.HCALCS: (FirmwareVersion,),
}
"""By type of device."""
