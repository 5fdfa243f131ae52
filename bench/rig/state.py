"""Where what belongs to a rig, and outlives its runs, is kept on disk."""

from __future__ import annotations

from pathlib import Path

from bench.durable import storage_error
from bench.rig.file import Rig


def folder_of(rig: Rig, state: Path) -> Path:
    """Where the state folder of a rig is, or would be.

    Args:
        rig: which.
        state: the bench's state folder, for a rig whose file names none.
    """
    base = rig.document.path.parent / rig.file.state if rig.file.state is not None else state
    return base / rig.name


def state_of(rig: Rig, state: Path) -> Path:
    """The state folder of a rig, made if it is missing.

    Raises:
        StorageError: it cannot be made.
    """
    folder = folder_of(rig, state)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise storage_error(error, "the rig's state folder cannot be made", folder) from None
    return folder
