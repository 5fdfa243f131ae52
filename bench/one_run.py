"""One run of one runbook on a rig that is up, with its evidence from the first record to the signature."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bench import unparked
from bench.clock import Clock, RealClock
from bench.durable import StorageError
from bench.engine import Engine
from bench.errors import BenchError
from bench.events import Event
from bench.evidence.bundle import BundleWriter
from bench.evidence.keys import BenchKey
from bench.evidence.manifest import INTERRUPTED
from bench.evidence.redact import Redactor
from bench.operators import Operator
from bench.parties import dut_summary
from bench.pictures import FOLDER
from bench.planner import Plan
from bench.results import RunResult
from bench.resume_bundle import Interrupted
from bench.rig.session import RigSession
from bench.runbook import Runbook
from bench.verdict import exit_code


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished run and its evidence."""

    result: RunResult
    plan: Plan
    bundle: Path
    body_hash: str
    duration_s: float

    @property
    def exit_code(self) -> int:
        """What the run alone would exit with."""
        return exit_code(self.result.verdict, safe=self.result.safe)


class Reporter(Protocol):
    """Who is told what happens, while it happens."""

    def begin(self, plan: Plan, clock: Clock) -> None:
        """A run begins."""

    def event(self, event: Event) -> None:
        """Something happened in it."""

    def end(self, finished: Finished) -> None:
        """It ended, and its evidence is sealed."""


class RigRunner:
    """Runs runbooks on one connected rig, one at a time.

    Args:
        session: the rig.
        out: folder under which each run gets a folder of evidence.
        key: signs the evidence.
        seed: of the emulated world, for the record.
        faults: of the emulated world, for the record.

    Attributes:
        engine: of the run that is going on, or None.
        folder: of its evidence.
    """

    def __init__(
        self, session: RigSession, out: Path, key: BenchKey, *, seed: int | None = None, faults: Sequence[str] = ()
    ) -> None:
        self._session, self._out, self._key = session, out, key
        self._seed, self._faults = seed, faults
        self.engine: Engine | None = None
        self.folder: Path | None = None

    @property
    def rig(self) -> str:
        """The rig's name."""
        return self._session.rig.name

    @property
    def out(self) -> Path:
        """The folder of all evidence."""
        return self._out

    @property
    def key(self) -> BenchKey:
        """This bench's own key."""
        return self._key

    async def run(
        self,
        runbook: Runbook,
        plan: Plan,
        operator: Operator,
        reporter: Reporter,
        interrupted: Interrupted | None = None,
    ) -> Finished:
        """Carry a runbook out, or what is left of a run that was interrupted, and seal its evidence.

        Cancelling it aborts the run: the safe state is reached and the evidence left unsealed.

        Raises:
            BenchError: evidence could not be written, or the bench itself failed.
        """
        session = self._session
        writer = self._open(runbook, interrupted)
        unsubscribe = session.stream.subscribe(reporter.event)
        reporter.begin(plan, session.clock)
        began = session.clock.now()
        try:
            if session.folder is not None:
                unparked.mark(session.folder, str(writer.path.absolute()))
            header = self.header(runbook.name, runbook.title)
            if interrupted:
                header["resumes"] = interrupted.reference
            session.stream.emit("engine", "run", header)
            earlier = interrupted.resumption if interrupted else None
            self.engine = Engine(session, runbook, operator=operator, barrier=writer.barrier, resumption=earlier)
            self.folder = writer.path
            result = await self.engine.run()
        except BaseException:
            writer.abandon()
            raise
        finally:
            self.engine = self.folder = None
            unsubscribe()
        if session.folder is not None and result.parked:
            unparked.clear(session.folder)
        session.stream.emit("engine", "run", _footer(result))
        manifest = await writer.close()
        duration_s = (session.clock.now().mono_ns - began.mono_ns) / 1e9
        finished = Finished(result, plan, writer.path, manifest.body, duration_s)
        reporter.end(finished)
        return finished

    def _open(self, runbook: Runbook, interrupted: Interrupted | None) -> BundleWriter:
        """Begin a run's evidence, with the files that it is made from."""
        files = (
            {f"{INTERRUPTED}/{name}": journal for name, journal in interrupted.journals.items()} if interrupted else {}
        )
        for document in runbook.documents:
            folder = FOLDER if document is runbook.documents[0] else f"{FOLDER}/procedures"
            files[f"{folder}/{document.path.name}"] = document.text.encode()
        for picture in runbook.pictures.values():
            files[f"{FOLDER}/{picture.name}"] = picture.data
        return self.begin_bundle(runbook.name, files)

    def begin_bundle(self, name: str, files: Mapping[str, bytes] | None = None) -> BundleWriter:
        """Begin evidence: of a run, or of what is done without a runbook.

        Args:
            name: what stands in the bundle's name after its moment.
            files: what goes into it beside the rig's files, by path.

        Raises:
            StorageError: it cannot be written; nothing is left of it.
        """
        rig, writer = self._session.rig, self._new_bundle(name)
        try:
            writer.add("rig.yaml", rig.document.text.encode())
            writer.add("duts.yaml", rig.dut_document.text.encode(), redact=True)
            for path, data in (files or {}).items():
                writer.add(path, data)
        except BenchError:
            # Nothing has happened yet that this would be evidence of.
            writer.abandon()
            shutil.rmtree(writer.path, ignore_errors=True)
            raise
        return writer

    def _new_bundle(self, runbook: str) -> BundleWriter:
        """A bundle under a name that is new, though another process may take one at the same moment.

        The name has the wall clock's time even for a virtual run, since its own clock always begins alike.
        """
        stem = f"{RealClock().now().utc:%Y%m%dT%H%M%SZ}-{runbook}"
        redactor = Redactor.of(self._session.parties, emulated=self._session.rig.emulated)
        for number in itertools.count(1):
            name = stem if number == 1 else f"{stem}-{number}"
            try:
                return BundleWriter.open(self._out, name, self._session.stream, key=self._key, redactor=redactor)
            except StorageError as error:
                if not isinstance(error.__cause__, FileExistsError) or not (self._out / name).is_dir():
                    raise
        raise AssertionError("there is always another number")

    def header(self, runbook: str, title: str) -> dict[str, Any]:
        """What the first event of a run says."""
        session, rig = self._session, self._session.rig
        return {
            "state": "start",
            "runbook": runbook,
            "title": title,
            "rig": rig.name,
            "clock": session.clock.kind.value,
            "emulated": rig.emulated or rig.file.emulated_elsewhere,
            "duts": dut_summary(rig.duts),
            "users": {name: str(user.eui) for name, user in session.parties.users.items()},
            "seed": self._seed,
            "faults": list(self._faults),
        }


def _footer(result: RunResult) -> dict[str, Any]:
    return {
        "state": "end",
        "verdict": result.verdict.value,
        "reason": result.reason,
        "safe": result.safe,
        "findings": result.findings,
    }
