"""What the documents share: who they are about, and answers that are there or missing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bench.ctsd.tables import Role, footer
from bench.uept.document import Block, Document, Missing, Section, Text
from bench.uept.project import Project
from bench.uept.questions import question

REHEARSAL = "REHEARSAL: results of emulated rigs count here. This document is not fit for the DCC."


def about(project: Project) -> tuple[tuple[str, str], ...]:
    """Party, User Role and dates."""
    return (
        ("Party", project.party),
        ("User Role", project.role),
        ("Population", project.population),
        ("Testing", f"{project.test_start} to {project.test_end}"),
    )


def document(
    project: Project,
    now: datetime,
    name: str,
    title: str,
    clause: str,
    sections: Sequence[Section],
    notes: Sequence[str] = (),
) -> Document:
    """A document about a project."""
    said = (*((REHEARSAL,) if project.rehearsal else ()), *notes)
    return Document(name, title, clause, about(project), now, said, tuple(sections))


def answer(project: Project, key: str) -> Block:
    """What somebody said, or that it is missing."""
    said = project.facts().get(key)
    if said is None:
        return Missing(question(key).text, f"hilbench uept say PROJECT {key} TEXT --by NAME")
    return Text(f"{said.value} ({said.who}, {said.at:%Y-%m-%d})")


def asked(project: Project, item: str, title: str, key: str) -> Section:
    """A section that one answer fills."""
    return Section(item, title, (answer(project, key),))


def said(item: str, title: str, text: str) -> Section:
    """A section of one paragraph."""
    return Section(item, title, (Text(text),))


def percent(part: int, whole: int) -> str:
    """A share in words."""
    return f"{part} of {whole} ({100 * part / whole:.0f} %)" if whole else "0 of 0"


def role_clauses(project: Project) -> tuple[str, ...]:
    """The clauses of SEC Appendix R that hold tests of this project's role."""
    found = dict.fromkeys(test.clause for test in project.tests())
    return tuple(found) or (footer(Role(project.role)).clause,)
