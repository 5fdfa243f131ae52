"""The Test Plan with its Test Schedule, the list of Test Scripts, and the Test Data Plan (6.1.5, 6.1.9, 7)."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime

from bench.ctsd.tables import Role, cells, footer
from bench.duis.service_requests import service_request
from bench.uept.artefacts.common import answer, asked, document, role_clauses, said
from bench.uept.document import Document, Section, Text, table
from bench.uept.progress import counts
from bench.uept.project import Project


def plan(project: Project, now: datetime) -> Document:
    """The Test Plan (6.1.5)."""
    tests, total = project.tests(), counts(project)
    due = [test for test in tests if test.due]
    of_clause = Counter(test.clause for test in due)
    of_scenario = Counter(test.scenario for test in due)
    by_day: dict[date, list[str]] = {}
    for test in due:
        if test.planned_on is not None:
            by_day.setdefault(test.planned_on, []).append(test.id)
    scope = (
        f"User Entry Process Tests of {project.party} in the User Role {project.role} ({project.population}): "
        f"{total.tests} tests as the document counts them, {total.due} executions, {total.optional} optional ones."
    )
    left_out = [
        (test.id, test.not_testable or f"met by {test.met_by}") for test in tests if test.not_testable or test.met_by
    ]
    sections = (
        said("TP-1", "Scope of testing", scope),
        Section(
            "TP-2",
            "Out of the scope of testing",
            (
                answer(project, "out-of-scope"),
                *((table(("Requirement", "Why it is not executed itself"), left_out),) if left_out else ()),
            ),
        ),
        Section(
            "TP-3",
            "Features to be tested",
            (
                table(
                    ("Clause of SEC Appendix R", "Executions"),
                    [(each, of_clause[each]) for each in role_clauses(project)],
                ),
                table(("Scenario", "Executions"), sorted(of_scenario.items())),
                *_printed(project),
            ),
        ),
        asked(project, "TP-4", "Approach to testing", "approach"),
        Section(
            "TP-5",
            "Test Schedule",
            (
                table(
                    ("Day", "Executions", "Tests"),
                    [(day, len(names), ", ".join(names)) for day, names in sorted(by_day.items())],
                ),
            ),
        ),
        asked(project, "TP-6", "Resources", "resources"),
    )
    return document(project, now, "plan", "Test Plan with Test Schedule", "6.1.5", sections)


def _printed(project: Project) -> tuple[Text, ...]:
    """Where the document's own total of the matrix differs from its cells, both."""
    role = Role(project.role)
    printed, found = footer(role).tests, sum(cell.mark.mandatory for cell in cells(role))
    if project.population != "new" or printed == found:
        return ()
    reasons = " ".join(each.reason for each in footer(role).differences)
    return (Text(f"The matrix has {found} cells to be tested; its footer prints {printed}. {reasons}"),)


def scripts(project: Project, now: datetime) -> Document:
    """The Test Scripts, with the requirements that each of them covers (6.1.9)."""
    covered: dict[str, list[str]] = {}
    state: dict[str, str] = {}
    for each in project.scripts():
        covered.setdefault(each.script, []).append(each.test)
        state[each.script] = "produced" if each.produced else "in progress"
    rows = [(name, state[name], len(names), ", ".join(names)) for name, names in covered.items()]
    linked = {each.test for each in project.scripts()}
    bare = [(test.id, test.title) for test in project.tests() if test.due and test.id not in linked]
    sections = [Section("TS-1", "Test Scripts", (table(("Test Script", "State", "Requirements", "Which"), rows),))]
    if bare:
        sections.insert(0, Section("", "Requirements without a Test Script", (table(("Requirement", "Title"), bare),)))
    return document(project, now, "scripts", "Test Scripts", "6.1.9", sections)


def data_plan(project: Project, now: datetime) -> Document:
    """The Test Data Plan: which data, of what type, from whom, when (7)."""
    first: dict[str, date | None] = {}
    for test in project.tests():
        if test.due and test.variant:
            days = [day for day in (first.get(test.variant), test.planned_on) if day is not None]
            first[test.variant] = min(days, default=None)
    ready = {script.test for script in project.scripts() if script.data_ready}
    lacking = Counter(test.variant for test in project.tests() if test.due and test.variant and test.id not in ready)
    rows = [
        (
            variant,
            service_request(variant).name,
            ", ".join(service_request(variant).device_types) or "the DCC",
            day or "",
            "ready" if not lacking[variant] else f"{lacking[variant]} tests without",
        )
        for variant, day in first.items()
    ]
    preconditions = [(test.id, test.precondition) for test in project.tests() if test.due and test.precondition]
    sections = (
        asked(project, "TD-1", "No personal data", "no-personal-data"),
        asked(project, "TD-2", "Representative of live data", "representative-data"),
        Section(
            "TD-3",
            "The range of test data: every service to be tested",
            (table(("Variant", "Service Request", "Devices", "Needed from", "State"), rows),),
        ),
        Section("TD", "Who provides it, and when", (answer(project, "data-owner"),)),
        Section("", "What the data must be for single tests", (table(("Requirement", "Precondition"), preconditions),)),
    )
    return document(project, now, "data-plan", "Test Data Plan", "7", sections)
