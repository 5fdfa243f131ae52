"""Joins, device logs and credentials (6.15.1, 6.21, 6.23, 6.24.1, 8.7 to 8.11).

SMETS1 devices hold no certificates: whose credentials the provider keeps for a device is what 6.24.1 tells, without
their hashes. That, and which word tells of which refusal, is inferred.
"""

from __future__ import annotations

from bench.duis.smets1_write import Content
from bench.gbcs.security_use_cases import HELD, Held
from drivers.emulated.commands import Values
from drivers.emulated.functions.joins import BAD_CERTIFICATE, NO_ANSWER
from drivers.emulated.mmc.base import CHF, ESME, EVERY, GPF, GSME, PPMID, Answers, moment, nothing
from drivers.emulated.smets1 import Smets1Device

_JOINED = (ESME, GSME, GPF, PPMID)
_RESULTS = {0: "success", BAD_CERTIFICATE: "invalidOrMissingCertificate", NO_ANSWER: "noCBKEResponse"}
_OTHER_FAILURE = 127
_TYPE_2, _ROLES = {"TYPE2": "Type2"}, {
    "access_control_broker": "ACB",
    "network_operator": "NetworkOperator",
    "recovery": "Recovery",
    "root": "Root",
    "supplier": "Supplier",
    "transitional_cos": "TransCoS",
}  # fmt: skip
_USAGES = {"digital_signature": "DigitalSigning", "key_agreement": "KeyAgreement"}


def _status(number: int) -> Content:
    return {"@ResponseCode": str(number), "ASN1Status": _RESULTS.get(number, "otherFailure")}


def joined(values: Values, _device: Smets1Device) -> Content:
    """The result of a join; also of one that failed."""
    return {"joinResponseCode": _status(values.get("join_result", 0))}


def unjoined(values: Values, _device: Smets1Device) -> Content:
    """The result of an unjoin that was carried out."""
    return {"unjoinResponseCode": _status(0)}


def not_unjoined(values: Values, _device: Smets1Device) -> Content:
    """The result of one that was not."""
    return {"unjoinResponseCode": _status(_OTHER_FAILURE)}


def not_joined(values: Values, _device: Smets1Device) -> Content:
    """The result of a join that failed."""
    return {"joinResponseCode": _status(values.get("join_result", _OTHER_FAILURE))}


def _device_log(values: Values, _device: Smets1Device) -> Content:
    """Of a hub who is on its HAN; of others whom they are joined to."""
    if "joined_devices" in values:
        rows = [{"DeviceID": str(eui), "DeviceType": _TYPE_2.get(kind, kind)} for eui, kind in values["joined_devices"]]
        return {"DeviceLogEntries": {"LogEntry": rows}}
    rows = [
        {"DeviceID": str(eui), "LastCommunicationsDateTime": None if heard is None else moment(heard)}
        for eui, heard in values["device_log"]
    ]
    return {"CHFDeviceLog": {"CHFDeviceLogEntry": rows}}


def _credentials(values: Values, _device: Smets1Device) -> Content:
    known = (held for held in values["credentials"] if held.role in _ROLES)
    return {"RemotePartyDetails": [row for held in known for row in _held(held)]}


def _held(held: Held) -> list[Content]:
    role = {"RemotePartyRole": _ROLES[held.role]}
    if held.status != HELD:
        nobody = {"@ResponseCode": str(held.status), "ASN1Status": "noCertificateHeld"}
        return [{**role, "StatusCode": nobody}]
    return [
        {
            **role,
            "StatusCode": {"@ResponseCode": str(HELD), "ASN1Status": "success"},
            "RemotePartyFloorSeqNumber": str(held.floor_counter),
            "CertificateUsage": _USAGES[usage],
            "ExistingRemotePartyID": str(party),
        }
        for usage, party, _ in held.cells
    ]


ANSWERS: Answers = {
    **dict.fromkeys(("6.15.1", "6.21", "6.23"), (nothing, EVERY)),
    "6.24.1": (_credentials, EVERY),
    **dict.fromkeys(("8.7.1", "8.7.2"), (joined, _JOINED)),
    **dict.fromkeys(("8.8.1", "8.8.2"), (unjoined, _JOINED)),
    "8.9": (_device_log, EVERY),
    "8.11": (nothing, (CHF,)),
}
"""By Service Reference Variant."""
