"""Where a night stands, as its record says: the same whether it is written now or read back after a kill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.campaign.file import Outcome
from bench.campaign.plan import Case
from bench.journal import Record
from bench.verdict import Verdict


@dataclass(slots=True)
class AttemptResult:
    """One attempt at a planned run.

    Attributes:
        verdict: as of a run.
        safe: whether park or safe state was confirmed.
        parked: whether the rig was left so that another run may follow.
        bundle: its evidence; empty if it did not come to that.
        evidence: what verification said of it.
        latencies: what came, after how many seconds, and how well that is known.
        covered: requirements that it passed.
        lost: devices that were lost and did not come back; "" stands for the rig as a whole.
        interrupted: the campaign itself was ended, or killed, meanwhile: it says nothing about the device under test.
    """

    attempt: int
    verdict: str = Verdict.UNDECIDED.value
    reason: str = ""
    safe: bool = True
    parked: bool = True
    duration_s: float = 0.0
    bundle: str = ""
    body_hash: str = ""
    evidence: str = ""
    findings: tuple[str, ...] = ()
    covered: tuple[str, ...] = ()
    latencies: tuple[tuple[str, float, float], ...] = ()
    lost: tuple[str, ...] = ()
    interrupted: bool = False

    @property
    def passed(self) -> bool:
        """Whether it passed."""
        return self.verdict == Verdict.PASSED.value

    def data(self) -> dict[str, Any]:
        """For the record; where evidence lies is `volatile`."""
        return {
            "verdict": self.verdict,
            "reason": self.reason,
            "safe": self.safe,
            "parked": self.parked,
            "duration_ns": round(self.duration_s * 1e9),
            "body_hash": self.body_hash,
            "evidence": self.evidence,
            "findings": list(self.findings),
            "covered": list(self.covered),
            "latencies": [[what, round(s * 1e9), round(uncertainty * 1e9)] for what, s, uncertainty in self.latencies],
            "lost": list(self.lost),
            "interrupted": self.interrupted,
        }

    @classmethod
    def of(cls, data: Mapping[str, Any], volatile: Mapping[str, Any]) -> AttemptResult:
        """From the record."""
        return cls(
            data["attempt"],
            data["verdict"],
            data["reason"],
            data["safe"],
            data["parked"],
            data["duration_ns"] / 1e9,
            volatile.get("bundle", ""),
            data["body_hash"],
            data["evidence"],
            tuple(data["findings"]),
            tuple(data["covered"]),
            tuple((what, ns / 1e9, uncertainty / 1e9) for what, ns, uncertainty in data["latencies"]),
            tuple(data["lost"]),
            data["interrupted"],
        )


@dataclass(slots=True)
class CaseState:
    """A planned run.

    Attributes:
        outcome: None until it has ended.
        began_utc_ns: of its first attempt; 0 if there was none.
        open: the attempt that has begun and not ended, if any.
        job: what the engine calls that attempt: its process and number.
    """

    case: Case
    attempts: list[AttemptResult] = field(default_factory=list)
    outcome: Outcome | None = None
    reason: str = ""
    began_utc_ns: int = 0
    open: int = 0
    job: tuple[int, int] | None = None

    @property
    def tries(self) -> list[AttemptResult]:
        """The attempts that say something about the device under test."""
        return [attempt for attempt in self.attempts if not attempt.interrupted]


class NightState:
    """Where every planned run of a night stands.

    Attributes:
        cases: by number.
        quarantined: why a device of a rig is out; the device "" stands for the whole rig.
        began_utc_ns, ended_utc_ns: of the night; 0 if not known yet.
        interruptions: how often it was resumed.
    """

    def __init__(self, cases: Sequence[Case]) -> None:
        self.cases = {case.number: CaseState(case) for case in cases}
        self.quarantined: dict[tuple[str, str], str] = {}
        self.began_utc_ns = 0
        self.ended_utc_ns = 0
        self.interruptions = 0

    def replay(self, entries: Sequence[Record]) -> None:
        """Take over what an earlier sitting wrote."""
        for record in entries:
            self.apply(record.kind, record.data, record.volatile, record.at.utc_ns)

    def apply(self, kind: str, data: Mapping[str, Any], volatile: Mapping[str, Any], utc_ns: int) -> None:
        """Follow one entry of the record."""
        if kind == "campaign":
            self.began_utc_ns = self.began_utc_ns or utc_ns
            self.ended_utc_ns = utc_ns if data["state"] == "end" else 0
            self.interruptions += data["state"] == "resumed"
        elif kind == "quarantine":
            self.quarantined.setdefault((data["rig"], data["device"]), data["why"])
        elif kind == "skip":
            for number in data["cases"]:
                self._end(self.cases[number], Outcome.SKIPPED, data["why"])
        elif kind == "case":
            self._end(self.cases[data["case"]], Outcome(data["outcome"]), data["reason"])
        elif kind == "attempt":
            self._attempt(self.cases[data["case"]], data, volatile, utc_ns)

    @staticmethod
    def _end(state: CaseState, outcome: Outcome, reason: str) -> None:
        state.outcome, state.reason = outcome, reason

    @staticmethod
    def _attempt(state: CaseState, data: Mapping[str, Any], volatile: Mapping[str, Any], utc_ns: int) -> None:
        if data["state"] == "start":
            state.open, state.job = data["attempt"], None
            state.began_utc_ns = state.began_utc_ns or utc_ns
        elif data["state"] == "job":
            state.job = (volatile["pid"], volatile["job"])
        else:
            state.attempts.append(AttemptResult.of(data, volatile))
            state.open, state.job = 0, None

    def lost(self, case: Case) -> str:
        """Why a planned run cannot run any more: what it needs is in quarantine; empty if it can."""
        for (rig, device), why in self.quarantined.items():
            if rig == case.rig and (not device or device in case.needs):
                return f"{device or f'the rig {rig}'} is in quarantine: {why}"
        return ""

    def out(self, rig: str) -> frozenset[str]:
        """The devices of a rig that are in quarantine."""
        return frozenset(device for name, device in self.quarantined if name == rig and device)

    def left(self) -> list[CaseState]:
        """The planned runs that have not ended."""
        return [state for state in self.cases.values() if state.outcome is None]

    @property
    def unsafe(self) -> bool:
        """Whether a rig was left without a confirmed safe state."""
        return any(not attempt.safe for state in self.cases.values() for attempt in state.attempts)

    def outcomes(self) -> dict[str, int]:
        """How many planned runs ended how."""
        ended = [state.outcome for state in self.cases.values()]
        return {outcome.value: ended.count(outcome) for outcome in Outcome if outcome in ended}


def outcome_of(attempts: Sequence[AttemptResult]) -> Outcome:
    """What several attempts come to: the last one counts, and a pass after others is a flaky pass."""
    tries = [attempt for attempt in attempts if not attempt.interrupted]
    if not tries:
        return Outcome.UNDECIDED
    last = tries[-1]
    if last.passed:
        return Outcome.PASSED if len(tries) == 1 else Outcome.FLAKY
    return {"failed": Outcome.FAILED, "blocked": Outcome.BLOCKED}.get(last.verdict, Outcome.UNDECIDED)
