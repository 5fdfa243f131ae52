"""Keys and certificates for HTTPS between an emulated DCC and whoever uses it: made anew, by a CA of their own.

Unlike everything else in an emulated world these keys are really random: they guard a listener against strangers,
which keys from a seed that stands in a rig file could not. Nothing in the event stream depends on them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from drivers.emulated.identities import certificate_pem, private_pem

CA, DCC, BENCH = "ca", "dcc", "bench"
_DAYS = 825


def make_material(now: datetime, dcc_names: Sequence[str], bench_names: Sequence[str]) -> dict[str, bytes]:
    """PEM files by name: `ca.pem`, and `.pem` and `.key` of the DCC and of the bench, each server and client.

    Args:
        now: UTC; the certificates are valid from a day before it.
        dcc_names: host names and IP addresses at which the DCC's services are.
        bench_names: the same of the receive service.
    """
    start = now.astimezone(UTC).replace(microsecond=0) - timedelta(days=1)
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hilbench emulated bench")])
    ca = (
        _builder(ca_name, ca_name, ca_key.public_key(), start)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    files = {f"{CA}.pem": certificate_pem(ca)}
    for holder, names in ((DCC, dcc_names), (BENCH, bench_names)):
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"hilbench {holder}")])
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
        certificate = (
            _builder(name, ca_name, key.public_key(), start)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(authority=False), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(x509.SubjectAlternativeName([_general(each) for each in names]), critical=False)
            .add_extension(authority, critical=False)
            .sign(ca_key, hashes.SHA256())
        )
        files |= {f"{holder}.pem": certificate_pem(certificate), f"{holder}.key": private_pem(key)}
    return files


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, start: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=_DAYS))
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(not authority, False, False, False, False, authority, authority, False, False)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
