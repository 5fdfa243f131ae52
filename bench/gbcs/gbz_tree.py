"""GBZ content as a tree: ZigBee commands, their attributes and statuses (GBCS section 7.2.9, ZCL, SEP 1.2)."""

from __future__ import annotations

from bench.gbcs import catalogue, gbz, object_names, times
from bench.gbcs.errors import GbcsError
from bench.gbcs.reader import Reader
from bench.gbcs.tree import Node

_PROFILE_ID = b"\x01\x09"
_LAST, _ENCRYPTED, _DATED = 0x01, 0x02, 0x10
_SECURITY_HEADER_LENGTH, _TAG_LENGTH = 5, 12
_TO_CLIENT, _CLUSTER_COMMAND = 0x08, 0x01

_FIXED = {0x10: 1, 0xE0: 4, 0xE1: 4, 0xE2: 4, 0xF0: 8}
_KINDS = {0x10: "boolean", 0x41: "octet-string", 0x42: "character string", 0xE2: "UTC time", 0xF0: "EUI-64"}
_RANGES = (
    (range(0x08, 0x10), 0x07, "data"),
    (range(0x18, 0x20), 0x17, "bitmap"),
    (range(0x20, 0x28), 0x1F, "unsigned"),
    (range(0x28, 0x30), 0x27, "signed"),
    (range(0x30, 0x32), 0x2F, "enumeration"),
)


def is_gbz(content: bytes) -> bool:
    """Return whether content begins as GBZ does."""
    return content[:2] == _PROFILE_ID


def add_gbz(parent: Node, content: bytes, base: int) -> None:
    """Append the ZigBee commands of a command or response.

    Args:
        parent: where to append; what was read before a fault stays there.
        content: the content of a message.
        base: its offset in the message.

    Raises:
        GbcsError: the content breaks the notation.
    """
    reader = Reader(content, base)
    count = _head(parent, reader)
    for index in range(count):
        last = _component(parent, reader, index)
        if last is not (index == count - 1):
            raise GbcsError(
                f"component {index + 1} of {count} is {'' if last else 'not '}marked as the last",
                offset=reader.offset,
                expected="the mark on the last one only",
            )
    reader.finish("the components")


def add_gbz_alert(parent: Node, content: bytes, base: int) -> None:
    """Append the parts of an alert.

    Raises:
        GbcsError: the content breaks the notation.
    """
    reader = Reader(content, base)
    _head(parent, reader)
    at = reader.offset
    code = reader.uint(2, "alert code")
    parent.add("alert code", f"0x{code:04X}", catalogue.alert_meaning(code), offset=at, length=2)
    at = reader.offset
    parent.add("time stamp", _time(reader.take(4, "time stamp")), "UTC", offset=at, length=4)
    if reader.remaining:
        at, length = reader.offset, reader.remaining
        parent.add("specific data", reader.take(length, "specific data").hex(), offset=at, length=length)


def _head(parent: Node, reader: Reader) -> int:
    at = reader.offset
    reader.literal(_PROFILE_ID, "profile id")
    parent.add("profile id", "0109", "Smart Energy", offset=at, length=2)
    at = reader.offset
    count = reader.uint(1, "component count")
    parent.add("components", count, offset=at, length=1)
    return count


def _component(parent: Node, reader: Reader, index: int) -> bool:
    """Append one component; return whether it is marked as the last."""
    at, start = reader.offset, reader.position
    control = reader.uint(1, "control field")
    node = parent.add(f"component {index + 1}", offset=at)
    words = [
        word for bit, word in ((_LAST, "last"), (_ENCRYPTED, "encrypted"), (_DATED, "from a date")) if control & bit
    ]
    node.add("control field", f"{control:02x}", ", ".join(words), offset=at, length=1)
    at = reader.offset
    cluster = reader.uint(2, "cluster id")
    node.add("cluster", f"{cluster:04X}", object_names.cluster_name(cluster), offset=at, length=2)
    at = reader.offset
    length = reader.uint(2, "component length")
    node.add("length", length, offset=at, length=2)
    body_at = reader.offset
    body = Reader(reader.take(length, "component"), body_at)
    node.length = reader.position - start
    _body(node, body, cluster, control)
    return bool(control & _LAST)


