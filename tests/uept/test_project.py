"""A project: what is in it, how results, issues and statuses follow from each other, and that its file is safe."""

from __future__ import annotations

import sqlite3
from datetime import date
from pathlib import Path

import pytest

from bench.ctsd.populations import Population
from bench.ctsd.requirements import count, requirements
from bench.ctsd.tables import Role
from bench.errors import UsageError
from bench.uept import progress
from bench.uept.model import IssueStatus, Result, Status
from bench.uept.project import open_project
from bench.uept.store import Store
from tests.uept.projects import NOW, by_hand, project

TEST = "8.1.16/ED/0x8F35"
OTHER = "8.1.16/ED/0x8F36"


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("population", list(Population))
def test_a_project_has_what_the_document_asks_for(tmp_path: Path, role: Role, population: Population) -> None:
    wanted = count(requirements(role, population))
    with project(tmp_path, role, population) as changes:
        found = progress.counts(changes.project)
        assert (found.tests, found.due, found.optional) == (wanted.tests, wanted.executions, wanted.optional)
        planned = [test.planned_on for test in changes.project.tests() if test.due]
        assert None not in planned
        days = len(set(planned))
        assert days == min(10, len(planned)), "spread over all days of testing"


def test_a_status_follows_results_scripts_and_fixes(tmp_path: Path) -> None:
    with project(tmp_path) as changes:

        def status() -> Status:
            return changes.project.statuses()[TEST]

        assert status() is Status.NOT_RUN
        changes.link_script([TEST], "supply-outage-short", produced=False, data_ready=False)
        assert status() is Status.NOT_RUN, "a script in progress is none yet"
        changes.link_script([TEST], "supply-outage-short", produced=True, data_ready=True)
        assert status() is Status.READY
        failed = by_hand(changes, TEST, Result.FAILED)
        assert status() is Status.FAILED
        issue = changes.raise_issue(failed, "No alert", 3)
        changes.change_issue(issue, {"status": IssueStatus.FIXED})
        assert status() is Status.READY, "to be tested again"
        by_hand(changes, TEST, Result.FAILED, retest_of=issue)
        assert status() is Status.FAILED
        assert changes.issue(issue).status is IssueStatus.FIXED
        number = by_hand(changes, TEST, retest_of=issue)
        assert status() is Status.PASSED
        assert (changes.issue(issue).status, changes.issue(issue).closed_by) == (IssueStatus.CLOSED, number)
        assert [each.cycle for each in changes.project.executions()] == [1, 2, 3]


