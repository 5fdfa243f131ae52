"""Logs: billing data, daily readings, events (4.4.2, 4.4.3, 4.6.1, 6.13)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bench.duis.smets1_write import Content
from bench.gbcs.catalogue import alert_meaning
from bench.gbcs.log_register_use_cases import BLOCKS
from drivers.emulated.commands import Values
from drivers.emulated.mmc.base import (
    CHF,
    METERS_AND_PROXY,
    Answers,
    cubic_metres,
    indexed,
    is_gas,
    moment,
)
from drivers.emulated.smets1 import Smets1Device

_REGISTERS = 2 + 1 + BLOCKS
"""Of a row of an ESME: time, import, registers by time of use, and those of each block."""
_MONEY = ("EmergencyCreditBalance", "MeterBalance", "PaymentDebtRegister", "TimeDebtRegisters1", "TimeDebtRegisters2",
          "AccumulatedDebtRegister")  # fmt: skip
_GAS_MONEY = ("AccumulatedDebtRegister", "TimeDebtRegisters1", "TimeDebtRegisters2", "PaymentDebtRegister",
              "EmergencyCreditBalance", "MeterBalance")  # fmt: skip
_MONEY_ORDER = ("AccumulatedDebtRegister", "EmergencyCreditBalance", "MeterBalance", "PaymentDebtRegister",
                "TimeDebtRegisters1", "TimeDebtRegisters2")  # fmt: skip
_MOST_LETTERS = 200

_Row = Sequence[Any]


def _money(at: datetime, names: Sequence[str], amounts: _Row) -> Content:
    named = dict(zip(names, amounts, strict=True))
    return {**{name: str(named[name]) for name in _MONEY_ORDER}, "Timestamp": moment(at)}


def _electricity(row: _Row) -> dict[str, Any]:
    """Registers by time of use, without blocks and with them."""
    blocks = {f"TariffTOUBlock{at}RegisterMatrixValue": indexed(block) for at, block in enumerate(row[3:_REGISTERS], 1)}
    return {"TariffTOURegisterMatrixValue": indexed(row[2]), **blocks}


def _changes(values: Values, device: Smets1Device) -> Content:
    rows = values["billing_log"]
    if is_gas(device):
        log = [
            {
                "ConsumptionRegister": cubic_metres(row[2]),
                "Timestamp": moment(row[0]),
                "TariffTOURegisterMatrixValue": indexed(map(cubic_metres, row[3])),
                "BlockRegisterMatrixValue": indexed(map(cubic_metres, row[4])),
            }
            for row in rows
        ]
        money = [_money(row[0], _GAS_MONEY, row[2:]) for row in values["billing_prepayment_log"]]
        return {"Gas": {"LogEntryConsumptionRegister": log, "LogEntryPrepaymentData": money}}
    log = [
        {"ActiveImportRegisterConsumption": str(row[1]), **_electricity(row), "Timestamp": moment(row[0])}
        for row in rows
    ]
    money = [_money(row[0], _MONEY, row[_REGISTERS:]) for row in rows]
    return {"Electricity": {"LogEntryConsumptionAndTariffRegistersData": log, "LogEntryPrepaymentData": money}}


def _bills(values: Values, device: Smets1Device) -> Content:
    rows, prepaid = values["billing_log"], values["billing_prepayment_log"]
    if is_gas(device):
        log = [
            {
                "Timestamp": moment(row[0]),
                "ActiveImportRegisterValueConsumption": cubic_metres(row[2]),
                "BlockRegisterMatrixValue": indexed(map(cubic_metres, row[4])),
                "TariffTOURegisterMatrixValue": indexed(map(cubic_metres, row[3])),
            }
            for row in rows
        ]
        money = [_money(row[0], _GAS_MONEY, row[2:]) for row in prepaid]
        return {"Gas": {"GSMEBillingDataLogEntry": log, "GSMEBillingPrepaymentDataLogEntry": money}}
    log = [
        {"Timestamp": moment(row[0]), "ActiveImportRegisterValueConsumption": str(row[1]), **_electricity(row)}
        for row in rows
    ]
    money = [_money(row[0], _MONEY, row[1:]) for row in prepaid]
    return {"Electricity": {"ESMEBillingDataLogEntry": log, "ESMEBillingPrepaymentDataLogEntry": money}}


def _days(values: Values, device: Smets1Device) -> Content:
    gas = is_gas(device)
    rows = [
        {"Timestamp": moment(row[0]), **({"Gas": _gas_day(row)} if gas else {"Electricity": _electricity_day(row)})}
        for row in values["daily_read_log"]
    ]
    return {"LogEntry": rows}


def _gas_day(row: _Row) -> Content:
    return {
        "GasActiveImportRegisterConsumption": cubic_metres(row[2]),
        "TariffBlockCounterMatrix": indexed(map(cubic_metres, row[4])),
        "TariffTOURegisterMatrix": indexed(map(cubic_metres, row[3])),
    }


def _electricity_day(row: _Row) -> Content:
    return {"ElecActiveImportRegisterConsumption": str(row[1]), **_electricity(row)}


def _events(values: Values, device: Smets1Device) -> Content:
    """The log that was asked for; that of switches is empty, since nothing moves any.

    What else GBCS devices say of an event, such as the message code of a command, SMETS1 devices do not know; the
    seconds of an outage and the volts of an average they do.
    """
    if is_gas(device):
        rows = [(at, code, b"") for _, code, at, _ in values["events"]]
    elif "power_event_log" in values:
        rows = [(at, code, number.to_bytes(4, "big")) for at, code, number in values["power_event_log"]]
    elif "security_log" in values:
        rows = [(at, code, b"") for at, code in values["security_log"]]
    elif "event_log" in values:
        rows = [(at, code, b"") for at, code, _ in values["event_log"]]
    else:
        return {"ALCSEvent": {}}
    return {"Log": {"LogEntry": [_event(*row) for row in rows]}}


def _event(at: datetime, code: int, data: bytes) -> Content:
    return {
        "Timestamp": moment(at),
        "LogCode": f"{code:04X}",
        "LogMeaning": alert_meaning(code)[:_MOST_LETTERS],
        "OtherInformation": data.hex().upper() or None,
    }


ANSWERS: Answers = {
    "4.4.2": (_changes, METERS_AND_PROXY),
    "4.4.3": (_bills, METERS_AND_PROXY),
    "4.6.1": (_days, METERS_AND_PROXY),
    "6.13": (_events, (*METERS_AND_PROXY, CHF)),
}
"""By Service Reference Variant."""
