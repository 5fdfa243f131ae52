"""One run from its preconditions to a rig that is parked, or safe.

A run that ends by itself leaves the rig parked, after teardown and after late alerts were drained. An abort, whoever
asks for it, starts the safe state at once and beside whatever the step is doing. Every verdict is an event before it
is a result.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from bench import alarm
from bench.engine.account import Account
from bench.engine.brake import Brake
from bench.engine.lookout import Lookout
from bench.engine.step import StepRunner
from bench.errors import BenchError, UnsafeError
from bench.monitors import Monitors
from bench.pause import Pause
from bench.results import RunResult
from bench.resume import Resumption, until_back
from bench.rig.session import RigSession
from bench.runbook import Placed, PlacedPrecondition, Runbook
from bench.safety import reach
from bench.steps import Step
from bench.tasks import stop
from bench.verbs import Operator, Stage, read_inventory
from bench.verdict import Verdict


class Engine:
    """One run of one runbook.

    Args:
        session: the connected rig.
        runbook: what to do; it has been planned, so it is within the limits.
        operator: who answers its questions.
        barrier: returns when all that was emitted is on disk; awaited before and after every step.
        resumption: what is left of a run of the same runbook that was interrupted, to be carried on.

    Attributes:
        pause: holds the run between two steps.
    """

    def __init__(
        self,
        session: RigSession,
        runbook: Runbook,
        *,
        operator: Operator,
        barrier: Callable[[], Awaitable[None]],
        resumption: Resumption | None = None,
    ) -> None:
        self._session = session
        self._runbook = runbook
        self._earlier = resumption or Resumption()
        self._stage = Stage(session, operator, dict(self._earlier.saved))
        self.pause = Pause(session.stream)
        self._brake = Brake(session)
        self._account = Account(session, self._earlier)
        self._lookout = Lookout(session, self._account)
        self._steps = StepRunner(
            self._stage,
            self._account,
            self._lookout,
            self._brake,
            pause=self.pause,
            barrier=barrier,
            earlier=self._earlier,
        )
        self._body: asyncio.Task[None] | None = None
        self._parked = False

    def abort(self, reason: str) -> None:
        """Start the safe state now, and stop the run; the first reason is kept. Callable from a signal handler."""
        self._brake.pull(reason)

    def abort_step(self, reason: str) -> None:
        """End the step that is going on, undecided; what follows is blocked, teardown and park are not.

        A supply that the step was in the middle of changing is parked before anything else is done.

        Raises:
            UsageError: no step is going on.
        """
        self._steps.abort(reason)

    @property
    def between_steps(self) -> bool:
        """Whether nothing of a step is under way."""
        return self._lookout.is_idle

    def touched(self, what: str) -> None:
        """Somebody acted by hand while the run was held: it goes on, and cannot pass any more."""
        self._account.problem(Verdict.UNDECIDED, f"somebody acted by hand: {what}")

    async def run(self) -> RunResult:
        """Carry the runbook out.

        Cancelling it aborts the run: the safe state is still reached before this returns.

        Raises:
            StorageError: the journal cannot be written; the rig was brought to its safe state.
            UnsafeError: that, or another error in the bench, and the safe state was not confirmed.
        """
        with self._lookout.on_duty():
            error, unsafe = await self._to_the_end()
        if unsafe:
            await self._sound(f"the safe state is not confirmed: {'; '.join(unsafe)}")
        if error is not None:
            if unsafe:
                raise UnsafeError(
                    f"{error}; and the safe state of the rig was not confirmed: {'; '.join(unsafe)}",
                    next_step="Look at the bench",
                ) from error
            raise error
        parked = self._parked and self._brake.safe is None
        return self._account.conclude(self._runbook, abort_reason=self._brake.reason, unsafe=unsafe, parked=parked)

    async def _to_the_end(self) -> tuple[BaseException | None, tuple[str, ...]]:
        """Let the run, what watches its limits and its safe state end.

        Returns:
            the error in the bench that ended the run, or None; and why the safe state was not confirmed.
        """
        unsteady = partial(self._account.problem, Verdict.UNDECIDED)
        monitors = asyncio.create_task(Monitors(self._session, self.abort, unsteady).run(), name="monitors")
        monitors.add_done_callback(self._monitors_ended)
        self._body = asyncio.create_task(self._whole(), name=f"run {self._runbook.name}")
        self._brake.holds(self._body)
        await self._end_of(self._body)
        error = None if self._body.cancelled() else self._body.exception()
        if error is not None:
            self.abort(f"an error in the bench: {error!r}")
        elif self._body.cancelled() and not self._brake.is_pulled:
            self.abort("something inside the bench cancelled the run")
        stop(monitors)
        await self._end_of(monitors)
        if self._brake.safe is None:
            return error, ()
        await self._end_of(self._brake.safe)
        return error, self._brake.safe.result()

    async def _sound(self, text: str) -> None:
        done = await alarm.sound(self._session.rig, text)
        self._session.stream.emit("engine", "alarm", {"text": text, "program": done})

    async def _end_of(self, task: asyncio.Task[Any]) -> None:
        """Wait for a task to end; being cancelled meanwhile aborts the run, and a second time changes nothing."""
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                self.abort("the run was cancelled")

    def _monitors_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            self.abort(f"nothing watches the limits any more: {error}")

    async def _whole(self) -> None:
        """The run from preconditions to the parked rig."""
        self._session.clock.mark()
        self._account.check_clock()
        if self._earlier:
            await self._after_interruption()
        ready = await self._establish()
        ready = ready and await self._group("setup", self._runbook.setup)
        if ready:
            await self._group("step", self._runbook.steps)
        else:
            self._account.block("step", self._runbook.steps)
        if not await self._group("teardown", self._runbook.teardown, go_on=True):
            self._account.problem(Verdict.FAILED, "teardown did not put everything back")
        unparked = await reach(self._session, "park", self._session.rig.file.park)
        self._parked = not unparked
        if unparked:
            # At once, and not after the drain: nobody knows what state the rig is in.
            self._account.problem(Verdict.UNDECIDED, f"the park state was not confirmed: {'; '.join(unparked)}")
            self._brake.make_safe()
        await self._lookout.drain()
        await self._lookout.check_dcc()
        self._account.check_clock()

    async def _after_interruption(self) -> None:
        """Let the devices come back, and let what the interruption itself made them say come in."""
        watch = self._lookout.begin(Step.model_validate({"title": "after the interruption", "wait": "0 s"}))
        if not await until_back(self._session, watch):
            self._account.finding("the Comms Hub did not say that it is back after the interruption")
        await self._session.clock.sleep(self._session.rig.file.drain)
        self._lookout.end(watch)

    async def _establish(self) -> bool:
        if self._earlier.is_past_preconditions:
            # They spoke of how the run begins; what it did since may well have changed that.
            for kept in self._earlier.of_group("precondition"):
                self._account.finish(kept, kept=True)
            return True
        for item in self._runbook.preconditions:
            if not await self._precondition(item):
                self._account.problem(Verdict.UNDECIDED, f"precondition not established: {item.precondition.title}")
                return False
        return True

    async def _precondition(self, item: PlacedPrecondition) -> bool:
        condition = item.precondition
        check = Placed(
            Step.model_validate({"title": condition.title, "as": condition.user, "inventory": condition.inventory}),
            item.where,
            "check",
        )
        watch = self._lookout.begin(check.step)
        try:
            status = await read_inventory(self._stage, condition.inventory, condition.user, watch)
        except BenchError as error:
            self._account.problem(Verdict.UNDECIDED, f"{condition.title}: {error}")
            return False
        finally:
            self._lookout.end(watch)
        holds = status in condition.inventory.status
        text = f"{condition.title}: {condition.inventory.device} is {status}"
        self._session.stream.emit("engine", "precondition", {"text": text, "holds": holds})
        if holds:
            return True
        established = await self._group("precondition", item.establish)
        return established and (await self._steps.run("precondition", check)).verdict.passed

    async def _group(self, group: str, steps: Sequence[Placed], *, go_on: bool = False) -> bool:
        """Run steps in order until one does not pass; with `go_on`, all of them."""
        passed = True
        for index, placed in enumerate(steps):
            result = await self._steps.run(group, placed)
            passed = passed and result.verdict.passed
            if not passed and not go_on:
                self._account.block(group, steps[index + 1 :])
                break
        return passed
