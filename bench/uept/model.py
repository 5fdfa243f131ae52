"""The parts of a project, as they stand in its store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class Result(StrEnum):
    """How an execution ended (SEC Appendix R, 6.1.7)."""

    PASSED = "passed"
    FAILED = "failed"
    BLOCKED = "blocked"
    NOT_RUN = "not run"


class Status(StrEnum):
    """Where a test stands (6.1.6): the four results, and ready for test."""

    PASSED = "passed"
    FAILED = "failed"
    BLOCKED = "blocked"
    NOT_RUN = "not run"
    READY = "ready for test"


class IssueStatus(StrEnum):
    """Where a Testing Issue stands."""

    OPEN = "open"
    FIXED = "fixed"
    CLOSED = "closed"


SEVERITIES = {
    1: "Critical: systems cannot be used, data is lost, or all testing is blocked",
    2: "Major: large parts cannot be tested, or their use is much impaired",
    3: "Moderate: a work-around is there, and slows testing down",
    4: "Minor: small interruptions",
    5: "Minimal: cosmetic, or noted for later",
}
"""Of Testing Issues (Annex G, clause 12), in short."""


@dataclass(frozen=True, slots=True)
class Test:
    """One execution that the document asks for, in a project.

    Attributes:
        id: the requirement's id.
        test: the id without the kind of device: as the document's matrix counts.
        clause: where it stands.
        scenario: "IC01", "SR01" and so on.
        smets: "SMETS1", "SMETS2+" or "".
        variant: the Service Reference Variant; empty where it is about none.
        mandatory: whether completion depends on it.
        met_by: the requirement that stands for it; then it is not executed itself.
        planned_on: the day of the Test Schedule.
        not_testable: why it cannot be tested; empty if it can.
    """

    id: str
    test: str
    clause: str
    scenario: str
    title: str
    smets: str
    variant: str
    mandatory: bool
    met_by: str
    precondition: str
    planned_on: date | None
    not_testable: str

    @property
    def due(self) -> bool:
        """Whether the project is not complete without it."""
        return self.mandatory and not self.met_by


@dataclass(frozen=True, slots=True)
class Script:
    """A Test Script that covers a test.

    Attributes:
        test: the requirement's id.
        script: the runbook's name.
        produced: it is written; else it is in progress.
        data_ready: its test data is there.
    """

    test: str
    script: str
    produced: bool
    data_ready: bool


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution of a test.

    Attributes:
        number: in the project, from 1.
        cycle: how many executions of this test there have been, this one among them.
        at: when it ended, UTC.
        script: the runbook, or what was done by hand.
        reason: why it did not pass.
        run: the id of the bench's run; empty for one by hand.
        evidence: the bundle or file.
        sha256: of the bundle's manifest or of the file.
        real: on real devices and real time, so that it counts as compliance evidence.
        regression: a Regression Test.
        retest_of: the number of the Testing Issue whose fix it checks.
    """

    number: int
    test: str
    cycle: int
    result: Result
    at: datetime
    script: str
    reason: str
    run: str
    evidence: str
    sha256: str
    real: bool
    who: str
    regression: bool
    retest_of: int | None


@dataclass(frozen=True, slots=True)
class Issue:
    """A Testing Issue.

    Attributes:
        execution: the number of the execution that raised it.
        workaround: what Users do meanwhile.
        plan: the remediation: the next steps.
        target: when it is to be resolved.
        agreed_on: when the DCC agreed to work-around and plan.
        closed_by: the number of the retest that closed it.
    """

    number: int
    title: str
    severity: int
    status: IssueStatus
    raised_at: datetime
    execution: int
    workaround: str
    plan: str
    target: date | None
    agreed_on: date | None
    closed_by: int | None

    @property
    def outstanding(self) -> bool:
        """Whether no retest has closed it yet."""
        return self.status is not IssueStatus.CLOSED


@dataclass(frozen=True, slots=True)
class RaidItem:
    """A risk, assumption, issue or dependency of the project (6.1.4).

    Attributes:
        kind: "risk", "assumption", "issue" or "dependency".
        priority: "high", "medium" or "low".
        severity: of an issue.
        rag: "red", "amber" or "green", by progress against the plan.
        environment: it concerns the test environment.
    """

    number: int
    kind: str
    title: str
    priority: str
    severity: int | None
    action: str
    target: date | None
    rag: str
    environment: bool
    opened_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Suspension:
    """Testing suspended, with the Test Resumption Criteria (5.4.8).

    Attributes:
        by: "Party" or "DCC".
        actions: what has to be done.
        whom: by whom.
        due: by when.
        agreed: who of both sides agreed to resume.
    """

    number: int
    by: str
    since: datetime
    cause: str
    actions: str
    whom: str
    due: date
    resumed: datetime | None
    agreed: str


@dataclass(frozen=True, slots=True)
class DocumentState:
    """A state of a version of a document of the project.

    Attributes:
        state: "draft", "submitted", "approved" or "rejected".
    """

    name: str
    version: int
    state: str
    at: datetime
    who: str
    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Fact:
    """What only people know, as somebody said it last."""

    key: str
    value: str
    at: datetime
    who: str
