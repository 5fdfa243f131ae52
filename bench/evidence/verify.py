"""Checks a bundle offline, with nothing but its files: is it what the bench packed, whole, and by a bench you trust?

The first thing that is wrong is named, and nothing after it is believed. `verify` never raises for what it finds.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from bench.clock import ClockKind
from bench.errors import BenchError
from bench.evidence import captures
from bench.evidence.keys import fingerprint, is_signed, load_public
from bench.evidence.manifest import (
    INTERRUPTED,
    JOURNAL,
    MANIFEST,
    PAYLOAD_TYPE,
    PUBLIC_KEY,
    SIGNATURE,
    STATEMENTS,
    TIMESTAMP,
    UNLISTED,
    Manifest,
    read_signature,
)
from bench.journal import JournalCutShort, JournalError, Record
from bench.journal_reader import JournalReader, read_journal
from bench.zigbee.pcapng import read_packets

if TYPE_CHECKING:
    from cryptography import x509

    from bench.evidence.timestamp import Stamp

_LARGEST_MANIFEST = 1 << 26


class Level(StrEnum):
    """What verification can vouch for."""

    VERIFIED = "verified"
    """Nothing changed since a key that you trust signed it."""
    INTEGRITY_ONLY = "integrity only"
    """It is whole and fits together; who signed it is not known, and anyone can sign a forgery with a key of theirs."""
    FAILED = "failed"
    """It is not what it should be."""


@dataclass(frozen=True, slots=True)
class Report:
    """What verification found.

    Attributes:
        level: what it can vouch for.
        problem: the first thing that is wrong, a sentence; empty unless `level` is FAILED.
        notes: what a reader should know besides.
        run: the run's id, if it could be read.
        verdict: the verdict that the evidence carries; None unless the bundle is sound.
        clock: the kind of clock; None unless it could be read.
        synchronised: whether UTC was known throughout.
        emulated: whether the run says that its devices were emulated.
        fingerprint: of the key that signed; empty unless its signature is good.
        records: how many records of the journal are good.
        interrupted: the run was killed, or still goes on: there is a journal without a seal and no manifest.
        stamped: when an authority says that the signature was there, UTC in ISO 8601; empty without a time stamp.
        stamp_verified: whether a root that is believed vouches for that authority.
    """

    level: Level
    problem: str = ""
    notes: tuple[str, ...] = ()
    run: str = ""
    verdict: str | None = None
    clock: ClockKind | None = None
    synchronised: bool = False
    emulated: bool = False
    fingerprint: str = ""
    records: int = 0
    interrupted: bool = False
    stamped: str = ""
    stamp_verified: bool = False

    @property
    def compliance(self) -> bool:
        """Whether it may count: real devices, a real and synchronised clock, and a trusted key's signature."""
        real = self.clock is ClockKind.REAL and not self.emulated
        return real and self.synchronised and self.level is Level.VERIFIED

    def __str__(self) -> str:
        head = f"{self.level}: {self.problem}" if self.problem else f"{self.level}: run {self.run}, {self.verdict}"
        return "\n".join((head, *self.notes))


class _Wrong(Exception):
    """The first thing that is wrong."""


def verify(bundle: Path, trusted: Collection[str] = (), roots: Sequence[x509.Certificate] = ()) -> Report:
    """Check a bundle.

    Args:
        bundle: its folder.
        trusted: fingerprints of the keys that are believed, got by another way than the bundle; with none, the best
            result is INTEGRITY_ONLY.
        roots: certificates of time stamping authorities that are believed.
    """
    check = _Check(bundle, frozenset(key.lower().replace(":", "") for key in trusted), tuple(roots))
    try:
        return check.run()
    except _Wrong as wrong:
        return check.failed(str(wrong))
    except OSError as error:
        return check.failed(f"{error.filename or bundle} cannot be read: {error.strerror}")


