"""What a night came to: a document for programs, from which everything else (page, JUnit, mail) is made."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from bench.campaign.file import Campaign, Outcome
from bench.campaign.state import AttemptResult, CaseState, NightState
from bench.durable import write_whole
from bench.errors import UsageError
from bench.verdict import EXIT_FAILED, EXIT_PASSED, EXIT_UNDECIDED, EXIT_UNSAFE

FORMAT = "hilbench-night/1"
SUMMARY = "summary.json"


@dataclass(frozen=True, slots=True)
class CaseSummary:
    """A planned run and all its attempts.

    Attributes:
        name: entry/runbook/rig/repeat, the same every night.
        attempts: as `AttemptResult`, in order.
    """

    name: str
    entry: str
    runbook: str
    rig: str
    repeat: int
    outcome: str
    reason: str
    began_utc: str
    attempts: tuple[AttemptResult, ...]

    @property
    def group(self) -> str:
        """What is compared from night to night: all repeats of a runbook in an entry on a rig."""
        return f"{self.entry}/{self.runbook}/{self.rig}"

    @property
    def duration_s(self) -> float:
        """Of all attempts."""
        return sum(attempt.duration_s for attempt in self.attempts)


@dataclass(slots=True)
class Summary:
    """A night.

    Attributes:
        night: the name of its folder.
        clock: "real" or "virtual".
        outcomes: how many planned runs ended how.
        not_ended: how many have not: the campaign was interrupted.
        covered: requirements that a run passed and none missed; `missed`: that some run did not pass.
        slowest: the median of each latency in seconds, by group and what came.
        differences: from the night before; see differences.py.
        before: the name of that night; empty if there was none.
    """

    night: str
    campaign: str
    title: str
    clock: str
    zone: str
    began_utc: str
    ended_utc: str
    interruptions: int
    outcomes: dict[str, int]
    not_ended: int
    cases: list[CaseSummary]
    quarantined: list[tuple[str, str, str]]
    covered: list[str]
    missed: list[str]
    unsafe: bool
    latencies: dict[str, float]
    before: str = ""
    differences: dict[str, list[str]] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0: all passed, flaky ones too; 1: something failed; 3: something undecided, blocked or not done; 4 unsafe."""
        if self.unsafe:
            return EXIT_UNSAFE
        if self.not_ended or any(self.outcomes.get(word) for word in (Outcome.UNDECIDED, Outcome.BLOCKED)):
            return EXIT_UNDECIDED
        return EXIT_FAILED if self.outcomes.get(Outcome.FAILED) else EXIT_PASSED

    @property
    def verdict(self) -> str:
        """The night in a word: its gravest outcome."""
        if self.not_ended:
            return Outcome.UNDECIDED.value
        return max(self.outcomes, key=[outcome.value for outcome in Outcome].index, default=Outcome.SKIPPED.value)

    @property
    def headline(self) -> str:
        """The night in a line."""
        counts = ", ".join(f"{count} {word}" for word, count in sorted(self.outcomes.items(), key=_by_gravity))
        more = f", {self.not_ended} not done" if self.not_ended else ""
        return f"{self.campaign}: {counts or 'nothing ran'}{more}"

    def local(self, iso: str) -> str:
        """A time of this summary by the clock on the wall; empty for none."""
        if not iso:
            return ""
        return f"{datetime.fromisoformat(iso).astimezone(ZoneInfo(self.zone)):%a %Y-%m-%d %H:%M:%S %Z}"

    @property
    def problems(self) -> bool:
        """Whether somebody has to look: anything but passes and skips."""
        fine = (Outcome.PASSED.value, Outcome.SKIPPED.value)
        return self.unsafe or bool(self.not_ended) or any(word not in fine for word in self.outcomes)

    def as_json(self) -> dict[str, Any]:
        """The document."""
        return {"format": FORMAT, **asdict(self), "verdict": self.verdict, "headline": self.headline}

    def save(self, folder: Path) -> None:
        """Write it to a night's folder.

        Raises:
            StorageError: it cannot be written.
        """
        write_whole(folder / SUMMARY, json.dumps(self.as_json(), indent=2).encode() + b"\n")


def _by_gravity(item: tuple[str, int]) -> int:
    return -[outcome.value for outcome in Outcome].index(item[0])


def summarise(night: Path, campaign: Campaign, state: NightState, clock: str) -> Summary:
    """Sum a night up."""
    cases = [_case(each) for each in state.cases.values() if each.outcome is not None]
    attempts = [attempt for case in cases for attempt in case.attempts]
    judged = [each for each in state.cases.values() if each.outcome not in (None, Outcome.SKIPPED)]
    covered = {cover for each in judged for cover in _covered(each)}
    missed = {
        cover for each in judged if each.case.plan for cover in each.case.plan.covers if cover not in _covered(each)
    }
    return Summary(
        night.name,
        campaign.name,
        campaign.file.title,
        clock,
        str(campaign.file.zone),
        _iso(state.began_utc_ns),
        _iso(state.ended_utc_ns),
        state.interruptions,
        state.outcomes(),
        len(state.left()),
        cases,
        [(rig, device, why) for (rig, device), why in state.quarantined.items()],
        sorted(covered - missed),
        sorted(missed),
        any(not attempt.safe for attempt in attempts),
        _latencies(cases),
    )


def _covered(state: CaseState) -> tuple[str, ...]:
    """What the attempt that counts is evidence for."""
    return state.tries[-1].covered if state.tries else ()


def _case(state: CaseState) -> CaseSummary:
    case = state.case
    assert state.outcome is not None
    return CaseSummary(
        case.name,
        case.entry_name,
        case.runbook,
        case.rig,
        case.repeat,
        state.outcome.value,
        state.reason,
        _iso(state.began_utc_ns),
        tuple(state.attempts),
    )


def _latencies(cases: Sequence[CaseSummary]) -> dict[str, float]:
    """The median of each latency over the repeats; those of attempts that did not pass are no measure."""
    found: dict[str, list[float]] = {}
    for case in cases:
        for attempt in case.attempts:
            for what, after_s, _ in attempt.latencies if attempt.passed else ():
                found.setdefault(f"{case.group}: {what}", []).append(after_s)
    return {what: statistics.median(values) for what, values in found.items()}


def _iso(utc_ns: int) -> str:
    if not utc_ns:
        return ""
    return datetime.fromtimestamp(utc_ns // 1_000_000_000, UTC).isoformat().replace("+00:00", "Z")


def load_summary(night: Path) -> Summary:
    """Read the summary of a night.

    Raises:
        UsageError: there is none, or it cannot be read.
    """
    path = night / SUMMARY
    try:
        document = json.loads(path.read_text())
        if document["format"] != FORMAT:
            raise ValueError(f"its format is {document['format']!r}")
        names = {each.name for each in fields(Summary)}
        values = {key: value for key, value in document.items() if key in names}
        values["cases"] = [_load_case(each) for each in document["cases"]]
        values["quarantined"] = [tuple(each) for each in document["quarantined"]]
        return Summary(**values)
    except FileNotFoundError:
        raise UsageError("the night has no summary yet", where=str(night)) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"the summary cannot be read: {error}", where=str(path)) from None


def _load_case(document: dict[str, Any]) -> CaseSummary:
    attempts = [
        AttemptResult(
            **each
            | {key: tuple(each[key]) for key in ("findings", "covered", "lost")}
            | {"latencies": tuple((what, after_s, uncertainty_s) for what, after_s, uncertainty_s in each["latencies"])}
        )
        for each in document["attempts"]
    ]
    return CaseSummary(**document | {"attempts": tuple(attempts)})
