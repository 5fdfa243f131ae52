"""Packs the evidence of one run while it goes on: `OUT/RUN/`, sealed and signed at the end.

    bundle = BundleWriter.open(out, run, stream, key=BenchKey.load_or_create(state / "keys"), redactor=redactor)
    bundle.add("rig/emulated.yaml", data)
    ...                                  # emit {"state": "start"} of kind "run"; await bundle.barrier() after each step
    ...                                  # emit {"state": "end", "verdict": "passed"} of kind "run"
    manifest = await bundle.close()

The manifest is the last file to appear: a bundle without one is of a run that did not end.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from bench import canonical
from bench.clock import ClockKind
from bench.durable import DurableWriter, storage_error, sync_folder
from bench.errors import UsageError
from bench.events import Event, EventStream
from bench.evidence import versions
from bench.evidence.captures import FOLDER as CAPTURES
from bench.evidence.captures import Captures
from bench.evidence.keys import BenchKey, public_pem
from bench.evidence.manifest import (
    JOURNAL,
    MANIFEST,
    PUBLIC_KEY,
    RESERVED,
    SIGNATURE,
    VERSIONS,
    Manifest,
    file_entries,
    is_bundle_path,
    sign,
)
from bench.evidence.redact import Redactor
from bench.journal import Journal

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class BundleWriter:
    """The evidence of a run in the making; make it with `BundleWriter.open`.

    Attributes:
        path: the bundle's folder.
        run: the run's id.
        journal: the record of the stream.
    """

    def __init__(
        self, journal: Journal, writer: DurableWriter, stream: EventStream, key: BenchKey, redactor: Redactor
    ) -> None:
        self.path = journal.path.parent
        self.run = journal.run
        self.journal = journal
        self._writer = writer
        self._clock = stream.clock
        self._key = key
        self._redactor = redactor
        self._captures = Captures(self.path / CAPTURES, writer, redactor)
        self._files: dict[str, tuple[int, str]] = {}
        self._redacted: list[str] = []
        self._verdict: str | None = None
        self._subscriptions = [stream.subscribe(self._captures.receive), stream.subscribe(self._note)]

    @classmethod
    def open(
        cls, out: Path, run: str, stream: EventStream, *, key: BenchKey, redactor: Redactor | None = None
    ) -> BundleWriter:
        """Begin the evidence of a run; everything that the stream carries from now on is recorded.

        Args:
            out: folder of all bundles; made if it is missing.
            run: the run's id, which names the bundle's folder; nothing of that name may be there.
            stream: what to record.
            key: signs the manifest.
            redactor: keeps secrets out of journal, captures and copies.

        Raises:
            UsageError: the id cannot name a folder.
            StorageError: the folder exists or cannot be made.
        """
        if not _RUN_ID.fullmatch(run):
            raise UsageError(f"a run cannot be called {run!r}: letters, digits, '.', '_' and '-' only, 100 at most")
        path, redactor = out / run, redactor or Redactor()
        try:
            out.mkdir(parents=True, exist_ok=True)
            path.mkdir()
            (path / CAPTURES).mkdir()
            sync_folder(out)
        except OSError as error:
            raise storage_error(error, "the folder for the run's evidence cannot be made", path) from error
        writer = DurableWriter(inline=stream.clock.kind is ClockKind.VIRTUAL)
        try:
            journal = Journal.open(path / JOURNAL, stream, run=run, writer=writer, encode=redactor.encode)
        except BaseException:
            writer.close()
            raise
        bundle = cls(journal, writer, stream, key, redactor)
        try:
            bundle._put(VERSIONS, canonical.encode(versions.collect()) + b"\n")
        except BaseException:
            bundle.abandon()
            raise
        return bundle

    def _note(self, event: Event) -> None:
        if event.kind == "run" and event.data.get("state") == "end":
            self._verdict = event.data.get("verdict")

    def add(self, name: str, data: bytes, *, redact: bool = False) -> None:
        """Put one more file into the bundle, such as the rig file as it was used.

        Args:
            name: its path in the bundle, with / between folders.
            data: its content, kept exactly.
            redact: keep a copy without the secrets instead, for a file that has to hold some (a DUT file).

        Raises:
            SecretFound: it holds a secret, and `redact` is not set.
            UsageError: the name is taken, or is no path inside the bundle.
            StorageError: it cannot be written.
        """
        taken = name in RESERVED or name in self._files or name.startswith(f"{CAPTURES}/")
        if taken or not is_bundle_path(name):
            raise UsageError(f"no file can be added to the evidence as {name!r}", where=str(self.path))
        if redact:
            text = data.decode("utf-8", "backslashreplace")
            clean = self._redactor.text(text)
            if clean != text:
                self._redacted.append(name)
                data = clean.encode()
        else:
            self._redactor.refuse(data, name)
        self._put(name, data)

    def _put(self, name: str, data: bytes) -> None:
        path = self.path / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            sync_folder(path.parent)
        except OSError as error:
            raise storage_error(error, "the file cannot be put into the evidence", path) from error
        self._files[name] = (len(data), hashlib.sha256(data).hexdigest())

    async def barrier(self) -> None:
        """Return when everything emitted before is on disk; captures are with the operating system.

        Raises:
            StorageError: it is not, or something emitted could not be recorded.
        """
        await self.journal.barrier()
        self._captures.check()

    async def close(self) -> Manifest:
        """Seal the journal, write and sign the manifest, and free everything; call it once.

        Raises:
            StorageError: the bundle is not complete; what was on disk before still is.
        """
        try:
            self._subscriptions.pop(0)()
            await self._writer.run(lambda: self._writer.finish(self._captures.files))
            for file in self._captures.files:
                self._files[f"{CAPTURES}/{file.path.name}"] = (file.size, file.sha256)
            digests = {
                path: {"sha256": sha256, "size": size}
                for path, (size, sha256) in self._files.items()
                if path.startswith(f"{CAPTURES}/")
            }
            self._subscriptions.pop()()
            await self.journal.close(digests)
            return await self._writer.run(self._sign)
        finally:
            self.abandon()

    def _sign(self) -> Manifest:
        journal = self.journal
        self._files[JOURNAL] = journal.size_and_sha256
        manifest = Manifest(
            run=self.run,
            verdict=self._verdict,
            clock=self._clock.kind,
            uncertainty_ns=journal.uncertainty_ns,
            records=journal.records,
            head=journal.head,
            body=journal.body,
            files=file_entries(self._files),
            redacted=tuple(sorted(self._redacted)),
        )
        data = manifest.encode()
        self._put(PUBLIC_KEY, public_pem(self._key.public))
        self._put(SIGNATURE, sign(data, self._key))
        self._put(MANIFEST, data)
        return manifest

    def abandon(self) -> None:
        """Stop recording and free everything, leaving the bundle as a killed run does; nothing after `close`."""
        while self._subscriptions:
            self._subscriptions.pop()()
        self.journal.abandon()
        self._writer.close()
