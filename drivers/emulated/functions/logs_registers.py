"""What the logs of a meter take down: its registers of energy, gas and money at a moment.

The functions that count them say how: `EnergyLogs.read_energy`, `GasLogs.read_gas` and `read_money` of both are theirs
to replace. Until then they stand still at zero. Moments lie in the past where a world was stopped when they were due.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.gbcs.log_register_use_cases import BLOCK_TOU_REGISTERS, BLOCKS, TOU_REGISTERS


@dataclass(frozen=True, slots=True)
class Energy:
    """Registers of an ESME with a single element, Wh.

    Attributes:
        imported: active import.
        exported: active export.
        by_time: 48 import registers by time of use.
        by_block: of each of 4 blocks 8 import registers by time of use.
    """

    imported: int = 0
    exported: int = 0
    by_time: tuple[int, ...] = (0,) * TOU_REGISTERS
    by_block: tuple[tuple[int, ...], ...] = ((0,) * BLOCK_TOU_REGISTERS,) * BLOCKS


@dataclass(frozen=True, slots=True)
class Gas:
    """Registers of a GSME, litres.

    Attributes:
        consumed: all of it.
        by_time: 4 registers by time of use.
        by_block: counters of 4 blocks.
    """

    consumed: int = 0
    by_time: tuple[int, ...] = (0,) * 4
    by_block: tuple[int, ...] = (0,) * 4


@dataclass(frozen=True, slots=True)
class Money:
    """What a meter knows of credit and debts, thousandths of pence.

    Attributes:
        emergency_credit: the emergency credit balance.
        balance: the meter balance.
        payment_debt: the debt that is recovered from payments.
        time_debts: the two debts that are recovered by time.
        accumulated_debt: the accumulated debt register.
    """

    emergency_credit: int = 0
    balance: int = 0
    payment_debt: int = 0
    time_debts: tuple[int, int] = (0, 0)
    accumulated_debt: int = 0
