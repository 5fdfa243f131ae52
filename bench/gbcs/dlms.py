"""DLMS data and the access service, as ESME and CHF content is written (DLMS UA 1000-2, A-XDR).

An access request lists what to get, set or invoke, then one piece of data for each; the response lists
one piece of data for each, then one result for each. Data stay typed, because the type is part of the bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from bench.gbcs.errors import GbcsError
from bench.gbcs.reader import Reader, encode_length

MAX_DEPTH = 16
_REQUEST_TAG = b"\xd9"
RESPONSE_TAG = b"\xda"
"""First byte of an access response."""

_NO_DATE_TIME = b"\x00"
_INVOKE_ID_BASE = 0x20000000  # unconfirmed, break on the first error, not self-descriptive, normal priority


class Tag(IntEnum):
    """Type of a piece of DLMS data."""

    NULL = 0
    ARRAY = 1
    STRUCTURE = 2
    BOOLEAN = 3
    BIT_STRING = 4
    INT32 = 5
    UINT32 = 6
    OCTET_STRING = 9
    VISIBLE_STRING = 10
    UTF8_STRING = 12
    INT8 = 15
    INT16 = 16
    UINT8 = 17
    UINT16 = 18
    COMPACT_ARRAY = 19
    INT64 = 20
    UINT64 = 21
    ENUM = 22
    DATE_TIME = 25
    DATE = 26
    TIME = 27


_INTEGERS: dict[int, tuple[int, bool]] = {
    Tag.INT32: (4, True),
    Tag.UINT32: (4, False),
    Tag.INT8: (1, True),
    Tag.INT16: (2, True),
    Tag.UINT8: (1, False),
    Tag.UINT16: (2, False),
    Tag.INT64: (8, True),
    Tag.UINT64: (8, False),
    Tag.ENUM: (1, False),
    Tag.BOOLEAN: (1, False),
}
_STRINGS = (Tag.OCTET_STRING, Tag.VISIBLE_STRING, Tag.UTF8_STRING)
_FIXED: dict[int, int] = {Tag.DATE_TIME: 12, Tag.DATE: 5, Tag.TIME: 4}

Value = int | bytes | tuple["Data", ...] | None


@dataclass(frozen=True, slots=True)
class Data:
    """One piece of typed DLMS data.

    Attributes:
        tag: its type.
        value: None for null data; an int for numbers, booleans (0 is false) and enumerations; a tuple of `Data`
            for arrays and structures; bytes for everything else. Of a bit string and a compact array the bytes are
            all that follows the tag.
    """

    tag: Tag
    value: Value = None

    @property
    def integer(self) -> int:
        """The value of a number, boolean or enumeration.

        Raises:
            GbcsError: it is something else.
        """
        if isinstance(self.value, int):
            return self.value
        raise GbcsError(f"{self.tag.name.lower()} data where a number belongs")

    @property
    def octets(self) -> bytes:
        """The value of a string or of a fixed-length time.

        Raises:
            GbcsError: it is something else.
        """
        if isinstance(self.value, bytes) and (self.tag in _STRINGS or self.tag in _FIXED):
            return self.value
        raise GbcsError(f"{self.tag.name.lower()} data where a string belongs")


NULL = Data(Tag.NULL)
"""Null data: stands in a request for "nothing to send", in a response for "nothing to return"."""


def uint32(value: int) -> Data:
    """Return a double-long-unsigned."""
    return Data(Tag.UINT32, value)


def octet_string(value: bytes) -> Data:
    """Return an octet-string."""
    return Data(Tag.OCTET_STRING, value)


def read_data(reader: Reader, depth: int = 0) -> Data:
    """Read one piece of data.

    Raises:
        GbcsError: its type is unknown, it is cut short or nested more than 16 deep.
    """
    at = reader.offset
    number = reader.uint(1, "data type")
    try:
        tag = Tag(number)
    except ValueError:
        raise GbcsError(f"{number:02x} is no data type", offset=at) from None
    if depth > MAX_DEPTH:
        raise GbcsError("data are nested too deep", offset=at, expected=f"at most {MAX_DEPTH} levels")
    if tag is Tag.NULL:
        return NULL
    if tag in (Tag.ARRAY, Tag.STRUCTURE):
        count = reader.length("element count")
        return Data(tag, tuple(read_data(reader, depth + 1) for _ in range(count)))
    if tag in _INTEGERS:
        size, signed = _INTEGERS[tag]
        return Data(tag, int.from_bytes(reader.take(size, tag.name), "big", signed=signed))
    if tag in _FIXED:
        return Data(tag, reader.take(_FIXED[tag], tag.name))
    if tag in _STRINGS:
        return Data(tag, reader.take(reader.length("string length"), tag.name))
    start = reader.position
    if tag is Tag.BIT_STRING:
        bits = reader.length("bit string length")
        reader.take((bits + 7) // 8, "bit string")
    else:
        _skip_type_description(reader, 0)
        reader.take(reader.length("compact array length"), "compact array")
    return Data(tag, reader.data[start : reader.position])


def _skip_type_description(reader: Reader, depth: int) -> None:
    at = reader.offset
    kind = reader.uint(1, "type description")
    if depth > MAX_DEPTH:
        raise GbcsError("a type description is nested too deep", offset=at)
    if kind == Tag.ARRAY:
        reader.take(2, "array size")
        _skip_type_description(reader, depth + 1)
    elif kind == Tag.STRUCTURE:
        for _ in range(reader.length("structure size")):
            _skip_type_description(reader, depth + 1)


def encode_data(data: Data) -> bytes:
    """Write one piece of data.

    Raises:
        GbcsError: a number does not fit its type.
    """
    tag, value = data.tag, data.value
    head = bytes([tag])
    if isinstance(value, tuple):
        return head + encode_length(len(value)) + b"".join(encode_data(item) for item in value)
    if isinstance(value, int):
        size, signed = _INTEGERS[tag]
        try:
            return head + value.to_bytes(size, "big", signed=signed)
        except OverflowError:
            raise GbcsError(f"{value} does not fit {tag.name.lower()}") from None
    if value is None:
        return head
    return head + (encode_length(len(value)) if tag in _STRINGS else b"") + value


class Verb(IntEnum):
    """What an access request asks for, as its choice number."""

    GET = 1
    SET = 2
    ACTION = 3
    GET_SELECTED = 4


@dataclass(frozen=True, slots=True)
class Target:
    """An attribute or method of a COSEM object.

    Attributes:
        class_id: interface class.
        obis: logical name, six bytes, as "1-0:32.24.0.255".
        index: attribute or method number.
    """

    class_id: int
    obis: str
    index: int

    @classmethod
    def read(cls, reader: Reader) -> Target:
        """Read class, logical name and number: nine bytes."""
        class_id = reader.uint(2, "class id")
        name = reader.take(6, "logical name")
        return cls(class_id, format_obis(name), reader.uint(1, "attribute or method number"))

    def encode(self) -> bytes:
        """Write the nine bytes."""
        return self.class_id.to_bytes(2, "big") + parse_obis(self.obis) + bytes([self.index])

    def __str__(self) -> str:
        return f"{self.class_id}/{self.obis}/{self.index}"


def format_obis(raw: bytes) -> str:
    """Write six bytes as `A-B:C.D.E.F`."""
    a, b, c, d, e, f = raw
    return f"{a}-{b}:{c}.{d}.{e}.{f}"


def parse_obis(text: str) -> bytes:
    """Read `A-B:C.D.E.F`.

    Raises:
        GbcsError: it is something else.
    """
    parts = text.replace("-", ".").replace(":", ".").split(".")
    try:
        raw = bytes(int(part) for part in parts)
    except ValueError:
        raw = b""
    if len(raw) != 6 or format_obis(raw) != text:
        raise GbcsError(f"{text!r} is no OBIS code", expected="A-B:C.D.E.F")
    return raw


@dataclass(frozen=True, slots=True)
class Access:
    """One item of an access request.

    Attributes:
        verb: what is asked.
        target: of which attribute or method.
        data: what is sent with it; null data where nothing is.
        selector: of a selective get: which selection.
        parameters: of a selective get: its parameters.
    """

    verb: Verb
    target: Target
    data: Data = NULL
    selector: int | None = None
    parameters: Data | None = None


@dataclass(frozen=True, slots=True)
class AccessResult:
    """One item of an access response.

    Attributes:
        verb: GET, SET or ACTION, as asked (a selective get answers as GET).
        code: 0 is success; for GET and SET a data-access-result, for ACTION an action-result.
        data: what came back; null data where nothing did.
    """

    verb: Verb
    code: int
    data: Data = NULL


def decode_request(content: bytes) -> tuple[int, tuple[Access, ...]]:
    """Read an access request.

    Returns:
        The long-invoke-id and the items.

    Raises:
        GbcsError: it is none, or the numbers of specifications and data differ.
    """
    reader = Reader(content)
    reader.literal(_REQUEST_TAG, "access request tag")
    found_id = reader.uint(4, "long-invoke-id")
    reader.literal(_NO_DATE_TIME, "date-time")
    specifications = []
    for _ in range(reader.length("specification count")):
        at = reader.offset
        choice = reader.uint(1, "specification")
        if choice not in (1, 2, 3, 4):
            raise GbcsError(f"{choice:02x} is no access specification", offset=at, expected="01 to 04")
        target = Target.read(reader)
        selected = choice == Verb.GET_SELECTED
        selector = reader.uint(1, "access selector") if selected else None
        parameters = read_data(reader) if selected else None
        specifications.append((Verb(choice), target, selector, parameters))
    at = reader.offset
    count = reader.length("data count")
    if count != len(specifications):
        raise GbcsError(f"{count} pieces of data", offset=at, expected=str(len(specifications)))
    items = tuple(
        Access(verb, target, read_data(reader), selector, parameters)
        for verb, target, selector, parameters in specifications
    )
    reader.finish("the access request")
    return found_id, items


def encode_request(originator_counter: int, items: tuple[Access, ...]) -> bytes:
    """Write an access request whose long-invoke-id follows from the originator counter."""
    parts = [_REQUEST_TAG, invoke_id(originator_counter).to_bytes(4, "big"), _NO_DATE_TIME, encode_length(len(items))]
    for item in items:
        parts.append(bytes([item.verb]) + item.target.encode())
        if item.selector is not None and item.parameters is not None:
            parts.append(bytes([item.selector]) + encode_data(item.parameters))
    parts.append(encode_length(len(items)))
    parts.extend(encode_data(item.data) for item in items)
    return b"".join(parts)


def decode_response(content: bytes) -> tuple[int, tuple[AccessResult, ...]]:
    """Read an access response.

    Returns:
        The long-invoke-id and the items.

    Raises:
        GbcsError: it is none, or the numbers of data and results differ.
    """
    reader = Reader(content)
    reader.literal(RESPONSE_TAG, "access response tag")
    found_id = reader.uint(4, "long-invoke-id")
    reader.literal(_NO_DATE_TIME, "date-time")
    reader.literal(b"\x00", "request specification")
    data = [read_data(reader) for _ in range(reader.length("data count"))]
    at = reader.offset
    count = reader.length("result count")
    if count != len(data):
        raise GbcsError(f"{count} results", offset=at, expected=str(len(data)))
    items = []
    for value in data:
        at = reader.offset
        choice = reader.uint(1, "result")
        if choice not in (1, 2, 3):
            raise GbcsError(f"{choice:02x} is no access result", offset=at, expected="01 to 03")
        items.append(AccessResult(Verb(choice), reader.uint(1, "result code"), value))
    reader.finish("the access response")
    return found_id, tuple(items)


def encode_response(originator_counter: int, items: tuple[AccessResult, ...]) -> bytes:
    """Write an access response whose long-invoke-id follows from the originator counter."""
    parts = [
        RESPONSE_TAG,
        invoke_id(originator_counter).to_bytes(4, "big"),
        _NO_DATE_TIME,
        b"\x00",
        encode_length(len(items)),
    ]
    parts.extend(encode_data(item.data) for item in items)
    parts.append(encode_length(len(items)))
    parts.extend(bytes([item.verb, item.code]) for item in items)
    return b"".join(parts)


def invoke_id(originator_counter: int) -> int:
    """Return the long-invoke-id-and-priority that goes with a counter: its low 24 bits under fixed options."""
    return _INVOKE_ID_BASE | (originator_counter & 0xFFFFFF)
