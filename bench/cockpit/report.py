"""The report of a bundle: made by the command that is there for it, where the bundle lies on this computer."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from pathlib import Path

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


def _named_in(said: str) -> Path:
    """The report that the command says it made."""
    found = next((path for word in said.split() if (path := Path(word)).suffix == ".html" and path.is_file()), None)
    if found is None:
        raise UsageError(f"the report was made, and it is not known where: {said.strip()}")
    return found.absolute()
