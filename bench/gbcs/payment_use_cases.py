"""Payment: mode, balance, prepayment, debt and top up of an ESME; those of gas are collected here (GBCS section 18).

Money is in thousandths of pence. The refusals and the success of most of these are published, some of the commands
only in one of their forms: see `bench.gbcs.payment_fields`. That the registers of ECS19 have the order of the logs
of the same registers is inferred: their answer is published encrypted, and has the length that this makes.
"""

from __future__ import annotations

from typing import Any

from bench.gbcs import payment_gas, payment_gas_configuration, payment_gas_logs, payment_gas_reads
from bench.gbcs.dlms import Data, Tag, Target, Verb
from bench.gbcs.dlms_logs import activation_time, log, log_range, together
from bench.gbcs.dlms_use_case import DlmsUseCase, Field, Item, constant, digits, number
from bench.gbcs.load_control_fields import special_days, switching_times
from bench.gbcs.payment_fields import (
    charge_rate,
    collections,
    mode_and_status,
    mode_to_come,
    threshold,
    whole,
)
from bench.gbcs.protected_items import ProtectedAttribute, protected_item
from bench.gbcs.use_case import UseCase
from bench.gbcs.utrn import DIGITS

REGISTERS = (
    "emergency_credit_balance",
    "meter_balance",
    "payment_debt",
    "time_debt_1",
    "time_debt_2",
    "accumulated_debt",
)
"""What a meter knows of credit and debts, in the order of its logs."""

CAP_PERIOD_S = 604_800
"""The debt recovery rate cap is that of a week: no Service Request says another period."""

STOP_SCRIPT, START_SCRIPT = 0x21, 0x20
"""Selectors of a non-disablement calendar: its periods start and stop."""

_DATA, _PROFILE, _SCHEDULE, _SPECIAL_DAYS, _MONITOR = 1, 7, 10, 11, 21
_ACCOUNT, _CREDIT, _CHARGE, _TOKEN, _TOGGLE = 111, 112, 113, 115, 9000
_TO_COME, _NOW = "0-1:19.0.0.255", "0-0:19.0.0.255"
_BALANCE, _EMERGENCY, _ACCUMULATED = (f"0-0:19.10.{number}.255" for number in range(3))
_DEBT_1, _DEBT_2, _PAYMENT_DEBT = (f"0-0:19.20.{number}.255" for number in (1, 2, 3))
_THRESHOLD = "0-0:94.44.128.22"
_CALENDAR_SCRIPTS = "0-0:10.0.106.255"
_BETWEEN = ("log_from", "log_to")


def _esme(
    message_code: int, name: str, reference: str, *items: Item, critical: bool = False, **options: Any
) -> UseCase:
    return DlmsUseCase(
        message_code=message_code,
        name=name,
        service_references=(reference,),
        device_type="ESME",
        critical=critical,
        response_signed=critical,
        items=items,
        **options,
    )


def _set(target: Target, field: Field) -> Item:
    return Item(Verb.SET, target, field)


def _get(target: Target, field: Field) -> Item:
    return Item(Verb.GET, target, returned=field)


def _act(target: Target, field: Field, label: str = "") -> Item:
    return Item(Verb.ACTION, target, field, label=label)


_ZERO_32 = constant(Data(Tag.INT32, 0))
_ZERO = constant(Data(Tag.INT8, 0))
MODE_PARTS = (Target(_ACCOUNT, _TO_COME, 13),)
"""What of ECS02 has a date, whose execution is told of; ECS03 has the threshold too."""
PREPAYMENT_PARTS = (Target(_TOGGLE, _THRESHOLD, 6), *MODE_PARTS)


def _from(targets: tuple[Target, ...]) -> list[Item]:
    return [_set(target, activation_time()) for target in targets]


_MODE = (
    _esme(
        0x001A,
        "ECS02",
        "1.6",
        Item(Verb.SET, Target(_ACCOUNT, _TO_COME, 2), mode_to_come("credit"), label="mode"),
        _set(Target(_ACCOUNT, _TO_COME, 11), collections()),
        *_from(MODE_PARTS),
        critical=True,
        response_dated=True,
    ),
    _esme(
        0x001B,
        "ECS03",
        "1.6",
        Item(Verb.SET, Target(_ACCOUNT, _TO_COME, 2), mode_to_come("prepayment"), label="mode"),
        _set(Target(_TOGGLE, _THRESHOLD, 4), whole("disablement_threshold")),
        _set(Target(_ACCOUNT, _TO_COME, 11), collections()),
        *_from(PREPAYMENT_PARTS),
        critical=True,
        response_dated=True,
    ),
    _esme(0x00BE, "ECS26j", "6.2.9", _get(Target(_ACCOUNT, _NOW, 2), mode_and_status())),
)

