"""Keys and certificates of everybody in the emulated world, all of them made from one seed.

A private key is HKDF of the seed and a label that names its holder and use, so that the same seed gives the same
keys, certificates, signatures and tags on every machine, and nothing of it is worth protecting. Certificates have
the shape of the Smart Metering PKI's (SEC Appendix B): P-256, the holder's EUI-64 in x500UniqueIdentifier, its
remote party role in OU, issued by an authority of the test zone.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from enum import IntEnum

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from bench.eui import Eui64
from bench.parties import KeyPair, KeyUse

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_VALID_FROM = datetime(2020, 1, 1, tzinfo=UTC)
_VALID_TO = datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC)
_USES = {KeyUse.DIGITAL_SIGNATURE: "digital signature", KeyUse.KEY_AGREEMENT: "key agreement", KeyUse.XML_SIGN: "xml"}


class RemotePartyRole(IntEnum):
    """Role of a certificate's holder (GBCS section 4, RemotePartyRole); its OU is this number in hexadecimal."""

    ROOT = 0
    RECOVERY = 1
    SUPPLIER = 2
    NETWORK_OPERATOR = 3
    ACCESS_CONTROL_BROKER = 4
    TRANSITIONAL_COS = 5
    WAN_PROVIDER = 6
    ISSUING_AUTHORITY = 7
    OTHER = 127
    XML_SIGN = 135
    DCC_XML_SIGN = 137


USER_ROLES = {
    "IS": RemotePartyRole.SUPPLIER,
    "ES": RemotePartyRole.SUPPLIER,
    "GS": RemotePartyRole.SUPPLIER,
    "ED": RemotePartyRole.NETWORK_OPERATOR,
    "GT": RemotePartyRole.NETWORK_OPERATOR,
}
"""Remote party role of a DUIS User Role; every other one is OTHER."""


class Identities:
    """The one authority of an emulated world, and every key pair that it has issued.

    Args:
        seed: the seed of the world.

    Attributes:
        on_certificate: told of a certificate that takes another one's place.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._issued: dict[tuple[Eui64, KeyUse], KeyPair] = {}
        self.on_certificate: Callable[[Eui64, KeyUse, x509.Certificate], None] = lambda eui, use, certificate: None

    def device(self, eui: Eui64, use: KeyUse) -> KeyPair:
        """The key pair of a device, made on first use."""
        return self._issue("device", eui, use, None)

    def organisation(self, eui: Eui64, use: KeyUse, role: RemotePartyRole) -> KeyPair:
        """The key pair of a User or of the DCC, made on first use; the role of the first use stays."""
        return self._issue("organisation", eui, use, role)

    def device_key(self, eui: Eui64, use: KeyUse, number: int) -> ec.EllipticCurvePrivateKey:
        """The key that a device makes as its `number`-th for a use, beside the one that it was made with."""
        return _private_key(self._seed, f"{eui} {_USES[use]} {number}")

    def request(self, eui: Eui64, use: KeyUse, number: int) -> bytes:
        """A device's certification request for such a key: PKCS #10, DER."""
        builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([_unique_identifier(eui)]))
        builder = builder.add_extension(_key_usage(agrees=use is KeyUse.KEY_AGREEMENT), critical=True)
        signed = builder.sign(self.device_key(eui, use, number), hashes.SHA256(), ecdsa_deterministic=True)
        return signed.public_bytes(serialization.Encoding.DER)

    def certify(self, request: bytes) -> bytes:
        """The certificate, DER, that the authority of devices makes of a device's request.

        Raises:
            ValueError: it is no request, is not signed with its own key, or names no device.
        """
        asked = x509.load_der_x509_csr(request)
        names = asked.subject.get_attributes_for_oid(NameOID.X500_UNIQUE_IDENTIFIER)
        key = asked.public_key()
        if not asked.is_signature_valid or len(names) != 1 or not isinstance(key, ec.EllipticCurvePublicKey):
            raise ValueError("no request of a device for a certificate of a P-256 key")
        raw = names[0].value
        if not isinstance(raw, bytes):
            raise ValueError("the device is not named by an EUI-64")
        usage = asked.extensions.get_extension_for_class(x509.KeyUsage).value
        use = KeyUse.KEY_AGREEMENT if usage.key_agreement else KeyUse.DIGITAL_SIGNATURE
        certificate = _certificate(self._seed, "device", key, Eui64(raw[-8:]), use, None)
        return certificate.public_bytes(serialization.Encoding.DER)

    def has_issued(self, authority: str, certificate: x509.Certificate) -> bool:
        """Whether a certificate is by the authority of "device" or "organisation"."""
        algorithm = certificate.signature_hash_algorithm
        if algorithm is None:
            return False
        try:
            _authority(self._seed, authority).public_key().verify(
                certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(algorithm)
            )
        except InvalidSignature:
            return False
        return True

    def replace_device(self, eui: Eui64, use: KeyUse, pair: KeyPair) -> None:
        """Let a device have another key pair from now on, and tell whoever keeps certificates."""
        self._issued[eui, use] = pair
        self.on_certificate(eui, use, pair.certificate)

    def _issue(self, authority: str, eui: Eui64, use: KeyUse, role: RemotePartyRole | None) -> KeyPair:
        if (eui, use) not in self._issued:
            self._issued[eui, use] = _pair(self._seed, authority, eui, use, role)
        return self._issued[eui, use]


