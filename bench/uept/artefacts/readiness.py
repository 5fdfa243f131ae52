"""The Test Readiness Report: weekly from 40 Working Days before the start of testing (6.1.4)."""

from __future__ import annotations

from datetime import datetime

from bench.uept import criteria
from bench.uept.artefacts.common import answer, asked, document, percent, said
from bench.uept.document import Block, Document, Section, Table, Text, table
from bench.uept.project import Project

RAID_HEADINGS = ("No", "Kind", "Item", "Priority", "Severity", "Action taken", "Target close date", "RAG")


def build(project: Project, now: datetime) -> Document:
    """The report as things stand."""
    tests, scripts, documents = project.tests(), project.scripts(), project.documents()
    testable = [test for test in tests if test.due and not test.not_testable]
    untestable = [test for test in tests if test.due and test.not_testable]
    produced = {script.test for script in scripts if script.produced}
    begun = {script.test for script in scripts} - produced
    ready = {script.test for script in scripts if script.data_ready}
    names = {test.id for test in testable}
    linked = names & (produced | begun)

    def state(name: str) -> str:
        found = documents.get(name)
        return f"version {found.version}, {found.state} on {found.at:%Y-%m-%d}" if found else "not produced yet"

    all_scripts = {script.script: script.produced for script in scripts}
    planned = len({script.script for script in scripts if script.test in names}) + len(names - linked)
    done = sum(all_scripts.values())
    sections = (
        asked(project, "TRR-01", "Exit criteria of the previous test stage", "previous-stage"),
        asked(project, "TRR-02", "Test tool selected and available", "test-tool"),
        Section("TRR-03", "Risks, assumptions, issues and dependencies", raid(project)),
        said("TRR-04", "Test Plan", state("plan")),
        said("TRR-05", "Test Schedule (in the Test Plan)", state("plan")),
        said("TRR-06", "Requirements Traceability Matrix complete", percent(len(names & produced), len(testable))),
        Section(
            "TRR-07",
            "Requirements",
            (
                Text(f"{len(testable) + len(untestable)} requirements identified"),
                table(
                    ("Testable requirements", "Number"),
                    (
                        ("complete (derived)", len(names & produced)),
                        ("TRR-07.1 in progress", len(names & begun)),
                        ("TRR-07.2 not started", len(names - linked)),
                    ),
                ),
            ),
        ),
        Section(
            "TRR-08",
            "Requirements deemed not testable",
            (
                Text(str(len(untestable))),
                *((table(("Requirement", "Why"), [(t.id, t.not_testable) for t in untestable]),) if untestable else ()),
            ),
        ),
        Section(
            "TRR-09",
            "Test Scripts complete",
            (
                Text(percent(done, planned)),
                table(
                    ("Test Scripts", "Number"),
                    (
                        ("TRR-09.1 planned", planned),
                        ("TRR-09.2 produced", done),
                        ("TRR-09.3 in progress", len(all_scripts) - done),
                        ("TRR-09.4 not started", max(0, planned - len(all_scripts))),
                    ),
                ),
            ),
        ),
        said("TRR-10", "Test data ready, against planned Test Scripts", percent(len(names & ready), len(testable))),
        asked(project, "TRR-11", "Test resources and technical support", "resources"),
        Section(
            "TRR-12",
            "Test environment",
            (
                Text(f"TRR-12.1 User Roles identified: {project.role}"),
                Text("TRR-12.2 Configuration approved as suitable:"),
                answer(project, "environment-approved"),
                Text("TRR-12.2.1 Breakdown and description of hardware:"),
                answer(project, "hardware"),
            ),
        ),
        Section("5.4.3", "Entry criteria", (criteria_table(criteria.entry(project)),)),
    )
    return document(project, now, "readiness", "Test Readiness Report", "6.1.4", sections)


def raid(project: Project) -> tuple[Block, ...]:
    """The items that are open."""
    found = [each for each in project.raid() if each.closed_at is None]
    if not found:
        return (Text("None is open."),)
    rows = [
        (
            each.number,
            each.kind,
            each.title,
            each.priority,
            each.severity or "",
            each.action,
            each.target or "",
            each.rag,
        )
        for each in found
    ]
    return (table(RAID_HEADINGS, rows),)


def criteria_table(found: tuple[criteria.Criterion, ...]) -> Table:
    """Criteria with what they rest on."""
    return table(
        ("Criterion", "What it asks", "Met", "Why"),
        [(each.id, each.title, "yes" if each.met else "NO", each.why) for each in found],
    )
