"""What is wrong with a gateway's section of the rig file, its TLS files and its keys, seen without connecting."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bench.device import Problem
from bench.duis.signatures import certificate_eui
from bench.errors import BenchError
from bench.parties import KeyUse, Parties, User
from drivers.tls import TlsFiles

if TYPE_CHECKING:
    from drivers.gateway import GatewayConfig

DCC_BOXED_PORT = 8079
_SOON = timedelta(days=30)
_XML_ROLE = 135
_ROLES = {"IS": 2, "ES": 2, "GS": 2, "ED": 3, "GT": 3}
"""Remote party role in the OU of a User's digital signature and key agreement certificates; other Users have 127."""
_OTHER_ROLE = 127


def problems(config: GatewayConfig, parties: Parties, now: datetime) -> Iterator[Problem]:
    """Everything that can be seen to be wrong, or that is worth a word.

    Args:
        config: the gateway's section.
        parties: whose keys and certificates the rig has; without Users where they cannot be read.
        now: UTC, for the validity of certificates.
    """
    yield from _addresses(config)
    yield from _secrets(config)
    yield from _tls("tls", config.tls, now, ExtendedKeyUsageOID.CLIENT_AUTH)
    if config.receive_tls is not None:
        yield from _tls("receive_tls", config.receive_tls, now, ExtendedKeyUsageOID.SERVER_AUTH)
        yield from _name(config.receive_tls, config.receive_host)
    if parties.users:
        yield from _keys(parties, now)


def _is_local(host: str | None) -> bool:
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost"


def _addresses(config: GatewayConfig) -> Iterator[Problem]:
    url = urlsplit(config.url)
    remote, secure = not _is_local(url.hostname), url.scheme == "https"
    if url.port is None:
        port = 443 if secure else 80
        more = "" if secure else f"; a DCC Boxed listens at {DCC_BOXED_PORT}"
        yield Problem(
            f"url names no port, so that {port} is used{more}", f"Write it: {url.scheme}://{url.hostname}:PORT"
        )
    if remote and _is_local(config.receive_host):
        yield Problem(
            f"the DCC at {url.hostname} cannot deliver to receive_host {config.receive_host}, which only this machine"
            " can reach",
            "Write the IP address of the network interface that the DCC can reach",
        )
    if remote and not config.receive_port:
        yield Problem(
            "receive_port is 0, and the DCC cannot know which free port that becomes",
            "Write the port that the DCC is configured to deliver to",
        )
    if remote and not secure:
        yield Problem(
            "requests, install codes among them, cross the network in the clear",
            "Use https, or a wire or tunnel of the bench's own",
            wrong=False,
        )
    if not secure and config.tls != TlsFiles():
        yield Problem("tls is given and not used, because url is http", "Write url with https, or take tls away")
    if secure and config.tls.certificate is None:
        yield Problem(
            "tls has no certificate: a gateway that asks its clients for one refuses the bench",
            "Add certificate and key to tls, if it asks",
            wrong=False,
        )
    if config.receive_tls is not None and config.receive_tls.ca is None:
        yield Problem(
            "receive_tls has no ca, so that everybody may deliver who knows the path",
            "Add the ca that issued the certificate which the DCC delivers with",
            wrong=False,
        )


def _secrets(config: GatewayConfig) -> Iterator[Problem]:
    url = urlsplit(config.url)
    if config.token is None:
        return
    if url.scheme != "https" and not _is_local(url.hostname):
        yield Problem("token crosses the network in the clear", "Write url with https")
    if config.receive_token is not None and config.token.get_secret_value() == config.receive_token.get_secret_value():
        yield Problem("token and receive_token are the same secret", "Make a random one for each way")


def _tls(option: str, files: TlsFiles, now: datetime, usage: x509.ObjectIdentifier) -> Iterator[Problem]:
    if files.ca is not None:
        yield from _authority(option, files.ca, now)
    if files.key is not None and files.certificate is None:
        yield Problem(f"{option} has a key and no certificate", "Give both, or neither")
    if files.certificate is None:
        return
    certificate = _read(files.certificate)
    if isinstance(certificate, Problem):
        yield certificate
        return
    what = f"{option}: the certificate {files.certificate}"
    yield from _validity(what, certificate, now)
    try:
        uses = list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        uses = [usage]
    if usage not in uses and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in uses:
        side = "client" if usage == ExtendedKeyUsageOID.CLIENT_AUTH else "server"
        yield Problem(f"{what} is not for a {side}", f"Have one issued with the extended key usage of a TLS {side}")
    yield from _key(option, files.key or files.certificate, certificate)


def _authority(option: str, path: Path, now: datetime) -> Iterator[Problem]:
    certificate = _read(path)
    if isinstance(certificate, Problem):
        yield certificate
        return
    try:
        is_authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_authority = False
    if not is_authority and certificate.issuer != certificate.subject:
        yield Problem(
            f"{option}: {path} is no certificate of a CA", "Give the certificate of whoever issued the other's"
        )
    yield from _validity(f"{option}: the CA certificate {path}", certificate, now)


