"""What must, may and must not follow a stimulus: one `StepWatch` for each step.

Every window counts from an anchor: the stimulus itself, or an edge of the supply that the step makes. An anchor may
become known only after messages have come (the fall of a long interruption is reported when the verb ends), so
sightings are kept and judged whenever something new is known. Nothing that arrived before its anchor, and nothing
that a device dates before it, satisfies anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from bench.capabilities import Edge
from bench.clock import Clock, Instant
from bench.events import EventStream
from bench.parties import Parties
from bench.quantities import format_duration
from bench.sightings import (
    CARRIED_BY_DCC,
    POWER_OUTAGE,
    SEEN_BY_WITNESS,
    Sighting,
    device_name,
    is_about,
    objections,
    value_objections,
)
from bench.steps import Expect, Forbid, Step
from bench.verdict import Verdict, gravest

_NS = 1_000_000_000
_UNAVAILABLE = "the witness was unavailable, which is not the same as absent"


@dataclass(frozen=True, slots=True)
class Anchor:
    """A moment that windows count from, and how well it is known."""

    at: Instant
    uncertainty_ns: int = 0


@dataclass(slots=True)
class Outcome:
    """What became of one expectation or prohibition."""

    label: str
    verdict: Verdict | None = None
    reason: str = ""
    latency_ns: int | None = None
    uncertainty_ns: int | None = None
    by: Sighting | None = field(default=None, repr=False)


class StepWatch:
    """Judges what comes during one step.

    Args:
        step: what is expected, allowed and forbidden.
        stream: where outcomes are reported.
        parties: who is who.
        tolerance_ns: how far a device's own clock may be off for its time stamps to be plausible.
        can_witness: whether there is a witness for "han" or "hub" who sees now and has missed nothing; asked when
            the step begins and when something was not seen.

    Attributes:
        step: as given.
        sightings: all that came.
        request_ids: RequestIDs of what the step sent, by Service Request variant.
        parts: watches of the steps that a `parallel` step does at once.
        findings: what was odd, but for unexplained alerts.
        refused: what came from the DCC meanwhile and could not be believed or read; each only once.
    """

    def __init__(
        self,
        step: Step,
        stream: EventStream,
        parties: Parties,
        *,
        tolerance_ns: int,
        can_witness: Callable[[str], bool],
    ) -> None:
        self.step = step
        self._stream = stream
        self._clock: Clock = stream.clock
        self._parties = parties
        self._tolerance_ns = tolerance_ns
        self._can_witness = can_witness
        self._saw_at_first = {kind for kind in SEEN_BY_WITNESS if can_witness(kind)}
        self._anchors: dict[str, Anchor] = {}
        self._verb_ended = False
        self._news = asyncio.Event()
        self._used: set[int] = set()
        self.parts: list[StepWatch] = []
        self.findings: list[str] = []
        self.refused: dict[str, None] = {}
        self.sightings: list[Sighting] = []
        self.request_ids: dict[str, str] = {}
        self.expected = [Outcome(item.label) for item in step.expect]
        self.forbidden = [Outcome(f"no {item.label}") for item in step.forbid]
        self._await()

    def part(self, step: Step) -> StepWatch:
        """A watch for one of the steps that this one does at once: what comes, comes to it too."""
        if step.user is None:
            step = step.model_copy(update={"user": self.step.user})
        part = StepWatch(
            step, self._stream, self._parties, tolerance_ns=self._tolerance_ns, can_witness=self._can_witness
        )
        # One stream of messages, of which each is what one expectation waits for; parts are settled in turn.
        part.sightings, part.findings, part._used, part._news = self.sightings, self.findings, self._used, self._news
        part.refused = self.refused
        self.parts.append(part)
        return part

    def everyone(self) -> Iterator[StepWatch]:
        """This watch, and those of its parts."""
        yield self
        for part in self.parts:
            yield from part.everyone()

    def expectations(self) -> list[Outcome]:
        """What became of every expectation, of the parts too."""
        return [outcome for watch in self.everyone() for outcome in watch.expected]

    def outcomes(self) -> list[Outcome]:
        """What became of every expectation and prohibition, of the parts too."""
        return [outcome for watch in self.everyone() for outcome in (*watch.expected, *watch.forbidden)]

    def anchor(self, name: str, at: Instant, uncertainty_ns: int = 0) -> None:
        """Say when something happened that windows count from; a later one replaces an earlier one."""
        self._anchors[name] = Anchor(at, uncertainty_ns)
        self._await(name)
        self._news.set()

    def _await(self, anchor: str = "") -> None:
        """Say what is awaited and until when: at first, and when the anchor of a window becomes known."""
        items: tuple[Expect | Forbid, ...] = (*self.step.expect, *self.step.forbid)
        awaited = []
        for item, outcome in zip(items, (*self.expected, *self.forbidden), strict=True):
            if outcome.verdict is None and anchor in ("", item.after):
                window = self._window(item)
                due_ns = None if window is None else window[1]
                user = (item.user or self.step.user) if item.kind in CARRIED_BY_DCC else None
                must = "come" if isinstance(item, Expect) else "not come"
                awaited.append(
                    {"label": outcome.label, "must": must, "after": item.after, "due_mono_ns": due_ns, "to": user}
                )
        if awaited:
            self._stream.emit("engine", "awaiting", {"items": awaited})

    def anchor_edge(self, edge: Edge) -> None:
        """Take an edge of the supply as the anchor of its kind."""
        self.anchor(edge.kind.value, edge.at, edge.uncertainty_ns)

    def verb_ended(self, at: Instant) -> None:
        """The verb is done: anchors that are not known now will never be."""
        self._verb_ended = True
        self.anchor("end", at)

    def see(self, sighting: Sighting) -> None:
        """Take a sighting into account."""
        self.sightings.append(sighting)
        self._news.set()

    async def settle(self) -> Verdict:
        """Wait until every expectation and prohibition is decided, and return the gravest verdict."""
        await self._settle()
        for part in self.parts:
            await part.settle()
        return gravest(outcome.verdict or Verdict.PASSED for outcome in self.outcomes())

    async def _settle(self) -> None:
        while True:
            self._news.clear()
            self._judge()
            deadline_ns = self._next_deadline()
            if deadline_ns is None:
                break
            # One nanosecond more: a message that arrives exactly at the deadline is in time.
            wait_s = (deadline_ns + 1 - self._clock.now().mono_ns) / _NS
            try:
                async with asyncio.timeout(max(wait_s, 0)):
                    await self._news.wait()
            except TimeoutError:
                continue

    def _next_deadline(self) -> int | None:
        """When the next undecided window ends; None once all is decided, or a failure makes waiting pointless."""
        deadlines = []
        items: tuple[Expect | Forbid, ...] = (*self.step.expect, *self.step.forbid)
        for item, outcome in zip(items, (*self.expected, *self.forbidden), strict=True):
            if outcome.verdict is Verdict.FAILED:
                return None
            if outcome.verdict is None:
                window = self._window(item)
                if window is not None:
                    deadlines.append(window[1])
        return min(deadlines, default=None)

    def _window(self, item: Expect | Forbid) -> tuple[Anchor, int] | None:
        anchor = self._anchors.get(item.after)
        if anchor is None:
            return None
        length_s = item.within if isinstance(item, Expect) else item.duration
        return anchor, anchor.at.mono_ns + round(length_s * _NS)

    def _judge(self) -> None:
        for item, outcome in zip(self.step.expect, self.expected, strict=True):
            if outcome.verdict is None:
                self._judge_expected(item, outcome)
        for prohibition, outcome in zip(self.step.forbid, self.forbidden, strict=True):
            if outcome.verdict is None:
                self._judge_forbidden(prohibition, outcome)

    def _judge_expected(self, item: Expect, outcome: Outcome) -> None:
        window = self._window(item)
        if window is None:
            if self._verb_ended:
                outcome.verdict, outcome.reason = Verdict.FAILED, f"the step made no {item.after} to count from"
                self._report(outcome)
            return
        anchor, deadline_ns = window
        misses = []
        for sighting in self.sightings:
            if id(sighting) in self._used or not is_about(sighting, item, self.request_ids):
                continue
            reasons = self._objections(sighting, item, anchor, deadline_ns)
            if reasons:
                if not sighting.is_acknowledgement:
                    misses.append(f"{sighting.label(self._parties)}: {'; '.join(reasons)}")
                if self._is_the_answer(sighting, item):
                    outcome.verdict, outcome.by, outcome.reason = Verdict.FAILED, sighting, misses[-1]
                    self._report(outcome)
                    return
                continue
            self._used.add(id(sighting))
            outcome.verdict, outcome.by = Verdict.PASSED, sighting
            outcome.latency_ns = sighting.at_ns - anchor.at.mono_ns
            outcome.uncertainty_ns = anchor.uncertainty_ns
            self._report(outcome)
            return
        if self._clock.now().mono_ns > deadline_ns:
            self._miss(item, outcome, misses)

    def _miss(self, item: Expect, outcome: Outcome, misses: list[str]) -> None:
        if not self._could_see(item):
            optional = item.witness == "optional"
            outcome.verdict = Verdict.PASSED if optional else Verdict.UNDECIDED
            outcome.reason = _UNAVAILABLE
        elif item.witness == "optional":
            outcome.verdict, outcome.reason = Verdict.PASSED, "the optional witness saw nothing"
            self._finding(f"{item.label} was not seen, though the witness could see")
        else:
            outcome.verdict = Verdict.FAILED
            nearest = f"; what came was not it: {' / '.join(misses)}" if misses else ""
            if self.refused and item.kind in CARRIED_BY_DCC:
                nearest += f"; {'; '.join(self.refused)}"
            since = "" if item.after == "stimulus" else f" of the {item.after}"
            outcome.reason = f"did not come within {format_duration(item.within)}{since}{nearest}"
        self._report(outcome)

    def _could_see(self, item: Expect | Forbid) -> bool:
        """Whether what did not come was not there: whoever would have seen it could see all the while."""
        if item.kind not in SEEN_BY_WITNESS:
            return True
        device = self._parties.duts.get(item.device or "")
        if item.kind == "han" and device is not None and device.sub_ghz:
            return False
        return item.kind in self._saw_at_first and self._can_witness(item.kind)

    def _is_the_answer(self, sighting: Sighting, item: Expect) -> bool:
        """Whether it says no to the very request whose answer is awaited, so that no other answer will come."""
        if not sighting.is_refusal or sighting.data.get("signature") != "valid" or sighting.is_replay:
            return False
        return bool(sighting.data.get("request_id") == self.request_ids.get(item.response or "", "none"))

    def _judge_forbidden(self, item: Forbid, outcome: Outcome) -> None:
        window = self._window(item)
        if window is None:
            if self._verb_ended:
                outcome.verdict, outcome.reason = Verdict.UNDECIDED, f"the step made no {item.after} to count from"
                self._report(outcome)
            return
        anchor, deadline_ns = window
        for sighting in self.sightings:
            if not is_about(sighting, item, self.request_ids) or self._is_old(sighting, anchor):
                continue
            source = item.source or item.device
            if source is not None and device_name(self._parties, sighting.data.get("device")) != source:
                continue
            if item.code is not None and sighting.data.get("response_code") != item.code:
                continue
            if value_objections(sighting, item):
                continue
            if anchor.at.mono_ns <= sighting.at_ns <= deadline_ns:
                outcome.verdict, outcome.by = Verdict.FAILED, sighting
                after_ns = sighting.at_ns - anchor.at.mono_ns
                outcome.latency_ns, outcome.uncertainty_ns = after_ns, anchor.uncertainty_ns
                outcome.reason = (
                    f"{sighting.label(self._parties)} came {format_duration(after_ns / _NS)} after the {item.after}, "
                    f"and must not come for {format_duration(item.duration)}"
                )
                self._report(outcome)
                return
        if self._clock.now().mono_ns > deadline_ns:
            outcome.verdict = Verdict.PASSED
            if not self._could_see(item):
                outcome.verdict, outcome.reason = Verdict.UNDECIDED, _UNAVAILABLE
            self._report(outcome)

    def _is_old(self, sighting: Sighting, anchor: Anchor) -> bool:
        """Whether it surely tells of something before the anchor, so that it breaks no prohibition.

        A counter below one seen before is not enough: of two alerts raised together, the second may come first.
        """
        if sighting.times_before or not sighting.counter_is_old:
            return sighting.times_before > 0
        device_ns = sighting.data.get("device_time_utc_ns")
        return device_ns is not None and device_ns < anchor.at.utc_ns - self._tolerance_ns

    def _objections(self, sighting: Sighting, item: Expect, anchor: Anchor, deadline_ns: int) -> list[str]:
        reasons = objections(
            sighting,
            item,
            user=self.step.user,
            parties=self._parties,
            request_ids=self.request_ids,
            request=item.request,
        )
        if sighting.at_ns < anchor.at.mono_ns:
            reasons.append(f"it came before the {item.after}")
        if sighting.at_ns > deadline_ns:
            late_s = (sighting.at_ns - deadline_ns) / _NS
            reasons.append(f"it came {format_duration(late_s)} too late")
        reasons.extend(self._implausible_times(sighting, anchor))
        return reasons

    def _implausible_times(self, sighting: Sighting, anchor: Anchor) -> list[str]:
        """Hold what the device says of time against what the bench knows of it."""
        reasons, tolerance_ns = [], self._tolerance_ns
        device_ns = sighting.data.get("device_time_utc_ns")
        if device_ns is not None:
            if device_ns < anchor.at.utc_ns - tolerance_ns:
                early = format_duration((anchor.at.utc_ns - device_ns) / _NS)
                reasons.append(f"its own time stamp is {early} before its cause")
            if device_ns > sighting.event.at.utc_ns + tolerance_ns:
                ahead = format_duration((device_ns - sighting.event.at.utc_ns) / _NS)
                reasons.append(f"its own time stamp is {ahead} ahead of its arrival")
        values = sighting.data.get("values") or {}
        keys = {"interruption": "fall", "restoration": "restore"}
        if sighting.data.get("code") == POWER_OUTAGE:
            keys = {"start_date_time": "fall"}
        for key, name in keys.items():
            stated, edge = values.get(key), self._anchors.get(name)
            if stated is None or edge is None:
                continue
            off_s = abs(datetime.fromisoformat(stated).timestamp() - edge.at.utc_ns / _NS)
            if off_s > tolerance_ns / _NS:
                off = format_duration(off_s)
                reasons.append(f"the {name} that it states is {off} from the one the bench made")
        return reasons

    def unexplained(self) -> list[tuple[Sighting, str]]:
        """Alerts of this step that were neither expected nor allowed, each with what is odd about it."""
        explained = {id(outcome.by) for outcome in self.outcomes() if outcome.by is not None}
        found = []
        for sighting in self.sightings:
            if not sighting.is_alert or id(sighting) in explained or self.allows(sighting):
                continue
            found.append((sighting, self._oddity(sighting)))
        return found

    def allows(self, sighting: Sighting) -> bool:
        """Whether the step says that this may come beside what it expects."""
        return not sighting.is_replay and any(
            is_about(sighting, match, watch.request_ids)
            and not objections(
                sighting, match, user=watch.step.user, parties=self._parties, request_ids=watch.request_ids
            )
            for watch in self.everyone()
            for match in watch.step.allow
        )

    def repeats(self, sighting: Sighting) -> bool:
        """Whether it says again, to the same User, what already satisfied an expectation of this step."""
        for outcome in self.expectations():
            if outcome.by is None or outcome.by is sighting or not sighting.is_alert:
                continue
            if outcome.by.said == sighting.said:
                return True
        return False

    def _oddity(self, sighting: Sighting) -> str:
        if self.repeats(sighting):
            return "came twice"
        if sighting.is_replay:
            return "an old message delivered again"
        if sighting.data.get("signature") != "valid":
            return f"its signature is not valid: {sighting.data.get('signature')}"
        return "neither expected nor allowed"

    def _report(self, outcome: Outcome) -> None:
        verdict = outcome.verdict or Verdict.UNDECIDED
        data: dict[str, object] = {"label": outcome.label, "verdict": verdict.value, "reason": outcome.reason}
        if outcome.latency_ns is not None:
            data |= {"latency_ns": outcome.latency_ns, "uncertainty_ns": outcome.uncertainty_ns}
        self._stream.emit("engine", "expectation", data)

    def _finding(self, text: str) -> None:
        self.findings.append(text)
        self._stream.emit("engine", "finding", {"text": text})


def first_problem(outcomes: list[Outcome]) -> str:
    """The reason of the gravest outcome, for a line of a table; empty if all is well."""
    bad = [outcome for outcome in outcomes if outcome.verdict is not None and not outcome.verdict.passed]
    return "; ".join(f"{outcome.label}: {outcome.reason}" for outcome in bad)
