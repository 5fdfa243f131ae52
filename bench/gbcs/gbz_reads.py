"""What is read from the GSME: attributes of a cluster, and event logs (GBCS section 19; ZCL, SEP 1.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.gbcs import gbz, times, use_case
from bench.gbcs.errors import GbcsError
from bench.gbcs.gbz import Component
from bench.gbcs.gbz_use_cases import SUPPLY_STATES, GbzUseCase
from bench.gbcs.reader import Reader
from bench.gbcs.use_case import Response, Values

_METERING, _EVENTS = 0x0702, 0x0709
_OCTET_STRING, _CHARACTER_STRING = 0x41, 0x42
_INT32 = 0x2B
# Bitmaps, unsigned and signed numbers, enumeration.
_SIZES = {0x18: 1, 0x19: 2, 0x20: 1, 0x21: 2, 0x22: 3, 0x23: 4, 0x25: 6, _INT32: 4, 0x30: 1}
_FROM_SERVER = 0x19  # and no default response to it
_PUBLISH_EVENT_LOG = 0x01
_COPY = 3  # between the number of a log and that of a GPF's copy of the same log of its GSME
_NOT_FOUND = 0x8B


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute that a use case reads.

    Attributes:
        name: of its value.
        identifier: attribute id.
        kind: ZCL data type.
        words: what the numbers of an enumeration stand for; None for a plain number or bytes.
        text: an octet string that is text; a character string always is.
    """

    name: str
    identifier: int
    kind: int
    words: Mapping[int, str] | None = None
    text: bool = False

    @property
    def _is_text(self) -> bool:
        return self.text or self.kind == _CHARACTER_STRING

    @property
    def raw_identifier(self) -> bytes:
        """The attribute id as it stands in a payload."""
        return self.identifier.to_bytes(2, "little")

    def write(self, values: Values) -> bytes:
        """Write the value after its data type."""
        if self.kind in (_OCTET_STRING, _CHARACTER_STRING):
            octets = use_case.ascii_of(values, self.name, 0xFE) if self._is_text else use_case.octets(values, self.name)
            if len(octets) > 0xFE:
                raise GbcsError(f"{self.name} has {len(octets)} bytes", expected="at most 254")
            return bytes([self.kind, len(octets)]) + octets
        size = _SIZES[self.kind]
        if self.words is not None:
            number = use_case.choice(values, self.name, self.words)
        elif self.kind == _INT32:
            number = use_case.signed(values, self.name, 8 * size) & (1 << 8 * size) - 1
        else:
            number = use_case.integer(values, self.name, (1 << 8 * size) - 1)
        return bytes([self.kind]) + number.to_bytes(size, "little")

    def read(self, reader: Reader) -> Any:
        """Read the value after its data type."""
        reader.literal(bytes([self.kind]), f"data type of {self.name}")
        if self.kind in (_OCTET_STRING, _CHARACTER_STRING):
            octets = reader.take(reader.uint(1, f"length of {self.name}"), self.name)
            return use_case.text_of(octets, self.name) if self._is_text else octets
        raw = reader.take(_SIZES[self.kind], self.name)
        number = int.from_bytes(raw, "little", signed=self.kind == _INT32)
        return number if self.words is None else use_case.word(number, self.words, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAttributes(GbzUseCase):
    """Read attributes of one cluster.

    Attributes:
        attributes: which, in their order.
        answers: ZCL frame control of the response.
    """

    attributes: tuple[Attribute, ...]
    answers: int = 0x08
    frame_control: int = 0
    command: int = gbz.READ_ATTRIBUTES
    names: tuple[str, ...] = ()

    def _write(self, params: Values) -> bytes:
        return b"".join(attribute.raw_identifier for attribute in self.attributes)

    def _read(self, reader: Reader) -> dict[str, Any]:
        reader.literal(self._write({}), "attribute ids")
        return {}

    def encode_response(self, values: Values, *, originator_counter: int, ok: bool = True) -> bytes:
        """Write every attribute; of a failure, an attribute without a value carries the status instead."""
        use_case.check_names(values, self.returned if ok else (*self.returned, "status"), f"{self.name} response")
        payload = b""
        for attribute in self.attributes:
            payload += attribute.raw_identifier
            if not ok and attribute.name not in values:
                payload += bytes([self.status_of(values)])
            else:
                payload += b"\x00" + attribute.write(values)
        return gbz.encode_components(Component(self.cluster, self.answers, gbz.READ_ATTRIBUTES_RESPONSE, payload))

    def _read_good(self, component: Component) -> Response:
        if component.frame_control & 0x03 or component.command != gbz.READ_ATTRIBUTES_RESPONSE:
            raise GbcsError(f"command {component.command:02x} is no response of {self.name}")
        reader = Reader(component.payload)
        values: dict[str, Any] = {}
        faults = []
        for attribute in self.attributes:
            reader.literal(attribute.raw_identifier, f"attribute id of {attribute.name}")
            status = reader.uint(1, "attribute status")
            if status:
                values["status"] = status
                faults.append(f"{attribute.name}: ZCL status {status:02X}")
            else:
                values[attribute.name] = attribute.read(reader)
        reader.finish("the attributes")
        return Response(not faults, values, "; ".join(faults) or "success")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadEventLog(GbzUseCase):
    """Read the events of a log from `log_from` to `log_to`: CS10a, CS10b.

    With `copy_of_gsme` a GPF is asked for its copy of the meter's log. The response has `matching_events`, their
    number as the device states it, and `events`: a tuple of log number, code, time and data. An empty log is no error:
    it is answered by a ZCL default response with status 8B.

    Attributes:
        which: event control and log id of the device's own log, as they stand in the command.
    """

    which: int
    cluster: int = _EVENTS
    frame_control: int = 0x01
    command: int = 0x00
    names: tuple[str, ...] = ("log_from", "log_to", "copy_of_gsme")
    returned: tuple[str, ...] = ("matching_events", "events")

    def _write(self, params: Values) -> bytes:
        which = self.which + (_COPY if params.get("copy_of_gsme") else 0)
        limits = (times.encode_zigbee(use_case.moment(params, name))[::-1] for name in ("log_from", "log_to"))
        return bytes([which, 0, 0]) + b"".join(limits) + bytes(3)

    def _read(self, reader: Reader) -> dict[str, Any]:
        which = reader.uint(1, "log")
        if which not in (self.which, self.which + _COPY):
            raise GbcsError(f"the log is {which:02X}", expected=f"{self.which:02X} or {self.which + _COPY:02X}")
        reader.literal(bytes(2), "event id")
        limits = {name: times.decode_zigbee(reader.take(4, name)[::-1]) for name in ("log_from", "log_to")}
        reader.literal(bytes(3), "number of events and offset")
        return limits if which == self.which else {**limits, "copy_of_gsme": True}

    def encode_response(self, values: Values, *, originator_counter: int, ok: bool = True) -> bytes:
        """Write the events; none are a default response that says so."""
        if ok and not values.get("events"):
            use_case.check_names(values, self.returned, f"{self.name} response")
            return gbz.encode_components(self._default(_NOT_FOUND))
        return super(ReadEventLog, self).encode_response(values, originator_counter=originator_counter, ok=ok)

    def decode_response(self, content: bytes) -> Response:
        """Read the events."""
        response = super(ReadEventLog, self).decode_response(content)
        if response.ok or response.values.get("status") != _NOT_FOUND:
            return response
        return Response(True, {"matching_events": 0, "events": ()}, "success; the log holds no such event")

    def _good(self, values: Values) -> Component:
        count = use_case.integer(
            {"matching_events": len(values.get("events", ())), **values}, "matching_events", 0xFFFF
        )
        payload = count.to_bytes(2, "little") + b"\x00\x01\x00"
        for number, code, time, data in values.get("events", ()):
            row = {"log": number, "code": code, "time": time, "data": data}
            octets = use_case.octets(row, "data")
            if len(octets) > 0xFE:
                raise GbcsError(f"the data of an event have {len(octets)} bytes", expected="at most 254")
            payload += bytes([use_case.integer(row, "log", 0xFF)])
            payload += use_case.integer(row, "code", 0xFFFF).to_bytes(2, "little")
            payload += times.encode_zigbee(use_case.moment(row, "time"))[::-1] + bytes([len(octets)]) + octets
        return Component(self.cluster, _FROM_SERVER, _PUBLISH_EVENT_LOG, payload)

    def _read_good(self, component: Component) -> Response:
        if (component.frame_control, component.command) != (_FROM_SERVER, _PUBLISH_EVENT_LOG):
            raise GbcsError(f"command {component.command:02x} is no response of {self.name}")
        reader = Reader(component.payload)
        count = int.from_bytes(reader.take(2, "matching events"), "little")
        reader.literal(b"\x00\x01\x00", "command index, commands and log payload control")
        events = []
        while reader.remaining:
            number = reader.uint(1, "log")
            code = int.from_bytes(reader.take(2, "event code"), "little")
            time = times.decode_zigbee(reader.take(4, "event time")[::-1])
            events.append((number, code, time, reader.take(reader.uint(1, "data length"), "event data")))
        return Response(True, {"matching_events": count, "events": tuple(events)}, "success")


def _read(message_code: int, name: str, reference: str, *attributes: Attribute) -> ReadAttributes:
    return ReadAttributes(
        message_code=message_code,
        name=name,
        service_references=(reference,),
        device_type="GSME",
        critical=False,
        response_signed=False,
        cluster=_METERING,
        attributes=attributes,
        returned=tuple(attribute.name for attribute in attributes),
    )


def _log(message_code: int, name: str, which: int, device_type: str = "GSME") -> ReadEventLog:
    return ReadEventLog(
        message_code=message_code,
        name=name,
        service_references=("6.13",),
        device_type=device_type,
        critical=False,
        response_signed=False,
        which=which,
    )


USE_CASES: tuple[GbzUseCase, ...] = (
    _read(
        0x0082,
        "GCS33",
        "7.4",
        Attribute("remaining_battery_life_days", 0x0205, 0x21),
        Attribute("supply_state", 0x0014, 0x30, SUPPLY_STATES),
    ),
    _read(0x0084, "GCS38", "11.2", Attribute("firmware_version", 0x0206, _OCTET_STRING)),
    _log(0x0014, "CS10a", 0x13),
    _log(0x00A1, "CS10b", 0x04),
    _log(0x0014, "CS10a", 0x13, "GPF"),
    _log(0x00A1, "CS10b", 0x04, "GPF"),
)
"""The valve's state and the battery, the firmware version, the event log and the security log."""
