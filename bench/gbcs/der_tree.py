"""ASN.1 content as a tree of tag, length and value (DER, with lengths of at most 16 bits)."""

from __future__ import annotations

from bench.gbcs import times
from bench.gbcs.errors import GbcsError
from bench.gbcs.reader import Reader
from bench.gbcs.tree import Node

_MAX_DEPTH = 16
_CONSTRUCTED = 0x20
_CLASSES = ("", "application", "context", "private")
_INTEGER, _OBJECT_ID, _GENERALIZED_TIME = 0x02, 0x06, 0x18
_EUI_LENGTH = 8
_NAMES = {
    0x01: "boolean",
    _INTEGER: "integer",
    0x03: "bit string",
    0x04: "octet string",
    0x05: "null",
    _OBJECT_ID: "object identifier",
    0x0A: "enumerated",
    0x0C: "UTF-8 string",
    0x13: "printable string",
    0x16: "IA5 string",
    0x17: "UTC time",
    _GENERALIZED_TIME: "generalized time",
    0x30: "sequence",
    0x31: "set",
}
_TEXTS = (0x0C, 0x13, 0x16, 0x17)


def is_der(content: bytes) -> bool:
    """Return whether content begins with an element that GBCS content begins with."""
    return content[:1] in (b"\x30", b"\x02", b"\x05")


def add_der(parent: Node, content: bytes, base: int) -> None:
    """Append every element of the content.

    Args:
        parent: where to append; what was read before a fault stays there.
        content: the content of a message.
        base: its offset in the message.

    Raises:
        GbcsError: an element is cut short, or nested more than 16 deep.
    """
    _elements(parent, Reader(content, base), 0)


def _elements(parent: Node, reader: Reader, depth: int) -> None:
    while reader.remaining:
        at, start = reader.offset, reader.position
        if depth > _MAX_DEPTH:
            raise GbcsError("elements are nested too deep", offset=at, expected=f"at most {_MAX_DEPTH} levels")
        tag = reader.uint(1, "tag")
        if tag & 0x1F == 0x1F:
            raise GbcsError(f"the tag begins with {tag:02x}", offset=at, expected="a tag of one byte")
        node = parent.add(_name(tag), offset=at)
        length = _length(reader)
        body_at = reader.offset
        body = reader.take(length, _name(tag))
        node.length = reader.position - start
        if tag & _CONSTRUCTED:
            node.note = f"tag {tag:02x}, {length} bytes"
            _elements(node, Reader(body, body_at), depth + 1)
        else:
            node.value, meaning = _value(tag, body)
            node.note = f"tag {tag:02x}, {length} bytes{f': {meaning}' if meaning else ''}"


def _name(tag: int) -> str:
    return _NAMES.get(tag, f"{_CLASSES[tag >> 6]} {tag & 0x1F}".strip())


def _length(reader: Reader) -> int:
    at = reader.offset
    first = reader.uint(1, "length")
    if first < 0x80:
        return first
    if first not in (0x81, 0x82):
        raise GbcsError(f"a length starts with {first:02x}", offset=at, expected="00 to 7f, 81 or 82")
    return reader.uint(first - 0x80, "length")


def _value(tag: int, body: bytes) -> tuple[str | int, str]:
    """Return what a primitive element holds, and what that means."""
    if tag == _INTEGER and 0 < len(body) <= 9:
        number = int.from_bytes(body, "big", signed=True)
        return number, f"0x{number:X}" if number > 0xFF else ""
    if tag == _OBJECT_ID:
        return body.hex(), _object_id(body)
    if tag == _GENERALIZED_TIME:
        try:
            moment = times.decode_generalized(body)
        except GbcsError:
            return body.hex(), ""
        return body.decode("ascii"), moment.isoformat().replace("+00:00", "Z") if moment else "no day of the calendar"
    if tag in _TEXTS and body.isascii() and body.decode("ascii").isprintable():
        return body.decode("ascii"), ""
    return body.hex(), "an EUI-64 or a key identifier" if tag == 0x04 and len(body) == _EUI_LENGTH else ""


def _object_id(body: bytes) -> str:
    numbers: list[int] = []
    number = 0
    for byte in body:
        number = number << 7 | byte & 0x7F
        if number.bit_length() > 64:
            return ""
        if not byte & 0x80:
            numbers.append(number)
            number = 0
    if not numbers or body[-1] & 0x80:
        return ""
    top = min(numbers[0] // 40, 2)
    return ".".join(str(part) for part in (top, numbers[0] - 40 * top, *numbers[1:]))
