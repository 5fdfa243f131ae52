"""Captures of the HAN as pcapng files that Wireshark opens, written as frames come and read back strictly.

One section, one interface of link type IEEE 802.15.4 TAP, nanoseconds, little-endian. The reader takes exactly what
the writer writes, with any comments, and names the offset of the first thing that is otherwise: a capture that is
evidence has no benign variations.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from bench.errors import CodecError, UsageError
from bench.zigbee.mac import MAX_PSDU

LINKTYPE_IEEE802_15_4_TAP = 283

_SECTION, _INTERFACE, _ENHANCED_PACKET = 0x0A0D0D0A, 1, 6
_BYTE_ORDER = 0x1A2B3C4D
_END, _COMMENT, _APPLICATION, _INTERFACE_NAME, _RESOLUTION = 0, 1, 4, 2, 9
_NANOSECONDS = b"\x09"
_TAP_FCS, _TAP_RSS, _TAP_CHANNEL, _TAP_LQI = 0, 1, 3, 10
_MAX_BLOCK = 1 << 20
_MAX_OPTION = 0xFFFF


class PcapngError(CodecError):
    """A capture is not as the bench writes it; `offset` is that of the first fault in the file."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One frame of a capture.

    Attributes:
        utc_ns: nanoseconds since 1970-01-01T00:00:00Z.
        psdu: the frame without its FCS.
        channel: IEEE 802.15.4 channel, 11 to 26.
        power_dbm: received signal strength.
        lqi: link quality indication, 0 to 255.
        comment: empty if there is none.
    """

    utc_ns: int
    psdu: bytes
    channel: int
    power_dbm: float
    lqi: int
    comment: str = ""


class PcapngWriter:
    """Writes a capture to a binary stream that the caller opened and closes.

    Args:
        stream: where to.
        interface: name of the sniffer.
        application: what wrote it.
    """

    def __init__(self, stream: BinaryIO, interface: str, application: str = "hilbench") -> None:
        self._stream = stream
        section = struct.pack("<IHHq", _BYTE_ORDER, 1, 0, -1)
        stream.write(_block(_SECTION, section + _option(_APPLICATION, application.encode()) + _option(_END, b"")))
        head = struct.pack("<HHI", LINKTYPE_IEEE802_15_4_TAP, 0, 0)
        options = _option(_INTERFACE_NAME, interface.encode()) + _option(_RESOLUTION, _NANOSECONDS)
        stream.write(_block(_INTERFACE, head + options + _option(_END, b"")))

    def write(self, packet: Packet) -> None:
        """Append one frame; it reaches the stream as one write.

        Raises:
            UsageError: a value does not fit its field.
        """
        if not 0 <= packet.utc_ns < 1 << 64 or len(packet.psdu) > MAX_PSDU:
            raise UsageError("a frame does not fit into a capture", where=f"frame at {packet.utc_ns} ns")
        data = _tap(packet) + packet.psdu
        comment = packet.comment.encode()
        if len(comment) > _MAX_OPTION:
            raise UsageError(f"a comment of {len(comment)} bytes does not fit into a capture")
        size = len(data)
        body = struct.pack("<IIIII", 0, packet.utc_ns >> 32, packet.utc_ns & 0xFFFFFFFF, size, size) + _padded(data)
        if comment:
            body += _option(_COMMENT, comment) + _option(_END, b"")
        self._stream.write(_block(_ENHANCED_PACKET, body))


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _block(kind: int, body: bytes) -> bytes:
    size = len(body) + 12
    return struct.pack("<II", kind, size) + body + struct.pack("<I", size)


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + _padded(value)


def _tap(packet: Packet) -> bytes:
    """The TAP header: FCS type (none), RSS in dBm, channel with its page, LQI."""
    fields = struct.pack("<HHI", _TAP_FCS, 1, 0) + struct.pack("<HHf", _TAP_RSS, 4, packet.power_dbm)
    fields += struct.pack("<HHHBx", _TAP_CHANNEL, 3, packet.channel, 0)
    fields += struct.pack("<HHBxxx", _TAP_LQI, 1, packet.lqi)
    return struct.pack("<BBH", 0, 0, 4 + len(fields)) + fields


def read_packets(path: Path) -> Iterator[Packet]:
    """Read a capture frame by frame, holding one block at a time.

    Raises:
        PcapngError: at the first byte that the writer would not have written; frames before it were good.
        OSError: the file cannot be read.
    """
    with path.open("rb") as stream:
        yield from _Reading(stream, path.name).packets()


class _Reading:
    """Walks over the blocks of one file; `at` is the offset of the block in hand."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._name = name
        self.at = 0

    def fault(self, what: str, offset: int) -> PcapngError:
        return PcapngError(
            what,
            offset=offset,
            where=f"{self._name}, byte {offset}",
            next_step="The capture is damaged or was made by something else",
        )

    def packets(self) -> Iterator[Packet]:
        section = self._next_block(_SECTION, "section header")
        if section is None:
            raise self.fault("the file is empty", 0)
        self._exactly(section, struct.pack("<IHHq", _BYTE_ORDER, 1, 0, -1), "section header")
        self._options(section, 16, "section header")
        interface = self._next_block(_INTERFACE, "interface description")
        if interface is None:
            raise self.fault("the file ends before its interface is described", self.at)
        self._exactly(interface, struct.pack("<HHI", LINKTYPE_IEEE802_15_4_TAP, 0, 0), "interface description")
        if dict(self._options(interface, 8, "interface description")).get(_RESOLUTION) != _NANOSECONDS:
            raise self.fault("the interface's time resolution is not nanoseconds", self.at + 16)
        while (block := self._next_block(_ENHANCED_PACKET, "packet")) is not None:
            yield self._packet(block)

    def _next_block(self, kind: int, what: str) -> bytes | None:
        """The body of the next block, which must be of this kind; None at the end of the file."""
        self.at = self._stream.tell()
        head = self._stream.read(8)
        if not head:
            return None
        if len(head) < 8:
            raise self.fault("the file ends within the head of a block", self.at + len(head))
        found, size = struct.unpack("<II", head)
        if found != kind:
            raise self.fault(f"a block of type 0x{found:08x} stands where a {what} block must be", self.at)
        if size % 4 or not 12 <= size <= _MAX_BLOCK:
            raise self.fault(f"a {what} block says it has {size} bytes", self.at + 4)
        rest = self._stream.read(size - 8)
        if len(rest) < size - 8:
            raise self.fault(f"the file ends within a {what} block", self.at + 8 + len(rest))
        if rest[-4:] != head[4:]:
            raise self.fault(f"the two lengths of a {what} block differ", self.at + size - 4)
        return rest[:-4]

    def _exactly(self, body: bytes, expected: bytes, what: str) -> None:
        for index, byte in enumerate(expected):
            if index >= len(body) or body[index] != byte:
                raise self.fault(f"the {what} is not one of the bench's", self.at + 8 + index)

    def _options(self, body: bytes, begin: int, what: str) -> list[tuple[int, bytes]]:
        found: list[tuple[int, bytes]] = []
        at = begin
        while at < len(body):
            offset = self.at + 8 + at
            if at + 4 > len(body):
                raise self.fault(f"an option of the {what} is cut short", offset)
            code, size = struct.unpack_from("<HH", body, at)
            value, padding = body[at + 4 : at + 4 + size], body[at + 4 + size : at + 4 + size + -size % 4]
            if len(value) < size or len(padding) < -size % 4:
                raise self.fault(f"an option of the {what} is longer than its block", offset + 2)
            if any(padding):
                raise self.fault(f"the padding of an option of the {what} is not zero", offset + 4 + size)
            at += 4 + size + len(padding)
            if code == _END:
                if size or at != len(body):
                    raise self.fault(f"the options of the {what} do not end with their block", offset)
                return found
            found.append((code, value))
        if found:
            raise self.fault(f"the options of the {what} have no end", self.at + 8 + at)
        return found

    def _packet(self, body: bytes) -> Packet:
        if len(body) < 20:
            raise self.fault("a packet block is too short", self.at + 8 + len(body))
        interface, high, low, captured, original = struct.unpack_from("<IIIII", body)
        if interface:
            raise self.fault(f"a packet is of interface {interface}, and there is only 0", self.at + 8)
        if captured != original or 20 + captured + -captured % 4 > len(body):
            raise self.fault(f"a packet block says it holds {captured} of {original} bytes", self.at + 20)
        data, end = body[20 : 20 + captured], 20 + captured
        padded = end + -captured % 4
        if any(body[end:padded]):
            raise self.fault("the padding of a packet is not zero", self.at + 8 + end)
        options = self._options(body, padded, "packet")
        if any(code != _COMMENT for code, _ in options) or len(options) > 1:
            raise self.fault("a packet has an option other than one comment", self.at + 8 + padded)
        try:
            comment = options[0][1].decode() if options else ""
        except UnicodeDecodeError as error:
            raise self.fault("a comment is not UTF-8", self.at + 12 + padded + error.start) from None
        return self._tap_packet(high << 32 | low, data, comment)

    def _tap_packet(self, utc_ns: int, data: bytes, comment: str) -> Packet:
        header = _tap(Packet(0, b"", 0, 0.0, 0))
        begin = self.at + 28
        if len(data) < len(header):
            raise self.fault("a TAP header is cut short", begin + len(data))
        (power_dbm,) = struct.unpack_from("<f", data, 16)
        (channel,) = struct.unpack_from("<H", data, 24)
        packet = Packet(utc_ns, data[len(header) :], channel, power_dbm, data[32], comment)
        if len(packet.psdu) > MAX_PSDU:
            raise self.fault(f"a frame has {len(packet.psdu)} bytes", begin + len(header) + MAX_PSDU)
        written = _tap(packet)
        if written != data[: len(header)]:
            index = next(i for i, byte in enumerate(written) if byte != data[i])
            raise self.fault("a TAP header is not one of the bench's", begin + index)
        return packet
