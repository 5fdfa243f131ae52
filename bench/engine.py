"""The engine: carries one runbook out on a live rig, step by step, and always brings the rig home.

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
from bench.clock import ClockKind
from bench.errors import BenchError, ClockError, LimitExceeded, UnsafeError, UsageError
from bench.expectations import StepWatch, first_problem
from bench.monitors import Monitors
from bench.pause import Pause
from bench.quantities import format_duration
from bench.request_params import NothingSaved
from bench.results import RunResult, StepResult
from bench.resume import REPEAT, Resumption, ask_about, until_back
from bench.rig.session import RigSession
from bench.runbook import Placed, PlacedPrecondition, Runbook
from bench.safety import reach
from bench.sightings import Sighting
from bench.steps import Step
from bench.tasks import STOP_AGAIN_S, stop
from bench.verbs import Operator, Stage, StepFailed, perform, read_inventory
from bench.verdict import Verdict, gravest
from bench.witnesses import DccWitness, watch_witnesses

_NS = 1_000_000_000


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
        self._barrier = barrier
        self.pause = Pause(session.stream)
        self._watches: list[StepWatch] = []
        self._watch: StepWatch | None = None
        self._loose: list[Sighting] = []
        self._results: list[StepResult] = []
        self._findings = list(self._earlier.findings)
        self._problems = list(self._earlier.problems)
        self._dcc = DccWitness(session, self._refused)
        self._body: asyncio.Task[None] | None = None
        self._safe: asyncio.Task[tuple[str, ...]] | None = None
        self._parked = False
        self._abort_reason: str | None = None
        self._acting = False
        self._step_abort = ""

    def abort(self, reason: str) -> None:
        """Start the safe state now, and stop the run; the first reason is kept. Callable from a signal handler."""
        if self._abort_reason is None:
            self._abort_reason = reason
            self._make_safe()
            self._session.stream.emit("engine", "run", {"state": "abort", "reason": reason})
            if self._body is not None:
                stop(self._body)

    def abort_step(self, reason: str) -> None:
        """End the step that is going on, undecided; what follows is blocked, teardown and park are not.

        A supply that the step was in the middle of changing is parked before anything else is done.

        Raises:
            UsageError: no step is going on.
        """
        if not self._acting or self._abort_reason is not None:
            raise UsageError("no step is going on")
        if not self._step_abort:
            self._step_abort = reason
            self._session.stream.emit("engine", "run", {"state": "abort step", "reason": reason})
            self._interrupt_step()

    def _interrupt_step(self) -> None:
        # Said again until it is heeded: a library may swallow a cancellation.
        if self._step_abort and self._acting and self._body is not None:
            self._body.cancel()
            asyncio.get_running_loop().call_later(STOP_AGAIN_S, self._interrupt_step)

    @property
    def between_steps(self) -> bool:
        """Whether nothing of a step is under way."""
        return self._watch is None

    def touched(self, what: str) -> None:
        """Somebody acted by hand while the run was held: it goes on, and cannot pass any more."""
        self._problem(Verdict.UNDECIDED, f"somebody acted by hand: {what}")

    def _make_safe(self) -> None:
        if self._safe is None:
            self._safe = asyncio.create_task(
                reach(self._session, "safe", self._session.rig.file.safe), name="safe state"
            )

    async def run(self) -> RunResult:
        """Carry the runbook out.

        Cancelling it aborts the run: the safe state is still reached before this returns.

        Raises:
            StorageError: the journal cannot be written; the rig was brought to its safe state.
            UnsafeError: that, or another error in the bench, and the safe state was not confirmed.
        """
        unwatch = self._session.watch(self._on_sighting)
        unsubscribe = self._session.stream.subscribe(self._dcc.receive)
        unsteady = partial(self._problem, Verdict.UNDECIDED)
        monitors = asyncio.create_task(Monitors(self._session, self.abort, unsteady).run(), name="monitors")
        monitors.add_done_callback(self._monitors_ended)
        self._body = asyncio.create_task(self._whole(), name=f"run {self._runbook.name}")
        if self._abort_reason is not None:
            stop(self._body)
        await self._end_of(self._body)
        error = None if self._body.cancelled() else self._body.exception()
        if error is not None:
            self.abort(f"an error in the bench: {error!r}")
        elif self._body.cancelled() and self._abort_reason is None:
            self.abort("something inside the bench cancelled the run")
        stop(monitors)
        await self._end_of(monitors)
        if self._safe is not None:
            await self._end_of(self._safe)
        unwatch()
        unsubscribe()
        unsafe = self._safe.result() if self._safe is not None else ()
        if unsafe:
            await self._sound(f"the safe state is not confirmed: {'; '.join(unsafe)}")
        if error is not None:
            if unsafe:
                raise UnsafeError(
                    f"{error}; and the safe state of the rig was not confirmed: {'; '.join(unsafe)}",
                    next_step="Look at the bench",
                ) from error
            raise error
        return self._conclude(unsafe)

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
        self._check_clock()
        if self._earlier:
            await self._after_interruption()
        ready = await self._establish()
        ready = ready and await self._group("setup", self._runbook.setup)
        if ready:
            await self._group("step", self._runbook.steps)
        else:
            self._block("step", self._runbook.steps)
        if not await self._group("teardown", self._runbook.teardown, go_on=True):
            self._problem(Verdict.FAILED, "teardown did not put everything back")
        unparked = await reach(self._session, "park", self._session.rig.file.park)
        self._parked = not unparked
        if unparked:
            # At once, and not after the drain: nobody knows what state the rig is in.
            self._problem(Verdict.UNDECIDED, f"the park state was not confirmed: {'; '.join(unparked)}")
            self._make_safe()
        await self._drain()
        await self._check_dcc()
        self._check_clock()

    async def _after_interruption(self) -> None:
        """Let the devices come back, and let what the interruption itself made them say come in."""
        self._watch = watch = self._new_watch(Step.model_validate({"title": "after the interruption", "wait": "0 s"}))
        if not await until_back(self._session, watch):
            self._finding("the Comms Hub did not say that it is back after the interruption")
        await self._session.clock.sleep(self._session.rig.file.drain)
        self._note_oddities(watch)

    async def _establish(self) -> bool:
        if self._earlier.is_past_preconditions:
            # They spoke of how the run begins; what it did since may well have changed that.
            for kept in self._earlier.of_group("precondition"):
                self._finish(kept, kept=True)
            return True
        for item in self._runbook.preconditions:
            if not await self._precondition(item):
                self._problem(Verdict.UNDECIDED, f"precondition not established: {item.precondition.title}")
                return False
        return True

    async def _precondition(self, item: PlacedPrecondition) -> bool:
        condition = item.precondition
        check = Placed(
            Step.model_validate({"title": condition.title, "as": condition.user, "inventory": condition.inventory}),
            item.where,
            "check",
        )
        watch = self._new_watch(check.step)
        try:
            status = await read_inventory(self._stage, condition.inventory, condition.user, watch)
        except BenchError as error:
            self._problem(Verdict.UNDECIDED, f"{condition.title}: {error}")
            return False
        finally:
            self._note_oddities(watch)
        holds = status in condition.inventory.status
        text = f"{condition.title}: {condition.inventory.device} is {status}"
        self._session.stream.emit("engine", "precondition", {"text": text, "holds": holds})
        if holds:
            return True
        established = await self._group("precondition", item.establish)
        return established and (await self._step("precondition", check)).verdict.passed

    async def _group(self, group: str, steps: Sequence[Placed], *, go_on: bool = False) -> bool:
        """Run steps in order until one does not pass; with `go_on`, all of them."""
        passed = True
        for index, placed in enumerate(steps):
            result = await self._step(group, placed)
            passed = passed and result.verdict.passed
            if not passed and not go_on:
                self._block(group, steps[index + 1 :])
                break
        return passed

    def _block(self, group: str, steps: Sequence[Placed]) -> None:
        for placed in steps:
            now = self._session.clock.now()
            self._finish(StepResult(group, placed, Verdict.BLOCKED, "", "an earlier step did not pass", now, now))

    def _new_watch(self, step: Step) -> StepWatch:
        watch = StepWatch(
            step,
            self._session.stream,
            self._session.parties,
            tolerance_ns=round(self._session.rig.file.clock.device_tolerance * _NS),
            can_witness=watch_witnesses(self._session),
        )
        self._watches.append(watch)
        self._watch = watch
        return watch

    async def _step(self, group: str, placed: Placed) -> StepResult:
        step, clock = placed.step, self._session.clock
        kept = self._earlier.kept(group, placed)
        if kept is not None:
            # What it allowed may still come late.
            self._new_watch(step)
            self._watch = None
            self._finish(kept, kept=True)
            return kept
        await self.pause.passed()
        if (group, placed.path) == self._earlier.interrupted and not await self._repeats(placed):
            now = clock.now()
            given_up = StepResult(
                group, placed, Verdict.UNDECIDED, "", "it was interrupted, and not repeated", now, now
            )
            self._finish(given_up)
            return given_up
        self._session.stream.emit(
            "engine",
            "step",
            {"state": "start", "group": group, "path": placed.path, "name": placed.name, "as": step.user},
        )
        # On disk before the first byte goes out: whoever carries on after a kill must know that the step had begun.
        await self._barrier()
        began = clock.now()
        watch = self._new_watch(step)
        watch.anchor("stimulus", began)
        summary, reason = "", ""
        self._acting = True
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
            if not self._step_abort or self._abort_reason is not None:
                self._finish(StepResult(group, placed, Verdict.UNDECIDED, summary, "interrupted", began, clock.now()))
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
            self.abort(str(error))
        except BenchError as error:
            verdict, reason = Verdict.UNDECIDED, str(error)
        finally:
            self._acting, self._step_abort = False, ""
        outcomes = watch.outcomes()
        reason = "; ".join(part for part in (reason, first_problem(outcomes)) if part)
        latencies = tuple(
            (outcome.label, outcome.latency_ns, outcome.uncertainty_ns or 0)
            for outcome in watch.expectations()
            if outcome.latency_ns is not None
        )
        result = StepResult(group, placed, verdict, summary, reason, began, clock.now(), latencies)
        self._note_oddities(watch)
        self._finish(result)
        if self._abort_reason is not None:
            # Before the next verb sends its first byte.
            raise asyncio.CancelledError
        await self._barrier()
        return result

    async def _give_up(self, step: Step) -> str:
        """After the step was aborted: bring a supply that it changed back; why it is undecided."""
        reason, self._step_abort, self._acting = f"aborted {self._step_abort}", "", False
        task = asyncio.current_task()
        while task is not None and task.cancelling():
            task.uncancel()
        if any(each.supply or each.relay for each in (step, *(step.parallel or ()))):
            unparked = await reach(self._session, "park", self._session.rig.file.park)
            if unparked:
                self.abort(f"the supply did not come back after a step was aborted: {'; '.join(unparked)}")
        return reason

    async def _repeats(self, placed: Placed) -> bool:
        """Whether the step that was interrupted is to be done again: the runbook says so, or a person."""
        if placed.step.repeatable:
            return True
        try:
            answer = await ask_about(self._stage.operator, placed)
        except UsageError as error:
            # Nobody is there: what cannot be decided without a person stays undecided.
            self._finding(str(error))
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

    def _finish(self, result: StepResult, *, kept: bool = False) -> None:
        self._results.append(result)
        self._session.stream.emit(
            "engine",
            "step",
            {
                "state": "end",
                "group": result.group,
                "path": result.placed.path,
                "name": result.placed.name,
                "as": result.placed.step.user,
                "verdict": result.verdict.value,
                "summary": result.summary,
                "reason": result.reason,
                "duration_ns": result.ended.mono_ns - result.began.mono_ns,
                "latencies": [list(item) for item in result.latencies],
                "requirements": list(result.placed.step.covers),
                "covers": list(result.placed.step.covers) if result.verdict is Verdict.PASSED else [],
                **({"kept": True} if kept else {}),
            },
        )

    def _on_sighting(self, sighting: Sighting) -> None:
        """Give a sighting to the step that runs; in the pauses between steps, and while parking, there is none."""
        if self._watch is not None:
            self._watch.see(sighting)
        elif sighting.is_alert:
            self._loose.append(sighting)

    def _refused(self, text: str, new: bool) -> None:
        """The DCC brought something that could not be believed."""
        if new:
            self._finding(text)
        if self._watch is not None:
            self._watch.refused[text] = None

    def _note_oddities(self, watch: StepWatch) -> None:
        """Judge what came beside what was expected, and end the watch."""
        self._watch = None
        self._findings.extend(watch.findings)
        for sighting, oddity in watch.unexplained():
            label = sighting.label(self._session.parties)
            if any(earlier.allows(sighting) for earlier in self._watches):
                continue  # what an earlier step allows beside it may come late
            if oddity == "came twice" or any(earlier.repeats(sighting) for earlier in self._watches):
                self._problem(Verdict.FAILED, f"{label} came twice")
            else:
                self._finding(f"{label}: {oddity}")

    async def _drain(self) -> None:
        """Wait for what is late, and book it to this run."""
        rest = self._new_watch(
            Step.model_validate({"title": "late messages", "wait": f"{self._session.rig.file.drain} s"})
        )
        rest.sightings.extend(self._loose)
        self._session.stream.emit("engine", "drain", {"state": "start"})
        await self._session.clock.sleep(self._session.rig.file.drain)
        self._note_oddities(rest)
        self._session.stream.emit("engine", "drain", {"state": "end"})

    async def _check_dcc(self) -> None:
        """See that the DCC is still there, where it matters that something did not come."""
        done = [item for item in self._results if item.verdict in (Verdict.PASSED, Verdict.FAILED)]
        if missing := await self._dcc.missing(item.placed.step for item in done):
            self._problem(Verdict.UNDECIDED, missing)

    def _check_clock(self) -> None:
        clock, rules = self._session.clock, self._session.rig.file.clock
        if clock.kind is ClockKind.REAL and rules.require_synchronised:
            uncertainty_ns = clock.now().uncertainty_ns
            if uncertainty_ns is None:
                self._problem(Verdict.UNDECIDED, "the system clock is unsynchronised")
            elif uncertainty_ns > rules.max_uncertainty * _NS:
                shown = format_duration(uncertainty_ns / _NS)
                self._problem(Verdict.UNDECIDED, f"the system clock may be wrong by {shown}")
        try:
            clock.check()
        except ClockError as error:
            self._problem(Verdict.UNDECIDED, str(error))

    def _problem(self, verdict: Verdict, text: str) -> None:
        if (verdict, text) not in self._problems:
            self._problems.append((verdict, text))
            self._session.stream.emit("engine", "problem", {"verdict": verdict.value, "text": text})

    def _finding(self, text: str) -> None:
        self._findings.append(text)
        self._session.stream.emit("engine", "finding", {"text": text})

    def _conclude(self, unsafe: tuple[str, ...]) -> RunResult:
        if self._abort_reason is not None:
            self._problem(Verdict.UNDECIDED, f"aborted: {self._abort_reason}")
        if unsafe:
            self._problem(Verdict.UNDECIDED, f"the safe state was not confirmed: {'; '.join(unsafe)}")
        if self._session.ledger.fault:
            self._problem(
                Verdict.UNDECIDED, f"the record of messages could not be written: {self._session.ledger.fault}"
            )
        tested = [result.verdict for result in self._results if result.group == "step"]
        if tested and all(verdict is Verdict.SKIPPED for verdict in tested):
            self._problem(Verdict.UNDECIDED, "every step was skipped, so that nothing was tested")
        verdicts = [result.verdict for result in self._results if result.group != "teardown"]
        verdict = gravest([*verdicts, *(verdict for verdict, _ in self._problems)])
        if verdict.passed:
            verdict = Verdict.PASSED
        reasons = [
            f"{result.placed.name}: {result.reason}"
            for result in self._results
            if result.reason and not result.verdict.passed
        ]
        texts = [text for _, text in self._problems]
        reason = "; ".join(dict.fromkeys([*(r for r in reasons if "an earlier step" not in r), *texts]))
        parked = self._parked and self._safe is None
        return RunResult(self._runbook, verdict, reason, not unsafe, parked, self._results, self._findings)
