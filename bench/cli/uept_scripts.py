"""`hilbench uept link`, and what `hilbench uept run --project` has to do with a project."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.common import RIG, say
from bench.cli.uept_common import by_option, changing, open_, project_argument, trusted_keys
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.rig.file import Rig
    from bench.testscripts.data import DataPlan
    from bench.testscripts.plan import RolePlan

DEFAULT_RIG = Path("rigs/uept.yaml")
rig_option = click.option("--rig", "rig_path", type=RIG, default=DEFAULT_RIG, show_default=True, help="The rig file.")
data_option = click.option(
    "--data", "data_path", type=RIG, help="The Test Data Plan; without one the rig's own devices."
)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which tests are meant.

    Attributes:
        role: the User Role.
        population: why the Party tests.
        no_local_commands: agreed with the DCC.
    """

    role: str
    population: str
    no_local_commands: bool


def load(rig_path: Path, data_path: Path | None) -> tuple[Rig, DataPlan]:
    """The rig, and the Test Data Plan.

    Raises:
        UsageError: one of them has mistakes.
    """
    from bench.rig.load import load_rig
    from bench.testscripts.data import load_test_data

    rig = load_rig(rig_path)
    return rig, load_test_data(rig, data_path)


def make_plan(rig: Rig, data: DataPlan, scope: Scope) -> RolePlan:
    """The plan of a role on a rig.

    Raises:
        UsageError: there are no procedures here.
    """
    from bench.ctsd.populations import Agreements, Population
    from bench.ctsd.tables import Role
    from bench.testscripts.plan import plan_role
    from bench.testscripts.scripts import runbook_folder

    agreements = Agreements(scope.no_local_commands)
    return plan_role(rig, Role(scope.role.upper()), Population(scope.population), data, runbook_folder(), agreements)


def scope_of(path: Path) -> Scope:
    """Which tests a project is about.

    Raises:
        UsageError: there is none.
    """
    with open_(path) as project:
        return Scope(project.role, project.population, project.meta("no_local_commands") == "yes")


def tell_of_rehearsal(path: Path, rig: Rig) -> None:
    """Say that evidence of an emulated rig will not count in a project that is no rehearsal."""
    with open_(path) as project:
        if rig.emulated and not project.rehearsal:
            say(f"{path} is no rehearsal: results of the emulated rig {rig.name} are kept there, and do not count")


def record_runs(path: Path, by: str, bundles: Iterable[Path], *, silent: bool = False) -> None:
    """Record in a project what runs proved."""
    from bench.testscripts.link import record

    with changing(path, by) as changes:
        new, bad = record(changes, bundles, trusted_keys(()))
    for why in bad:
        click.echo(why, err=True)
    if not silent:
        say(f"{path}: {new} new results")


@click.command("link")
@project_argument
@rig_option
@data_option
@by_option
def link_command(path: Path, rig_path: Path, data_path: Path | None, by: str) -> None:
    """Link each test of PROJECT to the Test Script that a rig carries out for it."""
    from bench.testscripts.link import link

    scope = scope_of(path)
    rig, data = load(rig_path, data_path)
    plan = make_plan(rig, data, scope)
    if not plan.population.scripts:
        raise UsageError("by the evidence route there are no Test Scripts", next_step="`hilbench uept result` records")
    with changing(path, by) as changes:
        missing = link(changes, plan)
        linked = len({each.test for each in changes.project.scripts()})
    say(f"{linked} of {linked + sum(missing.values())} tests have a Test Script")
    for reason, number in missing.items():
        say(f"  {number} have none: {reason}")


COMMANDS: tuple[click.Command, ...] = (link_command,)
"""In the order of their help."""