_BALANCES = (
    _esme(0x001C, "ECS04a", "1.5", _act(Target(_CREDIT, _BALANCE, 1), whole("adjustment")), critical=True),
    _esme(
        0x00B3,
        "ECS04b",
        "1.5",
        _act(Target(_CREDIT, _BALANCE, 2), _ZERO_32, "reset_meter_balance"),
        _act(Target(_CREDIT, _EMERGENCY, 2), _ZERO_32, "reset_emergency_credit"),
        _act(Target(_CREDIT, _ACCUMULATED, 2), _ZERO_32, "reset_accumulated_debt"),
        critical=True,
    ),
    _esme(0x0069, "ECS82", "4.18", _get(Target(_CREDIT, _BALANCE, 2), whole("meter_balance"))),
)

_DEBT = _esme(
    0x001E,
    "ECS07",
    "2.3",
    _set(Target(_CHARGE, _DEBT_1, 6), charge_rate("time_debt_1")),
    _set(Target(_CHARGE, _DEBT_2, 6), charge_rate("time_debt_2")),
    _set(Target(_CHARGE, _PAYMENT_DEBT, 13), number("recovery_per_payment_bp", Tag.UINT16, 0xFFFF)),
    _set(Target(_CHARGE, _DEBT_1, 8), number("time_debt_1_period_s")),
    _set(Target(_CHARGE, _DEBT_2, 8), number("time_debt_2_period_s")),
    _act(Target(_CHARGE, _DEBT_1, 2), _ZERO, "activate_time_debt_1"),
    _act(Target(_CHARGE, _DEBT_2, 2), _ZERO, "activate_time_debt_2"),
    _act(Target(_CHARGE, _PAYMENT_DEBT, 4), whole("payment_debt_adjustment")),
    _act(Target(_CHARGE, _DEBT_1, 4), whole("time_debt_1_adjustment")),
    _act(Target(_CHARGE, _DEBT_2, 4), whole("time_debt_2_adjustment")),
    critical=True,
)


def _toggle(obis: str) -> Target:
    return Target(_TOGGLE, obis, 4)


_MAX_BALANCE, _MAX_CREDIT = "0-0:94.44.2.20", "0-0:94.44.2.10"
_LIMITS = tuple(f"0-0:94.44.128.{last}" for last in (12, 13, 9, 2, 3))
_CAP, _CAP_PERIOD, _LOW, _LIMIT, _AVAILABLE = _LIMITS
CONFIGURATION_PARTS = tuple(
    Target(_TOGGLE, obis, 6) for obis in (_MAX_BALANCE, _MAX_CREDIT, *_LIMITS, "0-0:94.44.128.28")
)
SPECIAL_DAYS_PART = Target(_TOGGLE, "0-0:94.44.128.31", 6)
"""What of ECS08 has a date: the special days of the non-disablement calendar, and all the rest."""

_CONFIGURE = (
    _set(Target(_SPECIAL_DAYS, "0-1:11.0.2.255", 2), special_days()),
    _set(_toggle(_MAX_BALANCE), whole("max_meter_balance")),
    _set(_toggle(_MAX_CREDIT), whole("max_credit_threshold")),
    _set(Target(_SCHEDULE, "0-1:12.0.1.255", 2), switching_times("non_disablement_times", _CALENDAR_SCRIPTS)),
    _set(_toggle(_CAP), number("debt_recovery_rate_cap", Tag.UINT16, 0xFFFF)),
    _set(_toggle(_CAP_PERIOD), whole("debt_recovery_cap_period_s")),
    _set(_toggle(_LOW), whole("low_credit_threshold")),
    _set(_toggle(_LIMIT), whole("emergency_credit_limit")),
    _set(SPECIAL_DAYS_PART, activation_time()),
    _set(_toggle(_AVAILABLE), whole("emergency_credit_threshold")),
    *_from(CONFIGURATION_PARTS),
)

