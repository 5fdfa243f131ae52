"""Security credentials (6.15.1 to 6.17, 6.21, 6.23, 6.24.1, 6.24.2, 8.5)."""

from __future__ import annotations

from bench.duis import values as v
from bench.duis.body_parts import CERTIFICATION_PATH, FUTURE, TIME_BASED_CHECKS, Body, optional
from bench.duis.shapes import Group, Leaf, Repeat

_CREDENTIAL_TYPE = Body(
    (Leaf("CredentialType", v.one_of("Digital Signature", "Key Agreement"), default="Digital Signature"),)
)
_ROLE = Leaf("RemotePartyRole", v.REMOTE_PARTY, default="Supplier")
_FLOORS = (
    optional("RemotePartyFloorSeqNumber", v.SEQUENCE_NUMBER),
    optional("RemotePartyPrepaymentTopUpFloorSeqNumber", v.SEQUENCE_NUMBER),
)
_SIGNING = "DigitalSigningCertificate"
_AGREEMENT = optional("KeyAgreementCertificate", v.BASE64)
_TOP_UP = optional("KeyAgreementTopUpCertificate", v.BASE64)
_NEW = (Leaf(_SIGNING, v.BASE64), _AGREEMENT, _TOP_UP)

BODIES: dict[str, Body] = {
    "6.15.1": Body(
        (
            FUTURE,
            _ROLE,
            *_FLOORS,
            Group(
                "ReplacementCertificates",
                (Group("SupplierOrNetworkOperatorCertificates", (optional(_SIGNING, v.BASE64), _AGREEMENT, _TOP_UP)),),
            ),
            CERTIFICATION_PATH,
            TIME_BASED_CHECKS,
        )
    ),
    "6.15.2": Body((Leaf("DeviceCertificate", v.BASE64),)),
    "6.17": _CREDENTIAL_TYPE,
    "6.21": Body(
        (
            FUTURE,
            _ROLE,
            *_FLOORS,
            Group("ReplacementCertificates", _NEW),
            CERTIFICATION_PATH,
            TIME_BASED_CHECKS,
        )
    ),
    "6.23": Body(
        (
            FUTURE,
            Leaf("SupplierFloorSeqNumber", v.SEQUENCE_NUMBER, default=0),
            optional("SupplierPrepaymentTopUpFloorSeqNumber", v.SEQUENCE_NUMBER),
            Group("SupplierReplacementCertificates", _NEW),
            CERTIFICATION_PATH,
            TIME_BASED_CHECKS,
            Leaf("ImportMPxN", v.IMPORT_MPXN),
        )
    ),
    "6.24.1": Body((Repeat("RemotePartyRole", v.REMOTE_PARTY, 1, 7, default=("Supplier",)),)),
    "6.24.2": _CREDENTIAL_TYPE,
    "8.5": Body(
        (
            Leaf("ExecutionDateTime", v.DATE_TIME),
            Leaf("ACBFloorSeqNumber", v.SEQUENCE_NUMBER, default=0),
            Group(
                "ReplacementCertificates",
                (optional(_SIGNING, v.BASE64), Leaf("KeyAgreementCertificate", v.BASE64)),
            ),
            CERTIFICATION_PATH,
            TIME_BASED_CHECKS,
        )
    ),
}
"""Bodies by Service Reference Variant."""
