"""The few forms of ASN.1 that GBCS content uses, read and written byte by byte.

Certificates inside are carried whole; what is in them is the business of an X.509 library.
"""

from __future__ import annotations

from datetime import datetime

from bench.gbcs import times
from bench.gbcs.errors import GbcsError
from bench.gbcs.reader import Reader, encode_length

INTEGER = 0x02
OCTET_STRING = 0x04
NULL = 0x05
GENERALIZED_TIME = 0x18
SEQUENCE = 0x30


class Cursor:
    """Reads elements one after the other; every fault is a `GbcsError` with its offset."""

    def __init__(self, data: bytes, base: int = 0) -> None:
        self._reader = Reader(data, base)

    @property
    def next_tag(self) -> int | None:
        """Tag of the next element, or None at the end."""
        return self._reader.peek()

    def element(self, tag: int, what: str) -> bytes:
        """Return the body of the next element, which must have this tag."""
        return self._enter(tag, what).rest()

    def whole(self, what: str) -> bytes:
        """Return the next element with its tag and length, whatever it is."""
        start = self._reader.position
        self._reader.take(1, what)
        self._reader.take(self._length(what), what)
        return self._reader.data[start : self._reader.position]

    def sequence(self, what: str) -> Cursor:
        """Enter the next element, a sequence."""
        return self._enter(SEQUENCE, what)

    def integer(self, what: str) -> int:
        """Return the next element, an integer of at most 9 bytes."""
        at = self._reader.offset
        body = self.element(INTEGER, what)
        if not 0 < len(body) <= 9:
            raise GbcsError(f"{what} has {len(body)} bytes", offset=at, expected="1 to 9")
        return int.from_bytes(body, "big", signed=True)

    def octet_string(self, what: str) -> bytes:
        """Return the next element, an octet string."""
        return self.element(OCTET_STRING, what)

    def generalized_time(self, what: str) -> datetime | None:
        """Return the next element, a GeneralizedTime; None where it names no day of the calendar."""
        return times.decode_generalized(self.element(GENERALIZED_TIME, what))

    def rest(self) -> bytes:
        """Return everything that is left, undecoded."""
        return self._reader.take(self._reader.remaining, "rest")

    def finish(self, what: str) -> None:
        """Refuse elements after the end of `what`."""
        self._reader.finish(what)

    def _enter(self, tag: int, what: str) -> Cursor:
        at = self._reader.offset
        found = self._reader.uint(1, what)
        if found != tag:
            raise GbcsError(f"{what} has tag {found:02x}", offset=at, expected=f"{tag:02x}")
        length = self._length(what)
        base = self._reader.offset
        return Cursor(self._reader.take(length, what), base)

    def _length(self, what: str) -> int:
        """Read a length of at most 16 bits; GBCS messages are seen with lengths longer than they need be."""
        at = self._reader.offset
        first = self._reader.uint(1, f"length of {what}")
        if first < 0x80:
            return first
        if first not in (0x81, 0x82):
            raise GbcsError(f"length of {what} starts with {first:02x}", offset=at, expected="00 to 7f, 81 or 82")
        return self._reader.uint(first - 0x80, f"length of {what}")


def element(tag: int, body: bytes) -> bytes:
    """Write one element with its length in the shortest form."""
    return bytes([tag]) + encode_length(len(body)) + body


def sequence(*parts: bytes) -> bytes:
    """Write a sequence."""
    return element(SEQUENCE, b"".join(parts))


def sequence_16(*parts: bytes) -> bytes:
    """Write a sequence whose length always takes 16 bits, as replies and alerts of CS02b are laid out."""
    body = b"".join(parts)
    return bytes([SEQUENCE, 0x82]) + len(body).to_bytes(2, "big") + body


def integer(value: int) -> bytes:
    """Write an integer in the shortest form."""
    size = (value + (value < 0)).bit_length() // 8 + 1
    return element(INTEGER, value.to_bytes(size, "big", signed=True))


def octet_string(value: bytes) -> bytes:
    """Write an octet string."""
    return element(OCTET_STRING, value)


def generalized_time(moment: datetime) -> bytes:
    """Write a GeneralizedTime."""
    return element(GENERALIZED_TIME, times.encode_generalized(moment))
