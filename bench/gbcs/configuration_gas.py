"""Configuration, messages and identity of GSME and GPF (GBCS section 19: GBZ message templates)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.gbcs import use_case
from bench.gbcs.errors import GbcsError
from bench.gbcs.gbz_commands import (
    FROM_SERVER,
    TO_SERVER,
    GbzCommands,
    Part,
    moment_from,
    moment_to,
    uint_from,
    uint_to,
)
from bench.gbcs.reader import Reader
from bench.gbcs.use_case import Sender, Values

PERIODS = {
    (1, 1): "daily",
    (1, 2): "weekly",
    (1, 3): "monthly",
    (3, 3): "quarterly",
    (6, 3): "six monthly",
    (12, 3): "yearly",
}
"""Billing periods by duration and duration type: days, weeks, months."""

LOCKED = {3: "unchanged", 0: "locked"}
"""States of the supply after tampering, or when the battery is empty."""

PRICE, METERING, MANAGEMENT = 0x0700, 0x0702, 0x0708
"""Cluster ids."""

_MESSAGING = 0x0703
_NO_PROVIDER = _NOW = bytes(4)
_CONTROL_NOT_SPECIFIED = 0x20
_UNTIL_CHANGED = b"\xff\xff"
_NO_CHANGES = (0x1800).to_bytes(4, "little")
_CLEAR_CONSUMER_DATA = (0x0200).to_bytes(4, "little")


def _text_to(values: Values, name: str, longest: int) -> bytes:
    octets = use_case.ascii_of(values, name, longest, 1)
    return bytes([len(octets)]) + octets


def _text_from(reader: Reader, name: str) -> str:
    return use_case.text_of(reader.take(reader.uint(1, f"length of {name}"), name), name)


def _write_message(values: Values) -> bytes:
    head = moment_to(values, "issued_at") + b"\x00" + _NOW + _UNTIL_CHANGED
    return head + _text_to(values, "message", 116)


def _read_message(reader: Reader) -> dict[str, Any]:
    issued = moment_from(reader, "message id")
    reader.literal(b"\x00" + _NOW + _UNTIL_CHANGED, "message control, start and duration")
    return {"issued_at": issued, "message": _text_from(reader, "message")}


def _write_tenancy(values: Values) -> bytes:
    when = moment_to(values, "restriction_time")
    return _NO_PROVIDER + moment_to(values, "issued_at") + b"\x00" + when + _CLEAR_CONSUMER_DATA


def _read_tenancy(reader: Reader) -> dict[str, Any]:
    reader.literal(_NO_PROVIDER, "provider id")
    issued = moment_from(reader, "issuer event id")
    reader.literal(b"\x00", "tariff type")
    when = moment_from(reader, "implementation time")
    reader.literal(_CLEAR_CONSUMER_DATA, "tenancy change control")
    return {"issued_at": issued, "restriction_time": when}


_NO_PIN = _NOW + b"\x00\x00\x02\x00"  # at once, for good, of the consumer's menu, no digits


def _read_no_pin(reader: Reader) -> dict[str, Any]:
    issued = moment_from(reader, "issuer event id")
    reader.literal(_NO_PIN, "time, duration, password type and password")
    return {"issued_at": issued}


def _write_supplier(values: Values) -> bytes:
    head = _NO_PROVIDER + moment_to(values, "issued_at") + b"\x00" + _NO_PROVIDER + _NOW + _NO_CHANGES
    return head + _text_to(values, "supplier_name", 15) + _text_to(values, "supplier_telephone", 18)


def _read_supplier(reader: Reader) -> dict[str, Any]:
    reader.literal(_NO_PROVIDER, "provider id")
    issued = moment_from(reader, "issuer event id")
    reader.literal(b"\x00" + _NO_PROVIDER + _NOW + _NO_CHANGES, "tariff type, provider, time and change control")
    name = _text_from(reader, "supplier_name")
    return {"issued_at": issued, "supplier_name": name, "supplier_telephone": _text_from(reader, "supplier_telephone")}


def _write_cin(values: Values) -> bytes:
    number = use_case.digits(values, "customer_identification_number", 4)
    return moment_to(values, "issued_at") + _NOW + _NO_PROVIDER + bytes([len(number)]) + number


def _read_cin(reader: Reader) -> dict[str, Any]:
    issued = moment_from(reader, "issuer event id")
    reader.literal(_NOW + _NO_PROVIDER, "time and provider id")
    return {"issued_at": issued, "customer_identification_number": _text_from(reader, "customer identification number")}


def _write_factor(name: str, after: bytes) -> Callable[[Values], bytes]:
    return lambda values: moment_to(values, "issued_at") + _NOW + uint_to(values, name, 4) + after


def _read_factor(name: str, after: bytes) -> Callable[[Reader], dict[str, Any]]:
    def read(reader: Reader) -> dict[str, Any]:
        issued = moment_from(reader, "issuer event id")
        reader.literal(_NOW, "start time")
        value = uint_from(reader, 4, name)
        reader.literal(after, "unit and trailing digits")
        return {"issued_at": issued, name: value}

    return read


def _factor(command: int, name: str, after: bytes) -> Part:
    names = ("issued_at", name)
    return Part(PRICE, FROM_SERVER, command, names, _write_factor(name, after), _read_factor(name, after))


_FLOW_NAMES = (
    "issued_at",
    "uncontrolled_flow_rate",
    "flow_divisor",
    "stabilisation_period_ds",
    "measurement_period_s",
)
_CUBIC_METRES_PER_HOUR = b"\x01"


def _write_flow(values: Values) -> bytes:
    return b"".join(
        (
            _NO_PROVIDER,
            moment_to(values, "issued_at"),
            uint_to(values, "uncontrolled_flow_rate", 2),
            _CUBIC_METRES_PER_HOUR + b"\x01\x00",
            uint_to(values, "flow_divisor", 2),
            uint_to(values, "stabilisation_period_ds", 1),
            uint_to(values, "measurement_period_s", 2),
        )
    )


def _read_flow(reader: Reader) -> dict[str, Any]:
    reader.literal(_NO_PROVIDER, "provider id")
    issued = moment_from(reader, "issuer event id")
    rate = uint_from(reader, 2, "flow threshold")
    reader.literal(_CUBIC_METRES_PER_HOUR + b"\x01\x00", "unit and multiplier")
    return dict(
        zip(
            _FLOW_NAMES,
            (issued, rate, *(uint_from(reader, size, "divisor or period") for size in (2, 1, 2))),
            strict=True,
        )
    )


_STATE_NAMES = ("issued_at", "supply_tamper_state", "supply_depletion_state")
_OFF_AND_UNCHANGED = b"\x00\x03"  # uncontrolled flow: off; load limit: unchanged


def _write_states(values: Values) -> bytes:
    states = bytes(use_case.choice(values, name, LOCKED) for name in _STATE_NAMES[1:])
    return moment_to(values, "issued_at") + states + _OFF_AND_UNCHANGED


def _read_states(reader: Reader) -> dict[str, Any]:
    issued = moment_from(reader, "issuer event id")
    states = {name: use_case.word(reader.uint(1, name), LOCKED, name) for name in _STATE_NAMES[1:]}
    reader.literal(_OFF_AND_UNCHANGED, "uncontrolled flow and load limit states")
    return {"issued_at": issued, **states}


BILLING_NAMES = ("issued_at", "billing_start", "period")


def _period_to(values: Values) -> tuple[bytes, bytes]:
    for (duration, kind), word in PERIODS.items():
        if word == values.get("period"):
            control = _CONTROL_NOT_SPECIFIED | kind
            return duration.to_bytes(3, "little"), bytes([control])
    raise GbcsError(f"period is {values.get('period')!r}", expected=" or ".join(PERIODS.values()))


def _period_word(duration: bytes, kind: int) -> str:
    key = (int.from_bytes(duration, "little"), kind & 0x0F)
    if key not in PERIODS:
        raise GbcsError(f"the billing period is {key[0]} of type {key[1]}", expected=", ".join(PERIODS.values()))
    return PERIODS[key]


def write_billing(values: Values) -> bytes:
    """Write when billing periods begin and how long they are."""
    duration, kind = _period_to(values)
    start = moment_to(values, "issued_at") + moment_to(values, "billing_start")
    return _NO_PROVIDER + start + duration + kind + b"\x00"


def read_billing(reader: Reader) -> dict[str, Any]:
    """Read what `write_billing` writes."""
    reader.literal(_NO_PROVIDER, "provider id")
    moments = {name: moment_from(reader, name) for name in BILLING_NAMES[:2]}
    duration, kind = reader.take(3, "billing period duration"), reader.uint(1, "billing period type")
    reader.literal(b"\x00", "tariff type")
    return {**moments, "period": _period_word(duration, kind)}


def _write_block(values: Values) -> bytes:
    duration, kind = _period_to(values)
    start = moment_to(values, "issued_at") + moment_to(values, "billing_start")
    return _NO_PROVIDER + start + duration + b"\x02" + kind + b"\x00\x01"


def _read_block(reader: Reader) -> dict[str, Any]:
    reader.literal(_NO_PROVIDER, "provider id")
    moments = {name: moment_from(reader, name) for name in BILLING_NAMES[:2]}
    duration = reader.take(3, "block period duration")
    reader.literal(b"\x02", "block period control")
    kind = reader.uint(1, "block period type")
    reader.literal(b"\x00\x01", "tariff type and resolution")
    return {**moments, "period": _period_word(duration, kind)}


def _commands(
    message_code: int,
    name: str,
    reference: str,
    *parts: Part,
    device_type: str = "GSME",
    critical: bool = False,
    sender: Sender = Sender.USER,
) -> GbzCommands:
    return GbzCommands(
        message_code=message_code,
        name=name,
        service_references=(reference,),
        device_type=device_type,
        critical=critical,
        response_signed=critical,
        sender=sender,
        parts=parts,
    )


_FLOW = (
    Part(METERING, TO_SERVER, 0x0E, _FLOW_NAMES, _write_flow, _read_flow),
    Part(METERING, TO_SERVER, 0x0D, _STATE_NAMES, _write_states, _read_states),
)
_BILLING = (
    Part(PRICE, FROM_SERVER, 0x09, BILLING_NAMES, write_billing, read_billing),
    Part(PRICE, FROM_SERVER, 0x01, BILLING_NAMES, _write_block, _read_block),
)
_SENT_TEXT = ("issued_at", "message")

COMMANDS = (
    _commands(0x0071, "GCS07", "3.1", Part(_MESSAGING, FROM_SERVER, 0, _SENT_TEXT, _write_message, _read_message)),
    _commands(
        0x0072,
        "GCS09",
        "3.2",
        Part(MANAGEMENT, FROM_SERVER, 0, ("issued_at", "restriction_time"), _write_tenancy, _read_tenancy),
        device_type="GPF",
    ),
    _commands(
        0x0073,
        "GCS11",
        "3.5",
        Part(
            MANAGEMENT,
            FROM_SERVER,
            2,
            ("issued_at",),
            lambda values: moment_to(values, "issued_at") + _NO_PIN,
            _read_no_pin,
        ),
    ),
    _commands(
        0x0088,
        "GCS44",
        "3.4",
        Part(
            MANAGEMENT,
            FROM_SERVER,
            1,
            ("issued_at", "supplier_name", "supplier_telephone"),
            _write_supplier,
            _read_supplier,
        ),
    ),
    _commands(
        0x0083,
        "GCS36",
        "9.1",
        Part(MANAGEMENT, FROM_SERVER, 6, ("issued_at", "customer_identification_number"), _write_cin, _read_cin),
        sender=Sender.BROKER_FOR_USER,
    ),
    _commands(
        0x007C,
        "GCS23",
        "6.6",
        _factor(0x02, "conversion_factor_e5", b"\x50"),
        _factor(0x03, "calorific_value_dmj_per_m3", b"\x01\x10"),
        critical=True,
    ),
    _commands(0x007D, "GCS24", "6.7", *_FLOW, critical=True),
    _commands(0x00FC, "GCS24a", "6.7", *_FLOW, critical=True),
    _commands(0x007E, "GCS25", "6.8", *_BILLING, critical=True),
    _commands(0x00D8, "GCS25a", "6.8", *_BILLING, critical=True),
)
"""What is set. The conversion factor is in hundred-thousandths, the calorific value in tenths of MJ/m3, the rate of
flow in m3/h divided by `flow_divisor`. GCS24a is laid out as GCS24, with another divisor: of it only a refusal is
published."""
