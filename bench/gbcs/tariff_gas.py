"""Tariffs of gas meters: GCS01a, GCS01b (GBCS section 19; SEP 1.2, calendar and price clusters)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from bench.gbcs import gbz, use_case
from bench.gbcs.errors import GbcsError
from bench.gbcs.gbz import Component
from bench.gbcs.gbz_commands import FROM_SERVER, default_responses
from bench.gbcs.gbz_use_cases import HARDWARE_FAILURE
from bench.gbcs.message import Message
from bench.gbcs.reader import Reader
from bench.gbcs.tariff_gas_payloads import (
    CALENDAR,
    GROWING,
    PRICE,
    PRICE_NAMES,
    READERS,
    SWITCHING_NAMES,
    write_calendar,
    write_calendar_head,
    write_information,
    write_prices,
    write_thresholds,
)
from bench.gbcs.use_case import Response, UseCase, Values


@dataclass(frozen=True, slots=True, kw_only=True)
class SetGasTariff(UseCase):
    """Set a tariff with its prices (GCS01a), or prices only (GCS01b).

    Parameters: `issued_at`, `activation_time`, `scheme` ("tou" or "block"), `prices`, `standing_charge`, `currency`,
    `thresholds_in_use`, and of a whole tariff `seasons`, `weeks`, `days`, `special_days` and `thresholds`. A refusal
    says which command failed first: `failed`, from 0 on, and its `status`.

    Attributes:
        whole: it is a whole tariff.
    """

    whole: bool

    def _payloads(self, params: Values) -> Iterator[tuple[int, int, bytes]]:
        if self.whole:
            yield CALENDAR, 0x00, write_calendar_head(params)
            yield from write_calendar(params)
        yield PRICE, 0x04, write_information(params)
        if self.whole:
            yield PRICE, 0x06, write_thresholds(params)
        yield PRICE, 0x05, write_prices(params)

    def encode_command(self, params: Values, *, originator_counter: int) -> bytes:
        """Write the ZigBee commands."""
        names = PRICE_NAMES + (SWITCHING_NAMES if self.whole else ())
        use_case.check_names(params, ("issued_at", "activation_time", *names), f"{self.name} command")
        return gbz.encode_components(
            *(
                Component(cluster, FROM_SERVER, command, payload, index)
                for index, (cluster, command, payload) in enumerate(self._payloads(params))
            )
        )

    def decode_command(self, content: bytes) -> dict[str, Any]:
        """Read the ZigBee commands."""
        params: dict[str, Any] = {}
        for component in gbz.decode_components(content):
            read = READERS.get((component.cluster, component.command))
            foreign = component.cluster == CALENDAR and not self.whole
            if read is None or component.frame_control != FROM_SERVER or foreign:
                raise GbcsError(f"command {component.command:02x} is not one of {self.name}")
            reader = Reader(component.payload)
            found = read(reader)
            reader.finish("the command's payload")
            for name, value in found.items():
                if name in GROWING:
                    params[name] = params.get(name, ()) + value
                elif params.setdefault(name, value) != value:
                    raise GbcsError(f"the commands of {self.name} say two things about {name}")
        if self.encode_command(params, originator_counter=0) != content:
            raise GbcsError(f"the commands are not those of {self.name}, in their order")
        return params

    def encode_response(self, values: Values, *, originator_counter: int, ok: bool = True) -> bytes:
        """Write the default responses to the shortest command; `build_response` knows the command."""
        wanted = [key for key in READERS if self.whole or key in ((PRICE, 0x04), (PRICE, 0x05))]
        shortest = [Component(cluster, FROM_SERVER, command, b"", n) for n, (cluster, command) in enumerate(wanted)]
        return self._responses(shortest, values, ok)

    def build_response(
        self, command: Message, values: Values, *, ok: bool = True, device_time: datetime | None = None
    ) -> Message:
        """Return the message that answers a command: one default response for each of its ZigBee commands."""
        made = super(SetGasTariff, self).build_response(command, values, ok=ok, device_time=device_time)
        return replace(made, content=self._responses(list(gbz.decode_components(command.content)), values, ok))

    def _responses(self, components: list[Component], values: Values, ok: bool) -> bytes:
        use_case.check_names(values, () if ok else ("failed", "status"), f"{self.name} response")
        statuses: list[int | None] = [0] * len(components)
        if not ok:
            failed = use_case.integer({"failed": 0, **values}, "failed", len(components) - 1)
            status = use_case.integer({"status": HARDWARE_FAILURE, **values}, "status", 0xFF)
            statuses = [0] * failed + [status] + [None] * (len(components) - failed - 1)
        return default_responses(components, statuses)

    def decode_response(self, content: bytes) -> Response:
        """Read the default responses."""
        for index, component in enumerate(gbz.decode_components(content)):
            general = component.command == gbz.DEFAULT_RESPONSE and not component.frame_control & 0x03
            if not general or len(component.payload) != 2:
                raise GbcsError(f"command {component.command:02x} is no response of {self.name}")
            if component.payload[1]:
                status = component.payload[1]
                return Response(False, {"failed": index, "status": status}, f"command {index}: ZCL status {status:02X}")
        return Response(True, {}, "success")


_SETS: dict[str, Any] = {"device_type": "GSME", "critical": True, "response_signed": True, "response_dated": True}

USE_CASES: tuple[UseCase, ...] = (
    SetGasTariff(message_code=0x006B, name="GCS01a", service_references=("1.1.1",), whole=True, **_SETS),
    SetGasTariff(message_code=0x00A3, name="GCS01b", service_references=("1.2.1",), whole=False, **_SETS),
)
"""In the order of their message codes."""
