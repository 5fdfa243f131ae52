"""The event stream on disk: append-only, hash-chained, one line an event.

docs/evidence.md says exactly what a line holds and what is hashed, so that a stranger can check it with other tools.
In short: a line is canonical JSON (bench/canonical.py) of one `Record`; `prev` is the SHA-256 of the line before; the
*head hash* is that of the last line; the *body hash* covers what one seed must reproduce: every record but the seal,
without `prev` and `volatile` and, where the clock is real, without its times.

Events of kind `wire` are not journalled; they go to the captures, whose digests the seal holds.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping
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


def _line(seq: int, prev: str, at: Instant, source: str, kind: str, data: str, volatile: str) -> tuple[str, str]:
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


class Journal:
    """Writes a stream's events, but for `wire`, until it is closed.

    Make it with `Journal.open`. Recording never raises and never touches the disk; `barrier` says what went wrong.

    Attributes:
        path: the file.
        records: how many records there are.
        head: SHA-256 of the last of them.
    """

    def __init__(
        self, path: Path, stream: EventStream, writer: DurableWriter, encode: Callable[[Any], str], run: str
    ) -> None:
        self.path = path
        self.records = 0
        self.head = FIRST_PREV
        self._stream = stream
        self._writer = writer
        self._encode = encode
        self._file: AppendFile = writer.create(path, sync=True)
        self._body = hashlib.sha256()
        self._kinds: dict[str, int] = {}
        self._names: dict[str, str] = {}
        self._refused: StorageError | None = None
        self._owns_writer = False
        self._unsubscribe: Callable[[], None] | None = stream.subscribe(self._receive)
        self._append(stream.clock.now(), SOURCE, SOURCE, {"format": FORMAT, "state": "opened"}, {"run": run})

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

    def _receive(self, event: Event) -> None:
        if event.kind != "wire":
            self._append(event.at, event.source, event.kind, event.data, event.volatile)

    def _append(
        self, at: Instant, source: str, kind: str, data: Mapping[str, Any], volatile: Mapping[str, Any]
    ) -> None:
        try:
            if kind == SOURCE and source != SOURCE:
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
        text, body = _line(seq, self.head, at, self._name(source), self._name(kind), data_text, volatile_text)
        line = canonical.to_bytes(text)
        self._body.update(canonical.to_bytes(body))
        self.head = hashlib.sha256(line).hexdigest()
        self.records = seq
        self._kinds[kind] = self._kinds.get(kind, 0) + 1
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
        refused, self._refused = self._refused, None
        await self._writer.barrier()
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
        self._append(self._stream.clock.now(), SOURCE, SOURCE, seal, {})
        try:
            await self._writer.barrier()
        finally:
            if self._owns_writer:
                self._writer.close()

    def abandon(self) -> None:
        """Stop recording and leave the journal unsealed, as a killed run does; for a run that never began."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        if self._owns_writer:
            self._writer.close()


_TYPES: dict[str, tuple[type, ...]] = {
    "clock": (str,),
    "data": (dict,),
    "kind": (str,),
    "mono_ns": (int,),
    "prev": (str,),
    "seq": (int,),
    "source": (str,),
    "uncertainty_ns": (int, type(None)),
    "utc_ns": (int,),
    "volatile": (dict,),
}


