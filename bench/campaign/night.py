"""A night: the runs of a campaign, on several rigs side by side, each in its order, and all of it on record."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

from bench.campaign.attempt import Surroundings, by_engine, in_this_process
from bench.campaign.file import AfterFailure, Outcome
from bench.campaign.plan import CampaignPlan, Case, by_rig, cases_of
from bench.campaign.record import NightRecord
from bench.campaign.state import AttemptResult, CaseState, NightState, outcome_of
from bench.campaign.times import Window, wait_until
from bench.errors import BenchError
from bench.rig.file import Rig
from bench.tasks import ours

Room = Callable[[], str]
"""Makes room for evidence if there is too little; says why there still is, or nothing."""


class Night:
    """Carries a plan out.

    Args:
        plan: what to run.
        state: where the night stands; of an earlier sitting, if it is resumed.
        record: where everything is noted.
        around: what attempts need.
        room: asked before each run.
        say: told what happens, a line each time.
    """

    def __init__(
        self,
        plan: CampaignPlan,
        state: NightState,
        record: NightRecord,
        around: Surroundings,
        room: Room,
        say: Callable[[str], None],
    ) -> None:
        self._plan, self._state, self._record = plan, state, record
        self._around, self._room, self._say = around, room, say
        self._shared: dict[str, asyncio.Lock] = {}
        self._changed = asyncio.Event()
        self._lanes: dict[str, asyncio.Task[None]] = {}
        self._stopping = ""

    async def run(self) -> bool:
        """Run everything that has not ended yet; false if it was interrupted, and can be resumed.

        Raises:
            StorageError: the record cannot be written; what went on in this process was aborted.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for rig, cases in by_rig(self._plan.cases).items():
                    self._lanes[rig] = group.create_task(self._lane(cases), name=f"rig {rig}")
        except BaseExceptionGroup as errors:
            raise ours(errors) from None
        return not self._stopping

    def stop(self, why: str) -> None:
        """Abort the runs of this process; those that engines carry out go on, and are picked up by a resumption."""
        self._stopping = self._stopping or why
        aborted = set[str]()
        for runs in self._around.active:
            if runs.engine is not None:
                runs.engine.abort(why)
                aborted.add(runs.rig)
        for name, lane in self._lanes.items():
            rig = self._plan.campaign.rigs.get(name)
            if rig is None or rig.name not in aborted:
                lane.cancel()

    async def _lane(self, cases: list[Case]) -> None:
        for case in cases:
            state = self._state.cases[case.number]
            if state.outcome is None and not self._stopping:
                await self._one(state)

    async def _one(self, state: CaseState) -> None:
        case = state.case
        if case.blocked:
            await self._end(state, Outcome.BLOCKED, case.blocked)
            return
        if (why := await self._not_needed(case)) is not None:
            await self._skip(case.entry, case.rig, why)
            return
        why = await self._hindered(state)
        if state.outcome is not None:
            return
        if why:
            await self._end(state, Outcome.BLOCKED, why)
            return
        await self._attempts(state)

    # Whether it is its turn

    async def _not_needed(self, case: Case) -> str | None:
        """Why this planned run and the rest of its entry need not run on this rig; None if they must."""
        entry = self._plan.entry_of(case)
        own = [self._state.cases[each.number] for each in cases_of(self._plan.cases, case.entry, case.rig)]
        ended = [state.outcome for state in own if state.outcome is not None]
        if entry.until is not None and entry.until in ended:
            return f"repeated until {entry.until.value}, which came"
        began_ns = next((state.began_utc_ns for state in own if state.began_utc_ns), 0)
        bound_s = entry.at_most.time if entry.at_most is not None else None
        if bound_s is not None and began_ns and self._around.clock.now().utc_ns - began_ns > bound_s * 1e9:
            return "the time that it may take at most is over"
        if entry.only_if is not None:
            return await self._condition(case)
        return None

    async def _condition(self, case: Case) -> str | None:
        condition = self._plan.entry_of(case).only_if
        assert condition is not None
        entries = self._plan.campaign.file.entries
        index = next(number for number, entry in enumerate(entries) if entry.entry == condition.entry)
        named = cases_of(self._plan.cases, index, case.rig) or cases_of(self._plan.cases, index)
        while any(self._state.cases[each.number].outcome is None for each in named):
            await self._changed.wait()
        ended = {outcome for each in named if (outcome := self._state.cases[each.number].outcome) is not None}
        # What was left out because its `until` had come says nothing, unless nothing else is there.
        ended = ended - {Outcome.SKIPPED} or ended
        if ended <= set(condition.ended):
            return None
        found = ", ".join(sorted(outcome.value for outcome in ended))
        return f"only if {condition.entry} ended {' or '.join(condition.ended)}, and it was {found}"

    async def _hindered(self, state: CaseState) -> str:
        """Wait for its window; then why it cannot run, or nothing."""
        case = state.case
        window = self._plan.entry_of(case).window or self._plan.campaign.file.window
        if window is not None:
            opens, closes = self._opening(window)
            await wait_until(self._around.clock, opens, lambda: state.outcome is not None)
            if why := self._too_late(case, closes):
                return why
        return self._state.lost(case)

    def _opening(self, window: Window) -> tuple[datetime, datetime]:
        """Of a window, the one opening that a night uses: that which it began in, or the next."""
        began = datetime.fromtimestamp(self._state.began_utc_ns / 1e9, UTC)
        return window.opening(began, self._plan.campaign.file.zone)

    def _too_late(self, case: Case, closes: datetime) -> str:
        assert case.plan is not None
        if self._around.clock.now().utc + timedelta(seconds=case.plan.usual_s) <= closes:
            return ""
        local = closes.astimezone(self._plan.campaign.file.zone)
        return f"it would not end before its window closes at {local:%H:%M}"

    @contextlib.asynccontextmanager
    async def _sharing(self, rig: Rig) -> AsyncIterator[None]:
        """Wait in the queue of everything that the rig shares; always in one order, so that nobody waits for ever."""
        async with contextlib.AsyncExitStack() as stack:
            for name in sorted(set(rig.file.shared.values())):
                await stack.enter_async_context(self._shared.setdefault(name, asyncio.Lock()))
            yield

    # Running it

    async def _attempts(self, state: CaseState) -> None:
        case, entry = state.case, self._plan.entry_of(state.case)
        retry = entry.retry or self._plan.campaign.file.retry
        rig = self._plan.campaign.rigs[case.rig]
        if state.open:
            await self._left_open(state, rig)
        while not self._stopping:
            tries = state.tries
            if tries:
                last = tries[-1]
                again = len(tries) <= retry.times and last.verdict in retry.on and last.safe and last.parked
                if last.passed or not again:
                    break
                await asyncio.sleep(retry.wait)
            async with self._sharing(rig):
                if state.outcome is not None:
                    return
                if why := await self._not_now(case):
                    if tries:
                        break
                    await self._end(state, Outcome.BLOCKED, why)
                    return
                await self._attempt(state, rig)
        if self._stopping:
            return
        await self._quarantine(state, rig)
        last = state.tries[-1]
        await self._end(state, outcome_of(state.attempts), "" if last.passed else last.reason)

    async def _not_now(self, case: Case) -> str:
        """What changed while it waited for what it shares: its window, its devices, the disk."""
        window = self._plan.entry_of(case).window or self._plan.campaign.file.window
        if window is not None and (why := self._too_late(case, self._opening(window)[1])):
            return why
        return self._state.lost(case) or await asyncio.to_thread(self._room)

    async def _left_open(self, state: CaseState, rig: Rig) -> None:
        """An attempt that went on when the campaign was ended: its engine may have gone on with it."""
        result = None
        if state.job is not None:
            self._say(f"{state.case.name}: the engine is asked what became of it")
            result = await by_engine(self._around, rig, state.case, state.open, self._note_job(state), state.job)
        if result is None:
            result = AttemptResult(state.open, reason="the campaign was ended meanwhile", interrupted=True)
        await self._note_end(state, result)

    async def _attempt(self, state: CaseState, rig: Rig) -> None:
        case, number = state.case, len(state.attempts) + 1
        again = f", attempt {number}" if number > 1 else ""
        start = {"case": case.number, "attempt": number, "name": case.name, "seed": case.seed}
        await self._record.note("attempt", {"state": "start", **start, "faults": list(case.faults)})
        self._say(f"{case.number}/{len(self._plan.cases)}  {case.runbook} on {case.rig} ({case.entry_name}{again})")
        try:
            result = await self._carried_out(state, rig, number)
        except BenchError:
            raise
        except Exception as error:
            # A mistake in the bench's own code costs one run, and a rig whose state nobody knows now: not the night.
            at = {"case": case.number, "attempt": number, "error": repr(error)}
            await self._record.note("defect", at, {"traceback": traceback.format_exc()})
            why = f"the bench itself failed: {error!r}"
            known = rig.emulated
            result = AttemptResult(number, reason=why, parked=known, lost=() if known else ("",))
        result.interrupted = bool(self._stopping)
        await self._note_end(state, result)

    async def _carried_out(self, state: CaseState, rig: Rig, number: int) -> AttemptResult:
        case, result = state.case, None
        if not rig.emulated or case.rig in self._plan.served:
            result = await by_engine(self._around, rig, case, number, self._note_job(state))
        if result is None:
            result = await in_this_process(self._around, rig, case, number, self._state.out(case.rig))
        return result

    def _note_job(self, state: CaseState) -> Callable[[int, int], asyncio.Future[None]]:
        number, attempt = state.case.number, len(state.attempts) + 1

        def note(pid: int, job: int) -> asyncio.Future[None]:
            data = {"state": "job", "case": number, "attempt": attempt}
            return asyncio.ensure_future(self._record.note("attempt", data, {"pid": pid, "job": job}))

        return note

    async def _note_end(self, state: CaseState, result: AttemptResult) -> None:
        data = {"state": "end", "case": state.case.number, "attempt": result.attempt, **result.data()}
        await self._record.note("attempt", data, {"bundle": result.bundle})
        word = "interrupted" if result.interrupted else result.verdict
        self._say(f"      {word}{f': {result.reason}' if result.reason else ''}")

    async def _quarantine(self, state: CaseState, rig: Rig) -> None:
        last, case = state.tries[-1], state.case
        lost = dict.fromkeys(last.lost, f"lost in {case.name}: {last.reason}")
        if not last.parked or not last.safe:
            lost = {"": last.reason or "the rig was not left parked"}
        for device, why in lost.items():
            if (case.rig, device) not in self._state.quarantined:
                await self._record.note("quarantine", {"rig": case.rig, "device": device, "why": why})
                self._say(f"      {device or f'the rig {rig.name}'} is in quarantine for the rest of the night")

    # The end of it

    async def _end(self, state: CaseState, outcome: Outcome, reason: str) -> None:
        case = state.case
        data = {"case": case.number, "name": case.name, "outcome": outcome.value, "reason": reason}
        await self._record.note("case", data)
        if outcome in (Outcome.BLOCKED, Outcome.FLAKY):
            self._say(f"{case.number}/{len(self._plan.cases)}  {case.name}: {outcome.value}  {reason}".rstrip())
        if outcome.bad:
            await self._after_failure(case)
        self._pulse()

    async def _after_failure(self, case: Case) -> None:
        rule = self._plan.entry_of(case).after_failure or self._plan.campaign.file.after_failure
        why = f"{case.name} did not pass"
        if rule is AfterFailure.NEXT_ENTRY:
            await self._skip(case.entry, case.rig, why)
        elif rule is AfterFailure.STOP_RIG:
            await self._skip(None, case.rig, why)
        elif rule is AfterFailure.STOP:
            await self._skip(None, None, why)

    async def _skip(self, entry: int | None, rig: str | None, why: str) -> None:
        """Leave out what has not begun of an entry, of a rig, or of all."""
        numbers = [
            state.case.number
            for state in self._state.left()
            if entry in (None, state.case.entry) and rig in (None, state.case.rig) and not self._under_way(state)
        ]
        if numbers:
            await self._record.note("skip", {"cases": numbers, "why": why})
            self._say(f"      {len(numbers)} planned runs are left out: {why}")
        self._pulse()

    @staticmethod
    def _under_way(state: CaseState) -> bool:
        return bool(state.open or state.attempts)

    def _pulse(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
