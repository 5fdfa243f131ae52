"""Holds the cells of the matrices against the totals that the document prints below them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bench.ctsd.tables import Cell, Column, Footer, Mark, Role, cells, footer, matrix

_MARKS = (Mark.BOTH, Mark.ONLY_SMETS2)
"""Marks that the document counts below a matrix; Mandatory SMETS1 and Optional stand in none of them."""


@dataclass(frozen=True, slots=True)
class Count:
    """One figure below a matrix.

    Attributes:
        mark: "M", "M2", "N/A", or "tests".
        column: of the matrix, or "total".
        printed: by the document.
        counted: from its cells.
        right: what it has to be: as printed, or as it was found to be where the print is known to be wrong.
        reason: why the print is wrong; empty if it is not.
    """

    mark: str
    column: str
    printed: int
    counted: int
    right: int
    reason: str = ""


def audit(role: Role) -> list[Count]:
    """Every figure below the matrix of a role, as it is printed and as the cells have it."""
    return compare(cells(role), len(matrix(role)), footer(role))


def compare(found: Iterable[Cell], rows: int, foot: Footer) -> list[Count]:
    """Figures as printed and as counted.

    Args:
        found: the cells with tests.
        rows: how many rows the table has.
        foot: what the document prints.
    """
    tally = Counter((cell.mark, cell.column) for cell in found)
    known = {(each.mark, each.column): each for each in foot.differences}
    counts = [("rows", "total", foot.rows, rows)]
    for index, column in enumerate(Column):
        held = sum(number for (_, where), number in tally.items() if where is column)
        counts.append(("N/A", column.value, foot.printed["N/A"][index], rows - held))
        counts += [(mark.value, column.value, foot.printed[mark.value][index], tally[mark, column]) for mark in _MARKS]
    totals = {mark.value: sum(number for (each, _), number in tally.items() if each is mark) for mark in Mark}
    counts += [(mark.value, "total", foot.totals[mark.value], totals[mark.value]) for mark in _MARKS]
    counts.append(("tests", "total", foot.tests, sum(totals.values())))
    result = []
    for mark, name, printed, counted in counts:
        wrong = known.get((mark, name))
        right, reason = (wrong.counted, wrong.reason) if wrong is not None else (printed, "")
        result.append(Count(mark, name, printed, counted, right, reason))
    return result


def problems(counts: Iterable[Count]) -> list[str]:
    """Figures that are not what they have to be, in words: a cell is wrong, or missing."""
    return [
        f"{each.mark} {each.column}: counted {each.counted}, and it has to be {each.right}"
        for each in counts
        if each.counted != each.right
    ]


def executions(role: Role) -> Mapping[str, int]:
    """How many executions of the matrix a new User owes, by SMETS variant and in all."""
    tally = Counter(variant.value for cell in cells(role) for variant in cell.mark.variants)
    return {**tally, "all": sum(tally.values())}
