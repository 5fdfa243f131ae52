"""Keys of a real rig's Users and the certificates it trusts, from files."""

from __future__ import annotations

import re
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bench.errors import UsageError
from bench.eui import Eui64
from bench.parties import Certificates, KeyPair, KeyUse, Parties, User
from bench.rig.file import Rig

_CERTIFICATE_NAME = re.compile(r"(?P<eui>[0-9a-f]{16})-(?P<use>ds|ka|xml)\.pem", re.IGNORECASE)


def load_parties(rig: Rig) -> Parties:
    """Read the Users' keys (`KEYS/ds.key` and `ds.pem`, likewise `ka` and `xml`) and the trusted certificates.

    Certificates are files named `<EUI-64 in hex>-<ds|ka|xml>.pem` in the rig's `certificates` folder.

    Raises:
        UsageError: a file is missing, is not what its name says, or a private key can be read by others.
    """
    base = rig.document.path.parent
    users = {
        name: User(name, spec.role, spec.id, *(_key_pair(rig, name, base / (spec.keys or ""), use) for use in KeyUse))
        for name, spec in rig.file.users.items()
    }
    trusted = Certificates()
    if rig.file.certificates is not None:
        folder = base / rig.file.certificates
        if not folder.is_dir():
            raise UsageError(f"there is no folder {folder}", where=rig.where("certificates"))
        for path in sorted(folder.iterdir()):
            match = _CERTIFICATE_NAME.fullmatch(path.name)
            if match is not None:
                trusted.add(Eui64.parse(match["eui"]), KeyUse(match["use"].lower()), _certificate(path))
    for user in users.values():
        for use, pair in zip(KeyUse, (user.signing, user.agreement, user.xml), strict=True):
            trusted.add(user.eui, use, pair.certificate)
    return Parties(users, rig.duts, rig.file.dcc, trusted)


def _key_pair(rig: Rig, user: str, folder: Path, use: KeyUse) -> KeyPair:
    where = rig.where("users", user, "keys")
    path = folder / f"{use}.key"
    try:
        mode = path.stat().st_mode
        pem = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", where=where) from None
    if mode & 0o077:
        raise UsageError(f"{path} can be read by others", where=where, next_step=f"chmod 600 {path}")
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, InvalidKey):
        raise UsageError(f"{path} is not an unencrypted private key in PEM", where=where) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise UsageError(f"{path} is not a P-256 key", where=where)
    certificate = _certificate(folder / f"{use}.pem")
    if certificate.public_key() != key.public_key():
        raise UsageError(f"{path} does not belong to the certificate {use}.pem beside it", where=where)
    return KeyPair(key, certificate)


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise UsageError(f"{path} is not a certificate in PEM") from None
