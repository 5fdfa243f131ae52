"""Requests about the inventory, the HAN, firmware and installation (8.1.1 to 8.14.4, 9.1, 11.1 to 12.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.duis import values as v
from bench.duis.body_parts import DEVICE, EMPTY, FUTURE, FUTURE_DATABLE, Body, optional
from bench.duis.meter_bodies import synchronise_clock
from bench.duis.shapes import Choice, Flag, Group, Item, Leaf


def _check_han_device_log(values: Mapping[str, Any]) -> str | None:
    joins = "install_code" in values
    if values["request_type"] == "Add" and not joins:
        return "to Add a device needs 'install_code'"
    return (
        "to Remove a device takes neither an install code nor MPxNs"
        if values["request_type"] == "Remove" and joins
        else None
    )


_ESME_VARIANTS = (
    *("A", "B", "C", "AD", "BD", "CD", "ADE", "BDE", "CDE", "ADF", "BDF", "CDF", "ADEF", "BDEF", "CDEF"),
    *("ADG", "ADEG", "AF", "BF", "CF", "AEF", "BEF", "CEF", "AG", "AEG"),
)
_ESME_VARIANT = optional("ESMEVariant", v.one_of(*_ESME_VARIANTS))
_SMETS_VERSION = optional("SMETSCHTSVersion", v.text(1, 20))
_UPRN = Leaf("UPRN", v.whole(1, 10**12 - 1))
_ADDRESS = (Leaf("PostCode", v.text(6, 8)), Leaf("AddressIdentifier", v.text(0, 30)))
_USER_REFERENCE_ID = optional("UserRefID", v.text(0, 25))
_USER_REFERENCE = (optional("UserRefDateTime", v.DATE_TIME), _USER_REFERENCE_ID)
_INCIDENT = optional("IncidentReference", v.text(0, 15))
_REMARK = optional("AdditionalInformation", v.text(0, 200))
_OTHER_DEVICE = Body((Leaf("OtherDeviceID", v.EUI),))
_MPXN_CHOICE = Choice(
    (
        (Leaf("ImportMPxN", v.IMPORT_MPXN),),
        (Leaf("SecondaryImportMPAN", v.MPAN),),
        (Leaf("ExportMPAN", v.MPAN),),
    )
)
_MPXNS = (
    Leaf("ImportMPxN", v.IMPORT_MPXN),
    optional("SecondaryImportMPAN", v.MPAN),
    optional("ExportMPAN", v.MPAN),
)
_HAN_DEVICE_LOG = Body(
    (
        FUTURE,
        DEVICE,
        Leaf("RequestType", v.one_of("Add", "Remove"), default="Add"),
        Group(
            "AddDeviceToCHFWhitelist",
            (
                # Seconds during which the Comms Hub lets the device join.
                Leaf("JoinTimePeriod", v.whole(1, 3600), default=600),
                Leaf("InstallCode", v.hexadecimal(6, 16), secret=True),
                optional("ImportMPxN", v.IMPORT_MPXN),
                optional("SecondaryImportMPAN", v.MPAN),
                optional("ExportMPAN", v.MPAN),
            ),
            required=False,
        ),
    ),
    _check_han_device_log,
)
_INVENTORY_UPDATE = Body(
    (
        DEVICE,
        Choice(
            (
                (Leaf("UpdateDeviceStatusExceptCH", v.one_of("Pending", "InstalledNotCommissioned")),),
                (Leaf("UpdateDeviceStatusCH", v.one_of("Commissioned", "Withdrawn", "InstalledNotCommissioned")),),
                (
                    Group(
                        "UpdateDeviceDetails",
                        (
                            optional("DeviceManufacturer", v.text(0, 30)),
                            optional("DeviceModel", v.text(0, 30)),
                            _SMETS_VERSION,
                            optional("FirmwareVersion", v.FIRMWARE),
                            _ESME_VARIANT,
                        ),
                    ),
                ),
                (Flag("DeleteDevice", required=True),),
                (Group("UpdateMPxN", (_MPXN_CHOICE,)),),
            ),
            default={"update_device_status_except_ch": "Pending"},
        ),
    )
)


def _installed(install_type: str, *checks: Item) -> Body:
    types = "New CHF Install", "Replacement CHF Install", "CHF Install - no SM WAN"
    places = "Outside Premises", "Indoors on external wall", "Deep indoors", "Basement or Cellar"
    return Body(
        (
            DEVICE,
            Leaf("CHFInstallType", v.one_of(*types), default=install_type),
            optional("InstallDateTime", v.DATE_TIME),
            _USER_REFERENCE_ID,
            Leaf("MPxN", v.IMPORT_MPXN),
            optional("GISData", v.text(0, 25)),
            Leaf("AerialInstall", v.BOOLEAN, default=False),
            Leaf("CHFLocation", v.one_of(*places), default="Indoors on external wall"),
            *checks,
            _REMARK,
        )
    )


_PREMISES = (
    "Detached / Semi Detached",
    "Terraced",
    "Low Rise Apartment (MDU <= 5 floors)",
    "High Rise Apartment (MDU > 5 floors)",
)
_FAULT_RETURNS = ("Fault identified prior to installation", "Fault identified post installation")
_FAULTS = (
    "Damaged case",
    "Damaged Connector",
    "Illegal interference or missing seals",
    "Environmental conditions exceeded",
    "SM WAN Fault",
    "SMHAN Interface Fault",
    "LED Fault",
    "Aerial fault",
    "Manufacturing defect",
)
_NO_FAULT_RETURNS = (
    "No Fault Return (general)",
    "No Fault Return (non-dom opt out)",
    "No Fault Return (dual supplier HAN variant replacement)",
    "No Fault Return (SM WAN variant replacement requested by DCC)",
    "Lost or Stolen Hub",
)
# Bytes: the schema measures the image after decoding.
_FIRMWARE_UPDATE = Body(
    (
        Leaf("FirmwareImage", v.base64_of(10_240_000)),
        Leaf("FirmwareVersion", v.FIRMWARE),
        Leaf("DeviceIDList", v.EUI_LIST),
    )
)

BODIES: dict[str, Body] = {
    "8.1.1": synchronise_clock(),
    "8.2": Body(
        (
            Choice(
                (
                    (_UPRN,),
                    (DEVICE,),
                    (Leaf("MPxN", v.IMPORT_MPXN),),
                    (Group("PropertyFilter", _ADDRESS),),
                )
            ),
        )
    ),
    "8.3": Body((DEVICE,)),
    "8.4": _INVENTORY_UPDATE,
    "8.6": Body(
        (
            DEVICE,
            Leaf("DeviceType", v.DEVICE_TYPE, default="ESME"),
            Group("MPxNs", _MPXNS),
            Leaf("OptInDate", v.DATE),
        ),
        gas={"device_type": "GSME"},
    ),
    "8.7.1": _OTHER_DEVICE,
    "8.7.2": _OTHER_DEVICE,
    "8.8.1": _OTHER_DEVICE,
    "8.8.2": _OTHER_DEVICE,
    "8.9": Body((FUTURE, Flag("ReadSecurityDetails"))),
    "8.11": _HAN_DEVICE_LOG,
    "8.12.1": Body((Leaf("OldCHFID", v.EUI, key="old_chf_id"),)),
    "8.12.2": Body((Leaf("OldGPFID", v.EUI, key="old_gpf_id"),)),
    "8.13": Body((optional("OriginalRequestID", v.REQUEST_ID), Leaf("DeviceGBCSResponse", v.BASE64))),
    "8.14.1": _installed("New CHF Install"),
    "8.14.2": _installed(
        "CHF Install - no SM WAN",
        Leaf("PremiseType", v.one_of(*_PREMISES), default="Terraced"),
        Leaf("MetalObstructionCheck", v.BOOLEAN, default=False),
        Leaf("ConnectivityObstructionCheck", v.BOOLEAN, default=False),
        Leaf("SharedObstructionCheck", v.BOOLEAN, default=False),
    ),
    "8.14.3": Body(
        (
            DEVICE,
            Leaf("CHFFaultReturnType", v.one_of(*_FAULT_RETURNS), default="Fault identified post installation"),
            *_USER_REFERENCE,
            Leaf("OtherDeviceID", v.EUI),
            _INCIDENT,
            Leaf("CHFConnectionMethod", v.one_of("Hot-shoe", "Cradle", "ESME"), default="Hot-shoe"),
            Leaf("CHFFaultReason", v.one_of(*_FAULTS), default="SM WAN Fault"),
            _REMARK,
        )
    ),
    "8.14.4": Body(
        (
            DEVICE,
            Leaf("CHFNoFaultReturnType", v.one_of(*_NO_FAULT_RETURNS), default="No Fault Return (general)"),
            *_USER_REFERENCE,
            _INCIDENT,
            _REMARK,
        )
    ),
    "9.1": EMPTY,
    "11.1": _FIRMWARE_UPDATE,
    "11.2": FUTURE_DATABLE,
    "11.3": Body((FUTURE, Leaf("FirmwareHash", v.hexadecimal(32, 32)))),
    "11.4": _FIRMWARE_UPDATE,
    "12.1": Body((Choice(((_UPRN,), (Group("PartialAddress", _ADDRESS),))),)),
    "12.2": Body(
        (
            DEVICE,
            Leaf("DeviceManufacturer", v.text(0, 30)),
            Leaf("DeviceModel", v.text(0, 30)),
            Leaf("DeviceType", v.DEVICE_TYPE),
            _SMETS_VERSION,
            optional("FirmwareVersion", v.FIRMWARE),
            _ESME_VARIANT,
            optional("AssociatedGPFDeviceID", v.EUI),
        )
    ),
}
"""Bodies by Service Reference Variant."""
