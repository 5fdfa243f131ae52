"""Every Service Request of the Common Test Scenarios is answered, by each User Role, in each Command Variant."""

from __future__ import annotations

import pytest

from tests.emulated.cells import Cell, all_cells, failure

CELLS = all_cells()
VARIANTS = tuple(dict.fromkeys(cell.variant for cell in CELLS))


def test_there_is_a_cell_for_every_mandatory_test_of_the_document() -> None:
    assert len(CELLS) == 376


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_cell_is_answered(variant: str) -> None:
    found = {cell: failure(cell) for cell in CELLS if cell.variant == variant}
    assert {str(cell): reason for cell, reason in found.items() if reason is not None} == {}


def test_a_cell_that_nobody_answers_is_found() -> None:
    assert failure(Cell("OU", "7.2", 5)) == "E2 to the transformation"
