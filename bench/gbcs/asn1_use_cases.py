"""The ASN.1 use cases that the bench needs: clock of the GSME, joining two devices, replacing credentials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.eui import Eui64
from bench.gbcs import asn1, use_case
from bench.gbcs.asn1 import Cursor
from bench.gbcs.errors import GbcsError
from bench.gbcs.use_case import Response, Sender, UseCase, Values

DEVICE_TYPES = {0: "GSME", 1: "ESME", 2: "CHF", 3: "GPF", 4: "HCALCS", 5: "PPMID", 6: "TYPE2"}
"""Device types as ASN.1 content numbers them."""

CLOCK_STATES = {0: "reliable", 1: "invalid", 2: "unreliable"}
"""What `clock_status` means."""

_JOIN_RESULTS = (
    "success",
    "message code does not fit the join method",
    "invalid join method",
    "conflicts with an entry of the device log",
    "device log full",
    "write failure",
    "key agreement: no resources",
    "key agreement: unknown issuer",
    "key agreement: unsupported suite",
    "key agreement: bad message",
    "key agreement: bad key confirmation",
    "certificate invalid or missing",
    "no partner link key",
    "no answer to the key establishment",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetGsmeClock(UseCase):
    """Set the GSME's clock, on its own (6.11) and when commissioning (8.1.1): GCS28.

    The response is always the device's time and the state of its clock; `ok` is that the clock is reliable.
    """

    def encode_command(self, params: Values, *, originator_counter: int) -> bytes:
        """Write the interval in which the device may adjust its clock."""
        names = ("validity_interval_start", "validity_interval_end")
        use_case.check_names(params, names, f"{self.name} command")
        return asn1.sequence(*(asn1.generalized_time(use_case.moment(params, name)) for name in names))

    def decode_command(self, content: bytes) -> dict[str, Any]:
        """Read the interval."""
        cursor = Cursor(content)
        body = cursor.sequence("set time command")
        cursor.finish("the set time command")
        start = body.generalized_time("validity interval start")
        end = body.generalized_time("validity interval end")
        body.finish("the set time command")
        return {"validity_interval_start": start, "validity_interval_end": end}

    def encode_response(self, values: Values, *, originator_counter: int, ok: bool = True) -> bytes:
        """Write the device's time and the state of its clock."""
        use_case.check_names(values, ("device_time", "clock_status"), f"{self.name} response")
        status = use_case.integer({"clock_status": 0 if ok else 2, **values}, "clock_status", 2)
        if ok is not (status == 0):
            raise GbcsError(f"clock_status is {status}", expected="0" if ok else "1 or 2")
        return asn1.sequence(asn1.generalized_time(use_case.moment(values, "device_time")), asn1.integer(status))

    def decode_response(self, content: bytes) -> Response:
        """Read the device's time and the state of its clock."""
        cursor = Cursor(content)
        body = cursor.sequence("set time response")
        cursor.finish("the set time response")
        time = body.generalized_time("device time")
        status = body.integer("device time status")
        body.finish("the set time response")
        state = use_case.word(status, CLOCK_STATES, "clock_status")
        detail = "success" if status == 0 else f"the clock is {state}"
        return Response(status == 0, {"device_time": time, "clock_status": status}, detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Join(UseCase):
    """Tell a device to trust another one: CS03A1, CS03A2, CS03B and CS03C.

    CS03B is published as a refusal only; its success is laid out as that of CS03C.

    Attributes:
        method: join method and role: 0 is method A at the meter, 1 at the other device, 2 is method B, 3 is method C.
    """

    method: int

    def encode_command(self, params: Values, *, originator_counter: int) -> bytes:
        """Write whom to join with: EUI-64, type, and the key agreement certificate where the method asks for it."""
        names = ("other_device", "other_device_type", "certificate")
        use_case.check_names(params, names, f"{self.name} command")
        certificate = params.get("certificate")
        return asn1.sequence(
            asn1.integer(self.method),
            asn1.octet_string(use_case.device(params, "other_device").raw),
            asn1.integer(use_case.choice(params, "other_device_type", DEVICE_TYPES)),
            b"" if certificate is None else use_case.octets(params, "certificate"),
        )

    def decode_command(self, content: bytes) -> dict[str, Any]:
        """Read whom to join with."""
        cursor = Cursor(content)
        body = cursor.sequence("join command")
        cursor.finish("the join command")
        method = body.integer("join method")
        if method != self.method:
            raise GbcsError(f"the join method is {method}", expected=str(self.method))
        params: dict[str, Any] = {"other_device": read_eui(body, "other device")}
        kind = body.integer("other device type")
        params["other_device_type"] = use_case.word(kind, DEVICE_TYPES, "other_device_type")
        if body.next_tag is not None:
            params["certificate"] = body.whole("certificate")
        body.finish("the join command")
        return params

    def encode_response(self, values: Values, *, originator_counter: int, ok: bool = True) -> bytes:
        """Write the result; a refusal without a `join_result` says that the join method is invalid."""
        use_case.check_names(values, () if ok else ("join_result",), f"{self.name} response")
        result = 0 if ok else use_case.integer({"join_result": 2, **values}, "join_result", 0x7F)
        return asn1.integer(result)

    def decode_response(self, content: bytes) -> Response:
        """Read the result."""
        cursor = Cursor(content)
        result = cursor.integer("join result")
        cursor.finish("the join response")
        if result == 0:
            return Response(True, {}, "success")
        known = 0 < result < len(_JOIN_RESULTS)
        text = _JOIN_RESULTS[result] if known else "join result"
        return Response(False, {"join_result": result}, f"{text} ({result})")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadJoinDetails(UseCase):
    """Read which devices a device is joined to: CS07. The value is `joined_devices`: pairs of EUI-64 and type."""

    def encode_command(self, params: Values, *, originator_counter: int) -> bytes:
        """Write the command: nothing is said."""
        use_case.check_names(params, (), f"{self.name} command")
        return asn1.element(asn1.NULL, b"")

    def decode_command(self, content: bytes) -> dict[str, Any]:
        """Read the command."""
        _read_null(content, self.name)
        return {}

    def encode_response(self, values: Values, *, originator_counter: int, ok: bool = True) -> bytes:
        """Write the list, or a refusal with its `status`."""
        use_case.check_names(values, ("joined_devices",) if ok else ("status",), f"{self.name} response")
        if not ok:
            return asn1.sequence(asn1.integer(use_case.integer({"status": 1, **values}, "status", 0x7F)))
        rows = (
            asn1.sequence(
                asn1.octet_string(use_case.device({"device": eui}, "device").raw),
                asn1.integer(use_case.choice({"type": kind}, "type", DEVICE_TYPES)),
            )
            for eui, kind in values.get("joined_devices", ())
        )
        return asn1.sequence(asn1.integer(0), asn1.sequence(*rows))

    def decode_response(self, content: bytes) -> Response:
        """Read the list."""
        cursor = Cursor(content)
        body = cursor.sequence("join details")
        cursor.finish("the join details")
        status = body.integer("status")
        if status:
            body.finish("the join details")
            return Response(False, {"status": status}, f"status {status}")
        rows = body.sequence("joined devices")
        body.finish("the join details")
        found = []
        while rows.next_tag is not None:
            row = rows.sequence("joined device")
            eui = read_eui(row, "joined device")
            found.append((eui, use_case.word(row.integer("device type"), DEVICE_TYPES, "device type")))
            row.finish("the joined device")
        return Response(True, {"joined_devices": tuple(found)}, "success")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFirmwareVersion(UseCase):
    """Read the firmware version of a PPMID or HCALCS: CS08. The value is `firmware_version`, 4 bytes."""

    def encode_command(self, params: Values, *, originator_counter: int) -> bytes:
        """Write the command: nothing is said."""
        use_case.check_names(params, (), f"{self.name} command")
        return asn1.element(asn1.NULL, b"")

    def decode_command(self, content: bytes) -> dict[str, Any]:
        """Read the command."""
        _read_null(content, self.name)
        return {}

    def encode_response(self, values: Values, *, originator_counter: int, ok: bool = True) -> bytes:
        """Write the version, or zeros and the `status` of a refusal."""
        use_case.check_names(values, ("firmware_version",) if ok else ("status",), f"{self.name} response")
        version = use_case.octets(values, "firmware_version", 4) if ok else bytes(4)
        status = 0 if ok else use_case.integer({"status": 1, **values}, "status", 0x7F)
        return asn1.sequence(asn1.octet_string(version), asn1.integer(status))

    def decode_response(self, content: bytes) -> Response:
        """Read the version."""
        cursor = Cursor(content)
        body = cursor.sequence("firmware version")
        cursor.finish("the firmware version")
        version = body.octet_string("firmware version")
        status = body.integer("status")
        body.finish("the firmware version")
        if status:
            return Response(False, {"status": status}, f"status {status}")
        return Response(True, {"firmware_version": version}, "success")


def _read_null(content: bytes, name: str) -> None:
    cursor = Cursor(content)
    if cursor.element(asn1.NULL, f"{name} command"):
        raise GbcsError("a null has a value", offset=1, expected="05 00")
    cursor.finish(f"the {name} command")


def read_eui(cursor: Cursor, what: str) -> Eui64:
    """Read an octet string of eight bytes as an EUI-64.

    Raises:
        GbcsError: it is something else.
    """
    raw = cursor.octet_string(what)
    if len(raw) != 8:
        raise GbcsError(f"{what} has {len(raw)} bytes", expected="8")
    return Eui64(raw)


CLOCK = SetGsmeClock(
    message_code=0x007F,
    name="GCS28",
    service_references=("8.1.1", "6.11"),
    device_type="GSME",
    critical=True,
    response_signed=True,
)

JOIN = (
    Join(
        message_code=0x000E,
        name="CS03B",
        service_references=("8.7.2",),
        device_type="any",
        critical=False,
        response_signed=False,
        sender=Sender.BROKER_FOR_USER,
        method=2,
    ),
    Join(
        message_code=0x00AF,
        name="CS03C",
        service_references=("8.7.2",),
        device_type="any",
        critical=False,
        response_signed=True,
        sender=Sender.BROKER_FOR_USER,
        broker_signs=True,
        method=3,
    ),
)

READS = (
    ReadJoinDetails(
        message_code=0x0013,
        name="CS07",
        service_references=("8.9",),
        device_type="any",
        critical=False,
        response_signed=False,
    ),
    ReadFirmwareVersion(
        message_code=0x0129,
        name="CS08",
        service_references=("11.2",),
        device_type="PPMID",
        critical=False,
        response_signed=False,
        sender=Sender.BROKER_FOR_USER,
    ),
)
"""CS07 is published as sent by a User and by the Access Control Broker for one."""
