"""GBZ content: ZigBee cluster commands one after the other, as GSME and GPF content is written (GBCS section 7.2.9)."""

from __future__ import annotations

from dataclasses import dataclass

from bench.gbcs.errors import GbcsError
from bench.gbcs.reader import Reader

_PROFILE_ID = b"\x01\x09"
_LAST = 0x01
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
    """

    cluster: int
    frame_control: int
    command: int
    payload: bytes
    sequence: int = 0


def decode_components(content: bytes) -> tuple[Component, ...]:
    """Read GBZ content that is neither encrypted nor dated.

    Raises:
        GbcsError: it is something else, or does not hold as many commands as it says.
    """
    reader = Reader(content)
    reader.literal(_PROFILE_ID, "profile id")
    count = reader.uint(1, "component count")
    components = []
    for left in range(count - 1, -1, -1):
        at = reader.offset
        control = reader.uint(1, "control field")
        if control != (0 if left else _LAST):
            raise GbcsError(
                f"the control field is {control:02x}", offset=at, expected="plain components, the last one marked"
            )
        cluster = reader.uint(2, "cluster id")
        length = reader.uint(2, "component length")
        body = Reader(reader.take(length, "component"), reader.offset - length)
        frame_control = body.uint(1, "frame control")
        sequence = body.uint(1, "sequence number")
        command = body.uint(1, "command id")
        payload = body.take(body.remaining, "payload")
        components.append(Component(cluster, frame_control, command, payload, sequence))
    reader.finish("the components")
    return tuple(components)


def encode_components(*components: Component) -> bytes:
    """Write GBZ content."""
    parts = [_PROFILE_ID, bytes([len(components)])]
    for index, component in enumerate(components, start=1):
        body = bytes([component.frame_control, component.sequence, component.command]) + component.payload
        control = _LAST if index == len(components) else 0
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
