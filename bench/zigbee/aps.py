"""Zigbee application support frames (Zigbee specification, clauses 2.2.5 and 4.4).

Header, security, and the commands that carry keys.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from bench.eui import Eui64
from bench.zigbee.reader import Reader, ZigbeeError, eui_bytes, short, u8, u16
from bench.zigbee.security import SecurityHeader

_SECURED, _ACK_REQUEST, _EXTENDED = 0x20, 0x40, 0x80
_ACK_FORMAT = 0x10


class ApsType(IntEnum):
    """Frame types (2.2.5.1.1.1)."""

    DATA = 0
    COMMAND = 1
    ACK = 2
    INTER_PAN = 3


class Delivery(IntEnum):
    """Delivery modes (2.2.5.1.1.2)."""

    UNICAST = 0
    INDIRECT = 1
    BROADCAST = 2
    GROUP = 3


class ApsCommandId(IntEnum):
    """Application support commands (4.4.10)."""

    TRANSPORT_KEY = 0x05
    UPDATE_DEVICE = 0x06
    REMOVE_DEVICE = 0x07
    REQUEST_KEY = 0x08
    SWITCH_KEY = 0x09
    TUNNEL = 0x0E
    VERIFY_KEY = 0x0F
    CONFIRM_KEY = 0x10


class KeyType(IntEnum):
    """Kinds of key that are transported (4.4.10.1.1)."""

    NETWORK = 1
    APPLICATION_LINK = 3
    TRUST_CENTRE_LINK = 4

    def __str__(self) -> str:
        return f"{self.name.lower().replace('_', ' ')} key"


@dataclass(frozen=True, slots=True)
class TransportKey:
    """The trust centre hands out a key (4.4.10.1).

    Attributes:
        key: 16 bytes; a secret, never printed.
        sequence: number of a network key.
        destination: for whom the key is; for an application link key, the partner to use it with.
        source: the trust centre; None for an application link key, which does not say.
        initiator: for an application link key, whether the receiver asked for it.
    """

    type: KeyType
    key: bytes = field(repr=False)
    destination: Eui64
    source: Eui64 | None = None
    sequence: int = 0
    initiator: bool = False

    def encode(self) -> bytes:
        """The command's bytes."""
        out = u8(ApsCommandId.TRANSPORT_KEY) + u8(self.type) + self.key
        out += u8(self.sequence) if self.type is KeyType.NETWORK else b""
        out += eui_bytes(self.destination)
        return out + (eui_bytes(self.source) if self.source is not None else u8(self.initiator))

    def __str__(self) -> str:
        return f"transport key, {self.type} for {self.destination}"


@dataclass(frozen=True, slots=True)
class UpdateDevice:
    """A router tells the trust centre of a device (4.4.10.2).

    Status 0 is a secured rejoin, 1 a join, 2 leaving, 3 an unsecured rejoin.
    """

    device: Eui64
    short_address: int
    status: int

    def encode(self) -> bytes:
        """The command's bytes."""
        return u8(ApsCommandId.UPDATE_DEVICE) + eui_bytes(self.device) + u16(self.short_address) + u8(self.status)

    def __str__(self) -> str:
        names = {0: "rejoined with security", 1: "joined", 2: "left", 3: "rejoined without security"}
        what = names.get(self.status, f"status {self.status}")
        return f"update device, {self.device} as {short(self.short_address)} {what}"


@dataclass(frozen=True, slots=True)
class Tunnel:
    """The trust centre lets a router hand a secured command to a joining device (4.4.10.8)."""

    destination: Eui64
    inner: bytes

    def encode(self) -> bytes:
        """The command's bytes."""
        return u8(ApsCommandId.TUNNEL) + eui_bytes(self.destination) + self.inner

    def __str__(self) -> str:
        return f"tunnel to {self.destination}"


@dataclass(frozen=True, slots=True)
class OtherApsCommand:
    """A command of which only the name matters here."""

    command: int
    payload: bytes = field(repr=False)

    def encode(self) -> bytes:
        """The command's bytes."""
        return u8(self.command) + self.payload

    def __str__(self) -> str:
        known = self.command in ApsCommandId.__members__.values()
        return ApsCommandId(self.command).name.lower().replace("_", " ") if known else f"command 0x{self.command:02x}"


ApsCommand = TransportKey | UpdateDevice | Tunnel | OtherApsCommand


@dataclass(frozen=True, slots=True)
class Fragment:
    """Part of a message too long for one frame (2.2.5.1.8).

    Attributes:
        block: counts from 0.
        total: how many blocks there are; stated by the first only.
    """

    block: int
    total: int | None = None

    def __str__(self) -> str:
        return f"block {self.block + 1}" + (f" of {self.total}" if self.total is not None else "")


