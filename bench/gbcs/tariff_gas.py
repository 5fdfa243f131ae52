"""Tariffs of gas meters: GCS01a, GCS01b (GBCS section 19; SEP 1.2, calendar and price clusters).

A published block tariff fixes the layout of the commands; how prices by time of use are named is inferred.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, time
from typing import Any

from bench.gbcs import gbz, times, use_case
from bench.gbcs.alerts import ZclTarget
from bench.gbcs.errors import GbcsError
from bench.gbcs.gbz import Component
from bench.gbcs.gbz_commands import FROM_SERVER, default_responses, moment_from, moment_to, uint_from
from bench.gbcs.gbz_use_cases import HARDWARE_FAILURE
from bench.gbcs.message import Message
from bench.gbcs.reader import Reader
from bench.gbcs.tariff_fields import Day, Week
from bench.gbcs.use_case import Response, UseCase, Values

PRICE, CALENDAR = 0x0700, 0x0707
CURRENCIES = {826: "GBP", 978: "ECB"}
"""ISO 4217 numbers."""

_SCHEMES = {0x00: "tou", 0x10: "block"}
_PROVIDER, _TARIFF_ID = bytes(4), b"\x01\x00\x00\x00"
_NOW, _NEVER = bytes(4), b"\xff" * 4
TRAILING_DIGITS, MULTIPLIER, DIVISOR = 0x50, 1, 1000
"""Prices have five decimal places of a pound for each kWh, thresholds three of a cubic metre."""

_TIER_MODE = 0xFF
MOST_PRICES, MOST_THRESHOLDS = 4, 3

Row = tuple[bytes, int]
"""A date of four bytes (year since 1900, month, day, weekday; FF for every one), and the week or day that it has."""


def start_to(values: Values) -> bytes:
    """Return when a tariff begins: `activation_time`, a moment, "now" or "never"."""
    at = values.get("activation_time", "now")
    if at in ("now", "never"):
        return _NOW if at == "now" else _NEVER
    return moment_to(values, "activation_time")


def start_from(reader: Reader) -> datetime | str | None:
    """Read when a tariff begins."""
    raw = reader.take(4, "start time")
    return {_NOW: "now", _NEVER: "never"}.get(raw) or times.decode_zigbee(raw[::-1])


def head(values: Values) -> bytes:
    """Return provider and issuer event id, which is when a command was issued."""
    return _PROVIDER + moment_to(values, "issued_at")


def read_head(reader: Reader) -> dict[str, Any]:
    """Read provider and issuer event id."""
    reader.literal(_PROVIDER, "provider id")
    return {"issued_at": moment_from(reader, "issuer event id")}


def _calendar_head(values: Values) -> bytes:
    return head(values) + moment_to(values, "issued_at")


def _read_calendar_head(reader: Reader) -> dict[str, Any]:
    found = read_head(reader)
    if moment_from(reader, "calendar id") != found["issued_at"]:
        raise GbcsError("the calendar is not that of the command")
    return found


def _counts(values: Values) -> bytes:
    return _bytes(*(len(use_case.present(values, name)) for name in ("seasons", "weeks", "days")))


def _bytes(*numbers: int) -> bytes:
    return bytes(use_case.integer({"number": each}, "number", 0xFF) for each in numbers)


def write_day(values: Values, day: Day) -> bytes:
    """Write one day profile: from each time of day on a tier."""
    entries = b"".join((at.hour * 60 + at.minute).to_bytes(2, "little") + _bytes(tier) for at, tier in day.times)
    return _calendar_head(values) + _bytes(day.number, len(day.times), 0, 1, 0) + entries


def read_day(reader: Reader) -> dict[str, Any]:
    """Read one day profile."""
    found = _read_calendar_head(reader)
    number, count = reader.uint(1, "day id"), reader.uint(1, "number of entries")
    reader.literal(b"\x00\x01\x00", "command index, commands and calendar type")
    rows = []
    for _ in range(count):
        minutes = uint_from(reader, 2, "start time")
        if minutes >= 24 * 60:
            raise GbcsError(f"minute {minutes} of a day", expected="less than 1440")
        rows.append((time(*divmod(minutes, 60)), reader.uint(1, "tier")))
    return found | {"days": (Day(number, tuple(rows)),)}


def write_week(values: Values, week: Week) -> bytes:
    """Write one week profile."""
    if len(week.days) != 7:
        raise GbcsError(f"week {week.number} has {len(week.days)} days", expected="7")
    return _calendar_head(values) + _bytes(week.number, *week.days)


def read_week(reader: Reader) -> dict[str, Any]:
    """Read one week profile."""
    found = _read_calendar_head(reader)
    number = reader.uint(1, "week id")
    return found | {"weeks": (Week(number, tuple(reader.take(7, "days of the week"))),)}


def _rows(values: Values, name: str) -> bytes:
    written = b""
    for date, number in use_case.present(values, name):
        if len(date) != 4:
            raise GbcsError(f"a date of {name} has {len(date)} bytes", expected="4")
        written += date + _bytes(number)
    return written


def _read_rows(reader: Reader) -> tuple[Row, ...]:
    rows = []
    while reader.remaining:
        rows.append((reader.take(4, "date"), reader.uint(1, "week or day id")))
    return tuple(rows)


def write_seasons(values: Values) -> bytes:
    """Write the seasons."""
    return _calendar_head(values) + b"\x00\x01" + _rows(values, "seasons")


def read_seasons(reader: Reader) -> dict[str, Any]:
    """Read the seasons."""
    found = _read_calendar_head(reader)
    reader.literal(b"\x00\x01", "command index and commands")
    return found | {"seasons": _read_rows(reader)}


def write_special_days(values: Values) -> bytes:
    """Write the special days."""
    rows = use_case.present(values, "special_days")
    return _calendar_head(values) + start_to(values) + _bytes(0, len(rows), 0, 1) + _rows(values, "special_days")


def read_special_days(reader: Reader) -> dict[str, Any]:
    """Read the special days."""
    found = _read_calendar_head(reader) | {"activation_time": start_from(reader)}
    reader.literal(b"\x00", "calendar type")
    count = reader.uint(1, "number of special days")
    reader.literal(b"\x00\x01", "command index and commands")
    rows = _read_rows(reader)
    if len(rows) != count:
        raise GbcsError(f"{len(rows)} special days", expected=f"{count}")
    return found | {"special_days": rows}


def _write_calendar(values: Values) -> bytes:
    return _calendar_head(values) + start_to(values) + b"\x00\x00\x00" + _counts(values)


def _read_calendar(reader: Reader) -> dict[str, Any]:
    found = _read_calendar_head(reader) | {"activation_time": start_from(reader)}
    reader.literal(b"\x00\x00\x00", "calendar type, time reference and name")
    reader.take(3, "numbers of seasons, weeks and days")
    return found


def _write_information(values: Values) -> bytes:
    tou = use_case.present(values, "scheme") == "tou"
    prices = len(use_case.present(values, "prices"))
    currency = use_case.choice(values, "currency", CURRENCIES)
    thresholds = use_case.integer(values, "thresholds_in_use", MOST_THRESHOLDS)
    scheme = use_case.choice(values, "scheme", _SCHEMES)
    return b"".join(
        (
            head(values) + _TARIFF_ID + start_to(values),
            bytes([scheme, 0, prices if tou else 0, thresholds, 0]),
            currency.to_bytes(2, "little") + bytes([TRAILING_DIGITS]),
            use_case.integer(values, "standing_charge").to_bytes(4, "little"),
            bytes([_TIER_MODE]) + MULTIPLIER.to_bytes(3, "little") + DIVISOR.to_bytes(3, "little"),
        )
    )


def _read_information(reader: Reader) -> dict[str, Any]:
    found = read_head(reader)
    reader.literal(_TARIFF_ID, "tariff id")
    found["activation_time"] = start_from(reader)
    found["scheme"] = use_case.word(reader.uint(1, "tariff type"), _SCHEMES, "scheme")
    reader.take(2, "label and number of prices")
    found["thresholds_in_use"] = reader.uint(1, "number of thresholds")
    reader.literal(b"\x00", "unit of measure")
    found["currency"] = use_case.word(uint_from(reader, 2, "currency"), CURRENCIES, "currency")
    reader.literal(bytes([TRAILING_DIGITS]), "trailing digits")
    found["standing_charge"] = uint_from(reader, 4, "standing charge")
    reader.take(7, "tier mode, multiplier and divisor")
    return found


def thresholds_of(values: Values) -> tuple[int, ...]:
    """Return the thresholds.

    Raises:
        GbcsError: they are missing or too many.
    """
    found: tuple[int, ...] = use_case.present(values, "thresholds")
    if len(found) > MOST_THRESHOLDS:
        raise GbcsError(f"{len(found)} thresholds", expected=f"at most {MOST_THRESHOLDS}")
    return found


def prices_of(values: Values) -> tuple[int, ...]:
    """Return the prices.

    Raises:
        GbcsError: they are missing, none or too many.
    """
    found: tuple[int, ...] = use_case.present(values, "prices")
    if not 1 <= len(found) <= MOST_PRICES:
        raise GbcsError(f"{len(found)} prices", expected=f"1 to {MOST_PRICES}")
    return found


def _write_thresholds(values: Values) -> bytes:
    found, limit = thresholds_of(values), (1 << 48) - 1
    checked = (use_case.integer({"threshold": each}, "threshold", limit) for each in found)
    numbers = b"".join(each.to_bytes(6, "little") for each in checked)
    return head(values) + start_to(values) + _TARIFF_ID + bytes([0, 1, 1, len(found)]) + numbers


def _read_thresholds(reader: Reader) -> dict[str, Any]:
    found = read_head(reader) | {"activation_time": start_from(reader)}
    reader.literal(_TARIFF_ID + b"\x00\x01\x01", "tariff id, command index, commands and control")
    count = reader.uint(1, "number of thresholds")
    return found | {"thresholds": tuple(uint_from(reader, 6, "threshold") for _ in range(count))}


def _write_prices(values: Values) -> bytes:
    tou = use_case.present(values, "scheme") == "tou"
    prices = prices_of(values)
    rows = b"".join(
        bytes([(index + 1) << 4 if tou else index]) + use_case.integer({"price": price}, "price").to_bytes(4, "little")
        for index, price in enumerate(prices)
    )
    return head(values) + start_to(values) + _TARIFF_ID + bytes([0, 1, int(tou)]) + rows


def _read_prices(reader: Reader) -> dict[str, Any]:
    found = read_head(reader) | {"activation_time": start_from(reader)}
    reader.literal(_TARIFF_ID + b"\x00\x01", "tariff id, command index and commands")
    tou = bool(reader.uint(1, "sub-payload control"))
    prices: list[int] = []
    while reader.remaining:
        index = len(prices)
        reader.literal(bytes([(index + 1) << 4 if tou else index]), "tier or block")
        prices.append(uint_from(reader, 4, "price"))
    return found | {"scheme": "tou" if tou else "block", "prices": tuple(prices)}


_Read = Callable[[Reader], dict[str, Any]]
READERS: dict[tuple[int, int], _Read] = {
    (CALENDAR, 0x00): _read_calendar,
    (CALENDAR, 0x01): read_day,
    (CALENDAR, 0x02): read_week,
    (CALENDAR, 0x03): read_seasons,
    (CALENDAR, 0x04): read_special_days,
    (PRICE, 0x04): _read_information,
    (PRICE, 0x06): _read_thresholds,
    (PRICE, 0x05): _read_prices,
}
"""By cluster and command."""

PRICE_NAMES = ("scheme", "prices", "standing_charge", "currency", "thresholds_in_use")
SWITCHING_NAMES = ("seasons", "weeks", "days", "special_days", "thresholds")
GROWING = ("days", "weeks")
"""Parameters of which each command brings one more."""

SWITCHING_PARTS = tuple(
    ZclTarget(cluster, FROM_SERVER, command) for cluster, command in ((CALENDAR, 0), (CALENDAR, 4), (PRICE, 6))
)
PRICE_PARTS = tuple(ZclTarget(PRICE, FROM_SERVER, command) for command in (4, 5))
"""The commands that have a date, whose execution is told of."""


def write_calendar(values: Values) -> Iterator[tuple[int, int, bytes]]:
    """Cluster, command and payload of everything that makes up a calendar."""
    for day in use_case.present(values, "days"):
        yield CALENDAR, 0x01, write_day(values, day)
    for week in use_case.present(values, "weeks"):
        yield CALENDAR, 0x02, write_week(values, week)
    yield CALENDAR, 0x03, write_seasons(values)
    yield CALENDAR, 0x04, write_special_days(values)


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
            yield CALENDAR, 0x00, _write_calendar(params)
            yield from write_calendar(params)
        yield PRICE, 0x04, _write_information(params)
        if self.whole:
            yield PRICE, 0x06, _write_thresholds(params)
        yield PRICE, 0x05, _write_prices(params)

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
