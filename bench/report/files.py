"""Writing reports: whole, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from bench.durable import storage_error, sync_folder
from bench.errors import UsageError

GENERATOR = b'<meta name="generator" content="hilbench">'
"""What every page has near its beginning."""


def check_own(page: Path) -> None:
    """Refuse to replace a file that is no page of ours.

    Raises:
        UsageError: it is there, and something else.
    """
    try:
        with page.open("rb") as file:
            if GENERATOR in file.read(1024):
                return
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{page} cannot be read: {error.strerror}", next_step="Give another --out") from None
    raise UsageError(f"{page} is there, and no report of a run", next_step="Move it away, or give another --out")


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file by one with this content, which is on disk then; nobody ever sees a part of it.

    Raises:
        StorageError: it cannot be written.
    """
    draft = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise storage_error(error, "the file cannot be written", path) from error
