"""Replacing the security credentials that a device holds of a party: use case CS02b (GBCS section 13.3).

The message code is 0x0100 plus the replacement mode, which says who replaces whose credentials. Certificates are
carried whole, in DER. The handover of a device from the DCC to its User (Service Request 6.21) is this use case,
sent by the Access Control Broker.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.eui import Eui64
from bench.gbcs import asn1, use_case
from bench.gbcs.alerts import Asn1Specific
from bench.gbcs.asn1 import Cursor
from bench.gbcs.asn1_use_cases import read_eui
from bench.gbcs.errors import GbcsError
from bench.gbcs.use_case import Response, Sender, UseCase, Values

ROLES = {
    0: "root",
    1: "recovery",
    2: "supplier",
    3: "network_operator",
    4: "access_control_broker",
    5: "transitional_cos",
    6: "wan_provider",
    7: "issuing_authority",
    127: "other",
}
"""Remote party roles of credentials."""

_KEY_USAGES = {
    "digital_signature": bytes.fromhex("0780"),
    "key_agreement": bytes.fromhex("0308"),
    "key_cert_sign": bytes.fromhex("0204"),
}
ENUMERATED = 0x0A
"""ASN.1 tag of an enumeration."""

_BIT_STRING = 0x03
_AUTHORISING_CELL, _AUTHORISING_COUNTER, _FLOOR, _PREPAYMENT_FLOOR, _OTHER_FLOORS = 0xA2, 0x83, 0x84, 0xA5, 0xA6


def write_usage(usage: str) -> bytes:
    """Write a key usage as the bit string of X.509.

    Raises:
        GbcsError: there is none of that name.
    """
    if usage not in _KEY_USAGES:
        raise GbcsError(f"key_usage is {usage!r}", expected=" or ".join(_KEY_USAGES))
    return asn1.element(_BIT_STRING, _KEY_USAGES[usage])


def read_usage(cursor: Cursor) -> str:
    """Read a key usage.

    Raises:
        GbcsError: it is another.
    """
    bits = cursor.element(_BIT_STRING, "key usage")
    usage = next((name for name, known in _KEY_USAGES.items() if known == bits), None)
    if usage is None:
        raise GbcsError(f"the key usage is {bits.hex()}", expected=" or ".join(_KEY_USAGES))
    return usage


UPDATE_ALERT = 0x00CB
"""Message code of the alert about a future-dated CS02b."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One place for a certificate in a device.

    Attributes:
        role: whose, a word of `ROLES`.
        key_usage: "digital_signature", "key_agreement" or "key_cert_sign".
        prepayment: the place for prepayment top-ups, not that for management.
    """

    role: str
    key_usage: str
    prepayment: bool = False

    def encode(self) -> bytes:
        """Write the parts of a cell identifier, without the sequence around them."""
        role = asn1.integer(use_case.choice({"role": self.role}, "role", ROLES))
        return role + write_usage(self.key_usage) + (asn1.integer(1) if self.prepayment else b"")

    @classmethod
    def read(cls, cursor: Cursor) -> Cell:
        """Read the parts of a cell identifier."""
        role = use_case.word(cursor.integer("role"), ROLES, "role")
        usage = read_usage(cursor)
        prepayment = cursor.next_tag is not None and bool(cursor.integer("cell usage"))
        cursor.finish("the cell identifier")
        return cls(role, usage, prepayment)


@dataclass(frozen=True, slots=True)
class Replacement:
    """A certificate and where it goes.

    Attributes:
        cell: the place.
        certificate: DER.
    """

    cell: Cell
    certificate: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one replacement.

    Attributes:
        cell: the place.
        status: 0 is success.
        existing_party: party of the certificate that was there.
        existing_key_id: subject key identifier of that certificate, 8 bytes.
        replacing_party: party of the certificate that was sent.
        replacing_key_id: subject key identifier of that certificate, 8 bytes.
    """

    cell: Cell
    status: int
    existing_party: Eui64
    existing_key_id: bytes
    replacing_party: Eui64
    replacing_key_id: bytes

    def encode(self) -> bytes:
        """Write one replacement outcome."""
        return asn1.sequence(
            asn1.sequence(self.cell.encode()),
            asn1.element(ENUMERATED, bytes([self.status])),
            asn1.octet_string(self.existing_party.raw),
            asn1.octet_string(self.existing_key_id),
            asn1.octet_string(self.replacing_party.raw),
            asn1.octet_string(self.replacing_key_id),
        )

    @classmethod
    def read(cls, cursor: Cursor) -> Outcome:
        """Read the parts of one replacement outcome."""
        cell = Cell.read(cursor.sequence("affected cell"))
        status = cursor.element(ENUMERATED, "status")
        if len(status) != 1:
            raise GbcsError(f"a replacement status has {len(status)} bytes", expected="1")
        outcome = cls(
            cell,
            status[0],
            read_eui(cursor, "existing party"),
            cursor.octet_string("existing key id"),
            read_eui(cursor, "replacing party"),
            cursor.octet_string("replacing key id"),
        )
        cursor.finish("the replacement outcome")
        return outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateCredentials(UseCase):
    """Replace credentials (CS02b).

    Parameters: `replacements` (tuple of `Replacement`), `certification_path` (tuple of DER certificates), and where
    present `authorising_cell` (a `Cell`), `floor_counter`, `prepayment_floor_counters` and `other_floor_counters`
    (undecoded), `execution_time`. Values of a response: `floor_changes` (tuple of role and counter) and `outcomes`
    (tuple of `Outcome`); both are absent where the command was accepted for a later date. `ok` is that every outcome
    has status 0.
    """

    _OPTIONAL = ("authorising_cell", "floor_counter", "prepayment_floor_counters", "other_floor_counters")

    @property
    def mode(self) -> int:
        """Credentials replacement mode."""
        return self.message_code - 0x0100

    def encode_command(self, params: Values, *, originator_counter: int) -> bytes:
        """Write authorisation, replacements and certification path."""
        names = ("replacements", "certification_path", *self._OPTIONAL, "execution_time")
        use_case.check_names(params, names, f"{self.name} command")
        control = asn1.integer(self.mode)
        if params.get("authorising_cell") is not None:
            control += asn1.element(_AUTHORISING_CELL, params["authorising_cell"].encode())
        control += asn1.element(_AUTHORISING_COUNTER, asn1.integer(originator_counter)[2:])
        if params.get("floor_counter") is not None:
            floor = use_case.integer(params, "floor_counter", (1 << 64) - 1)
            control += asn1.element(_FLOOR, asn1.integer(floor)[2:])
        for name, tag in (("prepayment_floor_counters", _PREPAYMENT_FLOOR), ("other_floor_counters", _OTHER_FLOORS)):
            if params.get(name) is not None:
                control += asn1.element(tag, use_case.octets(params, name))
        replacements = [
            asn1.sequence(replacement.certificate, asn1.sequence(replacement.cell.encode()))
            for replacement in params.get("replacements", ())
        ]
        time = params.get("execution_time")
        return asn1.sequence(
            asn1.sequence(control),
            asn1.sequence(*replacements),
            asn1.sequence(*params.get("certification_path", ())),
            b"" if time is None else asn1.generalized_time(use_case.moment(params, "execution_time")),
        )

    def decode_command(self, content: bytes) -> dict[str, Any]:
        """Read authorisation, replacements and certification path."""
        cursor = Cursor(content)
        body = cursor.sequence("update credentials command")
        cursor.finish("the update credentials command")
        params: dict[str, Any] = {}
        control = body.sequence("authorisation")
        self._read_mode(control)
        if control.next_tag == _AUTHORISING_CELL:
            params["authorising_cell"] = Cell.read(Cursor(control.element(_AUTHORISING_CELL, "authorising cell")))
        control.element(_AUTHORISING_COUNTER, "authorising counter")
        if control.next_tag == _FLOOR:
            params["floor_counter"] = int.from_bytes(control.element(_FLOOR, "floor counter"), "big")
        for name, tag in (("prepayment_floor_counters", _PREPAYMENT_FLOOR), ("other_floor_counters", _OTHER_FLOORS)):
            if control.next_tag == tag:
                params[name] = control.element(tag, name)
        control.finish("the authorisation")
        replacements = []
        rows = body.sequence("replacements")
        while rows.next_tag is not None:
            row = rows.sequence("replacement")
            certificate = row.whole("certificate")
            replacements.append(Replacement(Cell.read(row.sequence("cell")), certificate))
            row.finish("the replacement")
        path = []
        certificates = body.sequence("certification path")
        while certificates.next_tag is not None:
            path.append(certificates.whole("certificate"))
        params.update(replacements=tuple(replacements), certification_path=tuple(path))
        if body.next_tag is not None:
            params["execution_time"] = body.generalized_time("execution time")
        body.finish("the update credentials command")
        return params

    def encode_response(self, values: Values, *, originator_counter: int, ok: bool = True) -> bytes:
        """Write the outcomes, or only that the command was accepted."""
        use_case.check_names(values, ("floor_changes", "outcomes"), f"{self.name} response")
        accepted = asn1.element(asn1.NULL, b"")
        outcomes: tuple[Outcome, ...] = values.get("outcomes", ())
        if ok is not all(outcome.status == 0 for outcome in outcomes):
            raise GbcsError(f"the outcomes do not fit ok={ok}", expected="a status other than 0 exactly if not ok")
        if "outcomes" not in values:
            return asn1.sequence_16(accepted)
        return asn1.sequence_16(accepted, self._execution(originator_counter, values))

    def alert(self, originator_counter: int, values: Values) -> Asn1Specific:
        """What the alert about a future-dated update says: the counter of the command, and its outcomes."""
        return Asn1Specific(UPDATE_ALERT, self._execution(originator_counter, values))

    def _execution(self, originator_counter: int, values: Values) -> bytes:
        changes = [
            asn1.sequence(asn1.integer(use_case.choice({"role": role}, "role", ROLES)), asn1.integer(counter))
            for role, counter in values.get("floor_changes", ())
        ]
        return asn1.sequence(
            asn1.integer(originator_counter),
            asn1.integer(self.mode),
            asn1.sequence(*changes),
            asn1.sequence(*(outcome.encode() for outcome in values.get("outcomes", ()))),
        )

    def decode_response(self, content: bytes) -> Response:
        """Read the outcomes."""
        cursor = Cursor(content)
        body = cursor.sequence("update credentials response")
        cursor.finish("the update credentials response")
        body.element(asn1.NULL, "command accepted")
        if body.next_tag is None:
            return Response(True, {}, "accepted")
        outcome = body.sequence("execution outcome")
        body.finish("the update credentials response")
        outcome.integer("authorising counter")
        self._read_mode(outcome)
        changes = []
        rows = outcome.sequence("floor changes")
        while rows.next_tag is not None:
            row = rows.sequence("floor change")
            changes.append((use_case.word(row.integer("role"), ROLES, "role"), row.integer("floor counter")))
            row.finish("the floor change")
        outcomes = []
        rows = outcome.sequence("replacement outcomes")
        while rows.next_tag is not None:
            outcomes.append(Outcome.read(rows.sequence("replacement outcome")))
        outcome.finish("the execution outcome")
        failed = [row for row in outcomes if row.status]
        faults = [f"{row.cell.role} {row.cell.key_usage}: status {row.status}" for row in failed]
        values = {"floor_changes": tuple(changes), "outcomes": tuple(outcomes)}
        return Response(not failed, values, "; ".join(faults) or "success")

    def _read_mode(self, cursor: Cursor) -> None:
        mode = cursor.integer("replacement mode")
        if mode != self.mode:
            raise GbcsError(f"the replacement mode is {mode}", expected=str(self.mode))


def _by_user(mode: int, name: str) -> UpdateCredentials:
    return UpdateCredentials(
        message_code=0x0100 + mode,
        name=f"CS02b {name}",
        service_references=("6.15.1",),
        device_type="any",
        critical=True,
        response_signed=True,
        response_dated=True,
    )


def _by_broker(mode: int, name: str, reference: str) -> UpdateCredentials:
    return UpdateCredentials(
        message_code=0x0100 + mode,
        name=f"CS02b {name}",
        service_references=(reference,),
        device_type="any",
        critical=False,
        response_signed=True,
        response_dated=True,
        sender=Sender.BROKER,
        broker_signs=True,
    )


USE_CASES = (
    _by_user(2, "supplier by supplier"),
    _by_user(3, "network operator by network operator"),
    _by_broker(2, "supplier, handover", "6.21"),
    _by_broker(3, "network operator, handover", "6.21"),
    _by_broker(4, "broker by broker", "8.5"),
    _by_broker(7, "supplier by transitional CoS", "6.23"),
)
"""Who replaces whose credentials, and by which Service Request.

The handover to a network operator is published; that to a supplier is inferred from it. 6.23 is really sent by
the DCC's change-of-supplier party, which stands in for the Access Control Broker here.
"""
