"""`hilbench serve`: the engine of one rig as a process, which clients give commands and watch."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import alarm, stopped, unparked
from bench.errors import BenchError, UsageError
from bench.events import Event
from bench.evidence.redact import Redactor
from bench.one_run import Finished, RigRunner
from bench.planner import plan
from bench.rig.session import RigSession
from bench.runbook import find_runbook, load_runbook
from bench.safety import reach
from bench.service.clients import Client, Clients
from bench.service.commands import Command, who_of
from bench.service.hands_on import HandsOn, read_act
from bench.service.jobs import Job, plan_for_clients
from bench.service.live import Live
from bench.service.originals import Originals
from bench.service.prompts import ClientOperator
from bench.service.questions import Questions
from bench.service.settling import Settling
from bench.service.shared_runs import Parked, SharedRuns
from bench.service.talk import Talk
from bench.sightings import Sighting
from bench.tasks import stop
from bench.virtual_time import VirtualLoop

_LAST_RUNS = 50
NIGHTS = Path("campaigns")
"""Where `hilbench campaign` puts nights unless told otherwise."""


class EngineService:
    """One rig, its runs and its clients.

    The rig stays up between runs. Runs are done one after the other. A run that is aborted, or does not park the rig,
    takes those that wait behind it along: `park` makes the rig ready again.

    Args:
        session: the connected rig.
        runs: runs on it.
        folder: the rig's state folder.
        nights: the folder of the nights of campaigns, for clients to see.
    """

    def __init__(self, session: RigSession, runs: RigRunner, folder: Path, nights: Path = NIGHTS) -> None:
        self._session, self._runs, self._folder = session, runs, folder
        self._clients = Clients()
        self._operator = ClientOperator(self._clients.tell)
        self._waiting: deque[Job] = deque()
        self._job: Job | None = None
        self._jobs = 0
        self._step = ""
        self._done: deque[dict[str, Any]] = deque(maxlen=_LAST_RUNS)
        self._state = "connected"
        self._work = asyncio.Event()
        self._ended = asyncio.Event()
        self._safe: asyncio.Task[tuple[str, ...]] | None = None
        self._settling = Settling(session, folder)
        self._parking: asyncio.Task[Parked] | None = None
        self._stopping = False
        self._shared = SharedRuns(session, runs, folder, self._operator, self._waits)
        self._hands = HandsOn(session, runs, self._operator, self._clients.tell)
        self._live = Live(session, self._clients.anybody_live, lambda: self._job is not None, self._clients.tell_live)
        originals = Originals(lambda: self._clients.events, Redactor.of(session.parties))
        self._questions = Questions(session, runs.out, runs.key, originals, nights)
        self._commands: dict[str, Command] = {
            "subscribe": self._subscribe,
            "status": self._status,
            "run": self._run,
            "pause": self._pause,
            "resume": self._resume,
            "abort": self._abort,
            "abort_step": self._abort_step,
            "act": self._act,
            "view": self._view,
            "estop": self._estop,
            "park": self._park,
            "answer": self._answer,
            "stop": self._stop,
            **self._questions.commands,
        }
        self._talk = Talk(self._clients, self._commands, self._questions.commands, self._describe)
        session.stream.subscribe(self._clients.receive)
        session.stream.subscribe(originals.receive)
        session.stream.subscribe(self._notice)
        session.watch(self._see)

    def settle(self, run: str = "") -> None:
        """The rig is parked after its supply was off: book what devices still say, before the next run begins.

        Args:
            run: the evidence of the run that it is booked to; "" for the one that the rig's state folder names.
        """
        self._settling.begin(run or unparked.run_of(self._folder))

    @property
    def unsafe(self) -> bool:
        """Whether the rig was to be made safe, and did not confirm it."""
        return self._state == "unsafe"

    async def work(self) -> None:
        """Carry out what clients ask for, until one says `stop` or `end` is called."""
        live = asyncio.create_task(self._live.run(), name="live readings")
        try:
            while not self._stopping:
                if not self._waiting:
                    self._work.clear()
                    await self._work.wait()
                    continue
                if trouble := await self._settling.wait(self._work, lambda: bool(self._waiting) and not self._stopping):
                    self._drop_waiting(trouble)
                await self._back_from_hands("a run begins")
                if self._waiting:
                    await self._one(self._waiting.popleft())
            await self._back_from_hands("the engine ends")
        finally:
            stop(live)
            await asyncio.wait([live, *self._talk.lasting, *self._settling.end()])

    async def _back_from_hands(self, why: str) -> None:
        """Have the rig given back by whoever uses it by hand; if it is not parked then, nothing can run on it."""
        if not self._hands.open:
            return
        await self._hands.end(why)
        self._state = self._hands.state
        if self._state != "parked":
            self._drop_waiting("the rig was not parked after it was used by hand")

    def end(self, why: str) -> None:
        """Abort the run that is going on, forget those that wait, and let `work` return."""
        self._stopping = True
        self._shared.given_up = why
        if self._runs.engine is not None:
            self._runs.engine.abort(why)
        self._hands.abort(why)
        self._drop_waiting(why)
        self._work.set()

    async def _one(self, job: Job) -> None:
        self._job, self._state = job, "running"
        self._clients.tell(job.told("start"))
        finished: Finished | None = None
        error = ""
        try:
            finished = await self._shared.run(job.runbook, job.plan)
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

    def _waits(self, text: str) -> None:
        self._step = text

    def _finish(self, job: Job, finished: Finished | None, error: str) -> None:
        done = job.ended(finished, error)
        self._done.append(done)
        self._clients.tell({"type": "job", "state": "end", **done})

    def _drop_waiting(self, why: str) -> None:
        waiting, self._waiting = self._waiting, deque()
        for job in waiting:
            self._finish(job, None, why)

    def _see(self, sighting: Sighting) -> None:
        if self._job is None and self._state in ("safe", "unsafe"):
            self._settling.see(sighting)

    def _notice(self, event: Event) -> None:
        if event.kind == "step":
            self._step = event.data["name"] if event.data["state"] == "start" else ""

    # Clients

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk to one client until it goes: a callback for `asyncio.start_unix_server`."""
        await self._talk.serve(reader, writer)

    def _describe(self) -> dict[str, Any]:
        rig, job = self._session.rig, self._job
        engine, now = self._runs.engine, self._session.clock.now()
        loop = asyncio.get_running_loop()
        return {
            "rig": rig.name,
            "title": rig.file.title,
            "clock": self._session.clock.kind.value,
            "emulated": rig.emulated or rig.file.emulated_elsewhere,
            "pid": os.getpid(),
            "mono_ns": now.mono_ns,
            "utc_ns": now.utc_ns,
            "speed": loop.speed if isinstance(loop, VirtualLoop) else None,
            "state": "manual" if self._hands.open else self._state,
            "hands_on": self._hands.describe(),
            "waits": self._shared.waits,
            "run": None
            if job is None
            else {
                "job": job.number,
                "runbook": job.runbook.name,
                "plan": plan_for_clients(job.plan),
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
        client.live = message.get("live") is True
        missed = self._clients.subscribe(client, after, wire=message.get("wire") is True)
        if client.live:
            self._live.begin()
        return {"missed": missed}

    async def _view(self, client: Client, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """From now on this connection may only look; there is no way back but a new one."""
        client.view_only = True
        return {}

    async def _status(self, client: Client, message: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._describe()

    async def _run(self, client: Client, message: Mapping[str, Any]) -> Mapping[str, Any]:
        if self._state in ("safe", "unsafe") or self._parking is not None:
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
            jobs.append(Job(self._jobs, runbook, its_plan))
            self._clients.tell(jobs[-1].told("wait"))
        self._waiting.extend(jobs)
        self._work.set()
        return {"jobs": [job.number for job in jobs]}

    async def _pause(self, client: Client, message: Mapping[str, Any]) -> Mapping[str, Any]:
        who = self._operated(message, "pause")
        self._engine().pause.close(f"by {who}")
        return {}

    async def _resume(self, client: Client, message: Mapping[str, Any]) -> Mapping[str, Any]:
        if self._hands.acting:
            raise UsageError("an act by hand is going on", next_step="Wait for it, or abort it")
        self._operated(message, "resume")
        self._engine().pause.open()
        return {}

    async def _act(self, client: Client, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """Begin an act by hand; an event of kind `manual` says how it ended."""
        if self._state in ("safe", "unsafe") or self._parking is not None:
            raise UsageError("the rig is not parked", next_step="Look at the bench, then `hilbench rig park RIG`")
        engine = self._runs.engine
        if (self._job is not None or self._waiting) and not (engine and engine.pause.asked and engine.between_steps):
            raise UsageError("a run is going on", next_step="Pause it, and wait for the end of its step")
        step = read_act(self._session, message.get("step"))
        return {"act": await self._hands.act(step, who_of(message), engine)}

    async def _abort(self, client: Client, message: Mapping[str, Any]) -> Mapping[str, Any]:
        if self._runs.engine is None and self._hands.open:
            self._hands.abort(f"aborted by {self._operated(message, 'abort')}")
            await self._hands.end("")
            self._state = self._hands.state
            return {}
        if (self._job is not None and self._runs.engine is None) or (self._parking is not None and self._shared.waits):
            # It waits for what another rig uses.
            self._shared.given_up = f"aborted by {self._operated(message, 'abort')}"
        else:
            engine = self._engine()
            self._hands.stop_act()
            engine.abort(f"by {self._operated(message, 'abort')}")
        self._drop_waiting("the run before it was aborted")
        return {}

    async def _abort_step(self, client: Client, message: Mapping[str, Any]) -> Mapping[str, Any]:
        self._engine().abort_step(f"by {who_of(message)}")
        self._operated(message, "abort step")
        return {}

    async def _estop(self, client: Client, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """The safe state at once, whatever is going on; the reply says whether it was confirmed."""
        engine = self._runs.engine
        self._shared.given_up = f"emergency stop by {who_of(message)}"
        if engine is not None:
            # The engine opens the relay before it does anything else; nothing of ours comes before it either.
            engine.abort(f"emergency stop by {who_of(message)}")
            self._hands.stop_act()
            self._operated(message, "estop")
            self._drop_waiting("the run before it was stopped")
            while self._job is not None:
                self._ended.clear()
                await self._ended.wait()
        elif self._hands.open:
            self._hands.abort(f"emergency stop by {who_of(message)}")
            self._operated(message, "estop")
            self._drop_waiting("the rig was stopped")
            await self._hands.end("")
            self._state = self._hands.state
        else:
            if self._safe is None or self._safe.done():
                self._safe = asyncio.create_task(reach(self._session, "safe", self._session.rig.file.safe))
            if self._parking is not None:
                stop(self._parking)
            self._operated(message, "estop")
            self._drop_waiting("the rig was stopped")
            unsafe = await asyncio.shield(self._safe)
            self._state = "unsafe" if unsafe else "safe"
            if unsafe:
                await alarm.sound(self._session.rig, f"the safe state is not confirmed: {'; '.join(unsafe)}")
        stopped.mark(self._folder, who_of(message))
        return {"confirmed": self._state == "safe", "state": self._state}

    async def _park(self, client: Client, message: Mapping[str, Any]) -> Mapping[str, Any]:
        if self._job is not None or self._waiting:
            raise UsageError("a run is going on, and parks the rig itself", next_step="Abort it first")
        self._operated(message, "park")
        if self._hands.open:
            await self._back_from_hands(f"given back by {who_of(message)}")
            if self._state != "parked":
                raise BenchError("the park state was not confirmed", next_step="Look at the bench")
            return {"state": self._state}
        if self._parking is not None:
            raise UsageError("the rig is being parked already")
        self._parking = parking = asyncio.create_task(self._shared.park(), name="park")
        try:
            await asyncio.wait([parking])
        finally:
            self._parking = None
        if parking.cancelled():
            raise BenchError("the rig was stopped while it was being parked", next_step="Look at the bench")
        parked = parking.result()
        if parked.unparked:
            self._state = "unsafe" if parked.unsafe else "safe"
            why = "; ".join(parked.unparked)
            raise BenchError(f"the park state was not confirmed: {why}", next_step="Look at the bench")
        if self._state in ("safe", "unsafe"):
            run = next((done.get("bundle", "") for done in reversed(self._done) if not done["error"]), "")
            self.settle(run)
        self._state = "parked"
        stopped.clear(self._folder)
        return {"state": self._state}

    async def _answer(self, client: Client, message: Mapping[str, Any]) -> Mapping[str, Any]:
        self._operator.answer(message.get("prompt"), message.get("choice"))
        self._operated(message, f"answer {message.get('choice')}")
        return {}

    async def _stop(self, client: Client, message: Mapping[str, Any]) -> Mapping[str, Any]:
        if self._job is not None or self._waiting or self._parking is not None:
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
        who = who_of(message)
        self._session.stream.emit("engine", "operator", {"who": who, "did": what})
        return who
