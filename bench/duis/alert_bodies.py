"""The bodies of DCC Alerts, as data: element for element what DUIS Schema V5.4 says.

Bodies that are missing here (SMETS1, credentials) are kept as raw XML.
"""

from __future__ import annotations

from bench.duis import values as v
from bench.duis.notice_bodies import NOTICE_BODIES
from bench.duis.radio_bodies import DUAL_BAND_ALERT
from bench.duis.shapes import Choice, Flag, Group, Leaf, Repeat, Shape

_DEVICE = Leaf("DeviceID", v.EUI)
_DEVICE_TYPE = Leaf("DeviceType", v.DEVICE_TYPE)
_FIRMWARE = Leaf("FirmwareVersion", v.FIRMWARE)
_MPXNS = (
    Leaf("ImportMPxN", v.IMPORT_MPXN),
    Leaf("SecondaryImportMPAN", v.MPAN, required=False),
    Leaf("ExportMPAN", v.MPAN, required=False),
)
_ESME_VARIANT = Leaf("ESMEVariant", v.text(1, 4), required=False)
_DEVICE_LIST = v.text(23, 1_199_999, meaning="EUI-64s with commas between them")
_SCHEDULE_ID = v.whole(0, 10**12)
_CREDENTIALS_RECOVERED = Group(
    "RecoveryCompleteACBCredentials",
    (
        Repeat("SupplierCertificateType", v.one_of("DigitalSigning", "KeyAgreement", "KeyAgreementTopUp"), 1, 3),
        Repeat("NetworkOperatorCertificateType", v.one_of("DigitalSigning", "KeyAgreement"), 0, 2),
    ),
    nests=True,
)

ALERT_BODIES: dict[str, Shape] = {
    "PowerOutageEvent": (
        Leaf("CommsHubDeviceID", v.EUI),
        Leaf("StartDateTime", v.DATE_TIME),
        Leaf("MPxN", v.IMPORT_MPXN),
    ),
    "DeviceStatusChangeEvent": (
        _DEVICE,
        Group(
            "DeviceStatusChange",
            (
                Choice(
                    (
                        (Group("MeterIdentity", (Group("MeterMPxNs", _MPXNS), _ESME_VARIANT), nests=True),),
                        (
                            Group(
                                "MeterDecommissioningOrWithdrawal",
                                (
                                    Group("MeterDecommissionOrWithdrawal", _MPXNS),
                                    Repeat("AssociatedType1Device", (_DEVICE, _DEVICE_TYPE), 0, 7),
                                ),
                                nests=True,
                            ),
                        ),
                        (Flag("DeviceRemovedFromInventory", required=True),),
                        (Flag("CHFDecommissioning", required=True),),
                        (Flag("DeviceSuspended", required=True),),
                        (Flag("DeviceRestored", required=True),),
                        (_CREDENTIALS_RECOVERED,),
                        (Flag("RecoveryComplete", required=True),),
                    )
                ),
            ),
        ),
    ),
    "DSPScheduleRemoval": (_DEVICE, Leaf("DSPScheduleID", _SCHEDULE_ID)),
    "CommandFailure": (
        Leaf("CommandRequestID", v.REQUEST_ID),
        Leaf("DSPScheduleID", _SCHEDULE_ID, required=False),
        _DEVICE,
    ),
    "FirmwareDistributionFailure": (Leaf("UpdateFirmwareRequestID", v.REQUEST_ID), Leaf("MeterIDs", _DEVICE_LIST)),
    "UpdateHANDeviceLogResult": (Leaf("UpdateHANDeviceLogServiceRequestID", v.REQUEST_ID),),
    "ChangeOfSupplier": (
        Choice(
            (
                (
                    Leaf("ChangeOfSupplierServiceRequestID", v.REQUEST_ID),
                    Leaf("ECoSErrorCode", v.text(3, 3), required=False, key="ecos_error_code"),
                ),
                (Group("DeviceChangeOfSupplier", (_DEVICE, _DEVICE_TYPE, Group("MPxNs", _MPXNS))),),
            )
        ),
    ),
    "FirmwareVersionMismatch": (
        _DEVICE,
        _DEVICE_TYPE,
        Leaf("FirmwareVersionSMI", v.FIRMWARE),
        Leaf("FirmwareVersionDevice", v.FIRMWARE),
    ),
    "PPMIDRemoval": (Leaf("PPMIDDeviceID", v.EUI), Leaf("CHFDeviceID", v.EUI)),
    "SMETS1CHFirmwareNotification": (
        _DEVICE,
        _FIRMWARE,
        Leaf("FirmwareVersionUpdateStatus", v.one_of("UpdateRequested", "ActivationSuccessful")),
    ),
    "FirmwareUpgradeRequested": (_DEVICE_TYPE, _FIRMWARE, Leaf("DeviceList", _DEVICE_LIST)),
    "CSPFirmwareDeliveryStatus": (
        Leaf("UpdateFirmwareRequestID", v.REQUEST_ID),
        Leaf("CommsHubDeviceID", v.EUI),
        Leaf("TargetDeviceID", v.EUI),
        _FIRMWARE,
        Leaf("TimeStamp", v.DATE_TIME),
        Leaf("CommsHubTransferStatus", v.one_of("Success", "Failure")),
    ),
    "CommsHubFirmwareActivation": (_DEVICE, _FIRMWARE),
    "DUISVersionMismatch": (
        Choice(
            (
                (
                    Group(
                        "DCCAlertVersionMismatch",
                        (
                            Leaf("DCCAlertCode", v.text(1, 10)),
                            Leaf("DeviceID", v.EUI, required=False),
                            Leaf("RequestID", v.REQUEST_ID, required=False),
                        ),
                        nests=True,
                    ),
                ),
                (
                    Group(
                        "ServiceResponseVersionMismatch",
                        (
                            Leaf("RequestID", v.REQUEST_ID),
                            Leaf("ServiceReference", v.text(1, 10)),
                            Leaf("ServiceReferenceVariant", v.text(1, 10)),
                            Leaf("ServiceRequestDUISVersion", v.text(1, 10)),
                        ),
                        nests=True,
                    ),
                ),
            )
        ),
        Leaf("ServiceUserDUISVersion", v.text(1, 10)),
    ),
    "DualBandCHAlert": DUAL_BAND_ALERT,
    **NOTICE_BODIES,
}
"""Shapes by the name of the element in DCCAlert."""

