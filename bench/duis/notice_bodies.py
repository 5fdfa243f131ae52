"""Bodies of DCC Alerts about logs that were restored, images, quarantine and certificates, as DUIS Schema V5.4 says."""

from __future__ import annotations

from bench.duis import values as v
from bench.duis.shapes import Choice, Group, Leaf, Shape

_DEVICE = Leaf("DeviceID", v.EUI)
_FIRMWARE = Leaf("FirmwareVersion", v.FIRMWARE)

_ESME_VARIANTS = "A B C AD BD CD ADE BDE CDE ADF BDF CDF ADEF BDEF CDEF ADG ADEG AF BF CF AEF BEF CEF AG AEG"


def _log(tag: str) -> Group:
    ids = tuple(Leaf(name, v.EUI) for name in ("OldCHFDeviceID", "NewCHFDeviceID", "OldGPFDeviceID", "NewGPFDeviceID"))
    return Group(tag, ids, nests=True)


def _breach(tag: str) -> Group:
    reference = Leaf("QuarantineEventRef", v.whole(-(10**20) + 1, 10**20 - 1))
    return Group(tag, (Leaf("RequestID", v.REQUEST_ID), reference), nests=True)


NOTICE_BODIES: dict[str, Shape] = {
    "DeviceLogRestored": (
        Leaf("RestoredDate", v.DATE),
        Choice(((_log("CHFDeviceLog"),), (_log("GPFDeviceLog"),))),
    ),
    "PPMIDAlert": (
        _DEVICE,
        Leaf("DeviceAlertCode", v.ALERT_CODE),
        Leaf("Timestamp", v.DATE_TIME, required=False),
        Group(
            "PPMIDFirmwareUpgradeAlert",
            (_FIRMWARE, Leaf("ActivateImageResultCode", v.one_of("ActivationSuccess", "ActivationFailure"))),
            required=False,
            nests=True,
        ),
    ),
    "CommsHubAlert": (
        Leaf("CommsHubDeviceID", v.EUI),
        Leaf("AlertCode", v.ALERT_CODE),
        Leaf("TimeStamp", v.DATE_TIME, required=False),
        Group(
            "FirmwareTransferAlert",
            (
                Leaf("UpdateFirmwareRequestID", v.REQUEST_ID, required=False),
                Leaf("OtherDeviceID", v.EUI),
                _FIRMWARE,
                Leaf(
                    "TransferResponseCode",
                    v.one_of(
                        "FileTransferSuccess",
                        "FirmwareImageDiscarded",
                        "HardwareVersionMismatch",
                        "FileTransferFailure",
                    ),
                ),
            ),
            required=False,
            nests=True,
        ),
    ),
    "QuarantinedRequest": (
        Choice(
            (
                (_breach("ADUserThresholdBreach"),),
                (_breach("ADDCCThresholdBreach"),),
                (_breach("ADAttributeLimitsBreach"),),
            )
        ),
    ),
    "ALCSHCALCSConfigurationChange": (
        Leaf("ESMEDeviceID", v.EUI),
        Leaf("ESMEVariant", v.one_of(*_ESME_VARIANTS.split()), required=False),
        Leaf("DeviceGBCSVersion", v.text(0, 40), required=False),
    ),
    "ECoSAlert": (
        Leaf("AlertID", v.REQUEST_ID),
        Leaf("RequestID", v.REQUEST_ID, required=False),
        Leaf("ECoSAlertCode", v.text(0, 40), key="ecos_alert_code"),
        _DEVICE,
        Leaf("AdditionalInformation", v.text(0, 1000), required=False),
    ),
    "CoSCertificateAlert": (
        _DEVICE,
        Leaf("CertificateSerialNumber", v.whole(0, 10**40 - 1), required=False),
    ),
}
"""Shapes by the name of the element in DCCAlert."""
