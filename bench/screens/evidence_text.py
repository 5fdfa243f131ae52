"""What the evidence says, in words: a run as its journal tells it, and a night of a campaign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from textual.content import Content

from bench.cockpit.model import NS
from bench.cockpit.words import MARKS
from bench.durations import format_duration
from bench.screens.base import BAD, GOOD, STRONG, WEAK, mark

Part = Content | str | tuple[str, str]

_FINE = ("passed", "flaky pass", "skipped")


def bundle_text(found: Mapping[str, Any], checked: tuple[bool, str] | None, made: Sequence[str] = ()) -> Content:
    """A run as its journal tells it.

    Args:
        found: what the engine says of it.
        checked: whether it verified, and what was said then; None if it was not verified yet.
        made: what was made of it here, to be given to others.
    """
    parts: list[Part] = [(f"{found['name']}\n", STRONG)]
    if checked is None:
        parts.append(("not verified yet (v)\n", WEAK))
    else:
        parts.append((f"{checked[1]}\n", GOOD if checked[0] else BAD))
    parts.extend(f"{each}\n" for each in made)
    verdict = found["verdict"]
    reason = f": {found['reason']}" if found["reason"] else ""
    parts.append((f"{(verdict or 'no end').upper()}{reason}\n", mark({"passed": True}.get(verdict, False))))
    parts.append((f"\nDifferences from {found['before'] or 'the last: there is none'}\n", STRONG))
    parts.extend(f"  {each}\n" for each in found["differences"] or (["none"] if found["before"] else []))
    parts.append(("\nSteps\n", STRONG))
    for step in found["steps"]:
        took = format_duration(step["duration_ns"] / NS)
        style = {"passed": GOOD, "failed": BAD, "undecided": BAD}.get(step["verdict"], "")
        parts.append((f"{MARKS.get(step['verdict'], step['verdict'])} ", style))
        parts.append(f"{took:>11}  {step['name']}\n")
        if step["reason"] and step["verdict"] not in ("passed", "blocked"):
            parts.append((f"     {step['reason']}\n", style))
        for label, latency_ns, uncertainty_ns in step["latencies"] or ():
            spread = f" ± {format_duration(uncertainty_ns / NS)}" if uncertainty_ns else ""
            parts.append((f"     {label} after {format_duration(latency_ns / NS)}{spread}\n", WEAK))
    for title, key in (("Findings", "findings"), ("Problems", "problems"), ("Done by hand, answered, aborted", "acts")):
        if found[key]:
            parts.append((f"\n{title}\n", STRONG))
            parts.extend(f"  {each}\n" for each in found[key])
    return Content.assemble(*parts)


def night_text(found: Mapping[str, Any]) -> Content:
    """A night of a campaign: how it ended, what is different from the last, and every planned run."""
    summary = found["summary"]
    parts: list[Part] = [(f"{found['name']}\n", STRONG)]
    if summary is None:
        parts.append(f"{found['going_on']}\n")
        return Content.assemble(*parts)
    verdict = summary["verdict"]
    parts.append((f"{verdict.upper()}: {summary['headline']}\n", GOOD if verdict in _FINE else BAD))
    if summary["unsafe"]:
        parts.append(("A SAFE STATE WAS NOT CONFIRMED\n", BAD))
    began, ended = (summary[key].replace("T", " ").removesuffix("Z") or "?" for key in ("began_utc", "ended_utc"))
    interrupted = f", resumed {summary['interruptions']} times" if summary["interruptions"] else ""
    parts.append((f"{began} to {ended} UTC, {summary['clock']} time{interrupted}\n", WEAK))
    parts.append((f"\nDifferences from {summary['before'] or 'the last night: there is none'}\n", STRONG))
    for title, lines in summary["differences"].items():
        parts.append(f"  {title}\n")
        parts.extend(f"    {line}\n" for line in lines)
    if summary["before"] and not summary["differences"]:
        parts.append("  none\n")
    if summary["quarantined"]:
        parts.append(("\nIn quarantine\n", STRONG))
        parts.extend((f"  {rig} {device or 'as a whole'}: {why}\n", BAD) for rig, device, why in summary["quarantined"])
    parts.append(("\nPlanned runs (Enter lists them)\n", STRONG))
    for case in summary["cases"]:
        tries = f" in {len(case['attempts'])} attempts" if len(case["attempts"]) > 1 else ""
        parts.append((f"  {case['outcome']:<10} ", GOOD if case["outcome"] in _FINE else BAD))
        parts.append(f"{case['runbook']}  {case['entry']} {case['repeat']} on {case['rig']}{tries}\n")
        if case["reason"] and case["outcome"] != "passed":
            parts.append((f"             {case['reason']}\n", WEAK))
    if summary["missed"]:
        parts.append(("\nRequirements not passed\n", STRONG))
        parts.append((f"  {', '.join(summary['missed'])}\n", BAD))
    parts.append(("\nRequirements passed\n", STRONG))
    parts.append(f"  {', '.join(summary['covered']) or 'none'}\n")
    return Content.assemble(*parts)


def attempt_text(night: str, case: Mapping[str, Any], attempt: Mapping[str, Any] | None) -> Content:
    """A planned run of a night, or an attempt at it, of which there is no evidence to show."""
    found = attempt or {"verdict": case["outcome"], "reason": case["reason"]}
    title = f"{case['runbook']}  {case['entry']} {case['repeat']} on {case['rig']}"
    said = f"{found['verdict'].upper()}{': ' if found['reason'] else ''}{found['reason']}"
    return Content.assemble((f"{title}\n", STRONG), (f"{night}\n", WEAK), f"{said}\n", ("there is no evidence", WEAK))