INVENTORY_DEVICE: Shape = (
    _DEVICE,
    _DEVICE_TYPE,
    Leaf(
        "DeviceStatus",
        v.one_of(
            "Pending",
            "Whitelisted",
            "InstalledNotCommissioned",
            "Commissioned",
            "Decommissioned",
            "Withdrawn",
            "Suspended",
            "Recovery",
            "Recovered",
        ),
        required=False,
    ),
    Leaf("DeviceManufacturer", v.text(0, 30)),
    Leaf("DeviceModel", v.text(0, 30)),
    Leaf("SMETSCHTSVersion", v.text(1, 20), required=False),
    Leaf("DeviceFirmwareVersion", v.FIRMWARE, required=False),
    Leaf("DeviceFirmwareVersionStatus", v.one_of("Active", "Cancelled", "Expired", "Withdrawn"), required=False),
    Leaf("CPLStatus", v.one_of("Active", "Cancelled", "Expired", "Withdrawn"), required=False),
    Leaf("DateCommissioned", v.DATE, required=False),
    Leaf("ImportMPxN", v.IMPORT_MPXN, required=False),
    Leaf("SecondaryImportMPAN", v.MPAN, required=False),
    Leaf("ExportMPAN", v.MPAN, required=False),
    _ESME_VARIANT,
    Leaf("UPRN", v.whole(1, 10**12 - 1), required=False),
    Group(
        "PropertyFilter",
        (Leaf("PostCode", v.text(6, 8)), Leaf("AddressIdentifier", v.text(0, 30))),
        required=False,
    ),
    Leaf("CSPRegion", v.text(1, 20), required=False),
    Leaf("DeviceGBCSVersion", v.text(0, 40), required=False),
    Leaf("HANVariant", v.text(0, 40), required=False),
    Leaf("S1SP", v.text(0, 40), required=False),
    Leaf("Connectivity", v.one_of("Cellular", "Virtual"), required=False),
)
"""One device in the answer to 8.2 Read Inventory."""
