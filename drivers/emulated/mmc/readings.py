"""What meters have measured (4.1, 4.2, 4.8, 4.10, 4.15, 4.16)."""

from __future__ import annotations

from datetime import datetime, timedelta

from bench.duis.smets1_write import Content
from bench.gbcs.log_register_use_cases import BLOCK_TOU_REGISTERS, BLOCKS
from drivers.emulated.commands import Values
from drivers.emulated.mmc.base import (
    ESME,
    GAS,
    METERS_AND_PROXY,
    Answers,
    cubic_metres,
    indexed,
    is_gas,
    moment,
)
from drivers.emulated.smets1 import Smets1Device

_GAS_BLOCKS = 4


def _wh(value: int) -> Content:
    return {"Value": str(value), "ActiveEnergyUnit": "Wh"}


def _varh(value: int) -> Content:
    return {"Value": str(value), "ReactiveEnergyUnit": "varh"}


def _registers(values: Values, device: Smets1Device) -> Content:
    if is_gas(device):
        consumed = {"Value": cubic_metres(values["consumption"]), "Unit": "m3"}
        return {"Gas": {"ConsumptionRegister": consumed}}
    active, reactive = _wh(values["active_import_wh"]), _varh(values["reactive_import_varh"])
    return {"Electricity": {"ActiveImportRegister": active, "ReactiveImportRegister": reactive}}


def _by_time(values: Values, device: Smets1Device) -> Content:
    if is_gas(device):
        litres = [values[f"tou_register_{number}"] for number in range(1, _GAS_BLOCKS + 1)]
        rows = indexed(map(cubic_metres, litres))
        return {"Gas": {"TariffTOURegisterMatrix": {"TOURegisterMatrixValue": rows}}}
    rows = indexed(values["tou_registers_wh"])
    return {"Electricity": {"TariffTOURegisterCollection": {"TOUPrimaryRegisterValue": rows}}}


def _blocks(values: Values, _device: Smets1Device) -> Content:
    """Of each block the registers by time of use, then its counters."""
    cells, size = values["block_registers_wh"], BLOCK_TOU_REGISTERS
    blocks = [
        {
            "@index": str(block + 1),
            "RegisterMatrixTOUValue": indexed(cells[2 * block * size : (2 * block + 1) * size]),
            "CounterMatrixTOUValue": indexed(cells[(2 * block + 1) * size : (2 * block + 2) * size]),
        }
        for block in range(BLOCKS)
    ]
    return {"TariffBlockTOURegisterCollection": {"TariffBlock": blocks}}


def _block_counters(values: Values, _device: Smets1Device) -> Content:
    litres = (values[f"block_counter_{number}"] for number in range(1, _GAS_BLOCKS + 1))
    return {"ImportBlockCounters": {"TariffBlockCounterValue": indexed(map(cubic_metres, litres))}}


def _export(values: Values, _device: Smets1Device) -> Content:
    return {
        "ActiveExportRegister": _wh(values["active_export_wh"]),
        "ReactiveExportRegister": _varh(values["reactive_export_varh"]),
    }


def _samples(values: Values) -> list[tuple[datetime, int]]:
    """Of each period of a gas meter's log its end and its litres."""
    step = timedelta(seconds=values.get("interval_s", 0))
    return [(values["first_sample"] + at * step, litres) for at, litres in enumerate(values.get("samples", ()))]


def _profile(values: Values, device: Smets1Device) -> Content:
    if is_gas(device):
        rows = [(end, {"Gas": {"PrimaryValue": cubic_metres(litres)}}) for end, litres in _samples(values)]
    else:
        rows = [(end, {"Electricity": {"PrimaryValue": str(wh)}}) for end, wh in values["import_profile"]]
    return {"LogEntry": [{"Timestamp": moment(end), **value} for end, value in rows]}


def _reactive_profile(values: Values, _device: Smets1Device) -> Content:
    rows = values["reactive_import_profile"]
    return {"LogEntry": [{"ReactiveEnergyImportedValue": str(varh), "Timestamp": moment(end)} for end, varh in rows]}


def _export_profile(values: Values, _device: Smets1Device) -> Content:
    rows = [
        {"ActiveEnergyExportedValue": str(wh), "ReactiveEnergyExportedValue": str(varh), "Timestamp": moment(end)}
        for end, wh, varh in values["export_profile"]
    ]
    return {"LogEntry": rows}


def _power(values: Values, _device: Smets1Device) -> Content:
    watts = str(values["active_import_w"])
    return {"ActivePowerImport": {"Value": watts, "Unit": "W"}, "PrimaryActivePowerImportValue": watts}


def _network_data(values: Values, device: Smets1Device) -> Content:
    if is_gas(device):
        gas = [{"Value": cubic_metres(litres), "Timestamp": moment(end)} for end, litres in _samples(values)]
        return {"Gas": {"NetworkDataLog": {"LogEntry": gas}}}
    rows = [{"Value": str(volts), "Timestamp": moment(end)} for end, volts in values["average_rms_voltage_log"]]
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


ANSWERS: Answers = {
    "4.1.1": (_registers, METERS_AND_PROXY),
    "4.1.2": (_by_time, METERS_AND_PROXY),
    "4.1.3": (_blocks, (ESME,)),
    "4.1.4": (_block_counters, GAS),
    "4.2": (_export, (ESME,)),
    "4.8.1": (_profile, METERS_AND_PROXY),
    "4.8.2": (_reactive_profile, (ESME,)),
    "4.8.3": (_export_profile, (ESME,)),
    "4.10": (_network_data, METERS_AND_PROXY),
    "4.15": (_load_limit, (ESME,)),
    "4.16": (_power, (ESME,)),
}
"""By Service Reference Variant."""
