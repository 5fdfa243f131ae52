"""The ESME and CHF use cases that the bench needs, item by item (GBCS section 18, mapping table)."""

from __future__ import annotations

from typing import Any

from bench.gbcs import dlms, times, use_case
from bench.gbcs.dlms import Data, Tag, Target, Verb
from bench.gbcs.dlms_use_case import (
    DlmsUseCase,
    Field,
    Item,
    constant,
    date_time,
    device,
    digits,
    enumeration,
    number,
    read_eui,
)
from bench.gbcs.errors import GbcsError
from bench.gbcs.use_case import Sender, Values

SUPPLY_STATES = {0: "disabled", 1: "enabled", 2: "armed"}
"""Control state of the ESME's load switch (disconnect control, attribute 3)."""

JOINING_DEVICE_TYPES = {0: "ESME", 1: "GSME", 13: "HCALCS", 128: "IHD", 130: "CAD", 132: "PPMID", 254: "GPF"}
"""Device types as the CHF's device log numbers them (CCS01)."""

_PROFILE, _LIMITER, _DATA, _REGISTER = 7, 71, 1, 3
_CLOCK_CLASS, _CLOCK = 8, "0-0:1.0.0.255"
_SCRIPT_CLASS, _SWITCH_SCRIPTS = 9, "0-0:10.0.106.255"
_ZIGBEE_CLASS, _ZIGBEE = 104, "0-0:30.3.0.255"
_PHASES = {1: 32, 2: 52, 3: 72}  # OBIS C value of the voltage of each phase
_NEVER = bytes.fromhex("ffffffffffffffffff8000ff")


def _phase_name(name: str, phase: int, *, polyphase: bool) -> str:
    return f"phase_{phase}_{name}" if polyphase else name


def _limits() -> list[tuple[Target, str]]:
    """Return thresholds and periods of the extreme, sag and swell detectors: one set for all phases."""
    rows = []
    kinds = ("rms_extreme_over_voltage", "rms_extreme_under_voltage", "rms_voltage_sag", "rms_voltage_swell")
    for index, kind in enumerate(kinds, start=1):
        obis = f"0-0:17.0.{index}.255"
        rows.append((Target(_LIMITER, obis, 4), f"{kind}_threshold_v"))
        rows.append((Target(_LIMITER, obis, 6), f"{kind}_measurement_period_s"))
    return rows


def _over(phase: int, *, polyphase: bool = False) -> tuple[Target, str]:
    name = _phase_name("average_rms_over_voltage_threshold_v", phase, polyphase=polyphase)
    return Target(_DATA, f"1-0:{_PHASES[phase]}.35.0.4", 2), name


def _under(phase: int, *, polyphase: bool = False) -> tuple[Target, str]:
    name = _phase_name("average_rms_under_voltage_threshold_v", phase, polyphase=polyphase)
    return Target(_DATA, f"1-0:{_PHASES[phase]}.31.0.4", 2), name


def _period(phase: int, *, polyphase: bool = False) -> tuple[Target, str]:
    name = _phase_name("average_rms_voltage_measurement_period_s", phase, polyphase=polyphase)
    return Target(_PROFILE, f"1-0:{_PHASES[phase]}.24.0.255", 4), name


def _counter_resets(phases: tuple[int, ...]) -> list[Item]:
    """Return the resets of the under- and over-voltage counters of each phase."""
    zero = constant(Data(Tag.INT8, 0))
    return [
        Item(Verb.ACTION, Target(_REGISTER, f"1-0:{_PHASES[phase]}.{d}.0.4", 1), zero, label=f"reset_{kind}_{phase}")
        for phase in phases
        for d, kind in ((32, "under_voltage_counter"), (36, "over_voltage_counter"))
    ]


def _set(rows: list[tuple[Target, str]]) -> list[Item]:
    return [Item(Verb.SET, target, sent=number(name)) for target, name in rows]


def _get(rows: list[tuple[Target, str]]) -> list[Item]:
    return [Item(Verb.GET, target, returned=number(name)) for target, name in rows]


