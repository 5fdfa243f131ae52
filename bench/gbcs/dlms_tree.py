"""DLMS content as a tree: what is asked of which object, and what came back (DLMS UA 1000-2; GBCS section 7.2.8)."""

from __future__ import annotations

from datetime import datetime

from bench.gbcs import catalogue, dlms, object_names, times
from bench.gbcs.dlms import Tag, Target, Verb
from bench.gbcs.dlms_use_case import RESULTS
from bench.gbcs.errors import GbcsError
from bench.gbcs.object_names import Listed
from bench.gbcs.reader import Reader
from bench.gbcs.tree import HIDDEN, Node

REGISTER_DEVICE = b"\x00\x68\x00\x00\x1e\x03\x00\xff\x01"
"""Class, logical name and method of what CCS01 invokes: its data hold the install code."""

_REQUEST, _RESPONSE, _NOTIFICATION = 0xD9, 0xDA, 0x0F
_ENCRYPTED = bytes.fromhex("3100000000")
_TAG_LENGTH = 12
_NOW, _NEVER = bytes(9), b"\xff" * 9
_EUI_LENGTH = 8


def add_dlms(parent: Node, content: bytes, base: int, listed: tuple[Listed, ...]) -> None:
    """Append the parts of an access request, an access response or a data notification.

    Args:
        parent: where to append; what was read before a fault stays there.
        content: the content of a message.
        base: its offset in the message.
        listed: what the use case asks for, in order; names the items of a response; empty where it is not known.

    Raises:
        GbcsError: the content breaks the notation.
    """
    reader = Reader(content, base)
    tag = _byte(parent, reader, "tag")
    if tag == _NOTIFICATION:
        return _notification(parent, reader)
    _invoke_id(parent, reader)
    return _request(parent, reader) if tag == _REQUEST else _response(parent, reader, listed)


def is_dlms(content: bytes) -> bool:
    """Return whether content begins as DLMS does."""
    return content[:1] in (bytes([_REQUEST]), bytes([_RESPONSE]), bytes([_NOTIFICATION]))


def _byte(parent: Node, reader: Reader, name: str, note: str = "") -> int:
    at = reader.offset
    value = reader.uint(1, name)
    parent.add(name, f"{value:02x}", note or _TAGS.get(value, "") * (name == "tag"), offset=at, length=1)
    return value


_TAGS = {_REQUEST: "access request", _RESPONSE: "access response", _NOTIFICATION: "data notification"}


def _invoke_id(parent: Node, reader: Reader) -> None:
    at = reader.offset
    value = reader.uint(4, "long-invoke-id")
    parent.add("long-invoke-id", f"{value:08x}", "low 24 bits of the originator counter", offset=at, length=4)
    at = reader.offset
    reader.literal(b"\x00", "date-time")
    parent.add("date-time", "00", "none", offset=at, length=1)


def _count(parent: Node, reader: Reader, name: str) -> tuple[Node, int]:
    at, start = reader.offset, reader.position
    count = reader.length(name)
    return parent.add(name, count, offset=at, length=reader.position - start), count


def _request(parent: Node, reader: Reader) -> None:
    asked, count = _count(parent, reader, "specifications")
    targets: list[tuple[str, bool]] = []
    for index in range(count):
        at, start = reader.offset, reader.position
        choice = reader.uint(1, "specification")
        if choice not in (1, 2, 3, 4):
            raise GbcsError(f"{choice:02x} is no access specification", offset=at, expected="01 to 04")
        secret = reader.data[reader.position : reader.position + 9] == REGISTER_DEVICE and choice == Verb.ACTION
        target = Target.read(reader)
        verb = Verb(choice)
        label = object_names.describe(target, method=verb is Verb.ACTION)
        targets.append((f"{verb.name.lower().replace('_', ' ')} {target}", secret))
        node = asked.add(f"[{index}] {verb.name.lower().replace('_', ' ')}", str(target), label, offset=at)
        if verb is Verb.GET_SELECTED:
            _byte(node, reader, "selector", "by range" * (reader.peek() == 1))
            add_data(node, reader, "parameters")
        node.length = reader.position - start
    at = reader.offset
    data, found = _count(parent, reader, "data")
    if found != count:
        raise GbcsError(f"{found} pieces of data", offset=at, expected=str(count))
    for index, (name, secret) in enumerate(targets):
        add_data(data, reader, f"[{index}] {name}", hidden=secret)
    reader.finish("the access request")


