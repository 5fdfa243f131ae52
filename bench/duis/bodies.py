"""The bodies of Service Requests, as data: element for element what DUIS Schema V5.4 says, with the bench's defaults.

A variant that is missing here (tariffs, calendars, schedules and the like) can still be sent and read, as raw XML.
To add one, write its shape into `_BODIES`; the tests then hold it against the schema.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.duis import values as v
from bench.duis.shapes import Choice, Flag, Group, Item, Leaf, Repeat, Shape


@dataclass(frozen=True, slots=True)
class Body:
    """One body.

    Attributes:
        shape: its elements.
        check: says what is wrong between parameters that are each right, or returns None.
    """

    shape: Shape = ()
    check: Callable[[Mapping[str, Any]], str | None] = lambda values: None


def _optional(tag: str, kind: v.Kind) -> Leaf:
    return Leaf(tag, kind, required=False)


def _check_han_device_log(values: Mapping[str, Any]) -> str | None:
    joins = "install_code" in values
    if values["request_type"] == "Add" and not joins:
        return "to Add a device needs 'install_code'"
    return (
        "to Remove a device takes neither an install code nor MPxNs"
        if values["request_type"] == "Remove" and joins
        else None
    )


_FUTURE = _optional("ExecutionDateTime", v.DATE_TIME)
_LOG_PERIOD = Group("ReadLogPeriod", (Leaf("StartDateTime", v.DATE_TIME), Leaf("EndDateTime", v.DATE_TIME)))
_DEVICE = Leaf("DeviceID", v.EUI)
_OTHER_DEVICE = Body((Leaf("OtherDeviceID", v.EUI),))
_EMPTY = Body()
_FUTURE_DATABLE = Body((_FUTURE,))
_LOG = Body((_FUTURE, _LOG_PERIOD))
_LOG_WITH_KEY = Body((_FUTURE, _LOG_PERIOD, _optional("KAPublicSecurityCredentials", v.BASE64)))
_CREDENTIAL_TYPE = Body((Leaf("CredentialType", v.one_of("Digital Signature", "Key Agreement")),))
_SCHEDULE = Body((Choice(((Leaf("DSPScheduleID", v.whole(0, 10**12)),), (_DEVICE,))),))
_CERTIFICATION_PATH = Group("CertificationPathCertificates", (Repeat("Certificate", v.BASE64, 1, 3),))
_TIME_BASED_CHECKS = Leaf("ApplyTimeBasedCPVChecks", v.BOOLEAN, default=False)
_ESME_VARIANT = _optional(
    "ESMEVariant",
    v.one_of(
        "A",
        "B",
        "C",
        "AD",
        "BD",
        "CD",
        "ADE",
        "BDE",
        "CDE",
        "ADF",
        "BDF",
        "CDF",
        "ADEF",
        "BDEF",
        "CDEF",
        "ADG",
        "ADEG",
        "AF",
        "BF",
        "CF",
        "AEF",
        "BEF",
        "CEF",
        "AG",
        "AEG",
    ),
)
_SMETS_VERSION = _optional("SMETSCHTSVersion", v.text(1, 20))
_UPRN = Leaf("UPRN", v.whole(1, 10**12 - 1))
_ADDRESS = (Leaf("PostCode", v.text(6, 8)), Leaf("AddressIdentifier", v.text(0, 30)))
_USER_REFERENCE = (_optional("UserRefDateTime", v.DATE_TIME), _optional("UserRefID", v.text(0, 25)))
_REMARK = _optional("AdditionalInformation", v.text(0, 200))
_INDEX = Leaf("index", v.whole(1, 5), attribute=True)
_AUXILIARY = Body(
    (
        Leaf("auxiliaryControllerN", v.whole(1, 5), attribute=True, key="auxiliary_controller"),
        Leaf("StartDateTime", v.DATE_TIME),
        Leaf("EndDateTime", v.DATE_TIME),
        Leaf("CommandedStateLevel", v.whole(0, 100)),
        Flag("InputFromControlledLoad"),
    )
)
_MINUTES_OR_OFF = Leaf("Duration", v.UNSIGNED_SHORT)
_SYNCHRONISE_CLOCK = Body(
    (
        Leaf("CurrentDateTime", v.DATE_TIME),
        # Seconds by which the device's clock may be off and still be set.
        Leaf("TolerancePeriod", v.whole(0, 86_400), default=10),
    )
)


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
        _FUTURE,
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
            ((Group("SinglePhaseVoltageSettings", _AVERAGE_RMS),), (Repeat("PolyPhaseVoltageSettings", _PHASE, 3, 3),))
        ),
        Flag("RMSVoltageCountersNotReset"),
    )
)
_HAN_DEVICE_LOG = Body(
    (
        _FUTURE,
        _DEVICE,
        Leaf("RequestType", v.one_of("Add", "Remove"), default="Add"),
        Group(
            "AddDeviceToCHFWhitelist",
            (
                # Seconds during which the Comms Hub lets the device join.
                Leaf("JoinTimePeriod", v.whole(1, 3600), default=600),
                Leaf("InstallCode", v.hexadecimal(6, 16), secret=True),
                _optional("ImportMPxN", v.IMPORT_MPXN),
                _optional("SecondaryImportMPAN", v.MPAN),
                _optional("ExportMPAN", v.MPAN),
            ),
            required=False,
        ),
    ),
    _check_han_device_log,
)
_HANDOVER = Body(
    (
        _FUTURE,
        Leaf("RemotePartyRole", v.REMOTE_PARTY, default="Supplier"),
        _optional("RemotePartyFloorSeqNumber", v.SEQUENCE_NUMBER),
        _optional("RemotePartyPrepaymentTopUpFloorSeqNumber", v.SEQUENCE_NUMBER),
        Group(
            "ReplacementCertificates",
            (
                Leaf("DigitalSigningCertificate", v.BASE64),
                _optional("KeyAgreementCertificate", v.BASE64),
                _optional("KeyAgreementTopUpCertificate", v.BASE64),
            ),
        ),
        _CERTIFICATION_PATH,
        _TIME_BASED_CHECKS,
    )
)
_INVENTORY_UPDATE = Body(
    (
        _DEVICE,
        Choice(
            (
                (Leaf("UpdateDeviceStatusExceptCH", v.one_of("Pending", "InstalledNotCommissioned")),),
                (Leaf("UpdateDeviceStatusCH", v.one_of("Commissioned", "Withdrawn", "InstalledNotCommissioned")),),
                (
                    Group(
                        "UpdateDeviceDetails",
                        (
                            _optional("DeviceManufacturer", v.text(0, 30)),
                            _optional("DeviceModel", v.text(0, 30)),
                            _SMETS_VERSION,
                            _optional("FirmwareVersion", v.FIRMWARE),
                            _ESME_VARIANT,
                        ),
                    ),
                ),
                (Flag("DeleteDevice", required=True),),
                (
                    Group(
                        "UpdateMPxN",
                        (
                            Choice(
                                (
                                    (Leaf("ImportMPxN", v.IMPORT_MPXN),),
                                    (Leaf("SecondaryImportMPAN", v.MPAN),),
                                    (Leaf("ExportMPAN", v.MPAN),),
                                )
                            ),
                        ),
                    ),
                ),
            )
        ),
    )
)

SIGNED_PRE_COMMAND = Body((_FUTURE, Leaf("GBCSPayload", v.BASE64)))
"""The body of every request with Command Variant 5, 6 or 7."""

_BODIES: dict[str, Body] = {
    "2.2": Body((Leaf("UTRN", v.text(20, 20, "[0-9]*", "a UTRN of 20 digits")),)),
    "3.1": Body((_FUTURE, Leaf("SupplierMessage", v.text(1, 116, "[ -~]*")))),
    "3.2": Body((_FUTURE, Leaf("RestrictionDateTime", v.DATE_TIME))),
    "3.3": Body((_optional("ESMEEventLogType", v.one_of("ESME", "ALCS")),)),
    "3.4": Body(
        (
            _FUTURE,
            Leaf("SupplierName", v.text(1, 15, "[ -~]*")),
            Leaf("SupplierTelephoneNumber", v.text(1, 18, "[0-9 ]*")),
        )
    ),
    "5.2": _SCHEDULE,
    "5.3": _SCHEDULE,
    "6.4.1": Body(
        (
            _FUTURE,
            Leaf("LoadLimitPeriod", v.UNSIGNED_INT),
            Leaf("LoadLimitPowerThreshold", v.UNSIGNED_INT),
            Leaf("LoadLimitRestorationPeriod", v.UNSIGNED_INT),
            Leaf("LoadLimitSupplyState", v.one_of("Disable", "Unchanged")),
        )
    ),
    "6.5": _VOLTAGE,
    "6.6": Body(
        (
            Leaf("CalorificValue", v.decimal("0", "429496729.5", 1)),
            Leaf("ConversionFactor", v.decimal("0", "42949.67295", 5)),
        )
    ),
    "6.11": _SYNCHRONISE_CLOCK,
    "6.12": Body(
        (_FUTURE, Leaf("LowMediumPowerThreshold", v.UNSIGNED_INT), Leaf("MediumHighPowerThreshold", v.UNSIGNED_INT))
    ),
    "6.13": Body(
        (
            _LOG_PERIOD,
            Leaf(
                "LogToRead",
                v.one_of("Event", "ALCSEvent", "PowerEvent", "Security", "GSMEEvent", "GSMESecurity"),
                default="Event",
            ),
        )
    ),
    "6.15.2": Body((Leaf("DeviceCertificate", v.BASE64),)),
    "6.17": _CREDENTIAL_TYPE,
    "6.18.1": Body(
        (_FUTURE, Group("MaximumDemandTimePeriodSchedule", (Leaf("StartTime", v.TIME), Leaf("EndTime", v.TIME))))
    ),
    "6.20.1": Body(
        (
            _FUTURE,
            Choice(
                (
                    (Group("ImportMPANs", (Leaf("ImportMPAN", v.MPAN), _optional("SecondaryImportMPAN", v.MPAN))),),
                    (Leaf("ImportMPRN", v.MPRN),),
                )
            ),
        )
    ),
    "6.21": _HANDOVER,
    "6.24.1": Body((Repeat("RemotePartyRole", v.REMOTE_PARTY, 1, 7),)),
    "6.24.2": _CREDENTIAL_TYPE,
    "6.25": Body((Leaf("SupplyTamperState", v.one_of("Locked", "Unchanged")),)),
    "6.26": Body((Leaf("DailyTariffBlockCounterMatrixReset", v.BOOLEAN),)),
    "6.32": Body((_LOG_PERIOD,)),
    "7.5": Body((Group("ActivateALCSHCALCS", (_INDEX, _MINUTES_OR_OFF)),)),
    "7.6": Body((Group("DeactivateALCSHCALCS", (_INDEX, _MINUTES_OR_OFF)),)),
    "7.8": Body((Group("ResetALCSHCALCS", (_INDEX,)),)),
    "7.12": Body((Leaf("RandomisedOffsetLimit", v.whole(0, 1799)),)),
    "7.13": _AUXILIARY,
    "7.16": _AUXILIARY,
    "8.1.1": _SYNCHRONISE_CLOCK,
    "8.2": Body(
        (
            Choice(
                (
                    (_UPRN,),
                    (_DEVICE,),
                    (Leaf("MPxN", v.IMPORT_MPXN),),
                    (Group("PropertyFilter", _ADDRESS),),
                )
            ),
        )
    ),
    "8.3": Body((_DEVICE,)),
    "8.4": _INVENTORY_UPDATE,
    "8.7.1": _OTHER_DEVICE,
    "8.7.2": _OTHER_DEVICE,
    "8.8.1": _OTHER_DEVICE,
    "8.8.2": _OTHER_DEVICE,
    "8.9": Body((_FUTURE, Flag("ReadSecurityDetails"))),
    "8.11": _HAN_DEVICE_LOG,
    "8.12.1": Body((Leaf("OldCHFID", v.EUI, key="old_chf_id"),)),
    "8.12.2": Body((Leaf("OldGPFID", v.EUI, key="old_gpf_id"),)),
    "8.13": Body((_optional("OriginalRequestID", v.REQUEST_ID), Leaf("DeviceGBCSResponse", v.BASE64))),
    "8.14.3": Body(
        (
            _DEVICE,
            Leaf("CHFFaultReturnType", v.text(1, 60)),
            *_USER_REFERENCE,
            Leaf("OtherDeviceID", v.EUI),
            _optional("IncidentReference", v.text(0, 15)),
            Leaf("CHFConnectionMethod", v.one_of("Hot-shoe", "Cradle", "ESME")),
            Leaf("CHFFaultReason", v.text(1, 60)),
            _REMARK,
        )
    ),
    "8.14.4": Body(
        (
            _DEVICE,
            Leaf("CHFNoFaultReturnType", v.text(1, 80)),
            *_USER_REFERENCE,
            _optional("IncidentReference", v.text(0, 15)),
            _REMARK,
        )
    ),
    "11.3": Body((_FUTURE, Leaf("FirmwareHash", v.hexadecimal(32, 32)))),
    "12.1": Body((Choice(((_UPRN,), (Group("PartialAddress", _ADDRESS),))),)),
    "12.2": Body(
        (
            _DEVICE,
            Leaf("DeviceManufacturer", v.text(0, 30)),
            Leaf("DeviceModel", v.text(0, 30)),
            Leaf("DeviceType", v.DEVICE_TYPE),
            _SMETS_VERSION,
            _optional("FirmwareVersion", v.FIRMWARE),
            _ESME_VARIANT,
            _optional("AssociatedGPFDeviceID", v.EUI),
        )
    ),
}


_SHARED: tuple[tuple[Body, tuple[str, ...]], ...] = (
    (
        _EMPTY,
        (
            "1.7",
            "2.5",
            "3.5",
            "4.11.1",
            "4.11.2",
            "4.16",
            "6.2.1",
            "6.2.2",
            "6.2.3",
            "6.2.4",
            "6.2.5",
            "6.2.7",
            "6.2.8",
            "6.2.9",
            "6.2.10",
            "6.29",
            "6.30",
            "6.31",
            "7.1",
            "7.2",
            "7.3",
            "7.4",
            "9.1",
            "14.1",
        ),
    ),
    (
        _FUTURE_DATABLE,
        (
            "4.1.1",
            "4.1.2",
            "4.1.3",
            "4.1.4",
            "4.2",
            "4.3",
            "4.12.1",
            "4.12.2",
            "4.13",
            "4.15",
            "4.18",
            "6.4.2",
            "6.27",
            "7.7",
            "7.14",
            "7.15",
            "11.2",
        ),
    ),
    (_LOG, ("4.4.4", "4.4.5", "4.6.2", "4.8.2", "4.8.3", "7.11")),
    (_LOG_WITH_KEY, ("4.4.2", "4.4.3", "4.6.1", "4.8.1", "4.10", "4.14", "4.17")),
)
_BODIES.update((variant, body) for body, variants in _SHARED for variant in variants)


def body_of(variant: str) -> Body | None:
    """What is known of a variant's body; None: it can only be sent and read as raw XML."""
    return _BODIES.get(variant)
