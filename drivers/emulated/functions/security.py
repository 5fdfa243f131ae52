"""Security credentials: those that a device holds of others, and its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from bench.duis.signatures import certificate_eui
from bench.errors import BenchError
from bench.gbcs import credentials
from bench.gbcs.credentials import ROLES, Outcome, Replacement, UpdateCredentials
from bench.gbcs.security_use_cases import HELD, NOT_HELD, Held
from bench.gbcs.use_cases import UseCase
from bench.parties import DeviceType, KeyPair, KeyUse
from drivers.emulated.commands import Action, Refused, Values
from drivers.emulated.device import Anchor, EmulatedDevice
from drivers.emulated.functions.activations import Activations
from drivers.emulated.functions.base import Function
from drivers.emulated.identities import RemotePartyRole, key_identifier

BAD_CERTIFICATE = 5
"""Status of a replacement whose certificate cannot be read, or is of another authority."""

NO_REQUEST, WRONG_KEY, BAD_DEVICE_CERTIFICATE = 1, 3, 2
"""Refusals of CS02d: no key waits for a certificate, it is of another key, or of another authority or device."""

UPDATED = 0x8F70
"""The alert that credentials were updated."""

_ROLES = {word: RemotePartyRole(number) for number, word in ROLES.items()}
_REPLACEABLE = ("supplier", "network_operator", "access_control_broker")
_USES = {"digital_signature": KeyUse.DIGITAL_SIGNATURE, "key_agreement": KeyUse.KEY_AGREEMENT}
_UPDATES = {each.name: each for each in credentials.USE_CASES}


class Credentials(Function):
    """What a device believes, and what makes others believe it.

    A certificate of a party is taken if the authority of organisations has issued it. A new key of the device's own is
    used from the moment on at which its certificate has come (6.17, then 6.15.2).

    Attributes:
        made: how many keys it has made for each use.
        waiting: for each use the number of the key that waits for its certificate.
        own: for each use the number of the key in use and its certificate, DER; absent for the first one.
        top_up: the certificate for prepayment top-ups, DER; None until one was sent.
    """

    remembers: ClassVar[tuple[str, ...]] = ("made", "waiting", "own", "top_up")

    def __init__(self, device: EmulatedDevice) -> None:
        super().__init__(device)
        self.made: dict[str, int] = {}
        self.waiting: dict[str, int] = {}
        self.own: dict[str, tuple[int, bytes]] = {}
        self.top_up: bytes | None = None

    @property
    def actions(self) -> Mapping[str, Action]:
        """What it can be told to do, by use case name."""
        updates = {name: partial(self._update, use_case) for name, use_case in _UPDATES.items()}
        return updates | {
            "CS02a": self._read,
            "CS02c": self._issue,
            "CS02d": self._install,
            "CS02e": self._read_own,
        }

    def load(self, saved: Mapping[str, Any]) -> None:
        """Remember what an earlier life saved, and use the keys that it had."""
        super().load(saved)
        for usage, (number, certificate) in self.own.items():
            self._use(usage, number, certificate)

    def refusal(self, use_case: UseCase, params: Values) -> Values:
        """What the response to a refused update says."""
        if use_case.name not in _UPDATES:
            return {}
        return {"outcomes": tuple(self._outcome(each, BAD_CERTIFICATE)[0] for each in params["replacements"])}

    # Credentials of others

    def _read(self, params: Values) -> Values:
        return {"credentials": tuple(self._held(role) for role in params["roles"])}

    def _held(self, role: str) -> Held:
        anchor = self.device.anchors.get(_ROLES[role])
        if anchor is None:
            return Held(role, NOT_HELD)
        keys = (("digital_signature", anchor.signature_key), ("key_agreement", anchor.agreement_key))
        cells = tuple((usage, anchor.eui, key_identifier(key)) for usage, key in keys)
        return Held(role, HELD, max(0, self.device.last_counter.get(anchor.eui, 0)), cells)

    def _update(self, use_case: UpdateCredentials, params: Values) -> Values:
        moment = params.get("execution_time")
        if moment is None:
            values = self._replace(params)
            self.device.world.schedule.after(0.5, self._tell)
            return values
        said: dict[str, Any] = {}

        def apply() -> None:
            try:
                said.update(self._replace(params))
            except Refused as refused:
                said.update(refused.values)
                raise
            self._tell()

        activations = self.device.function(Activations)
        activations.at(moment, (lambda counter: use_case.alert(counter, said),), apply, about=use_case.name)
        return {}

    def _tell(self) -> None:
        self.device.raise_alert(UPDATED)

    def _replace(self, params: Values) -> Values:
        done = [self._outcome(replacement, 0) for replacement in params["replacements"]]
        outcomes = tuple(outcome for outcome, _ in done)
        if any(outcome.status for outcome in outcomes):
            raise Refused("a certificate cannot be used", {"outcomes": outcomes})
        changes = []
        for (outcome, key), replacement in zip(done, params["replacements"], strict=True):
            assert key is not None  # its status is 0
            self._put(replacement, outcome, key)
        floor, anchor = params.get("floor_counter"), None
        for outcome in outcomes[:1]:
            anchor = self.device.anchors.get(_ROLES[outcome.cell.role])
            if floor is not None and anchor is not None:
                self.device.last_counter[anchor.eui] = floor
                changes.append((outcome.cell.role, floor))
        return {"floor_changes": tuple(changes), "outcomes": outcomes}

    def _put(self, replacement: Replacement, outcome: Outcome, key: ec.EllipticCurvePublicKey) -> None:
        if replacement.cell.prepayment:
            self.top_up = replacement.certificate
            return
        role = _ROLES[replacement.cell.role]
        anchor = replace(self._anchor(role), eui=outcome.replacing_party)
        if replacement.cell.key_usage == "key_agreement":
            self.device.anchors[role] = replace(anchor, agreement_key=key)
        else:
            self.device.anchors[role] = replace(anchor, signature_key=key)

    def _anchor(self, role: RemotePartyRole) -> Anchor:
        # Where there is nobody yet, the Access Control Broker stands in for him.
        return self.device.anchors.get(role) or self.device.anchors[RemotePartyRole.ACCESS_CONTROL_BROKER]

    def _outcome(self, replacement: Replacement, status: int) -> tuple[Outcome, ec.EllipticCurvePublicKey | None]:
        """What becomes of one replacement: the status given, or a refusal of a certificate that cannot be used."""
        cell = replacement.cell
        anchor = self._anchor(_ROLES[cell.role])
        old = key_identifier(anchor.agreement_key if cell.key_usage == "key_agreement" else anchor.signature_key)
        certificate = _certificate(replacement.certificate)
        key = certificate.public_key() if certificate is not None else None
        good = certificate is not None and self.world.identities.has_issued("organisation", certificate)
        if certificate is None or not good or not isinstance(key, ec.EllipticCurvePublicKey):
            return Outcome(cell, BAD_CERTIFICATE, anchor.eui, old, anchor.eui, bytes(8)), None
        if cell.role not in _REPLACEABLE:
            return Outcome(cell, BAD_CERTIFICATE, anchor.eui, old, anchor.eui, bytes(8)), None
        try:
            party = certificate_eui(certificate)
        except BenchError:
            return Outcome(cell, BAD_CERTIFICATE, anchor.eui, old, anchor.eui, bytes(8)), None
        return Outcome(cell, status, anchor.eui, old, party, key_identifier(key)), key

    # Its own credentials

    def _issue(self, params: Values) -> Values:
        """Make a new key, and ask for its certificate."""
        usage = params["key_usage"]
        if usage not in _USES:
            raise Refused("a device has no such key")
        number = self.waiting[usage] = self.made[usage] = self.made.get(usage, 0) + 1
        return {"certification_request": self.world.identities.request(self.device.eui, _USES[usage], number)}

    def _install(self, params: Values) -> Values:
        """Use the key whose certificate has come.

        Raises:
            Refused: it is not what was asked for.
        """
        certificate = _certificate(params["certificate"])
        if certificate is None or not self.world.identities.has_issued("device", certificate):
            raise Refused("the certificate is no device's", {"status": BAD_DEVICE_CERTIFICATE})
        if not self.waiting:
            raise Refused("no key waits for a certificate", {"status": NO_REQUEST})
        for usage, number in self.waiting.items():
            key = self.world.identities.device_key(self.device.eui, _USES[usage], number)
            if certificate.public_key() == key.public_key():
                del self.waiting[usage]
                self.own[usage] = number, params["certificate"]
                # At once: the response proves that the device has the key. No source says which one signs it.
                self._use(usage, number, params["certificate"])
                return {}
        raise Refused("the certificate is of another key", {"status": WRONG_KEY})

    def _use(self, usage: str, number: int, certificate: bytes) -> None:
        identities, use = self.world.identities, _USES[usage]
        pair = KeyPair(identities.device_key(self.device.eui, use, number), x509.load_der_x509_certificate(certificate))
        identities.replace_device(self.device.eui, use, pair)
        if use is KeyUse.DIGITAL_SIGNATURE:
            self.device.signing = pair
        else:
            self.device.agreement = pair

    def _read_own(self, params: Values) -> Values:
        usage = params["key_usage"]
        if usage not in _USES:
            raise Refused("a device has no such certificate")
        pair = self.device.signing if usage == "digital_signature" else self.device.agreement
        return {"certificate": pair.certificate.public_bytes(Encoding.DER)}


def _certificate(der: bytes) -> x509.Certificate | None:
    try:
        certificate = x509.load_der_x509_certificate(der)
        certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None
    return certificate


FUNCTIONS: Mapping[DeviceType, tuple[type[Function], ...]] = dict.fromkeys(DeviceType, (Credentials,))
"""By type of device."""
