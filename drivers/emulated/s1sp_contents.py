"""What a SMETS1 Service Provider makes of a device's answer: elements of the Message Mapping Catalogue V5.4.

A request that is not here has no answer that the emulated provider could give.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from bench.duis import values as v
from bench.duis.smets1_write import Content
from bench.parties import DeviceType
from drivers.emulated.commands import Values
from drivers.emulated.smets1 import Smets1Device

_ESME, _GSME, _CHF = DeviceType.ESME, DeviceType.GSME, DeviceType.CHF
_DIVISOR = 1000
_DETECTORS = ("ExtremeOverVoltage", "ExtremeUnderVoltage", "VoltageSag", "VoltageSwell")
_RELIABLE = {"@TimeStatusCode": "0", "TimeStatus": "reliable"}

Write = Callable[[Values, Smets1Device], Content]
"""Makes the content of an answer from the values that a device returned."""


def _nothing(_values: Values, _device: Smets1Device) -> Content:
    """The answer says no more than whether it was done."""
    return {}


def _time(moment: datetime) -> str:
    return v.DATE_TIME.write(v.DATE_TIME.accept(moment))


def _snake(words: str) -> str:
    return "".join(f"_{each.lower()}" if each.isupper() else each for each in words).removeprefix("_")


def _wh(value: int) -> Content:
    return {"Value": str(value), "ActiveEnergyUnit": "Wh"}


def _varh(value: int) -> Content:
    return {"Value": str(value), "ReactiveEnergyUnit": "varh"}


def _cubic_metres(litres: int) -> str:
    return f"{litres // _DIVISOR}.{litres % _DIVISOR:03}"


def _registers(values: Values, device: Smets1Device) -> Content:
    if device.dut.type is _GSME:
        consumed = {"Value": _cubic_metres(values["consumption"]), "Unit": "m3"}
        return {"Gas": {"ConsumptionRegister": consumed}}
    active, reactive = _wh(values["active_import_wh"]), _varh(values["reactive_import_varh"])
    return {"Electricity": {"ActiveImportRegister": active, "ReactiveImportRegister": reactive}}


def _by_time(values: Values, device: Smets1Device) -> Content:
    if device.dut.type is _GSME:
        litres = [values[f"tou_register_{number}"] for number in range(1, 5)]
        rows = [{"@index": str(at), "": _cubic_metres(each)} for at, each in enumerate(litres, 1)]
        return {"Gas": {"TariffTOURegisterMatrix": {"TOURegisterMatrixValue": rows}}}
    rows = [{"@index": str(at), "": str(each)} for at, each in enumerate(values["tou_registers_wh"], 1)]
    return {"Electricity": {"TariffTOURegisterCollection": {"TOUPrimaryRegisterValue": rows}}}


def _export(values: Values, _device: Smets1Device) -> Content:
    return {
        "ActiveExportRegister": _wh(values["active_export_wh"]),
        "ReactiveExportRegister": _varh(values["reactive_export_varh"]),
    }


def _profile(values: Values, device: Smets1Device) -> Content:
    if device.dut.type is _ESME:
        rows = [(end, {"Electricity": {"PrimaryValue": str(wh)}}) for end, wh in values["import_profile"]]
    else:
        step = timedelta(seconds=values.get("interval_s", 0))
        samples = enumerate(values.get("samples", ()))
        rows = [
            (values["first_sample"] + at * step, {"Gas": {"PrimaryValue": _cubic_metres(each)}}) for at, each in samples
        ]
    return {"LogEntry": [{"Timestamp": _time(end), **value} for end, value in rows]}


def _power(values: Values, _device: Smets1Device) -> Content:
    watts = str(values["active_import_w"])
    return {"ActivePowerImport": {"Value": watts, "Unit": "W"}, "PrimaryActivePowerImportValue": watts}


def _network_data(values: Values, _device: Smets1Device) -> Content:
    rows = [{"Value": str(volts), "Timestamp": _time(end)} for end, volts in values["average_rms_voltage_log"]]
    log = {"LogEntry": rows, "MeasurementPeriod": str(values["average_rms_voltage_measurement_period_s"])}
    recorded = {
        "AvgRMSOverVoltageCounter": {"Value": str(values["average_rms_over_voltage_counter"])},
        "AvgRMSUnderVoltageCounter": {"Value": str(values["average_rms_under_voltage_counter"])},
        "AvgRMSVoltageProfileDataLog": log,
    }
    return {"Electricity": {"SinglePhaseESME": recorded}}


def _load_limit(values: Values, _device: Smets1Device) -> Content:
    return {
        "LoadLimitCounterValue": str(values["load_limit_counter"]),
        "LoadLimitPowerThreshold": str(values["load_limit_power_threshold_w"]),
        "LoadLimitPeriod": str(values["load_limit_period_s"]),
        "LoadLimitRestorationPeriod": str(values["load_limit_restoration_period_s"]),
        "LoadLimitSupplyState": "Disable" if values["load_limit_supply_flag"] else "Unchanged",
    }


def _balance(values: Values, _device: Smets1Device) -> Content:
    return {"MeterBalance": str(values["meter_balance"])}


def _voltage(values: Values, _device: Smets1Device) -> Content:
    average = {
        f"AverageRMS{kind}VoltageThreshold": str(values[f"average_rms_{kind.lower()}_voltage_threshold_v"])
        for kind in ("Over", "Under")
    }
    detectors = {
        f"RMS{kind}{what}": str(values[f"rms_{_snake(kind)}_{_snake(what)}_{unit}"])
        for kind in _DETECTORS
        for what, unit in (("MeasurementPeriod", "s"), ("Threshold", "v"))
    }
    return {"SinglePhaseVoltageSettings": average, "RMSVoltageSettings": detectors}


def _identity(values: Values, device: Smets1Device) -> Content:
    same = {
        "DeviceIdentifier": str(device.eui),
        "ModelType": values["model"],
        "ManufacturerIdentifier": values["manufacturer"],
    }
    if device.dut.type is not _ESME:
        return same
    tamper = {"SupplyTamperState": values["supply_tamper_state"].capitalize(), "MeterVariant": values["meter_variant"]}
    return same | {"Electricity": tamper}


def _thresholds(values: Values, _device: Smets1Device) -> Content:
    return {
        "LowMediumPowerThreshold": str(values["low_medium_power_threshold_w"]),
        "MediumHighPowerThreshold": str(values["medium_high_power_threshold_w"]),
    }


def _clock(values: Values, device: Smets1Device) -> Content:
    if "device_time" not in values:
        return {}
    said: dict[str, Any] = {"DeviceTime": _time(values["device_time"])}
    return said | ({"Electricity": {"ElecClockTimeStatus": _RELIABLE}} if device.dut.type is _ESME else {})


def _supply(values: Values, device: Smets1Device) -> Content:
    said: dict[str, Any] = {"SupplyState": values["supply_state"].capitalize()}
    if device.dut.type is _GSME:
        said["Gas"] = {"RemainingBatteryCapacity": str(values["remaining_battery_life_days"])}
    return said


def _firmware(values: Values, _device: Smets1Device) -> Content:
    version = values.get("firmware_version")
    return {} if version is None else {"FirmwareVersion": version.hex().upper()}


_METERS = (_ESME, _GSME)
_ANSWERS: Mapping[str, tuple[Write, tuple[DeviceType, ...]]] = {
    **dict.fromkeys(("1.5", "1.6", "2.2", "3.3", "6.8", "6.15.1", "6.23", "7.2", "7.3"), (_nothing, _METERS)),
    **dict.fromkeys(("3.2", "6.4.1", "6.4.2", "6.5", "6.12", "6.25", "7.1"), (_nothing, (_ESME,))),
    **dict.fromkeys(("6.6", "6.7"), (_nothing, (_GSME,))),
    "4.1.1": (_registers, _METERS),
    "4.1.2": (_by_time, _METERS),
    "4.2": (_export, (_ESME,)),
    "4.8.1": (_profile, _METERS),
    **dict.fromkeys(("4.3", "4.18"), (_balance, _METERS)),
    "4.10": (_network_data, (_ESME,)),
    "4.15": (_load_limit, (_ESME,)),
    "4.16": (_power, (_ESME,)),
    "6.2.1": (_voltage, (_ESME,)),
    "6.2.4": (_identity, (_ESME, _GSME, _CHF)),
    "6.2.5": (_thresholds, (_ESME,)),
    "6.2.9": (lambda values, _device: {"PaymentMode": values["payment_mode"]}, _METERS),
    "6.11": (_clock, _METERS),
    "7.4": (_supply, _METERS),
    "8.1.1": (_clock, _METERS),
    "11.2": (_firmware, (_ESME, _GSME, _CHF)),
    "11.3": (_firmware, _METERS),
}


def is_answered(variant: str, device_type: str) -> bool:
    """Whether the provider can carry a Service Request out at a device of a type, and answer it."""
    return variant in _ANSWERS and device_type in _ANSWERS[variant][1]


def content(variant: str, values: Values, device: Smets1Device) -> Content:
    """What the answer to a Service Request that was carried out says."""
    return _ANSWERS[variant][0](values, device)
