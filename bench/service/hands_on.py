"""Acts by hand: a person at the bench, or far from it, uses the rig without a runbook.

Every act is a step such as a runbook has: planned against the rig's limits before anything is sent, carried out by
the same verbs behind the same interlocks, and in a journal as the operator's. With no run going on, the first act
begins a bundle of its own, the limits are watched as in a run, and `end` parks the rig and seals it. In a run that is
held between two steps, an act is in that run's journal, and the run cannot pass any more.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from pydantic import ValidationError

from bench.engine import Engine
from bench.errors import BenchError, UsageError
from bench.evidence.bundle import BundleWriter
from bench.expectations import StepWatch
from bench.monitors import Monitors
from bench.one_run import RigRunner
from bench.operators import Operator
from bench.planner import plan
from bench.quantities import format_duration
from bench.rig.session import RigSession
from bench.runbook import Placed, Runbook
from bench.safety import reach
from bench.shared import Shares
from bench.step_words import describe_act
from bench.steps import Step
from bench.tasks import stop
from bench.verbs import Stage, perform

RUNBOOK = "hands-on"
"""What stands in evidence where a runbook's name would."""

_VERBS = ("supply", "relay", "send", "console", "measure", "inventory")
_NOTHING_TESTED = "acts by hand: nothing was tested"


def read_act(session: RigSession, given: object) -> Step:
    """Read an act, and check it as a runbook's step is checked: devices, Users, parameters, limits.

    Raises:
        UsageError: with every mistake; among them every limit that would be exceeded.
    """
    try:
        step = Step.model_validate(given)
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_url=False))
        raise UsageError(f"this is no act: {'; '.join(faults)}", next_step='{"supply": {"set": "253 V"}}') from None
    if step.verb not in _VERBS or step.expect or step.forbid or step.allow or step.only_if:
        raise UsageError(f"by hand there is only {', '.join(_VERBS)}, and nothing is expected")
    placed = Placed(step, "by hand", "act")
    plan(session.rig, Runbook(RUNBOOK, "Acts by hand", (), (), (placed,), (), ()))
    return step


