"""A cursor over bytes that knows where it is: every codec of this room reads through it."""

from __future__ import annotations

from bench.gbcs.errors import GbcsError


class Reader:
    """Reads forwards from `data`; every fault is a `GbcsError` with its offset in the outermost input.

    Attributes:
        position: index in `data` of the next byte.
        base: offset of `data[0]` in the outermost input.
    """

    __slots__ = ("base", "data", "position")

    def __init__(self, data: bytes, base: int = 0) -> None:
        self.data = data
        self.position = 0
        self.base = base

    @property
    def offset(self) -> int:
        """Offset of the next byte in the outermost input."""
        return self.base + self.position

    @property
    def remaining(self) -> int:
        """How many bytes are left."""
        return len(self.data) - self.position

    def take(self, count: int, what: str) -> bytes:
        """Return the next `count` bytes.

        Raises:
            GbcsError: fewer are left; `what` names them.
        """
        if count > self.remaining:
            raise GbcsError(
                f"{what} is cut short", offset=self.offset, expected=f"{count} bytes, {self.remaining} are left"
            )
        self.position += count
        return self.data[self.position - count : self.position]

    def uint(self, size: int, what: str) -> int:
        """Return the next `size` bytes as a big-endian unsigned number."""
        return int.from_bytes(self.take(size, what), "big")

    def peek(self) -> int | None:
        """Return the next byte without moving, or None at the end."""
        return self.data[self.position] if self.remaining else None

    def literal(self, expected: bytes, what: str) -> None:
        """Pass over bytes that must be exactly `expected`."""
        offset = self.offset
        found = self.take(len(expected), what)
        if found != expected:
            raise GbcsError(f"{what} is {found.hex()}", offset=offset, expected=expected.hex())

    def length(self, what: str) -> int:
        """Read a DLMS length: below 0x80 one byte, else 81 nn or 82 nnnn, in its shortest form."""
        offset = self.offset
        first = self.uint(1, what)
        if first < 0x80:
            return first
        if first not in (0x81, 0x82):
            raise GbcsError(f"{what} starts with {first:02x}", offset=offset, expected="00 to 7f, 81 or 82")
        value = self.uint(first - 0x80, what)
        if value < (0x80 if first == 0x81 else 0x100):
            raise GbcsError(f"{what} is not in its shortest form", offset=offset)
        return value

    def finish(self, what: str) -> None:
        """Refuse bytes after the end of `what`."""
        if self.remaining:
            raise GbcsError(f"{self.remaining} bytes follow the end of {what}", offset=self.offset)


def encode_length(value: int) -> bytes:
    """Encode a DLMS length in its shortest form.

    Raises:
        GbcsError: it does not fit in 16 bits.
    """
    if value < 0x80:
        return bytes([value])
    if value < 0x100:
        return bytes([0x81, value])
    if value < 0x10000:
        return b"\x82" + value.to_bytes(2, "big")
    raise GbcsError(f"{value} bytes are too many for one message", expected="at most 65535")
