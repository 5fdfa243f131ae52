"""The Requirements Traceability Matrix: requirement, Test Script, cycles, result, evidence, issues (6.1.8)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bench.uept.artefacts.common import document
from bench.uept.document import Block, Document, Section, Text, Value, table
from bench.uept.project import Project


def build(project: Project, now: datetime) -> Document:
    """The matrix; what is not covered comes first."""
    tests, executions, issues = project.tests(), project.executions(), project.issues()
    statuses = project.statuses()
    scripts: dict[str, list[str]] = {}
    for script in project.scripts():
        scripts.setdefault(script.test, []).append(script.script)
    of_execution = {each.number: each for each in executions}
    raised: dict[str, list[str]] = {}
    for issue in issues:
        raised.setdefault(of_execution[issue.execution].test, []).append(f"#{issue.number} {issue.status}")
    cycles: dict[str, list[str]] = {}
    evidence: dict[str, str] = {}
    for each in executions:
        cycles.setdefault(each.test, []).append(f"{each.cycle}: {each.result}" + ("" if each.real else " (rehearsal)"))
        evidence[each.test] = each.evidence
    uncovered = [
        (t.id, t.title, t.not_testable or "no Test Script yet") for t in tests if t.due and t.id not in scripts
    ]
    forward = [
        (
            test.id,
            test.title,
            "yes" if test.due else (f"met by {test.met_by}" if test.met_by else "optional"),
            ", ".join(scripts.get(test.id, ())),
            "; ".join(cycles.get(test.id, ())),
            statuses[test.id].value,
            evidence.get(test.id, ""),
            ", ".join(raised.get(test.id, ())),
        )
        for test in sorted(tests, key=lambda test: test.id in scripts or not test.due)
    ]
    back: dict[str, list[str]] = {}
    for test_id, names in scripts.items():
        for name in names:
            back.setdefault(name, []).append(test_id)
    sections = (
        Section(
            "",
            "Not covered",
            (_or_none(("Requirement", "Title", "Why"), uncovered, "Each requirement has a Test Script."),),
        ),
        Section(
            "TT-1",
            "Requirements to Test Scripts, cycles, results, evidence and issues",
            (
                table(
                    ("Requirement", "Title", "Required", "Test Scripts", "Cycles", "Status", "Evidence", "Issues"),
                    forward,
                ),
            ),
        ),
        Section(
            "TT-2",
            "Test Scripts to requirements",
            (
                _or_none(
                    ("Test Script", "Requirements"), [(k, ", ".join(v)) for k, v in sorted(back.items())], "None yet."
                ),
            ),
        ),
        Section("TT-3", "Executions", (executions_table(project),)),
        Section("TT-4", "Testing Issues, the tests that raised them, and retests", (issues_table(project),)),
    )
    return document(project, now, "traceability", "Requirements Traceability Matrix", "6.1.8", sections)


def _or_none(headings: tuple[str, ...], rows: Sequence[Sequence[Value]], none: str) -> Block:
    return table(headings, rows) if rows else Text(none)


def executions_table(project: Project) -> Block:
    """Every execution with its result."""
    rows = [
        (
            each.number,
            each.test,
            each.cycle,
            each.result.value,
            each.at,
            each.script,
            each.reason,
            f"#{each.retest_of}" if each.retest_of else ("regression" if each.regression else ""),
            each.evidence,
            each.sha256,
            "yes" if each.real else "no",
            each.who,
        )
        for each in project.executions()
    ]
    headings = (
        "No",
        "Requirement",
        "Cycle",
        "Result",
        "At",
        "Test Script",
        "Reason",
        "Retest",
        "Evidence",
        "SHA-256",
        "Real",
        "By",
    )
    return _or_none(headings, rows, "None yet.")


def issues_table(project: Project) -> Block:
    """Every Testing Issue."""
    of_execution = {each.number: each for each in project.executions()}
    rows = [
        (
            each.number,
            each.title,
            each.severity,
            each.status.value,
            each.raised_at,
            f"{each.execution} ({of_execution[each.execution].test})",
            ", ".join(
                f"{retest.number} {retest.result}"
                for retest in of_execution.values()
                if retest.retest_of == each.number
            ),
            each.workaround,
            each.plan,
            each.target or "",
            each.agreed_on or "",
        )
        for each in project.issues()
    ]
    headings = (
        "No",
        "Issue",
        "Severity",
        "Status",
        "Raised",
        "By execution",
        "Retests",
        "Work-around",
        "Plan",
        "Target",
        "Agreed",
    )
    return _or_none(headings, rows, "None.")
