"""`hilbench uept`: everything about the User Entry Process Tests of a Party (SEC Appendix R)."""

from __future__ import annotations

import click

from bench import cli_uept_project, cli_uept_results


@click.group()
def uept() -> None:
    """User Entry Process Tests: what is due, what was run, what is open, and the documents that say so."""


def add_to(main: click.Group) -> None:
    """Add the commands."""
    for command in (*cli_uept_project.COMMANDS, *cli_uept_results.COMMANDS):
        uept.add_command(command)
    main.add_command(uept)
