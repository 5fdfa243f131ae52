"""Who takes part: Users with their keys, devices under test, and the certificates by which both are believed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from bench.errors import UsageError
from bench.eui import Eui64


class DeviceType(StrEnum):
    """Kinds of device in the Smart Metering Inventory, as DUIS names them."""

    ESME = "ESME"
    GSME = "GSME"
    CHF = "CHF"
    GPF = "GPF"
    PPMID = "PPMID"
    HCALCS = "HCALCS"


class KeyUse(StrEnum):
    """What a certificate's key is for."""

    DIGITAL_SIGNATURE = "ds"
    KEY_AGREEMENT = "ka"
    XML_SIGN = "xml"


@dataclass(frozen=True, slots=True, repr=False)
class KeyPair:
    """A P-256 private key with its certificate. Never printed, logged or put in evidence."""

    private_key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def __repr__(self) -> str:
        return "KeyPair(...)"


@dataclass(frozen=True, slots=True)
class User:
    """A party that the bench acts as.

    Attributes:
        name: its name in rig and runbooks, usually the role: "IS", "GS", "ED".
        role: the DUIS User Role.
        eui: its User ID.
        signing: GBCS digital signature key.
        agreement: GBCS key agreement key.
        xml: DUIS XML signing key.
    """

    name: str
    role: str
    eui: Eui64
    signing: KeyPair = field(repr=False)
    agreement: KeyPair = field(repr=False)
    xml: KeyPair = field(repr=False)


@dataclass(frozen=True, slots=True)
class Dut:
    """A device under test.

    Attributes:
        name: its name in runbooks: "esme", "gsme", "chf", "gpf".
        install_code: hexadecimal, a secret: never printed, logged or put in evidence.
        mpxn: the MPAN or MPRN of its metering point, or None.
        smets1: it is SMETS1 equipment, which speaks no GBCS and is reached by way of a SMETS1 Service Provider.
        sub_ghz: its radio is in the sub-GHz band, where a sniffer of the 2.4 GHz band hears nothing of it.
    """

    name: str
    type: DeviceType
    eui: Eui64
    model: str = ""
    manufacturer: str = ""
    firmware: str = ""
    serial: str = ""
    mpxn: str | None = None
    install_code: str | None = field(default=None, repr=False)
    smets1: bool = False
    sub_ghz: bool = False


class Certificates:
    """Trusted certificates by holder and use: the bench's own view of the SMKI repository."""

    def __init__(self, entries: Iterable[tuple[Eui64, KeyUse, x509.Certificate]] = ()) -> None:
        self._by_holder: dict[tuple[Eui64, KeyUse], x509.Certificate] = {}
        for eui, use, certificate in entries:
            self.add(eui, use, certificate)

    def add(self, eui: Eui64, use: KeyUse, certificate: x509.Certificate) -> None:
        """Trust one more certificate, in place of an older one of the same holder and use."""
        self._by_holder[eui, use] = certificate

    def find(self, eui: Eui64, use: KeyUse) -> x509.Certificate | None:
        """The certificate of a holder for a use, or None."""
        return self._by_holder.get((eui, use))

    def all(self, use: KeyUse) -> list[x509.Certificate]:
        """Every certificate of one use, in the order of addition."""
        return [certificate for (_, kind), certificate in self._by_holder.items() if kind == use]

    def public_key(self, eui: Eui64, use: KeyUse) -> ec.EllipticCurvePublicKey | None:
        """The P-256 public key of a holder, or None if none is trusted."""
        certificate = self.find(eui, use)
        if certificate is None:
            return None
        key = certificate.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise UsageError(f"the {use} certificate of {eui} does not hold an elliptic curve key")
        return key


@dataclass(frozen=True, slots=True)
class Parties:
    """Everybody on one rig.

    Attributes:
        users: by name.
        duts: by name.
        dcc: the EUI-64 of the DCC's Access Control Broker, target of DCC-only requests.
        certificates: who is believed.
    """

    users: Mapping[str, User]
    duts: Mapping[str, Dut]
    dcc: Eui64
    certificates: Certificates

    def user_by_eui(self, eui: Eui64) -> User | None:
        """The User with this ID, or None."""
        return next((user for user in self.users.values() if user.eui == eui), None)

    def dut_by_eui(self, eui: Eui64) -> Dut | None:
        """The device under test with this ID, or None."""
        return next((dut for dut in self.duts.values() if dut.eui == eui), None)


def dut_summary(duts: Mapping[str, Dut]) -> dict[str, dict[str, str]]:
    """The devices under test for the record, without their secrets."""
    return {
        name: {
            "type": dut.type.value,
            "id": str(dut.eui),
            "model": dut.model,
            "manufacturer": dut.manufacturer,
            "firmware": dut.firmware,
            "serial": dut.serial,
            "mpxn": dut.mpxn or "",
        }
        for name, dut in duts.items()
    }