class HandsOn:
    """The rig in somebody's hands.

    Args:
        session: the rig.
        runs: makes bundles.
        operator: needed by verbs that ask; none of those here does.
        tell: sends a message to everybody who subscribed.
        held: holds what the rig shares with others, if it is free at once; is given what to call if that is lost.
        busy: whether a run has begun, or waits.

    Attributes:
        state: what the rig was left in by the last `end`: "parked", "safe" or "unsafe".
    """

    def __init__(
        self,
        session: RigSession,
        runs: RigRunner,
        operator: Operator,
        tell: Callable[[Mapping[str, Any]], None],
        *,
        held: Callable[[Callable[[str], None]], AbstractAsyncContextManager[Shares]],
        busy: Callable[[], bool],
    ) -> None:
        self._session, self._runs, self._tell = session, runs, tell
        self._held, self._busy = held, busy
        self._holding: asyncio.Task[None] | None = None
        self._over = asyncio.Event()
        self._stage = Stage(session, operator)
        self._numbers = itertools.count(1)
        self._writer: BundleWriter | None = None
        self._who = self._problem = ""
        self._act: asyncio.Task[None] | None = None
        self._did = ""
        self._monitors: asyncio.Task[None] | None = None
        self._safe: asyncio.Task[tuple[str, ...]] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._parking: asyncio.Task[tuple[str, ...]] | None = None
        self._dark: set[str] = set()
        self._dark_timer: asyncio.TimerHandle | None = None
        self.state = "parked"

    @property
    def open(self) -> bool:
        """Whether the rig is in somebody's hands, outside a run."""
        return self._writer is not None

    @property
    def acting(self) -> bool:
        """Whether an act is going on."""
        return self._act is not None and not self._act.done()

    def describe(self) -> dict[str, Any] | None:
        """For clients; None while the rig is in nobody's hands."""
        if self._writer is None:
            return None
        act = self._did if self.acting else ""
        return {"who": self._who, "folder": str(self._writer.path.absolute()), "act": act}

    async def act(self, step: Step, who: str, engine: Engine | None) -> int:
        """Begin an act; its number. How it ended is an event of kind `manual`.

        Args:
            step: from `read_act`.
            who: who acts.
            engine: of the run that is held, if there is one.

        Raises:
            UsageError: another act is going on, or the rig is being made safe.
            HeldElsewhere: another rig uses what this one shares with it.
            StorageError: the evidence cannot be written; nothing was sent.
        """
        if self.acting:
            raise UsageError(f"an act is going on: {self._did}", next_step="Wait for it, or abort it")
        if self._ending is not None:
            raise UsageError("the rig is being parked or made safe", next_step="Wait for it")
        did = describe_act(step)
        if engine is not None:
            engine.touched(f"{who}: {did}")
        elif self._writer is None:
            await self._take()
            try:
                self._begin(who)
            except BaseException:
                await self._give_back()
                raise
        number = next(self._numbers)
        self._did = did
        self._act = asyncio.create_task(self._carry_out(number, step, who), name=f"by hand: {did}")
        return number

    async def _take(self) -> None:
        """Hold what the rig shares until the rig is given back; nobody waits in a queue with a person before it."""
        if self._holding is not None:
            raise UsageError("somebody else is taking the rig by hand", next_step="Try again")
        self._over.clear()
        taken = asyncio.get_running_loop().create_future()
        self._holding = holding = asyncio.create_task(self._hold(taken), name="what is shared")
        try:
            await asyncio.wait([holding, taken], return_when=asyncio.FIRST_COMPLETED)
            if not holding.done() and self._busy():
                raise UsageError("a run is going on", next_step="Pause it, and wait for the end of its step")
        except BaseException:
            await self._give_back()
            raise
        if holding.done():
            self._holding = None
            holding.result()

    async def _hold(self, taken: asyncio.Future[None]) -> None:
        async with self._held(self.abort) as shares:
            if shares.unparked:
                raise UsageError(
                    "another rig did not leave parked what they share", next_step="`hilbench rig park RIG`"
                )
            shares.begun()
            taken.set_result(None)
            await self._over.wait()
            if self.state == "parked":
                shares.parked()

    async def _give_back(self) -> None:
        self._over.set()
        if self._holding is not None:
            await asyncio.wait([self._holding])
            self._holding = None

    def _begin(self, who: str) -> None:
        writer = self._writer = self._runs.begin_bundle(RUNBOOK)
        self._who, self._problem, self._safe = who, "", None
        self._dark.clear()
        self._session.stream.emit("engine", "run", self._runs.header(RUNBOOK, "Acts by hand"))
        monitors = Monitors(self._session, self.abort, self._noted)
        self._monitors = asyncio.create_task(monitors.run(), name="monitors")
        self._tell({"type": "hands_on", "state": "open", "who": who, "folder": str(writer.path.absolute())})

    def _noted(self, text: str) -> None:
        self._session.stream.emit("engine", "finding", {"text": text})

    async def _carry_out(self, number: int, step: Step, who: str) -> None:
        session, emit = self._session, self._session.stream.emit
        about = {"act": number, "who": who, "did": self._did}
        emit("engine", "operator", {"who": who, "did": f"by hand: {self._did}"})
        emit("engine", "manual", {"state": "start", **about})
        tolerance_ns = round(session.rig.file.clock.device_tolerance * 1e9)
        watch = StepWatch(
            step, session.stream, session.parties, tolerance_ns=tolerance_ns, can_witness=lambda _kind: False
        )
        unwatch = session.watch(watch.see)
        try:
            if self._writer is not None:
                # On disk before the first byte goes out.
                await self._writer.barrier()
            summary = await perform(self._stage, step, watch)
        except BenchError as error:
            emit("engine", "manual", {"state": "end", **about, "summary": "", "error": str(error)})
        except asyncio.CancelledError:
            emit("engine", "manual", {"state": "end", **about, "summary": "", "error": "interrupted"})
            raise
        else:
            emit("engine", "manual", {"state": "end", **about, "summary": summary, "error": ""})
            self._mind_darkness(step)
        finally:
            unwatch()

    def _mind_darkness(self, step: Step) -> None:
        """Give the supply back before it was off for longer than the rig allows, whoever forgot it."""
        supply = self._session.rig.file.supply
        if step.relay is not None:
            name, powered = step.relay.device or supply.relay or "relay", step.relay.closed
        elif step.supply is not None and step.supply.output is not None:
            name, powered = step.supply.device or supply.source, step.supply.output
        else:
            return
        (self._dark.discard if powered else self._dark.add)(name)
        if not self._dark and self._dark_timer is not None:
            self._dark_timer.cancel()
            self._dark_timer = None
        elif self._dark and self._dark_timer is None and self.open:
            longest_s = self._session.rig.file.limits.outage
            why = f"the supply was off for {format_duration(longest_s)}, as long as the rig allows"
            self._dark_timer = asyncio.get_running_loop().call_later(longest_s, self._end_soon, why)

    def stop_act(self) -> None:
        """End the act that is going on, if one is: what it was in the middle of stays undone."""
        if self._act is not None:
            stop(self._act)

    def abort(self, why: str) -> None:
        """Make the rig safe now, end the act, and seal the evidence. Callable from anywhere; once is enough."""
        if self._writer is not None and self._safe is None:
            self._problem = self._problem or why
            self._safe = asyncio.create_task(
                reach(self._session, "safe", self._session.rig.file.safe), name="safe state"
            )
            if self._parking is not None:
                stop(self._parking)
            self._session.stream.emit("engine", "run", {"state": "abort", "reason": why})
            self._end_soon(why)
        self.stop_act()

    def _end_soon(self, why: str) -> None:
        if self._ending is None and self._writer is not None:
            self._ending = asyncio.create_task(self._end(why), name="end of hands-on")

    async def end(self, why: str) -> None:
        """Park the rig (unless it is being made safe), seal the evidence, and give the rig back; no more than once."""
        self._end_soon(why)
        if self._ending is not None:
            await asyncio.shield(self._ending)

    async def _end(self, why: str) -> None:
        writer = self._writer
        assert writer is not None
        file = self._session.rig.file
        self.stop_act()
        if self._act is not None:
            await asyncio.wait([self._act])
        unsafe: tuple[str, ...] = ()
        if self._safe is None:
            unparked = await self._park()
            if self._safe is not None:
                unsafe = await self._safe
            elif unparked:
                self._problem = f"the park state was not confirmed: {'; '.join(unparked)}"
                unsafe = await reach(self._session, "safe", file.safe)
            self.state = "unsafe" if unsafe else "safe" if unparked else "parked"
        else:
            unsafe = await self._safe
            self.state = "unsafe" if unsafe else "safe"
        if self._monitors is not None:
            stop(self._monitors)
            await asyncio.wait([self._monitors])
        if self._dark_timer is not None:
            self._dark_timer.cancel()
            self._dark_timer = None
        error = await self._seal(writer, why, not unsafe)
        await self._give_back()
        self._writer = self._ending = self._parking = self._safe = self._monitors = None
        bundle = str(writer.path.absolute())
        self._tell(
            {"type": "hands_on", "state": "closed", "why": why, "rig": self.state, "bundle": bundle, "error": error}
        )

    async def _park(self) -> tuple[str, ...]:
        """Park the rig, unless it has to be made safe meanwhile: then what is left of parking must not happen."""
        self._parking = asyncio.create_task(reach(self._session, "park", self._session.rig.file.park), name="park")
        await asyncio.wait([self._parking])
        return ("given up",) if self._parking.cancelled() else self._parking.result()

    async def _seal(self, writer: BundleWriter, why: str, safe: bool) -> str:
        reason = "; ".join(part for part in (_NOTHING_TESTED, self._problem) if part)
        footer = {"state": "end", "verdict": "undecided", "reason": reason, "safe": safe, "findings": []}
        self._session.stream.emit("engine", "run", footer)
        try:
            await writer.close()
        except BenchError as problem:
            return str(problem)
        return ""