class _Check:
    def __init__(self, bundle: Path, trusted: frozenset[str], roots: tuple[x509.Certificate, ...]) -> None:
        self._bundle = bundle
        self._roots = roots
        self._trusted = trusted
        self._reader: JournalReader | None = None
        self._run = ""
        self._fingerprint = ""
        self._interrupted = False

    def failed(self, problem: str) -> Report:
        reader = self._reader
        return Report(
            Level.FAILED,
            problem,
            run=self._run,
            clock=reader.clock if reader else None,
            fingerprint=self._fingerprint,
            records=reader.records if reader else 0,
            interrupted=self._interrupted,
        )

    def run(self) -> Report:
        if not stat.S_ISDIR(os.lstat(self._bundle).st_mode):
            raise _Wrong(f"{self._bundle} is not a folder")
        if not os.path.lexists(self._bundle / MANIFEST):
            raise _Wrong(self._without_manifest())
        manifest = self._signed_manifest()
        self._files(manifest)
        emulated = self._journal(manifest)
        stamp = self._stamp()
        if self._trusted:
            level, notes = Level.VERIFIED, []
        else:
            level = Level.INTEGRITY_ONLY
            notes = [
                f"signed by the key {self._fingerprint}; nobody said that it is to be trusted, "
                "and anyone can sign a forgery with a key of their own"
            ]
        if manifest.clock is ClockKind.VIRTUAL:
            notes.append(STATEMENTS[manifest.clock])
        elif manifest.uncertainty_ns is None:
            notes.append("clock: real, but not synchronised throughout: nobody knows how far its times are from UTC")
        if emulated:
            notes.append("the devices were emulated: never compliance evidence")
        if stamp is not None:
            notes.append(_said(stamp))
        return Report(
            level,
            stamped=stamp.at.isoformat() if stamp else "",
            stamp_verified=stamp is not None and stamp.verified,
            notes=tuple(notes),
            emulated=emulated,
            run=manifest.run,
            verdict=manifest.verdict,
            clock=manifest.clock,
            synchronised=manifest.uncertainty_ns is not None,
            fingerprint=self._fingerprint,
            records=manifest.records,
        )

    def _without_manifest(self) -> str:
        """What a bundle without a manifest is: that of a run that did not end, or one that lost it."""
        if not os.path.lexists(self._bundle / JOURNAL):
            return f"there is neither {MANIFEST} nor {JOURNAL}: this is no bundle"
        reader = self._open_journal()
        try:
            for record in reader:
                self._run = self._run or str(record.volatile.get("run", ""))
        except JournalError as error:
            return f"there is no {MANIFEST}, and {JOURNAL} is good only up to record {error.good}: {error}"
        if reader.seal is not None:
            return (
                f"{MANIFEST} is missing, though {JOURNAL} is sealed: removed, or the bench was killed before it signed"
            )
        self._interrupted = True
        return (
            f"there is no {MANIFEST}: the run was killed or still goes on; "
            f"{JOURNAL} is good and {reader.status}, but nothing is signed"
        )

    def _open_journal(self) -> JournalReader:
        if not stat.S_ISREG(os.lstat(self._bundle / JOURNAL).st_mode):
            raise _Wrong(f"{JOURNAL} is not an ordinary file")
        self._reader = read_journal(self._bundle / JOURNAL)
        return self._reader

    def _small_file(self, name: str) -> bytes:
        path = self._bundle / name
        if not os.path.lexists(path):
            raise _Wrong(f"{name} is missing")
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode):
            raise _Wrong(f"{name} is not an ordinary file")
        if status.st_size > _LARGEST_MANIFEST:
            raise _Wrong(f"{name} is larger than any that the bench writes")
        return path.read_bytes()

    def _signed_manifest(self) -> Manifest:
        data, signature_data, pem = (self._small_file(name) for name in (MANIFEST, SIGNATURE, PUBLIC_KEY))
        try:
            key = load_public(pem)
        except ValueError as error:
            raise _Wrong(f"{PUBLIC_KEY} was changed: {error}") from error
        try:
            key_id, signature = read_signature(signature_data)
        except ValueError as error:
            raise _Wrong(f"{SIGNATURE} was changed: {error}") from error
        if key_id != fingerprint(key):
            raise _Wrong(f"{SIGNATURE} is by the key {key_id}, and {PUBLIC_KEY} is another: {fingerprint(key)}")
        if not is_signed(key, signature, PAYLOAD_TYPE, data):
            raise _Wrong(f"{MANIFEST} is not what was signed: it, or {SIGNATURE}, was changed")
        self._fingerprint = key_id
        if self._trusted and key_id not in self._trusted:
            raise _Wrong(f"the bundle is signed by the key {key_id}, which is not among those trusted")
        try:
            manifest = Manifest.decode(data)
        except ValueError as error:
            raise _Wrong(f"{MANIFEST} is signed but cannot be read: {error}") from error
        self._run = manifest.run
        return manifest

    def _stamp(self) -> Stamp | None:
        if not os.path.lexists(self._bundle / TIMESTAMP):
            return None
        # Heavy, and most bundles have none.
        from bench.evidence import timestamp

        try:
            return timestamp.check(self._small_file(TIMESTAMP), self._small_file(SIGNATURE), self._roots)
        except BenchError as error:
            raise _Wrong(str(error)) from error

    def _files(self, manifest: Manifest) -> None:
        listed = {entry.path: entry for entry in manifest.files}
        folders = {captures.FOLDER} | {
            "/".join(parts[:length])
            for parts in (path.split("/") for path in listed)
            for length in range(1, len(parts))
        }
        found: set[str] = set()
        for path, status in _walk(self._bundle):
            shown = path.encode("utf-8", "backslashreplace").decode()
            if stat.S_ISDIR(status.st_mode):
                if path not in folders:
                    raise _Wrong(f"the folder {shown} does not belong to the bundle: it was added")
            elif not stat.S_ISREG(status.st_mode):
                raise _Wrong(f"{shown} is not an ordinary file")
            elif path not in listed and path not in UNLISTED:
                raise _Wrong(f"{shown} is not in the manifest: it was added or renamed")
            found.add(path)
        for path in sorted(folders | listed.keys()):
            if path not in found:
                raise _Wrong(f"{path} is missing: it was removed or renamed")
        folded: dict[str, str] = {}
        for path in sorted(found):
            other = folded.setdefault(path.casefold(), path)
            if other != path:
                raise _Wrong(f"{other} and {path} differ only in case, so some file systems hold only one of them")
        for entry in manifest.files:
            file_path = self._bundle / entry.path
            size = os.lstat(file_path).st_size
            if size != entry.size:
                raise _Wrong(f"{entry.path} was changed: it has {size} bytes, not {entry.size}")
            with file_path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != entry.sha256:
                    raise _Wrong(f"{entry.path} was changed: its SHA-256 is not that in the manifest")

    def _journal(self, manifest: Manifest) -> bool:
        """Check the journal and all that hangs on it; returns whether the devices were emulated."""
        reader = self._open_journal()
        runs, pictures = [], []
        try:
            for record in reader:
                if record.seq == 1 and record.volatile.get("run") != manifest.run:
                    raise _Wrong(f"{JOURNAL} is of the run {record.volatile.get('run')}, not {manifest.run}")
                if record.kind == "run":
                    runs.append(record)
                elif record.kind == "question" and record.data.get("picture"):
                    pictures.append(record.data["picture"])
        except JournalError as error:
            raise _Wrong(str(error)) from error
        if reader.seal is None:
            raise _Wrong(f"{JOURNAL} is {reader.status}: its seal was removed")
        claims = (
            ("number of records", manifest.records, reader.records),
            ("head hash", manifest.head, reader.head),
            ("body hash", manifest.body, reader.body),
            ("kind of clock", manifest.clock, reader.clock),
            ("uncertainty of the clock", manifest.uncertainty_ns, reader.uncertainty_ns),
        )
        for name, claimed, true in claims:
            if claimed != true:
                raise _Wrong(f"the {name} in {MANIFEST} is {claimed}, and that of {JOURNAL} is {true}")
        self._captures(manifest, reader.seal)
        _check_pictures(pictures, manifest)
        _check_run(runs, manifest)
        self._interrupted_runs(runs[0], {entry.path for entry in manifest.files})
        return bool(runs[0].data.get("emulated"))

    def _captures(self, manifest: Manifest, seal: Record) -> None:
        sealed = seal.data.get("captures")
        there = {
            entry.path: {"sha256": entry.sha256, "size": entry.size}
            for entry in manifest.files
            if entry.path.startswith(f"{captures.FOLDER}/")
        }
        if not isinstance(sealed, dict):
            raise _Wrong(f"the seal of {JOURNAL} names no captures")
        for path in sorted(sealed.keys() | there.keys()):
            if sealed.get(path) != there.get(path):
                raise _Wrong(f"{path} is not the capture that the seal of {JOURNAL} names")
        for path in sorted(there):
            if path.endswith(".pcapng"):
                try:
                    for _ in read_packets(self._bundle / path):
                        pass
                except BenchError as error:
                    raise _Wrong(f"{path} is no good capture: {error}") from error

    def _interrupted_runs(self, start: Record, listed: set[str]) -> None:
        """Check the journals of the runs that this one carries on with, each named in the start of the next."""
        resumes, left = start.data.get("resumes"), {path for path in listed if path.startswith(f"{INTERRUPTED}/")}
        while resumes is not None:
            path = f"{INTERRUPTED}/{resumes.get('run')}.jsonl"
            if path not in left:
                raise _Wrong(f"{path} is missing, though the run carries on with it")
            left.remove(path)
            reader, before = read_journal(self._bundle / path), resumes
            resumes = None
            try:
                for record in reader:
                    if record.kind == "run" and record.data.get("state") == "start":
                        resumes = record.data.get("resumes")
            except JournalCutShort:
                pass
            except JournalError as error:
                raise _Wrong(f"{path}: {error}") from error
            if (reader.records, reader.head) != (before.get("records"), before.get("head")):
                raise _Wrong(f"{path} is not the journal that the run carried on with")
        if left:
            raise _Wrong(f"{min(left)} is of no run that this one carries on with")


