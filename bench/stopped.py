"""The mark of an emergency stop: until a person parks the rig, no program switches it on again."""

from __future__ import annotations

import json
from pathlib import Path

from bench.clock import RealClock
from bench.durable import write_whole
from bench.errors import UsageError


def _path(folder: Path) -> Path:
    return folder / "stopped.json"


def mark(folder: Path, who: str) -> None:
    """Remember on disk that a rig was stopped.

    Args:
        folder: the rig's state folder.
        who: by whom.

    Raises:
        StorageError: it cannot be written.
    """
    text = json.dumps({"who": who, "utc": RealClock().now().iso})
    write_whole(_path(folder), text.encode(), "the emergency stop cannot be put on record")


def clear(folder: Path) -> None:
    """A person has parked the rig."""
    _path(folder).unlink(missing_ok=True)


def check(folder: Path) -> None:
    """Let nobody use a rig that was stopped.

    Raises:
        UsageError: it was, and nobody has parked it since.
    """
    try:
        text = _path(folder).read_text()
    except FileNotFoundError:
        return
    try:
        found = json.loads(text)
        who = f"by {found['who']} at {found['utc']}"
    except (ValueError, TypeError, KeyError):
        who = "by somebody"
    raise UsageError(
        f"the rig was stopped {who}", where=str(folder), next_step="Look at the bench, then `hilbench rig park RIG`"
    )
