"""The plan of a campaign: every run that it can come to, in order; what they take, cover, and which cannot run."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.campaign.conflicts import conflicts
from bench.campaign.file import Campaign, Entry
from bench.campaign.needs import asks_somebody, devices_needed
from bench.campaign.notice_file import named
from bench.errors import UsageError
from bench.planner import Plan, plan
from bench.rig.emulation import drawn_faults
from bench.rig.installed import emulator_class
from bench.runbook import Runbook, load_runbook

MOST_RUNS = 20_000
"""More planned runs than this in one campaign are taken for a mistake."""


@dataclass(frozen=True, slots=True)
class Case:
    """One planned run: with its retries, it has one outcome.

    Attributes:
        number: from 1, in the order of the campaign.
        entry: the entry's place in the file.
        repeat: from 1.
        runbook: its name.
        rig: the name that the campaign calls the rig by.
        blocked: why it cannot run; empty if it can.
        needs: the devices that it uses.
    """

    number: int
    entry: int
    entry_name: str
    repeat: int
    runbook: str
    rig: str
    seed: int | None
    faults: tuple[str, ...]
    blocked: str = ""
    loaded: Runbook | None = field(default=None, repr=False)
    plan: Plan | None = field(default=None, repr=False)
    needs: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """How reports name it; the same in every night of the campaign."""
        return f"{self.entry_name}/{self.runbook}/{self.rig}/{self.repeat}"


@dataclass(slots=True)
class CampaignPlan:
    """What a campaign will do.

    Attributes:
        cases: in order.
        usual_s: how long it takes if everything passes at once and every `until` at its first run.
        longest_s: how long if everything takes as long as it may; retries are not in it.
        served: rigs that an engine serves, with what it says of itself.
        notes: what is worth knowing and no mistake.
    """

    campaign: Campaign
    cases: list[Case]
    usual_s: float = 0.0
    longest_s: float = 0.0
    served: Mapping[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def entry_of(self, case: Case) -> Entry:
        """The entry that a planned run comes from."""
        return self.campaign.file.entries[case.entry]

    @property
    def covers(self) -> list[str]:
        """Requirements that the runs can cover which can run."""
        return sorted({cover for case in self.cases if case.plan and not case.blocked for cover in case.plan.covers})

    @property
    def blocked(self) -> dict[str, list[Case]]:
        """The runs that cannot run, by why not."""
        found: dict[str, list[Case]] = {}
        for case in self.cases:
            if case.blocked:
                found.setdefault(case.blocked, []).append(case)
        return found

    def as_json(self) -> dict[str, Any]:
        """The plan for a program to read."""
        return {
            "campaign": self.campaign.name,
            "usual_s": round(self.usual_s, 3),
            "longest_s": round(self.longest_s, 3),
            "covers": self.covers,
            "served": dict(self.served),
            "notes": self.notes,
            "runs": [
                {
                    "number": case.number,
                    "name": case.name,
                    "entry": case.entry_name,
                    "runbook": case.runbook,
                    "rig": case.rig,
                    "repeat": case.repeat,
                    "seed": case.seed,
                    "faults": list(case.faults),
                    "usual_s": case.plan.usual_s if case.plan else None,
                    "longest_s": case.plan.longest_s if case.plan else None,
                    "cannot_run": case.blocked,
                }
                for case in self.cases
            ],
        }


def plan_campaign(campaign: Campaign, served: Mapping[str, str] | None = None) -> CampaignPlan:
    """Plan a campaign, touching nothing.

    Args:
        campaign: which.
        served: rigs that an engine serves, by the campaign's name, with what it says of itself.

    Raises:
        UsageError: it comes to too many runs.
    """
    served = served or {}
    planner = _Planner(campaign, served)
    cases = [planner.case(number, *spot) for number, spot in enumerate(_in_order(campaign), 1)]
    found = CampaignPlan(campaign, cases, served=served)
    found.usual_s, found.longest_s = (_duration(found, longest=longest) for longest in (False, True))
    for name, rig in campaign.rigs.items():
        if not rig.emulated and name not in served:
            found.notes.append(f"no engine serves {name}: its runs go on in this process")
    for name, spec in named(campaign.file.notify):
        found.notes.append(f"the summary goes out as {name}, {spec.when}")
    return found


Spot = tuple[int, int, str, str]
"""Entry, repeat, rig and runbook as written."""


def _in_order(campaign: Campaign) -> Iterator[Spot]:
    """Every planned run, in the campaign's order; what an `only_if` names comes before it."""
    file = campaign.file
    units = [
        (index, repeat, rig)
        for index, entry in enumerate(file.entries)
        for repeat in range(1, entry.most + 1)
        for rig in (entry.rigs or tuple(file.rigs))
    ]
    count = sum(len(file.entries[index].runbooks) for index, _, _ in units)
    if count > MOST_RUNS:
        raise UsageError(
            f"the campaign comes to {count} runs; more than {MOST_RUNS} are taken for a mistake",
            where=str(campaign.document.path),
            next_step="Lower 'repeats', or give 'at_most: {runs: ...}' beside 'until'",
        )
    if file.order == "in turn":
        units.sort(key=lambda unit: (unit[1], unit[0]))
    elif file.order == "shuffled":
        random.Random(file.seed).shuffle(units)
    if file.order != "as written":
        units = _dependencies_first(units, file.entries)
    for index, repeat, rig in units:
        for runbook in file.entries[index].runbooks:
            yield index, repeat, rig, runbook


