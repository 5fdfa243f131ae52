"""The Test Completion Report, draft and final, with the exit criteria (6.1.7)."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from bench.uept import criteria, progress
from bench.uept.artefacts.common import answer, document, said
from bench.uept.artefacts.readiness import criteria_table
from bench.uept.artefacts.traceability import issues_table
from bench.uept.document import Block, Document, Missing, Section, Text, table
from bench.uept.model import Result, Status
from bench.uept.project import Project

_STATUSES = (Status.PASSED, Status.FAILED, Status.BLOCKED, Status.NOT_RUN)


def build(project: Project, now: datetime) -> Document:
    """The report as things stand; "ready for test" counts as not run here (decision 79)."""
    total = progress.counts(project)
    by_status, by_severity = progress.issues_by(project.issues())
    results = dict(total.by_status)
    results[Status.NOT_RUN] += results.pop(Status.READY)
    executions = project.executions()
    runs = Counter((each.run or f"by {each.who}", each.result) for each in executions)
    names = list(dict.fromkeys(each.run or f"by {each.who}" for each in executions))
    scope = (
        f"{total.tests} tests, {total.due} executions, {total.optional} optional ones, of the User Role {project.role}."
    )
    by_run = table(
        ("Run", *(each.value for each in Result)), [(name, *(runs[name, each] for each in Result)) for name in names]
    )
    sections = (
        Section("TCR-1", "Approach and scope of the testing undertaken", (Text(scope), answer(project, "approach"))),
        Section("TCR-2", "Updates made to the test environment", (answer(project, "environment-updates"),)),
        Section(
            "TCR-3",
            "Summary of the results",
            (table(("Status", "Tests"), [(status.value, results[status]) for status in _STATUSES]),),
        ),
        said("TCR-4", "Tests originally scheduled", str(total.due)),
        Section(
            "TCR-5",
            f"Tests executed: {total.executed}",
            (
                Text("TCR-5.1, by run:"),
                by_run,
                Text(f"TCR-5.2, overall: {total.passed} of {total.due} passed. TCR-5.3: see TCR-3."),
            ),
        ),
        Section("TCR-6", "Tests not run, blocked or not successful, with the explanation", _explained(project)),
        Section("TCR-7", "Testing Issues", (issues_table(project),)),
        Section(
            "TCR-8",
            f"Testing Issues generated: {len(project.issues())}",
            (
                table(("TCR-8.1 Status", "Issues"), [(s, by_status.get(s, 0)) for s in ("open", "fixed", "closed")]),
                table(("TCR-8.2 Severity", "Issues"), sorted(by_severity.items())),
            ),
        ),
        Section("5.4.12", "Exit criteria", (criteria_table(criteria.exit_(project)),)),
    )
    return document(project, now, "completion", "Test Completion Report", "6.1.7", sections)


def _explained(project: Project) -> tuple[Block, ...]:
    statuses, last = project.statuses(), project.counted()
    rows, lacking = [], []
    for test in project.tests():
        if not test.due or statuses[test.id] is Status.PASSED:
            continue
        execution = last.get(test.id)
        reason = execution.reason if execution else test.not_testable
        rows.append((test.id, statuses[test.id].value, reason or "no explanation yet"))
        if not reason:
            lacking.append(test.id)
    if not rows:
        return (Text("All tests were executed and passed."),)
    found: list[Block] = [table(("Requirement", "Status", "Explanation"), rows)]
    if lacking:
        question = f"Why were {len(lacking)} tests not executed?"
        found.append(Missing(question, "hilbench uept result PROJECT TEST 'not run' --reason TEXT --by NAME"))
    return tuple(found)
