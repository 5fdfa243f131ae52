"""`hilbench uept`: the project of a Party's User Entry Process Tests, its results, documents and gates."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.common import JSON, say
from bench.cli.uept_common import (
    DAY,
    POPULATIONS,
    ROLES,
    by_option,
    changing,
    now,
    open_,
    person,
    print_rows,
    project_argument,
    table,
)
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.uept.project import Project


@click.command("new")
@project_argument
@click.option("--party", required=True, help="Whose tests these are.")
@click.option("--role", type=click.Choice(ROLES), required=True)
@click.option("--population", type=click.Choice(POPULATIONS), default="new", show_default=True)
@click.option("--start", type=DAY, required=True, help="The first day of testing.")
@click.option("--days", type=click.IntRange(1, 500), default=20, show_default=True, help="Working Days of testing.")
@click.option("--rehearsal", is_flag=True, help="Count results of emulated rigs: nothing of it is fit for the DCC.")
@click.option("--no-local-commands", is_flag=True, help="Agreed with the DCC: CV1 stands for CV2 and CV3 (ED, GT).")
@by_option
def new(
    path: Path,
    party: str,
    role: str,
    population: str,
    start: date,
    days: int,
    rehearsal: bool,
    no_local_commands: bool,
    by: str,
) -> None:
    """Make PROJECT, a file with every test that SEC Appendix R asks of a User Role."""
    from bench.ctsd.populations import Agreements, Population
    from bench.ctsd.tables import Role
    from bench.uept.creation import create

    create(
        path,
        party,
        Role(role),
        Population(population),
        start,
        days,
        who=person(by),
        now=now(),
        rehearsal=rehearsal,
        agreements=Agreements(no_local_commands),
    )
    with open_(path) as project:
        _tell(project, as_json=False)


@click.command("status")
@project_argument
@JSON
def status(path: Path, as_json_: bool) -> None:
    """Say how far PROJECT is, and what is due next."""
    with open_(path) as project:
        _tell(project, as_json=as_json_)


def _tell(project: Project, *, as_json: bool) -> None:
    from bench.uept import criteria, procedure, progress
    from bench.uept.working_days import day_of

    today = day_of(now())
    total, (colour, why) = progress.counts(project), progress.rag(project, today)
    dues = procedure.calendar(project.population, project.dates, project.done(), deficiencies=project.deficiencies)
    following = procedure.next_due(dues, today)[:3]
    met = sum(each.met for each in criteria.exit_(project))
    if as_json:
        document = {
            "project": project.name,
            "rehearsal": project.rehearsal,
            "tests": total.tests,
            "executions": total.due,
            "optional": total.optional,
            "by_status": {status.value: number for status, number in total.by_status.items()},
            "rag": colour,
            "why": why,
            "next": [{"step": due.step.id, "title": due.step.title, "on": str(due.expected)} for due in following],
        }
        say(json.dumps(document, indent=2))
        return
    kind = ", REHEARSAL" if project.rehearsal else ""
    say(f"{project.name}{kind}: testing {project.test_start} to {project.test_end}")
    say(f"  {total.tests} tests, {total.due} executions, {total.optional} optional")
    say("  " + ", ".join(f"{number} {status.value}" for status, number in total.by_status.items()))
    say(f"  {colour.upper()}: {why}")
    say(f"  {met} of {len(criteria.exit_(project))} exit criteria met (`hilbench uept gate`)")
    for due in following:
        late = ", LATE" if due.late(today) else ""
        say(f"  next: {due.expected}{late}  {due.step.id}  {due.step.by}: {due.step.title}")


@click.command("tests")
@project_argument
@click.option(
    "--status", "wanted", help="Only those that stand so: passed, failed, blocked, 'not run', 'ready for test'."
)
@JSON
def tests(path: Path, wanted: str | None, as_json_: bool) -> None:
    """List the tests of PROJECT with where they stand."""
    from bench.uept.model import Status

    if wanted is not None and wanted not in [each.value for each in Status]:
        raise UsageError(f"{wanted!r} is no status", next_step=f"One of: {', '.join(each.value for each in Status)}")
    with open_(path) as project:
        statuses = project.statuses()
        rows = [
            (
                test.id,
                statuses[test.id].value,
                "due" if test.due else test.met_by or "optional",
                test.planned_on,
                test.title,
            )
            for test in project.tests()
            if wanted in (None, statuses[test.id].value)
        ]
    print_rows(as_json_, ("Test", "Status", "Required", "Planned", "Title"), rows)


@click.command("due")
@project_argument
@JSON
def due_command(path: Path, as_json_: bool) -> None:
    """Print the calendar of the procedure (Tables 1 to 3), in Working Days."""
    from bench.uept import procedure
    from bench.uept.working_days import day_of

    today = day_of(now())
    with open_(path) as project:
        dues = procedure.calendar(project.population, project.dates, project.done(), deficiencies=project.deficiencies)
    rows = [
        (
            due.step.id,
            due.on or f"({due.expected})",
            f"done {due.done}" if due.done else ("LATE" if due.late(today) else "open"),
            due.step.by,
            due.step.title,
        )
        for due in dues
    ]
    print_rows(as_json_, ("Step", "Due", "State", "By", "What"), rows)


@click.command("done")
@project_argument
@click.argument("step")
@click.option("--on", "day", type=DAY, help="The day; today unless given.")
@by_option
def done(path: Path, step: str, day: date | None, by: str) -> None:
    """Say that STEP of the procedure (5.4.2.1 ...) was done."""
    from bench.uept.working_days import day_of

    with changing(path, by) as changes:
        changes.step_done(step, day or day_of(now()))


@click.command("schedule")
@project_argument
@click.argument("test", required=False)
@click.option("--start", type=DAY, help="A revised start of testing.")
@click.option("--end", type=DAY, help="A revised end of testing.")
@click.option("--on", "day", type=DAY, help="The day of TEST.")
@by_option
def schedule(path: Path, test: str | None, start: date | None, end: date | None, day: date | None, by: str) -> None:
    """Plan testing anew: all of it with --start and --end, or TEST --on a day."""
    with changing(path, by) as changes:
        if test is not None and day is not None:
            changes.plan_test(test, day)
        elif test is None and day is None and (start or end):
            changes.set_dates(start or changes.project.test_start, end or changes.project.test_end)
        else:
            raise UsageError("give either --start or --end, or TEST and --on")


@click.command("ask")
@project_argument
@JSON
def ask(path: Path, as_json_: bool) -> None:
    """List what only people can know: what was said, and what is missing."""
    from bench.uept.questions import questions

    with open_(path) as project:
        facts = project.facts()
    rows = [
        (each.key, facts[each.key].value if each.key in facts else "MISSING", ", ".join(each.items), each.text)
        for each in questions().values()
    ]
    print_rows(as_json_, ("Key", "Answer", "For", "Question"), rows)


@click.command("say")
@project_argument
@click.argument("key")
@click.argument("text")
@by_option
def say_command(path: Path, key: str, text: str, by: str) -> None:
    """Answer question KEY with TEXT; the last answer counts, all are kept."""
    with changing(path, by) as changes:
        changes.say(key, text)


@click.command("gate")
@project_argument
@click.option("--entry", is_flag=True, help="The entry criteria in place of the exit criteria.")
@JSON
def gate(path: Path, entry: bool, as_json_: bool) -> None:
    """Judge the exit criteria: which are met, which are not and why. Exit code 1 until all are."""
    from bench.uept import criteria

    with open_(path) as project:
        found = criteria.entry(project) if entry else criteria.exit_(project)
        rehearsal = project.rehearsal
    whole = criteria.met(found)
    if as_json_:
        say(json.dumps({"met": whole, "rehearsal": rehearsal, "criteria": [asdict(each) for each in found]}, indent=2))
    else:
        table(("Criterion", "Met", "What", "Why"), [(e.id, "yes" if e.met else "NO", e.title, e.why) for e in found])
        say(f"\n{'All are met.' if whole else 'Not all are met.'}{' (rehearsal)' if rehearsal else ''}")
    sys.exit(0 if whole else 1)


@click.command("document")
@project_argument
@click.argument("name")
@click.argument("state", type=click.Choice(("draft", "submitted", "approved", "rejected")))
@click.option("--file", "file", type=click.Path(path_type=Path), help="The file; its hash is kept.")
@by_option
def document(path: Path, name: str, state: str, file: Path | None, by: str) -> None:
    """Say what became of document NAME."""
    with changing(path, by) as changes:
        changes.document(name, state, file)


@click.command("write")
@project_argument
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default="uept", show_default=True)
@click.option("--format", "formats", type=click.Choice(("html", "xlsx", "pdf")), multiple=True, help="Repeatable; all.")
def write(path: Path, names: tuple[str, ...], out: Path, formats: tuple[str, ...]) -> None:
    """Write documents NAME, or all, as XLSX, HTML and PDF; what only people know is marked as missing."""
    from bench.uept import artefacts

    with open_(path) as project:
        documents = [artefacts.build(project, name, now()) for name in names or artefacts.BUILDERS]
    for each in documents:
        written = artefacts.write(each, out, formats or artefacts.FORMATS)
        missing = f"  {len(each.missing)} missing" if each.missing else ""
        say(f"{', '.join(str(file) for file in written)}{missing}")


COMMANDS: tuple[click.Command, ...] = (
    new,
    status,
    tests,
    due_command,
    done,
    schedule,
    ask,
    say_command,
    gate,
    document,
    write,
)
"""In the order of their help."""