def _dependencies_first(units: Sequence[tuple[int, int, str]], entries: Sequence[Entry]) -> list[tuple[int, int, str]]:
    """Move each entry behind all of the one that its condition names, and change nothing else."""
    numbers = {entry.entry: index for index, entry in enumerate(entries)}
    left = [sum(1 for unit in units if unit[0] == index) for index in range(len(entries))]
    held: dict[int, list[tuple[int, int, str]]] = {}
    ordered: list[tuple[int, int, str]] = []

    def place(unit: tuple[int, int, str]) -> None:
        condition = entries[unit[0]].only_if
        if condition is not None and left[numbers[condition.entry]]:
            held.setdefault(numbers[condition.entry], []).append(unit)
            return
        ordered.append(unit)
        left[unit[0]] -= 1
        if not left[unit[0]]:
            for waiting in held.pop(unit[0], ()):
                place(waiting)

    for unit in units:
        place(unit)
    return ordered


class _Planner:
    """Plans each runbook once for each rig."""

    def __init__(self, campaign: Campaign, served: Mapping[str, str]) -> None:
        self._campaign, self._served = campaign, served
        self._runbooks: dict[str, Runbook | str] = {}
        self._plans: dict[tuple[str, str], tuple[Plan | None, frozenset[str], str]] = {}
        self._known_faults: Collection[str] | None = None
        self._conflicts = conflicts(campaign.rigs)

    def case(self, number: int, entry_index: int, repeat: int, rig: str, name: str) -> Case:
        entry = self._campaign.file.entries[entry_index]
        runbook = self._runbook(name)
        found, needs, blocked = self._plan(rig, name)
        seed = None if entry.seed is None else entry.seed + entry.seed_step * (repeat - 1)
        blocked = blocked or self._entry_problem(entry, rig, found)
        faults = entry.faults
        if entry.fault_schedule is not None and not blocked:
            try:
                faults += drawn_faults(entry.fault_schedule, seed or 0)
            except UsageError as error:
                blocked = str(error)
        return Case(
            number,
            entry_index,
            entry.entry,
            repeat,
            runbook.name if isinstance(runbook, Runbook) else Path(name).stem,
            rig,
            seed,
            faults,
            blocked,
            runbook if isinstance(runbook, Runbook) else None,
            found,
            needs,
        )

    def _runbook(self, name: str) -> Runbook | str:
        if name not in self._runbooks:
            try:
                self._runbooks[name] = load_runbook(self._campaign.runbook_path(name))
            except UsageError as error:
                self._runbooks[name] = str(error)
        return self._runbooks[name]

    def _plan(self, rig_name: str, name: str) -> tuple[Plan | None, frozenset[str], str]:
        key = (rig_name, name)
        if key not in self._plans:
            self._plans[key] = self._plan_anew(rig_name, name)
        return self._plans[key]

    def _plan_anew(self, rig_name: str, name: str) -> tuple[Plan | None, frozenset[str], str]:
        runbook, rig = self._runbook(name), self._campaign.rigs.get(rig_name)
        if rig is None:
            return None, frozenset(), self._campaign.broken[rig_name]
        if isinstance(runbook, str):
            return None, frozenset(), runbook
        try:
            found, needs = plan(rig, runbook), devices_needed(rig, runbook)
        except UsageError as error:
            return None, frozenset(), str(error)
        question = asks_somebody(runbook)
        blocked = f"it asks somebody, who is not there at night: {question}" if question else ""
        blocked = self._conflicts.get(rig_name, blocked)
        return found, needs, blocked

    def _entry_problem(self, entry: Entry, rig_name: str, found: Plan | None) -> str:
        rig = self._campaign.rigs[rig_name]
        if entry.faults or entry.fault_schedule is not None or entry.seed is not None:
            if not rig.emulated:
                return "faults and seeds are for rigs that bring their emulated world along"
            if rig_name in self._served:
                return "faults and seeds cannot be given to a world that an engine has made already"
            if self._known_faults is None:
                self._known_faults = emulator_class().faults_known()
            for fault in entry.faults:
                name = re.split(r"[:@\s]", fault, maxsplit=1)[0]
                if name not in self._known_faults:
                    return f"there is no fault {name!r}; `hilbench run --fault list` names them"
        window = entry.window or self._campaign.file.window
        if window is not None and found is not None and found.usual_s > window.longest_s():
            return f"it takes {found.usual_s:.0f} s, and its window is open for {window.longest_s():.0f} s"
        return ""


