"""Where the engine of a rig listens."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LONGEST_PATH = 100
"""Linux takes 107 bytes for the path of a Unix socket."""


def socket_path(folder: Path) -> Path:
    """The socket of the engine that holds a rig.

    Args:
        folder: the rig's state folder.
    """
    return folder.absolute() / "engine.sock"


@contextmanager
def reachable(path: Path) -> Iterator[str]:
    """A name of a socket that is short enough for the kernel while this is open: of a long path, by its folder.

    Raises:
        OSError: the folder is not there.
    """
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
