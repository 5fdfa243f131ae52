"""Every Service Request of the Common Test Scenarios is answered, by each User Role, in each Command Variant."""

from __future__ import annotations

import pytest

from tests.emulated.cells import Cell, all_cells, failure

CELLS = all_cells()
VARIANTS = tuple(dict.fromkeys(cell.variant for cell in CELLS))
UNANSWERED: tuple[str, ...] = (
    "6.28",
    "6.29",
    "6.30",
    "6.31",
    "6.32",
    "8.7.1",
    "8.7.2",
    "8.8.1",
    "8.8.2",
    "8.9",
    "8.12.1",
    "8.12.2",
)
"""Variants that are not emulated yet, or not in all of their cells."""


def test_there_is_a_cell_for_every_mandatory_test_of_the_document() -> None:
    assert len(CELLS) == 376
    assert set(UNANSWERED) <= set(VARIANTS)


@pytest.mark.parametrize(
    "variant",
    [
        pytest.param(each, marks=pytest.mark.xfail(reason="not emulated yet", strict=False))
        if each in UNANSWERED
        else each
        for each in VARIANTS
    ],
)
def test_every_cell_is_answered(variant: str) -> None:
    found = {cell: failure(cell) for cell in CELLS if cell.variant == variant}
    assert {str(cell): reason for cell, reason in found.items() if reason is not None} == {}


def test_a_cell_that_nobody_answers_is_found() -> None:
    assert failure(Cell("OU", "7.2", 5)) == "E2 to the transformation"
