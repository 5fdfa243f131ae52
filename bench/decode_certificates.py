"""A folder of certificates, by party and by issuer, to verify what is being decoded."""

from __future__ import annotations

import re
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from bench.duis.errors import SignatureError
from bench.duis.signatures import certificate_eui
from bench.errors import UsageError
from bench.eui import Eui64

_MAX_BYTES = 1 << 20
_EUI = re.compile(r"(?<![0-9a-fA-F])[0-9a-fA-F]{2}(?:-?[0-9a-fA-F]{2}){7}(?![0-9a-fA-F])")
_AGREEMENT = re.compile(r"-ka\b", re.IGNORECASE)


class Certificates:
    """The certificates of a folder: every `*.pem` file in it, each with one certificate.

    A file named EUI-ds.pem holds a party's digital signature certificate, EUI-ka.pem its key agreement certificate,
    which verifies nothing. A file without an EUI-64 in its name belongs to the party that the certificate names.
    """

    def __init__(self, folder: Path) -> None:
        """Read the folder.

        Raises:
            UsageError: it cannot be read, holds no certificate, or a file in it is none; the file is named.
        """
        self._by_party: dict[Eui64, list[tuple[str, ec.EllipticCurvePublicKey]]] = {}
        self._all: list[tuple[str, x509.Certificate]] = []
        try:
            paths = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".pem")
        except OSError as error:
            raise UsageError(f"the certificates cannot be read: {error.strerror}", where=str(folder)) from None
        if not paths:
            raise UsageError("no certificates", where=str(folder), next_step="Put EUI-ds.pem files there")
        for path in paths:
            self._add(path)

    def _add(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                certificate = x509.load_pem_x509_certificate(file.read(_MAX_BYTES))
            key = certificate.public_key()
        except OSError as error:
            raise UsageError(f"the certificate cannot be read: {error.strerror}", where=str(path)) from None
        except ValueError:
            raise UsageError("this is no certificate in PEM form", where=str(path)) from None
        self._all.append((path.name, certificate))
        if _AGREEMENT.search(path.stem) or not isinstance(key, ec.EllipticCurvePublicKey):
            return
        party = _party(path, certificate)
        if party is not None:
            self._by_party.setdefault(party, []).append((path.name, key))

    def signature_keys(self, party: Eui64) -> tuple[tuple[str, ec.EllipticCurvePublicKey], ...]:
        """Return the digital signature keys of a party, each with the name of its file."""
        return tuple(self._by_party.get(party, ()))

    def find(self, issuer: x509.Name, serial: int) -> x509.Certificate | None:
        """Return the certificate with an issuer, its parts in either order, and a serial number; or None."""
        names = (issuer, x509.Name(reversed(list(issuer.rdns))))
        certificates = (certificate for _, certificate in self._all)
        return next((each for each in certificates if each.serial_number == serial and each.issuer in names), None)

    def file_of(self, certificate: x509.Certificate) -> str:
        """Return the name of the file that a certificate came from; empty for another certificate."""
        return next((name for name, each in self._all if each == certificate), "")


def _party(path: Path, certificate: x509.Certificate) -> Eui64 | None:
    named = _EUI.search(path.stem)
    if named:
        return Eui64(bytes.fromhex(named[0].replace("-", "")))
    try:
        return certificate_eui(certificate)
    except SignatureError:
        return None