@dataclass(frozen=True, slots=True)
class ApsFrame:
    """An application support frame's header and, for a command that could be read, its content.

    Attributes:
        destination_endpoint: None in commands, in acknowledgements of commands, and in group messages.
        cluster: None where there are no endpoints.
        security: the auxiliary header of a secured frame.
        command: None for data, and for a command that is still encrypted or cannot be read.
        ack_bits: for a fragment's acknowledgement, which blocks of the window have come.
    """

    type: ApsType
    counter: int
    delivery: Delivery = Delivery.UNICAST
    destination_endpoint: int | None = None
    group: int | None = None
    cluster: int | None = None
    profile: int | None = None
    source_endpoint: int | None = None
    ack_request: bool = False
    security: SecurityHeader | None = None
    fragment: Fragment | None = None
    ack_bits: int | None = None
    command: ApsCommand | None = None

    def header(self) -> bytes:
        """The bytes before the auxiliary header."""
        control = self.type | self.delivery << 2 | _ACK_REQUEST * self.ack_request
        control |= _SECURED * (self.security is not None) | _EXTENDED * (self.fragment is not None)
        control |= _ACK_FORMAT * (self.type is ApsType.ACK and self.cluster is None)
        out = u8(control)
        out += u8(self.destination_endpoint) if self.destination_endpoint is not None else b""
        out += u16(self.group) if self.group is not None else b""
        if self.cluster is not None:
            out += u16(self.cluster) + u16(self.profile or 0) + u8(self.source_endpoint or 0)
        out += u8(self.counter)
        if self.fragment is not None:
            first = self.fragment.total is not None or (self.type is ApsType.ACK and self.fragment.block == 0)
            block = self.fragment.total if self.fragment.total is not None else self.fragment.block
            out += u8(1 if first else 2) + u8(block) + (u8(self.ack_bits) if self.ack_bits is not None else b"")
        return out

    def encode(self, payload: bytes = b"", key: bytes | None = None, *, source: Eui64 | None = None) -> bytes:
        """The whole frame, secured if it has an auxiliary header.

        Args:
            payload: what the frame carries; a command's own bytes if left out.
            key: the key itself (not the link key it is derived from), needed for a secured frame.
            source: who secures it, where the auxiliary header does not say.
        """
        body = payload or (self.command.encode() if self.command is not None else b"")
        if self.security is None:
            return self.header() + body
        if key is None:
            raise ZigbeeError("a secured frame needs a key")
        return self.header() + self.security.protect(key, self.header(), body, source=source)

    def __str__(self) -> str:
        name = {ApsType.DATA: "APS", ApsType.COMMAND: "APS command", ApsType.ACK: "APS ack"}.get(self.type, "inter-PAN")
        if self.cluster is None:
            return name
        return f"{name} cluster 0x{self.cluster:04x} profile 0x{self.profile:04x}"


def read_aps(reader: Reader) -> tuple[ApsFrame, bytes]:
    """Read header and auxiliary header; the reader is left at the payload.

    Returns:
        the frame, and the bytes before the auxiliary header as they came: what security authenticates.

    Raises:
        ZigbeeError: they are cut short.
    """
    start = reader.position
    control = reader.uint(1, "the APS frame control field")
    kind, delivery = ApsType(control & 3), Delivery(control >> 2 & 3)
    endpoint = group = cluster = profile = source_endpoint = None
    addressed = kind is not ApsType.COMMAND and not (kind is ApsType.ACK and control & _ACK_FORMAT)
    if addressed:
        if delivery is Delivery.GROUP:
            group = reader.uint(2, "the group address")
        elif kind is not ApsType.INTER_PAN:
            endpoint = reader.uint(1, "the destination endpoint")
        cluster, profile = reader.uint(2, "the cluster identifier"), reader.uint(2, "the profile identifier")
        if kind is not ApsType.INTER_PAN:
            source_endpoint = reader.uint(1, "the source endpoint")
    # Inter-PAN frames have neither counter nor extended header (annex B.3).
    counter = reader.uint(1, "the APS counter") if kind is not ApsType.INTER_PAN else 0
    fragment = ack_bits = None
    if control & _EXTENDED and kind is not ApsType.INTER_PAN:
        fragment, ack_bits = _read_extended(reader, kind)
    header = reader.data[start : reader.position]
    security = SecurityHeader.read(reader) if control & _SECURED else None
    frame = ApsFrame(
        kind,
        counter,
        delivery,
        endpoint,
        group,
        cluster,
        profile,
        source_endpoint,
        bool(control & _ACK_REQUEST),
        security,
        fragment,
        ack_bits,
    )
    return frame, header


def _read_extended(reader: Reader, kind: ApsType) -> tuple[Fragment | None, int | None]:
    fragmentation = reader.uint(1, "the extended frame control field") & 3
    if not fragmentation:
        return None, None
    block = reader.uint(1, "the block number")
    ack_bits = reader.uint(1, "the acknowledgement bits") if kind is ApsType.ACK else None
    if fragmentation == 1 and kind is ApsType.DATA:
        return Fragment(0, block), ack_bits
    return Fragment(block), ack_bits


def read_aps_command(reader: Reader) -> ApsCommand:
    """Read an application support command.

    Raises:
        ZigbeeError: it is cut short, or carries a key of a kind that is not known.
    """
    command = reader.uint(1, "the APS command identifier")
    if command == ApsCommandId.TRANSPORT_KEY:
        return _read_transport_key(reader)
    if command == ApsCommandId.UPDATE_DEVICE:
        device, address = reader.eui("the device's EUI-64"), reader.uint(2, "the device's short address")
        return UpdateDevice(device, address, reader.uint(1, "the update device status"))
    if command == ApsCommandId.TUNNEL:
        return Tunnel(reader.eui("the tunnel's destination"), reader.rest())
    return OtherApsCommand(command, reader.rest())


def _read_transport_key(reader: Reader) -> TransportKey:
    offset = reader.offset
    kind = reader.uint(1, "the key type")
    if kind not in KeyType.__members__.values():
        raise ZigbeeError(f"key type {kind} is not known", offset=offset)
    key = reader.take(16, "the key")
    if kind == KeyType.APPLICATION_LINK:
        partner = reader.eui("the partner's EUI-64")
        return TransportKey(
            KeyType.APPLICATION_LINK, key, partner, initiator=bool(reader.uint(1, "the initiator flag"))
        )
    sequence = reader.uint(1, "the key sequence number") if kind == KeyType.NETWORK else 0
    destination = reader.eui("the destination EUI-64")
    return TransportKey(KeyType(kind), key, destination, reader.eui("the source EUI-64"), sequence)