def _duration(found: CampaignPlan, *, longest: bool) -> float:
    """How long the campaign takes: rigs work side by side, but for what they share."""
    free_s: dict[str, float] = {}
    for case in found.cases:
        entry = found.entry_of(case)
        if case.blocked or case.plan is None or (entry.until is not None and not longest and case.repeat > 1):
            continue
        shared = found.campaign.rigs[case.rig].file.shared.values()
        uses = [f"rig {case.rig}", *(f"shared {name}" for name in shared)]
        begins_s = max(free_s.get(use, 0.0) for use in uses)
        bound_s = entry.at_most.time if entry.at_most is not None else None
        began_s = free_s.setdefault(f"began {case.entry} {case.rig}", begins_s)
        if bound_s is not None and begins_s > began_s + bound_s:
            continue
        ends_s = begins_s + (case.plan.longest_s if longest else case.plan.usual_s)
        free_s |= dict.fromkeys(uses, ends_s)
    return max(free_s.values(), default=0.0)


def cases_of(cases: Sequence[Case], entry: int, rig: str | None = None) -> list[Case]:
    """The planned runs of an entry, on one rig or on all."""
    return [case for case in cases if case.entry == entry and rig in (None, case.rig)]


def by_rig(cases: Sequence[Case]) -> dict[str, list[Case]]:
    """Planned runs by rig, each in order."""
    found: dict[str, list[Case]] = {}
    for case in cases:
        found.setdefault(case.rig, []).append(case)
    return found


def numbers(cases: Sequence[Case]) -> str:
    """Planned runs by number, for people: "1-4, 7"."""
    parts = []
    for _, group in itertools.groupby(enumerate(case.number for case in cases), lambda pair: pair[1] - pair[0]):
        run = [number for _, number in group]
        parts.append(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}")
    return ", ".join(parts)
