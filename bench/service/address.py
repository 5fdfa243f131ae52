"""Where the engine of a rig listens."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.service.remote import Remote

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


def engine_address(rig: Path, state: Path, environment: Mapping[str, str]) -> Path | Remote:
    """Where the engine of a rig listens.

    Args:
        rig: its file, or `tls://HOST:PORT`.
        state: the bench's state folder.
        environment: names token and authority of an engine elsewhere.

    Raises:
        UsageError: the rig file is wrong.
    """
    from bench.rig.load import load_rig
    from bench.rig.state import folder_of
    from bench.service.remote import SCHEME, Remote

    if str(rig).startswith(f"{SCHEME}:"):
        # The path of a file has lost one of the two strokes.
        return Remote.parse(str(rig).replace(":/", "://", 1), environment)
    return socket_path(folder_of(load_rig(rig), state))
