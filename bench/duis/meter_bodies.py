"""Configuration of meters (6.2.1 to 6.13, 6.18.1 to 6.20.2, 6.25 to 6.27)."""

from __future__ import annotations

from datetime import time

from bench.duis import values as v
from bench.duis.body_parts import EMPTY, FUTURE, FUTURE_DATABLE, LOG_PERIOD, Body, optional
from bench.duis.shapes import Choice, Flag, Group, Item, Leaf, Repeat


def synchronise_clock() -> Body:
    """6.11 and 8.1.1."""
    # Seconds by which the device's clock may be off and still be set.
    return Body((Leaf("CurrentDateTime", v.DATE_TIME), Leaf("TolerancePeriod", v.whole(0, 86_400), default=10)))


def _period_and_threshold(name: str, volts: int) -> tuple[Item, Item]:
    # Seconds and whole volts: what published messages carry, unscaled.
    return (
        Leaf(f"RMS{name}MeasurementPeriod", v.UNSIGNED_INT, default=30),
        Leaf(f"RMS{name}Threshold", v.UNSIGNED_INT, default=volts),
    )


# The defaults lie outside 216.2 to 253.0 V, which British law allows, so that an undisturbed supply raises nothing.
_AVERAGE_RMS = (
    Leaf("AverageRMSOverVoltageThreshold", v.UNSIGNED_INT, default=264),
    Leaf("AverageRMSUnderVoltageThreshold", v.UNSIGNED_INT, default=200),
    Leaf("AverageRMSVoltageMeasurementPeriod", v.UNSIGNED_INT, default=1800),
)
_PHASE = (Leaf("Phase", v.whole(1, 3)), Group("PhaseVoltageSettings", _AVERAGE_RMS))
_VOLTAGE = Body(
    (
        FUTURE,
        Group(
            "RMSVoltageSettings",
            (
                *_period_and_threshold("ExtremeOverVoltage", 276),
                *_period_and_threshold("ExtremeUnderVoltage", 184),
                *_period_and_threshold("VoltageSag", 207),
                *_period_and_threshold("VoltageSwell", 265),
            ),
        ),
        Choice(
            (
                (Group("SinglePhaseVoltageSettings", _AVERAGE_RMS),),
                (Repeat("PolyPhaseVoltageSettings", _PHASE, 3, 3),),
            ),
            default={"average_rms_over_voltage_threshold": 264},
        ),
        Flag("RMSVoltageCountersNotReset"),
    )
)
_LOGS = ("Event", "ALCSEvent", "PowerEvent", "Security", "GSMEEvent", "GSMESecurity")
_LOCKED = v.one_of("Unchanged", "Locked")
_READS = ("6.2.1", "6.2.2", "6.2.3", "6.2.4", "6.2.5", "6.2.7", "6.2.8", "6.2.9", "6.2.10")

BODIES: dict[str, Body] = dict.fromkeys(_READS, EMPTY) | {
    "6.4.1": Body(
        (
            FUTURE,
            Leaf("LoadLimitPeriod", v.UNSIGNED_INT, default=60),
            Leaf("LoadLimitPowerThreshold", v.UNSIGNED_INT, default=15_000),
            Leaf("LoadLimitRestorationPeriod", v.UNSIGNED_INT, default=60),
            Leaf("LoadLimitSupplyState", v.one_of("Disable", "Unchanged"), default="Unchanged"),
        )
    ),
    "6.4.2": FUTURE_DATABLE,
    "6.5": _VOLTAGE,
    "6.6": Body(
        (
            Leaf("CalorificValue", v.decimal("0", "429496729.5", 1), default="39.5"),
            Leaf("ConversionFactor", v.decimal("0", "42949.67295", 5), default="1.02264"),
        )
    ),
    "6.7": Body(
        (
            Choice(
                (
                    (Leaf("UncontrolledGasFlowRate", v.UNSIGNED_SHORT),),
                    (Leaf("UncontrolledGasFlowRateDecimal", v.decimal("0.0000", "6.5535", 4)),),
                ),
                default={"uncontrolled_gas_flow_rate_decimal": "0.0500"},
            ),
            Leaf("SupplyDepletionState", _LOCKED, default="Unchanged"),
            Leaf("SupplyTamperState", _LOCKED, default="Unchanged"),
            Leaf("StabilisationPeriod", v.whole(1, 255), default=5),
            Leaf("MeasurementPeriod", v.whole(1, 0xFFFF), default=30),
        )
    ),
    "6.11": synchronise_clock(),
    "6.12": Body(
        (
            FUTURE,
            Leaf("LowMediumPowerThreshold", v.UNSIGNED_INT, default=500),
            Leaf("MediumHighPowerThreshold", v.UNSIGNED_INT, default=2000),
        )
    ),
    "6.13": Body((LOG_PERIOD, Leaf("LogToRead", v.one_of(*_LOGS), default="Event"))),
    "6.18.1": Body(
        (
            FUTURE,
            Group(
                "MaximumDemandTimePeriodSchedule",
                (
                    Leaf("StartTime", v.TIME, default=time(16, 0)),
                    Leaf("EndTime", v.TIME, default=time(20, 0)),
                ),
            ),
        )
    ),
    "6.18.2": Body(
        (
            FUTURE,
            Flag("MaxDemandActivePowerImportValue"),
            Flag("MaxDemandActivePowerExportValue"),
            Flag("MaxDemandConfigTimeActivePowerImportValue"),
        )
    ),
    "6.20.1": Body(
        (
            FUTURE,
            Choice(
                (
                    (Group("ImportMPANs", (Leaf("ImportMPAN", v.MPAN), optional("SecondaryImportMPAN", v.MPAN))),),
                    (Leaf("ImportMPRN", v.MPRN),),
                )
            ),
        )
    ),
    "6.20.2": Body((FUTURE, Leaf("ExportMPAN", v.MPAN))),
    "6.25": Body((Leaf("SupplyTamperState", _LOCKED, default="Unchanged"),)),
    "6.26": Body((Leaf("DailyTariffBlockCounterMatrixReset", v.BOOLEAN, default=True),)),
    "6.27": FUTURE_DATABLE,
}
"""Bodies by Service Reference Variant."""
