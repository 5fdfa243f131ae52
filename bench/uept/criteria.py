"""Entry and exit criteria: which are met, which are not, and why (SEC Appendix R, 5.4.3 and 5.4.12, Tables 4 and 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.uept.model import Issue, Status
from bench.uept.project import Project

THRESHOLDS = {1: 0, 2: 0, 3: 5, 4: 10}
"""Table 4: how many Testing Issues of a severity may be outstanding, per Party and User Role (decision 78)."""
AGREED_SEVERITY = 5
"""Of this severity as many as agreed with the DCC."""

_ENTRY_DOCUMENTS = {
    "EN-3.1": ("notification", "notification of the intention to test"),
    "EN-3.2": ("readiness", "Test Readiness Report"),
    "EN-3.3": ("plan", "Test Plan with the Test Schedule"),
    "EN-3.4": ("traceability", "Requirements Traceability Matrix"),
    "EN-3.5": ("scripts", "Test Scripts"),
    "EN-3.6": ("data-plan", "Test Data Plan"),
}
_EXIT_DOCUMENTS = ("plan", "traceability", "scripts", "dashboard")
"""Marked for the exit in Table 5 beside the completion report, in a current version (decision 82)."""
_EVIDENCE_ROUTE = "additive-evidence"


@dataclass(frozen=True, slots=True)
class Criterion:
    """A criterion, judged.

    Attributes:
        id: as in the document's list, counted.
        title: in short.
        met: whether it is.
        why: what it rests on, or what is missing.
    """

    id: str
    title: str
    met: bool
    why: str


def entry(project: Project) -> tuple[Criterion, ...]:
    """The entry criteria (5.4.3)."""
    facts = project.facts()

    def fact(criterion: str, title: str, key: str) -> Criterion:
        said = facts.get(key)
        return Criterion(
            criterion, title, said is not None, f"{said.value} ({said.who})" if said else f"not said: {key}"
        )

    return (
        fact("EN-1", "The Party has acceded to the SEC", "acceded"),
        Criterion("EN-2", "The User Role is identified", True, project.role),
        *(_approved(project, number, name, title) for number, (name, title) in _entry_documents(project)),
        fact("EN-4", "A test environment is established and available", "environment-evidence"),
        fact("EN-5", "Resources are available", "resources-evidence"),
        fact("EN-6", "The security requirements are met", "security-confirmation"),
    )


def _entry_documents(project: Project) -> Iterator[tuple[str, tuple[str, str]]]:
    for number, (name, title) in _ENTRY_DOCUMENTS.items():
        if name == "scripts" and project.population == _EVIDENCE_ROUTE:
            continue  # by evidence, without Test Scripts (decision 90)
        yield number, (name, title)


def _approved(project: Project, number: str, name: str, title: str) -> Criterion:
    document = project.documents().get(name)
    title = f"The {title} is approved by the DCC"
    if document is None:
        return Criterion(number, title, False, "there is none")
    why = f"version {document.version} {document.state} on {document.at:%Y-%m-%d} ({document.who})"
    return Criterion(number, title, document.state == "approved", why)


def exit_(project: Project) -> tuple[Criterion, ...]:
    """The exit criteria (5.4.12), and the documents that Table 5 marks for the exit."""
    judged: tuple[Callable[[Project], Criterion], ...] = (_executed, _passed, _issues, _planned, _thresholds)
    documents = [name for name in _EXIT_DOCUMENTS if name != "scripts" or project.population != _EVIDENCE_ROUTE]
    gate = project.facts().get("exit-gate")
    said = f"{gate.value} ({gate.who})" if gate else "not said: exit-gate"
    return (
        *(judge(project) for judge in judged),
        _approved(project, "EX-4", "completion", "Test Completion Report"),
        Criterion("EX-5", "The exit quality gate was held, with progress approved", gate is not None, said),
        *(_current(project, name) for name in documents),
    )


def met(criteria: tuple[Criterion, ...]) -> bool:
    """Whether all of them are met."""
    return all(each.met for each in criteria)


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown


def _executed(project: Project) -> Criterion:
    """All tests executed; a test that is not run, or blocked, is not (decision 77)."""
    statuses = project.statuses()
    open_ = [
        test.id
        for test in project.tests()
        if test.due and statuses[test.id] in (Status.NOT_RUN, Status.READY, Status.BLOCKED)
    ]
    title = "All tests are executed, with documented results and evidence"
    bare = [each.test for each in project.counted().values() if not each.evidence]
    if open_:
        return Criterion("EX-1", title, False, f"{len(open_)} not executed: {_some(open_)}")
    if bare:
        return Criterion("EX-1", title, False, f"{len(bare)} without evidence: {_some(bare)}")
    return Criterion("EX-1", title, True, f"{sum(test.due for test in project.tests())} executed")


def _passed(project: Project) -> Criterion:
    """A failed test has to have a Testing Issue: only then is it accounted for (6.1.8)."""
    raised = {each.execution for each in project.issues()}
    statuses, last = project.statuses(), project.counted()
    loose = [
        test.id
        for test in project.tests()
        if test.due and statuses[test.id] is Status.FAILED and last[test.id].number not in raised
    ]
    why = f"{len(loose)} failed without one: {_some(loose)}" if loose else "each failed test has its Testing Issue"
    return Criterion("EX-2", "All Testing Issues are recorded", not loose, why)


def _issues(project: Project) -> Criterion:
    closed = [each for each in project.issues() if not each.outstanding]
    unproven = [f"#{each.number}" for each in closed if each.closed_by is None]
    why = f"closed without a retest: {_some(unproven)}" if unproven else f"{len(closed)} fixed and verified by retest"
    return Criterion("EX-2.1", "Closed Testing Issues were verified by retest", not unproven, why)


def _planned(project: Project) -> Criterion:
    outstanding = [each for each in project.issues() if each.outstanding]
    lacking = [f"#{each.number} ({lack})" for each in outstanding if (lack := _lack(each))]
    why = f"incomplete: {_some(lacking)}" if lacking else f"{len(outstanding)} outstanding, all in an agreed plan"
    return Criterion(
        "EX-2.2", "Outstanding Testing Issues are in a remediation plan agreed by the DCC", not lacking, why
    )


def _lack(issue: Issue) -> str:
    lacking = []
    if not issue.plan:
        lacking.append("no plan")
    if issue.target is None:
        lacking.append("no target date")
    if issue.severity in (3, 4) and not issue.workaround:
        lacking.append("no work-around")
    if issue.agreed_on is None:
        lacking.append("not agreed with the DCC")
    return ", ".join(lacking)


def _thresholds(project: Project) -> Criterion:
    agreed = project.facts().get("severity-5-agreed")
    limits: dict[int, int | None] = dict(THRESHOLDS)
    limits[AGREED_SEVERITY] = int(agreed.value) if agreed else None
    outstanding = [each for each in project.issues() if each.outstanding]
    counted = {severity: sum(each.severity == severity for each in outstanding) for severity in limits}
    over = []
    for severity, limit in limits.items():
        if limit is None and counted[severity]:
            over.append(f"severity {severity}: {counted[severity]}, and no number agreed with the DCC")
        elif limit is not None and counted[severity] > limit:
            over.append(f"severity {severity}: {counted[severity]}, at most {limit}")
    found = "; ".join(over) or ", ".join(f"severity {severity}: {number}" for severity, number in counted.items())
    return Criterion("EX-3", "Outstanding Testing Issues are within Table 4", not over, found)


def _current(project: Project, name: str) -> Criterion:
    document = project.documents().get(name)
    title = f"Table 5: the {name} is there in a current version"
    if document is None:
        return Criterion(f"T5/{name}", title, False, "there is none")
    last = max((each.at for each in project.executions()), default=None)
    stale = name in ("traceability", "dashboard") and last is not None and document.at < last
    state = f"version {document.version} {document.state} on {document.at:%Y-%m-%d}"
    if stale:
        return Criterion(f"T5/{name}", title, False, f"{state}: results were recorded since")
    fit = document.state in ("submitted", "approved")
    return Criterion(f"T5/{name}", title, fit, state if fit else f"{state}, not submitted")
