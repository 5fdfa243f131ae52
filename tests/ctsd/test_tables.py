"""The tables agree with the totals that the document prints, and a wrong or missing cell does not."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from bench.ctsd.audit import audit, compare, executions, problems
from bench.ctsd.tables import (
    Column,
    Mark,
    Role,
    alert_counts,
    cells,
    dcc_alerts,
    device_alerts,
    footer,
    matrix,
    response_codes,
)
from bench.duis.service_requests import service_request
from bench.gbcs.catalogue import alert_entry

COUNTED = {"IS": 148, "GS": 107, "ES": 16, "ED": 40, "GT": 23, "RSA": 18, "OU": 24}
PRINTED = COUNTED | {"RSA": 23, "OU": 23}
EXECUTIONS = {"IS": 213, "GS": 164, "ES": 27, "ED": 65, "GT": 40, "RSA": 30, "OU": 40}


@pytest.mark.parametrize("role", Role)
def test_the_cells_add_up_to_what_is_printed_or_the_reason_is_known(role: Role) -> None:
    counts = audit(role)
    assert problems(counts) == []
    tests = next(each for each in counts if each.mark == "tests")
    assert (tests.counted, tests.printed) == (COUNTED[role], PRINTED[role])
    assert executions(role)["all"] == EXECUTIONS[role]
    differing = [each for each in counts if each.printed != each.counted]
    assert len(differing) == len(footer(role).differences)
    assert all(each.reason for each in differing)


@pytest.mark.parametrize("role", Role)
def test_every_wrong_or_missing_cell_is_found(role: Role) -> None:
    whole, rows, foot = cells(role), len(matrix(role)), footer(role)
    for index, cell in enumerate(whole):
        others = (*whole[:index], *whole[index + 1 :])
        assert problems(compare(others, rows, foot)), f"{cell} is missing"
        for mark in Mark:
            if mark is not cell.mark:
                assert problems(compare((*others, replace(cell, mark=mark)), rows, foot)), f"{cell} as {mark}"
        for column in Column:
            if column is not cell.column:
                assert problems(compare((*others, replace(cell, column=column)), rows, foot)), f"{cell} in {column}"
        assert problems(compare((*whole, cell), rows, foot)), f"{cell} twice"
    assert problems(compare(whole, rows - 1, foot))


CHECKED = {
    "IS": "077b2fce5c27bab9",
    "GS": "1091f4050ed758ad",
    "ES": "cdb458d99b00ba0b",
    "ED": "fa5d453efaaac23b",
    "GT": "9e4d9b2955b233c9",
    "RSA": "8c1e19d266fc8339",
    "OU": "94d9b8a13e0be811",
}
"""Digests of the cells as they were held against the text of the document a second time, row by row: two cells of one
column that change places leave every total as it is."""


@pytest.mark.parametrize("role", Role)
def test_the_rows_are_those_that_were_checked_twice(role: Role) -> None:
    text = "\n".join(f"{cell.variant} {cell.column} {cell.mark}" for cell in cells(role))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == CHECKED[role]


def test_every_cell_is_a_command_variant_that_duis_has() -> None:
    for role in Role:
        for cell in cells(role):
            assert cell.column.command_variant in service_request(cell.variant).command_variants, cell


@pytest.mark.parametrize("role", Role)
def test_the_alerts_are_as_many_as_the_document_has(role: Role) -> None:
    _, device = device_alerts(role)
    _, dcc = dcc_alerts(role)
    for what, marks in (
        ("device_alerts", [row.mark for row in device]),
        ("dcc_alerts", [row.mark for row in dcc]),
    ):
        assert {mark.value: marks.count(mark) for mark in Mark} == alert_counts(role)[what]
    _, codes = response_codes(role)
    assert [row.code for row in codes] == ["E11", "E13", "E19", "E60", "E63", *(["E64"] if len(codes) == 6 else [])]
    assert (len(codes) == 6) == (role in ("IS", "GS", "ED", "GT"))


def test_alerts_are_critical_where_the_catalogue_has_them_so() -> None:
    for role in Role:
        for additive in (False, True):
            for row in device_alerts(role, additive=additive)[1]:
                entry = alert_entry(int(row.code, 16))
                if entry is not None and entry.critical is not None:
                    assert entry.critical == row.critical, row


def test_a_column_knows_its_scenario() -> None:
    assert [column.scenario for column in Column] == [f"SR{number:02}" for number in range(1, 11)]
    assert Column.CV5_FD.future_dated
    assert Column.CV5_FD.command_variant == 5
