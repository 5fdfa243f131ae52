"""P-256 keys and certificates as the SMKI issues them, made from seeds so that tests are repeatable."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from bench.eui import Eui64

USER_XML_SIGN = "87"
DSP_XML_SIGN = "89"


@dataclass(frozen=True)
class Signer:
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


def make_signer(
    eui: str,
    *,
    seed: int,
    serial: int = 0x14BE4AD2EA1D0E4EC7F7156BD24624A7,
    role: str = USER_XML_SIGN,
    issuer: tuple[str, str] = ("Z1", "07"),
    until: int = 2118,
) -> Signer:
    """A signer: subject OU=role and x500UniqueIdentifier=EUI, issuer CN and OU."""
    key = ec.derive_private_key(0x1000_0000_0000 + seed, ec.SECP256R1())
    unique = bytes([0]) + Eui64.parse(eui).raw
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, role),
            x509.NameAttribute(NameOID.X500_UNIQUE_IDENTIFIER, unique, _ASN1Type.BitString),
        ]
    )
    issued_by = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, issuer[1]),
            x509.NameAttribute(NameOID.COMMON_NAME, issuer[0]),
        ]
    )
    certificate = (
        x509.CertificateBuilder()
        .issuer_name(issued_by)
        .subject_name(subject)
        .serial_number(serial)
        .public_key(key.public_key())
        .not_valid_before(datetime(2018, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(until, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256(), ecdsa_deterministic=True)
    )
    return Signer(key, certificate)


USER = make_signer("90-B3-D5-1F-30-01-00-00", seed=1)
DSP = make_signer("90-B3-D5-1F-30-00-00-02", seed=2, serial=0x7DAC7283AAD29BDD23C9EFBFDDB52A41, role=DSP_XML_SIGN)
STRANGER = make_signer("00-11-22-33-44-55-66-77", seed=3, serial=99)
