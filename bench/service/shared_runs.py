"""A run by an engine, or its end, after what its rig shares with others has been waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.one_run import Finished, RigRunner
from bench.planner import Plan
from bench.rig.session import RigSession
from bench.runbook import Runbook
from bench.safety import reach
from bench.shared import Shares, shares_held
from bench.tasks import stop
from bench.terminal import Silent
from bench.verbs import Operator


@dataclass(frozen=True, slots=True)
class Parked:
    """What became of a rig that was to be parked.

    Attributes:
        unparked: what did not confirm its park state.
        unsafe: what then did not confirm its safe state.
    """

    unparked: tuple[str, ...]
    unsafe: tuple[str, ...] = ()


class SharedRuns:
    """Runs on a rig, one after the other.

    Args:
        session: the connected rig.
        runs: runs on it.
        folder: the rig's state folder.
        operator: answers what runbooks ask.
        say: told what a run waits for; "" when it need not any more.

    Attributes:
        given_up: why what still waits for what others use is not to begin.
        waits: what is waited for; "" when nothing is.
    """

    def __init__(
        self, session: RigSession, runs: RigRunner, folder: Path, operator: Operator, say: Callable[[str], None]
    ) -> None:
        self._session, self._runs, self._folder = session, runs, folder
        self._operator, self._say = operator, say
        self.given_up = self.waits = ""

    async def run(self, runbook: Runbook, plan: Plan) -> Finished:
        """Run, after waiting in the queues of what the rig shares with others.

        Raises:
            BenchError: it did not begin, or could not be carried out.
        """
        rig = self._session.rig
        if rig.emulated:
            return await self._runs.run(runbook, plan, self._operator, Silent())
        async with self._held(f"run {runbook.name}", self._lose) as shares:
            if shares.unparked:
                await self._park_first()
            shares.begun()
            finished = await self._runs.run(runbook, plan, self._operator, Silent())
            if finished.result.parked:
                shares.parked()
            return finished

    async def park(self) -> Parked:
        """Park the rig, after the same wait; if that is not confirmed, make it safe.

        Raises:
            HeldElsewhere: the wait was given up.
            BenchError: it did not begin.
        """
        rig, this = self._session.rig, asyncio.current_task()
        if rig.emulated:
            return await self._park()
        async with self._held("park", lambda _: stop(this) if this is not None else None) as shares:
            parked = await self._park()
            if not parked.unparked:
                shares.parked()
            return parked

    async def _park(self) -> Parked:
        file = self._session.rig.file
        unparked = await reach(self._session, "park", file.park)
        return Parked(unparked, await reach(self._session, "safe", file.safe) if unparked else ())

    @asynccontextmanager
    async def _held(self, what: str, on_lost: Callable[[str], None]) -> AsyncIterator[Shares]:
        self.given_up = ""
        try:
            async with shares_held(
                self._session.rig,
                self._folder,
                what,
                on_lost=on_lost,
                say=self._wait,
                given_up=lambda: bool(self.given_up),
            ) as shares:
                self._wait("")
                if self.given_up:
                    raise BenchError(f"it did not begin: {self.given_up}")
                yield shares
        finally:
            self._wait("")

    def _wait(self, text: str) -> None:
        if text != self.waits:
            self.waits = text
            self._say(text)

    def _lose(self, why: str) -> None:
        if self._runs.engine is not None:
            self._runs.engine.abort(why)

    async def _park_first(self) -> None:
        """Another rig did not leave parked what they share; what its end makes this rig's devices say is waited for."""
        unparked = await reach(self._session, "park", self._session.rig.file.park)
        if unparked:
            raise BenchError(f"the park state was not confirmed: {'; '.join(unparked)}", next_step="Look at the bench")
        await self._session.clock.sleep(self._session.rig.file.drain)
