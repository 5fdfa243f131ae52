"""Activating a firmware image: CS06 (GBCS section 11.5), its response, and the alert of a future-dated one.

The command is published as a reference message; response and alert follow GBCS's ASN.1 module ActivateFirmware.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bench.gbcs import asn1, use_case
from bench.gbcs.alerts import Alert, Asn1Specific
from bench.gbcs.asn1 import Cursor
from bench.gbcs.errors import GbcsError
from bench.gbcs.use_case import Response, UseCase, Values

OUTCOMES = {0: "success", 1: "no image held", 2: "hash mismatch", 3: "activation failure"}
"""What `outcome` may be (activateImageResponseCode)."""

ACTIVATION_ALERT = 0x00CA
"""Message code of the alert about a future-dated activation."""

_HASH_BYTES = 32


def _outcome(values: Values) -> bytes:
    return asn1.sequence(
        asn1.integer(use_case.choice(values, "outcome", OUTCOMES)),
        asn1.octet_string(use_case.octets(values, "firmware_version", 4)),
    )


def _read_outcome(cursor: Cursor) -> dict[str, Any]:
    body = cursor.sequence("outcome")
    outcome = use_case.word(body.integer("outcome"), OUTCOMES, "outcome")
    version = body.octet_string("firmware version")
    body.finish("the outcome")
    return {"outcome": outcome, "firmware_version": version}


def activation_alert(counter: int, values: Values) -> Asn1Specific:
    """What the alert about a future-dated activation says.

    Args:
        counter: the command's originator counter.
        values: `outcome` and `firmware_version` (4 bytes), what is in execution now.

    Raises:
        GbcsError: a value is missing or does not fit.
    """
    return Asn1Specific(ACTIVATION_ALERT, asn1.integer(counter) + _outcome(values))


def read_activation_alert(alert: Alert) -> dict[str, Any]:
    """The values of an alert about a future-dated activation.

    Raises:
        GbcsError: it is another alert.
    """
    if not isinstance(alert.specific, bytes):
        raise GbcsError("the alert is not in ASN.1", expected="an alert about an activation")
    cursor = Cursor(alert.specific)
    counter = cursor.integer("originator counter")
    values = _read_outcome(cursor)
    cursor.finish("the alert")
    return {"originator_counter": counter} | values


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivateFirmware(UseCase):
    """Activate the image that a device holds, now or at a date: CS06.

    Parameters are `image_hash` (SHA-256 of the manufacturer's image) and `execution_date_time`, if it is future dated.
    The response to that is empty: whether it succeeds is not known yet.
    """

    def encode_command(self, params: Values, *, originator_counter: int) -> bytes:
        """Write hash, counter and date."""
        use_case.check_names(params, ("image_hash", "execution_date_time"), f"{self.name} command")
        dated = params.get("execution_date_time") is not None
        return asn1.sequence(
            asn1.octet_string(use_case.octets(params, "image_hash", _HASH_BYTES)),
            asn1.integer(originator_counter),
            asn1.generalized_time(use_case.moment(params, "execution_date_time")) if dated else b"",
        )

    def decode_command(self, content: bytes) -> dict[str, Any]:
        """Read hash and date."""
        cursor = Cursor(content)
        body = cursor.sequence("activation command")
        cursor.finish("the activation command")
        image_hash = body.octet_string("image hash")
        if len(image_hash) != _HASH_BYTES:
            raise GbcsError(f"the image hash has {len(image_hash)} bytes", expected=str(_HASH_BYTES))
        body.integer("originator counter")
        params: dict[str, Any] = {"image_hash": image_hash}
        if body.next_tag is not None:
            moment: datetime | None = body.generalized_time("execution date")
            params["execution_date_time"] = moment
        body.finish("the activation command")
        return params

    def encode_response(self, values: Values, *, originator_counter: int, ok: bool = True) -> bytes:
        """Write the outcome; nothing if the command was taken for later."""
        use_case.check_names(values, ("outcome", "firmware_version"), f"{self.name} response")
        if ok and not values:
            return asn1.element(asn1.NULL, b"")
        given = {"outcome": OUTCOMES[0 if ok else 1], "firmware_version": bytes(4), **values}
        if ok is not (given["outcome"] == OUTCOMES[0]):
            raise GbcsError(f"outcome is {given['outcome']!r}", expected=OUTCOMES[0] if ok else "another one")
        return _outcome(given)

    def decode_response(self, content: bytes) -> Response:
        """Read the outcome."""
        cursor = Cursor(content)
        if cursor.next_tag == asn1.NULL:
            if cursor.element(asn1.NULL, "response"):
                raise GbcsError("a null has a value", offset=1, expected="05 00")
            cursor.finish("the response")
            return Response(True, {}, "accepted")
        values = _read_outcome(cursor)
        cursor.finish("the response")
        return Response(values["outcome"] == OUTCOMES[0], values, values["outcome"])


USE_CASES: tuple[UseCase, ...] = (
    ActivateFirmware(
        message_code=0x0012,
        name="CS06",
        service_references=("11.3",),
        device_type="any",
        critical=True,
        response_signed=True,
    ),
)
"""In the order of their message codes."""
