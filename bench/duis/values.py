"""Kinds of value that DUIS elements hold: from a runbook's text or a Python value, to one form, to XML and back."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from bench.duis.request_id import RequestId
from bench.errors import BenchError
from bench.eui import Eui64

_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")
_YEARLY = re.compile(r"65535-(\d\d-\d\d)Z?")
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)(Z|[+-]\d\d:\d\d)?")
_TIME = re.compile(r"\d\d:\d\d:\d\d(\.\d+)?Z?")
_INTEGER = re.compile(r"[+-]?\d{1,40}")
_DECIMAL = re.compile(r"[+-]?\d{1,20}(\.\d{0,20})?")
# What XML 1.0 cannot hold (clause 2.2), and what its line ends would change.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of value.

    Attributes:
        expected: what it may be, for error messages: "a whole number from 1 to 3600".
        accept: makes the one canonical Python value from text or from a Python value; ValueError if it cannot be one.
        write: the XML text of a canonical value.
    """

    expected: str
    accept: Callable[[object], Any]
    write: Callable[[Any], str] = str


def whole(lowest: int, highest: int) -> Kind:
    """A whole number, `int`, both ends included."""

    def accept(value: object) -> int:
        if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
            raise ValueError
        return value

    return Kind(f"a whole number from {lowest} to {highest}", accept)


def decimal(lowest: str, highest: str, digits: int) -> Kind:
    """A decimal number, `decimal.Decimal`, with at most this many digits after the point."""

    def accept(value: object) -> Decimal:
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        if isinstance(value, str) and _DECIMAL.fullmatch(value.strip()):
            value = Decimal(value.strip())
        # The range comes first: numbers far outside it cannot be rounded.
        if not isinstance(value, Decimal) or not value.is_finite() or not Decimal(lowest) <= value <= Decimal(highest):
            raise ValueError
        rounded = value.quantize(Decimal(1).scaleb(-digits))
        if rounded != value:
            raise ValueError
        return rounded

    return Kind(f"a number from {lowest} to {highest} with at most {digits} decimals", accept, "{:f}".format)


def text(shortest: int, longest: int, pattern: str = "", meaning: str = "") -> Kind:
    """Text, `str`, of so many characters; blanks around it are part of it."""
    form = re.compile(pattern) if pattern else None

    def accept(value: object) -> str:
        if not isinstance(value, str) or not shortest <= len(value) <= longest or _NOT_XML.search(value):
            raise ValueError
        if form is not None and not form.fullmatch(value):
            raise ValueError
        return value

    size = str(longest) if shortest == longest else f"{shortest} to {longest}"
    return Kind(meaning or f"text of {size} characters", accept)


def one_of(*values: str) -> Kind:
    """One of a few words, `str`."""

    def accept(value: object) -> str:
        word = str(value).strip() if isinstance(value, str) else None
        if word not in values:
            raise ValueError
        return word

    return Kind("one of " + ", ".join(values), accept)


def hexadecimal(shortest: int, longest: int) -> Kind:
    """`bytes`, given as bytes or as hexadecimal digits; sizes in bytes."""

    def accept(value: object) -> bytes:
        raw = bytes.fromhex(value) if isinstance(value, str) else value
        if not isinstance(raw, bytes) or not shortest <= len(raw) <= longest:
            raise ValueError
        return raw

    size = str(shortest) if shortest == longest else f"{shortest} to {longest}"
    return Kind(f"{size} bytes in hexadecimal", accept, lambda raw: raw.hex().upper())


def _accept_base64(value: object) -> bytes:
    if isinstance(value, str):
        try:
            return base64.b64decode("".join(value.split()), validate=True)
        except binascii.Error:
            raise ValueError from None
    if not isinstance(value, bytes):
        raise ValueError
    return value


def _write_base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def base64_of(longest: int) -> Kind:
    """`bytes`, at most so many, given as bytes or as base64."""

    def accept(value: object) -> bytes:
        raw = _accept_base64(value)
        if len(raw) > longest:
            raise ValueError
        return raw

    return Kind(f"at most {longest} bytes, or base64 text of them", accept, _write_base64)


def _accept_boolean(value: object) -> bool:
    word = {"true": True, "1": True, "false": False, "0": False}.get(value.strip()) if isinstance(value, str) else value
    if not isinstance(word, bool):
        raise ValueError
    return word


