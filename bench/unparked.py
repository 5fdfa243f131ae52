"""Which run did not leave its rig parked: what devices say when the supply is back belongs to it, whoever parks."""

from __future__ import annotations

import json
from pathlib import Path

from bench.durable import write_whole


def _path(folder: Path) -> Path:
    return folder / "unparked.json"


def mark(folder: Path, run: str) -> None:
    """Remember on disk that a run has begun; its end takes the mark away if the rig is parked by then.

    Args:
        folder: the rig's state folder.
        run: its evidence.

    Raises:
        StorageError: it cannot be written.
    """
    write_whole(
        _path(folder), json.dumps({"run": run}).encode(), "the run cannot be put on record beside the rig's state"
    )


def clear(folder: Path) -> None:
    """The rig is parked, and what was still to come is booked."""
    _path(folder).unlink(missing_ok=True)


def run_of(folder: Path) -> str:
    """The evidence of the run that did not leave the rig parked; "" if none is known."""
    try:
        return str(json.loads(_path(folder).read_text())["run"])
    except (OSError, ValueError, TypeError, KeyError):
        return ""