def _key(option: str, path: Path, certificate: x509.Certificate) -> Iterator[Problem]:
    try:
        mode, pem = path.stat().st_mode, path.read_bytes()
        key = load_pem_private_key(pem, password=None)
    except OSError as error:
        yield Problem(f"{option}: cannot read {path}: {error.strerror}", "Give a file that the bench can read")
        return
    except (ValueError, TypeError):
        yield Problem(f"{option}: {path} holds no unencrypted private key in PEM", "Give one, in key")
        return
    if mode & 0o077:
        yield Problem(f"{option}: {path} can be read by others", f"chmod 600 {path}")
    if key.public_key() != certificate.public_key():
        yield Problem(f"{option}: {path} does not belong to the certificate", "Give the key that it was issued for")


def _read(path: Path) -> x509.Certificate | Problem:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        return Problem(f"cannot read {path}: {error.strerror}", "Give a file that the bench can read")
    except ValueError:
        return Problem(f"{path} holds no certificate in PEM", "Give one that begins with BEGIN CERTIFICATE")


def _name(files: TlsFiles, host: str) -> Iterator[Problem]:
    certificate = _read(files.certificate) if files.certificate is not None else None
    if not isinstance(certificate, x509.Certificate) or ipaddress.ip_address(host).is_unspecified:
        return
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        yield Problem("receive_tls: the certificate names no host", "Have one issued with the bench's address or name")
        return
    addresses = names.get_values_for_type(x509.IPAddress)
    if ipaddress.ip_address(host) not in addresses and not names.get_values_for_type(x509.DNSName):
        yield Problem(
            f"receive_tls: the certificate is for {', '.join(map(str, addresses))}, not for receive_host {host}",
            "Have one issued for the address that the DCC delivers to",
        )


def _validity(what: str, certificate: x509.Certificate, now: datetime) -> Iterator[Problem]:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < start:
        yield Problem(f"{what} is not valid before {start:%Y-%m-%d}", "Check the bench's clock, or use an older one")
    elif now > end:
        yield Problem(f"{what} was valid until {end:%Y-%m-%d}", "Fetch or have issued the one that replaces it")
    elif end - now < _SOON:
        yield Problem(f"{what} is valid until {end:%Y-%m-%d} only", "Have the next one issued in time", wrong=False)


def _keys(parties: Parties, now: datetime) -> Iterator[Problem]:
    for user in parties.users.values():
        yield from _user(user, now)
    own = [user.xml.certificate for user in parties.users.values()]
    trusted = [each for each in parties.certificates.all(KeyUse.XML_SIGN) if each not in own]
    if not trusted:
        yield Problem(
            "certificates has no XML signing certificate of the DCC, so that nothing it sends can be believed",
            "Put it into the folder as EUI-xml.pem",
        )
    for certificate in trusted:
        yield from _validity(
            f"the XML signing certificate {certificate.serial_number:032x} of the DCC", certificate, now
        )
    smets1 = [dut.name for dut in parties.duts.values() if dut.smets1]
    if smets1 and all(each is parties.certificates.find(parties.dcc, KeyUse.XML_SIGN) for each in trusted):
        yield Problem(
            f"certificates has no XML signing certificate of a SMETS1 Service Provider, so that messages of {smets1[0]}"
            " cannot be believed",
            "Put it into the folder as EUI-xml.pem, with the provider's EUI-64",
            wrong=False,
        )
    for holder, name in [(dut.eui, dut.name) for dut in parties.duts.values() if not dut.smets1]:
        for use in (KeyUse.DIGITAL_SIGNATURE, KeyUse.KEY_AGREEMENT):
            held = parties.certificates.find(holder, use)
            if held is None:
                yield Problem(
                    f"certificates has no {use} certificate of {name}, so that its messages cannot be believed",
                    f"Put it into the folder as {holder.hex}-{use}.pem",
                    wrong=False,
                )
            else:
                yield from _validity(f"the {use} certificate of {name}", held, now)


def _user(user: User, now: datetime) -> Iterator[Problem]:
    expected = {
        KeyUse.DIGITAL_SIGNATURE: _ROLES.get(user.role, _OTHER_ROLE),
        KeyUse.KEY_AGREEMENT: _ROLES.get(user.role, _OTHER_ROLE),
        KeyUse.XML_SIGN: _XML_ROLE,
    }
    for use, pair in zip(KeyUse, (user.signing, user.agreement, user.xml), strict=True):
        what = f"the {use} certificate of User {user.name}"
        certificate = pair.certificate
        yield from _validity(what, certificate, now)
        try:
            holder = certificate_eui(certificate)
        except BenchError as error:
            yield Problem(f"{what} names no User: {error}", "Use one that the SMKI issued to this User")
            continue
        if holder != user.eui:
            yield Problem(f"{what} is that of {holder}, not of {user.eui}", "Check id and keys of the User")
        role = _role(certificate)
        if role is not None and role != expected[use]:
            yield Problem(
                f"{what} has the remote party role {role}, where {expected[use]} belongs",
                f"Check which certificate stands in {use}.pem, and the User's role",
            )
        if not _fits(certificate, use):
            yield Problem(f"{what} has a key for another use", f"Check which certificate stands in {use}.pem")


def _role(certificate: x509.Certificate) -> int | None:
    """The remote party role in a certificate's OU, a number in hexadecimal; None where there is none."""
    units = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    try:
        return int(str(units[0].value), 16) if units else None
    except ValueError:
        return None


def _fits(certificate: x509.Certificate, use: KeyUse) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return usage.key_agreement if use is KeyUse.KEY_AGREEMENT else usage.digital_signature
