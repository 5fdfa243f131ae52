"""Gas use cases that are several ZigBee commands, each answered by a ZCL default response (GBCS section 7.2.9)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bench.gbcs import gbz, times, use_case
from bench.gbcs.errors import GbcsError
from bench.gbcs.gbz import Component
from bench.gbcs.gbz_use_cases import HARDWARE_FAILURE
from bench.gbcs.reader import Reader
from bench.gbcs.use_case import Response, UseCase, Values

TO_SERVER, FROM_SERVER = 0x01, 0x09
"""ZCL frame control of a command of a cluster: to its server, or from it."""

_NOT_ATTEMPTED = b"\xff\x01"  # command id and status of what follows a command that failed


@dataclass(frozen=True, slots=True)
class Part:
    """One ZigBee command of a use case.

    Attributes:
        cluster: cluster id.
        frame_control: ZCL frame control.
        command: command id.
        names: names of the parameters that it takes; several commands may take the same one.
        write: makes the payload from all parameters of the use case.
        read: takes the parameters from the payload.
    """

    cluster: int
    frame_control: int
    command: int
    names: tuple[str, ...]
    write: Callable[[Values], bytes]
    read: Callable[[Reader], dict[str, Any]]


def moment_to(values: Values, name: str) -> bytes:
    """Return a moment as ZigBee UTCTime.

    Raises:
        GbcsError: it is missing or no moment.
    """
    return times.encode_zigbee(use_case.moment(values, name))[::-1]


def moment_from(reader: Reader, what: str) -> datetime | None:
    """Read a ZigBee UTCTime."""
    return times.decode_zigbee(reader.take(4, what)[::-1])


def uint_to(values: Values, name: str, size: int) -> bytes:
    """Return a number of so many bytes.

    Raises:
        GbcsError: it is missing or does not fit.
    """
    return use_case.integer(values, name, (1 << 8 * size) - 1).to_bytes(size, "little")


def uint_from(reader: Reader, size: int, what: str) -> int:
    """Read a number of so many bytes."""
    return int.from_bytes(reader.take(size, what), "little")


Statuses = tuple[int | None, ...]
"""ZCL statuses of several commands; None for one that was not attempted, because an earlier one had failed."""


def default_responses(components: Sequence[Component], statuses: Sequence[int | None]) -> bytes:
    """Write the default responses to commands: each goes the other way than its command."""
    return gbz.encode_components(
        *(
            Component(
                each.cluster,
                (each.frame_control & 0x08) ^ 0x08,
                gbz.DEFAULT_RESPONSE,
                _NOT_ATTEMPTED if status is None else bytes([each.command, status]),
                each.sequence,
            )
            for each, status in zip(components, statuses, strict=True)
        )
    )


def read_default_responses(components: Sequence[Component], commands: Sequence[int], name: str) -> Response:
    """Read the default responses to commands of these ids.

    Raises:
        GbcsError: they are something else.
    """
    if len(components) != len(commands):
        raise GbcsError(f"the response of {name} holds {len(components)} commands", expected=str(len(commands)))
    statuses: list[int | None] = []
    for component, command in zip(components, commands, strict=True):
        if component.command != gbz.DEFAULT_RESPONSE or component.frame_control & 0x03:
            raise GbcsError(f"command {component.command:02x} is no response of {name}")
        if component.payload == _NOT_ATTEMPTED:
            statuses.append(None)
            continue
        reader = Reader(component.payload)
        reader.literal(bytes([command]), "command that is answered")
        statuses.append(reader.uint(1, "status"))
        reader.finish("the default response")
    if not any(status != 0 for status in statuses):
        return Response(True, {}, "success")
    detail = ", ".join("not attempted" if status is None else f"{status:02X}" for status in statuses)
    return Response(False, {"statuses": tuple(statuses)}, f"ZCL status {detail}")


def statuses_of(values: Values, count: int, name: str) -> Statuses:
    """Return the ZCL statuses of a refusal: those given, or a hardware failure of the first command.

    Raises:
        GbcsError: their number is wrong, or none says no.
    """
    statuses = values.get("statuses", (HARDWARE_FAILURE, *(None,) * (count - 1)))
    if not isinstance(statuses, tuple) or len(statuses) != count or not any(status != 0 for status in statuses):
        raise GbcsError(f"the statuses of {name} are {statuses!r}", expected=f"{count}, of which one is not 0")
    return tuple(
        None if status is None else use_case.integer({"statuses": status}, "statuses", 0xFF) for status in statuses
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GbzCommands(UseCase):
    """A use case that is a fixed list of ZigBee commands.

    The values of a refusal are `statuses`: a ZCL status for each command.

    Attributes:
        parts: the commands, in their order.
    """

    parts: tuple[Part, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters, each once."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.names))

    def encode_command(self, params: Values, *, originator_counter: int) -> bytes:
        """Write the ZigBee commands; the counter is not part of them."""
        use_case.check_names(params, self.names, f"{self.name} command")
        return gbz.encode_components(*self._components([part.write(params) for part in self.parts]))

    def decode_command(self, content: bytes) -> dict[str, Any]:
        """Read the ZigBee commands."""
        components = gbz.decode_components(content)
        found = [(each.cluster, each.frame_control, each.command) for each in components]
        if found != [(each.cluster, each.frame_control, each.command) for each in self.parts]:
            raise GbcsError(f"the commands are not those of {self.name}", expected=f"{len(self.parts)} of them")
        params: dict[str, Any] = {}
        for part, component in zip(self.parts, components, strict=True):
            reader = Reader(component.payload)
            read = part.read(reader)
            reader.finish("the command's payload")
            for name, value in read.items():
                if params.setdefault(name, value) != value:
                    raise GbcsError(f"the commands of {self.name} say two things about {name}")
        return params

    def encode_response(self, values: Values, *, originator_counter: int, ok: bool = True) -> bytes:
        """Write the default responses."""
        use_case.check_names(values, () if ok else ("statuses",), f"{self.name} response")
        count = len(self.parts)
        statuses: Statuses = (0,) * count if ok else statuses_of(values, count, self.name)
        return default_responses(self._components([b""] * count), statuses)

    def decode_response(self, content: bytes) -> Response:
        """Read the default responses."""
        components = gbz.decode_components(content)
        return read_default_responses(components, [part.command for part in self.parts], self.name)

    def _components(self, payloads: Sequence[bytes]) -> list[Component]:
        return [
            Component(part.cluster, part.frame_control, part.command, payload, index)
            for index, (part, payload) in enumerate(zip(self.parts, payloads, strict=True))
        ]
