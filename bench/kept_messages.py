"""Messages that came for a rig while its engine was gone, or hung: kept on disk until it takes them.

Each is a file in a folder of the rig's own: a line of JSON, then the message as it came. They may hold secrets, as
messages do, and are for this user alone.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.clock import RealClock
from bench.durable import storage_error, sync_folder
from bench.errors import BenchError

MOST = 1000
"""How many messages are kept for one rig."""


@dataclass(frozen=True, slots=True)
class KeptMessage:
    """One message.

    Attributes:
        document: as it was posted.
        peer: who posted it, and how long ago.
        utc_ns: when it was put there.
        path: its file, to be removed once the rig has it.
    """

    document: bytes
    peer: str
    utc_ns: int
    path: Path


def keep(folder: Path, document: bytes, peer: str) -> None:
    """Put a message on disk.

    Args:
        folder: of the rig; it is made.
        document: the message.
        peer: who posted it.

    Raises:
        StorageError: it cannot be written.
        BenchError: too many are there already.
    """
    now_ns = RealClock().now().utc_ns
    path = folder / f"{now_ns:020}-{secrets.token_hex(4)}"
    draft = path.with_suffix(".new")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if count(folder) >= MOST:
            raise BenchError(f"{MOST} messages are kept already", where=str(folder), next_step="Serve the rig")
        with open(draft, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(json.dumps({"peer": peer, "utc_ns": now_ns}).encode() + b"\n" + document)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        sync_folder(folder)
    except OSError as error:
        raise storage_error(error, "a message cannot be kept", folder) from None


def kept(folder: Path) -> Iterator[KeptMessage]:
    """What is kept for a rig, in the order in which it came; what cannot be read stays where it is."""
    for path in _paths(folder):
        try:
            head, _, document = path.read_bytes().partition(b"\n")
            told = json.loads(head)
            utc_ns = int(told["utc_ns"])
            ago_s = (RealClock().now().utc_ns - utc_ns) / 1e9
            peer = f"{told['peer']}, kept for {ago_s:.1f} s"
        except (OSError, ValueError, TypeError, KeyError):
            continue
        yield KeptMessage(document, peer, utc_ns, path)


def count(folder: Path) -> int:
    """How many messages are kept for a rig."""
    return len(_paths(folder))


def _paths(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*-*") if not path.suffix)