def _voltage(message_code: int, name: str, items: list[Item], reference: str) -> DlmsUseCase:
    return DlmsUseCase(
        message_code=message_code,
        name=name,
        service_references=(reference,),
        device_type="ESME",
        critical=False,
        response_signed=False,
        items=tuple(items),
    )


def _all_phases(*kinds: Any) -> list[tuple[Target, str]]:
    return [kind(phase, polyphase=True) for phase in _PHASES for kind in kinds]


_AVERAGES_ALL_PHASES = [
    _over(1, polyphase=True),
    _under(1, polyphase=True),
    *(kind(phase, polyphase=True) for phase in (2, 3) for kind in (_under, _over)),
]

VOLTAGE = (
    _voltage(
        0x0045,
        "ECS29a",
        [*_set([_period(1), *_limits(), _over(1), _under(1)]), *_counter_resets((1,))],
        "6.5",
    ),
    _voltage(
        0x00AE,
        "ECS29b",
        [*_set([*_all_phases(_period), *_limits(), *_AVERAGES_ALL_PHASES]), *_counter_resets((1, 2, 3))],
        "6.5",
    ),
    _voltage(0x00D1, "ECS29c", _set([_under(1), _over(1), _period(1), *_limits()]), "6.5"),
    _voltage(0x00D2, "ECS29d", _set([*_all_phases(_under, _over), *_all_phases(_period), *_limits()]), "6.5"),
    _voltage(0x003C, "ECS26b", _get([*_limits(), _over(1), _under(1)]), "6.2.1"),
    _voltage(0x00C6, "ECS26k", _get([*_limits(), *_AVERAGES_ALL_PHASES]), "6.2.1"),
)
"""Voltage settings. ECS29a and ECS29b reset the counters too, ECS29c and ECS29d do not; b, d and k are polyphase.

ECS26b and ECS26k do not return the averaging period: that is read by Service Request 4.10.
"""


def _switch(message_code: int, name: str, references: tuple[str, ...], script: int, label: str) -> DlmsUseCase:
    return DlmsUseCase(
        message_code=message_code,
        name=name,
        service_references=references,
        device_type="ESME",
        critical=True,
        response_signed=True,
        items=(
            Item(
                Verb.ACTION,
                Target(_SCRIPT_CLASS, _SWITCH_SCRIPTS, 1),
                constant(Data(Tag.UINT16, script)),
                label=label,
            ),
        ),
    )


SUPPLY = (
    _switch(0x004F, "ECS42", ("7.1",), 0x33, "enable_supply"),
    _switch(0x0050, "ECS43", ("7.2",), 0x34, "disable_supply"),
    _switch(0x0051, "ECS44", ("7.3",), 0x36, "arm_supply"),
    DlmsUseCase(
        message_code=0x0052,
        name="ECS45",
        service_references=("7.4",),
        device_type="ESME",
        critical=False,
        response_signed=False,
        items=(
            Item(
                Verb.GET,
                Target(70, "0-0:96.3.10.255", 3),
                returned=enumeration("supply_state", SUPPLY_STATES),
            ),
        ),
    ),
)
"""Load switch. ECS44 is published as a refusal only; its success is laid out as that of ECS42 and ECS43."""


def _validity_interval() -> Field:
    """Return the parameter of preset_adjusting_time: no preset time, and the interval in which to adjust."""

    def write(values: Values) -> Data:
        start, end = (use_case.moment(values, f"validity_interval_{edge}") for edge in ("start", "end"))
        parts = (_NEVER, times.encode_dlms(start), times.encode_dlms(end))
        return Data(Tag.STRUCTURE, tuple(dlms.octet_string(part) for part in parts))

    def read(data: Data) -> dict[str, Any]:
        if not isinstance(data.value, tuple) or len(data.value) != 3:
            raise GbcsError("the validity interval is no structure of three")
        _, start, end = (part.octets for part in data.value)
        return {
            "validity_interval_start": times.decode_dlms(start),
            "validity_interval_end": times.decode_dlms(end),
        }

    return Field(("validity_interval_start", "validity_interval_end"), write, read)


