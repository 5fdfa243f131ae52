"""Every Service Request of the Common Test Scenarios is answered, by each User Role, in each Command Variant."""

from __future__ import annotations

import pytest
from _pytest.mark.structures import ParameterSet

from tests.emulated.cells import Cell, all_cells, failure

CELLS = all_cells()
VARIANTS = tuple(dict.fromkeys(cell.variant for cell in CELLS))


def test_there_is_a_cell_for_every_mandatory_test_of_the_document() -> None:
    assert len(CELLS) == 376


def _often(number: int, variant: str) -> ParameterSet | str:
    """Every third variant in `make test`, the others in `make soak`."""
    return variant if number % 3 == 0 else pytest.param(variant, marks=pytest.mark.soak)


@pytest.mark.parametrize("variant", [_often(number, variant) for number, variant in enumerate(VARIANTS)])
def test_every_cell_is_answered(variant: str) -> None:
    found = {cell: failure(cell) for cell in CELLS if cell.variant == variant}
    assert {str(cell): reason for cell, reason in found.items() if reason is not None} == {}


def test_a_cell_that_nobody_answers_is_found() -> None:
    assert failure(Cell("OU", "7.2", 5)) == "E2 to the transformation"
