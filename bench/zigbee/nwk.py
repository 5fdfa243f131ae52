"""Zigbee network layer frames (Zigbee specification, clause 3.3).

Header, security, and the commands of joining and leaving.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from bench.eui import Eui64
from bench.zigbee.reader import Reader, ZigbeeError, eui_bytes, short, u8, u16
from bench.zigbee.security import SecurityHeader

COORDINATOR = 0x0000
"""The coordinator's short address: in a smart metering HAN, the Comms Hub."""

ALL_AWAKE = 0xFFFD
"""Broadcast to every device whose receiver is on when idle."""

_MULTICAST, _SECURED, _SOURCE_ROUTE, _DESTINATION_EUI, _SOURCE_EUI = 0x0100, 0x0200, 0x0400, 0x0800, 0x1000
_INITIATOR = 0x2000


class NwkType(IntEnum):
    """Frame types (3.3.1.1.1)."""

    DATA = 0
    COMMAND = 1
    INTER_PAN = 3


class NwkCommandId(IntEnum):
    """Network commands (3.4)."""

    ROUTE_REQUEST = 1
    ROUTE_REPLY = 2
    NETWORK_STATUS = 3
    LEAVE = 4
    ROUTE_RECORD = 5
    REJOIN_REQUEST = 6
    REJOIN_RESPONSE = 7
    LINK_STATUS = 8
    NETWORK_REPORT = 9
    NETWORK_UPDATE = 10
    END_DEVICE_TIMEOUT_REQUEST = 11
    END_DEVICE_TIMEOUT_RESPONSE = 12


@dataclass(frozen=True, slots=True)
class Leave:
    """A device leaves, or is told to (3.4.4)."""

    request: bool
    rejoin: bool
    remove_children: bool = False

    def encode(self) -> bytes:
        """The command's bytes."""
        options = 0x20 * self.rejoin | 0x40 * self.request | 0x80 * self.remove_children
        return u8(NwkCommandId.LEAVE) + u8(options)

    def __str__(self) -> str:
        return ("leave request" if self.request else "leave") + (", to rejoin" if self.rejoin else "")


@dataclass(frozen=True, slots=True)
class RejoinRequest:
    """A device asks to come back (3.4.6)."""

    capability: int

    def encode(self) -> bytes:
        """The command's bytes."""
        return u8(NwkCommandId.REJOIN_REQUEST) + u8(self.capability)

    def __str__(self) -> str:
        return "rejoin request"


@dataclass(frozen=True, slots=True)
class RejoinResponse:
    """A parent answers a rejoin (3.4.7): status 0 is success."""

    short_address: int
    status: int

    def encode(self) -> bytes:
        """The command's bytes."""
        return u8(NwkCommandId.REJOIN_RESPONSE) + u16(self.short_address) + u8(self.status)

    def __str__(self) -> str:
        outcome = f"as {short(self.short_address)}" if self.status == 0 else f"refused, status {self.status}"
        return f"rejoin response, {outcome}"


@dataclass(frozen=True, slots=True)
class OtherNwkCommand:
    """A network command that joining and leaving do not use."""

    command: int
    payload: bytes

    def encode(self) -> bytes:
        """The command's bytes."""
        return u8(self.command) + self.payload

    def __str__(self) -> str:
        known = self.command in NwkCommandId.__members__.values()
        return NwkCommandId(self.command).name.lower().replace("_", " ") if known else f"command 0x{self.command:02x}"


NwkCommand = Leave | RejoinRequest | RejoinResponse | OtherNwkCommand


