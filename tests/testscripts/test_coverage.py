"""The table of coverage is that of the program, and counts as the document does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from bench.ctsd.tables import Role
from bench.errors import UsageError
from bench.testscripts.coverage import coverage_text, lines, read_gaps
from bench.testscripts.plan import RolePlan
from tests.testscripts.conftest import ROOT

Plans = Mapping[Role, RolePlan]
GAPS = ROOT / "rigs" / "uept-gaps.json"


def test_the_page_is_up_to_date(plans: Plans) -> None:
    page = (ROOT / "docs" / "coverage.md").read_text("utf-8")
    assert coverage_text(tuple(plans.values()), read_gaps(GAPS)) == page, (
        "run `hilbench uept coverage --write docs/coverage.md`"
    )


def test_it_counts_as_the_document_does(plans: Plans) -> None:
    rows = lines(tuple(plans.values()), {})
    matrix = {row.role: row.required for row in rows if row.what == "DUIS matrix"}
    assert matrix == {"IS": 213, "GS": 164, "ES": 27, "ED": 65, "GT": 40, "RSA": 30, "OU": 40}
    assert all(row.passing == row.runnable for row in rows)


def test_what_does_not_pass_is_known_by_a_requirement_that_there_is(plans: Plans) -> None:
    runnable = {item.requirement.id for plan in plans.values() for item in plan.items if item.runnable}
    assert set(read_gaps(GAPS)) <= runnable


def test_a_requirement_that_does_not_pass_counts_less(plans: Plans) -> None:
    known = {"8.1.26/OU/E13/SMETS2+": "a reason"}
    (row,) = [each for each in lines([plans[Role.OU]], known) if each.clause == "8.1.26"]
    assert (row.required, row.runnable, row.passing) == (8, 8, 7)
    assert "- 1 executions: a reason.\n  - OU: E13" in coverage_text([plans[Role.OU]], known)


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}'])
def test_a_bad_file_of_gaps_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "gaps.json").write_text(text)
    with pytest.raises(UsageError, match="gaps.json"):
        read_gaps(tmp_path / "gaps.json")
