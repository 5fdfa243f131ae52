"""How a meter splits what it measures among the registers of its tariff (SMETS 4.6.5, 5.7.5)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

MOST_KEPT = 200
"""So many changes of register are kept: what was due while a world was stopped is taken down from them."""


@dataclass(frozen=True, slots=True)
class Count:
    """What registers had counted at a moment, and which of them count from then on.

    Amounts are in the unit of the main register: Wh or litres.

    Attributes:
        since_ns: the moment, UTC in nanoseconds.
        total: what the main register said.
        by_time: registers by time of use.
        by_block: registers of blocks; those of a block lie together.
        counters: what was counted in each of these since the blocks began anew.
        time_register: the register by time of use that counts, from 0 on; None if none does.
        block_register: the register of a block that counts, from 0 on; None if none does.
    """

    since_ns: int
    total: float
    by_time: tuple[float, ...]
    by_block: tuple[float, ...]
    counters: tuple[float, ...]
    time_register: int | None = 0
    block_register: int | None = None

    def at(self, since_ns: int, total: float) -> Self:
        """The same at a later moment, at which the main register says `total`."""
        counted = max(0.0, total - self.total)
        return replace(
            self,
            since_ns=since_ns,
            total=total,
            by_time=_added(self.by_time, self.time_register, counted),
            by_block=_added(self.by_block, self.block_register, counted),
            counters=_added(self.counters, self.block_register, counted),
        )


def _added(registers: tuple[float, ...], index: int | None, amount: float) -> tuple[float, ...]:
    if index is None or index >= len(registers):
        return registers
    return (*registers[:index], registers[index] + amount, *registers[index + 1 :])


@dataclass(frozen=True, slots=True)
class Counts:
    """The changes of register, the oldest first; there is always one.

    Attributes:
        kept: the latest of them.
    """

    kept: tuple[Count, ...]

    @classmethod
    def of(cls, by_time: int, by_block: int) -> Self:
        """Registers that have counted nothing: so many by time of use, and so many of blocks."""
        return cls((Count(0, 0.0, (0.0,) * by_time, (0.0,) * by_block, (0.0,) * by_block),))

    @property
    def last(self) -> Count:
        """The latest change."""
        return self.kept[-1]

    def before(self, at_ns: int) -> Count:
        """The change that counted up to a moment; the oldest that is known of moments before it."""
        return next((each for each in reversed(self.kept) if each.since_ns < at_ns), self.kept[0])

    def changed(self, count: Count) -> Self:
        """These, and one more."""
        return replace(self, kept=(*self.kept, count)[-MOST_KEPT:])
