"""Alerts: what a device says on its own account, in each of the three notations of GBCS.

A Type 1 alert is a code and a time. A Type 2 alert adds specific data, of which those that the bench judges are
typed here and the others are kept as they came: an alert that this module does not know is still an alert.

Published reference messages fix the layout of 8F36, 8F30, 810E and of future-dated alerts (8F66, 8F67). 8F35 and
8F37 to 8F3C follow 8F36; 8F32 follows 8F30; 8183 and 8002 follow 810E; 81A0 follows the text of its use case.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bench.eui import Eui64
from bench.gbcs import asn1, catalogue, dlms, times
from bench.gbcs.catalogue import Encoding
from bench.gbcs.errors import GbcsError
from bench.gbcs.message import Cra, Framing, Message
from bench.gbcs.reader import Reader, encode_length

SUPPLY_ARMED = 0x8F32
DEVICE_JOINED = 0x8183
AVERAGE_RMS_OVER_VOLTAGE = 0x8002
AVERAGE_RMS_UNDER_VOLTAGE = 0x8006
AVERAGE_RMS_OVER_VOLTAGE_ENDED = 0x8085
AVERAGE_RMS_UNDER_VOLTAGE_ENDED = 0x8089
SUPPLY_OUTAGE_RESTORED = 0x8F35
SUPPLY_OUTAGE_RESTORED_LONG = 0x8F36
FUTURE_DATED_DONE = 0x8F66
FUTURE_DATED_FAILED = 0x8F67
INTEGRITY_ISSUE = 0x81A0

_SUPPLY_RESTORED_CODES = range(0x8F35, 0x8F3D)
_FUTURE_DATED_CODES = (FUTURE_DATED_DONE, FUTURE_DATED_FAILED)
INTEGRITY_REASONS = (
    "other",
    "non-volatile memory",
    "program execution",
    "program storage",
    "RAM",
    "unexpected hardware reset",
    "watchdog",
    "metrology firmware verification",
    "measurement fault",
    "unspecified",
)
"""What 81A0 may be about, by number."""


@dataclass(frozen=True, slots=True)
class SupplyOutage:
    """Specific data of 8F35 to 8F3C (use case ECS80).

    Attributes:
        interrupted: when the supply failed, by the device's clock.
        restored: when it came back.
    """

    interrupted: datetime
    restored: datetime


@dataclass(frozen=True, slots=True)
class ZclTarget:
    """The ZigBee command that a future-dated alert is about.

    Attributes:
        cluster: cluster id.
        frame_control: frame control byte of the command.
        command: command id.
    """

    cluster: int
    frame_control: int
    command: int

    def __str__(self) -> str:
        return f"cluster {self.cluster:04X} command {self.command:02X} (frame control {self.frame_control:02X})"


@dataclass(frozen=True, slots=True)
class FutureDatedAction:
    """Specific data of 8F66 and 8F67: one alert for each instruction of the command that had its own date.

    Attributes:
        message_code: message code of the command.
        originator_counter: the command's originator counter: what correlates alert and command.
        target: the attribute or method, or the ZigBee command, that was acted on.
    """

    message_code: int
    originator_counter: int
    target: dlms.Target | ZclTarget


@dataclass(frozen=True, slots=True)
class IntegrityIssue:
    """Specific data of 81A0.

    Attributes:
        reason: 0 to 9, or a number that GBCS does not name.
    """

    reason: int

    @property
    def meaning(self) -> str:
        """The reason in words."""
        known = self.reason < len(INTEGRITY_REASONS)
        return INTEGRITY_REASONS[self.reason] if known else f"reason {self.reason}"


@dataclass(frozen=True, slots=True)
class Asn1Specific:
    """Specific data of an alert in ASN.1, whatever the notation of its device: its use case alone says what they are.

    Attributes:
        message_code: of the alert.
        content: its elements after code and time.
    """

    message_code: int
    content: bytes


Specific = SupplyOutage | FutureDatedAction | IntegrityIssue | Asn1Specific | bytes
"""What a Type 2 alert adds; bytes where it is not decoded; empty bytes for Type 1."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert.

    Attributes:
        code: alert code, such as 0x8F36.
        timestamp: when, by the device's clock, UTC; None where the device gives no valid time.
        encoding: notation of the content.
        specific: what a Type 2 alert adds.
        weekday: the times of a DLMS alert give the day of the week.
        invoke_id: long-invoke-id of a DLMS alert that breaks the rule which ties it to the originator counter;
            None where it follows the rule.
    """

    code: int
    timestamp: datetime | None
    encoding: Encoding
    specific: Specific = b""
    weekday: bool = False
    invoke_id: int | None = None

    @property
    def meaning(self) -> str:
        """What the code stands for."""
        return catalogue.alert_meaning(self.code)


def decode_alert(message: Message) -> Alert | None:
    """Read the alert that a message carries; None where it is no alert or in no notation known here.

    Raises:
        GbcsError: the content begins as an alert and then breaks the form of its notation.
    """
    if message.cra is not Cra.ALERT:
        return None
    content = message.content
    if content[:1] == b"\x0f":
        return _decode_dlms(content, message.originator_counter)
    if content[:2] == b"\x01\x09":
        return _decode_gbz(content)
    if content[:1] == b"\x30":
        return _decode_asn1(content)
    return None


def encode_alert(alert: Alert, originator_counter: int) -> bytes:
    """Write the content of an alert message.

    Args:
        alert: what to say.
        originator_counter: the counter of the message; a DLMS alert repeats its low 24 bits.

    Raises:
        GbcsError: the specific data do not fit the notation, or a time cannot be written in it.
    """
    if alert.encoding is Encoding.DLMS:
        return _encode_dlms(alert, originator_counter)
    if alert.encoding is Encoding.GBZ:
        return _encode_gbz(alert)
    specific = alert.specific.content if isinstance(alert.specific, Asn1Specific) else alert.specific
    if not isinstance(specific, bytes) or alert.timestamp is None:
        raise GbcsError("an ASN.1 alert needs a time and undecoded specific data")
    return asn1.sequence_16(asn1.integer(alert.code), asn1.generalized_time(alert.timestamp), specific)


def build_alert(
    alert: Alert,
    *,
    originator: Eui64,
    recipient: Eui64,
    originator_counter: int,
    message_code: int | None = None,
    critical: bool | None = None,
) -> Message:
    """Return the message that carries an alert, still to be signed (critical) or sealed (non-critical).

    Args:
        alert: what to say.
        originator: the device.
        recipient: the User or the Access Control Broker.
        originator_counter: the device's counter; never used before.
        message_code: needed only where the catalogue has none for this code and notation.
        critical: needed only where the catalogue does not say.

    Raises:
        GbcsError: the catalogue lacks what was not given, or the alert cannot be written.
    """
    entry = catalogue.alert_entry(alert.code)
    if critical is None and entry is not None:
        critical = entry.critical
    if critical is None:
        raise GbcsError(f"it is not known whether alert 0x{alert.code:04X} is critical", expected="`critical`")
    if message_code is None and isinstance(alert.specific, Asn1Specific):
        message_code = alert.specific.message_code
    if message_code is None and entry is not None and entry.message_codes:
        message_code = entry.message_codes.get(alert.encoding)
        if message_code is None:
            raise GbcsError(
                f"alert 0x{alert.code:04X} has no message code in {alert.encoding.value}", expected="`message_code`"
            )
    if message_code is None:
        message_code = catalogue.GENERIC_CRITICAL if critical else catalogue.GENERIC_NON_CRITICAL
    return Message(
        framing=Framing.SIGNED if critical else Framing.MACED,
        cra=Cra.ALERT,
        originator_counter=originator_counter,
        originator=originator,
        recipient=recipient,
        message_code=message_code,
        content=encode_alert(alert, originator_counter),
    )


def _decode_dlms(content: bytes, originator_counter: int) -> Alert:
    reader = Reader(content)
    reader.literal(b"\x0f", "data notification tag")
    invoke_id = reader.uint(4, "long-invoke-id")
    reader.literal(b"\x00", "date-time")
    reader.literal(bytes([dlms.Tag.STRUCTURE]), "alert structure")
    count = reader.length("element count")
    if count < 2:
        raise GbcsError(f"the alert has {count} elements", offset=6, expected="2 or more")
    reader.literal(bytes([dlms.Tag.UINT16]), "alert code type")
    code = reader.uint(2, "alert code")
    reader.literal(b"\x09\x0c", "time stamp type")
    raw_time = reader.take(12, "time stamp")
    start = reader.position
    elements = [dlms.read_data(reader) for _ in range(count - 2)]
    reader.finish("the alert")
    return Alert(
        code=code,
        timestamp=times.decode_dlms(raw_time),
        encoding=Encoding.DLMS,
        specific=_dlms_specific(code, elements) or content[start:],
        weekday=times.has_weekday(raw_time),
        invoke_id=None if invoke_id == dlms.invoke_id(originator_counter) else invoke_id,
    )


def _dlms_specific(code: int, elements: list[dlms.Data]) -> SupplyOutage | FutureDatedAction | IntegrityIssue | None:
    """Type the specific data of a code that is known; None where they do not have the form of that code."""
    if any(element.tag is not dlms.Tag.OCTET_STRING for element in elements):
        return None
    values = [element.octets for element in elements]
    lengths = [len(value) for value in values]
    if code in _SUPPLY_RESTORED_CODES and lengths == [12, 12]:
        interrupted, restored = (times.decode_dlms(value) for value in values)
        return SupplyOutage(interrupted, restored) if interrupted and restored else None
    if code in _FUTURE_DATED_CODES and lengths == [19]:
        reader = Reader(values[0])
        return FutureDatedAction(
            reader.uint(2, "message code"), reader.uint(8, "originator counter"), dlms.Target.read(reader)
        )
    if code == INTEGRITY_ISSUE and lengths == [2]:
        return IntegrityIssue(int.from_bytes(values[0], "big"))
    return None


def _encode_dlms(alert: Alert, originator_counter: int) -> bytes:
    if isinstance(alert.specific, bytes):
        specific = alert.specific
        reader = Reader(specific)
        count = 0
        while reader.remaining:
            dlms.read_data(reader)
            count += 1
    else:
        elements = _dlms_elements(alert)
        specific = b"".join(dlms.encode_data(dlms.octet_string(value)) for value in elements)
        count = len(elements)
    invoke_id = dlms.invoke_id(originator_counter) if alert.invoke_id is None else alert.invoke_id
    return b"".join(
        (
            b"\x0f",
            invoke_id.to_bytes(4, "big"),
            b"\x00",
            bytes([dlms.Tag.STRUCTURE]) + encode_length(count + 2),
            bytes([dlms.Tag.UINT16]) + alert.code.to_bytes(2, "big"),
            b"\x09\x0c" + times.encode_dlms(alert.timestamp, weekday=alert.weekday),
            specific,
        )
    )


def _dlms_elements(alert: Alert) -> list[bytes]:
    specific = alert.specific
    if isinstance(specific, SupplyOutage):
        moments = (specific.interrupted, specific.restored)
        return [times.encode_dlms(moment, weekday=alert.weekday) for moment in moments]
    if isinstance(specific, FutureDatedAction) and isinstance(specific.target, dlms.Target):
        head = specific.message_code.to_bytes(2, "big") + specific.originator_counter.to_bytes(8, "big")
        return [head + specific.target.encode()]
    if isinstance(specific, IntegrityIssue):
        return [specific.reason.to_bytes(2, "big")]
    raise GbcsError("these specific data have no DLMS form")


def _decode_gbz(content: bytes) -> Alert:
    reader = Reader(content)
    reader.literal(b"\x01\x09", "profile id")
    components = reader.uint(1, "component count")
    code = reader.uint(2, "alert code")
    timestamp = times.decode_zigbee(reader.take(4, "time stamp"))
    rest = reader.take(reader.remaining, "specific data")
    if components != bool(rest):
        raise GbcsError(
            f"the alert has {len(rest)} bytes of specific data", offset=2, expected=f"{components} components"
        )
    return Alert(code, timestamp, Encoding.GBZ, _gbz_specific(code, rest) or rest)


def _gbz_specific(code: int, rest: bytes) -> FutureDatedAction | IntegrityIssue | None:
    if code in _FUTURE_DATED_CODES and len(rest) == 15 and rest[0] == 14:
        reader = Reader(rest[1:])
        message_code = reader.uint(2, "message code")
        counter = reader.uint(8, "originator counter")
        cluster = reader.uint(2, "cluster")
        target = ZclTarget(cluster, reader.uint(1, "frame control"), reader.uint(1, "command id"))
        return FutureDatedAction(message_code, counter, target)
    if code == INTEGRITY_ISSUE and len(rest) == 2:
        return IntegrityIssue(int.from_bytes(rest, "big"))
    return None


def _encode_gbz(alert: Alert) -> bytes:
    specific = alert.specific
    if isinstance(specific, FutureDatedAction) and isinstance(specific.target, ZclTarget):
        target = specific.target
        body = specific.message_code.to_bytes(2, "big") + specific.originator_counter.to_bytes(8, "big")
        body += target.cluster.to_bytes(2, "big") + bytes([target.frame_control, target.command])
        rest = bytes([len(body)]) + body
    elif isinstance(specific, IntegrityIssue):
        rest = specific.reason.to_bytes(2, "big")
    elif isinstance(specific, bytes):
        rest = specific
    else:
        raise GbcsError("these specific data have no GBZ form")
    head = b"\x01\x09" + bytes([bool(rest)]) + alert.code.to_bytes(2, "big")
    return head + times.encode_zigbee(alert.timestamp) + rest


def _decode_asn1(content: bytes) -> Alert:
    outer = asn1.Cursor(content)
    body = outer.sequence("alert")
    outer.finish("the alert")
    code = body.integer("alert code")
    if not 0 <= code <= 0xFFFF:
        raise GbcsError(f"the alert code is {code}", expected="16 bits")
    timestamp = body.generalized_time("time stamp")
    return Alert(code, timestamp, Encoding.ASN1, body.rest())
