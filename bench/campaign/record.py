"""The campaign's own record: what began and ended, on disk before anything follows from it.

A night has a folder, with a journal as every run has (bench/journal.py), of the source `campaign`:

===============  ===================================================================================================
`campaign`       `state`: "start" (`campaign`, `file_sha256`, `cases`, `rigs`), "resumed" (`journal`, `records` and
                 `head` of the journal that it goes on from), "interrupted", "end" (`outcomes`)
`attempt`        `state`: "start" (`case`, `attempt`, `seed`, `faults`), "job" (what the engine calls it), "end"
                 (`verdict`, `reason`, ... see `AttemptResult`)
`case`           a planned run has ended: `case`, `outcome`, `reason`
`skip`           planned runs will not run: `cases`, `why`
`quarantine`     a device, or all of a rig, is out for the rest of the night: `rig`, `device` or "", `why`
`retention`      what was compressed and deleted to make room: `compressed`, `deleted`
===============  ===================================================================================================

A night that is resumed goes on in another journal, `journal-2.jsonl`, whose first records name the last of the one
before it by number and hash; so the whole is one chain.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.campaign.file import Campaign
from bench.clock import Clock, RealClock
from bench.durable import storage_error
from bench.errors import UsageError
from bench.events import EventStream
from bench.journal import Journal, JournalCutShort, JournalError, Record
from bench.journal_reader import read_journal

SOURCE = "campaign"
COPY = "campaign.yaml"
RUNS = "runs"
"""Folder of the bundles of the runs that went on in the campaign's own process."""

Apply = Callable[[str, Mapping[str, Any], Mapping[str, Any], int], None]
"""Told of each entry: kind, data, volatile, and UTC in nanoseconds."""


def journal_path(night: Path, number: int) -> Path:
    """The journal of a night's first, second, third sitting."""
    return night / ("journal.jsonl" if number == 1 else f"journal-{number}.jsonl")


@dataclass(slots=True)
class Earlier:
    """What the journals of a night say.

    Attributes:
        sittings: how many journals there are.
        records, head: of the last of them.
        ended: whether the campaign has come to its end.
    """

    sittings: int = 0
    records: int = 0
    head: str = ""
    ended: bool = False
    entries: list[Record] = field(default_factory=list)


def read_record(night: Path) -> Earlier:
    """Read and check the journals of a night, one after the other.

    Raises:
        UsageError: one was changed, or does not follow from the one before it.
    """
    earlier = Earlier()
    for number in itertools.count(1):
        path = journal_path(night, number)
        if not path.exists():
            break
        reader = read_journal(path)
        entries: list[Record] = []
        try:
            for record in reader:
                if record.source == SOURCE:
                    entries.append(record)
        except JournalCutShort:
            pass
        except JournalError as error:
            raise UsageError(f"the record of the night was changed: {error}", where=str(path)) from None
        _check_link(path, entries, earlier)
        earlier.entries += entries
        earlier.sittings, earlier.records, earlier.head = number, reader.records, reader.head
    if not earlier.sittings:
        raise UsageError("there is no record of a campaign here", where=str(night))
    earlier.ended = any(each.kind == "campaign" and each.data.get("state") == "end" for each in earlier.entries)
    return earlier


def _check_link(path: Path, entries: list[Record], earlier: Earlier) -> None:
    if not earlier.sittings or not entries:
        return
    first = entries[0].data
    if (first.get("state"), first.get("records"), first.get("head")) != ("resumed", earlier.records, earlier.head):
        raise UsageError("the journal does not follow from the one before it: one of them was changed", where=str(path))


class NightRecord:
    """Writes the record of a night.

    Args:
        night: its folder, which exists.
        clock: of the campaign.
        apply: told of each entry as it is written.
        sitting: 1, or more for one that is resumed.
    """

    def __init__(self, night: Path, clock: Clock, apply: Apply, sitting: int) -> None:
        self.night = night
        self._apply = apply
        self._stream = EventStream(clock)
        self._journal = Journal.open(journal_path(night, sitting), self._stream, run=f"{night.name}/{sitting}")

    async def note(self, kind: str, data: Mapping[str, Any], volatile: Mapping[str, Any] | None = None) -> None:
        """Put something on record; it is on disk when this returns.

        Raises:
            StorageError: it is not.
        """
        now = self._stream.clock.now()
        self._stream.emit(SOURCE, kind, data, at=now, volatile=volatile)
        await self._journal.barrier()
        self._apply(kind, data, volatile or {}, now.utc_ns)

    async def close(self) -> None:
        """Seal the record: the campaign has ended."""
        await self._journal.close()

    def abandon(self) -> None:
        """Leave the record open: the campaign will be resumed, or was killed. Does nothing after `close`."""
        self._journal.abandon()


def new_night(out: Path, campaign: Campaign) -> Path:
    """Make the folder of a new night, with a copy of the campaign file.

    Raises:
        StorageError: it cannot be made.
    """
    stem = f"{campaign.name}-{RealClock().now().utc:%Y%m%dT%H%M%SZ}"
    try:
        out.mkdir(parents=True, exist_ok=True)
        for number in itertools.count(1):
            night = out / (stem if number == 1 else f"{stem}-{number}")
            try:
                night.mkdir()
            except FileExistsError:
                continue
            (night / COPY).write_text(campaign.document.text)
            return night
    except OSError as error:
        raise storage_error(error, "the folder of the night cannot be made", out) from error
    raise AssertionError("there is always another number")


def nights_of(out: Path, name: str) -> list[Path]:
    """The nights of a campaign under a folder, the oldest first."""
    form = re.compile(rf"{re.escape(name)}-(\d{{8}}T\d{{6}}Z)(?:-(\d+))?")
    found = []
    for path in out.iterdir() if out.is_dir() else ():
        match = form.fullmatch(path.name)
        if match is not None and (path / COPY).is_file():
            found.append((match[1], int(match[2] or 1), path))
    return [path for _, _, path in sorted(found)]


def last_night(out: Path, campaign: Campaign) -> tuple[Path, Earlier]:
    """The last night of a campaign, and what its record says.

    Raises:
        UsageError: there is none, its record was changed, or the campaign file was since.
    """
    nights = nights_of(out, campaign.name)
    if not nights:
        raise UsageError(f"no night of {campaign.name} is in {out}", next_step="Start one, without --resume")
    night = nights[-1]
    earlier = read_record(night)
    start = earlier.entries[0].data if earlier.entries else {}
    if start.get("file_sha256") != campaign.digest:
        raise UsageError(
            "the campaign file was changed since the night began",
            where=str(campaign.document.path),
            next_step=f"Put {night / COPY} back in its place, or start a new night",
        )
    return night, earlier


class NightLock:
    """One process at a time works on a night; the operating system lets go of it when the process ends."""

    def __init__(self, night: Path) -> None:
        try:
            self._fd = os.open(night / "campaign.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise storage_error(error, "the night cannot be locked", night) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise UsageError("another process works on this night", where=str(night)) from None

    def release(self) -> None:
        """Let others have it."""
        os.close(self._fd)
