"""Load switch, clock and MPAN of the ESME, device log of the CHF, item by item (GBCS section 18)."""

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

_DATA_CLASS = 1
_CLOCK_CLASS, _CLOCK = 8, "0-0:1.0.0.255"
_SCRIPT_CLASS, _SWITCH_SCRIPTS = 9, "0-0:10.0.106.255"
_ZIGBEE_CLASS, _ZIGBEE = 104, "0-0:30.3.0.255"
_NEVER = bytes.fromhex("ffffffffffffffffff8000ff")


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
    items=(Item(Verb.SET, Target(_DATA_CLASS, "0-0:94.44.34.11", 2), digits("import_mpan", 13)),),
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

USE_CASES: tuple[DlmsUseCase, ...] = (*SUPPLY, CLOCK, MPAN, *DEVICE_LOG)
