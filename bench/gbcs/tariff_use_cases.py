"""Tariffs: ECS01, ECS05, ECS24, ECS48 (GBCS section 18); those of gas are collected here.

What ECS48 sets is not published: its OBIS code here is inferred, and so is that of the secondary active price.
"""

from __future__ import annotations

from typing import Any

from bench.gbcs.dlms import Data, Tag, Target, Verb
from bench.gbcs.dlms_logs import activation_time
from bench.gbcs.dlms_use_case import DlmsUseCase, Field, Item, constant, number
from bench.gbcs.load_control_fields import truth
from bench.gbcs.tariff_fields import PRICE_NAMES, charges, days, seasons, special_days, thresholds, weeks
from bench.gbcs.tariff_gas import USE_CASES as GAS
from bench.gbcs.tariff_gas_reads import USE_CASES as GAS_READS
from bench.gbcs.use_case import UseCase

TIMES_OF_USE = 8
"""So many times of use have thresholds of their own."""

_SPECIAL_DAYS, _REGISTER, _ACTIVITY, _MONITOR, _CHARGE, _SCRIPTS, _TOGGLE = 11, 3, 20, 21, 113, 9, 9000
_ELEMENTS = {"": (0, 0), "secondary_": (1, 5)}
_SECONDARY_PRICES = {f"tou_{tou}": bytes([tou]) for tou in range(1, 5)}
_RESET = constant(Data(Tag.UINT16, 99))
_PRICE_UNIT = constant(Data(Tag.STRUCTURE, (Data(Tag.INT8, -5), Data(Tag.ENUM, 254))))

STANDING_CHARGE = charges("standing_charge", (0, 0, "0-0:0.0.0.0", 0), {"": b""})
PRICES = charges("prices", (3, 3, "1-0:1.8.0.255", 2), PRICE_NAMES)
SECONDARY_PRICES = charges("secondary_prices", (3, 3, "1-20:1.8.0.255", 2), _SECONDARY_PRICES)


def _set(target: Target, field: Field) -> Item:
    return Item(Verb.SET, target, field)


def _get(target: Target, field: Field, label: str = "") -> Item:
    return Item(Verb.GET, target, returned=field, label=label)


def _switching(verb: Verb, element: str) -> list[Item]:
    """Return the accesses to seasons, weeks and days: those in force, or those to come."""
    obis, first = f"0-0:13.0.{_ELEMENTS[element][0]}.255", 3 if verb is Verb.GET else 7
    make = _get if verb is Verb.GET else _set
    fields = (seasons(f"{element}seasons"), weeks(f"{element}weeks"), days(f"{element}days"))
    return [make(Target(_ACTIVITY, obis, index), field) for index, field in enumerate(fields, start=first)]


def _special_days(verb: Verb, element: str) -> Item:
    when, last = (0, _ELEMENTS[element][0]) if verb is Verb.GET else (1, _ELEMENTS[element][0])
    target = Target(_SPECIAL_DAYS, f"0-{when}:11.0.{last}.255", 2)
    return (_get if verb is Verb.GET else _set)(target, special_days(f"{element}special_days"))


def _thresholds(verb: Verb) -> list[Item]:
    make, d = (_get, 0) if verb is Verb.GET else (_set, 1)
    return [
        make(Target(_MONITOR, f"0-0:16.{d}.{10 + tou}.255", 2), thresholds(f"thresholds_{tou}"))
        for tou in range(1, TIMES_OF_USE + 1)
    ]


def _from(*targets: Target) -> list[Item]:
    return [_set(target, activation_time()) for target in targets]


PRICE_PARTS = (Target(_CHARGE, "0-0:19.20.4.255", 7), Target(_CHARGE, "0-0:19.20.0.255", 7))
SWITCHING_PARTS = (
    Target(_ACTIVITY, "0-0:13.0.0.255", 10),
    Target(_TOGGLE, "0-0:94.44.128.29", 6),
    Target(_TOGGLE, "0-0:94.44.2.0", 6),
    Target(_TOGGLE, "0-0:63.1.1.255", 6),
)
SECONDARY_PRICE_PARTS = (Target(_CHARGE, "0-0:19.20.5.255", 7),)
SECONDARY_SWITCHING_PARTS = (Target(_ACTIVITY, "0-0:13.0.1.255", 10), Target(_TOGGLE, "0-0:94.44.128.30", 6))
"""What is acted on when the time of a tariff or price has come: one alert is sent for each."""