def _response(parent: Node, reader: Reader, listed: tuple[Listed, ...]) -> None:
    at = reader.offset
    reader.literal(b"\x00", "request specification")
    parent.add("request specification", "00", "none", offset=at, length=1)
    data, count = _count(parent, reader, "data")
    known = listed if len(listed) == count else ()
    for index in range(count):
        node = add_data(data, reader, f"[{index}] {known[index].target}" if known else f"[{index}]")
        if known:
            _annotate(node, known[index].describe())
    at = reader.offset
    results, found = _count(parent, reader, "results")
    if found != count:
        raise GbcsError(f"{found} results", offset=at, expected=str(count))
    for index in range(count):
        at = reader.offset
        choice = reader.uint(1, "result")
        if choice not in (1, 2, 3):
            raise GbcsError(f"{choice:02x} is no access result", offset=at, expected="01 to 03")
        code = reader.uint(1, "result code")
        meaning = RESULTS.get(code, "not a result code of DLMS")
        results.add(f"[{index}] {Verb(choice).name.lower()}", code, meaning, offset=at, length=2)
    reader.finish("the access response")


def _notification(parent: Node, reader: Reader) -> None:
    _invoke_id(parent, reader)
    body = add_data(parent, reader, "alert")
    reader.finish("the alert")
    names = ("alert code", "time stamp")
    for child, name in zip(body.children, names, strict=False):
        child.name = name
    for child in body.children[2:]:
        child.name = f"specific data {child.name}"
    if body.children and isinstance(body.children[0].value, int):
        code = body.children[0].value
        body.children[0].value = f"0x{code:04X}"
        body.children[0].note = catalogue.alert_meaning(code)


def add_data(parent: Node, reader: Reader, name: str, *, hidden: bool = False, depth: int = 0) -> Node:
    """Append one piece of data, and return its part.

    Args:
        parent: where to append.
        reader: where the data begin.
        name: what to call it.
        hidden: strings are secret, unless they have the length of an EUI-64.
        depth: how deep it is nested.

    Raises:
        GbcsError: its type is unknown, it is cut short or nested too deep.
    """
    at, start = reader.offset, reader.position
    tag = reader.peek()
    if tag in (Tag.ARRAY, Tag.STRUCTURE):
        if depth > dlms.MAX_DEPTH:
            raise GbcsError("data are nested too deep", offset=at, expected=f"at most {dlms.MAX_DEPTH} levels")
        reader.take(1, "data type")
        node = parent.add(name, Tag(tag).name.lower(), offset=at)
        count = reader.length("element count")
        node.value = f"{node.value} of {count}"
        for index in range(count):
            add_data(node, reader, f"[{index}]", hidden=hidden, depth=depth + 1)
        node.length = reader.position - start
        return node
    data = dlms.read_data(reader, depth)
    length = reader.position - start
    kind = data.tag.name.lower().replace("_", "-")
    if isinstance(data.value, int):
        return parent.add(name, data.value, kind, offset=at, length=length)
    if not isinstance(data.value, bytes):
        return parent.add(name, None, kind, offset=at, length=length)
    if hidden and not (data.tag is Tag.OCTET_STRING and len(data.value) == _EUI_LENGTH):
        return parent.add(name, HIDDEN, kind, offset=at, length=length)
    node = parent.add(name, data.value.hex(), _annotation(kind, data.value), offset=at, length=length)
    if data.tag is Tag.COMPACT_ARRAY:
        node.note = kind
        add_rows(node, Reader(data.value, at + 1))
    return node


