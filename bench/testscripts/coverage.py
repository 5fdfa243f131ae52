"""How much of the document the bench covers: per role and clause what is required, runnable and passing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.ctsd.audit import audit, executions
from bench.ctsd.tables import Role
from bench.errors import UsageError
from bench.rig.file import Rig
from bench.testscripts.evidence import EvidenceFolder
from bench.testscripts.plan import Item, RolePlan

_NOT_THERE = "the emulated DCC does not answer this Service Request yet"


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table: mandatory executions of a clause.

    Attributes:
        required: by the document.
        runnable: that a runbook tests on the rig.
        passing: that passed there.
    """

    role: str
    clause: str
    what: str
    required: int
    runnable: int
    passing: int


_WHAT = {
    "install": "Install & Commission",
    "service-request": "DUIS matrix",
    "device-alert": "Device Alerts",
    "dcc-alert": "DCC Alerts",
    "response-code": "Response Codes",
    "ssi": "Self Service Interface",
}


def gaps(rig: Rig, plans: Iterable[RolePlan], folder: Path, fingerprint: str) -> dict[str, str]:
    """Requirements that a runbook tests, and that have no valid evidence under a folder: id to reason."""
    evidence = EvidenceFolder(folder, rig, fingerprint)
    found: dict[str, str] = {}
    for plan in plans:
        for runbook, _, covered in plan.runbooks():
            if evidence.valid(runbook) is None:
                latest = evidence.latest(runbook)
                reason = latest.problem if latest else "it was not run"
                found |= {each.id: _reason(reason or "the script has changed since") for each in covered}
    return found


def _reason(text: str) -> str:
    return _NOT_THERE if "E12" in text else text


def read_gaps(path: Path) -> dict[str, str]:
    """What is known not to pass on the emulated bench.

    Raises:
        UsageError: the file cannot be read, or holds something else.
    """
    try:
        known = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {path}: {error}") from None
    if not isinstance(known, dict) or not all(isinstance(each, str) for each in known.values()):
        raise UsageError(f"{path} does not name the reason of each requirement that does not pass")
    return known


def lines(plans: Sequence[RolePlan], known: Mapping[str, str]) -> list[Line]:
    """The rows of the table, in the order of the document."""
    rows = []
    for plan in plans:
        due = [item for item in plan.items if item.requirement.mandatory and not item.requirement.met_by]
        for clause in sorted({item.requirement.clause for item in due}, key=_clause):
            here = [item for item in due if item.requirement.clause == clause]
            runnable = [item for item in here if item.runnable]
            passing = [item for item in runnable if item.requirement.id not in known]
            what = _WHAT[here[0].requirement.kind.value]
            rows.append(Line(plan.role.value, clause, what, len(here), len(runnable), len(passing)))
    return rows


def _clause(text: str) -> list[int]:
    return [int(part) for part in text.split(".")]


def coverage_text(plans: Sequence[RolePlan], known: Mapping[str, str]) -> str:
    """The page `docs/coverage.md`."""
    rows = lines(plans, known)
    text = [
        "# Coverage",
        "",
        "Made by `hilbench uept coverage`; do not edit. Mandatory executions of a new User for each User Role and",
        "clause of SEC Appendix R: how many the document requires, how many a runbook tests on the emulated bench",
        "(`rigs/uept.yaml`), and how many passed there. A test that is due on a SMETS1 and on a SMETS2+ device is two",
        "executions.",
        "",
        "| role | clause | tests | required | runnable | passing | |",
        "|---|---|---|---|---|---|---|",
    ]
    text += [
        f"| {row.role} | {row.clause} | {row.what} | {row.required} | {row.runnable} | {row.passing} |"
        f" {_percent(row.passing, row.required)} |"
        for row in rows
    ]
    sums = [sum(getattr(row, name) for row in rows) for name in ("required", "runnable", "passing")]
    text.append(f"| all | | | {sums[0]} | {sums[1]} | {sums[2]} | {_percent(sums[2], sums[0])} |")
    text += ["", "## What is missing, and why", ""]
    text += _reasons(plans, known)
    text += ["", "## The matrix against the document's own totals", "", *_totals()]
    return "\n".join(text) + "\n"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part // whole} %"


def _reasons(plans: Sequence[RolePlan], known: Mapping[str, str]) -> list[str]:
    """For each reason the executions that it stands in the way of."""
    found: dict[str, list[Item]] = {}
    for plan in plans:
        for item in plan.items:
            reason = item.reason or known.get(item.requirement.id, "")
            if reason and item.requirement.mandatory and not item.requirement.met_by:
                found.setdefault(reason, []).append(item)
    out = []
    for reason, items in sorted(found.items(), key=lambda each: -len(each[1])):
        by_role: dict[str, list[str]] = {}
        for item in items:
            name = item.requirement.cell.variant if item.requirement.cell else "/".join(item.requirement.codes) or "SSI"
            by_role.setdefault(item.requirement.role.value, []).append(name)
        out.append(f"- {len(items)} executions: {reason}.")
        for role, names in by_role.items():
            out.append(f"  - {role}: {', '.join(dict.fromkeys(names))}")
    return out or ["Nothing."]


def _totals() -> list[str]:
    """Cells and executions of each role, and where the print is wrong."""
    out = ["| role | cells | printed | executions of a new User |", "|---|---|---|---|"]
    for role in Role:
        tests = next(each for each in audit(role) if each.mark == "tests")
        out.append(f"| {role} | {tests.counted} | {tests.printed} | {executions(role)['all']} |")
    out += ["", "Where the document prints another figure than its cells give:", ""]
    for role in Role:
        out += [
            f"- {role}, {each.mark} {each.column}: printed {each.printed}, counted {each.counted}. {each.reason}"
            for each in audit(role)
            if each.printed != each.counted
        ]
    return out
