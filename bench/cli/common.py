"""What the parts of the command line share."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from bench.errors import UsageError

USAGE, UNDECIDED, UNSAFE = 2, 3, 4
"""Exit codes besides 0 (passed) and 1 (failed)."""

RIG = click.Path(path_type=Path)
JSON = click.option("--json", "as_json_", is_flag=True, help="Print one JSON document for a program to read.")


def say(text: str) -> None:
    """Print; whoever read our output may have gone, which is their right, and changes no exit code."""
    try:
        click.echo(text)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            click.echo(f"hilbench: the output cannot be written: {error.strerror}", err=True)


def state_folder() -> Path:
    """Where the bench keeps its key and counters: `$HILBENCH_STATE`, or hilbench in the XDG state folder.

    Raises:
        UsageError: the user has no home folder.
    """
    if given := os.environ.get("HILBENCH_STATE"):
        return Path(given)
    if given := os.environ.get("XDG_STATE_HOME"):
        return Path(given) / "hilbench"
    try:
        return Path.home() / ".local" / "state" / "hilbench"
    except RuntimeError:
        raise UsageError(
            "this user has no home folder for the bench's key and counters", next_step="Set HILBENCH_STATE to a folder"
        ) from None
