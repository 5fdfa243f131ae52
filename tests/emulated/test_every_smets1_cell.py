"""Every Service Request that the Common Test Scenarios ask for on SMETS1 devices is answered there, for each role."""

from __future__ import annotations

import pytest

from tests.emulated.cells import Cell
from tests.emulated.smets1_cells import failures, smets1_cells

CELLS = smets1_cells()
VARIANTS = tuple(dict.fromkeys(cell.variant for cell in CELLS))


def test_there_is_a_cell_for_every_mandatory_test_on_a_smets1_device() -> None:
    assert len(CELLS) == 203


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_cell_is_answered(variant: str) -> None:
    found = failures(cell for cell in CELLS if cell.variant == variant)
    assert {str(cell): reason for cell, reason in found.items()} == {}


def test_cells_that_nobody_answers_are_found() -> None:
    found = failures([Cell("OU", "7.4", 1), Cell("IS", "2.5", 4), Cell("IS", "2.5", 4)])
    assert list(found.values()) == ["E2", "the device refused"]
