"""The event stream on disk: append-only, hash-chained, one line an event.

docs/evidence.md says exactly what a line holds and what is hashed, so that a stranger can check it with other tools.
In short: a line is canonical JSON (bench/canonical.py) of one `Record`; `prev` is the SHA-256 of the line before; the
*head hash* is that of the last line; the *body hash* covers what one seed must reproduce: every record but the seal,
without `prev` and `volatile` and, where the clock is real, without its times.

Events of kind `wire` are not journalled; they go to the captures, whose digests the seal holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import canonical
from bench.clock import ClockKind, Instant
from bench.durable import AppendFile, DurableWriter, StorageError
from bench.errors import BenchError
from bench.events import Event, EventStream

FORMAT = "hilbench-journal/1"
"""What the first record says it is."""

FIRST_PREV = "0" * 64
"""`prev` of the first record, which has nobody before it."""

SOURCE = "journal"
"""Source and kind of the two records that the journal writes of itself: opened and sealed."""


class JournalError(BenchError):
    """A journal is not what was written: changed, shortened, mixed up, or no journal at all.

    Attributes:
        good: how many records from the first one on are as they were written.
    """

    def __init__(self, what: str, *, good: int, where: str = "", next_step: str = "") -> None:
        super().__init__(what, where=where, next_step=next_step)
        self.good = good


class JournalCutShort(JournalError):
    """A journal ends in the middle of a record, as one does when the power fails."""


@dataclass(frozen=True, slots=True)
class Record:
    """One line of a journal.

    Attributes:
        seq: 1 for the first; the line number.
        prev: SHA-256 of the line before with its line feed, in hexadecimal.
        at: when, by which kind of clock, and how well it was known.
        source: the device's name in the rig, "engine", or "journal".
        kind: as in bench/events.py.
        data: what happened.
        volatile: what may differ between identical runs.
        line_sha256: SHA-256 of this line.
    """

    seq: int
    prev: str
    at: Instant
    source: str
    kind: str
    data: Mapping[str, Any]
    volatile: Mapping[str, Any]
    line_sha256: str

    @property
    def sealed(self) -> bool:
        """Whether this is the last record of a finished journal."""
        return self.kind == SOURCE and self.data.get("state") == "sealed"


def line_texts(seq: int, prev: str, at: Instant, source: str, kind: str, data: str, volatile: str) -> tuple[str, str]:
    """The line and the body line of a record; source, kind, data and volatile are canonical JSON already."""
    # Written out, in the order of the keys: encoding the whole record twice would cost three times as much.
    uncertainty = "null" if at.uncertainty_ns is None else at.uncertainty_ns
    head = f'{{"clock":"{at.kind}","data":{data},"kind":{kind},'
    line = (
        f'{head}"mono_ns":{at.mono_ns},"prev":"{prev}","seq":{seq},"source":{source},'
        f'"uncertainty_ns":{uncertainty},"utc_ns":{at.utc_ns},"volatile":{volatile}}}\n'
    )
    if at.kind is ClockKind.REAL:
        return line, f'{head}"seq":{seq},"source":{source}}}\n'
    return line, (
        f'{head}"mono_ns":{at.mono_ns},"seq":{seq},"source":{source},'
        f'"uncertainty_ns":{uncertainty},"utc_ns":{at.utc_ns}}}\n'
    )


def worse_uncertainty(one: int | None, other: int | None) -> int | None:
    """The greater of two uncertainties in nanoseconds, where None is not to know at all."""
    return None if one is None or other is None else max(one, other)


def body_line(record: Record) -> bytes:
    """What of a record the body hash covers."""
    data, source, kind = (canonical.to_text(value) for value in (dict(record.data), record.source, record.kind))
    return canonical.to_bytes(line_texts(record.seq, record.prev, record.at, source, kind, data, "{}")[1])


class Journal:
    """Writes a stream's events, but for `wire`, until it is closed.

    Make it with `Journal.open`. Recording never raises and never touches the disk; `barrier` says what went wrong.

    Attributes:
        path: the file.
        run: the run's id.
        records: how many records there are.
        head: SHA-256 of the last of them.
        uncertainty_ns: the greatest of any record, or None if UTC was not known for all of them.
    """

    def __init__(
        self, path: Path, stream: EventStream, writer: DurableWriter, encode: Callable[[Any], str], run: str
    ) -> None:
        self.path = path
        self.run = run
        self.records = 0
        self.head = FIRST_PREV
        self._stream = stream
        self._writer = writer
        self._encode = encode
        self._file: AppendFile = writer.create(path, sync=True)
        self._body = hashlib.sha256()
        self.uncertainty_ns: int | None = 0
        self._kinds: dict[str, int] = {}
        self._names: dict[str, str] = {}
        self._refused: StorageError | None = None
        self._owns_writer = False
        self._unsubscribe: Callable[[], None] | None = stream.subscribe(self._receive)
        opened = {"format": FORMAT, "state": "opened"}
        self._append(stream.clock.now(), SOURCE, SOURCE, opened, {"run": run}, own=True)

    @classmethod
    def open(
        cls,
        path: Path,
        stream: EventStream,
        *,
        run: str = "",
        writer: DurableWriter | None = None,
        encode: Callable[[Any], str] = canonical.to_text,
    ) -> Journal:
        """Begin a new journal and record everything that the stream carries from now on.

        Args:
            path: where; nothing may be there yet.
            stream: what to record.
            run: the run's id, which stands in the first record.
            writer: who writes; by default a new one that ends with the journal.
            encode: makes canonical JSON of a value, and may leave out secrets (`Redactor.encode`).

        Raises:
            StorageError: the file is there already or cannot be made.
        """
        if writer is not None:
            return cls(path, stream, writer, encode, run)
        own = DurableWriter(inline=stream.clock.kind is ClockKind.VIRTUAL)
        try:
            journal = cls(path, stream, own, encode, run)
        except BaseException:
            own.close()
            raise
        journal._owns_writer = True
        return journal

    @property
    def body(self) -> str:
        """The body hash so far: the same for every virtual run of one seed."""
        return self._body.hexdigest()

    @property
    def size_and_sha256(self) -> tuple[int, str]:
        """Of the file, as far as it is written: after `close`, of all of it."""
        return self._file.size, self._file.sha256

    def _receive(self, event: Event) -> None:
        if event.kind != "wire":
            self._append(event.at, event.source, event.kind, event.data, event.volatile)

    def _append(
        self,
        at: Instant,
        source: str,
        kind: str,
        data: Mapping[str, Any],
        volatile: Mapping[str, Any],
        *,
        own: bool = False,
    ) -> None:
        try:
            if kind == SOURCE and not own:
                raise ValueError(f'the kind "{SOURCE}" is the journal\'s own')
            data_text = self._encode(data if type(data) is dict else dict(data))
            volatile_text = self._encode(dict(volatile)) if volatile else "{}"
        except (TypeError, ValueError, RecursionError) as error:
            reason = str(error)
            self._refused = self._refused or StorageError(
                f'an event of kind "{kind}" cannot be recorded: {reason}', where=source
            )
            data_text, volatile_text = self._encode({"refused_kind": kind, "unrecordable": reason}), "{}"
            kind = "seen.refused"
        seq = self.records + 1
        text, body = line_texts(seq, self.head, at, self._name(source), self._name(kind), data_text, volatile_text)
        line = canonical.to_bytes(text)
        self._body.update(canonical.to_bytes(body))
        self.head = hashlib.sha256(line).hexdigest()
        self.records = seq
        self._kinds[kind] = self._kinds.get(kind, 0) + 1
        self.uncertainty_ns = worse_uncertainty(self.uncertainty_ns, at.uncertainty_ns)
        self._file.append(line)

    def _name(self, name: str) -> str:
        text = self._names.get(name)
        if text is None:
            text = self._names[name] = canonical.to_text(name)
        return text

    async def barrier(self) -> None:
        """Return when everything emitted before is on disk.

        Raises:
            StorageError: it is not: no space, the file was removed or changed; or an event held what is no JSON.
        """
        await self._writer.barrier()
        refused, self._refused = self._refused, None
        if refused is not None:
            raise refused

    async def close(self, captures: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        """Seal the journal with a last record and free everything; does nothing the second time.

        Args:
            captures: size and SHA-256 of each capture, by its path in the bundle.

        Raises:
            StorageError: the seal is not on disk; the records of earlier barriers are.
        """
        if self._unsubscribe is None:
            return
        self._unsubscribe()
        self._unsubscribe = None
        seal = {
            "body": self.body,
            "captures": dict(captures or {}),
            "head": self.head,
            "kinds": self._kinds.copy(),
            "records": self.records,
            "state": "sealed",
        }
        # Not through a redactor: a digest that happens to hold a secret's digits must stay what it is.
        self._encode = canonical.to_text
        body = self._body.copy()
        self._append(self._stream.clock.now(), SOURCE, SOURCE, seal, {}, own=True)
        # The seal holds digests of captures, which may differ between identical runs: it is not of the body.
        self._body = body
        try:
            await self._writer.barrier()
        finally:
            if self._owns_writer:
                self._writer.close()

    def abandon(self) -> None:
        """Stop recording and leave the journal unsealed, as a killed run does; does nothing after `close`."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        if self._owns_writer:
            self._writer.close()
