"""IEEE 802.15.4 MAC frames (2006 edition, clause 7.2): what a join uses, and anything else as raw bytes.

Throughout this room a frame is the PSDU without its two FCS bytes: some sniffers report no FCS, others bytes that
merely stand in its place. `fcs` and `check_fcs` deal with it at the edges.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from bench.eui import Eui64
from bench.zigbee.reader import Reader, ZigbeeError, eui_bytes, short, u8, u16

Address = int | Eui64
"""A short address (16 bits) or an EUI-64."""

BROADCAST = 0xFFFF
"""The short address, and the PAN identifier, that everybody hears."""

MAX_PSDU = 127
"""aMaxPHYPacketSize, FCS included."""

FCS_BYTES = 2

_ADDRESS_NONE, _ADDRESS_SHORT, _ADDRESS_EUI = 0, 2, 3
_SECURITY, _PENDING, _ACK_REQUEST, _PAN_COMPRESSION = 0x08, 0x10, 0x20, 0x40


def fcs(data: bytes) -> bytes:
    """The frame check sequence (7.2.1.9): CRC-16 of ITU-T, reflected, initial value 0, low byte first."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x8408 if crc & 1 else crc >> 1
    return u16(crc)


def check_fcs(psdu: bytes) -> tuple[bytes, bool]:
    """Split a PSDU from its FCS, and say whether the FCS is right.

    Raises:
        ZigbeeError: it is too short to hold one.
    """
    if len(psdu) < FCS_BYTES + 3:
        raise ZigbeeError(f"{len(psdu)} bytes are too few for a frame and its FCS", offset=0)
    body = psdu[:-FCS_BYTES]
    return body, fcs(body) == psdu[-FCS_BYTES:]


class FrameType(IntEnum):
    """Frame types (7.2.1.1.1)."""

    BEACON = 0
    DATA = 1
    ACK = 2
    COMMAND = 3


class MacCommandId(IntEnum):
    """MAC commands (7.3)."""

    ASSOCIATION_REQUEST = 1
    ASSOCIATION_RESPONSE = 2
    DISASSOCIATION = 3
    DATA_REQUEST = 4
    PAN_ID_CONFLICT = 5
    ORPHAN = 6
    BEACON_REQUEST = 7
    COORDINATOR_REALIGNMENT = 8
    GTS_REQUEST = 9


@dataclass(frozen=True, slots=True)
class AssociationRequest:
    """A device asks to join (7.3.1); `capability` is its capability information field."""

    capability: int

    def __str__(self) -> str:
        return "association request"


@dataclass(frozen=True, slots=True)
class AssociationResponse:
    """A coordinator answers (7.3.2): status 0 is success, 1 PAN at capacity, 2 access denied."""

    short_address: int
    status: int

    @property
    def successful(self) -> bool:
        """Whether the device got a short address."""
        return self.status == 0 and self.short_address < 0xFFFE

    def __str__(self) -> str:
        outcome = f"as {short(self.short_address)}" if self.successful else f"refused, status {self.status}"
        return f"association response, {outcome}"


@dataclass(frozen=True, slots=True)
class DataRequest:
    """A sleepy device asks its parent for what waits for it (7.3.4)."""

    def __str__(self) -> str:
        return "data request"


@dataclass(frozen=True, slots=True)
class BeaconRequest:
    """A device looks for networks (7.3.7)."""

    def __str__(self) -> str:
        return "beacon request"


@dataclass(frozen=True, slots=True)
class OtherMacCommand:
    """A MAC command that a join does not use."""

    command: int
    payload: bytes

    def __str__(self) -> str:
        known = self.command in MacCommandId.__members__.values()
        name = MacCommandId(self.command).name.lower().replace("_", " ") if known else f"0x{self.command:02x}"
        return f"MAC command {name}"


@dataclass(frozen=True, slots=True)
class Beacon:
    """A network shows itself (7.2.2.1).

    Attributes:
        superframe: the superframe specification; its bit 15 permits association.
        lists: GTS and pending address fields as they are.
        payload: what the network layer says of itself.
    """

    superframe: int
    lists: bytes
    payload: bytes

    @property
    def permits_association(self) -> bool:
        """Whether the sender lets devices join now."""
        return bool(self.superframe & 0x8000)

    def __str__(self) -> str:
        return f"beacon, joining {'open' if self.permits_association else 'closed'}"


MacCommand = AssociationRequest | AssociationResponse | DataRequest | BeaconRequest | OtherMacCommand
MacContent = MacCommand | Beacon | bytes


