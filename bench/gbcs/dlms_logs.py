"""Fields of DLMS use cases that hold logs, and data that are passed on as they are."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bench.gbcs import dlms, times, use_case
from bench.gbcs.dlms import Data, Tag
from bench.gbcs.dlms_use_case import Field
from bench.gbcs.errors import GbcsError
from bench.gbcs.reader import Reader, encode_length
from bench.gbcs.use_case import Values

_SIZES = {Tag.UINT32: 4, Tag.UINT16: 2, Tag.UINT8: 1, Tag.ENUM: 1}
_NOW, _NEVER = (edge * 9 + bytes.fromhex("8000ff") for edge in (b"\x00", b"\xff"))


def log_range() -> Field:
    """Return the range of a log: entries whose clock lies from `log_from` to `log_to`, all columns."""
    clock = (Data(Tag.UINT16, 1), dlms.octet_string(dlms.parse_obis("0-0:94.44.100.255")))
    restricting = Data(Tag.STRUCTURE, (*clock, Data(Tag.INT8, 2), Data(Tag.UINT16, 0)))
    all_columns = Data(Tag.ARRAY, ())

    def write(values: Values) -> Data:
        limits = (times.encode_zigbee(use_case.moment(values, name)) for name in ("log_from", "log_to"))
        numbers = (dlms.uint32(int.from_bytes(limit, "big")) for limit in limits)
        return Data(Tag.STRUCTURE, (restricting, *numbers, all_columns))

    def read(data: Data) -> dict[str, Any]:
        parts = data.value
        if not isinstance(parts, tuple) or len(parts) != 4 or (parts[0], parts[3]) != (restricting, all_columns):
            raise GbcsError("the selection is no range by clock over all columns")
        return {name: _seconds(part.integer) for name, part in zip(("log_from", "log_to"), parts[1:3], strict=True)}

    return Field(("log_from", "log_to"), write, read)


def _seconds(value: int) -> datetime | None:
    if not 0 <= value <= 0xFFFFFFFF:
        raise GbcsError(f"{value} is no time", expected="32 bits")
    return times.decode_zigbee(value.to_bytes(4, "big"))


Column = Tag | tuple[Tag, int]
"""A column of a log: a number or an octet-string, or an array of so many numbers."""


def log(name: str, *columns: Column) -> Field:
    """Return a log: a compact array of rows, each a time and then `columns`.

    The value is a tuple of rows, each a tuple of a datetime, numbers, bytes and tuples of numbers. How an empty log is
    returned is not published: no data, no elements and no bytes are all read as empty.
    """
    described = b"".join(_description(column) for column in columns)
    description = bytes([Tag.STRUCTURE, 1 + len(columns), Tag.UINT32]) + described

    def write(values: Values) -> Data:
        rows = b""
        for row in values.get(name, ()):
            if len(row) != 1 + len(columns):
                raise GbcsError(f"a row of {name} has {len(row)} columns", expected=str(1 + len(columns)))
            rows += times.encode_zigbee(use_case.moment({name: row[0]}, name))
            rows += b"".join(_write_cell(name, cell, column) for cell, column in zip(row[1:], columns, strict=True))
        return Data(Tag.COMPACT_ARRAY, description + encode_length(len(rows)) + rows)

    def read(data: Data) -> dict[str, Any]:
        if data in (dlms.NULL, Data(Tag.ARRAY, ())):
            return {name: ()}
        if data.tag is not Tag.COMPACT_ARRAY or not isinstance(data.value, bytes):
            raise GbcsError(f"{name} is {data.tag.name.lower()}", expected="a compact array")
        reader = Reader(data.value)
        reader.literal(description, f"columns of {name}")
        reader.length(f"length of {name}")
        rows = []
        while reader.remaining:
            row: list[Any] = [times.decode_zigbee(reader.take(4, "time"))]
            row += [_read_cell(name, reader, column) for column in columns]
            rows.append(tuple(row))
        return {name: tuple(rows)}

    return Field((name,), write, read)


def _description(column: Column) -> bytes:
    if isinstance(column, Tag):
        return bytes([column])
    kind, count = column
    return bytes([Tag.ARRAY]) + count.to_bytes(2, "big") + bytes([kind])


def _write_cell(name: str, value: Any, column: Column) -> bytes:
    if not isinstance(column, Tag):
        kind, count = column
        if not isinstance(value, tuple) or len(value) != count:
            raise GbcsError(f"a cell of {name} is {value!r}", expected=f"a tuple of {count} numbers")
        return b"".join(_write_cell(name, each, kind) for each in value)
    if column is Tag.OCTET_STRING:
        octets = use_case.octets({name: value}, name)
        return encode_length(len(octets)) + octets
    if column is Tag.INT32:
        if isinstance(value, bool) or not isinstance(value, int) or not -(1 << 31) <= value < 1 << 31:
            raise GbcsError(f"a cell of {name} is {value!r}", expected="a whole number of 32 bits with its sign")
        return value.to_bytes(4, "big", signed=True)
    size = _SIZES[column]
    return use_case.integer({name: value}, name, (1 << 8 * size) - 1).to_bytes(size, "big")


def _read_cell(name: str, reader: Reader, column: Column) -> Any:
    if not isinstance(column, Tag):
        kind, count = column
        return tuple(_read_cell(name, reader, kind) for _ in range(count))
    if column is Tag.OCTET_STRING:
        return reader.take(reader.length(f"length in {name}"), name)
    if column is Tag.INT32:
        return int.from_bytes(reader.take(4, name), "big", signed=True)
    return reader.uint(_SIZES[column], name)


def together(*fields: Field) -> Field:
    """Return the structure that the attributes make which a data protection object returns."""

    def read(data: Data) -> dict[str, Any]:
        parts = data.value
        if data.tag is not Tag.STRUCTURE or not isinstance(parts, tuple) or len(parts) != len(fields):
            raise GbcsError(f"the attributes are {data.tag.name.lower()}", expected=f"a structure of {len(fields)}")
        return {
            name: each for field, part in zip(fields, parts, strict=True) for name, each in field.read(part).items()
        }

    names = tuple(name for field in fields for name in field.names)
    return Field(names, lambda values: Data(Tag.STRUCTURE, tuple(field.write(values) for field in fields)), read)


def anything(name: str) -> Field:
    """Return a field that holds whatever data there are: the value is a `Data`."""

    def write(values: Values) -> Data:
        value = values.get(name, dlms.NULL)
        if not isinstance(value, Data):
            raise GbcsError(f"{name} is {value!r}", expected="a dlms.Data")
        return value

    return Field((name,), write, lambda data: {name: data})


def octets(name: str) -> Field:
    """Return a field that holds one octet-string of any length."""
    return Field(
        (name,),
        lambda values: dlms.octet_string(use_case.octets(values, name)),
        lambda data: {name: data.octets},
    )


def bits(name: str, count: int) -> Field:
    """Return a field that holds a bit string of fixed length, as bytes; the first bit is the highest of the first."""
    head = encode_length(count)

    def read(data: Data) -> dict[str, Any]:
        if data.tag is not Tag.BIT_STRING or not isinstance(data.value, bytes) or not data.value.startswith(head):
            raise GbcsError(f"{name} is {data.tag.name.lower()}", expected=f"{count} bits")
        return {name: data.value[len(head) :]}

    return Field((name,), lambda v: Data(Tag.BIT_STRING, head + use_case.octets(v, name, (count + 7) // 8)), read)


def activation_time(name: str = "activation_time") -> Field:
    """Return a field that says when a setting takes effect: a datetime, "now", or "never", which cancels."""

    def write(values: Values) -> Data:
        words = {"now": _NOW, "never": _NEVER}
        value = values.get(name, "now")
        if isinstance(value, str) and value in words:
            return dlms.octet_string(words[value])
        return dlms.octet_string(times.encode_dlms(use_case.moment(values, name)))

    def read(data: Data) -> dict[str, Any]:
        if data.octets in (_NOW, _NEVER):
            return {name: "now" if data.octets == _NOW else "never"}
        return {name: times.decode_dlms(data.octets)}

    return Field((name,), write, read)
