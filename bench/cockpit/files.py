"""Files that a cockpit leaves for people: in the bench's state folder, never where it happened to be started."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from bench.cli.common import state_folder
from bench.errors import UsageError


def folder_for(kind: str) -> Path:
    """The folder of files of one kind: "reports", "pictures"; made if it is missing.

    Raises:
        UsageError: it cannot be made.
    """
    folder = state_folder() / kind
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise UsageError(f"the folder for {kind} cannot be made: {error.strerror}", where=str(folder)) from None
    return folder.absolute()


def keep_picture(about: Mapping[str, Any], data: bytes) -> Path:
    """Keep the picture of a question as a file, under a name that no other picture has.

    Args:
        about: what the engine says of it.
        data: the file.

    Raises:
        UsageError: it cannot be written.
    """
    path = folder_for("pictures") / f"{hashlib.sha256(data).hexdigest()[:16]}-{PurePosixPath(about['name']).name}"
    try:
        path.write_bytes(data)
    except OSError as error:
        raise UsageError(f"the picture cannot be written: {error.strerror}", where=str(path)) from None
    return path
