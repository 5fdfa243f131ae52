"""`hilbench serve`: the engine of one rig as a process, which clients give commands and watch."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import alarm, stopped
from bench.aftermath import settle
from bench.clock import Clock
from bench.errors import BenchError, CodecError, UsageError
from bench.events import Event
from bench.one_run import Finished, RigRunner
from bench.planner import Plan, plan
from bench.rig import RigSession
from bench.runbook import Runbook, find_runbook, load_runbook
from bench.safety import reach
from bench.service.address import reachable
from bench.service.clients import Client, Clients
from bench.service.lines import LONGEST_COMMAND, VERSION, decode
from bench.service.prompts import ClientOperator
from bench.shared import shares_held
from bench.sightings import Sighting
from bench.tasks import stop

_LAST_RUNS = 50
_WHO_CHARACTERS = 80

Command = Callable[[Client, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class _Job:
    number: int
    runbook: Runbook
    plan: Plan


class EngineService:
    """One rig, its runs and its clients.

    The rig stays up between runs. Runs are done one after the other. A run that is aborted, or does not park the rig,
    takes those that wait behind it along: `park` makes the rig ready again.

    Args:
        session: the connected rig.
        runs: runs on it.
        folder: the rig's state folder.
    """

    def __init__(self, session: RigSession, runs: RigRunner, folder: Path) -> None:
        self._session, self._runs, self._folder = session, runs, folder
        self._clients = Clients()
        self._operator = ClientOperator(self._clients.tell)
        self._waiting: deque[_Job] = deque()
        self._job: _Job | None = None
        self._jobs = 0
        self._step = ""
        self._done: deque[dict[str, Any]] = deque(maxlen=_LAST_RUNS)
        self._state = "connected"
        self._work = asyncio.Event()
        self._ended = asyncio.Event()
        self._safe: asyncio.Task[tuple[str, ...]] | None = None
        self._settling: asyncio.Task[list[str]] | None = None
        self._late: list[str] = []
        self._stopping = False
        self._given_up = ""
        self._commands: dict[str, Command] = {
            "subscribe": self._subscribe,
            "status": self._status,
            "run": self._run,
            "pause": self._pause,
            "resume": self._resume,
            "abort": self._abort,
            "estop": self._estop,
            "park": self._park,
            "answer": self._answer,
            "stop": self._stop,
        }
        session.stream.subscribe(self._clients.receive)
        session.stream.subscribe(self._notice)
        session.watch(self._see)

    @property
    def unsafe(self) -> bool:
        """Whether the rig was to be made safe, and did not confirm it."""
        return self._state == "unsafe"

    async def work(self) -> None:
        """Carry out what clients ask for, until one says `stop` or `end` is called."""
        try:
            while not self._stopping:
                if not self._waiting:
                    self._work.clear()
                    await self._work.wait()
                    continue
                await self._settled()
                if self._waiting:
                    await self._one(self._waiting.popleft())
        finally:
            if self._settling is not None:
                stop(self._settling)
                await asyncio.wait([self._settling])

    async def _settled(self) -> None:
        """Wait for what the last abort makes devices say; it is booked before the next run begins."""
        settling = self._settling
        if settling is None:
            return
        while not settling.done() and not self._stopping and self._waiting:
            self._work.clear()
            work = asyncio.ensure_future(self._work.wait())
            await asyncio.wait([settling, work], return_when=asyncio.FIRST_COMPLETED)
            stop(work)
        if settling.done():
            self._settling = None
            if not settling.cancelled() and (error := settling.exception()) is not None:
                self._drop_waiting(f"what the last run caused could not be booked: {error}")

    def end(self, why: str) -> None:
        """Abort the run that is going on, forget those that wait, and let `work` return."""
        self._stopping = True
        self._given_up = why
        if self._runs.engine is not None:
            self._runs.engine.abort(why)
        self._drop_waiting(why)
        self._work.set()

    async def _one(self, job: _Job) -> None:
        self._job, self._state = job, "running"
        self._tell_job(job, "start")
        finished: Finished | None = None
        error = ""
        try:
            finished = await self._run_with_shares(job)
        except BenchError as problem:
            error = str(problem)
        finally:
            self._job, self._step = None, ""
            self._ended.set()
        parked = finished is not None and finished.result.parked
        if self._state == "running":
            safe = finished is not None and finished.result.safe
            self._state = "parked" if parked else "safe" if safe else "unsafe"
        self._finish(job, finished, error)
        if not parked:
            self._drop_waiting("the run before it left the rig unparked")

    async def _run_with_shares(self, job: _Job) -> Finished:
        """Run, after waiting in the queues of what the rig shares with others."""
        rig = self._session.rig
        if rig.emulated:
            return await self._runs.run(job.runbook, job.plan, self._operator, _Quiet())
        self._given_up = ""
        async with shares_held(
            rig,
            self._folder,
            f"run {job.runbook.name}",
            on_lost=self._lose,
            say=self._waits,
            given_up=lambda: bool(self._given_up),
        ) as shares:
            self._step = ""
            if self._given_up:
                raise BenchError(f"it did not begin: {self._given_up}")
            if shares.unparked:
                await self._park_first()
            shares.begun()
            finished = await self._runs.run(job.runbook, job.plan, self._operator, _Quiet())
            if finished.result.parked:
                shares.parked()
            return finished

    def _waits(self, text: str) -> None:
        self._step = text

    def _lose(self, why: str) -> None:
        if self._runs.engine is not None:
            self._runs.engine.abort(why)

    async def _park_first(self) -> None:
        """Another rig did not leave parked what they share; what its end makes this rig's devices say is waited for."""
        unparked = await reach(self._session, "park", self._session.rig.file.park)
        if unparked:
            raise BenchError(f"the park state was not confirmed: {'; '.join(unparked)}", next_step="Look at the bench")
        await self._session.clock.sleep(self._session.rig.file.drain)

    def _finish(self, job: _Job, finished: Finished | None, error: str) -> None:
        done: dict[str, Any] = {"job": job.number, "runbook": job.runbook.name, "error": error}
        if finished is not None:
            result = finished.result
            done |= {
                "verdict": result.verdict.value,
                "reason": result.reason,
                "safe": result.safe,
                "duration_s": round(finished.duration_s, 3),
                "bundle": str(finished.bundle.absolute()),
                "body_hash": finished.body_hash,
            }
        self._done.append(done)
        self._clients.tell({"type": "job", "state": "end", **done})

    def _drop_waiting(self, why: str) -> None:
        waiting, self._waiting = self._waiting, deque()
        for job in waiting:
            self._finish(job, None, why)

    def _tell_job(self, job: _Job, state: str) -> None:
        self._clients.tell({"type": "job", "state": state, "job": job.number, "runbook": job.runbook.name})

    def _see(self, sighting: Sighting) -> None:
        """Keep what is said while no run is there that would: it is the last one's."""
        if self._job is None and self._state in ("safe", "unsafe") and sighting.is_alert:
            self._late.append(sighting.label(self._session.parties))

    def _notice(self, event: Event) -> None:
        if event.kind == "step":
            self._step = event.data["name"] if event.data["state"] == "start" else ""

    # Clients

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk to one client until it goes: a callback for `asyncio.start_unix_server`."""
        client = self._clients.add(writer)
        try:
            client.send({"type": "hello", "version": VERSION, **self._describe()})
            while line := await _line(reader):
                await self._obey(client, line)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except CodecError as error:
            client.send({"type": "reply", "id": None, "ok": False, "error": str(error)})
        finally:
            self._clients.remove(client)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _obey(self, client: Client, line: bytes) -> None:
        number: object = None
        try:
            message = decode(line)
            number = message.get("id")
            command = self._commands.get(str(message.get("do")))
            if command is None:
                raise UsageError(f"there is no command {message.get('do')!r}", next_step=", ".join(self._commands))
            result = await command(client, message)
        except BenchError as error:
            client.send({"type": "reply", "id": number, "ok": False, "error": str(error)})
        else:
            client.send({"type": "reply", "id": number, "ok": True, "result": dict(result)})

    def _describe(self) -> dict[str, Any]:
        rig, job = self._session.rig, self._job
        engine = self._runs.engine
        return {
            "rig": rig.name,
            "title": rig.file.title,
            "clock": self._session.clock.kind.value,
            "emulated": rig.emulated or rig.file.emulated_elsewhere,
            "pid": os.getpid(),
            "state": self._state,
            "run": None
            if job is None
            else {
                "job": job.number,
                "runbook": job.runbook.name,
                "step": self._step,
                "paused": engine is not None and engine.pause.asked,
                "folder": str(self._runs.folder.absolute()) if self._runs.folder else "",
            },
            "waiting": [{"job": each.number, "runbook": each.runbook.name} for each in self._waiting],
            "prompts": [prompt.message for prompt in self._operator.open.values()],
            "done": list(self._done),
            "events": self._clients.events,
            "clients": len(self._clients),
        }

    async def _subscribe(self, client: Client, message: Mapping[str, Any]) -> Mapping[str, Any]:
        after = message.get("after")
        if after is not None and (not isinstance(after, int) or isinstance(after, bool)):
            raise UsageError(f"after is {after!r}", next_step="Give the number of the last event that you have")
        return {"missed": self._clients.subscribe(client, after, wire=message.get("wire") is True)}

    async def _status(self, client: Client, message: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._describe()

    async def _run(self, client: Client, message: Mapping[str, Any]) -> Mapping[str, Any]:
        if self._state in ("safe", "unsafe"):
            raise UsageError("the rig is not parked", next_step="Look at the bench, then `hilbench rig park RIG`")
        stopped.check(self._folder)
        names = message.get("runbooks")
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise UsageError("runbooks is no list of names", next_step='Send {"do": "run", "runbooks": ["ic02"]}')
        runbooks = [load_runbook(find_runbook(name)) for name in names]
        plans = [plan(self._session.rig, runbook) for runbook in runbooks]
        self._operated(message, f"run {', '.join(names)}")
        jobs = []
        for runbook, its_plan in zip(runbooks, plans, strict=True):
            self._jobs += 1
            jobs.append(_Job(self._jobs, runbook, its_plan))
            self._tell_job(jobs[-1], "wait")
        self._waiting.extend(jobs)
        self._work.set()
        return {"jobs": [job.number for job in jobs]}

    async def _pause(self, client: Client, message: Mapping[str, Any]) -> Mapping[str, Any]:
        who = self._operated(message, "pause")
        self._engine().pause.close(f"by {who}")
        return {}

    async def _resume(self, client: Client, message: Mapping[str, Any]) -> Mapping[str, Any]:
        self._operated(message, "resume")
        self._engine().pause.open()
        return {}

    async def _abort(self, client: Client, message: Mapping[str, Any]) -> Mapping[str, Any]:
        if self._job is not None and self._runs.engine is None:
            # It waits for what another rig uses.
            self._given_up = f"aborted by {self._operated(message, 'abort')}"
        else:
            engine = self._engine()
            engine.abort(f"by {self._operated(message, 'abort')}")
        self._drop_waiting("the run before it was aborted")
        return {}

    async def _estop(self, client: Client, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """The safe state at once, whatever is going on; the reply says whether it was confirmed."""
        engine = self._runs.engine
        self._given_up = f"emergency stop by {_who(message)}"
        if engine is not None:
            # The engine opens the relay before it does anything else; nothing of ours comes before it either.
            engine.abort(f"emergency stop by {_who(message)}")
            self._operated(message, "estop")
            self._drop_waiting("the run before it was stopped")
            while self._job is not None:
                self._ended.clear()
                await self._ended.wait()
        else:
            if self._safe is None or self._safe.done():
                self._safe = asyncio.create_task(reach(self._session, "safe", self._session.rig.file.safe))
            self._operated(message, "estop")
            self._drop_waiting("the rig was stopped")
            unsafe = await asyncio.shield(self._safe)
            self._state = "unsafe" if unsafe else "safe"
            if unsafe:
                await alarm.sound(self._session.rig, f"the safe state is not confirmed: {'; '.join(unsafe)}")
        stopped.mark(self._folder, _who(message))
        return {"confirmed": self._state == "safe", "state": self._state}

    async def _park(self, client: Client, message: Mapping[str, Any]) -> Mapping[str, Any]:
        if self._job is not None or self._waiting:
            raise UsageError("a run is going on, and parks the rig itself", next_step="Abort it first")
        self._operated(message, "park")
        unparked = await reach(self._session, "park", self._session.rig.file.park)
        if unparked:
            unsafe = await reach(self._session, "safe", self._session.rig.file.safe)
            self._state = "unsafe" if unsafe else "safe"
            raise BenchError(f"the park state was not confirmed: {'; '.join(unparked)}", next_step="Look at the bench")
        if self._state in ("safe", "unsafe"):
            run = next((done.get("bundle", "") for done in reversed(self._done) if not done["error"]), "")
            earlier, self._late = self._late, []
            self._settling = asyncio.create_task(settle(self._session, self._folder, run, earlier), name="aftermath")
        self._state = "parked"
        stopped.clear(self._folder)
        return {"state": self._state}

    async def _answer(self, client: Client, message: Mapping[str, Any]) -> Mapping[str, Any]:
        self._operator.answer(message.get("prompt"), message.get("choice"))
        self._operated(message, f"answer {message.get('choice')}")
        return {}

    async def _stop(self, client: Client, message: Mapping[str, Any]) -> Mapping[str, Any]:
        if self._job is not None or self._waiting:
            raise UsageError("a run is going on", next_step="Abort it first, or wait for its end")
        self._operated(message, "stop")
        self._stopping = True
        self._work.set()
        return {}

    def _engine(self) -> Any:
        engine = self._runs.engine
        if engine is None:
            raise UsageError("no run is going on")
        return engine

    def _operated(self, message: Mapping[str, Any], what: str) -> str:
        """Put an act of a person on record, and say who it was."""
        who = _who(message)
        self._session.stream.emit("engine", "operator", {"who": who, "did": what})
        return who


class _Quiet:
    """Clients are told everything as events; there is nobody else."""

    def begin(self, plan: Plan, clock: Clock) -> None: ...

    def event(self, event: Event) -> None: ...

    def end(self, finished: Finished) -> None: ...


def _who(message: Mapping[str, Any]) -> str:
    who = message.get("who")
    return who[:_WHO_CHARACTERS] if isinstance(who, str) and who else "a client"


async def _line(reader: asyncio.StreamReader) -> bytes:
    """The next line, or nothing at the end.

    Raises:
        CodecError: it is too long to be a command.
    """
    try:
        return await reader.readline()
    except ValueError:
        raise CodecError(f"a command has more than {LONGEST_COMMAND} bytes") from None


@asynccontextmanager
async def connections(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]]:
    """Give what a server calls for each connection; those that are open at the end are ended."""
    tasks: set[asyncio.Task[None]] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve(reader, writer)

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(one(reader, writer), name="client")
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    try:
        yield connected
    finally:
        for task in tuple(tasks):
            stop(task)
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def listening(service: EngineService, path: Path) -> AsyncIterator[None]:
    """Serve clients on a Unix socket that only this user may open.

    Raises:
        UsageError: another engine serves there, or the socket cannot be made.
    """
    async with connections(service.serve) as connected:
        before = os.umask(0o177)
        try:
            with reachable(path) as name:
                server = await asyncio.start_unix_server(connected, name, limit=LONGEST_COMMAND)
        except OSError as error:
            raise UsageError(f"clients cannot be served at {path}: {error.strerror or error}") from None
        finally:
            os.umask(before)
        try:
            yield
        finally:
            server.close()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