_PRICES_TO_COME = (
    _set(Target(_CHARGE, "0-0:19.20.4.255", 6), STANDING_CHARGE),
    _set(Target(_CHARGE, "0-0:19.20.0.255", 6), PRICES),
)
_SECONDARY_TO_COME = _set(Target(_CHARGE, "0-0:19.20.5.255", 6), SECONDARY_PRICES)


def _esme(message_code: int, name: str, reference: str, *items: Item, critical: bool = True, **options: Any) -> UseCase:
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


USE_CASES: tuple[UseCase, ...] = (
    _esme(
        0x0019,
        "ECS01a",
        "1.1.1",
        *_switching(Verb.SET, ""),
        _special_days(Verb.SET, ""),
        *_thresholds(Verb.SET),
        _set(Target(_TOGGLE, "0-0:94.44.2.0", 4), truth("currency_gbp")),
        *_PRICES_TO_COME,
        *_from(*SWITCHING_PARTS[:3], *PRICE_PARTS, *SWITCHING_PARTS[3:]),
        response_dated=True,
    ),
    _esme(0x001D, "ECS05", "1.7", Item(Verb.ACTION, Target(_SCRIPTS, "0-0:10.0.100.255", 1), _RESET, label="reset")),
    _esme(
        0x003A,
        "ECS24",
        "4.11.1",
        _get(Target(_REGISTER, "0-0:94.44.1.7", 2), number("active_price")),
        _get(Target(_REGISTER, "0-0:94.44.1.7", 3), _PRICE_UNIT, "active_price_unit"),
        *_switching(Verb.GET, ""),
        _special_days(Verb.GET, ""),
        *_thresholds(Verb.GET),
        _get(Target(_TOGGLE, "0-0:94.44.2.0", 2), truth("currency_gbp")),
        _get(Target(_CHARGE, "0-0:19.20.4.255", 5), STANDING_CHARGE),
        _get(Target(_CHARGE, "0-0:19.20.0.255", 5), PRICES),
        critical=False,
    ),
    _esme(0x00A2, "ECS01b", "1.2.1", *_PRICES_TO_COME, *_from(*PRICE_PARTS), response_dated=True),
    _esme(
        0x00B7,
        "ECS01c",
        "1.1.2",
        _SECONDARY_TO_COME,
        *_switching(Verb.SET, "secondary_"),
        _special_days(Verb.SET, "secondary_"),
        *_from(SECONDARY_SWITCHING_PARTS[0], *SECONDARY_PRICE_PARTS, SECONDARY_SWITCHING_PARTS[1]),
        response_dated=True,
    ),
    _esme(
        0x00BD,
        "ECS24b",
        "4.11.2",
        _get(Target(_CHARGE, "0-0:19.20.5.255", 5), SECONDARY_PRICES),
        _get(Target(_REGISTER, "0-0:94.44.1.8", 2), number("secondary_active_price")),
        _get(Target(_REGISTER, "0-0:94.44.1.8", 3), _PRICE_UNIT, "secondary_active_price_unit"),
        _special_days(Verb.GET, "secondary_"),
        *_switching(Verb.GET, "secondary_"),
        critical=False,
    ),
    _esme(0x00C7, "ECS01d", "1.2.2", _SECONDARY_TO_COME, *_from(*SECONDARY_PRICE_PARTS), response_dated=True),
    _esme(0x00DB, "ECS48", "6.26", _set(Target(_TOGGLE, "0-0:94.44.2.2", 2), truth("daily_block_reset"))),
    *GAS,
    *GAS_READS,
)
"""Of the ESME, then of the GSME."""
