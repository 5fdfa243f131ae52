"""`hilbench uept`: plan and run User Entry Process Tests (SEC Appendix R)."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli import uept_project, uept_results, uept_scripts
from bench.cli.common import JSON, RIG, say, state_folder
from bench.cli.uept_common import POPULATIONS, ROLES, by_option
from bench.cli.uept_scripts import (
    Scope,
    data_option,
    load,
    make_plan,
    record_runs,
    rig_option,
    scope_of,
    tell_of_rehearsal,
)
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.testscripts.plan import Item, RolePlan

_role = click.option("--role", type=click.Choice(ROLES, case_sensitive=False), required=True, help="User Role.")
_population = click.option(
    "--population", type=click.Choice(POPULATIONS), default="new", show_default=True, help="Why the Party tests."
)
_local = click.option(
    "--no-local-commands", is_flag=True, help="ED, GT: agreed with the DCC, so that CV1 stands for CV2 and CV3."
)
_out = click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default="evidence", show_default=True, help="Evidence."
)


@click.group()
def uept() -> None:
    """User Entry Process Tests: what a User Role has to test, and the runbooks that test it."""


@uept.command("plan")
@_role
@_population
@rig_option
@data_option
@_local
@_out
@JSON
def plan_command(
    role: str,
    population: str,
    rig_path: Path,
    data_path: Path | None,
    no_local_commands: bool,
    out: Path,
    as_json_: bool,
) -> None:
    """List what a role has to test, in the order in which it would be run, and touch nothing."""
    from bench import runner
    from bench.testscripts.execute import what_is_left

    rig, data = load(rig_path, data_path)
    plan = make_plan(rig, data, Scope(role, population, no_local_commands))
    left = what_is_left(rig, plan, runner.RunOptions(out, state_folder()))
    done = {each.id for each in left.done}
    if as_json_:
        document = plan.as_json()
        for each in document["requirements"]:
            each["evidence"] = each["requirement"] in done
        say(json.dumps(document, indent=2))
        return
    say("\n".join(_plan_lines(plan, done)))


def _plan_lines(plan: RolePlan, done: set[str]) -> list[str]:
    from bench.ctsd.requirements import count
    from bench.quantities import format_duration

    counts = count([item.requirement for item in plan.items])
    runnable = sum(item.runnable and item.requirement.mandatory for item in plan.items)
    lines = [
        f"{plan.role}, {plan.population}: {counts.tests} tests, {counts.executions} executions"
        f" ({', '.join(f'{number} {name}' for name, number in counts.by_variant.items() if name)}),"
        f" {counts.optional} optional",
        f"{runnable} can be run here, by {len(list(plan.runbooks()))} runbooks, in about"
        f" {format_duration(plan.usual_s)}, {format_duration(plan.longest_s)} at most; {len(done)} have evidence",
        "",
    ]
    if not plan.population.scripts:
        lines.insert(1, "By the evidence route nothing is run: what passed in end to end testing is handed to the DCC.")
    return lines + [_item_line(item, done) for item in plan.items]


def _item_line(item: Item, done: set[str]) -> str:
    from bench.quantities import format_duration

    requirement = item.requirement
    took = format_duration(item.plan.usual_s) if item.plan else "-"
    state = "passed" if requirement.id in done else "ready" if item.runnable else f"not here: {item.reason}"
    words = [
        "" if requirement.mandatory else "optional",
        "dual band" if requirement.dual_band else "",
        *item.hardware,
    ]
    notes = f"  [{', '.join(word for word in words if word)}]" if any(words) else ""
    return f"{requirement.scenario:5} {took:>12}  {requirement.id:36}  {requirement.title}{notes}  {state}"


@uept.command("show")
@click.argument("requirement", metavar="REQUIREMENT")
@rig_option
@data_option
def show_command(requirement: str, rig_path: Path, data_path: Path | None) -> None:
    """Print the runbook that tests REQUIREMENT (8.1.5/IS/4.10/CV3/SMETS2+), made from the document and test data."""
    from bench.ctsd.requirements import requirement as find
    from bench.testscripts.scripts import runbook_folder, script_for

    wanted = find(requirement)
    _, data = load(rig_path, data_path)
    try:
        script = script_for(wanted, data, runbook_folder())
    except UsageError as error:
        raise UsageError(f"no runbook tests {wanted.id}: {error}") from None
    script.load()
    say(script.text.rstrip("\n"))


@uept.command("data")
@rig_option
@data_option
def data_command(rig_path: Path, data_path: Path | None) -> None:
    """Print the whole Test Data Plan of a rig, to be kept as a file, changed, and given with --data."""
    from bench.testscripts.data_text import data_text

    rig, data = load(rig_path, data_path)
    say(data_text(data, rig.name).rstrip("\n"))


@uept.command("run")
@click.option("--role", type=click.Choice(ROLES, case_sensitive=False), help="User Role, unless --project has it.")
@click.option("--population", type=click.Choice(POPULATIONS), help="Why the Party tests.  [default: new]")
@rig_option
@data_option
@_local
@_out
@click.option("--only", multiple=True, metavar="ID", help="Only requirements whose ids begin so; repeatable.")
@click.option("--realtime", is_flag=True, help="Real time, also on an emulated rig.")
@click.option("--fault", "faults", multiple=True, metavar="NAME[:ARG][@DELAY]", help="See `hilbench run --fault list`.")
@click.option("--project", "project_path", type=RIG, help="Run the tests of this project, and record their results.")
@by_option
@JSON
def run_command(
    role: str | None,
    population: str | None,
    rig_path: Path,
    data_path: Path | None,
    no_local_commands: bool,
    out: Path,
    only: tuple[str, ...],
    realtime: bool,
    faults: tuple[str, ...],
    project_path: Path | None,
    by: str,
    as_json_: bool,
) -> None:
    """Run what a role has to test and has no valid evidence yet, and go on where an earlier run stopped.

    Exit codes are those of `hilbench run`.
    """
    from bench import runner
    from bench.terminal import Silent, TerminalOperator
    from bench.testscripts.execute import OneLine, execute, what_is_left

    scope = _scope(role, population, no_local_commands, project_path)
    rig, data = load(rig_path, data_path)
    plan = make_plan(rig, data, scope)
    if project_path is not None and not as_json_:
        tell_of_rehearsal(project_path, rig)
    if not plan.population.scripts:
        raise UsageError("by the evidence route no scripts are run", next_step="Use --population additive")
    options = runner.RunOptions(
        out, state_folder(), faults=faults, realtime=realtime, say=partial(click.echo, err=True)
    )
    left = what_is_left(rig, plan, options, only)
    if not as_json_:
        say(f"{len(left.done)} requirements have valid evidence; {len(left.todo)} runbooks to run")
    reporter = Silent() if as_json_ else OneLine(sys.stdout, len(left.todo))
    finished = execute(rig, left, options, TerminalOperator(), reporter)
    code = runner.overall_exit_code(finished, len(left.todo)) if left.todo else 0
    if project_path is not None:
        record_runs(project_path, by, (*left.evidence, *(each.bundle for each in finished)), silent=as_json_)
    after = what_is_left(rig, plan, runner.RunOptions(out, options.state), only)
    _tell_end(plan, after.done, finished, code, only, as_json_)
    sys.exit(code)


@uept.command("campaign")
@_role
@_population
@rig_option
@data_option
@_local
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder, not there yet, for its files.",
)
@click.option("--only", multiple=True, metavar="ID", help="Only requirements whose ids begin so; repeatable.")
def campaign_command(
    role: str,
    population: str,
    rig_path: Path,
    data_path: Path | None,
    no_local_commands: bool,
    out: Path,
    only: tuple[str, ...],
) -> None:
    """Write a role's Test Scripts as a campaign, for nights with retries, a schedule and a summary.

    Its evidence counts as that of `uept run`: `uept take` records it in a project.
    """
    from bench.quantities import format_duration
    from bench.testscripts.night import role_night, write_night
    from bench.testscripts.scripts import runbook_folder

    rig, data = load(rig_path, data_path)
    plan = make_plan(rig, data, Scope(role, population, no_local_commands))
    if not plan.population.scripts:
        raise UsageError("by the evidence route no scripts are run", next_step="Use --population additive")
    night = role_night(rig, plan, out, runbook_folder() / "procedures", only)
    write_night(night, out)
    say(f"{out}: {night.runbooks} runbooks, about {format_duration(night.usual_s)} on {rig.name}")
    for title in night.alone:
        say(f"  left out, since it asks a person: {title}")


def _scope(role: str | None, population: str | None, no_local_commands: bool, project: Path | None) -> Scope:
    """Which tests to run: those of a project, or those of a role."""
    if project is None:
        if role is None:
            raise UsageError("no role is given", next_step="Give --role ROLE, or --project FILE")
        return Scope(role, population or "new", no_local_commands)
    scope = scope_of(project)
    if (role or scope.role).upper() != scope.role or (population or scope.population) != scope.population:
        raise UsageError(f"{project} is about {scope.role}, {scope.population}", next_step="Leave --role out")
    if no_local_commands and not scope.no_local_commands:
        raise UsageError(f"{project} has local commands", next_step="Leave --no-local-commands out")
    return scope


def _tell_end(plan: RolePlan, done: Any, finished: Any, code: int, only: tuple[str, ...], as_json_: bool) -> None:
    from bench import runner

    wanted = [
        item for item in plan.items if item.requirement.mandatory and (not only or item.requirement.id.startswith(only))
    ]
    passed = {each.id for each in done}
    missing = [item for item in wanted if item.requirement.id not in passed and not item.requirement.met_by]
    if as_json_:
        document = {
            "exit_code": code,
            "executions": len(wanted),
            "passed": len(wanted) - len(missing),
            "missing": {item.requirement.id: item.reason or "no valid evidence" for item in missing},
            "runs": [runner.as_json(item) for item in finished],
        }
        say(json.dumps(document, indent=2))
        return
    say(f"{len(wanted) - len(missing)} of {len(wanted)} mandatory executions have valid evidence")
    for reason in dict.fromkeys(item.reason for item in missing if item.reason):
        number = sum(item.reason == reason for item in missing)
        say(f"  {number} cannot be run here: {reason}")


@uept.command("coverage")
@rig_option
@data_option
@click.option(
    "--gaps", "gaps_path", type=RIG, default=Path("rigs/uept-gaps.json"), show_default=True, help="What does not pass."
)
@click.option("--from", "evidence", type=RIG, help="Find out what does not pass from the evidence here, and keep it.")
@click.option("--write", "page", type=RIG, help="Write the page there (docs/coverage.md) instead of printing it.")
def coverage_command(
    rig_path: Path, data_path: Path | None, gaps_path: Path, evidence: Path | None, page: Path | None
) -> None:
    """Say per role and clause how much the document requires, and how much of it runs and passes on a rig."""
    from bench import runner
    from bench.testscripts.coverage import coverage_text, gaps, read_gaps

    rig, data = load(rig_path, data_path)
    plans = [make_plan(rig, data, Scope(role, "new", no_local_commands=False)) for role in ROLES]
    if evidence is not None:
        known = gaps(rig, plans, evidence, runner.bench_key(state_folder()).fingerprint)
        gaps_path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", "utf-8")
    text = coverage_text(plans, read_gaps(gaps_path))
    if page is None:
        say(text.rstrip("\n"))
    else:
        page.write_text(text, "utf-8")


def add_to(main: click.Group) -> None:
    """Add the commands to the command line."""
    for command in (*uept_project.COMMANDS, *uept_scripts.COMMANDS, *uept_results.COMMANDS):
        uept.add_command(command)
    main.add_command(uept)
