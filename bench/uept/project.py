"""A project: the User Entry Process Tests of one Party in one User Role, read from its store.

`changes` writes to it. Times are UTC, days those of the Party's calendar.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from bench.uept.model import (
    DocumentState,
    Execution,
    Fact,
    Issue,
    IssueStatus,
    RaidItem,
    Result,
    Script,
    Status,
    Suspension,
    Test,
)
from bench.uept.rows import reader
from bench.uept.store import Store

_test = reader(Test)
_execution = reader(Execution)
_issue = reader(Issue)
_raid_item = reader(RaidItem)
_suspension = reader(Suspension)
_document = reader(DocumentState)
_fact = reader(Fact)


class Project:
    """What a store says of a project.

    Args:
        store: open.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    # What it is

    def meta(self, key: str) -> str:
        """What the project was made with: party, role, population, rehearsal, and its dates."""
        found = self.store.rows("SELECT value FROM meta WHERE key = ?", (key,))
        return str(found[0]["value"]) if found else ""

    @property
    def party(self) -> str:
        """The Party's name."""
        return self.meta("party")

    @property
    def role(self) -> str:
        """Its User Role."""
        return self.meta("role")

    @property
    def population(self) -> str:
        """Why it tests: `bench.ctsd.populations.Population`."""
        return self.meta("population")

    @property
    def rehearsal(self) -> bool:
        """Whether evidence of emulated rigs counts, so that nothing of it is fit for the DCC."""
        return self.meta("rehearsal") == "yes"

    @property
    def test_start(self) -> date:
        """The start of testing, as revised last."""
        return date.fromisoformat(self.meta("test_start"))

    @property
    def test_end(self) -> date:
        """The planned end of testing."""
        return date.fromisoformat(self.meta("test_end"))

    @property
    def dates(self) -> dict[str, date]:
        """The dates that the procedure counts from."""
        return {"test_start": self.test_start, "test_end": self.test_end}

    @property
    def name(self) -> str:
        """A short title."""
        return f"{self.party}, {self.role}, {self.population}"

    # Tests, scripts and what came of them

    def tests(self) -> tuple[Test, ...]:
        """Every test, in the order of the document."""
        return tuple(_test(row) for row in self.store.rows("SELECT * FROM tests ORDER BY position"))

    def test(self, test_id: str) -> Test | None:
        """The test of an id, or None."""
        found = self.store.rows("SELECT * FROM tests WHERE id = ?", (test_id,))
        return _test(found[0]) if found else None

    def scripts(self) -> tuple[Script, ...]:
        """Every link of a test to a Test Script."""
        rows = self.store.rows("SELECT * FROM scripts ORDER BY test, script")
        return tuple(
            Script(row["test"], row["script"], row["state"] == "produced", bool(row["data_ready"])) for row in rows
        )

    def executions(self) -> tuple[Execution, ...]:
        """Every execution, in the order in which they were recorded."""
        return tuple(_execution(row) for row in self.store.rows("SELECT * FROM executions ORDER BY number"))

    def issues(self) -> tuple[Issue, ...]:
        """Every Testing Issue."""
        return tuple(_issue(row) for row in self.store.rows("SELECT * FROM issues ORDER BY number"))

    def counted(self) -> dict[str, Execution]:
        """The last execution of each test that counts: of a rehearsal any, else those on real devices only."""
        return {each.test: each for each in self.executions() if each.real or self.rehearsal}

    def statuses(self) -> dict[str, Status]:
        """Where each test stands."""
        last = self.counted()
        scripted = {script.test for script in self.scripts() if script.produced}
        raised = {each.execution: each for each in self.issues()}
        return {test.id: _status(test, last.get(test.id), test.id in scripted, raised) for test in self.tests()}

    # What people said and did

    def raid(self) -> tuple[RaidItem, ...]:
        """Risks, assumptions, issues and dependencies."""
        return tuple(_raid_item(row) for row in self.store.rows("SELECT * FROM raid ORDER BY number"))

    def suspensions(self) -> tuple[Suspension, ...]:
        """Every time that testing was suspended."""
        return tuple(_suspension(row) for row in self.store.rows("SELECT * FROM suspensions ORDER BY number"))

    def suspended(self) -> Suspension | None:
        """The suspension that is in force, or None."""
        return next((each for each in self.suspensions() if each.resumed is None), None)

    def documents(self) -> dict[str, DocumentState]:
        """The last state of each document, by name."""
        rows = self.store.rows("SELECT * FROM documents ORDER BY number")
        return {row["name"]: _document(row) for row in rows}

    def document_history(self) -> tuple[DocumentState, ...]:
        """Every state of every document."""
        return tuple(_document(row) for row in self.store.rows("SELECT * FROM documents ORDER BY number"))

    def done(self) -> dict[str, tuple[date, ...]]:
        """On which days the steps of the procedure were done, by their ids."""
        found: dict[str, tuple[date, ...]] = {}
        for row in self.store.rows("SELECT step, done_on FROM steps ORDER BY done_on"):
            found[row["step"]] = (*found.get(row["step"], ()), date.fromisoformat(row["done_on"]))
        return found

    @property
    def deficiencies(self) -> bool:
        """Whether the DCC's review found any in the test artefacts."""
        return any(each.state == "rejected" for each in self.document_history())

    def facts(self) -> dict[str, Fact]:
        """What people said last, by key."""
        rows = self.store.rows("SELECT * FROM facts ORDER BY number")
        return {row["key"]: _fact(row) for row in rows}


@contextmanager
def open_project(path: Path) -> Iterator[Project]:
    """Open the project in a file.

    Raises:
        UsageError: there is none.
    """
    with Store(path) as store:
        yield Project(store)


def _status(test: Test, last: Execution | None, scripted: bool, raised: dict[int, Issue]) -> Status:
    if last is None or last.result is Result.NOT_RUN:
        return Status.READY if scripted and not test.not_testable else Status.NOT_RUN
    issue = raised.get(last.number)
    if last.result is not Result.PASSED and issue is not None and issue.status is IssueStatus.FIXED:
        return Status.READY  # to be tested again
    return Status(last.result.value)