class JournalReader:
    """Reads a journal and checks it on the way; iterate over it once.

    Iterating yields each record that is as it was written, then raises JournalError at the first that is not. A
    journal without a seal is no error here: the run may still be going, or was killed.

    Attributes:
        records: how many good records were read.
        seal: the last record of a finished journal, or None.
        head: SHA-256 of the last line read.
        clock: the kind of clock that every record names.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records = 0
        self.head = FIRST_PREV
        self.seal: Record | None = None
        self.clock: ClockKind | None = None
        self._body = hashlib.sha256()
        self._kinds: dict[str, int] = {}

    @property
    def body(self) -> str:
        """The body hash of the records read."""
        return self._body.hexdigest()

    @property
    def status(self) -> str:
        """In words, how the journal ends."""
        if self.seal is not None:
            return f"sealed: complete with {self.records} records"
        return f"unsealed: ends cleanly after record {self.records}"

    def __iter__(self) -> Iterator[Record]:
        try:
            with self.path.open("rb") as file:
                for line in file:
                    yield self._take(line)
        except OSError as error:
            raise JournalError(f"cannot be read: {error.strerror}", good=self.records, where=str(self.path)) from error
        if not self.records:
            raise self._error("the journal is empty")

    def _error(self, what: str, kind: type[JournalError] = JournalError) -> JournalError:
        return kind(what, good=self.records, where=f"{self.path.name} line {self.records + 1}")

    def _take(self, line: bytes) -> Record:
        expected = self.records + 1
        if self.seal is not None:
            raise self._error("something follows the seal, which is the last record: it was inserted")
        if not line.endswith(b"\n"):
            raise self._error(f"the journal is cut short in the middle of record {expected}", JournalCutShort)
        fields = self._parse(line)
        if fields["seq"] != expected:
            raise self._error(self._misplaced(fields["seq"], expected))
        if fields["prev"] != self.head:
            if expected == 1:
                raise self._error("the first record names one before it: records before it were removed")
            raise self._error(
                f"record {expected} does not follow from record {expected - 1}: one of them was changed or inserted"
            )
        record = self._record(fields, hashlib.sha256(line).hexdigest())
        self._follow(record)
        return record

    def _parse(self, line: bytes) -> dict[str, Any]:
        try:
            fields = canonical.decode(line[:-1])
        except ValueError as error:
            raise self._error(f"the record was changed: it is not canonical JSON ({error})") from error
        if not isinstance(fields, dict) or fields.keys() != _TYPES.keys():
            raise self._error(f"the record does not have the fields {', '.join(_TYPES)}")
        for name, types in _TYPES.items():
            if not isinstance(fields[name], types) or isinstance(fields[name], bool):
                raise self._error(f'the field "{name}" of the record has the wrong type')
        return fields

    def _misplaced(self, found: int, expected: int) -> str:
        if found < expected:
            return f"record {found} is there a second time, where record {expected} belongs: one of them was inserted"
        with self.path.open("rb") as file:
            later = any(f'"seq":{expected},'.encode() in line for line in itertools.islice(file, expected, None))
        if later:
            return f"record {found} stands where record {expected} belongs: the order was changed"
        missing = f"record {expected} is" if found == expected + 1 else f"records {expected} to {found - 1} are"
        return f"{missing} missing: removed"

    def _record(self, fields: dict[str, Any], digest: str) -> Record:
        try:
            kind = ClockKind(fields["clock"])
        except ValueError as error:
            raise self._error(f'the clock of the record is "{fields["clock"]}", not real or virtual') from error
        at = Instant(fields["mono_ns"], fields["utc_ns"], kind, fields["uncertainty_ns"])
        source, kind, data, volatile = (fields[name] for name in ("source", "kind", "data", "volatile"))
        return Record(fields["seq"], fields["prev"], at, source, kind, data, volatile, digest)

    def _follow(self, record: Record) -> None:
        if record.seq == 1:
            if record.kind != SOURCE or record.data != {"format": FORMAT, "state": "opened"}:
                raise self._error(f"the file is not a journal of the format {FORMAT}")
            self.clock = record.at.kind
        if record.at.kind is not self.clock:
            raise self._error("the records are not all of one kind of clock")
        if record.sealed:
            self._check_seal(record)
            self.seal = record
        else:
            self._body.update(body_line(record))
            self._kinds[record.kind] = self._kinds.get(record.kind, 0) + 1
        self.records += 1
        self.head = record.line_sha256

    def _check_seal(self, record: Record) -> None:
        true = {"body": self.body, "head": self.head, "kinds": self._kinds, "records": self.records}
        for name, value in true.items():
            if record.data.get(name) != value:
                raise self._error(f'the seal\'s "{name}" is not that of the records before it')


def body_line(record: Record) -> bytes:
    """What of a record the body hash covers."""
    data, source, kind = (canonical.to_text(value) for value in (dict(record.data), record.source, record.kind))
    return canonical.to_bytes(_line(record.seq, record.prev, record.at, source, kind, data, "{}")[1])


def read_journal(path: Path) -> JournalReader:
    """Read and check a journal, record by record; see `JournalReader`."""
    return JournalReader(path)
