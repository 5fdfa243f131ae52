"""GBZ content: ZigBee cluster commands one after the other, as GSME and GPF content is written (GBCS section 7.2.9)."""

from __future__ import annotations

from dataclasses import dataclass

from bench.gbcs.errors import GbcsError
from bench.gbcs.reader import Reader

_PROFILE_ID = b"\x01\x09"
_LAST, _ENCRYPTED, _DATED = 0x01, 0x02, 0x10
_NO_HEADER = bytes(2)
DEFAULT_RESPONSE = 0x0B
READ_ATTRIBUTES = 0x00
READ_ATTRIBUTES_RESPONSE = 0x01


@dataclass(frozen=True, slots=True)
class Component:
    """One ZigBee command.

    Attributes:
        cluster: cluster id.
        frame_control: ZCL frame control: bit 0 a command of the cluster, bit 3 from server to client.
        command: command id.
        payload: what follows the ZCL header.
        sequence: ZCL transaction sequence number; counts up from 0 in one message.
        from_date_time: a date-time of four bytes (`times.encode_zigbee`) in front of the command: what to read from
            where the command itself cannot say it, or when a set takes effect. None where there is none.
        encrypted: the payload is ciphertext with its security header and tag (`bench.gbcs.protected`).
    """

    cluster: int
    frame_control: int
    command: int
    payload: bytes
    sequence: int = 0
    from_date_time: bytes | None = None
    encrypted: bool = False

    @property
    def control(self) -> int:
        """The control field, without the mark of the last component."""
        return (_ENCRYPTED if self.encrypted else 0) | (0 if self.from_date_time is None else _DATED)

    @property
    def body(self) -> bytes:
        """What follows the component's length."""
        head = bytes([self.frame_control, self.sequence, self.command])
        if self.encrypted:
            return _NO_HEADER + head + len(self.payload).to_bytes(2, "big") + self.payload
        return (self.from_date_time or b"") + head + self.payload


def read_components(content: bytes) -> tuple[Component, ...]:
    """Read GBZ content, encrypted components included.

    Raises:
        GbcsError: it is something else, or does not hold as many commands as it says.
    """
    reader = Reader(content)
    reader.literal(_PROFILE_ID, "profile id")
    count = reader.uint(1, "component count")
    components = tuple(_component(reader, last=not left) for left in range(count - 1, -1, -1))
    reader.finish("the components")
    return components


def _component(reader: Reader, *, last: bool) -> Component:
    at = reader.offset
    control = reader.uint(1, "control field")
    encrypted, dated = bool(control & _ENCRYPTED), bool(control & _DATED)
    if control & ~(_ENCRYPTED | _DATED) != (_LAST if last else 0) or (encrypted and dated):
        raise GbcsError(
            f"the control field is {control:02x}",
            offset=at,
            expected="01 for the last component, 00 for others, with 02 (encrypted) or 10 (from a date)",
        )
    cluster = reader.uint(2, "cluster id")
    length = reader.uint(2, "component length")
    body = Reader(reader.take(length, "component"), reader.offset - length)
    if encrypted:
        body.literal(_NO_HEADER, "additional header of encryption")
    date = body.take(4, "from date-time") if dated else None
    frame_control = body.uint(1, "frame control")
    sequence = body.uint(1, "sequence number")
    command = body.uint(1, "command id")
    if encrypted:
        at = body.offset
        ciphered = body.uint(2, "ciphered length")
        if ciphered != body.remaining:
            raise GbcsError(f"{ciphered} bytes are ciphered", offset=at, expected=f"{body.remaining}")
    payload = body.take(body.remaining, "payload")
    return Component(cluster, frame_control, command, payload, sequence, date, encrypted)


def decode_components(content: bytes) -> tuple[Component, ...]:
    """Read GBZ content of which nothing is encrypted.

    Raises:
        GbcsError: it is something else, does not hold as many commands as it says, or is still encrypted.
    """
    components = read_components(content)
    if any(component.encrypted for component in components):
        raise GbcsError("the content is encrypted for its User", expected="plain components: reveal them first")
    return components


def encode_components(*components: Component) -> bytes:
    """Write GBZ content."""
    parts = [_PROFILE_ID, bytes([len(components)])]
    for index, component in enumerate(components, start=1):
        body = component.body
        control = component.control | (_LAST if index == len(components) else 0)
        parts.append(bytes([control]) + component.cluster.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body)
    return b"".join(parts)


def decode_one(content: bytes, cluster: int) -> Component:
    """Read GBZ content that must be one command of this cluster.

    Raises:
        GbcsError: it is something else.
    """
    components = decode_components(content)
    if len(components) != 1 or components[0].cluster != cluster:
        raise GbcsError(
            "the content holds " + ", ".join(f"cluster {c.cluster:04x}" for c in components),
            expected=f"one command of cluster {cluster:04x}",
        )
    return components[0]
