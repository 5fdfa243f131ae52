"""What devices are set to, and what they are (3.2, 3.3, 6.2 to 6.12, 6.25, 7.1 to 7.4, 8.1.1, 11.2, 11.3)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from bench.duis.alert_setting_bodies import (
    OPERATOR_ESME,
    OPERATOR_SINGLE_PHASE,
    SUPPLIER_ESME,
    SUPPLIER_GSME_EVENTS,
)
from bench.duis.smets1_write import Content
from bench.gbcs.configuration_fields import BillingTime, codes_of
from drivers.emulated.commands import Values
from drivers.emulated.functions.event_behaviour import GAS_BITS, OPERATOR, SUPPLIER
from drivers.emulated.mmc.base import (
    CHF,
    ESME,
    EVERY,
    GAS,
    GPF,
    GSME,
    METERS,
    METERS_AND_PROXY,
    Answers,
    is_gas,
    moment,
    nothing,
    time_of_day,
)
from drivers.emulated.smets1 import Smets1Device

_DETECTORS = ("ExtremeOverVoltage", "ExtremeUnderVoltage", "VoltageSag", "VoltageSwell")
_RELIABLE = {"@TimeStatusCode": "0", "TimeStatus": "reliable"}
_GAS_PERIODS = {
    "daily": "Daily",
    "weekly": "Weekly",
    "monthly": "Monthly",
    "quarterly": "Quarterly",
    "six monthly": "SixMonthly",
    "yearly": "Yearly",
}
_ELECTRICITY_WAYS = {
    "WANAlert": "wan_alerts",
    "HANAlert": "han_events",
    "Alarm": "audible_alarms",
    "Logging": "logged_events",
}
_GAS_WAYS = {
    "WANAlert": "wan_alerts",
    "HANAlert": "han_events",
    "EventLog": "logged_events",
    "Alarm": "audible_alarms",
}
_PERIODS_BY_TIMES_A_YEAR = {4: "Quarterly", 2: "SixMonthly", 1: "Yearly"}


def _snake(words: str) -> str:
    return "".join(f"_{each.lower()}" if each.isupper() else each for each in words).removeprefix("_")


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
    if device.dut.type is not ESME:
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
    said: dict[str, Any] = {"DeviceTime": moment(values["device_time"])}
    return said | ({"Electricity": {"ElecClockTimeStatus": _RELIABLE}} if device.dut.type is ESME else {})


def _supply(values: Values, device: Smets1Device) -> Content:
    said: dict[str, Any] = {"SupplyState": values["supply_state"].capitalize()}
    if is_gas(device):
        said["Gas"] = {"RemainingBatteryCapacity": str(values["remaining_battery_life_days"])}
    return said


def _firmware(values: Values, _device: Smets1Device) -> Content:
    version = values.get("firmware_version")
    return {} if version is None else {"FirmwareVersion": version.hex().upper()}


def _billing(values: Values, device: Smets1Device) -> Content:
    if is_gas(device):
        if values["billing_start"] is None:
            return {}
        period = {
            "BillingPeriodStart": moment(values["billing_start"]),
            "Periodicity": _GAS_PERIODS[values["period"]],
        }
        return {"BillingCalendar": {"GasBillingCalendar": period}}
    times: tuple[BillingTime, ...] = values["billing_calendar"]
    if not times:
        return {}
    return {"BillingCalendar": {"ElectricityBillingCalendar": _electricity_billing(times)}}


def _electricity_billing(times: tuple[BillingTime, ...]) -> Content:
    """The period whose ends these times are: several a year are those of 6.8, from the first in the year on."""
    first = times[0]
    said: Content
    if first.month is not None:
        begins = {"DayOfMonth": str(first.day), "BillingPeriodStartMonth": str(first.month)}
        said = {_PERIODS_BY_TIMES_A_YEAR[len(times)]: begins}
    elif first.day is not None:
        said = {"Monthly": str(first.day)}
    else:
        said = {"Daily": {}} if first.weekday is None else {"Weekly": str(first.weekday)}
    return {"BillingTime": time_of_day(first.at), **said}


def _gas(values: Values, _device: Smets1Device) -> Content:
    return {
        "CalorificValue": str(Decimal(values["calorific_value_dmj_per_m3"]).scaleb(-1)),
        "ConversionFactor": f"{Decimal(values['conversion_factor_e5']).scaleb(-5):f}",
        "UncontrolledGasFlowRate": f"{Decimal(values['uncontrolled_flow_rate']) / values['flow_divisor']:f}",
        "FlowStabilisationPeriod": str(values["stabilisation_period_ds"]),
        "FlowMeasurementPeriod": str(values["measurement_period_s"]),
    }


def _behaviours(values: Values, device: Smets1Device) -> Content:
    if is_gas(device):
        return {"GasSupplierAlertEventSettings": _gas_behaviours(dict(values["behaviours"]))}
    if "han_events_on" in values:
        settings = {
            f"ElectricitySupplier{way}Settings": {
                "SupplierESMECommon": _switches(SUPPLIER_ESME, SUPPLIER, values[f"{name}_on"])
            }
            for way, name in _ELECTRICITY_WAYS.items()
        }
        return {"ElectricitySupplierAlertEventSettings": settings}
    settings = {
        f"ElectricityNetworkOperator{way}Settings": {
            "NetworkOperatorESMECommon": _switches(OPERATOR_ESME, OPERATOR, values[f"{name}_on"]),
            "NetworkOperatorESMESinglePhase": _switches(OPERATOR_SINGLE_PHASE, OPERATOR, values[f"{name}_on"]),
        }
        for way, name in (("WANAlert", "wan_alerts"), ("Logging", "logged_events"))
    }
    return {"ElectricityNetworkOperatorAlertEventSettings": settings}


def _switches(codes: str, page: int, bits: bytes) -> Content:
    on = {page + low for low in codes_of(bits)}
    return {f"x{code}": _on(int(code, 16) in on) for code in codes.split()}


def _gas_behaviours(behaviours: Mapping[int, int]) -> Content:
    return {
        f"x{code}": {
            name: _on(behaviours.get(int(code, 16), 0) & GAS_BITS[way] == GAS_BITS[way])
            for name, way in _GAS_WAYS.items()
        }
        for code in SUPPLIER_GSME_EVENTS.split()
    }


def _on(value: bool) -> str:
    return "Enable" if value else "Disable"


ANSWERS: Answers = {
    "3.2": (nothing, (ESME, GPF)),
    **dict.fromkeys(("3.3", "6.8", "7.2", "7.3"), (nothing, METERS)),
    **dict.fromkeys(("6.4.1", "6.4.2", "6.5", "6.12", "6.25", "7.1"), (nothing, (ESME,))),
    **dict.fromkeys(("6.6", "6.7"), (nothing, (GSME,))),
    "6.2.1": (_voltage, (ESME,)),
    "6.2.3": (_billing, METERS),
    "6.2.4": (_identity, (*METERS_AND_PROXY, CHF)),
    "6.2.5": (_thresholds, (ESME,)),
    "6.2.8": (_gas, GAS),
    "6.2.10": (_behaviours, METERS),
    "6.11": (_clock, METERS),
    "7.4": (_supply, METERS),
    "8.1.1": (_clock, METERS),
    "11.2": (_firmware, EVERY),
    "11.3": (_firmware, METERS),
}
"""By Service Reference Variant."""
