"""Prepayment configuration of a GSME: GCS05 (GBCS section 19; SEP 1.2, prepayment and calendar clusters)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar

from bench.gbcs import gbz, use_case
from bench.gbcs.alerts import ZclTarget
from bench.gbcs.errors import GbcsError
from bench.gbcs.gbz import Component
from bench.gbcs.gbz_commands import (
    FROM_SERVER,
    TO_SERVER,
    default_responses,
    moment_from,
    moment_to,
    uint_from,
    uint_to,
)
from bench.gbcs.gbz_use_cases import HARDWARE_FAILURE
from bench.gbcs.message import Message
from bench.gbcs.payment_gas import PREPAYMENT, money_from, money_to
from bench.gbcs.payment_gas_calendar import (
    CALENDAR,
    GasCalendar,
    joined,
    read_header,
    read_part,
    read_start,
    write_header,
    write_parts,
    write_start,
)
from bench.gbcs.reader import Reader
from bench.gbcs.use_case import Response, UseCase, Values

_PROVIDER = bytes(4)
_NEVER = b"\xff\xff\xff\xff"

CONFIGURATION_PARTS = (
    *(ZclTarget(PREPAYMENT, TO_SERVER, command) for command in (0x03, 0x0C, 0x09, 0x0B)),
    *(ZclTarget(CALENDAR, FROM_SERVER, command) for command in (0x00, 0x04)),
)
"""The commands of GCS05 that have a date, whose execution is told of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurePrepayment(UseCase):
    """Set the prepayment configuration (GCS05).

    A response has the `commands` that were answered, by their ids; of a refusal those after the one that failed are
    None, and its `status` is that command's.
    """

    names: ClassVar[tuple[str, ...]] = (
        *("issued_at", "activation_time", "emergency_credit_limit", "emergency_credit_threshold"),
        *("debt_recovery_rate_cap", "low_credit_threshold", "max_meter_balance", "max_credit_threshold"),
        "non_disablement_calendar",
    )

    def _payloads(self, params: Values) -> Iterator[tuple[int, int, int, bytes]]:
        issued, start = moment_to(params, "issued_at"), write_start(params, _NEVER)
        head = _PROVIDER + issued + start
        credit = b"".join(uint_to(params, name, 4) for name in self.names[2:4])
        most = b"".join(uint_to(params, name, 4) for name in ("max_meter_balance", "max_credit_threshold"))
        yield PREPAYMENT, TO_SERVER, 0x03, issued + start + credit
        yield PREPAYMENT, TO_SERVER, 0x0C, head + money_to(params, "debt_recovery_rate_cap")
        yield PREPAYMENT, TO_SERVER, 0x09, uint_to(params, "low_credit_threshold", 4)
        yield PREPAYMENT, TO_SERVER, 0x0B, head + most
        yield CALENDAR, FROM_SERVER, 0x00, write_header(params)
        for command, payload in write_parts(params):
            yield CALENDAR, FROM_SERVER, command, payload

    def encode_command(self, params: Values, *, originator_counter: int) -> bytes:
        """Write the ZigBee commands."""
        use_case.check_names(params, self.names, f"{self.name} command")
        return gbz.encode_components(
            *(
                Component(cluster, control, command, payload, index, self._date(params, cluster, command))
                for index, (cluster, control, command, payload) in enumerate(self._payloads(params))
            )
        )

    @staticmethod
    def _date(params: Values, cluster: int, command: int) -> bytes | None:
        """When the low credit threshold takes effect: its command has no room for a date."""
        return write_start(params, _NEVER)[::-1] if (cluster, command) == (PREPAYMENT, 0x09) else None

    def decode_command(self, content: bytes) -> dict[str, Any]:
        """Read the ZigBee commands."""
        components = gbz.decode_components(content)
        params: dict[str, Any] = {}
        calendar = GasCalendar()
        for component in components:
            reader = Reader(component.payload)
            if component.cluster == CALENDAR and component.command:
                _, part = read_part(component.command, reader)
                calendar = joined(calendar, part)
            else:
                params.update(self._read(component, reader))
            reader.finish("the command's payload")
        params["non_disablement_calendar"] = calendar
        if self.encode_command(params, originator_counter=0) != content:
            raise GbcsError(f"the commands are not those of {self.name}, in their order")
        return params

    def _read(self, component: Component, reader: Reader) -> dict[str, Any]:
        key = component.cluster, component.command
        if key == (CALENDAR, 0x00):
            return read_header(reader)[0]
        if key == (PREPAYMENT, 0x09):
            return {"low_credit_threshold": uint_from(reader, 4, "low credit threshold")}
        if key not in ((PREPAYMENT, 0x03), (PREPAYMENT, 0x0C), (PREPAYMENT, 0x0B)):
            raise GbcsError(f"command {component.command:02x} is not one of {self.name}")
        if component.command != 0x03:
            reader.literal(_PROVIDER, "provider id")
        found: dict[str, Any] = {"issued_at": moment_from(reader, "issuer event id")}
        found["activation_time"] = read_start(reader, _NEVER)
        if component.command == 0x0C:
            return found | {"debt_recovery_rate_cap": money_from(reader, "debt recovery rate cap")}
        names = self.names[2:4] if component.command == 0x03 else ("max_meter_balance", "max_credit_threshold")
        return found | {name: uint_from(reader, 4, name) for name in names}

    def encode_response(self, values: Values, *, originator_counter: int, ok: bool = True) -> bytes:
        """Write a default response for each command; `build_response` knows the command."""
        use_case.check_names(values, ("commands",) if ok else ("commands", "status"), f"{self.name} response")
        commands = use_case.present({"commands": _SHORTEST, **values}, "commands")
        if not isinstance(commands, tuple) or len(commands) < len(_SHORTEST):
            raise GbcsError(f"the commands of {self.name} are {commands!r}", expected=f"{len(_SHORTEST)} or more")
        numbers = [use_case.integer({"command": each or 0}, "command", 0xFF) for each in commands]
        components = [
            Component(*((PREPAYMENT, TO_SERVER) if index < _FIRST else (CALENDAR, FROM_SERVER)), number, b"", index)
            for index, number in enumerate(numbers)
        ]
        answered = len(commands) - commands.count(None) if "commands" in values else 1
        return default_responses(components, self._statuses(len(components), answered, values, ok))

    def build_response(
        self, command: Message, values: Values, *, ok: bool = True, device_time: datetime | None = None
    ) -> Message:
        """Return the message that answers a command: a status for each of its ZigBee commands."""
        made = super(ConfigurePrepayment, self).build_response(command, values, ok=ok, device_time=device_time)
        asked = gbz.decode_components(command.content)
        content = default_responses(asked, self._statuses(len(asked), 1, values, ok))
        return replace(made, content=content)

    @staticmethod
    def _statuses(count: int, answered: int, values: Values, ok: bool) -> list[int | None]:
        if ok:
            return [0] * count
        status = use_case.integer({"status": HARDWARE_FAILURE, **values}, "status", 0xFF)
        return [0] * (answered - 1) + [status] + [None] * (count - answered)

    def decode_response(self, content: bytes) -> Response:
        """Read the default responses."""
        commands: list[int | None] = []
        status = 0
        for component in gbz.decode_components(content):
            if component.command != gbz.DEFAULT_RESPONSE or len(component.payload) != 2:
                raise GbcsError(f"command {component.command:02x} is no response of {self.name}")
            commands.append(None if status else component.payload[0])
            status = status or component.payload[1]
        values: dict[str, Any] = {"commands": tuple(commands)}
        if not status:
            return Response(True, values, "success")
        failed = len(commands) - commands.count(None) - 1
        return Response(False, values | {"status": status}, f"command {failed}: ZCL status {status:02X}")


_FIRST = 4
_SHORTEST = (0x03, 0x0C, 0x09, 0x0B, 0, 1, 2, 3, 4)
"""Commands that a configuration has at least: four of prepayment, and a calendar of one day in one week."""

USE_CASES: tuple[UseCase, ...] = (
    ConfigurePrepayment(
        message_code=0x006F,
        name="GCS05",
        service_references=("2.1",),
        device_type="GSME",
        critical=True,
        response_signed=True,
        response_dated=True,
    ),
)
