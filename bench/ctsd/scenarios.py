"""Install & Commission step by step (8.1.2), and names for what else is tested (8.1.13 to 8.1.27)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.ctsd.tables import Role


@dataclass(frozen=True, slots=True)
class InstallStep:
    """One step of IC01 or IC02; the order is fixed.

    Attributes:
        step: its number.
        title: as the document has it.
        requests: the Service Reference Variants that it must send.
        alerts: DCC Alerts that must follow.
    """

    step: int
    title: str
    requests: tuple[str, ...]
    alerts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InstallScenario:
    """IC01 or IC02: SMETS2+ only.

    Attributes:
        name: "IC01".
        role: the User Role that it is for.
        devices: what is installed.
    """

    name: str
    role: Role
    devices: str
    steps: tuple[InstallStep, ...]


INSTALL_CLAUSE = "8.1.2"
SSI_CLAUSE = "8.1.27"
INSTALL: Mapping[Role, InstallScenario] = {
    Role.GS: InstallScenario(
        "IC01",
        Role.GS,
        "a gas meter on a Communications Hub",
        (
            InstallStep(1, "Pre-Installation", ("12.2",)),
            InstallStep(2, "White List Device", ("8.11",), ("N24",)),
            InstallStep(3, "Commission", ("8.1.1",)),
            InstallStep(4, "Commission Gas Proxy", ("6.21",)),
            InstallStep(5, "Join Device", ("8.7.2",)),
            InstallStep(6, "Set MPxN on GSME for display purposes", ("6.20.1",)),
        ),
    ),
    Role.IS: InstallScenario(
        "IC02",
        Role.IS,
        "an electricity meter on a Communications Hub",
        (
            InstallStep(1, "Pre-Installation", ("12.2",)),
            InstallStep(2, "White List Device", ("8.11",), ("N24",)),
            InstallStep(3, "Commission", ("8.1.1",)),
            InstallStep(4, "Set MPxN on ESME for display purposes", ("6.20.1",)),
        ),
    ),
}

DCC_ALERT_NAMES: Mapping[str, str] = {
    "AD1": "Power Outage Event",
    "N1": "Electricity Smart Meter decommissioned or withdrawn",
    "N2": "Gas Smart Meter decommissioned or withdrawn",
    "N16": "Device Identity Confirmation",
    "N17": "DSP Schedule Removal after a Change of Supplier",
    "N19": "Firmware Distribution Failure: a Device ID is not identified",
    "N24": "Update HAN Device Log Result: successful",
    "N27": "Device Change of Supplier",
    "N49-N52": "Firmware Version Mismatch",
    "N53": "Command Not Delivered To ESME",
    "N54": "Dual Band CH Sub GHz Alert",
    "N55": "SMETS1 Service Provider Alert",
    "N56": "SMETS1 prepayment top-up UTRN",
    "N57": "SMETS1 CH Firmware Notification",
    "N999": "DUIS Version Mismatch",
}
DEVICE_ALERT_NAMES: Mapping[str, str] = {
    "0x8F32": "Supply Armed",
    "0x8183": "Device joined SMHAN",
    "0x8F66": "Future-dated HAN Interface Command successfully actioned",
    "0x81A0": "Smart Meter Integrity Issue Warning",
    "0x8002": "Average RMS voltage above its over-voltage threshold",
    "0x8F35": "Supply Outage Restored",
    "0x8F36": "Supply Outage Restored, outage of three minutes and more",
    "0x8F40": "Average RMS voltage above its over-voltage threshold",
    "0x8F41": "Average RMS voltage below its under-voltage threshold",
}
RESPONSE_CODE_NAMES: Mapping[str, str] = {
    "E11": "Service Request and device type do not fit",
    "E13": "Request type does not fit the URL",
    "E19": "Device does not exist",
    "E60": "Service Request not for SMETS1 devices",
    "E63": "Command Variant not for this SMETS1 Service Request",
    "E64": "User ID is not the one notified to the DCC",
}
