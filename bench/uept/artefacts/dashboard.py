"""The Test Execution Dashboard: daily, or as agreed with the DCC (6.1.6)."""

from __future__ import annotations

from datetime import datetime

from bench.uept import criteria, progress
from bench.uept.artefacts.common import answer, document, said
from bench.uept.artefacts.readiness import criteria_table
from bench.uept.artefacts.traceability import issues_table
from bench.uept.document import Chart, Document, Section, Text, table
from bench.uept.model import Result, Status
from bench.uept.project import Project
from bench.uept.working_days import day_of

TOP = 5
_PRIORITIES = ("high", "medium", "low")


def build(project: Project, now: datetime) -> Document:
    """The dashboard as things stand."""
    today = day_of(now)
    total, path = progress.counts(project), progress.glide_path(project, today)
    issues = project.issues()
    by_status, by_severity = progress.issues_by(issues)
    colour, why = progress.rag(project, today)
    regression = [each for each in project.executions() if each.regression]
    top = sorted(
        (each for each in project.raid() if each.closed_at is None and each.kind in ("risk", "issue")),
        key=lambda each: (_PRIORITIES.index(each.priority), each.severity or 9, each.number),
    )[:TOP]
    chart = Chart(
        "Glide path: tests planned, executed and passed",
        "tests",
        tuple(day.day for day in path),
        (
            ("planned", tuple(day.planned for day in path)),
            ("executed", tuple(day.executed for day in path)),
            ("passed", tuple(day.passed for day in path)),
        ),
    )
    days = [
        (day.day, day.planned, "" if day.executed is None else day.executed, *(day.results[each] for each in Result))
        for day in path
    ]
    sections = (
        said("TED-01", "Party under test", project.party),
        Section("TED-02", "Location of testing", (answer(project, "location"),)),
        said("TED-03", "Updated", f"{now:%Y-%m-%d %H:%M} UTC"),
        Section(
            "TED-04",
            "Tests scheduled, and the glide path",
            (Text(f"{total.due} executions, {progress.planned_by(project, today)} of them by today"), chart),
        ),
        Section(
            "TED-05",
            "Tests executed",
            (
                table(("Status", "Tests"), [(status.value, total.by_status[status]) for status in Status]),
                table(("Day", "Planned", "Executed", *(f"{each.value} that day" for each in Result)), days),
            ),
        ),
        Section("TED-06", "Testing Issues", (issues_table(project),)),
        Section(
            "TED-07",
            f"Testing Issues generated: {len(issues)}",
            (
                table(("TED-07.1 Status", "Issues"), [(s, by_status.get(s, 0)) for s in ("open", "fixed", "closed")]),
                table(("TED-07.2 Severity", "Issues"), sorted(by_severity.items())),
            ),
        ),
        Section(
            "TED-08",
            "Regression Tests",
            (
                table(("Result", "Executions"), [(r.value, sum(e.result is r for e in regression)) for r in Result])
                if regression
                else Text("None was executed."),
            ),
        ),
        Section("TED-09", "Progress against the exit criteria", (criteria_table(criteria.exit_(project)),)),
        Section(
            "TED-10",
            f"Top {TOP} risks and issues",
            (
                table(
                    ("No", "Kind", "Item", "Priority", "Environment", "Action taken"),
                    [(e.number, e.kind, e.title, e.priority, "yes" if e.environment else "no", e.action) for e in top],
                )
                if top
                else Text("None is open."),
            ),
        ),
        said("TED-11", "Overall status", f"{colour.upper()}: {why}"),
    )
    return document(project, now, "dashboard", "Test Execution Dashboard", "6.1.6", sections)
