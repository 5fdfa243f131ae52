"""One step of a run, from the event that it begins to its verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from bench.engine.account import Account
from bench.engine.brake import Brake
from bench.engine.lookout import Lookout
from bench.errors import BenchError, LimitExceeded, UsageError
from bench.expectations import StepWatch, first_problem
from bench.pause import Pause
from bench.request_params import NothingSaved
from bench.results import StepResult
from bench.resume import REPEAT, Resumption, ask_about
from bench.runbook import Placed
from bench.safety import reach
from bench.steps import Step
from bench.tasks import STOP_AGAIN_S
from bench.verbs import Stage, StepFailed, perform, read_inventory
from bench.verdict import Verdict


class StepRunner:
    """Carries steps out, one after the other.

    Args:
        stage: what their verbs work with.
        account: where their results are entered.
        lookout: sees what comes meanwhile.
        brake: pulled when a limit is broken, or a supply does not come back.
        pause: a gate before every step.
        barrier: returns when all that was emitted is on disk; awaited before and after every step.
        earlier: what is left of a run that was interrupted.
    """

    def __init__(
        self,
        stage: Stage,
        account: Account,
        lookout: Lookout,
        brake: Brake,
        *,
        pause: Pause,
        barrier: Callable[[], Awaitable[None]],
        earlier: Resumption,
    ) -> None:
        self._stage, self._account, self._lookout, self._brake = stage, account, lookout, brake
        self._pause, self._barrier, self._earlier = pause, barrier, earlier
        self._session = stage.session
        self._acting: asyncio.Task[Any] | None = None
        self._abort_reason = ""

    def abort(self, reason: str) -> None:
        """End the step that is going on, undecided.

        Raises:
            UsageError: no step is going on, or the whole run is being aborted.
        """
        if self._acting is None or self._brake.is_pulled:
            raise UsageError("no step is going on")
        if not self._abort_reason:
            self._abort_reason = reason
            self._session.stream.emit("engine", "run", {"state": "abort step", "reason": reason})
            self._interrupt()

    def _interrupt(self) -> None:
        # Said again until it is heeded: a library may swallow a cancellation.
        if self._abort_reason and self._acting is not None:
            self._acting.cancel()
            asyncio.get_running_loop().call_later(STOP_AGAIN_S, self._interrupt)

    async def run(self, group: str, placed: Placed) -> StepResult:
        """Carry a step out, unless it was before the run was interrupted.

        Raises:
            asyncio.CancelledError: the run is being aborted; the step's result is entered.
        """
        kept = self._earlier.kept(group, placed)
        if kept is not None:
            self._lookout.remember(placed.step)
            self._account.finish(kept, kept=True)
            return kept
        await self._pause.passed()
        if (group, placed.path) == self._earlier.interrupted and not await self._repeats(placed):
            now = self._session.clock.now()
            given_up = StepResult(
                group, placed, Verdict.UNDECIDED, "", "it was interrupted, and not repeated", now, now
            )
            self._account.finish(given_up)
            return given_up
        self._session.stream.emit(
            "engine",
            "step",
            {"state": "start", "group": group, "path": placed.path, "name": placed.name, "as": placed.step.user},
        )
        # On disk before the first byte goes out: whoever carries on after a kill must know that the step had begun.
        await self._barrier()
        result = await self._carry_out(group, placed)
        if self._brake.is_pulled:
            # Before the next verb sends its first byte.
            raise asyncio.CancelledError
        await self._barrier()
        return result

    async def _carry_out(self, group: str, placed: Placed) -> StepResult:
        step, clock = placed.step, self._session.clock
        began = clock.now()
        watch = self._lookout.begin(step)
        watch.anchor("stimulus", began)
        summary, reason = "", ""
        self._acting = asyncio.current_task()
        try:
            unmet = await self._unmet(step, watch)
            if unmet:
                verdict, summary = Verdict.SKIPPED, unmet
            else:
                summary = await perform(self._stage, step, watch)
                watch.verb_ended(clock.now())
                verdict = await watch.settle()
                self._save(watch)
        except asyncio.CancelledError:
            if not self._abort_reason or self._brake.is_pulled:
                interrupted = StepResult(group, placed, Verdict.UNDECIDED, summary, "interrupted", began, clock.now())
                self._account.finish(interrupted)
                raise
            verdict, reason = Verdict.UNDECIDED, await self._give_up(step)
        except StepFailed as error:
            verdict, reason = Verdict.FAILED, str(error)
        except NothingSaved as error:
            # What was never read was never changed: there is nothing to put back.
            verdict = Verdict.SKIPPED if group == "teardown" else Verdict.UNDECIDED
            summary, reason = ("", str(error)) if verdict is Verdict.UNDECIDED else (str(error), "")
        except LimitExceeded as error:
            verdict, reason = Verdict.FAILED, str(error)
            self._brake.pull(str(error))
        except BenchError as error:
            verdict, reason = Verdict.UNDECIDED, str(error)
        finally:
            self._acting, self._abort_reason = None, ""
        outcomes = watch.outcomes()
        reason = "; ".join(part for part in (reason, first_problem(outcomes)) if part)
        latencies = tuple(
            (outcome.label, outcome.latency_ns, outcome.uncertainty_ns or 0)
            for outcome in watch.expectations()
            if outcome.latency_ns is not None
        )
        result = StepResult(group, placed, verdict, summary, reason, began, clock.now(), latencies)
        self._lookout.end(watch)
        self._account.finish(result)
        return result

    async def _give_up(self, step: Step) -> str:
        """After the step was aborted: bring a supply that it changed back; why it is undecided."""
        reason, self._abort_reason, self._acting = f"aborted {self._abort_reason}", "", None
        task = asyncio.current_task()
        while task is not None and task.cancelling():
            task.uncancel()
        if any(each.supply or each.relay for each in (step, *(step.parallel or ()))):
            unparked = await reach(self._session, "park", self._session.rig.file.park)
            if unparked:
                self._brake.pull(f"the supply did not come back after a step was aborted: {'; '.join(unparked)}")
        return reason

    async def _repeats(self, placed: Placed) -> bool:
        """Whether the step that was interrupted is to be done again: the runbook says so, or a person."""
        if placed.step.repeatable:
            return True
        try:
            answer = await ask_about(self._stage.operator, placed)
        except UsageError as error:
            # Nobody is there: what cannot be decided without a person stays undecided.
            self._account.finding(str(error))
            return False
        self._session.stream.emit("engine", "operator", {"who": "the operator", "did": f"{answer} {placed.name}"})
        return answer == REPEAT

    async def _unmet(self, step: Step, watch: StepWatch) -> str:
        """Why the step need not run: what the inventory says instead of its condition; empty if it has to."""
        if step.only_if is None or step.user is None:
            return ""
        status = await read_inventory(self._stage, step.only_if, step.user, watch)
        watch.anchor("stimulus", self._session.clock.now())
        return "" if status in step.only_if.status else f"{step.only_if.device} is {status}"

    def _save(self, watch: StepWatch) -> None:
        for part in watch.everyone():
            send = part.step.send
            if send is None or send.save is None:
                continue
            wanted = part.request_ids.get(send.service_request)
            for sighting in part.sightings:
                data = sighting.data
                genuine = data.get("request_id") == wanted and data.get("signature") == "valid"
                values = data.get("values") or (data.get("gbcs") or {}).get("values")
                if sighting.kind == "response" and genuine and (data.get("gbcs") or values):
                    self._stage.saved[send.save] = values = values or {}
                    self._session.stream.emit("engine", "saved", {"name": send.save, "values": values})
