"""Where the engine of a rig listens."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

_LONGEST_PATH = 100
"""Linux takes 107 bytes for the path of a Unix socket."""


def socket_path(folder: Path) -> Path:
    """The socket of the engine that holds a rig.

    It is in the rig's state folder, or, where that path is too long for a socket, in the user's runtime folder under a
    name made from it.

    Args:
        folder: the rig's state folder.
    """
    path = folder.absolute() / "engine.sock"
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        return path
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR") or f"/tmp/hilbench-{os.getuid()}")  # noqa: S108
    return runtime / f"hilbench-{hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()[:16]}.sock"
