"""TLS for drivers that speak over it: which PEM files the rig file may name, and what is made of them."""

from __future__ import annotations

import ssl
from pathlib import Path

from bench.device import DriverConfig
from bench.errors import UsageError


class TlsFiles(DriverConfig):
    """PEM files for one end of a TLS connection.

    Attributes:
        ca: certificates by which the other end is believed; as a client without it, those of the operating system.
        certificate: the bench's own chain; needed to be a server.
        key: its private key, without a passphrase.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def context(self, *, server: bool) -> ssl.SSLContext:
        """Read the files. A server with `ca` asks every client for a certificate.

        Raises:
            UsageError: a file cannot be read, or certificate and key do not belong together.
        """
        try:
            purpose = ssl.Purpose.CLIENT_AUTH if server else ssl.Purpose.SERVER_AUTH
            context = ssl.create_default_context(purpose, cafile=self.ca)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if server and self.ca:
                context.verify_mode = ssl.CERT_REQUIRED
            if self.certificate:
                # OpenSSL would ask at the terminal for the passphrase of an encrypted key: an empty one fails instead.
                context.load_cert_chain(self.certificate, self.key, password="")
        except OSError as error:  # which SSLError is too
            raise UsageError(
                f"the TLS files cannot be used: {error.strerror or error}",
                where=", ".join(str(path) for path in (self.ca, self.certificate, self.key) if path),
                next_step="Give PEM files: CA certificates, and a certificate with its unencrypted key",
            ) from None
        return context
