"""Who looks out for what comes during a run: it is given to the step that goes on, and judged when that ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bench.engine.account import Account
from bench.expectations import StepWatch
from bench.rig.session import RigSession
from bench.sightings import Sighting
from bench.steps import Step
from bench.verdict import Verdict
from bench.witnesses import DccWitness, watch_witnesses

_NS = 1_000_000_000


class Lookout:
    """All that was seen during one run, step by step.

    Args:
        session: the connected rig.
        account: where problems and findings are entered.
    """

    def __init__(self, session: RigSession, account: Account) -> None:
        self._session, self._account = session, account
        self._watches: list[StepWatch] = []
        self._watch: StepWatch | None = None
        self._loose: list[Sighting] = []
        self._dcc = DccWitness(session, self._refused)

    @contextmanager
    def on_duty(self) -> Iterator[None]:
        """See what comes until the block ends."""
        unwatch = self._session.watch(self._see)
        unsubscribe = self._session.stream.subscribe(self._dcc.receive)
        try:
            yield
        finally:
            unwatch()
            unsubscribe()

    @property
    def is_idle(self) -> bool:
        """Whether no step goes on."""
        return self._watch is None

    def begin(self, step: Step) -> StepWatch:
        """Watch for a step from now on."""
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

    def end(self, watch: StepWatch) -> None:
        """End a step's watch, and judge what came beside what was expected."""
        self._watch = None
        self._account.add_findings(watch.findings)
        for sighting, oddity in watch.unexplained():
            label = sighting.label(self._session.parties)
            if any(earlier.allows(sighting) for earlier in self._watches):
                continue  # what an earlier step allows beside it may come late
            if oddity == "came twice" or any(earlier.repeats(sighting) for earlier in self._watches):
                self._account.problem(Verdict.FAILED, f"{label} came twice")
            else:
                self._account.finding(f"{label}: {oddity}")

    def remember(self, step: Step) -> None:
        """Know a step that is not done again: what it allowed may still come late."""
        self.begin(step)
        self._watch = None

    async def drain(self) -> None:
        """Wait for what is late, and book it to this run."""
        rest = self.begin(Step.model_validate({"title": "late messages", "wait": f"{self._session.rig.file.drain} s"}))
        rest.sightings.extend(self._loose)
        self._session.stream.emit("engine", "drain", {"state": "start"})
        await self._session.clock.sleep(self._session.rig.file.drain)
        self.end(rest)
        self._session.stream.emit("engine", "drain", {"state": "end"})

    async def check_dcc(self) -> None:
        """See that the DCC is still there, where it matters that something did not come."""
        done = [item for item in self._account.results if item.verdict in (Verdict.PASSED, Verdict.FAILED)]
        if missing := await self._dcc.missing(item.placed.step for item in done):
            self._account.problem(Verdict.UNDECIDED, missing)

    def _see(self, sighting: Sighting) -> None:
        """Give a sighting to the step that runs; in the pauses between steps, and while parking, there is none."""
        if self._watch is not None:
            self._watch.see(sighting)
        elif sighting.is_alert:
            self._loose.append(sighting)

    def _refused(self, text: str, new: bool) -> None:
        """The DCC brought something that could not be believed."""
        if new:
            self._account.finding(text)
        if self._watch is not None:
            self._watch.refused[text] = None
