"""A cursor over the bytes of a frame that knows where it is; all of IEEE 802.15.4 and Zigbee is little-endian."""

from __future__ import annotations

from bench.errors import CodecError
from bench.eui import Eui64


class ZigbeeError(CodecError):
    """Bytes are not the IEEE 802.15.4 or Zigbee frame that they should be.

    Attributes:
        offset: how many bytes into the outermost frame the fault lies; None for a fault of a parameter.
    """


class Reader:
    """Reads forwards; every fault is a `ZigbeeError` with its offset in the outermost frame.

    Attributes:
        data: the bytes of this layer.
        position: index in `data` of the next byte.
        base: offset of `data[0]` in the outermost frame.
    """

    __slots__ = ("base", "data", "position")

    def __init__(self, data: bytes, base: int = 0) -> None:
        self.data = data
        self.position = 0
        self.base = base

    @property
    def offset(self) -> int:
        """Offset of the next byte in the outermost frame."""
        return self.base + self.position

    @property
    def remaining(self) -> int:
        """How many bytes are left."""
        return len(self.data) - self.position

    def take(self, count: int, what: str) -> bytes:
        """Return the next `count` bytes.

        Raises:
            ZigbeeError: fewer are left; `what` names them.
        """
        if count > self.remaining:
            raise ZigbeeError(f"{what} needs {count} bytes and {self.remaining} are left", offset=self.offset)
        self.position += count
        return self.data[self.position - count : self.position]

    def uint(self, size: int, what: str) -> int:
        """Return the next `size` bytes as a little-endian unsigned number."""
        return int.from_bytes(self.take(size, what), "little")

    def eui(self, what: str) -> Eui64:
        """Return the next eight bytes as an EUI-64, which goes over the air last byte first."""
        return Eui64(self.take(8, what)[::-1])

    def rest(self) -> bytes:
        """Return everything that is left."""
        return self.take(self.remaining, "the rest")

    def finish(self, what: str) -> None:
        """Refuse bytes after the end of `what`."""
        if self.remaining:
            raise ZigbeeError(f"{self.remaining} bytes follow the end of {what}", offset=self.offset)


def u8(value: int) -> bytes:
    """One byte."""
    return value.to_bytes(1, "little")


def u16(value: int) -> bytes:
    """Two bytes, low byte first."""
    return value.to_bytes(2, "little")


def u32(value: int) -> bytes:
    """Four bytes, low byte first."""
    return value.to_bytes(4, "little")


def eui_bytes(eui: Eui64) -> bytes:
    """An EUI-64 as it goes over the air, last byte first."""
    return eui.raw[::-1]


def short(address: int | Eui64 | None) -> str:
    """An address as people read it: `0x1a2b`, `00-DB-...`, or "nobody"."""
    if address is None:
        return "nobody"
    return str(address) if isinstance(address, Eui64) else f"0x{address:04x}"
