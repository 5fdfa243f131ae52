"""What is asked of GSME and GPF about their configuration, and what is done about each event (GBCS section 19)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from bench.gbcs import gbz, use_case
from bench.gbcs.configuration_gas import BILLING_NAMES, LOCKED, MANAGEMENT, METERING, PRICE, read_billing, write_billing
from bench.gbcs.errors import GbcsError
from bench.gbcs.gbz import Component
from bench.gbcs.gbz_commands import (
    FROM_SERVER,
    TO_SERVER,
    Statuses,
    default_responses,
    moment_from,
    moment_to,
    read_default_responses,
    statuses_of,
    uint_from,
)
from bench.gbcs.gbz_many_reads import ReadClusters
from bench.gbcs.gbz_reads import USE_CASES as GAS_READS
from bench.gbcs.gbz_reads import Attribute, ReadAttributes
from bench.gbcs.gbz_use_cases import HARDWARE_FAILURE
from bench.gbcs.reader import Reader
from bench.gbcs.use_case import Response, UseCase, Values

_BASIC = 0x0000
_NOW = bytes(4)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetEventBehaviours(UseCase):
    """What is done about each event: GCS20. One command for each combination.

    The parameter `behaviours` is a tuple of a bit map and the event codes that it is for. Bits 0 to 2 are 3 for an
    event that is logged, bit 3 alerts it over the WAN, bit 4 shows it on the HAN, bit 6 sounds the alarm.
    """

    def encode_command(self, params: Values, *, originator_counter: int) -> bytes:
        """Write the commands; the counter is not part of them."""
        use_case.check_names(params, ("issued_at", "behaviours"), f"{self.name} command")
        issued = moment_to(params, "issued_at")
        return gbz.encode_components(
            *(
                Component(MANAGEMENT, FROM_SERVER, 4, issued + _NOW + _behaviour(behaviour, codes), index)
                for index, (behaviour, codes) in enumerate(use_case.present(params, "behaviours"))
            )
        )

    def decode_command(self, content: bytes) -> dict[str, Any]:
        """Read the commands."""
        issued = None
        behaviours = []
        for component in gbz.decode_components(content):
            if (component.cluster, component.frame_control, component.command) != (MANAGEMENT, FROM_SERVER, 4):
                raise GbcsError(f"command {component.command:02x} is not that of {self.name}", expected="04")
            reader = Reader(component.payload)
            issued = moment_from(reader, "issuer event id")
            reader.literal(_NOW, "start time")
            behaviour = reader.uint(1, "event configuration")
            reader.literal(b"\x00", "configuration control")
            count = reader.uint(1, "number of events")
            behaviours.append((behaviour, tuple(uint_from(reader, 2, "event id") for _ in range(count))))
            reader.finish("the events")
        return {"issued_at": issued, "behaviours": tuple(behaviours)}

    def encode_response(self, values: Values, *, originator_counter: int, ok: bool = True) -> bytes:
        """Write a default response for each of `count` commands."""
        use_case.check_names(values, ("count",) if ok else ("count", "statuses"), f"{self.name} response")
        count = use_case.integer({"count": len(values.get("statuses", (0,))), **values}, "count", 0xFF)
        statuses: Statuses = (0,) * count if ok else statuses_of(values, count, self.name)
        return default_responses([Component(MANAGEMENT, FROM_SERVER, 4, b"", n) for n in range(count)], statuses)

    def decode_response(self, content: bytes) -> Response:
        """Read the default responses; the value of a good one is their `count`."""
        components = gbz.decode_components(content)
        response = read_default_responses(components, [4] * len(components), self.name)
        return Response(True, {"count": len(components)}, response.detail) if response.ok else response


def _behaviour(behaviour: int, codes: tuple[int, ...]) -> bytes:
    if len(codes) > 0xFF:
        raise GbcsError(f"{len(codes)} events in one command", expected="at most 255")
    head = use_case.integer({"behaviour": behaviour}, "behaviour", 0xFF)
    events = (use_case.integer({"event": code}, "event", 0xFFFF).to_bytes(2, "little") for code in codes)
    return bytes([head, 0, len(codes)]) + b"".join(events)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskCluster(UseCase):
    """One ZigBee command that asks for something, and the one that answers it.

    The value of a refusal is `status`.

    Attributes:
        question: the command, without the ZCL sequence number.
        answer: cluster, frame control and command id of the answer.
        returned: names of its values.
    """

    question: Component
    answer: tuple[int, int, int]
    returned: tuple[str, ...]
    write: Callable[[Values], bytes]
    read: Callable[[Reader], dict[str, Any]]

    def encode_command(self, params: Values, *, originator_counter: int) -> bytes:
        """Write the question."""
        use_case.check_names(params, (), f"{self.name} command")
        return gbz.encode_components(self.question)

    def decode_command(self, content: bytes) -> dict[str, Any]:
        """Read the question."""
        if gbz.decode_components(content) != (self.question,):
            raise GbcsError(f"the command is not that of {self.name}")
        return {}

    def encode_response(self, values: Values, *, originator_counter: int, ok: bool = True) -> bytes:
        """Write the answer, or the default response that refuses."""
        use_case.check_names(values, self.returned if ok else ("status",), f"{self.name} response")
        if ok:
            return gbz.encode_components(Component(*self.answer, self.write(values)))
        status = use_case.integer({"status": HARDWARE_FAILURE, **values}, "status", 0xFF)
        return default_responses([self.question], [status])

    def decode_response(self, content: bytes) -> Response:
        """Read the answer, or the default response."""
        components = gbz.decode_components(content)
        if [(each.cluster, each.frame_control, each.command) for each in components] == [self.answer]:
            reader = Reader(components[0].payload)
            values = self.read(reader)
            reader.finish("the answer")
            return Response(True, values, "success")
        refused = read_default_responses(components, [self.question.command], self.name)
        if refused.ok:
            raise GbcsError(f"{self.name} is answered by nothing")
        return Response(False, {"status": refused.values["statuses"][0]}, refused.detail)


def _write_configuration(values: Values) -> bytes:
    rows = use_case.present(values, "behaviours")
    pairs = (
        use_case.integer({"event": code}, "event", 0xFFFF).to_bytes(2, "little")
        + bytes([use_case.integer({"behaviour": behaviour}, "behaviour", 0xFF)])
        for code, behaviour in rows
    )
    return b"\x00\x01" + b"".join(pairs)


def _read_configuration(reader: Reader) -> dict[str, Any]:
    reader.literal(b"\x00\x01", "command index and number of commands")
    rows = []
    while reader.remaining:
        rows.append((uint_from(reader, 2, "event id"), reader.uint(1, "event configuration")))
    return {"behaviours": tuple(rows)}


def _ask_billing(message_code: int, name: str) -> AskCluster:
    return AskCluster(
        message_code=message_code,
        name=name,
        service_references=("6.2.3",),
        device_type="GSME",
        critical=False,
        response_signed=False,
        question=Component(PRICE, TO_SERVER, 0x0B, bytes(4) + b"\xff\xff\xff\xff\x01\x00"),
        answer=(PRICE, FROM_SERVER, 0x09),
        returned=BILLING_NAMES,
        write=write_billing,
        read=read_billing,
    )


_GAS = (
    (
        PRICE,
        (
            Attribute("calorific_value_trailing_digits", 0x0306, 0x18),
            Attribute("calorific_value_unit", 0x0305, 0x30, {1: "MJ/m3"}),
            Attribute("calorific_value_dmj_per_m3", 0x0304, 0x23),
            Attribute("conversion_factor_trailing_digits", 0x0303, 0x18),
            Attribute("conversion_factor_e5", 0x0302, 0x23),
        ),
    ),
    (
        METERING,
        (
            Attribute("flow_divisor", 0x0B13, 0x21),
            Attribute("flow_multiplier", 0x0B12, 0x21),
            Attribute("flow_unit", 0x0B11, 0x30, {1: "m3/h"}),
            Attribute("uncontrolled_flow_rate", 0x0B10, 0x21),
            Attribute("stabilisation_period_ds", 0x0B14, 0x20),
            Attribute("measurement_period_s", 0x0B15, 0x21),
        ),
    ),
)
_IDENTITY = (
    (_BASIC, (Attribute("manufacturer", 0x0004, 0x42), Attribute("model", 0x0005, 0x42))),
    (
        METERING,
        (
            Attribute("supply_depletion_state", 0x0608, 0x30, LOCKED),
            Attribute("supply_tamper_state", 0x0607, 0x30, LOCKED),
        ),
    ),
)


def _clusters(
    message_code: int, name: str, reference: str, clusters: tuple[tuple[int, tuple[Attribute, ...]], ...]
) -> ReadClusters:
    return ReadClusters(
        message_code=message_code,
        name=name,
        service_references=(reference,),
        device_type="GSME",
        critical=False,
        response_signed=False,
        clusters=clusters,
    )


READS: tuple[UseCase, ...] = (
    _clusters(0x007B, "GCS21a", "6.2.8", _GAS),
    _clusters(0x00FB, "GCS21m", "6.2.4", _IDENTITY),
    ReadAttributes(
        message_code=0x0089,
        name="GCS46",
        service_references=("6.2.7",),
        device_type="GSME",
        critical=False,
        response_signed=False,
        cluster=METERING,
        attributes=(Attribute("import_mprn", 0x0307, 0x41, text=True),),
        returned=("import_mprn",),
    ),
)
"""What the GPF answers too, for its GSME."""

BEHAVIOURS: tuple[UseCase, ...] = (
    SetEventBehaviours(
        message_code=0x00AD,
        name="GCS20",
        service_references=("6.22",),
        device_type="GSME",
        critical=False,
        response_signed=False,
    ),
    AskCluster(
        message_code=0x00F1,
        name="GCS20r",
        service_references=("6.2.10",),
        device_type="GSME",
        critical=False,
        response_signed=False,
        question=Component(MANAGEMENT, FROM_SERVER, 0x05, b"\xff\x81"),
        answer=(MANAGEMENT, TO_SERVER, 0x04),
        returned=("behaviours",),
        write=_write_configuration,
        read=_read_configuration,
    ),
)
"""`behaviours` of GCS20r are pairs of an event code and the bit map of `SetEventBehaviours`."""

USE_CASES: tuple[UseCase, ...] = (
    *READS,
    *BEHAVIOURS,
    _ask_billing(0x00DA, "GCS21k"),
    _ask_billing(0x009D, "GCS21d"),
    *(replace(each, device_type="GPF") for each in READS),
    *(replace(each, device_type="GPF") for each in GAS_READS if each.name == "GCS38"),
)
"""In no order."""