@dataclass(frozen=True, slots=True)
class NwkFrame:
    """A network frame's header and, for a command that could be read, its content.

    Attributes:
        destination: short address.
        source: short address.
        destination_eui: where the header states it.
        source_eui: where the header states it.
        security: the auxiliary header of a secured frame.
        relays: the relays of a source route.
        command: None for data, and for a command that is still encrypted or cannot be read.
    """

    type: NwkType
    destination: int
    source: int
    radius: int
    sequence: int
    destination_eui: Eui64 | None = None
    source_eui: Eui64 | None = None
    security: SecurityHeader | None = None
    multicast: int | None = None
    relays: tuple[int, ...] | None = None
    relay_index: int = 0
    discover_route: int = 0
    end_device_initiator: bool = False
    version: int = 2
    command: NwkCommand | None = None

    def header(self) -> bytes:
        """The bytes before the auxiliary header."""
        control = self.type | self.version << 2 | self.discover_route << 6
        control |= _MULTICAST * (self.multicast is not None) | _SECURED * (self.security is not None)
        control |= _SOURCE_ROUTE * (self.relays is not None) | _INITIATOR * self.end_device_initiator
        control |= _DESTINATION_EUI * (self.destination_eui is not None)
        control |= _SOURCE_EUI * (self.source_eui is not None)
        out = u16(control) + u16(self.destination) + u16(self.source) + u8(self.radius) + u8(self.sequence)
        out += eui_bytes(self.destination_eui) if self.destination_eui is not None else b""
        out += eui_bytes(self.source_eui) if self.source_eui is not None else b""
        out += u8(self.multicast) if self.multicast is not None else b""
        if self.relays is not None:
            out += u8(len(self.relays)) + u8(self.relay_index) + b"".join(u16(relay) for relay in self.relays)
        return out

    def encode(self, payload: bytes = b"", network_key: bytes | None = None) -> bytes:
        """The whole frame, secured if it has an auxiliary header.

        Args:
            payload: what the frame carries; a command's own bytes if left out.
            network_key: needed for a secured frame.
        """
        body = payload or (self.command.encode() if self.command is not None else b"")
        if self.security is None:
            return self.header() + body
        if network_key is None:
            raise ZigbeeError("a secured frame needs a network key")
        return self.header() + self.security.protect(network_key, self.header(), body)

    def __str__(self) -> str:
        return f"NWK {short(self.source)} -> {short(self.destination)}"


def read_nwk(reader: Reader) -> tuple[NwkFrame, bytes]:
    """Read header and auxiliary header; the reader is left at the payload.

    Returns:
        the frame, and the bytes before the auxiliary header as they came: what security authenticates.

    Raises:
        ZigbeeError: they are cut short, or of a kind that Zigbee does not use.
    """
    begin, start = reader.offset, reader.position
    control = reader.uint(2, "the network frame control field")
    kind = control & 3
    if kind not in NwkType.__members__.values():
        raise ZigbeeError(f"network frame type {kind} is reserved", offset=begin)
    version = control >> 2 & 15
    if version not in (1, 2, 3):
        raise ZigbeeError(f"network protocol version {version} is not Zigbee", offset=begin)
    if kind == NwkType.INTER_PAN:
        # An inter-PAN header is the frame control field alone (annex B.2); what follows is read as raw bytes.
        return NwkFrame(NwkType.INTER_PAN, 0xFFFF, 0xFFFF, 0, 0, version=version), b""
    destination, source = reader.uint(2, "the destination address"), reader.uint(2, "the source address")
    radius, sequence = reader.uint(1, "the radius"), reader.uint(1, "the network sequence number")
    destination_eui = reader.eui("the destination EUI-64") if control & _DESTINATION_EUI else None
    source_eui = reader.eui("the source EUI-64") if control & _SOURCE_EUI else None
    multicast = reader.uint(1, "the multicast control field") if control & _MULTICAST else None
    relays, index = None, 0
    if control & _SOURCE_ROUTE:
        count, index = reader.uint(1, "the relay count"), reader.uint(1, "the relay index")
        relays = tuple(reader.uint(2, "the relay list") for _ in range(count))
    header = reader.data[start : reader.position]
    security = SecurityHeader.read(reader) if control & _SECURED else None
    frame = NwkFrame(
        NwkType(kind),
        destination,
        source,
        radius,
        sequence,
        destination_eui,
        source_eui,
        security,
        multicast,
        relays,
        index,
        control >> 6 & 3,
        bool(control & _INITIATOR),
        version,
    )
    return frame, header


def read_command(reader: Reader) -> NwkCommand:
    """Read a network command.

    Raises:
        ZigbeeError: it is cut short.
    """
    command = reader.uint(1, "the network command identifier")
    if command == NwkCommandId.LEAVE:
        options = reader.uint(1, "the leave options")
        return Leave(bool(options & 0x40), bool(options & 0x20), bool(options & 0x80))
    if command == NwkCommandId.REJOIN_REQUEST:
        return RejoinRequest(reader.uint(1, "the capability information"))
    if command == NwkCommandId.REJOIN_RESPONSE:
        return RejoinResponse(reader.uint(2, "the short address"), reader.uint(1, "the rejoin status"))
    return OtherNwkCommand(command, reader.rest())
