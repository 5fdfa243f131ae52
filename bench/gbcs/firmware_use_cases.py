"""Activating a firmware image: CS06 (GBCS section 11.5), its response, and alerts about images.

The command is published as a reference message; response and alert follow GBCS's ASN.1 module ActivateFirmware. The
alerts about an image for a PPMID or an HCALCS are for the Access Control Broker: CCS08, in which a Comms Hub says
whether it could pass the image on, and that of CS08, in which the device says whether it has activated it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bench.eui import Eui64
from bench.gbcs import asn1, use_case
from bench.gbcs.alerts import Alert, Asn1Specific
from bench.gbcs.asn1 import Cursor
from bench.gbcs.catalogue import Encoding
from bench.gbcs.errors import GbcsError
from bench.gbcs.use_case import Response, UseCase, Values

OUTCOMES = {0: "success", 1: "no image held", 2: "hash mismatch", 3: "activation failure"}
"""What `outcome` may be (activateImageResponseCode)."""

ACTIVATION_ALERT = 0x00CA
"""Message code of the alert about a future-dated activation."""

TRANSFER_ALERT = 0x0128
"""Message code of CCS08."""
UPGRADE_ALERT = 0x0129
"""Message code of the alert of CS08."""
TRANSFER_OUTCOMES = {0: "success", 1: "image discarded", 2: "hardware version mismatch", 3: "file transfer failure"}
"""What `outcome` of CCS08 may be."""
UPGRADE_OUTCOMES = {0: "success", 1: "failure"}
"""What `outcome` of the alert of CS08 may be."""

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


def transfer_alert(device: Eui64, values: Values) -> Asn1Specific:
    """What a Comms Hub says of an image that it passed on to a device.

    Args:
        device: the PPMID or HCALCS.
        values: `firmware_version` (4 bytes) and `outcome`, one of `TRANSFER_OUTCOMES`.

    Raises:
        GbcsError: a value is missing or does not fit.
    """
    return Asn1Specific(TRANSFER_ALERT, asn1.octet_string(device.raw) + _version_and(values, TRANSFER_OUTCOMES))


def read_transfer_alert(alert: Alert) -> dict[str, Any]:
    """The values of CCS08, `device` among them.

    Raises:
        GbcsError: it is another alert.
    """
    cursor = _specific(alert, "an alert about a transfer")
    raw = cursor.octet_string("device")
    if len(raw) != 8:
        raise GbcsError(f"an EUI-64 has {len(raw)} bytes", expected="8")
    return {"device": Eui64(raw)} | _read_version_and(cursor, TRANSFER_OUTCOMES)


def upgrade_alert(values: Values) -> Asn1Specific:
    """What a PPMID or an HCALCS says of an image that it got.

    Args:
        values: `firmware_version` (4 bytes) and `outcome`, one of `UPGRADE_OUTCOMES`.

    Raises:
        GbcsError: a value is missing or does not fit.
    """
    return Asn1Specific(UPGRADE_ALERT, _version_and(values, UPGRADE_OUTCOMES))


def read_upgrade_alert(alert: Alert) -> dict[str, Any]:
    """The values of the alert of CS08.

    Raises:
        GbcsError: it is another alert.
    """
    return _read_version_and(_specific(alert, "an alert about an upgrade"), UPGRADE_OUTCOMES)


def _specific(alert: Alert, expected: str) -> Cursor:
    if not isinstance(alert.specific, bytes) or alert.encoding is not Encoding.ASN1:
        raise GbcsError("the alert is not in ASN.1", expected=expected)
    return Cursor(alert.specific)


def _version_and(values: Values, outcomes: Mapping[int, str]) -> bytes:
    version = asn1.octet_string(use_case.octets(values, "firmware_version", 4))
    return version + asn1.integer(use_case.choice(values, "outcome", outcomes))


def _read_version_and(cursor: Cursor, outcomes: Mapping[int, str]) -> dict[str, Any]:
    version = cursor.octet_string("firmware version")
    outcome = use_case.word(cursor.integer("outcome"), outcomes, "outcome")
    cursor.finish("the alert")
    return {"firmware_version": version, "outcome": outcome}


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
