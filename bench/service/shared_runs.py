"""A run by an engine, after what its rig shares with others has been waited for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench.errors import BenchError
from bench.one_run import Finished, RigRunner
from bench.planner import Plan
from bench.rig.session import RigSession
from bench.runbook import Runbook
from bench.safety import reach
from bench.shared import shares_held
from bench.terminal import Silent
from bench.verbs import Operator


class SharedRuns:
    """Runs on a rig, one after the other.

    Args:
        session: the connected rig.
        runs: runs on it.
        folder: the rig's state folder.
        operator: answers what runbooks ask.
        say: told what a run waits for; "" when it need not any more.

    Attributes:
        given_up: why a run that still waits for what others use is not to begin.
    """

    def __init__(
        self, session: RigSession, runs: RigRunner, folder: Path, operator: Operator, say: Callable[[str], None]
    ) -> None:
        self._session, self._runs, self._folder = session, runs, folder
        self._operator, self._say = operator, say
        self.given_up = ""

    async def run(self, runbook: Runbook, plan: Plan) -> Finished:
        """Run, after waiting in the queues of what the rig shares with others.

        Raises:
            BenchError: it did not begin, or could not be carried out.
        """
        rig = self._session.rig
        if rig.emulated:
            return await self._runs.run(runbook, plan, self._operator, Silent())
        self.given_up = ""
        async with shares_held(
            rig,
            self._folder,
            f"run {runbook.name}",
            on_lost=self._lose,
            say=self._say,
            given_up=lambda: bool(self.given_up),
        ) as shares:
            self._say("")
            if self.given_up:
                raise BenchError(f"it did not begin: {self.given_up}")
            if shares.unparked:
                await self._park_first()
            shares.begun()
            finished = await self._runs.run(runbook, plan, self._operator, Silent())
            if finished.result.parked:
                shares.parked()
            return finished

    def _lose(self, why: str) -> None:
        if self._runs.engine is not None:
            self._runs.engine.abort(why)

    async def _park_first(self) -> None:
        """Another rig did not leave parked what they share; what its end makes this rig's devices say is waited for."""
        unparked = await reach(self._session, "park", self._session.rig.file.park)
        if unparked:
            raise BenchError(f"the park state was not confirmed: {'; '.join(unparked)}", next_step="Look at the bench")
        await self._session.clock.sleep(self._session.rig.file.drain)
