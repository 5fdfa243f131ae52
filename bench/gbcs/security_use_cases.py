"""Credentials that devices hold and have: CS02a, CS02c, CS02d, CS02e (GBCS section 13.4).

CS02a is laid out after the published request and after the response of CS02f, which says the same of credentials. What
the refusals of CS02c, CS02d and CS02e mean is not published but for their numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.eui import Eui64
from bench.gbcs import asn1, use_case
from bench.gbcs.asn1 import Cursor
from bench.gbcs.asn1_use_cases import read_eui
from bench.gbcs.credentials import ENUMERATED, ROLES, Cell, read_usage, write_usage
from bench.gbcs.errors import GbcsError
from bench.gbcs.use_case import Response, UseCase, Values

HELD, NOT_HELD = 0, 0x7F
"""Statuses of CS02a: credentials of the role are listed, or the device has none."""

_TRUST_ANCHOR = Cell("access_control_broker", "key_agreement")
_KEY_ID_BYTES = 8


@dataclass(frozen=True, slots=True)
class Held:
    """What a device holds of one role.

    Attributes:
        role: a word of `ROLES`.
        status: `HELD` or `NOT_HELD`.
        floor_counter: the lowest originator counter that it takes of that party, less one; None if it holds nothing.
        cells: key usage, party and subject key identifier of each certificate.
    """

    role: str
    status: int
    floor_counter: int | None = None
    cells: tuple[tuple[str, Eui64, bytes], ...] = ()

    def encode(self) -> bytes:
        """Write the credentials of one role."""
        role = asn1.integer(use_case.choice({"role": self.role}, "role", ROLES))
        status = asn1.element(ENUMERATED, bytes([self.status]))
        if self.floor_counter is None:
            return asn1.sequence(role, status)
        cells = (
            asn1.sequence(write_usage(usage), asn1.octet_string(party.raw), asn1.octet_string(key_id))
            for usage, party, key_id in self.cells
        )
        return asn1.sequence(role, status, asn1.integer(self.floor_counter), asn1.sequence(*cells))

    @classmethod
    def read(cls, cursor: Cursor) -> Held:
        """Read the parts of the credentials of one role."""
        role = use_case.word(cursor.integer("role"), ROLES, "role")
        status = cursor.element(ENUMERATED, "status")
        if len(status) != 1:
            raise GbcsError(f"a status has {len(status)} bytes", expected="1")
        if cursor.next_tag is None:
            return cls(role, status[0])
        counter = cursor.integer("floor counter")
        cells = []
        rows = cursor.sequence("cells")
        while rows.next_tag is not None:
            row = rows.sequence("cell")
            usage, party = read_usage(row), read_eui(row, "party")
            key_id = row.octet_string("key id")
            if len(key_id) != _KEY_ID_BYTES:
                raise GbcsError(f"a key identifier has {len(key_id)} bytes", expected=f"{_KEY_ID_BYTES}")
            cells.append((usage, party, key_id))
            row.finish("the cell")
        cursor.finish("the credentials of a role")
        return cls(role, status[0], counter, tuple(cells))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCredentials(UseCase):
    """Read whose credentials a device holds: `roles` in, `credentials` (tuple of `Held`) out (CS02a)."""

    def encode_command(self, params: Values, *, originator_counter: int) -> bytes:
        """Write the roles, after the cell whose key makes the tag of the response."""
        use_case.check_names(params, ("roles",), f"{self.name} command")
        roles = use_case.present(params, "roles")
        numbers = (asn1.integer(use_case.choice({"role": role}, "role", ROLES)) for role in roles)
        return asn1.sequence(asn1.sequence(_TRUST_ANCHOR.encode()), asn1.sequence(*numbers))

    def decode_command(self, content: bytes) -> dict[str, Any]:
        """Read the roles."""
        body = _whole(content, "read credentials command")
        cell = Cell.read(body.sequence("trust anchor cell"))
        if cell != _TRUST_ANCHOR:
            raise GbcsError(f"the trust anchor is {cell.role} {cell.key_usage}", expected="that of the broker")
        roles = []
        rows = body.sequence("roles")
        while rows.next_tag is not None:
            roles.append(use_case.word(rows.integer("role"), ROLES, "role"))
        body.finish("the read credentials command")
        return {"roles": tuple(roles)}

    def encode_response(self, values: Values, *, originator_counter: int, ok: bool = True) -> bytes:
        """Write the credentials; there is no refusal."""
        use_case.check_names(values, ("credentials",), f"{self.name} response")
        return asn1.sequence(*(held.encode() for held in values.get("credentials", ())))

    def decode_response(self, content: bytes) -> Response:
        """Read the credentials."""
        body = _whole(content, "read credentials response")
        held = []
        while body.next_tag is not None:
            held.append(Held.read(body.sequence("credentials of a role")))
        return Response(True, {"credentials": tuple(held)}, "success")


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCredentials(UseCase):
    """What concerns the certificate of a device itself: `key_usage` or `certificate` in; DER or nothing out.

    A refusal is a number, `status`.

    Attributes:
        asks_for: name of the parameter: "key_usage" or "certificate".
        returns: name of the value of a good response; empty where it is the number 0.
    """

    asks_for: str
    returns: str

    def encode_command(self, params: Values, *, originator_counter: int) -> bytes:
        """Write the key usage or the certificate."""
        use_case.check_names(params, (self.asks_for,), f"{self.name} command")
        if self.asks_for == "certificate":
            return use_case.octets(params, "certificate")
        return asn1.sequence(write_usage(use_case.present(params, "key_usage")))

    def decode_command(self, content: bytes) -> dict[str, Any]:
        """Read the key usage or the certificate."""
        if self.asks_for == "certificate":
            cursor = Cursor(content)
            certificate = cursor.whole("certificate")
            cursor.finish("the certificate")
            return {"certificate": certificate}
        body = _whole(content, "command")
        usage = read_usage(body)
        body.finish("the command")
        return {"key_usage": usage}

    def encode_response(self, values: Values, *, originator_counter: int, ok: bool = True) -> bytes:
        """Write what was asked for, or the number that says that it is not given."""
        names = (self.returns,) if ok and self.returns else () if ok else ("status",)
        use_case.check_names(values, names, f"{self.name} response")
        if ok and self.returns:
            return use_case.octets(values, self.returns)
        return asn1.integer(0 if ok else use_case.integer({"status": 1, **values}, "status", 0x7F))

    def decode_response(self, content: bytes) -> Response:
        """Read what was asked for, or the number."""
        cursor = Cursor(content)
        if cursor.next_tag == asn1.SEQUENCE and self.returns:
            whole = cursor.whole(self.returns)
            cursor.finish("the response")
            return Response(True, {self.returns: whole}, "success")
        status = cursor.integer("status")
        cursor.finish("the response")
        if status == 0 and not self.returns:
            return Response(True, {}, "success")
        return Response(False, {"status": status}, f"status {status}")


def _whole(content: bytes, what: str) -> Cursor:
    cursor = Cursor(content)
    body = cursor.sequence(what)
    cursor.finish(f"the {what}")
    return body


def _own(message_code: int, name: str, reference: str, asks_for: str, returns: str) -> OwnCredentials:
    return OwnCredentials(
        message_code=message_code,
        name=name,
        service_references=(reference,),
        device_type="any",
        critical=True,
        response_signed=True,
        asks_for=asks_for,
        returns=returns,
    )


USE_CASES: tuple[UseCase, ...] = (
    ReadCredentials(
        message_code=0x0008,
        name="CS02a",
        service_references=("6.24.1",),
        device_type="any",
        critical=False,
        response_signed=False,
    ),
    _own(0x000A, "CS02c", "6.17", "key_usage", "certification_request"),
    _own(0x000B, "CS02d", "6.15.2", "certificate", ""),
    _own(0x000C, "CS02e", "6.24.2", "key_usage", "certificate"),
)
"""In the order of their message codes."""
