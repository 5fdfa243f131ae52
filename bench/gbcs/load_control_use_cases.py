"""Auxiliary load control, boost buttons and controllers: use cases.

The sources are the GBCS use cases named. Those of auxiliary controllers (ECS46d, ECS47a, ECS47e) are as published
messages have them; of ECS47e only a response is published, and its command is taken to be like that of ECS47a.
"""

from __future__ import annotations

from bench.gbcs.dlms import Tag, Target, Verb
from bench.gbcs.dlms_forms import OptionalItems, ScriptItems
from bench.gbcs.dlms_logs import activation_time, log, log_range
from bench.gbcs.dlms_use_case import DlmsUseCase, Field, Item, date_time, device, number
from bench.gbcs.load_control_fields import (
    ACTIONS,
    CONTROLLER,
    LEVEL_FLAG,
    SWITCHES,
    action_of,
    label,
    level_of_controller,
    special_days,
    switching_times,
    truth,
)
from bench.gbcs.use_case import UseCase

_DATA, _PROFILE, _SCRIPT, _CALENDAR, _SPECIAL_DAYS, _SWITCH, _EXTENDED = 1, 7, 9, 10, 11, 70, 9000
_LONGEST_LABEL = 127
_RUN = Target(_SCRIPT, "0-0:10.0.103.255", 1)
_CLOSE, _, _REVERT = ACTIONS
_LEVELS = range(101)


def _set(obis: str, field: Field) -> Item:
    return Item(Verb.SET, Target(_DATA, obis, 2), field)


def _get(obis: str, field: Field, class_id: int = _DATA) -> Item:
    return Item(Verb.GET, Target(class_id, obis, 2), returned=field)


_CONFIGURATION = (
    Item(Verb.SET, Target(_SPECIAL_DAYS, "0-1:11.0.3.255", 2), special_days()),
    Item(Verb.SET, Target(_CALENDAR, "0-1:12.0.2.255", 2), switching_times()),
    Item(Verb.SET, Target(_EXTENDED, "0-0:94.44.128.26", 6), activation_time()),
    Item(Verb.SET, Target(_EXTENDED, "0-0:94.44.128.35", 6), activation_time()),
)

SETTINGS: tuple[UseCase, ...] = (
    DlmsUseCase(
        message_code=0x004B,
        name="ECS38",
        service_references=("7.12",),
        device_type="ESME",
        critical=True,
        response_signed=True,
        items=(_set("0-0:94.44.0.1", number("randomised_offset_limit_s", Tag.UINT16, 0xFFFF)),),
    ),
    OptionalItems(
        message_code=0x0053,
        name="ECS46a",
        service_references=("6.14.1",),
        device_type="ESME",
        critical=True,
        response_signed=True,
        optional=tuple(_set(f"0-0:94.44.0.1{n}", label(f"label_{n}", _LONGEST_LABEL)) for n in SWITCHES),
    ),
    OptionalItems(
        message_code=0x0054,
        name="ECS46c",
        service_references=("6.14.2",),
        device_type="ESME",
        critical=True,
        response_signed=True,
        response_dated=True,
        optional=tuple(_set(f"0-0:94.44.0.2{n}", device(f"device_{n}")) for n in SWITCHES),
        items=_CONFIGURATION,
    ),
    DlmsUseCase(
        message_code=0x011A,
        name="ECS46d",
        service_references=("6.14.3",),
        device_type="ESME",
        critical=True,
        response_signed=True,
        response_dated=True,
        items=_CONFIGURATION,
    ),
    DlmsUseCase(
        message_code=0x005F,
        name="ECS62",
        service_references=("7.9", "7.10"),
        device_type="ESME",
        critical=False,
        response_signed=False,
        items=tuple(_set(f"0-0:94.44.6.{n}", truth(f"boost_{n}")) for n in SWITCHES),
    ),
)
"""Labels, devices and calendars of switches, which of them the boost button controls, and the limit of the random
delay. A `device_N` of zeros is a switch of the ESME itself, any other is the HCALCS with that EUI-64. Special days and
calendar take effect at one time."""


def _minutes(switch: int, action: int) -> Item:
    return _set(f"0-0:94.44.{116 + switch}.{1 if action == _CLOSE else 2}", number("duration_min", Tag.UINT16, 0xFFFF))


def _period(controller: int) -> tuple[Item, ...]:
    obis = f"0-0:94.44.{116 + controller}"
    return _set(f"{obis}.1", date_time("period_start")), _set(f"{obis}.2", date_time("period_end"))


def _controller(message_code: int, name: str, reference: str) -> ScriptItems:
    return ScriptItems(
        message_code=message_code,
        name=name,
        service_references=(reference,),
        device_type="ESME",
        critical=True,
        response_signed=True,
        script=Item(Verb.ACTION, _RUN, level_of_controller()),
        settings={
            (CONTROLLER | n) << 8 | flag | level: _period(n)
            for n in SWITCHES
            for flag in (0, LEVEL_FLAG)
            for level in _LEVELS
        },
        examples=((CONTROLLER | 1) << 8,),
    )


STATES: tuple[UseCase, ...] = (
    ScriptItems(
        message_code=0x0055,
        name="ECS47",
        service_references=("7.5", "7.6", "7.8"),
        device_type="ESME",
        critical=True,
        response_signed=True,
        script=Item(Verb.ACTION, _RUN, action_of("switch", ACTIONS)),
        settings={
            n << 8 | action: () if action == _REVERT else (_minutes(n, action),) for n in SWITCHES for action in ACTIONS
        },
        examples=(1 << 8 | _CLOSE, 1 << 8 | _REVERT),
    ),
    _controller(0x011E, "ECS47a", "7.13"),
    _controller(0x011F, "ECS47e", "7.16"),
)
"""What a switch or controller is to do for some time; a `revert` has no duration."""


def _reads(message_code: int, name: str, reference: str, *items: Item) -> DlmsUseCase:
    return DlmsUseCase(
        message_code=message_code,
        name=name,
        service_references=(reference,),
        device_type="ESME",
        critical=False,
        response_signed=False,
        items=items,
    )


READS: tuple[UseCase, ...] = (
    _reads(
        0x00BB,
        "ECS61a",
        "7.7",
        *(_get(f"0-0:94.44.0.1{n}", label(f"label_{n}", _LONGEST_LABEL)) for n in SWITCHES),
        *(_get(f"0-0:94.44.0.2{n}", device(f"device_{n}")) for n in SWITCHES),
        _get("0-0:11.0.3.255", special_days(), _SPECIAL_DAYS),
        _get("0-0:12.0.2.255", switching_times(), _CALENDAR),
        *(_get(f"0-{n}:96.3.10.255", truth(f"closed_{n}"), _SWITCH) for n in SWITCHES),
    ),
    _reads(
        0x005E,
        "ECS61c",
        "7.11",
        _get("0-0:94.44.7.255", truth("boost_function_available")),
        Item(
            Verb.GET_SELECTED,
            Target(_PROFILE, "0-0:99.98.20.255", 2),
            returned=log("boost_log", Tag.UINT32),
            selection=log_range(),
        ),
        *(_get(f"0-0:94.44.6.{n}", truth(f"boost_{n}")) for n in SWITCHES),
    ),
)
"""Switches, and the boost button: a row of its log is the start of a boost and its end, in seconds since 2000."""

USE_CASES: tuple[UseCase, ...] = (*SETTINGS, *STATES, *READS)
"""In no order."""
