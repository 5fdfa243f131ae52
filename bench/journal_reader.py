"""Reads a journal back and checks it on the way: that it is what was written, whole and in order."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import canonical
from bench.clock import ClockKind, Instant
from bench.journal import (
    FIRST_PREV,
    FORMAT,
    SOURCE,
    JournalCutShort,
    JournalError,
    Record,
    body_line,
    worse_uncertainty,
)

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
        uncertainty_ns: the greatest of any record, or None if UTC was not known for all of them.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records = 0
        self.head = FIRST_PREV
        self.seal: Record | None = None
        self.clock: ClockKind | None = None
        self.uncertainty_ns: int | None = 0
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
        self.uncertainty_ns = worse_uncertainty(self.uncertainty_ns, record.at.uncertainty_ns)
        self.head = record.line_sha256

    def _check_seal(self, record: Record) -> None:
        true = {"body": self.body, "head": self.head, "kinds": self._kinds, "records": self.records}
        for name, value in true.items():
            if record.data.get(name) != value:
                raise self._error(f'the seal\'s "{name}" is not that of the records before it')


def read_journal(path: Path) -> JournalReader:
    """Read and check a journal, record by record; see `JournalReader`."""
    return JournalReader(path)
