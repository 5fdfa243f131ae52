"""Logs of an ESME that hold what its registers said: billing data, daily readings, daily consumption (4.4, 4.6, 4.17).

The rows follow the order of the fields in the use cases. One reference response, of ECS20b, is published encrypted: its
length is that of three rows as they are written here, in a structure of one.
"""

from __future__ import annotations

from bench.gbcs.dlms import Tag, Target, Verb
from bench.gbcs.dlms_logs import Column, log, log_range, together
from bench.gbcs.dlms_use_case import DlmsUseCase, Item
from bench.gbcs.protected_items import ProtectedAttribute, protected_item

TOU_REGISTERS, BLOCKS, BLOCK_TOU_REGISTERS = 48, 4, 8
"""How many registers of a single-element meter count energy by time of use, and by block and time of use."""

_PROFILE = 7
_BETWEEN = ("log_from", "log_to")
_REGISTERS: tuple[Column, ...] = (
    Tag.UINT32,
    (Tag.UINT32, TOU_REGISTERS),
    *((Tag.UINT32, BLOCK_TOU_REGISTERS) for _ in range(BLOCKS)),
)
_MONEY: tuple[Column, ...] = (Tag.INT32,) * 6


def _protected(
    message_code: int, name: str, reference: str, through: int, *logs: tuple[str, str, tuple[Column, ...]]
) -> DlmsUseCase:
    attributes = tuple(ProtectedAttribute(Target(_PROFILE, obis, 2), _BETWEEN) for obis, _, _ in logs)
    returned = together(*(log(field, *columns) for _, field, columns in logs))
    return DlmsUseCase(
        message_code=message_code,
        name=name,
        service_references=(reference,),
        device_type="ESME",
        critical=False,
        response_signed=False,
        protected=True,
        items=(protected_item("read_log", f"0-0:43.2.{through}.255", attributes, returned),),
    )


USE_CASES: tuple[DlmsUseCase, ...] = (
    _protected(0x002F, "ECS20b", "4.4.2", 3, ("0-0:98.1.2.255", "billing_log", (*_REGISTERS, *_MONEY))),
    _protected(
        0x0030,
        "ECS20c",
        "4.4.3",
        2,
        ("0-0:98.1.0.255", "billing_log", _REGISTERS),
        ("0-0:98.1.1.255", "billing_prepayment_log", _MONEY),
    ),
    _protected(0x0033, "ECS21a", "4.6.1", 5, ("0-0:98.1.9.255", "daily_read_log", _REGISTERS)),
    _protected(0x0060, "ECS66", "4.17", 4, ("0-0:99.1.3.255", "daily_consumption_log", (Tag.UINT32,))),
    DlmsUseCase(
        message_code=0x0035,
        name="ECS21c",
        service_references=("4.6.2",),
        device_type="ESME",
        critical=False,
        response_signed=False,
        items=(
            Item(
                Verb.GET_SELECTED,
                Target(_PROFILE, "0-0:98.1.10.255", 2),
                selection=log_range(),
                returned=log("daily_export_log", Tag.UINT32),
            ),
        ),
    ),
)
"""A row of registers is a time, the import register in Wh, 48 registers by time of use, and for each of four blocks
eight by time of use. Of a prepayment: emergency credit balance, meter balance, payment debt, time debts 1 and 2 and
accumulated debt, in thousandths of pence (ECS20b has both in one row). Of an export or a consumption: Wh."""
