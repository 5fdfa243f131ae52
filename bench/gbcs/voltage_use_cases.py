"""Voltage settings of the ESME and what it has recorded, item by item (GBCS section 18, SMETS 5.7.4 and 5.19).

Volts and seconds stand unscaled. The average RMS thresholds are compared at the end of each measurement period.
"""

from __future__ import annotations

from typing import Any

from bench.gbcs.dlms import Data, Tag, Target, Verb
from bench.gbcs.dlms_logs import log, log_range
from bench.gbcs.dlms_use_case import DlmsUseCase, Item, constant, number

_DATA, _REGISTER, _PROFILE, _LIMITER = 1, 3, 7, 71
_PHASES = {1: 32, 2: 52, 3: 72}  # value group C of the voltage of each phase
_UNDER_COUNTER, _OVER_COUNTER = 32, 36  # value group D of the counters of excursions

Row = tuple[Target, str]


def _named(name: str, phase: int, *, polyphase: bool) -> str:
    return f"phase_{phase}_{name}" if polyphase else name


def _over(phase: int, *, polyphase: bool = False) -> Row:
    name = _named("average_rms_over_voltage_threshold_v", phase, polyphase=polyphase)
    return Target(_DATA, f"1-0:{_PHASES[phase]}.35.0.4", 2), name


def _under(phase: int, *, polyphase: bool = False) -> Row:
    name = _named("average_rms_under_voltage_threshold_v", phase, polyphase=polyphase)
    return Target(_DATA, f"1-0:{_PHASES[phase]}.31.0.4", 2), name


def _period(phase: int, *, polyphase: bool = False) -> Row:
    name = _named("average_rms_voltage_measurement_period_s", phase, polyphase=polyphase)
    return Target(_PROFILE, f"1-0:{_PHASES[phase]}.24.0.255", 4), name


def _detectors() -> list[Row]:
    """Return thresholds and periods of the extreme, sag and swell detectors: one set for all phases."""
    rows = []
    kinds = ("rms_extreme_over_voltage", "rms_extreme_under_voltage", "rms_voltage_sag", "rms_voltage_swell")
    for index, kind in enumerate(kinds, start=1):
        obis = f"0-0:17.0.{index}.255"
        rows.append((Target(_LIMITER, obis, 4), f"{kind}_threshold_v"))
        rows.append((Target(_LIMITER, obis, 6), f"{kind}_measurement_period_s"))
    return rows


def _counter(phase: int, d: int, index: int) -> Target:
    return Target(_REGISTER, f"1-0:{_PHASES[phase]}.{d}.0.4", index)


def _resets(*phases: int) -> list[Item]:
    """Return the resets of the under- and over-voltage counters of each phase."""
    zero = constant(Data(Tag.INT8, 0))
    return [
        Item(Verb.ACTION, _counter(phase, d, 1), zero, label=f"reset_phase_{phase}_{kind}_voltage_counter")
        for phase in phases
        for d, kind in ((_UNDER_COUNTER, "under"), (_OVER_COUNTER, "over"))
    ]


def _set(rows: list[Row]) -> list[Item]:
    return [Item(Verb.SET, target, sent=number(name)) for target, name in rows]


def _get(rows: list[Row]) -> list[Item]:
    return [Item(Verb.GET, target, returned=number(name)) for target, name in rows]


def _count(name: str, d: int, phase: int) -> list[Item]:
    """Return the reads of a counter and of its scaler and unit, which are always one and "count"."""
    count = constant(Data(Tag.STRUCTURE, (Data(Tag.INT8, 0), Data(Tag.ENUM, 255))))
    return [
        Item(Verb.GET, _counter(phase, d, 2), returned=number(name)),
        Item(Verb.GET, _counter(phase, d, 3), returned=count, label=f"{name}_unit"),
    ]


def _recorded(phase: int, *, polyphase: bool = False) -> list[Item]:
    """Return the reads of what was recorded of a phase: both counters, the log of averages and its period."""
    under, over, averages = (
        _named(f"average_rms_{what}", phase, polyphase=polyphase)
        for what in ("under_voltage_counter", "over_voltage_counter", "voltage_log")
    )
    return [
        *_count(under, _UNDER_COUNTER, phase),
        *_count(over, _OVER_COUNTER, phase),
        Item(
            Verb.GET_SELECTED,
            Target(_PROFILE, f"1-0:{_PHASES[phase]}.24.0.255", 2),
            selection=log_range(),
            returned=log(averages, Tag.UINT32),
        ),
        *_get([_period(phase, polyphase=polyphase)]),
    ]


def _use_case(message_code: int, name: str, reference: str, items: list[Item], *, dated: bool = False) -> DlmsUseCase:
    return DlmsUseCase(
        message_code=message_code,
        name=name,
        service_references=(reference,),
        device_type="ESME",
        critical=False,
        response_signed=False,
        response_dated=dated,
        items=tuple(items),
    )


def _polyphase(*kinds: Any) -> list[Row]:
    return [kind(phase, polyphase=True) for phase in _PHASES for kind in kinds]


_AVERAGES = [
    _over(1, polyphase=True),
    _under(1, polyphase=True),
    *(kind(phase, polyphase=True) for phase in (2, 3) for kind in (_under, _over)),
]

USE_CASES = (
    _use_case(0x0045, "ECS29a", "6.5", _set([_period(1), *_detectors(), _over(1), _under(1)]) + _resets(1)),
    _use_case(0x00AE, "ECS29b", "6.5", _set([*_polyphase(_period), *_detectors(), *_AVERAGES]) + _resets(1, 2, 3)),
    _use_case(0x00D1, "ECS29c", "6.5", _set([_under(1), _over(1), _period(1), *_detectors()])),
    _use_case(0x00D2, "ECS29d", "6.5", _set([*_polyphase(_under, _over), *_polyphase(_period), *_detectors()])),
    _use_case(0x003C, "ECS26b", "6.2.1", _get([*_detectors(), _over(1), _under(1)])),
    _use_case(0x00C6, "ECS26k", "6.2.1", _get([*_detectors(), *_AVERAGES])),
    _use_case(0x0039, "ECS23", "4.10", _recorded(1), dated=True),
    _use_case(
        0x00BC, "ECS23b", "4.10", [item for phase in _PHASES for item in _recorded(phase, polyphase=True)], dated=True
    ),
)
"""Set (6.5), read back (6.2.1) and read what was recorded (4.10).

ECS29a and ECS29b reset the counters too, ECS29c and ECS29d do not; ECS23b, ECS29b, ECS29d and ECS26k are for polyphase
meters, whose names begin with `phase_1_` to `phase_3_`. 6.2.1 does not return the averaging period: 4.10 does.
`average_rms_voltage_log` is a tuple of time and volts.
"""