def _accept_eui(value: object) -> Eui64:
    if isinstance(value, str):
        try:
            return Eui64.parse(value)
        except BenchError:
            raise ValueError from None
    if not isinstance(value, Eui64):
        raise ValueError
    return value


def _accept_euis(value: object) -> tuple[Eui64, ...]:
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, Sequence) or isinstance(value, bytes) or not 1 <= len(value) <= 50_000:
        raise ValueError
    return tuple(_accept_eui(each.strip() if isinstance(each, str) else each) for each in value)


def _accept_request_id(value: object) -> RequestId:
    if isinstance(value, str):
        try:
            return RequestId.parse(value)
        except BenchError:
            raise ValueError from None
    if not isinstance(value, RequestId):
        raise ValueError
    return value


def _accept_date_time(value: object) -> datetime:
    if isinstance(value, str) and _DATE_TIME.fullmatch(value.strip()):
        value = datetime.fromisoformat(value.strip())
        # DUIS times are UTC; some systems leave the Z away.
        value = value.replace(tzinfo=UTC) if value.tzinfo is None else value
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError from None


def _write_date_time(value: datetime) -> str:
    return value.replace(tzinfo=None).isoformat() + "Z"


def _accept_date(value: object) -> date:
    if isinstance(value, str) and (form := _DATE.fullmatch(value.strip())):
        value = date.fromisoformat(form[1])
    if not isinstance(value, date) or isinstance(value, datetime):
        raise ValueError
    return value


def _accept_calendar_date(value: object) -> str:
    if isinstance(value, str) and (form := _YEARLY.fullmatch(value.strip())):
        date.fromisoformat(f"2000-{form[1]}")
        return f"65535-{form[1]}"
    return str(_accept_date(value).isoformat())


def _accept_time(value: object) -> time:
    if isinstance(value, str) and _TIME.fullmatch(value.strip()):
        value = time.fromisoformat(value.strip().removesuffix("Z"))
    if not isinstance(value, time) or value.tzinfo is not None:
        raise ValueError
    return value


EUI = Kind("an EUI-64 such as 00-DB-12-34-56-78-90-A0", _accept_eui)
# 50,000 fill the 1,199,999 characters that the schema allows.
EUI_LIST = Kind(
    "EUI-64s with commas between them, or a list of them", _accept_euis, lambda each: ",".join(map(str, each))
)
REQUEST_ID = Kind("a RequestID, EUI:EUI:counter", _accept_request_id)
BASE64 = Kind("bytes, or base64 text", _accept_base64, _write_base64)
BOOLEAN = Kind("true or false", _accept_boolean, lambda value: "true" if value else "false")
DATE_TIME = Kind("a UTC time such as 2026-01-01T00:00:00Z", _accept_date_time, _write_date_time)
DATE = Kind("a UTC date such as 2026-01-01", _accept_date, lambda value: value.isoformat() + "Z")
# A device's calendar has 0xFFFF for the year that is not specified, and published messages pass it on.
CALENDAR_DATE = Kind(
    "a UTC date such as 2026-01-01, or 65535-01-01 for that day of every year", _accept_calendar_date, "{}Z".format
)
TIME = Kind("a UTC time of day such as 13:30:00", _accept_time, lambda value: value.isoformat() + "Z")
UNSIGNED_SHORT = whole(0, 0xFFFF)
UNSIGNED_INT = whole(0, 0xFFFF_FFFF)
INT = whole(-0x8000_0000, 0x7FFF_FFFF)
SEQUENCE_NUMBER = whole(0, 2**63 - 1)
MPAN = text(13, 13, r"\S*", "an MPAN of 13 characters")
IMPORT_MPXN = text(1, 13, r"\S*", "an MPAN or MPRN of 1 to 13 characters")
MPRN = text(1, 10, r"\S*", "an MPRN of 1 to 10 characters")
FIRMWARE = text(1, 8)
DEVICE_TYPE = one_of("ESME", "GSME", "GPF", "CHF", "HCALCS", "PPMID", "IHD", "CAD")
REMOTE_PARTY = one_of("ACB", "NetworkOperator", "Recovery", "Root", "Supplier", "TransCoS", "LoadController")
ALERT_CODE = hexadecimal(2, 2)
