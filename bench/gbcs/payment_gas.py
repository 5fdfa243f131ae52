"""Payment of a GSME: mode, balance, debt and top up (GBCS section 19; SEP 1.2, prepayment).

Money is in thousandths of pence. Which bits of the payment control stand for which settings is that of published
commands, and for the one that is not published (both debts suspended) of the public parser of Smart DCC Ltd.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.gbcs import gbz, use_case
from bench.gbcs.alerts import ZclTarget
from bench.gbcs.errors import GbcsError
from bench.gbcs.gbz import Component
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
from bench.gbcs.gbz_use_cases import GbzUseCase
from bench.gbcs.payment_gas_calendar import read_start, write_start
from bench.gbcs.reader import Reader
from bench.gbcs.use_case import Response, UseCase, Values
from bench.gbcs.utrn import DIGITS

PREPAYMENT = 0x0705
CONTROLS = {
    0x0C94: ("credit", False, False),
    0x0497: ("prepayment", True, True),
    0x0097: ("prepayment", False, True),
    0x0C97: ("prepayment", True, False),
    0x0897: ("prepayment", False, False),
}
"""Payment control: payment mode, `suspend_debt_disabled` and `suspend_debt_emergency`."""

TOP_UP_RESULTS = {0: "accepted", 1: "invalid", 2: "duplicate", 3: "error", 4: "too much credit", 6: "value too large"}
"""Results of a top up; of these only the first two are published, the others are those of SEP 1.2."""

_PROVIDER, _NOW = bytes(4), bytes(4)
_NEVER = b"\xff\xff\xff\xff"
_NO_CUT_OFF = b"\xff\xff\xff\xff"
_NO_AMOUNT = -1
_PUBLISHED = 0x19


def money_to(values: Values, name: str) -> bytes:
    """Return an amount of four bytes with its sign.

    Raises:
        GbcsError: it is missing or does not fit.
    """
    return use_case.signed(values, name).to_bytes(4, "little", signed=True)


def money_from(reader: Reader, what: str) -> int:
    """Read an amount of four bytes with its sign."""
    return int.from_bytes(reader.take(4, what), "little", signed=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePaymentMode(GbzUseCase):
    """Set the payment mode: to credit (GCS02) or to prepayment (GCS03).

    Attributes:
        mode: which.
    """

    mode: str
    cluster: int = PREPAYMENT
    frame_control: int = TO_SERVER
    command: int = 0x06
    returned: tuple[str, ...] = (
        "non_disablement",
        "calendar_id",
        "emergency_credit_limit",
        "emergency_credit_threshold",
    )

    def _write(self, params: Values) -> bytes:
        suspended = (params.get(name, False) for name in ("suspend_debt_disabled", "suspend_debt_emergency"))
        wanted = (self.mode, *suspended)
        control = next((bits for bits, found in CONTROLS.items() if found == wanted), None)
        if control is None:
            raise GbcsError(f"suspended debts are {wanted[1:]!r}", expected="True or False, each")
        cut_off = _NO_CUT_OFF if self.mode == "credit" else money_to(params, "disablement_threshold")
        head = _PROVIDER + moment_to(params, "issued_at") + write_start(params, _NEVER)
        return head + control.to_bytes(2, "little") + cut_off

    def _read(self, reader: Reader) -> dict[str, Any]:
        reader.literal(_PROVIDER, "provider id")
        found: dict[str, Any] = {"issued_at": moment_from(reader, "issuer event id")}
        found["activation_time"] = read_start(reader, _NEVER)
        control = uint_from(reader, 2, "payment control")
        mode, disabled, emergency = CONTROLS.get(control, ("", False, False))
        if mode != self.mode:
            raise GbcsError(f"the payment control is {control:04x}", expected=f"one of {self.mode} mode")
        if mode == "credit":
            reader.literal(_NO_CUT_OFF, "cut off value")
            return found
        threshold = money_from(reader, "cut off value")
        return found | dict(zip(self.names[2:], (disabled, emergency, threshold), strict=True))

    def _good(self, values: Values) -> Component:
        head = bytes([use_case.integer(values, "non_disablement", 1)]) + uint_to(values, "calendar_id", 4)
        limits = b"".join(uint_to(values, name, 4) for name in self.returned[2:])
        return Component(self.cluster, _PUBLISHED, 0x02, head + limits)

    def _read_good(self, component: Component) -> Response:
        if (component.frame_control, component.command) != (_PUBLISHED, 0x02):
            raise GbcsError(f"command {component.command:02x} is no response of {self.name}")
        reader = Reader(component.payload)
        on = reader.uint(1, "friendly credit")
        numbers = [uint_from(reader, 4, name) for name in self.returned[1:]]
        reader.finish("the response")
        return Response(True, dict(zip(self.returned, (on, *numbers), strict=True)), "success")


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustCredit(GbzUseCase):
    """Adjust or reset the balance (GCS40a to GCS40d).

    Attributes:
        kind: credit adjustment type.
    """

    kind: int
    cluster: int = PREPAYMENT
    frame_control: int = TO_SERVER
    command: int = 0x05

    def _write(self, params: Values) -> bytes:
        amount = money_to(params, "adjustment") if "adjustment" in self.names else bytes(4)
        return moment_to(params, "issued_at") + _NOW + bytes([self.kind]) + amount

    def _read(self, reader: Reader) -> dict[str, Any]:
        issued = moment_from(reader, "issuer event id")
        reader.literal(_NOW + bytes([self.kind]), "start time and type of the adjustment")
        if "adjustment" in self.names:
            return {"issued_at": issued, "adjustment": money_from(reader, "adjustment")}
        reader.literal(bytes(4), "adjustment")
        return {"issued_at": issued}


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivateEmergencyCredit(GbzUseCase):
    """Activate emergency credit (GCS06)."""

    cluster: int = PREPAYMENT
    frame_control: int = TO_SERVER
    command: int = 0x00
    names: tuple[str, ...] = ()

    def _write(self, params: Values) -> bytes:
        return _NOW + b"\x00"

    def _read(self, reader: Reader) -> dict[str, Any]:
        reader.literal(_NOW + b"\x00", "issue time and originating device")
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUp(GbzUseCase):
    """Top up a GSME (CS01b). A refusal is a `result`, one of `TOP_UP_RESULTS`, or a ZCL `status`."""

    cluster: int = PREPAYMENT
    frame_control: int = TO_SERVER
    command: int = 0x04
    names: tuple[str, ...] = ("utrn",)
    returned: tuple[str, ...] = ("amount", "meter_balance")

    def _write(self, params: Values) -> bytes:
        return b"\x00" + bytes([DIGITS]) + use_case.digits(params, "utrn", DIGITS)

    def _read(self, reader: Reader) -> dict[str, Any]:
        reader.literal(bytes([0, DIGITS]), "originating device and length of the UTRN")
        text = use_case.text_of(reader.take(DIGITS, "UTRN"), "UTRN")
        return {"utrn": use_case.digits({"utrn": text}, "utrn", DIGITS).decode()}

    def encode_response(self, values: Values, *, originator_counter: int, ok: bool = True) -> bytes:
        """Write the result of the top up."""
        if ok or "status" in values:
            return super(TopUp, self).encode_response(values, originator_counter=originator_counter, ok=ok)
        use_case.check_names(values, ("result", *self.returned), f"{self.name} response")
        result = use_case.choice({"result": TOP_UP_RESULTS[1], **values}, "result", TOP_UP_RESULTS)
        if not result:
            raise GbcsError("a refused top up was accepted", expected=", ".join(list(TOP_UP_RESULTS.values())[1:]))
        return gbz.encode_components(self._said(result, dict.fromkeys(self.returned, _NO_AMOUNT) | dict(values)))

    def _good(self, values: Values) -> Component:
        return self._said(0, values)

    def _said(self, result: int, values: Values) -> Component:
        amount, balance = (money_to(values, name) for name in self.returned)
        return Component(self.cluster, FROM_SERVER, 0x03, bytes([result]) + amount + b"\x00" + balance)

    def _read_good(self, component: Component) -> Response:
        if (component.frame_control, component.command) != (FROM_SERVER, 0x03):
            raise GbcsError(f"command {component.command:02x} is no response of {self.name}")
        reader = Reader(component.payload)
        result = use_case.word(reader.uint(1, "result"), TOP_UP_RESULTS, "the result")
        amount = money_from(reader, "top up value")
        reader.literal(b"\x00", "source of the top up")
        values: dict[str, Any] = {"amount": amount, "meter_balance": money_from(reader, "credit remaining")}
        reader.finish("the response")
        if result == TOP_UP_RESULTS[0]:
            return Response(True, values, "success")
        known = {name: each for name, each in values.items() if each != _NO_AMOUNT}
        return Response(False, {"result": result, **known}, f"the top up is refused: {result}")


_DEBTS = ("time_debt_1", "time_debt_2", "payment_debt")
_PERIODS = {0: "hourly", 1: "daily"}
_BY_TIME, _BY_PAYMENT = 0, 1


def _debt(number: int) -> Part:
    """One Change Debt command: what a debt is changed by, and how it is recovered."""
    name = _DEBTS[number]
    by_time = number < 2
    kind = bytes([_BY_TIME if by_time else _BY_PAYMENT, 2 * number + 1])
    names = [f"{name}_rate", f"{name}_period"] if by_time else ["recovery_per_payment_bp"]

    def write(values: Values) -> bytes:
        if by_time:
            period = bytes([use_case.choice(values, names[1], _PERIODS)])
            recovery = period + money_to(values, names[0]) + bytes(2)
        else:
            recovery = b"\x01" + bytes(4) + uint_to(values, names[0], 2)
        head = moment_to(values, "issued_at") + b"\x00" + money_to(values, f"{name}_adjustment")
        return head + kind + _NOW + bytes(2) + recovery

    def read(reader: Reader) -> dict[str, Any]:
        found: dict[str, Any] = {"issued_at": moment_from(reader, "issuer event id")}
        reader.literal(b"\x00", "label")
        found[f"{name}_adjustment"] = money_from(reader, "debt amount")
        reader.literal(kind + _NOW + bytes(2), "recovery method, type, start and time of collection")
        if not by_time:
            reader.literal(b"\x01" + bytes(4), "frequency and amount of the recovery")
            return found | {names[0]: uint_from(reader, 2, "recovery per payment")}
        period = use_case.word(reader.uint(1, "recovery frequency"), _PERIODS, "the recovery frequency")
        found |= {names[0]: money_from(reader, "recovery amount"), names[1]: period}
        reader.literal(bytes(2), "recovery per payment")
        return found

    return Part(PREPAYMENT, TO_SERVER, 0x02, ("issued_at", f"{name}_adjustment", *names), write, read)


MODE_PART = ZclTarget(PREPAYMENT, TO_SERVER, 0x06)
"""The command of GCS02 and GCS03, whose execution is told of."""

_SIGNED: dict[str, Any] = {"device_type": "GSME", "critical": True, "response_signed": True}


def _credit(message_code: int, name: str, kind: int, *more: str) -> AdjustCredit:
    names = ("issued_at", *more)
    return AdjustCredit(
        message_code=message_code, name=name, service_references=("1.5",), kind=kind, names=names, **_SIGNED
    )


def _mode(message_code: int, name: str, mode: str) -> ChangePaymentMode:
    prepayment = ("suspend_debt_disabled", "suspend_debt_emergency", "disablement_threshold")
    return ChangePaymentMode(
        message_code=message_code,
        name=name,
        service_references=("1.6",),
        mode=mode,
        names=("issued_at", "activation_time", *(prepayment if mode == "prepayment" else ())),
        response_dated=True,
        **_SIGNED,
    )


USE_CASES: tuple[UseCase, ...] = (
    _mode(0x006C, "GCS02", "credit"),
    _mode(0x006D, "GCS03", "prepayment"),
    GbzCommands(
        message_code=0x006E,
        name="GCS04",
        service_references=("2.3",),
        parts=tuple(_debt(number) for number in range(3)),
        **_SIGNED,
    ),
    ActivateEmergencyCredit(message_code=0x0070, name="GCS06", service_references=("2.5",), **_SIGNED),
    _credit(0x0086, "GCS40a", 0, "adjustment"),
    _credit(0x00B4, "GCS40b", 1),
    _credit(0x00C0, "GCS40c", 3, "adjustment"),
    _credit(0x00C2, "GCS40d", 2),
    TopUp(
        message_code=0x0097,
        name="CS01b",
        service_references=("2.2",),
        device_type="GSME",
        critical=False,
        response_signed=False,
        response_dated=True,
    ),
)
"""In no order."""
