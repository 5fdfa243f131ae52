"""What the commands of `hilbench uept` share."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli.common import say, state_folder
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.uept.changes import Changes
    from bench.uept.project import Project

ROLES = ("IS", "GS", "ES", "ED", "GT", "RSA", "OU")
"""User Roles, as `bench.ctsd.tables.Role` has them."""
POPULATIONS = ("new", "eligibility", "additive", "additive-evidence")
"""As `bench.ctsd.populations.Population` has them."""

project_argument = click.argument("path", metavar="PROJECT", type=click.Path(path_type=Path))
by_option = click.option("--by", default="", help="Who says so, for the record; the user of this process unless given.")
trust = click.option(
    "--trust", "trusted", multiple=True, metavar="FINGERPRINT", help="Fingerprint of a bench's key; repeatable."
)


class _Day(click.ParamType[date]):
    """A day in ISO 8601."""

    name = "YYYY-MM-DD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no day: write 2026-03-31", param, ctx)


DAY = _Day()


def now() -> datetime:
    """The time by the system's clock, UTC."""
    from bench.clock import RealClock

    return RealClock().now().utc


def person(by: str) -> str:
    """Who acts: as given, or the user of this process.

    Raises:
        UsageError: nobody is logged in.
    """
    import getpass

    try:
        return by or getpass.getuser()
    except (KeyError, OSError):
        raise UsageError("nobody is logged in", next_step="Give --by NAME") from None


@contextmanager
def open_(path: Path) -> Iterator[Project]:
    """Open a project to read it.

    Raises:
        UsageError: there is none.
    """
    from bench.uept.project import open_project

    with open_project(path) as project:
        yield project


@contextmanager
def changing(path: Path, by: str) -> Iterator[Changes]:
    """Open a project to change it.

    Raises:
        UsageError: there is none, or nobody changes it.
    """
    from bench.uept.changes import Changes

    with open_(path) as project:
        yield Changes(project, person(by), now())


def trusted_keys(fingerprints: tuple[str, ...]) -> tuple[str, ...]:
    """Fingerprints of the keys that are believed: those given, and this bench's own."""
    from bench.runner import bench_key

    return (*fingerprints, bench_key(state_folder()).fingerprint)


def table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print columns as wide as what they hold."""
    cells = [[str(value) for value in row] for row in (headings, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    for row in cells:
        say("  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip())


def print_rows(as_json: bool, headings: Sequence[str], rows: Sequence[Sequence[Any]], none: str = "none") -> None:
    """Print rows as a table, or as JSON with the headings as keys."""
    if as_json:
        names = [heading.lower().replace(" ", "_") for heading in headings]
        say(json.dumps([dict(zip(names, row, strict=True)) for row in rows], default=str, indent=2))
    elif rows:
        table(headings, rows)
    else:
        say(none)