CLOCK = DlmsUseCase(
    message_code=0x0062,
    name="ECS70",
    service_references=("8.1.1", "6.11"),
    device_type="ESME",
    critical=True,
    response_signed=True,
    items=(
        Item(Verb.SET, Target(_CLOCK_CLASS, _CLOCK, 9), constant(Data(Tag.ENUM, 5)), label="clock_base"),
        Item(Verb.ACTION, Target(_CLOCK_CLASS, _CLOCK, 5), _validity_interval()),
        Item(Verb.ACTION, Target(_CLOCK_CLASS, _CLOCK, 4), constant(Data(Tag.INT8, 0)), label="adjust_clock"),
        Item(Verb.GET, Target(_CLOCK_CLASS, _CLOCK, 2), returned=date_time("device_time")),
        Item(Verb.GET, Target(_CLOCK_CLASS, _CLOCK, 4), returned=number("clock_status", Tag.UINT8, 0xFF)),
    ),
)
"""Set the ESME's clock, on its own (6.11) and when commissioning (8.1.1).

`device_time` and `clock_status` (0 reliable, 1 invalid, 2 unreliable) tell whether the clock was really set.
"""

MPAN = DlmsUseCase(
    message_code=0x004C,
    name="ECS39a",
    service_references=("6.20.1",),
    device_type="ESME",
    critical=False,
    response_signed=False,
    items=(Item(Verb.SET, Target(_DATA, "0-0:94.44.34.11", 2), digits("import_mpan", 13)),),
)
"""Set the import MPAN of a single-element ESME. Published as a refusal only; success follows the other sets."""


def _joining_device() -> Field:
    names = ("device", "install_code", "device_type")

    def write(values: Values) -> Data:
        return Data(
            Tag.STRUCTURE,
            (
                dlms.octet_string(use_case.device(values, "device").raw),
                Data(Tag.ENUM, 1),  # key type: install code
                dlms.octet_string(use_case.octets(values, "install_code", 16)),
                Data(Tag.ENUM, use_case.choice(values, "device_type", JOINING_DEVICE_TYPES)),
            ),
        )

    def read(data: Data) -> dict[str, Any]:
        if not isinstance(data.value, tuple) or len(data.value) != 4 or data.value[1] != Data(Tag.ENUM, 1):
            raise GbcsError("the device to be added is not given as EUI-64, install code and type")
        eui, _, install_code, kind = data.value
        return {
            "device": read_eui(eui),
            "install_code": install_code.octets,
            "device_type": use_case.word(kind.integer, JOINING_DEVICE_TYPES, "device_type"),
        }

    return Field(names, write, read)


DEVICE_LOG = (
    DlmsUseCase(
        message_code=0x0001,
        name="CCS01",
        service_references=("8.11",),
        device_type="CHF",
        critical=False,
        response_signed=False,
        sender=Sender.BROKER_FOR_USER,
        items=(
            Item(Verb.ACTION, Target(_ZIGBEE_CLASS, _ZIGBEE, 1), _joining_device()),
            Item(Verb.SET, Target(_ZIGBEE_CLASS, _ZIGBEE, 3), number("join_time_period_s", Tag.UINT16, 0xFFFF)),
            Item(
                Verb.SET,
                Target(_ZIGBEE_CLASS, _ZIGBEE, 2),
                constant(Data(Tag.BOOLEAN, 0xFF)),
                label="enable_joining",
            ),
        ),
    ),
    DlmsUseCase(
        message_code=0x0002,
        name="CCS02",
        service_references=("8.11",),
        device_type="CHF",
        critical=False,
        response_signed=False,
        sender=Sender.BROKER_FOR_USER,
        items=(Item(Verb.ACTION, Target(_ZIGBEE_CLASS, _ZIGBEE, 2), device("device")),),
    ),
)
"""Add a device to, and remove it from, the CHF device log.

The install code (16 bytes, without its CRC) is a secret. CCS01 is published as a refusal only; its success is laid
out as that of CCS02 and of the other sets.
"""

USE_CASES: tuple[DlmsUseCase, ...] = (*VOLTAGE, *SUPPLY, CLOCK, MPAN, *DEVICE_LOG)
