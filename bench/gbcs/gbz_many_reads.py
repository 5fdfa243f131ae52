"""Gas use cases that read attributes of several clusters at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.gbcs import gbz, use_case
from bench.gbcs.errors import GbcsError
from bench.gbcs.gbz import Component
from bench.gbcs.gbz_reads import Attribute
from bench.gbcs.gbz_use_cases import HARDWARE_FAILURE
from bench.gbcs.reader import Reader
from bench.gbcs.use_case import Response, UseCase, Values


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadClusters(UseCase):
    """Read attributes of several clusters, one Read Attributes command for each.

    The values of a refusal are those that were read, `statuses`: ZCL statuses of the others by name, and `refusals`:
    of each cluster that was refused as a whole its place in the list, the command id and the status that the
    default response has.

    Attributes:
        clusters: cluster ids and their attributes, in their order.
    """

    clusters: tuple[tuple[int, tuple[Attribute, ...]], ...]

    @property
    def returned(self) -> tuple[str, ...]:
        """Names of the values of a good response."""
        return tuple(attribute.name for _, attributes in self.clusters for attribute in attributes)

    def encode_command(self, params: Values, *, originator_counter: int) -> bytes:
        """Write the Read Attributes commands."""
        use_case.check_names(params, (), f"{self.name} command")
        return gbz.encode_components(
            *(
                Component(cluster, 0, gbz.READ_ATTRIBUTES, _identifiers(attributes), index)
                for index, (cluster, attributes) in enumerate(self.clusters)
            )
        )

    def decode_command(self, content: bytes) -> dict[str, Any]:
        """Read the Read Attributes commands."""
        found = [(each.cluster, each.command, each.payload) for each in gbz.decode_components(content)]
        wanted = [(cluster, gbz.READ_ATTRIBUTES, _identifiers(attributes)) for cluster, attributes in self.clusters]
        if found != wanted:
            raise GbcsError(f"the commands are not those of {self.name}", expected=f"{len(wanted)} of them")
        return {}

    def encode_response(self, values: Values, *, originator_counter: int, ok: bool = True) -> bytes:
        """Write every attribute; of a failure, one without a value carries its status instead."""
        failure = () if ok else ("statuses", "refusals")
        use_case.check_names(values, self.returned + failure, f"{self.name} response")
        statuses = {} if ok else values.get("statuses", {})
        refusals = {index: (command, status) for index, command, status in values.get("refusals", ())}
        components = []
        for index, (cluster, attributes) in enumerate(self.clusters):
            if index in refusals:
                components.append(Component(cluster, 0x08, gbz.DEFAULT_RESPONSE, bytes(refusals[index]), index))
                continue
            payload = b"".join(
                attribute.raw_identifier
                + (
                    bytes([statuses.get(attribute.name, HARDWARE_FAILURE)])
                    if not ok and attribute.name not in values
                    else b"\x00" + attribute.write(values)
                )
                for attribute in attributes
            )
            components.append(Component(cluster, 0x08, gbz.READ_ATTRIBUTES_RESPONSE, payload, index))
        return gbz.encode_components(*components)

    def decode_response(self, content: bytes) -> Response:
        """Read the attributes."""
        components = gbz.decode_components(content)
        if [each.cluster for each in components] != [cluster for cluster, _ in self.clusters]:
            raise GbcsError(f"the answers are not those of {self.name}", expected=f"{len(self.clusters)} clusters")
        values: dict[str, Any] = {}
        statuses: dict[str, int] = {}
        refusals: list[tuple[int, int, int]] = []
        for index, (component, (_, attributes)) in enumerate(zip(components, self.clusters, strict=True)):
            reader = Reader(component.payload)
            if component.command == gbz.DEFAULT_RESPONSE:
                refusals.append((index, reader.uint(1, "command that is answered"), reader.uint(1, "status")))
            elif component.command == gbz.READ_ATTRIBUTES_RESPONSE:
                _read_attributes(reader, attributes, values, statuses)
            else:
                raise GbcsError(f"command {component.command:02x} is no response of {self.name}")
            reader.finish("the attributes")
        if not statuses and not refusals:
            return Response(True, values, "success")
        faults = [f"{name}: ZCL status {status:02X}" for name, status in statuses.items()]
        faults += [f"cluster {self.clusters[index][0]:04X}: ZCL status {status:02X}" for index, _, status in refusals]
        failed = (
            values | ({"statuses": statuses} if statuses else {}) | ({"refusals": tuple(refusals)} if refusals else {})
        )
        return Response(False, failed, "; ".join(faults))


def _identifiers(attributes: Sequence[Attribute]) -> bytes:
    return b"".join(attribute.raw_identifier for attribute in attributes)


def _read_attributes(
    reader: Reader, attributes: Sequence[Attribute], values: dict[str, Any], statuses: dict[str, int]
) -> None:
    for attribute in attributes:
        reader.literal(attribute.raw_identifier, f"attribute id of {attribute.name}")
        status = reader.uint(1, "attribute status")
        if status:
            statuses[attribute.name] = status
        else:
            values[attribute.name] = attribute.read(reader)