def test_what_was_not_real_does_not_count_unless_it_is_a_rehearsal(tmp_path: Path) -> None:
    with project(tmp_path, rehearsal=False) as changes:
        by_hand(changes, TEST, real=False)
        assert changes.project.statuses()[TEST] is not Status.PASSED
        by_hand(changes, TEST)
        assert changes.project.statuses()[TEST] is Status.PASSED
        by_hand(changes, TEST, Result.FAILED, real=False)
        assert changes.project.statuses()[TEST] is Status.PASSED, "an emulated failure is no failure of the Party"


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (lambda c: by_hand(c, "8.1.16/ED/0x9999"), "has no test '8.1.16/ED/0x9999'"),
        (lambda c: c.record(TEST, Result.FAILED, at=NOW, script="", real=True), "why is"),
        (lambda c: c.raise_issue(7, "x", 1), "no execution 7"),
        (lambda c: c.raise_issue(by_hand(c, TEST), "x", 6), "no severity 6"),
        (lambda c: c.change_issue(c.raise_issue(by_hand(c, TEST), "x", 1), {"status": "closed"}), "closed by a retest"),
        (lambda c: by_hand(c, OTHER, retest_of=c.raise_issue(by_hand(c, TEST), "x", 1)), "was raised by"),
        (lambda c: c.say("who", "me"), "no question 'who'"),
        (lambda c: c.say("severity-5-agreed", "some"), "no number"),
        (lambda c: c.say("location", " "), "no answer"),
        (lambda c: c.step_done("5.4.2.1", date(2027, 1, 4)), "not come yet"),
        (lambda c: c.document("plan", "approved"), "cannot become approved"),
        (lambda c: c.document("plans", "draft"), "no document 'plans'"),
        (lambda c: c.document("plan", "draft", Path("/none")), "cannot read"),
        (lambda c: c.resume("both"), "not suspended"),
        (lambda c: c.set_dates(date(2026, 11, 9), date(2026, 11, 2)), "cannot end"),
        (lambda c: c.set_dates(date(2026, 11, 7), date(2026, 11, 8)), "no Working Day"),
        (lambda c: c.close_raid(3), "no risk"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(tmp_path: Path, act, says: str) -> None:
    with project(tmp_path) as changes:
        before = list(changes.store.rows("SELECT count(*) FROM facts"))
        with pytest.raises(UsageError, match=says):
            act(changes)
        assert [tuple(row) for row in changes.store.rows("SELECT count(*) FROM facts")] == [tuple(r) for r in before]
        assert changes.project.suspended() is None


def test_documents_go_through_versions(tmp_path: Path) -> None:
    with project(tmp_path) as changes:
        states = ("draft", "submitted", "rejected", "submitted", "approved", "draft")
        for state in states:
            changes.document("plan", state)
        assert [(each.version, each.state) for each in changes.project.document_history()] == [
            (1, "draft"),
            (1, "submitted"),
            (1, "rejected"),
            (2, "submitted"),
            (2, "approved"),
            (3, "draft"),
        ]
        assert changes.project.deficiencies


def test_a_suspension_makes_the_project_red_until_both_agree(tmp_path: Path) -> None:
    with project(tmp_path) as changes:
        today = date(2026, 10, 1)
        assert progress.rag(changes.project, today)[0] == "green"
        changes.suspend("DCC", "the environment is down", "restart it", "the DCC", date(2026, 11, 6))
        assert progress.rag(changes.project, today) == (
            "red",
            "testing is suspended since 2026-11-04: the environment is down",
        )
        with pytest.raises(UsageError, match="suspended already"):
            changes.suspend("Party", "x", "x", "x", date(2026, 11, 6))
        with pytest.raises(UsageError, match="only when Party and DCC agree"):
            changes.resume(" ")
        changes.resume("both test managers")
        assert progress.rag(changes.project, today)[0] == "green"


def test_the_glide_path_counts_each_test_once(tmp_path: Path) -> None:
    with project(tmp_path) as changes:
        by_hand(changes, TEST, Result.FAILED)
        by_hand(changes, TEST)
        by_hand(changes, OTHER, Result.BLOCKED)
        path = progress.glide_path(changes.project, NOW.date())
        today = next(day for day in path if day.day == NOW.date())
        assert (today.executed, today.passed) == (2, 1)
        assert (today.results[Result.FAILED], today.results[Result.PASSED], today.results[Result.BLOCKED]) == (1, 1, 1)
        assert path[-1].planned == progress.counts(changes.project).due
        assert path[-1].executed is None, "it has not come"


def test_a_file_that_is_no_project_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but long enough to be looked at\n" * 20)
    with pytest.raises(UsageError, match="no project file"), open_project(text):
        pass
    other = tmp_path / "other.db"
    sqlite3.connect(other).execute("CREATE TABLE t (x)").connection.close()
    with pytest.raises(UsageError, match="no project file"), open_project(other):
        pass
    with pytest.raises(UsageError, match="there is no project"), open_project(tmp_path / "none"):
        pass
    assert text.read_text().startswith("not a database")


def test_a_newer_store_is_refused_and_an_old_one_not_written_over(tmp_path: Path) -> None:
    with project(tmp_path) as changes:
        path = changes.store.path
        with pytest.raises(UsageError, match="is there already"):
            Store(path, create=True)
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 9")
    database.close()
    with pytest.raises(UsageError, match="version 9"), open_project(path):
        pass


def test_a_change_is_whole_or_not_at_all(tmp_path: Path) -> None:
    with project(tmp_path) as changes:
        with pytest.raises(sqlite3.IntegrityError), changes.store.change():
            changes.store.insert("facts", {"key": "location", "value": "Leeds", "at": NOW.isoformat(), "who": "Ada"})
            changes.store.insert("scripts", {"test": "none such", "script": "x", "state": "produced"})
        assert changes.project.facts() == {}