_CONFIGURATION = (
    _esme(0x001F, "ECS08", "2.1", *_CONFIGURE, critical=True, response_dated=True),
    _esme(0x00DE, "ECS08a", "2.1", *_CONFIGURE, critical=True, response_dated=True),
    _esme(
        0x003B,
        "ECS26a",
        "4.13",
        _get(Target(_CHARGE, _DEBT_1, 5), charge_rate("time_debt_1")),
        _get(Target(_SPECIAL_DAYS, "0-0:11.0.2.255", 2), special_days()),
        _get(Target(_CHARGE, _DEBT_1, 8), number("time_debt_1_period_s")),
        _get(Target(_CHARGE, _DEBT_1, 5), charge_rate("time_debt_1")),
        _get(Target(_CHARGE, _DEBT_2, 5), charge_rate("time_debt_2")),
        _get(Target(_CHARGE, _DEBT_2, 8), number("time_debt_2_period_s")),
        _get(Target(_CHARGE, _DEBT_2, 5), charge_rate("time_debt_2")),
        _get(Target(_CHARGE, _PAYMENT_DEBT, 13), number("recovery_per_payment_bp", Tag.UINT16, 0xFFFF)),
        _get(Target(_TOGGLE, _MAX_CREDIT, 2), whole("max_credit_threshold")),
        _get(Target(_MONITOR, "0-0:16.0.1.255", 2), threshold("disablement_threshold")),
        _get(Target(_TOGGLE, _MAX_BALANCE, 2), whole("max_meter_balance")),
        _get(Target(_ACCOUNT, _NOW, 16), whole("low_credit_threshold")),
        _get(Target(_ACCOUNT, _NOW, 18), number("debt_recovery_rate_cap", Tag.UINT16, 0xFFFF)),
        _get(Target(_ACCOUNT, _NOW, 19), whole("debt_recovery_cap_period_s")),
        _get(Target(_CREDIT, _EMERGENCY, 9), whole("emergency_credit_limit")),
        _get(Target(_CREDIT, _EMERGENCY, 10), whole("emergency_credit_threshold")),
        _get(Target(_SCHEDULE, "0-0:12.0.1.255", 2), switching_times("non_disablement_times", _CALENDAR_SCRIPTS)),
        _get(Target(_ACCOUNT, _NOW, 11), collections()),
    ),
)
"""ECS08a differs from ECS08 by its code only."""

_MONEY = (Tag.INT32,) * len(REGISTERS)

_READS = (
    _esme(
        0x002D,
        "ECS19",
        "4.3",
        protected_item(
            "registers",
            "0-0:43.2.1.255",
            (ProtectedAttribute(Target(_DATA, "0-0:94.44.34.30", 2)),),
            together(together(*(whole(name) for name in REGISTERS))),
        ),
        protected=True,
        response_dated=True,
    ),
    _esme(
        0x002E,
        "ECS20a",
        "4.4.4",
        Item(
            Verb.GET_SELECTED,
            Target(_PROFILE, "0-0:98.1.4.255", 2),
            selection=log_range(),
            returned=log("debt_payments", Tag.UINT32),
        ),
    ),
    _esme(
        0x0034,
        "ECS21b",
        "4.14",
        protected_item(
            "read_log",
            "0-0:43.2.6.255",
            (ProtectedAttribute(Target(_PROFILE, "0-0:98.1.8.255", 2), _BETWEEN),),
            together(log("prepayment_daily_log", *_MONEY)),
        ),
        protected=True,
    ),
)

_EVENTS = (
    _esme(
        0x0007, "CS01a", "2.2", _act(Target(_TOKEN, "0-0:19.40.0.255", 1), digits("utrn", DIGITS)), response_dated=True
    ),
    _esme(
        0x0020,
        "ECS09",
        "2.5",
        _act(Target(_CREDIT, _EMERGENCY, 3), _ZERO, "activate_emergency_credit"),
        critical=True,
    ),
)

USE_CASES: tuple[UseCase, ...] = (
    *_MODE,
    *_BALANCES,
    _DEBT,
    *_CONFIGURATION,
    *_READS,
    *_EVENTS,
    *payment_gas.USE_CASES,
    *payment_gas_configuration.USE_CASES,
    *payment_gas_reads.USE_CASES,
    *payment_gas_logs.USE_CASES,
)
"""In no order."""