def _annotate(node: Node, note: str) -> None:
    node.note = f"{note}; {node.note}" if node.note and note else note or node.note


def _annotation(kind: str, value: bytes) -> str:
    meaning = _meaning(value)
    return f"{kind}: {meaning}" if meaning else kind


def _meaning(value: bytes) -> str:
    """Return what the bytes of a string stand for, where their form tells."""
    if len(value) == 12 and value[9:] == b"\x80\x00\xff":
        if value[:9] in (_NOW, _NEVER):
            return "at once" if value[:9] == _NOW else "never, or not specified"
        return _iso(times.decode_dlms(value)) or "a date-time with wildcards"
    if len(value) == 6 and (name := object_names.object_name(dlms.format_obis(value))):
        return f"{dlms.format_obis(value)} {name}"
    if value.startswith(_ENCRYPTED) and len(value) >= len(_ENCRYPTED) + _TAG_LENGTH:
        return f"encrypted: header 5, ciphertext {len(value) - len(_ENCRYPTED) - _TAG_LENGTH}, tag {_TAG_LENGTH} bytes"
    if len(value) > 2 and value.isascii() and value.decode("ascii").isprintable():
        return repr(value.decode("ascii"))
    return ""


def _iso(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat().replace("+00:00", "Z")


_SIZES = {
    Tag.BOOLEAN: 1,
    Tag.INT32: 4,
    Tag.UINT32: 4,
    Tag.INT8: 1,
    Tag.INT16: 2,
    Tag.UINT8: 1,
    Tag.UINT16: 2,
    Tag.INT64: 8,
    Tag.UINT64: 8,
    Tag.ENUM: 1,
}
_STRINGS = (Tag.OCTET_STRING, Tag.VISIBLE_STRING, Tag.UTF8_STRING)


def add_rows(parent: Node, reader: Reader) -> None:
    """Append the rows of a compact array whose columns are numbers and strings; others stay as they are.

    Each column takes a byte at least, so that the rows are never more than the bytes. The first column of every log
    of GBCS is a time, in seconds since 2000, and the second of event logs an event or alert code.
    """
    columns = _columns(reader)
    if columns is None:
        return
    reader.length("compact array length")
    index = 0
    while reader.remaining:
        at, start = reader.offset, reader.position
        row = parent.add(f"row {index}", offset=at)
        shown = []
        for number, column in enumerate(columns):
            if column in _STRINGS:
                value = reader.take(reader.length("string length"), "string")
                shown.append(value.hex() or "-")
                continue
            raw = reader.take(_SIZES[column], "number")
            value_int = int.from_bytes(raw, "big", signed=column in (Tag.INT8, Tag.INT16, Tag.INT32, Tag.INT64))
            if number == 0 and column is Tag.UINT32:
                shown.append(_iso(times.decode_zigbee(raw)) or "no time")
            elif number == 1 and column is Tag.UINT16 and (entry := catalogue.alert_entry(value_int)):
                shown.append(f"{value_int:04X} {entry.meaning}")
            else:
                shown.append(f"{value_int:04X}" if number == 1 and column is Tag.UINT16 else str(value_int))
        row.value = ", ".join(shown)
        row.length = reader.position - start
        index += 1


def _columns(reader: Reader) -> list[Tag] | None:
    """Read the description of a compact array; None where a column is neither number nor string."""
    kind = reader.uint(1, "type description")
    kinds = [kind]
    if kind == Tag.STRUCTURE:
        kinds = [reader.uint(1, "type description") for _ in range(reader.length("structure size"))]
    if not kinds or any(kind not in _SIZES and kind not in _STRINGS for kind in kinds):
        return None
    return [Tag(kind) for kind in kinds]
