"""The engine: carries one runbook out on a live rig, step by step, and always brings the rig home.

A run that ends by itself leaves the rig parked, after teardown and after late alerts were drained. An abort, whoever
asks for it, starts the safe state at once and beside whatever the step is doing. Every verdict is an event before it
is a result.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from bench.capabilities import HanSniffer
from bench.clock import ClockKind, Instant
from bench.errors import BenchError, ClockError, LimitExceeded
from bench.expectations import StepWatch, first_problem
from bench.monitors import Monitors
from bench.quantities import format_duration
from bench.rig import RigSession
from bench.runbook import Placed, PlacedPrecondition, Runbook, Step
from bench.safety import reach
from bench.sightings import Sighting
from bench.verbs import Operator, Stage, StepFailed, perform, read_inventory
from bench.verdict import Verdict, gravest

_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class StepResult:
    """How one step ended.

    Attributes:
        group: "precondition", "setup", "step" or "teardown".
        summary: what the verb did, in words.
        reason: why it did not pass; empty if it did.
        latencies: "0x8F35 from esme" to nanoseconds after its anchor, with their uncertainty.
    """

    group: str
    placed: Placed
    verdict: Verdict
    summary: str
    reason: str
    began: Instant
    ended: Instant
    latencies: tuple[tuple[str, int, int], ...] = ()

    @property
    def duration_s(self) -> float:
        """How long it took, in seconds of the clock."""
        return (self.ended.mono_ns - self.began.mono_ns) / _NS


@dataclass(slots=True)
class RunResult:
    """How a run ended.

    Attributes:
        safe: whether the rig's park state, or after an abort its safe state, was confirmed by read-back.
        findings: what was odd and did not by itself fail the run.
    """

    runbook: Runbook
    verdict: Verdict
    reason: str
    safe: bool
    steps: list[StepResult] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)


class Engine:
    """One run of one runbook.

    Args:
        session: the connected rig.
        runbook: what to do; it has been planned, so it is within the limits.
        operator: who answers its questions.
        barrier: returns when all that was emitted is on disk; awaited after every step.
    """

    def __init__(
        self, session: RigSession, runbook: Runbook, *, operator: Operator, barrier: Callable[[], Awaitable[None]]
    ) -> None:
        self._session = session
        self._runbook = runbook
        self._stage = Stage(session, operator)
        self._barrier = barrier
        self._watches: list[StepWatch] = []
        self._loose: list[Sighting] = []
        self._results: list[StepResult] = []
        self._findings: list[str] = []
        self._problems: list[tuple[Verdict, str]] = []
        self._body: asyncio.Task[bool] | None = None
        self._safe: asyncio.Task[bool] | None = None
        self._abort_reason = ""

    def abort(self, reason: str) -> None:
        """Start the safe state now, and stop the run; the first reason is kept. Callable from a signal handler."""
        if self._safe is None:
            self._abort_reason = reason
            self._session.stream.emit("engine", "run", {"state": "abort", "reason": reason})
            self._safe = asyncio.create_task(
                reach(self._session, "safe", self._session.rig.file.safe), name="safe state"
            )
            if self._body is not None:
                self._body.cancel()

    async def run(self) -> RunResult:
        """Carry the runbook out.

        Cancelling it aborts the run: the safe state is still reached before this returns.

        Raises:
            StorageError: the journal cannot be written; the rig was brought to its safe state.
        """
        unwatch = self._session.watch(self._on_sighting)
        monitors = asyncio.create_task(Monitors(self._session, self.abort).run(), name="monitors")
        self._body = asyncio.create_task(self._whole(), name=f"run {self._runbook.name}")
        try:
            parked = await self._outcome(self._body)
            safe = await self._homecoming(parked)
        finally:
            monitors.cancel()
            await asyncio.gather(monitors, return_exceptions=True)
            unwatch()
        return self._conclude(safe)

    async def _outcome(self, body: asyncio.Task[bool]) -> bool:
        """Whether the body ended by itself and the rig was parked."""
        while not body.done():
            try:
                await asyncio.wait([body])
            except asyncio.CancelledError:
                self.abort("the run was cancelled")
        if body.cancelled():
            return False
        error = body.exception()
        if error is None:
            return body.result()
        self.abort(f"an error in the bench: {error!r}")
        assert self._safe is not None
        await self._safe
        raise error

    async def _homecoming(self, parked: bool) -> bool:
        if self._safe is None and not parked:
            self._problem(Verdict.UNDECIDED, "the park state was not confirmed")
            self._safe = asyncio.create_task(
                reach(self._session, "safe", self._session.rig.file.safe), name="safe state"
            )
        if self._safe is None:
            return True
        while not self._safe.done():
            # A second Ctrl-C does not stop the way to safety.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([self._safe])
        return self._safe.result()

    async def _whole(self) -> bool:
        """The run from preconditions to the parked rig; returns whether it is parked."""
        self._check_clock()
        ready = await self._establish()
        ready = ready and await self._group("setup", self._runbook.setup)
        if ready:
            await self._group("step", self._runbook.steps)
        else:
            self._block(self._runbook.steps)
        if not await self._group("teardown", self._runbook.teardown, go_on=True):
            self._problem(Verdict.FAILED, "teardown did not put everything back")
        parked = await reach(self._session, "park", self._session.rig.file.park)
        await self._drain()
        self._check_clock()
        return parked

    async def _establish(self) -> bool:
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
        try:
            watch = self._new_watch(check.step)
            status = await read_inventory(self._stage, condition.inventory, condition.user, watch)
        except BenchError as error:
            self._problem(Verdict.UNDECIDED, f"{condition.title}: {error}")
            return False
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
                self._block(steps[index + 1 :])
                break
        return passed

    def _block(self, steps: Sequence[Placed]) -> None:
        for placed in steps:
            now = self._session.clock.now()
            self._finish(StepResult("step", placed, Verdict.BLOCKED, "", "an earlier step did not pass", now, now))

    def _new_watch(self, step: Step) -> StepWatch:
        sniffers = [driver for driver in self._session.drivers.values() if isinstance(driver, HanSniffer)]
        watch = StepWatch(
            step,
            self._session.stream,
            self._session.parties,
            tolerance_ns=round(self._session.rig.file.clock.device_tolerance * _NS),
            can_witness=any(sniffer.can_see() for sniffer in sniffers),
        )
        self._watches.append(watch)
        return watch

    async def _step(self, group: str, placed: Placed) -> StepResult:
        step, clock = placed.step, self._session.clock
        began = clock.now()
        self._session.stream.emit(
            "engine",
            "step",
            {"state": "start", "group": group, "path": placed.path, "name": placed.name, "as": step.user},
        )
        watch = self._new_watch(step)
        watch.anchor("stimulus", began)
        summary, reason = "", ""
        try:
            unmet = await self._unmet(step, watch)
            if unmet:
                verdict, summary = Verdict.SKIPPED, unmet
            else:
                summary = await perform(self._stage, step, watch)
                watch.verb_ended(clock.now())
                verdict = await watch.settle()
                self._save(step, watch)
        except StepFailed as error:
            verdict, reason = Verdict.FAILED, str(error)
        except LimitExceeded as error:
            verdict, reason = Verdict.FAILED, str(error)
            self.abort(str(error))
        except BenchError as error:
            verdict, reason = Verdict.UNDECIDED, str(error)
        outcomes = [*watch.expected, *watch.forbidden]
        reason = "; ".join(part for part in (reason, first_problem(outcomes)) if part)
        latencies = tuple(
            (outcome.label, outcome.latency_ns, outcome.uncertainty_ns or 0)
            for outcome in watch.expected
            if outcome.latency_ns is not None
        )
        result = StepResult(group, placed, verdict, summary, reason, began, clock.now(), latencies)
        self._note_oddities(watch)
        self._finish(result)
        await self._barrier()
        return result

    async def _unmet(self, step: Step, watch: StepWatch) -> str:
        """Why the step need not run: what the inventory says instead of its condition; empty if it has to."""
        if step.only_if is None or step.user is None:
            return ""
        status = await read_inventory(self._stage, step.only_if, step.user, watch)
        watch.anchor("stimulus", self._session.clock.now())
        return "" if status in step.only_if.status else f"{step.only_if.device} is {status}"

    def _save(self, step: Step, watch: StepWatch) -> None:
        if step.send is None or step.send.save is None:
            return
        wanted = watch.request_ids.get(step.send.service_request)
        for sighting in reversed(watch.sightings):
            if sighting.kind == "response" and sighting.data.get("request_id") == wanted and sighting.data.get("gbcs"):
                self._stage.saved[step.send.save] = sighting.data["gbcs"].get("values") or {}
                return

    def _finish(self, result: StepResult) -> None:
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
                "covers": list(result.placed.step.covers) if result.verdict is Verdict.PASSED else [],
            },
        )

    def _on_sighting(self, sighting: Sighting) -> None:
        """Give a sighting to the step that runs; the drain and the pauses between steps have none."""
        if self._watches:
            self._watches[-1].see(sighting)
        elif sighting.is_alert:
            self._loose.append(sighting)

    def _note_oddities(self, watch: StepWatch) -> None:
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

    def _conclude(self, safe: bool) -> RunResult:
        if self._abort_reason:
            self._problem(Verdict.UNDECIDED, f"aborted: {self._abort_reason}")
        if self._session.ledger.fault:
            self._problem(
                Verdict.UNDECIDED, f"the record of messages could not be written: {self._session.ledger.fault}"
            )
        verdicts = [result.verdict for result in self._results if result.group != "teardown"]
        verdict = gravest([*verdicts, *(verdict for verdict, _ in self._problems)])
        if verdict is Verdict.SKIPPED:
            verdict = Verdict.PASSED
        reasons = [
            f"{result.placed.name}: {result.reason}"
            for result in self._results
            if result.reason and not result.verdict.passed
        ]
        texts = [text for _, text in self._problems]
        reason = "; ".join(dict.fromkeys([*(r for r in reasons if "an earlier step" not in r), *texts]))
        return RunResult(self._runbook, verdict, reason, safe, self._results, self._findings)