def _body(node: Node, body: Reader, cluster: int, control: int) -> None:
    if control & _ENCRYPTED:
        at = body.offset
        node.add("additional header", body.take(2, "additional header").hex(), "of encryption", offset=at, length=2)
    elif control & _DATED:
        at = body.offset
        node.add("from date-time", _time(body.take(4, "from date-time")), "UTC", offset=at, length=4)
    at = body.offset
    frame_control = body.uint(1, "frame control")
    way = "from server" if frame_control & _TO_CLIENT else "to server"
    kind = "command of the cluster" if frame_control & 0x03 == _CLUSTER_COMMAND else "general command"
    node.add("frame control", f"{frame_control:02x}", f"{kind}, {way}", offset=at, length=1)
    at = body.offset
    node.add("sequence number", body.uint(1, "sequence number"), offset=at, length=1)
    at = body.offset
    command = body.uint(1, "command id")
    name = object_names.command_name(cluster, frame_control, command)
    node.add("command", f"{command:02X}", name, offset=at, length=1)
    node.value = f"{object_names.cluster_name(cluster) or f'cluster {cluster:04X}'}: {name or f'command {command:02X}'}"
    if control & _ENCRYPTED:
        _ciphered(node, body)
    elif frame_control & 0x03:
        _rest(node, body, "payload")
    elif command == gbz.READ_ATTRIBUTES:
        _attribute_ids(node, body, cluster)
    elif command == gbz.READ_ATTRIBUTES_RESPONSE:
        _attributes(node, body, cluster)
    elif command == gbz.DEFAULT_RESPONSE:
        _default_response(node, body, cluster, frame_control)
    else:
        _rest(node, body, "payload")


def _rest(node: Node, body: Reader, name: str) -> None:
    if body.remaining:
        at, length = body.offset, body.remaining
        node.add(name, body.take(length, name).hex(), offset=at, length=length)


def _ciphered(node: Node, body: Reader) -> None:
    at = body.offset
    length = body.uint(2, "ciphered length")
    node.add("ciphered length", length, offset=at, length=2)
    if length != body.remaining or length < _SECURITY_HEADER_LENGTH + _TAG_LENGTH:
        raise GbcsError(f"{length} bytes are ciphered", offset=at, expected=f"{body.remaining}, 17 or more")
    for name, size in (
        ("security header", _SECURITY_HEADER_LENGTH),
        ("ciphertext", length - _SECURITY_HEADER_LENGTH - _TAG_LENGTH),
        ("tag", _TAG_LENGTH),
    ):
        at = body.offset
        node.add(name, body.take(size, name).hex(), offset=at, length=size)


def _attribute_ids(node: Node, body: Reader, cluster: int) -> None:
    while body.remaining:
        at = body.offset
        attribute = int.from_bytes(body.take(2, "attribute id"), "little")
        name = object_names.attribute_name(cluster, attribute)
        node.add("attribute", f"{attribute:04X}", name, offset=at, length=2)


def _attributes(node: Node, body: Reader, cluster: int) -> None:
    while body.remaining:
        at, start = body.offset, body.position
        attribute = int.from_bytes(body.take(2, "attribute id"), "little")
        row = node.add(f"attribute {attribute:04X}", None, object_names.attribute_name(cluster, attribute), offset=at)
        status = body.uint(1, "attribute status")
        if status:
            row.value = f"status {status:02X} {object_names.zcl_status_name(status)}".rstrip()
        else:
            row.value = _value(body)
        row.length = body.position - start


def _value(body: Reader) -> str | int:
    """Read data type and value of an attribute."""
    at = body.offset
    kind = body.uint(1, "data type")
    if kind in (0x41, 0x42):
        size = body.uint(1, "string length")
        raw = body.take(0 if size == 0xFF else size, "string")
        text = raw.isascii() and raw.decode("ascii").isprintable()
        return repr(raw.decode("ascii")) if kind == 0x42 and text else raw.hex()
    if kind in _FIXED:
        raw = body.take(_FIXED[kind], _KINDS.get(kind, "value"))
        if kind == 0xE2:
            return _time(raw[::-1])
        return raw[::-1].hex() if kind == 0xF0 else int.from_bytes(raw, "little")
    for kinds, before, name in _RANGES:
        if kind in kinds:
            raw = body.take(kind - before, name)
            return int.from_bytes(raw, "little", signed=name == "signed")
    raise GbcsError(f"{kind:02x} is no data type of an attribute that is known here", offset=at)


def _default_response(node: Node, body: Reader, cluster: int, frame_control: int) -> None:
    at = body.offset
    command = body.uint(1, "command that is answered")
    asked = (frame_control & _TO_CLIENT ^ _TO_CLIENT) | _CLUSTER_COMMAND
    name = object_names.command_name(cluster, asked, command)
    node.add("answers command", f"{command:02X}", name, offset=at, length=1)
    at = body.offset
    status = body.uint(1, "status")
    node.add("status", f"{status:02X}", object_names.zcl_status_name(status), offset=at, length=1)
    body.finish("the default response")


def _time(raw: bytes) -> str:
    moment = times.decode_zigbee(raw)
    if moment is None:
        return "no time"
    return "at once" if not any(raw) else moment.isoformat().replace("+00:00", "Z")