@dataclass(frozen=True, slots=True)
class MacFrame:
    """One MAC frame.

    Attributes:
        type: beacon, data, acknowledgement or command.
        sequence: the sequence number; an acknowledgement carries that of the frame it acknowledges.
        destination_pan: PAN identifier, None where there is no destination address.
        source_pan: PAN identifier where the frame states one of its own.
        content: the decoded beacon or command; the network layer's bytes of a data frame.
        pan_compression: the source's PAN is the destination's, and left out.
        version: frame version, 0 or 1.
    """

    type: FrameType
    sequence: int
    destination_pan: int | None = None
    destination: Address | None = None
    source_pan: int | None = None
    source: Address | None = None
    content: MacContent = b""
    ack_request: bool = False
    frame_pending: bool = False
    pan_compression: bool = False
    version: int = 0

    def encode(self) -> bytes:
        """The frame without its FCS.

        Raises:
            ZigbeeError: with its FCS it is longer than 127 bytes.
        """
        control = self.type | self.version << 12
        control |= _PENDING * self.frame_pending | _ACK_REQUEST * self.ack_request
        control |= _PAN_COMPRESSION * self.pan_compression
        control |= _mode(self.destination) << 10 | _mode(self.source) << 14
        out = u16(control) + u8(self.sequence)
        if self.destination is not None:
            out += u16(self.destination_pan or 0) + address_bytes(self.destination)
        if self.source is not None:
            out += (b"" if self.pan_compression else u16(self.source_pan or 0)) + address_bytes(self.source)
        out += _encode_content(self.content)
        if len(out) + FCS_BYTES > MAX_PSDU:
            raise ZigbeeError(f"a frame of {len(out) + FCS_BYTES} bytes is longer than the {MAX_PSDU} allowed")
        return out

    def __str__(self) -> str:
        if self.type is FrameType.ACK:
            return f"ack {self.sequence}"
        kind = "data" if isinstance(self.content, bytes) else str(self.content)
        return f"{kind} {short(self.source)} -> {short(self.destination)}"


def address_bytes(address: Address) -> bytes:
    """An address as it goes over the air."""
    return eui_bytes(address) if isinstance(address, Eui64) else u16(address)


def _mode(address: Address | None) -> int:
    if address is None:
        return _ADDRESS_NONE
    return _ADDRESS_EUI if isinstance(address, Eui64) else _ADDRESS_SHORT


def _encode_content(content: MacContent) -> bytes:
    match content:
        case bytes():
            return content
        case Beacon(superframe, lists, payload):
            return u16(superframe) + lists + payload
        case AssociationRequest(capability):
            return u8(MacCommandId.ASSOCIATION_REQUEST) + u8(capability)
        case AssociationResponse(address, status):
            return u8(MacCommandId.ASSOCIATION_RESPONSE) + u16(address) + u8(status)
        case DataRequest():
            return u8(MacCommandId.DATA_REQUEST)
        case BeaconRequest():
            return u8(MacCommandId.BEACON_REQUEST)
        case OtherMacCommand(command, payload):
            return u8(command) + payload


def parse_mac(psdu: bytes) -> tuple[MacFrame, Reader]:
    """Read the MAC header and what a beacon or command holds.

    Returns:
        the frame, with the bytes after the header of a data frame as its content, and a reader at the end of what
        was understood.

    Raises:
        ZigbeeError: the header is cut short, or of a kind that Zigbee does not use.
    """
    reader = Reader(psdu)
    control = reader.uint(2, "the frame control field")
    kind, version = control & 7, control >> 12 & 3
    if kind > FrameType.COMMAND:
        raise ZigbeeError(f"frame type {kind} is reserved", offset=0)
    if version > 1:
        raise ZigbeeError(f"frame version {version} is not read here", offset=1)
    if control & _SECURITY:
        raise ZigbeeError("MAC security is set, which Zigbee does not use", offset=0)
    sequence = reader.uint(1, "the sequence number")
    compressed = bool(control & _PAN_COMPRESSION)
    destination_mode, source_mode = control >> 10 & 3, control >> 14 & 3
    if 1 in (destination_mode, source_mode):
        raise ZigbeeError("an addressing mode is reserved", offset=1)
    if compressed and _ADDRESS_NONE in (destination_mode, source_mode):
        raise ZigbeeError("PAN ID compression is set without two addresses", offset=0)
    destination_pan = source_pan = None
    destination = source = None
    if destination_mode:
        destination_pan = reader.uint(2, "the destination PAN identifier")
        destination = _read_address(reader, destination_mode, "the destination address")
    if source_mode:
        source_pan = None if compressed else reader.uint(2, "the source PAN identifier")
        source = _read_address(reader, source_mode, "the source address")
    content = _read_content(reader, FrameType(kind))
    frame = MacFrame(
        FrameType(kind),
        sequence,
        destination_pan,
        destination,
        source_pan,
        source,
        content,
        ack_request=bool(control & _ACK_REQUEST),
        frame_pending=bool(control & _PENDING),
        pan_compression=compressed,
        version=version,
    )
    return frame, reader


def _read_address(reader: Reader, mode: int, what: str) -> Address:
    return reader.eui(what) if mode == _ADDRESS_EUI else reader.uint(2, what)


def _read_content(reader: Reader, kind: FrameType) -> MacContent:
    if kind is FrameType.DATA:
        return reader.data[reader.position :]
    if kind is FrameType.ACK:
        return b""
    if kind is FrameType.BEACON:
        superframe = reader.uint(2, "the superframe specification")
        begin = reader.position
        slots = reader.uint(1, "the GTS specification") & 7
        reader.take(1 + 3 * slots if slots else 0, "the GTS list")
        pending = reader.uint(1, "the pending address specification")
        reader.take(2 * (pending & 7) + 8 * (pending >> 4 & 7), "the pending addresses")
        return Beacon(superframe, reader.data[begin : reader.position], reader.rest())
    command = reader.uint(1, "the MAC command identifier")
    if command == MacCommandId.ASSOCIATION_REQUEST:
        return AssociationRequest(reader.uint(1, "the capability information"))
    if command == MacCommandId.ASSOCIATION_RESPONSE:
        return AssociationResponse(reader.uint(2, "the short address"), reader.uint(1, "the association status"))
    if command == MacCommandId.DATA_REQUEST:
        return DataRequest()
    if command == MacCommandId.BEACON_REQUEST:
        return BeaconRequest()
    return OtherMacCommand(command, reader.rest())
