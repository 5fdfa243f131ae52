"""Every Service Request that the Common Test Scenarios ask for on SMETS1 devices is answered there, for each role."""

from __future__ import annotations

import pytest

from tests.emulated.cells import Cell
from tests.emulated.smets1_cells import failures, groups, smets1_cells

CELLS = smets1_cells()
GROUPS = groups(CELLS)


def test_there_is_a_cell_for_every_mandatory_test_on_a_smets1_device() -> None:
    assert len(CELLS) == 203


@pytest.mark.parametrize("group", GROUPS)
def test_every_cell_is_answered(group: str) -> None:
    found = failures(GROUPS[group])
    assert {str(cell): reason for cell, reason in found.items()} == {}


def test_cells_that_nobody_answers_are_found() -> None:
    found = failures([Cell("OU", "7.4", 1), Cell("IS", "2.5", 4), Cell("IS", "2.5", 4)])
    assert list(found.values()) == ["E2", "the device refused"]
