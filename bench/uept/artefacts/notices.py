"""Short documents: notification, acknowledgement, suspension report and the draft of the certificate."""

from __future__ import annotations

from datetime import datetime

from bench.uept import criteria
from bench.uept.artefacts.common import about, answer, asked, document, said
from bench.uept.document import Document, Missing, Section, Text, table
from bench.uept.model import Status
from bench.uept.project import Project


def notification(project: Project, now: datetime) -> Document:
    """The Party's notification of its intention to test (5.4.2.1)."""
    sections = (
        said("PN-1", "Name of the Party", project.party),
        Section(
            "PN-2",
            "User Roles, and the notification of the Code Administrator",
            (Text(f"User Role: {project.role}"), answer(project, "code-administrator-told")),
        ),
        said("PN-3", "Test start date", str(project.test_start)),
        asked(project, "PN-4", "Test manager and contact details", "test-manager"),
    )
    title = "Notification of the Intention to Undertake Testing"
    return document(project, now, "notification", title, "5.4.2.1", sections)


def acknowledgement(project: Project, now: datetime) -> Document:
    """The DCC's acknowledgement of the notification (5.4.2.2)."""
    sections = (
        said("AK-1", "Name of the Party", project.party),
        said("AK-2", "User Roles and test start date", f"{project.role}, {project.test_start}"),
        asked(project, "AK-3", "The DCC's test manager", "dcc-test-manager"),
        asked(project, "AK-4", "Date of the initiation meeting", "initiation-meeting"),
    )
    title = "Acknowledgement of the Intention to Undertake Testing"
    return document(project, now, "acknowledgement", title, "5.4.2.2", sections)


def suspension(project: Project, now: datetime) -> Document:
    """The suspension report with the Test Resumption Criteria (5.4.8)."""
    found = project.suspensions()
    sections = [
        Section(
            "",
            f"Suspension {each.number}, by the {each.by}, since {each.since:%Y-%m-%d}",
            (
                table(
                    ("Field", "Content"),
                    (
                        ("Cause", each.cause),
                        ("Actions to be taken", each.actions),
                        ("By whom", each.whom),
                        ("By when", each.due),
                        ("Resumed", f"{each.resumed:%Y-%m-%d}, agreed by {each.agreed}" if each.resumed else "not yet"),
                    ),
                ),
            ),
        )
        for each in found
    ]
    sections = sections or [said("", "No suspension", "Testing was not suspended.")]
    return document(project, now, "suspension", "Test Suspension Report", "5.4.8", sections)


def certificate(project: Project, now: datetime) -> Document:
    """The draft of the Test Completion Certificate: the DCC issues the real one (5.4.14, Annex E)."""
    certified, not_yet = certified_variants(project)
    whole = criteria.met(criteria.exit_(project))
    notes = ["DRAFT for the DCC to issue. It certifies nothing."]
    if not whole:
        notes.append("The exit criteria are not met: see the Test Completion Report.")
    listed = ", ".join(certified) or "none"
    sections = [
        Section(
            "", "To and from", (Text(f"To: {project.party}"), Text("From: the DCC"), Text(f"Date: {now:%Y-%m-%d}"))
        ),
        Section(
            "",
            "TEST COMPLETE CERTIFICATE",
            (
                Text(f"Test: User Entry Process Tests of the User Role {project.role} ({project.population})."),
                Text(f"Service Requests for which testing is complete: {listed}."),
                Text(f"The Exit Criteria {'have' if whole else 'have not'} been achieved in respect of these tests."),
                *(Text(f"{key}: {value}") for key, value in about(project)[:2]),
            ),
        ),
        Section("", "Signed on behalf of the DCC: name and position", (answer(project, "certificate-signatory"),)),
    ]
    if not_yet:
        lacking = Missing(f"Not complete: {', '.join(not_yet)}.", "Their tests have to pass first.")
        sections.insert(2, Section("", "Service Requests that are not complete", (lacking,)))
    return document(project, now, "certificate", "TEST COMPLETION CERTIFICATE", "5.4.14, 10", sections, notes)


def certified_variants(project: Project) -> tuple[list[str], list[str]]:
    """Service Reference Variants of which every required test passed, and the others that have one (decision 8)."""
    statuses = project.statuses()
    passed: dict[str, bool] = {}
    for test in project.tests():
        if test.variant and test.due:
            passed[test.variant] = passed.get(test.variant, True) and statuses[test.id] is Status.PASSED
    return [name for name, good in passed.items() if good], [name for name, good in passed.items() if not good]
