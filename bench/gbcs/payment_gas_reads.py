"""What a GSME and its proxy say of payment: GCS14, GCS16b, GCS21b, GCS21j, GCS60 (GBCS section 19).

Money is in thousandths of pence. The types of the registers of GCS14 are those of SEP 1.2: the answer is published
encrypted, and has the length that they make. Logs of payments are in `payment_gas_logs`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from bench.gbcs import gbz
from bench.gbcs.errors import GbcsError
from bench.gbcs.gbz import Component
from bench.gbcs.gbz_commands import TO_SERVER
from bench.gbcs.gbz_many_reads import ReadClusters
from bench.gbcs.gbz_reads import Attribute, ReadAttributes
from bench.gbcs.gbz_snapshots import GENERAL, NOT_FOUND, ReadSnapshots, Snapshots
from bench.gbcs.payment_gas import PREPAYMENT
from bench.gbcs.payment_gas_calendar import (
    CALENDAR,
    DAY,
    SEASONS,
    SPECIAL_DAYS,
    WEEK,
    GasCalendar,
    joined,
    read_part,
    write_parts,
)
from bench.gbcs.reader import Reader
from bench.gbcs.use_case import Response, UseCase, Values

TRAILING_DIGITS, CURRENCY_GBP = 0x50, 826
"""Five decimal places of a pound."""

MOST_DAYS = 31
"""So many rows of the daily log are asked for."""

_PRICE, _METERING = 0x0700, 0x0702
_BITMAP8, _BITMAP16, _UINT16, _UINT32, _INT32, _ENUM = 0x18, 0x19, 0x21, 0x23, 0x2B, 0x30
_PUBLISHED = 0x19
_NOT_ATTEMPTED, _FAILURE = 0xFF, 0x01
_FORMAT = Attribute("trailing_digits", 0x0617, _BITMAP8)


_SETTINGS = (
    Attribute("recovery_per_payment_bp", 0x0239, _UINT16),
    Attribute("debt_recovery_rate_cap", 0x0006, _INT32),
    Attribute("time_debt_1_period", 0x0216, _ENUM, {0: "hourly", 1: "daily"}),
    Attribute("time_debt_2_period", 0x0226, _ENUM, {0: "hourly", 1: "daily"}),
    Attribute("disablement_threshold", 0x0040, _INT32),
    Attribute("emergency_credit_limit", 0x0010, _UINT32),
    Attribute("emergency_credit_threshold", 0x0011, _UINT32),
    Attribute("low_credit_threshold", 0x0031, _UINT32),
    Attribute("max_meter_balance", 0x0021, _UINT32),
    Attribute("max_credit_threshold", 0x0022, _UINT32),
    Attribute("time_debt_1_rate", 0x0217, _UINT32),
    Attribute("time_debt_2_rate", 0x0227, _UINT32),
)
_ANY_CALENDAR = bytes(4) + b"\xfe\xff\xff\xff"
_CALENDAR_QUESTIONS = {
    DAY: _ANY_CALENDAR + b"\x01\x00",
    WEEK: _ANY_CALENDAR + b"\x01\x00",
    SEASONS: _ANY_CALENDAR,
    SPECIAL_DAYS: bytes(4) + b"\x00\x03" + _ANY_CALENDAR,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadConfiguration(ReadClusters):
    """Read the prepayment configuration and the non-disablement calendar (GCS21b).

    The values have the times of the calendar's commands beside `non_disablement_calendar`; where none was set all of
    them are missing, which is no error. `calendar_statuses` are the ids of questions that brought no part of the
    calendar, each with the ZCL status that came instead.
    """

    _TIMES: ClassVar[tuple[str, ...]] = (
        "issued_at",
        "calendar_issued_at",
        "activation_time",
        "non_disablement_calendar",
    )

    def encode_command(self, params: Values, *, originator_counter: int) -> bytes:
        """Write the questions."""
        first = super(ReadConfiguration, self).encode_command(params, originator_counter=originator_counter)
        components = gbz.decode_components(first)
        asked = (
            Component(CALENDAR, TO_SERVER, command, payload, index)
            for index, (command, payload) in enumerate(_CALENDAR_QUESTIONS.items(), len(components))
        )
        return gbz.encode_components(*components, *asked)

    def decode_command(self, content: bytes) -> dict[str, Any]:
        """Read the questions."""
        if content != self.encode_command({}, originator_counter=0):
            raise GbcsError(f"the commands are not those of {self.name}")
        return {}

    def encode_response(self, values: Values, *, originator_counter: int, ok: bool = True) -> bytes:
        """Write the answers."""
        statuses = dict(values.get("calendar_statuses", ()))
        read = {name: each for name, each in values.items() if name not in (*self._TIMES, "calendar_statuses")}
        head = super(ReadConfiguration, self).encode_response(read, originator_counter=originator_counter, ok=ok)
        components = list(gbz.decode_components(head))
        parts = list(write_parts(values)) if "non_disablement_calendar" in values else []
        otherwise = NOT_FOUND if ok or statuses else _FAILURE
        for place, command in enumerate(_CALENDAR_QUESTIONS, len(components)):
            payloads = [payload for number, payload in parts if number == command]
            if payloads and command not in statuses:
                components += [Component(CALENDAR, _PUBLISHED, command, payload, place) for payload in payloads]
                continue
            status = statuses.get(command, otherwise)
            said = bytes([_NOT_ATTEMPTED if status == _FAILURE else command, status])
            components.append(Component(CALENDAR, 0x08, gbz.DEFAULT_RESPONSE, said, place))
        return gbz.encode_components(*components)

    def decode_response(self, content: bytes) -> Response:
        """Read the answers."""
        components = gbz.decode_components(content)
        count = len(self.clusters)
        head = super(ReadConfiguration, self).decode_response(gbz.encode_components(*components[:count]))
        values, statuses = dict(head.values), {}
        calendar = GasCalendar()
        parts = 0
        for component in components[count:]:
            place = component.sequence - count
            if component.cluster != CALENDAR or not 0 <= place < len(_CALENDAR_QUESTIONS):
                raise GbcsError(f"command {component.command:02x} is no response of {self.name}")
            reader = Reader(component.payload)
            if component.command == gbz.DEFAULT_RESPONSE and not component.frame_control & 0x03:
                reader.uint(1, "command that is answered")
                statuses[list(_CALENDAR_QUESTIONS)[place]] = reader.uint(1, "status")
            else:
                found, part = read_part(component.command, reader)
                calendar, parts = joined(calendar, part), parts + 1
                values.update(found)
            reader.finish("the answer")
        if parts:
            values["non_disablement_calendar"] = calendar
        refused = {command: status for command, status in statuses.items() if status != NOT_FOUND}
        if statuses and (parts or refused or not head.ok):
            values["calendar_statuses"] = tuple(statuses.items())
        if head.ok and not refused:
            return Response(True, values, head.detail)
        said = ", ".join(f"calendar command {command}: ZCL status {status:02X}" for command, status in refused.items())
        return Response(False, values, said if head.ok else head.detail)


_PLAIN: dict[str, Any] = {"device_type": "GSME", "critical": False, "response_signed": False}

_OF_METERS: tuple[UseCase, ...] = (
    ReadClusters(
        message_code=0x0075,
        name="GCS14",
        service_references=("4.3",),
        protected=True,
        response_dated=True,
        in_the_clear=(_PRICE,),
        clusters=(
            (_PRICE, (_FORMAT, Attribute("currency", 0x0616, _UINT16))),
            (
                PREPAYMENT,
                (
                    Attribute("accumulated_debt", 0x0005, _INT32),
                    Attribute("emergency_credit_balance", 0x0002, _INT32),
                    Attribute("meter_balance", 0x0001, _INT32),
                    Attribute("payment_debt", 0x0231, _UINT32),
                    Attribute("time_debt_1", 0x0211, _UINT32),
                    Attribute("time_debt_2", 0x0221, _UINT32),
                ),
            ),
        ),
        **_PLAIN,
    ),
    ReadClusters(
        message_code=0x008D,
        name="GCS60",
        service_references=("4.18",),
        clusters=(
            (_METERING, (Attribute("credit_mode_balance", 0x0A00, _UINT32),)),
            (PREPAYMENT, (Attribute("meter_balance", 0x0001, _INT32),)),
        ),
        **_PLAIN,
    ),
    ReadSnapshots(
        message_code=0x0096,
        name="GCS16b",
        service_references=("4.14",),
        protected=True,
        series=(Snapshots("prepayment_daily_log", prepayment=True, most=MOST_DAYS, cause=GENERAL),),
        **_PLAIN,
    ),
    ReadConfiguration(
        message_code=0x00B5,
        name="GCS21b",
        service_references=("4.13",),
        clusters=((PREPAYMENT, _SETTINGS), (_PRICE, (_FORMAT,))),
        **_PLAIN,
    ),
)

USE_CASES: tuple[UseCase, ...] = (
    *_OF_METERS,
    *(replace(each, device_type="GPF") for each in _OF_METERS),
    ReadAttributes(
        message_code=0x00BF,
        name="GCS21j",
        service_references=("6.2.9",),
        cluster=PREPAYMENT,
        attributes=(Attribute("payment_control", 0x0000, _BITMAP16),),
        returned=("payment_control",),
        **_PLAIN,
    ),
)
"""Of the GSME, and what its proxy says too. A payment control is one of `bench.gbcs.payment_gas.CONTROLS`."""
