"""Logs of payments that a GSME and its proxy keep: payments of debts (GCS15d) and top ups (GCS15e), GBCS section 19.

The length of the answer with payments of debts is that which the types of SEP 1.2 make, as GBCS publishes it encrypted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.gbcs import gbz, times, use_case
from bench.gbcs.errors import GbcsError
from bench.gbcs.gbz import Component
from bench.gbcs.gbz_commands import TO_SERVER, moment_from, moment_to, uint_from, uint_to
from bench.gbcs.gbz_snapshots import NOT_FOUND
from bench.gbcs.gbz_use_cases import GbzUseCase
from bench.gbcs.payment_gas import PREPAYMENT, money_from, money_to
from bench.gbcs.reader import Reader
from bench.gbcs.use_case import Response, Values
from bench.gbcs.utrn import DIGITS

MOST_DEBT_PAYMENTS, MOST_CREDITS = 10, 5
"""So many rows are asked for."""

_PUBLISHED = 0x19
_PAYMENT_DEBT = 2


@dataclass(frozen=True, slots=True)
class Log:
    """A log of payments, as its questions and answers have it.

    Attributes:
        name: name of the value: a tuple of rows.
        command: id of the command that asks for rows.
        published: id of the command that brings them.
        asked: what follows the end in the question: how many rows, and of what.
        columns: names of the cells of a row.
        write: makes the bytes of a row, from its cells by name.
        read: reads a row.
    """

    name: str
    command: int
    published: int
    asked: bytes
    columns: tuple[str, ...]
    write: Callable[[Values], bytes]
    read: Callable[[Reader], tuple[Any, ...]]

    def write_row(self, row: Any) -> bytes:
        """Make the bytes of a row.

        Raises:
            GbcsError: it is no row of this log.
        """
        if not isinstance(row, tuple) or len(row) != len(self.columns):
            raise GbcsError(f"a row of {self.name} is {row!r}", expected=f"a tuple of {len(self.columns)}")
        return self.write(dict(zip(self.columns, row, strict=True)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLog(GbzUseCase):
    """Read rows of a log of payments from `log_from` to `log_to`; no rows are no error (status 8B)."""

    log: Log
    cluster: int = PREPAYMENT
    frame_control: int = TO_SERVER
    names: tuple[str, ...] = ("log_from", "log_to")

    def _write(self, params: Values) -> bytes:
        return moment_to(params, "log_to") + self.log.asked

    def _read(self, reader: Reader) -> dict[str, Any]:
        end = moment_from(reader, "log_to")
        reader.literal(self.log.asked, "number of rows, and of what")
        return {"log_to": end}

    def encode_command(self, params: Values, *, originator_counter: int) -> bytes:
        """Write the ZigBee command; from when on stands before it."""
        use_case.check_names(params, self.names, f"{self.name} command")
        start = times.encode_zigbee(use_case.moment(params, "log_from"))
        return gbz.encode_components(
            Component(self.cluster, self.frame_control, self.command, self._write(params), from_date_time=start)
        )

    def decode_command(self, content: bytes) -> dict[str, Any]:
        """Read the ZigBee command."""
        found = super(ReadLog, self).decode_command(content)
        (component,) = gbz.decode_components(content)
        if component.from_date_time is None:
            raise GbcsError("the log has no start", expected="a from date-time")
        return {"log_from": times.decode_zigbee(component.from_date_time), **found}

    def encode_response(self, values: Values, *, originator_counter: int, ok: bool = True) -> bytes:
        """Write the rows; none are a default response that says so."""
        if ok and not values.get(self.log.name):
            use_case.check_names(values, self.returned, f"{self.name} response")
            return gbz.encode_components(self._default(NOT_FOUND))
        return super(ReadLog, self).encode_response(values, originator_counter=originator_counter, ok=ok)

    def decode_response(self, content: bytes) -> Response:
        """Read the rows."""
        response = super(ReadLog, self).decode_response(content)
        if response.ok or response.values.get("status") != NOT_FOUND:
            return response
        return Response(True, {self.log.name: ()}, "success; there are no rows")

    def _good(self, values: Values) -> Component:
        rows = use_case.present(values, self.log.name)
        payload = b"\x00\x01" + b"".join(self.log.write_row(row) for row in rows)
        return Component(self.cluster, _PUBLISHED, self.log.published, payload)

    def _read_good(self, component: Component) -> Response:
        if (component.frame_control, component.command) != (_PUBLISHED, self.log.published):
            raise GbcsError(f"command {component.command:02x} is no response of {self.name}")
        reader = Reader(component.payload)
        reader.literal(b"\x00\x01", "command index and commands")
        rows = []
        while reader.remaining:
            rows.append(self.log.read(reader))
        return Response(True, {self.log.name: tuple(rows)}, "success")


def _write_debt_payment(cells: Values) -> bytes:
    debt = bytes([_PAYMENT_DEBT])
    return moment_to(cells, "time") + uint_to(cells, "amount", 4) + debt + uint_to(cells, "left", 4)


def _read_debt_payment(reader: Reader) -> tuple[Any, ...]:
    time, amount = moment_from(reader, "time"), uint_from(reader, 4, "amount")
    reader.literal(bytes([_PAYMENT_DEBT]), "debt")
    return time, amount, uint_from(reader, 4, "debt that is left")


def _write_top_up(cells: Values) -> bytes:
    text = use_case.digits(cells, "utrn", DIGITS)
    return bytes([DIGITS]) + text + money_to(cells, "amount") + moment_to(cells, "time")


def _read_top_up(reader: Reader) -> tuple[Any, ...]:
    reader.literal(bytes([DIGITS]), "length of the UTRN")
    text = use_case.text_of(reader.take(DIGITS, "UTRN"), "UTRN")
    utrn = use_case.digits({"utrn": text}, "utrn", DIGITS).decode()
    return utrn, money_from(reader, "amount"), moment_from(reader, "time")


_DEBT_PAYMENTS = Log(
    "debt_payments",
    command=0x0A,
    published=0x06,
    asked=bytes([MOST_DEBT_PAYMENTS, _PAYMENT_DEBT]),
    columns=("time", "amount", "left"),
    write=_write_debt_payment,
    read=_read_debt_payment,
)
_TOP_UPS = Log(
    "prepayment_credits",
    command=0x08,
    published=0x05,
    asked=bytes([MOST_CREDITS]),
    columns=("utrn", "amount", "time"),
    write=_write_top_up,
    read=_read_top_up,
)


def _reading(log: Log, **identity: Any) -> ReadLog:
    return ReadLog(
        log=log, command=log.command, returned=(log.name,), critical=False, response_signed=False, **identity
    )


USE_CASES: tuple[ReadLog, ...] = tuple(
    each
    for device in ("GSME", "GPF")
    for each in (
        _reading(
            _DEBT_PAYMENTS,
            message_code=0x00C4,
            name="GCS15d",
            service_references=("4.4.4",),
            protected=True,
            device_type=device,
        ),
        _reading(_TOP_UPS, message_code=0x00C5, name="GCS15e", service_references=("4.4.5",), device_type=device),
    )
)
"""Payments of the payment-based debt: time, amount, and the debt that is left. Top ups: UTRN, amount and time; the
published command has no end (the last but one moment of UTCTime)."""