# Worlds of one seed are made again and again, in a night of runs or by tests, and signing their certificates was a good
# part of making them. What one seed gives is always the same.
@functools.lru_cache(maxsize=1024)
def _pair(seed: int, authority: str, eui: Eui64, use: KeyUse, role: RemotePartyRole | None) -> KeyPair:
    private_key = _private_key(seed, f"{eui} {_USES[use]}")
    return KeyPair(private_key, _certificate(seed, authority, private_key.public_key(), eui, use, role))


def _octets(seed: int, label: str, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt=b"hilbench emulated world", info=label.encode()).derive(
        seed.to_bytes(8, "big", signed=True)
    )


def _private_key(seed: int, label: str) -> ec.EllipticCurvePrivateKey:
    # 16 bytes more than the order keep the reduction's bias below 2^-128 (FIPS 186-5, A.2.1).
    scalar = int.from_bytes(_octets(seed, f"key {label}", 48), "big") % (_ORDER - 1) + 1
    return ec.derive_private_key(scalar, ec.SECP256R1())


@functools.lru_cache(maxsize=64)
def _authority(seed: int, name: str) -> ec.EllipticCurvePrivateKey:
    return _private_key(seed, f"authority {name}")


def _certificate(
    seed: int,
    authority: str,
    public_key: ec.EllipticCurvePublicKey,
    eui: Eui64,
    use: KeyUse,
    role: RemotePartyRole | None,
) -> x509.Certificate:
    issuer = [x509.NameAttribute(NameOID.COMMON_NAME, "E1" if authority == "device" else "Z1")]
    if authority == "organisation":
        issuer.insert(0, _unit(RemotePartyRole.ISSUING_AUTHORITY))
    subject: list[x509.NameAttribute[str] | x509.NameAttribute[bytes]] = [] if role is None else [_unit(role)]
    subject.append(_unique_identifier(eui))
    agrees = use is KeyUse.KEY_AGREEMENT
    serial = int.from_bytes(_octets(seed, f"serial {eui} {_USES[use]}", 16), "big") >> 1
    return (
        x509.CertificateBuilder()
        .issuer_name(x509.Name(issuer))
        .subject_name(x509.Name(subject))
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(_VALID_FROM)
        .not_valid_after(_VALID_TO)
        .add_extension(_key_usage(agrees=agrees), critical=True)
        .add_extension(x509.SubjectKeyIdentifier(key_identifier(public_key)), critical=False)
        .sign(_authority(seed, authority), hashes.SHA256(), ecdsa_deterministic=True)
    )


def _unique_identifier(eui: Eui64) -> x509.NameAttribute[bytes]:
    # The first byte of a DER bit string counts its unused bits.
    return x509.NameAttribute(NameOID.X500_UNIQUE_IDENTIFIER, b"\x00" + eui.raw, _type=_ASN1Type.BitString)


def _key_usage(*, agrees: bool) -> x509.KeyUsage:
    return x509.KeyUsage(not agrees, False, False, False, agrees, False, False, False, False)


def _unit(role: RemotePartyRole) -> x509.NameAttribute[str]:
    return x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, f"{role:02x}")


def key_identifier(public_key: ec.EllipticCurvePublicKey) -> bytes:
    """The eight-byte subject key identifier of the Smart Metering PKI (RFC 5280, 4.2.1.2, method 2)."""
    point = public_key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    digest = hashlib.sha1(point, usedforsecurity=False).digest()[-8:]
    return bytes([0x40 | digest[0] & 0x0F]) + digest[1:]


def private_pem(private_key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key as an unencrypted PKCS #8 PEM."""
    return private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def certificate_pem(certificate: x509.Certificate) -> bytes:
    """A certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)
