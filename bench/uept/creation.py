"""Making a project: every test that SEC Appendix R asks of a role, spread over the days of testing."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

from bench.ctsd.populations import NO_AGREEMENTS, Agreements, Population
from bench.ctsd.requirements import requirements
from bench.ctsd.tables import Role
from bench.errors import UsageError
from bench.uept.changes import Changes, test_days
from bench.uept.project import Project
from bench.uept.store import Store
from bench.uept.working_days import add_working_days


def create(
    path: Path,
    party: str,
    role: Role,
    population: Population,
    start: date,
    days: int,
    *,
    who: str,
    now: datetime,
    rehearsal: bool = False,
    agreements: Agreements = NO_AGREEMENTS,
) -> None:
    """Make a project with every test that the document asks of its role.

    Args:
        path: of its file.
        party: the Party's name.
        role: its User Role.
        population: why it tests.
        start: of testing.
        days: how many Working Days testing is planned to take.
        who: makes it.
        now: UTC.
        rehearsal: evidence of emulated rigs counts.
        agreements: with the DCC, beside the document.

    Raises:
        UsageError: the file is there, a name is empty, or the calendar does not know a year.
    """
    if not party.strip():
        raise UsageError("whose tests are these?", next_step="Give --party NAME")
    if not who.strip():
        raise UsageError("who makes this project?", next_step="Give --by NAME")
    first = add_working_days(start, 0)
    end = add_working_days(first, max(0, days - 1))
    test_days(start, end)
    required = requirements(role, population, agreements)
    with Store(path, create=True) as store:
        meta = {
            "party": party.strip(),
            "role": role.value,
            "population": population.value,
            "rehearsal": "yes" if rehearsal else "no",
            "no_local_commands": "yes" if agreements.no_local_commands else "no",
            "test_start": start.isoformat(),
            "test_end": end.isoformat(),
        }
        with store.change():
            for key, value in meta.items():
                store.insert("meta", {"key": key, "value": value})
            for position, each in enumerate(required):
                store.insert(
                    "tests",
                    {
                        "id": each.id,
                        "test": each.test,
                        "clause": each.clause,
                        "scenario": each.scenario,
                        "title": each.title,
                        "smets": each.smets.value if each.smets else "",
                        "variant": each.cell.variant if each.cell else "",
                        "mandatory": int(each.mandatory),
                        "met_by": each.met_by,
                        "precondition": each.precondition,
                        "position": position,
                    },
                )
        Changes(Project(store), who, now).set_dates(start, end)
