"""A project: the User Entry Process Tests of one Party in one User Role, read from its store.

`changes` writes to it. Times are UTC, days those of the Party's calendar.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from sqlite3 import Row

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
from bench.uept.store import Store


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


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
        return tuple(_raid(row) for row in self.store.rows("SELECT * FROM raid ORDER BY number"))

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
        return {row["key"]: Fact(row["key"], row["value"], _at(row["at"]), row["who"]) for row in rows}


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


def _test(row: Row) -> Test:
    return Test(
        id=row["id"],
        test=row["test"],
        clause=row["clause"],
        scenario=row["scenario"],
        title=row["title"],
        smets=row["smets"],
        variant=row["variant"],
        mandatory=bool(row["mandatory"]),
        met_by=row["met_by"],
        precondition=row["precondition"],
        planned_on=_day(row["planned_on"]),
        not_testable=row["not_testable"],
    )


def _execution(row: Row) -> Execution:
    return Execution(
        number=row["number"],
        test=row["test"],
        cycle=row["cycle"],
        result=Result(row["result"]),
        at=_at(row["at"]),
        script=row["script"],
        reason=row["reason"],
        run=row["run"],
        evidence=row["evidence"],
        sha256=row["sha256"],
        real=bool(row["real"]),
        who=row["who"],
        regression=bool(row["regression"]),
        retest_of=row["retest_of"],
    )


def _issue(row: Row) -> Issue:
    return Issue(
        number=row["number"],
        title=row["title"],
        severity=row["severity"],
        status=IssueStatus(row["status"]),
        raised_at=_at(row["raised_at"]),
        execution=row["execution"],
        workaround=row["workaround"],
        plan=row["plan"],
        target=_day(row["target"]),
        agreed_on=_day(row["agreed_on"]),
        closed_by=row["closed_by"],
    )


def _raid(row: Row) -> RaidItem:
    return RaidItem(
        number=row["number"],
        kind=row["kind"],
        title=row["title"],
        priority=row["priority"],
        severity=row["severity"],
        action=row["action"],
        target=_day(row["target"]),
        rag=row["rag"],
        environment=bool(row["environment"]),
        opened_at=_at(row["opened_at"]),
        closed_at=_moment(row["closed_at"]),
    )


def _suspension(row: Row) -> Suspension:
    return Suspension(
        number=row["number"],
        by=row["by"],
        since=_at(row["since"]),
        cause=row["cause"],
        actions=row["actions"],
        whom=row["whom"],
        due=date.fromisoformat(row["due"]),
        resumed=_moment(row["resumed"]),
        agreed=row["agreed"],
    )


def _document(row: Row) -> DocumentState:
    return DocumentState(
        row["name"], row["version"], row["state"], _at(row["at"]), row["who"], row["path"], row["sha256"]
    )
