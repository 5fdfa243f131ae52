"""What has been seen before: so that an old, replayed or duplicated message never counts as a new one.

The ledger belongs to the rig, not to a run. It knows the digest of every message and the highest originator counter
of every device, and keeps both on disk where the rig has a state folder: a message of last night is old tonight.
"""

from __future__ import annotations

import json
from pathlib import Path

from bench.errors import BenchError

_KEPT_DIGESTS = 100_000


class Ledger:
    """Digests and counters of all messages seen on a rig.

    Args:
        path: file to remember them in, or None to forget them with the process.

    Raises:
        BenchError: the file cannot be read.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._digests: dict[str, int] = {}
        self._counters: dict[str, int] = {}
        self._path = path
        self.fault: str | None = None
        """Why the file could not be written, if it could not: a run that this happens in cannot be decided."""
        if path is not None and path.exists():
            self._read(path)

    def _read(self, path: Path) -> None:
        try:
            records = [json.loads(line) for line in path.read_text().splitlines()]
            for index, record in enumerate(records):
                # A counter never goes back, however long ago it was seen.
                recent = index >= len(records) - _KEPT_DIGESTS
                self._note(record["digest"] if recent else None, record.get("device"), record.get("counter"))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BenchError(
                f"the record of messages seen before cannot be read: {error}",
                where=str(path),
                next_step="Move the file away to begin a new one; replays of older messages are then not recognised",
            ) from None

    def _note(self, digest: str | None, device: str | None, counter: int | None) -> None:
        if digest is not None:
            self._digests[digest] = self._digests.get(digest, 0) + 1
        if device is not None and counter is not None:
            self._counters[device] = max(counter, self._counters.get(device, 0))

    def record(self, digest: str, device: str | None, counter: int | None) -> int:
        """Note a message; returns how often it had been seen before (0: it is new)."""
        before = self._digests.get(digest, 0)
        self._note(digest, device, counter)
        if self._path is not None and not before:
            entry = {"digest": digest, "device": device, "counter": counter}
            try:
                with self._path.open("a") as file:
                    file.write(json.dumps(entry) + "\n")
            except OSError as error:
                self.fault = f"{self._path}: {error.strerror}"
        return before

    def highest_counter(self, device: str) -> int:
        """The highest originator counter seen from a device; 0 if none."""
        return self._counters.get(device, 0)
