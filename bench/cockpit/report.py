"""The report of a bundle: made by the command that is there for it, where the bundle lies on this computer."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from pathlib import Path

from bench.cockpit.files import folder_for
from bench.errors import UsageError


async def make_report(folder: str) -> Path:
    """Have the report of a bundle made, and say where it is.

    Raises:
        UsageError: this release makes no reports, the bundle is on another computer, or the report cannot be made.
    """
    _check(folder)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.cli",
        "report",
        folder,
        "--out",
        str(folder_for("reports")),
        "--json",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complaint = await process.communicate()
    if process.returncode:
        raise UsageError(f"the report cannot be made: {complaint.decode(errors='replace').strip()}")
    return _named_in(said.decode(errors="replace"))


def _check(folder: str) -> None:
    if importlib.util.find_spec("bench.report") is None:
        raise UsageError("this release makes no reports", next_step=f"The evidence is in {folder}")
    if not Path(folder).is_dir():
        raise UsageError("the evidence is on the engine's computer", where=folder, next_step="Make the report there")


def page_here(page: str) -> Path:
    """The page of a night.

    Raises:
        UsageError: there is none, or it is on another computer.
    """
    if not page:
        raise UsageError("the night has not come to its end", next_step="Its page is written then")
    if not Path(page).is_file():
        raise UsageError("the page is on the engine's computer", where=page, next_step="Open it there")
    return Path(page)


def _named_in(said: str) -> Path:
    """The report that the command says it made."""
    try:
        return Path(json.loads(said)[0]["page"]).absolute()
    except (ValueError, LookupError, TypeError):
        raise UsageError(f"the report was made, and it is not known where: {said.strip()}") from None
