"""What is different from the last night: what fails now, what is flaky now, what got well, what got slower."""

from __future__ import annotations

from pathlib import Path

from bench.campaign.file import Outcome
from bench.campaign.record import nights_of
from bench.campaign.summary import SUMMARY, Summary, load_summary
from bench.errors import UsageError
from bench.quantities import format_duration

SLOWER_BY = 0.2
SLOWER_BY_S = 1.0
"""A latency is slower, or faster, if its median changed by more than this part of it, and by more than this time."""

_ORDER = list(Outcome)


def night_before(night: Path, campaign: str) -> Summary | None:
    """The summary of the last night of a campaign before this one that ended; None if there is none to be read."""
    nights = nights_of(night.parent, campaign)
    for path in reversed(nights[: nights.index(night)] if night in nights else nights):
        if not (path / SUMMARY).is_file():
            continue
        try:
            found = load_summary(path)
        except UsageError:
            continue
        if not found.not_ended:
            return found
    return None


def compare(now: Summary, before: Summary | None) -> None:
    """Put the differences in a summary; nothing where there is nothing to compare with."""
    if before is None:
        return
    now.before = before.night
    new, old = _worst(now), _worst(before)
    bad = (Outcome.FAILED, Outcome.UNDECIDED, Outcome.BLOCKED)
    both = [group for group in new if group in old]
    found = {
        "new failures": [f"{group}: {new[group]}" for group in new if new[group] in bad and old.get(group) not in bad],
        "new flaky": [group for group in new if new[group] is Outcome.FLAKY and old.get(group) is not Outcome.FLAKY],
        "still not passed": [f"{group}: {new[group]}" for group in both if new[group] in bad and old[group] in bad],
        "passes again": [group for group in both if new[group] is Outcome.PASSED and not _fine(old[group])],
        "slower": _slower(now.latencies, before.latencies),
        "faster": _slower(before.latencies, now.latencies, swapped=True),
        "new": [group for group in new if group not in old],
        "gone": [group for group in old if group not in new],
        "requirements no longer covered": [each for each in before.covered if each not in now.covered],
    }
    now.differences = {title: lines for title, lines in found.items() if lines}


def _fine(outcome: Outcome) -> bool:
    return outcome in (Outcome.PASSED, Outcome.SKIPPED)


def _worst(summary: Summary) -> dict[str, Outcome]:
    """The gravest outcome of each group of repeats."""
    found: dict[str, Outcome] = {}
    for case in summary.cases:
        outcome = Outcome(case.outcome)
        found[case.group] = max(found.get(case.group, outcome), outcome, key=_ORDER.index)
    return found


def _slower(now: dict[str, float], before: dict[str, float], *, swapped: bool = False) -> list[str]:
    lines = []
    for what, now_s in now.items():
        before_s = before.get(what)
        if before_s is not None and now_s - before_s > max(SLOWER_BY_S, SLOWER_BY * before_s):
            old_s, new_s = (now_s, before_s) if swapped else (before_s, now_s)
            lines.append(f"{what} after {format_duration(new_s)}, was {format_duration(old_s)}")
    return lines
