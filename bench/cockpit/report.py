"""What is given to others of a bundle: made by the commands that are there for it, where the bundle lies here."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from bench.cockpit.files import folder_for
from bench.errors import UsageError


async def make_report(folder: str) -> Path:
    """Have the report of a bundle made, and say where it is.

    Raises:
        UsageError: the bundle is on another computer, or the report cannot be made.
    """
    return Path((await _made("report", folder, "reports"))["page"])


async def hand_over(folder: str) -> tuple[Path, str]:
    """Have one file made of a bundle, and say where it is and the fingerprint of the key that it is checked with.

    Raises:
        UsageError: the bundle is on another computer, or no good evidence.
    """
    found = await _made("pack", folder, "to-hand-over")
    return Path(found["file"]), str(found["fingerprint"])


async def _made(command: str, folder: str, kind: str) -> dict[str, Any]:
    """Have a command make something of a bundle, in the folder for such files, and take what it says of it."""
    _check_here(folder)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.cli",
        command,
        folder,
        "--out",
        str(folder_for(kind)),
        "--json",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complaint = await process.communicate()
    if process.returncode:
        raise UsageError(complaint.decode(errors="replace").strip().removeprefix("hilbench: "))
    found: dict[str, Any] = json.loads(said)[0]
    return found


def _check_here(folder: str) -> None:
    if not Path(folder).is_dir():
        raise UsageError("the evidence is on the engine's computer", where=folder, next_step="Do it there")


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
