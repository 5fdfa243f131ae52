"""Entry and exit criteria: each is met when it should be, and not for each reason that it can fail."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from bench.ctsd.populations import Population
from bench.uept import criteria
from bench.uept.changes import Changes
from bench.uept.model import IssueStatus, Result
from tests.uept.projects import NOW, all_pass, by_hand, project

TEST = "8.1.16/ED/0x8F35"


def later(changes: Changes) -> Changes:
    return Changes(changes.project, "Ada", NOW + timedelta(hours=1))


def approve(changes: Changes, *names: str) -> None:
    for name in names:
        changes.document(name, "submitted")
        changes.document(name, "approved")


def finish(changes: Changes) -> None:
    """Do what the exit asks for, but for the tests and issues."""
    approve(later(changes), "plan", "traceability", "scripts", "dashboard", "completion")
    changes.say("exit-gate", "2026-11-20")


def unmet(changes: Changes) -> list[str]:
    return [each.id for each in criteria.exit_(changes.project) if not each.met]


def test_a_project_that_did_everything_may_leave(tmp_path: Path) -> None:
    with project(tmp_path) as changes:
        assert unmet(changes) == ["EX-1", "EX-4", "EX-5", "T5/plan", "T5/traceability", "T5/scripts", "T5/dashboard"]
        all_pass(changes)
        finish(changes)
        assert unmet(changes) == []
        assert criteria.met(criteria.exit_(changes.project))


@pytest.mark.parametrize(
    ("result", "fails"),
    [(Result.BLOCKED, ["EX-1"]), (Result.NOT_RUN, ["EX-1"]), (Result.FAILED, ["EX-2"])],
)
def test_one_test_that_did_not_pass(tmp_path: Path, result: Result, fails: list[str]) -> None:
    with project(tmp_path) as changes:
        all_pass(changes, but=[TEST])
        by_hand(changes, TEST, result)
        finish(changes)
        assert unmet(changes) == fails


def test_a_pass_without_evidence_is_none(tmp_path: Path) -> None:
    with project(tmp_path) as changes:
        all_pass(changes, but=[TEST])
        by_hand(changes, TEST, evidence="")
        finish(changes)
        assert unmet(changes) == ["EX-1"]


def outstanding(changes: Changes, severity: int, number: int, **values: object) -> None:
    given = {"plan": "mend it", "target": date(2026, 12, 1), "workaround": "wait", "agreed_on": date(2026, 11, 18)}
    for _ in range(number):
        issue = changes.raise_issue(by_hand(changes, TEST, Result.FAILED), "No alert", severity)
        changes.change_issue(issue, {key: value for key, value in (given | values).items() if value})


@pytest.mark.parametrize(
    ("severity", "most"),
    [(1, 0), (2, 0), (3, 5), (4, 10)],
)
def test_table_4(tmp_path: Path, severity: int, most: int) -> None:
    with project(tmp_path) as changes:
        all_pass(changes, but=[TEST])
        outstanding(changes, severity, most)
        finish(changes)
        assert unmet(changes) == ([] if most else ["EX-1"])
        outstanding(changes, severity, 1)
        assert "EX-3" in unmet(changes)


def test_severity_5_is_what_was_agreed(tmp_path: Path) -> None:
    with project(tmp_path) as changes:
        all_pass(changes, but=[TEST])
        outstanding(changes, 5, 2, workaround=None)
        finish(changes)
        assert unmet(changes) == ["EX-3"]
        changes.say("severity-5-agreed", "1")
        assert unmet(changes) == ["EX-3"]
        changes.say("severity-5-agreed", "2")
        assert unmet(changes) == []


@pytest.mark.parametrize("lack", ["plan", "target", "workaround", "agreed_on"])
def test_an_outstanding_issue_needs_an_agreed_plan(tmp_path: Path, lack: str) -> None:
    with project(tmp_path) as changes:
        all_pass(changes, but=[TEST])
        outstanding(changes, 3, 1, **{lack: None})
        finish(changes)
        assert unmet(changes) == ["EX-2.2"]


def test_a_fixed_issue_is_outstanding_until_its_retest_passed(tmp_path: Path) -> None:
    with project(tmp_path) as changes:
        all_pass(changes, but=[TEST])
        issue = changes.raise_issue(by_hand(changes, TEST, Result.FAILED), "No alert", 1)
        changes.change_issue(issue, {"status": IssueStatus.FIXED})
        finish(changes)
        assert unmet(changes) == ["EX-1", "EX-2.2", "EX-3"]
        by_hand(changes, TEST, retest_of=issue)
        assert unmet(changes) == []


def test_documents_are_stale_once_there_are_newer_results(tmp_path: Path) -> None:
    with project(tmp_path) as changes:
        all_pass(changes)
        finish(changes)
        by_hand(changes, TEST, at=NOW + timedelta(hours=2))
        assert unmet(changes) == ["T5/traceability", "T5/dashboard"]


ENTRY: dict[str, Callable[[Changes], None]] = {
    "EN-1": lambda c: c.say("acceded", "2026-07-01"),
    "EN-3.1": lambda c: approve(c, "notification"),
    "EN-3.2": lambda c: approve(c, "readiness"),
    "EN-3.3": lambda c: approve(c, "plan"),
    "EN-3.4": lambda c: approve(c, "traceability"),
    "EN-3.5": lambda c: approve(c, "scripts"),
    "EN-3.6": lambda c: approve(c, "data-plan"),
    "EN-4": lambda c: c.say("environment-evidence", "report 7"),
    "EN-5": lambda c: c.say("resources-evidence", "rota"),
    "EN-6": lambda c: c.say("security-confirmation", "2026-10-01"),
}


@pytest.mark.parametrize("left_out", [None, *ENTRY])
def test_each_entry_criterion(tmp_path: Path, left_out: str | None) -> None:
    with project(tmp_path) as changes:
        for name, act in ENTRY.items():
            if name != left_out:
                act(changes)
        assert [each.id for each in criteria.entry(changes.project) if not each.met] == [left_out] * bool(left_out)


def test_the_evidence_route_has_no_scripts(tmp_path: Path) -> None:
    with project(tmp_path, population=Population.ADDITIVE_EVIDENCE) as changes:
        assert "EN-3.5" not in [each.id for each in criteria.entry(changes.project)]
        assert "T5/scripts" not in [each.id for each in criteria.exit_(changes.project)]
