"""What application frames of a join say: ZDO device announcements, ZCL headers, and the Key Establishment cluster.

Key Establishment (Smart Energy profile, annex C) is recognised by name, direction and size; the elliptic curve
arithmetic of CBKE is no business of a listener. Suite 2 (sect283k1) is what GBCS uses; suite 1 is sect163k1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from bench.eui import Eui64
from bench.zigbee.reader import Reader, ZigbeeError, eui_bytes, short, u8, u16

ZDO_PROFILE = 0x0000
SMART_ENERGY_PROFILE = 0x0109
DEVICE_ANNOUNCE_CLUSTER = 0x0013
KEY_ESTABLISHMENT_CLUSTER = 0x0800

_CLUSTER_SPECIFIC, _MANUFACTURER, _FROM_SERVER, _NO_DEFAULT_RESPONSE = 0x01, 0x04, 0x08, 0x10


@dataclass(frozen=True, slots=True)
class DeviceAnnounce:
    """Device_annce (Zigbee specification, 2.4.3.1.11): a device says who it is at which short address."""

    sequence: int
    short_address: int
    device: Eui64
    capability: int

    def encode(self) -> bytes:
        """The bytes of the message."""
        return u8(self.sequence) + u16(self.short_address) + eui_bytes(self.device) + u8(self.capability)

    def __str__(self) -> str:
        return f"device announce {self.device} as {short(self.short_address)}"


def read_device_announce(reader: Reader) -> DeviceAnnounce:
    """Read a Device_annce.

    Raises:
        ZigbeeError: it is cut short.
    """
    sequence, address = reader.uint(1, "the ZDO sequence number"), reader.uint(2, "the announced short address")
    device = reader.eui("the announced EUI-64")
    return DeviceAnnounce(sequence, address, device, reader.uint(1, "the capability information"))


@dataclass(frozen=True, slots=True)
class Zcl:
    """A message of the Zigbee Cluster Library: its header, and its payload as bytes.

    Attributes:
        from_server: whether it goes from the cluster's server to its client.
        cluster_specific: whether `command` is one of the cluster rather than of every cluster.
    """

    sequence: int
    command: int
    payload: bytes = b""
    cluster_specific: bool = True
    from_server: bool = False
    manufacturer: int | None = None
    no_default_response: bool = True

    def encode(self) -> bytes:
        """The bytes of the message."""
        control = _CLUSTER_SPECIFIC * self.cluster_specific | _FROM_SERVER * self.from_server
        control |= _NO_DEFAULT_RESPONSE * self.no_default_response | _MANUFACTURER * (self.manufacturer is not None)
        out = u8(control) + (u16(self.manufacturer) if self.manufacturer is not None else b"")
        return out + u8(self.sequence) + u8(self.command) + self.payload

    def __str__(self) -> str:
        scope = "cluster" if self.cluster_specific else "global"
        return f"ZCL {scope} command 0x{self.command:02x} {'from' if self.from_server else 'to'} server"


def read_zcl(reader: Reader) -> Zcl:
    """Read a ZCL message: whatever follows its header is its payload.

    Raises:
        ZigbeeError: the header is cut short, or its frame type is reserved.
    """
    offset = reader.offset
    control = reader.uint(1, "the ZCL frame control field")
    if control & 3 > 1:
        raise ZigbeeError(f"ZCL frame type {control & 3} is reserved", offset=offset)
    manufacturer = reader.uint(2, "the manufacturer code") if control & _MANUFACTURER else None
    sequence, command = reader.uint(1, "the ZCL sequence number"), reader.uint(1, "the ZCL command")
    return Zcl(
        sequence,
        command,
        reader.rest(),
        bool(control & _CLUSTER_SPECIFIC),
        bool(control & _FROM_SERVER),
        manufacturer,
        bool(control & _NO_DEFAULT_RESPONSE),
    )


class CbkeCommand(IntEnum):
    """Commands of the Key Establishment cluster (annex C.3.1.2); each goes both ways, as request and as response."""

    INITIATE_KEY_ESTABLISHMENT = 0
    EPHEMERAL_DATA = 1
    CONFIRM_KEY = 2
    TERMINATE_KEY_ESTABLISHMENT = 3


CERTIFICATE_BYTES = {1: 48, 2: 74}
"""Length of an implicit certificate, by key establishment suite."""

EPHEMERAL_BYTES = {1: 22, 2: 37}
"""Length of a compressed ephemeral public key, by key establishment suite."""

CONFIRM_BYTES = 16
"""Length of a message authentication code, of either suite."""

_TERMINATE_REASONS = {
    1: "unknown issuer",
    2: "bad key confirm",
    3: "bad message",
    4: "no resources",
    5: "unsupported suite",
    6: "invalid certificate",
}


@dataclass(frozen=True, slots=True)
class KeyEstablishment:
    """One step of Certificate-Based Key Establishment.

    Attributes:
        response: sent by the cluster's server; for a termination, merely its direction.
        data: certificate, ephemeral public key or authentication code; of a first fragment, its beginning.
        suite: stated by initiation and termination, else None.
        status: why a termination came, else None.
    """

    command: CbkeCommand
    response: bool
    sequence: int
    data: bytes = field(default=b"", repr=False)
    suite: int | None = None
    status: int | None = None

    def encode(self) -> bytes:
        """The bytes of the message, ZCL header included; times to generate keys are stated as 2 s, waiting as 8 s."""
        payload = self.data
        if self.command is CbkeCommand.INITIATE_KEY_ESTABLISHMENT:
            payload = u16(self.suite or 0) + b"\x02\x02" + self.data
        elif self.command is CbkeCommand.TERMINATE_KEY_ESTABLISHMENT:
            payload = u8(self.status or 0) + b"\x08" + u16(self.suite or 0)
        return Zcl(self.sequence, self.command, payload, from_server=self.response).encode()

    def __str__(self) -> str:
        name = self.command.name.lower().replace("_", " ")
        if self.command is CbkeCommand.TERMINATE_KEY_ESTABLISHMENT:
            status = self.status or 0
            return f"CBKE {name}, {_TERMINATE_REASONS.get(status, f'status {status}')}"
        return f"CBKE {name} {'response' if self.response else 'request'}"


def read_key_establishment(zcl: Zcl, offset: int, *, fragment: bool = False) -> KeyEstablishment | None:
    """Read a message of the Key Establishment cluster; None for one that is not about establishing a key.

    Args:
        zcl: the message.
        offset: where its payload begins in the outermost frame.
        fragment: whether it is only the first block, so that its payload may end early.

    Raises:
        ZigbeeError: its payload has not the size that its suite fixes.
    """
    if not zcl.cluster_specific or zcl.manufacturer is not None or zcl.command not in CbkeCommand.__members__.values():
        return None
    command, reader = CbkeCommand(zcl.command), Reader(zcl.payload, offset)
    suite = status = None
    sizes: tuple[int, ...]
    match command:
        case CbkeCommand.INITIATE_KEY_ESTABLISHMENT:
            suite = reader.uint(2, "the key establishment suite")
            reader.take(2, "the generation times")
            sizes = (CERTIFICATE_BYTES[suite],) if suite in CERTIFICATE_BYTES else ()
        case CbkeCommand.EPHEMERAL_DATA:
            sizes = tuple(EPHEMERAL_BYTES.values())
        case CbkeCommand.CONFIRM_KEY:
            sizes = (CONFIRM_BYTES,)
        case CbkeCommand.TERMINATE_KEY_ESTABLISHMENT:
            status = reader.uint(1, "the termination status")
            reader.take(1, "the wait time")
            suite = reader.uint(2, "the key establishment suite")
            sizes = (0,)
    if sizes and not fragment and reader.remaining not in sizes:
        wanted = " or ".join(str(size) for size in sizes)
        name = command.name.lower().replace("_", " ")
        raise ZigbeeError(f"CBKE {name} holds {reader.remaining} bytes, not {wanted}", offset=reader.offset)
    return KeyEstablishment(command, zcl.from_server, zcl.sequence, reader.rest(), suite, status)
