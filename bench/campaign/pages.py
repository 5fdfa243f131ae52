"""The summary of a night as text, as a page, and as JUnit XML."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.campaign.file import Outcome
from bench.campaign.summary import CaseSummary, Summary
from bench.durable import write_whole
from bench.report.clean import clean
from bench.report.junit import Case, Suite, to_xml
from bench.report.pages import page

PAGE, JUNIT, TEXT = "summary.html", "junit.xml", "summary.txt"


def write_all(summary: Summary, night: Path) -> None:
    """Write every form of it to a night's folder.

    Raises:
        StorageError: one cannot be written.
    """
    write_whole(night / PAGE, summary_page(summary).encode())
    write_whole(night / JUNIT, junit(summary))
    write_whole(night / TEXT, ("\n".join(text_lines(summary)) + "\n").encode())
    # Last: who finds it knows that the others are there.
    summary.save(night)


def summary_page(summary: Summary) -> str:
    """The page: it needs nothing beside itself."""
    return page("night.html", night=summary, worth=[each for each in summary.cases if _worth_a_word(each)])


def _worth_a_word(case: CaseSummary) -> bool:
    return case.outcome not in (Outcome.PASSED.value, Outcome.SKIPPED.value)


def text_lines(summary: Summary) -> list[str]:
    """The summary for a terminal, or a mail."""
    return [clean(line) for line in _lines(summary)]


def _lines(summary: Summary) -> Iterator[str]:
    yield summary.headline
    when = f"{summary.local(summary.began_utc)} to {summary.local(summary.ended_utc) or 'an interruption'}"
    resumed = f", interruptions: {summary.interruptions}" if summary.interruptions else ""
    yield f"  {when} ({summary.clock} time{resumed})"
    if summary.unsafe:
        yield "  THE SAFE STATE OF A RIG WAS NOT CONFIRMED: look at the bench"
    for rig, device, why in summary.quarantined:
        yield f"  in quarantine: {device or 'all'} of {rig}: {why}"
    for case in summary.cases:
        if _worth_a_word(case):
            yield f"  {case.outcome:10}  {case.name}: {case.reason}".rstrip(": ")
            if len(case.attempts) > 1:
                for attempt in case.attempts:
                    reason = f": {attempt.reason}" if attempt.reason else ""
                    word = "interrupted" if attempt.interrupted else attempt.verdict
                    yield f"              attempt {attempt.attempt} {word}{reason}"
    left_out: dict[str, int] = {}
    for case in summary.cases:
        if case.outcome == Outcome.SKIPPED.value:
            key = f"{case.entry} on {case.rig}: {case.reason}"
            left_out[key] = left_out.get(key, 0) + 1
    for key, count in left_out.items():
        yield f"  left out    {count} of {key}"
    if summary.missed:
        yield f"  requirements not passed: {', '.join(summary.missed)}"
    yield f"  requirements passed: {', '.join(summary.covered) or 'none'}"
    if not summary.before:
        yield "  no earlier night to compare with"
        return
    yield f"  against {summary.before}:" + ("" if summary.differences else " no differences")
    for title, lines in summary.differences.items():
        for line in lines:
            yield f"    {title}: {line}"


def junit(summary: Summary) -> bytes:
    """JUnit XML: a suite for each entry and rig, a case for each planned run."""
    suites: dict[tuple[str, str], list[CaseSummary]] = {}
    for case in summary.cases:
        suites.setdefault((case.entry, case.rig), []).append(case)
    return to_xml(
        summary.campaign,
        [
            Suite(
                f"{entry} on {rig}",
                next((case.began_utc for case in cases if case.began_utc), summary.began_utc),
                [_junit_case(case) for case in cases],
                {"night": summary.night, "rig": rig, "clock": summary.clock},
            )
            for (entry, rig), cases in suites.items()
        ],
    )


def _junit_case(case: CaseSummary) -> Case:
    earlier = tuple(
        f"attempt {attempt.attempt} {attempt.verdict}: {attempt.reason}"
        for attempt in case.attempts[:-1]
        if case.outcome == Outcome.FLAKY.value and not attempt.interrupted
    )
    output = [f"attempt {attempt.attempt}: {attempt.verdict}, evidence {attempt.bundle}" for attempt in case.attempts]
    output += (
        [f"{what} after {after_s:.3f} s" for what, after_s, _ in case.attempts[-1].latencies] if case.attempts else []
    )
    name = f"{case.runbook} #{case.repeat}"
    return Case(
        f"{case.rig}.{case.entry}", name, case.outcome, case.reason, case.duration_s, earlier, "\n".join(output)
    )