def _said(stamp: Stamp) -> str:
    by = stamp.authority or "an authority that is not named"
    if stamp.verified:
        return f"it was there at {stamp.at:%Y-%m-%dT%H:%M:%SZ}, as {by} certifies"
    return f"its time stamp says {stamp.at:%Y-%m-%dT%H:%M:%SZ}, by {by}; nobody said that this one is to be believed"


def _check_pictures(shown: Sequence[object], manifest: Manifest) -> None:
    """What the journal says that a person was shown must be the file that is there."""
    listed = {entry.path: entry.sha256 for entry in manifest.files}
    for picture in shown:
        path, sha256 = (picture.get(key) if isinstance(picture, dict) else None for key in ("path", "sha256"))
        if listed.get(str(path), "") != sha256:
            raise _Wrong(f"{path} is not the picture that {JOURNAL} says was shown")


def _check_run(runs: list[Record], manifest: Manifest) -> None:
    states = [record.data.get("state") for record in runs]
    if states.count("start") != 1 or states[0] != "start":
        raise _Wrong(f"{JOURNAL} does not tell of one start of the run, before all else of it")
    if states.count("end") != 1 or states[-1] != "end":
        raise _Wrong(f"{JOURNAL} does not tell of one end of the run, after all else of it")
    verdict = runs[-1].data.get("verdict")
    if verdict is None or verdict != manifest.verdict:
        raise _Wrong(f"the verdict in {MANIFEST} is {manifest.verdict}, and that in {JOURNAL} is {verdict}")


def _walk(folder: Path, prefix: str = "") -> Iterator[tuple[str, os.stat_result]]:
    """Everything in a folder by its path with /, in order, following no link."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            status = entry.stat(follow_symlinks=False)
            yield prefix + entry.name, status
            if stat.S_ISDIR(status.st_mode):
                yield from _walk(folder / entry.name, f"{prefix}{entry.name}/")
