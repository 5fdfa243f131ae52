"""Certificates for tests of TLS: an authority, those that it issued for this machine, and one that nobody issued."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from drivers.emulated.identities import certificate_pem, private_pem


def _issue(
    name: str, issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    local = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2090, 1, 1, tzinfo=UTC))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(local, critical=False)
    )
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256()), key


def make_pki(folder: Path) -> Path:
    """Write `ca`, `dcc`, `bench` and `other`, each as .pem and .key, to a folder."""
    ca = _issue("Example CA", None)
    for name, pair in (
        ("ca", ca),
        ("dcc", _issue("dcc", ca)),
        ("bench", _issue("bench", ca)),
        ("other", _issue("other", None)),
    ):
        (folder / f"{name}.pem").write_bytes(certificate_pem(pair[0]))
        (folder / f"{name}.key").write_bytes(private_pem(pair[1]))
    return folder
