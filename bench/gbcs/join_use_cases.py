"""Joining and unjoining devices, and restoring whom a GPF is joined to: CS03A1, CS03A2, CS04AC, CS04B, GCS59.

CS03A2 is not published: it is laid out as CS03A1, with the join method that is left between that and method B. CS04AC
is one use case with one message code for User and Access Control Broker.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.eui import Eui64
from bench.gbcs import asn1, use_case
from bench.gbcs.asn1 import Cursor
from bench.gbcs.asn1_use_cases import DEVICE_TYPES, Join, read_eui
from bench.gbcs.errors import GbcsError
from bench.gbcs.use_case import Response, Sender, UseCase, Values

NOT_JOINED = 1
"""Result of an unjoin that did not happen, as published."""

NOT_RESTORED = 1
"""Result of a device that GCS59 did not join; 0 is published for one that it did, and no other number is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unjoin(UseCase):
    """Tell a device to trust another one no more: CS04AC and CS04B."""

    def encode_command(self, params: Values, *, originator_counter: int) -> bytes:
        """Write whom to leave."""
        use_case.check_names(params, ("other_device",), f"{self.name} command")
        return asn1.octet_string(use_case.device(params, "other_device").raw)

    def decode_command(self, content: bytes) -> dict[str, Any]:
        """Read whom to leave."""
        cursor = Cursor(content)
        other = read_eui(cursor, "other device")
        cursor.finish("the unjoin command")
        return {"other_device": other}

    def encode_response(self, values: Values, *, originator_counter: int, ok: bool = True) -> bytes:
        """Write the result."""
        use_case.check_names(values, () if ok else ("unjoin_result",), f"{self.name} response")
        if ok:
            return asn1.integer(0)
        result = use_case.integer({"unjoin_result": NOT_JOINED, **values}, "unjoin_result", 0x7F)
        if not result:
            raise GbcsError("unjoin_result is 0", expected="another number, for a refusal")
        return asn1.integer(result)

    def decode_response(self, content: bytes) -> Response:
        """Read the result."""
        cursor = Cursor(content)
        result = cursor.integer("unjoin result")
        cursor.finish("the unjoin response")
        if result == 0:
            return Response(True, {}, "success")
        return Response(False, {"unjoin_result": result}, f"unjoin result ({result})")


Joined = tuple[Eui64, str]
"""A device and its type, a word of `DEVICE_TYPES`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreGpfLog(UseCase):
    """Join a GPF to the devices that another one was joined to: GCS59.

    The response has a result for each: its value is `results`, devices with their types and numbers, 0 for success.
    """

    def encode_command(self, params: Values, *, originator_counter: int) -> bytes:
        """Write the devices."""
        use_case.check_names(params, ("joined_devices",), f"{self.name} command")
        rows = (_entry(each) for each in use_case.present(params, "joined_devices"))
        return asn1.sequence(asn1.sequence(*rows))

    def decode_command(self, content: bytes) -> dict[str, Any]:
        """Read the devices."""
        rows, found = _rows(content, "restore command"), []
        while rows.next_tag is not None:
            found.append(_read_entry(rows))
        return {"joined_devices": tuple(found)}

    def encode_response(self, values: Values, *, originator_counter: int, ok: bool = True) -> bytes:
        """Write the results; a refusal without any says it of no device."""
        use_case.check_names(values, ("results",), f"{self.name} response")
        rows = (
            asn1.sequence(_entry((eui, kind)), asn1.integer(use_case.integer({"result": result}, "result", 0x7F)))
            for eui, kind, result in values.get("results", ())
        )
        return asn1.sequence(asn1.sequence(*rows))

    def decode_response(self, content: bytes) -> Response:
        """Read the results; it is a success if one of them is, or if there are none."""
        rows, found = _rows(content, "restore response"), []
        while rows.next_tag is not None:
            row = rows.sequence("result")
            eui, kind = _read_entry(row)
            found.append((eui, kind, row.integer("result")))
            row.finish("the result")
        done = sum(result == 0 for _, _, result in found)
        ok = bool(done) or not found
        return Response(ok, {"results": tuple(found)}, f"{done} of {len(found)} devices")


def _rows(content: bytes, what: str) -> Cursor:
    """The sequence in the sequence that a message is."""
    cursor = Cursor(content)
    body = cursor.sequence(what)
    cursor.finish(f"the {what}")
    rows = body.sequence("devices")
    body.finish(f"the {what}")
    return rows


def _entry(joined: Joined) -> bytes:
    eui, kind = joined
    number = use_case.choice({"device type": kind}, "device type", DEVICE_TYPES)
    return asn1.sequence(asn1.octet_string(use_case.device({"device": eui}, "device").raw), asn1.integer(number))


def _read_entry(cursor: Cursor) -> Joined:
    row = cursor.sequence("joined device")
    eui = read_eui(row, "joined device")
    kind = use_case.word(row.integer("device type"), DEVICE_TYPES, "device type")
    row.finish("the joined device")
    return eui, kind


def _join(message_code: int, name: str, method: int) -> Join:
    return Join(
        message_code=message_code,
        name=name,
        service_references=("8.7.1",),
        device_type="any",
        critical=True,
        response_signed=True,
        method=method,
    )


def _unjoin(message_code: int, name: str, reference: str, **more: Any) -> Unjoin:
    signed = name.startswith("CS04AC")
    return Unjoin(
        message_code=message_code,
        name=name,
        service_references=(reference,),
        device_type="any",
        response_signed=signed,
        **more,
    )


USE_CASES: tuple[UseCase, ...] = (
    _join(0x000D, "CS03A1", 0),
    _unjoin(0x000F, "CS04ACCritical", "8.8.1", critical=True),
    _unjoin(0x000F, "CS04ACNonCritical", "8.8.2", critical=False, sender=Sender.BROKER_FOR_USER, broker_signs=True),
    _unjoin(0x0010, "CS04B", "8.8.2", critical=False),
    RestoreGpfLog(
        message_code=0x008C,
        name="GCS59",
        service_references=("8.12.2",),
        device_type="GPF",
        critical=False,
        response_signed=False,
        sender=Sender.BROKER,
    ),
    _join(0x00AB, "CS03A2", 1),
)
"""In the order of their message codes."""
