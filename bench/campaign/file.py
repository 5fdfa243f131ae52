"""The campaign file: which runbooks run on which rigs, how often, when, and what follows.

`CampaignFile` is its typed form; `load_campaign` reads it, and the rigs that it names. docs/campaigns.md explains it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from bench import strict_yaml
from bench.campaign.notice_file import NoticeSpec, read_credentials
from bench.campaign.times import Schedule, Window, ZoneField
from bench.errors import UsageError
from bench.quantities import SecondsField
from bench.rig.file import Rig
from bench.rig.load import load_rig
from bench.runbook import find_runbook
from bench.schema import NameField, Part


class Outcome(StrEnum):
    """How a planned run of a campaign ended, with all its attempts; mildest first."""

    SKIPPED = "skipped"
    """It did not have to run: its condition did not hold, or what it was repeated for had come."""
    PASSED = "passed"
    """The first attempt passed."""
    FLAKY = "flaky pass"
    """An attempt passed, after others that did not."""
    BLOCKED = "blocked"
    """It could not run: its device is lost, its window closed, the disk full, its file wrong."""
    FAILED = "failed"
    """The last attempt failed."""
    UNDECIDED = "undecided"
    """The last attempt could not be decided."""

    @property
    def passed(self) -> bool:
        """Whether the device under test did, in the end, what it had to."""
        return self in (Outcome.PASSED, Outcome.FLAKY)

    @property
    def bad(self) -> bool:
        """Whether somebody has to look at it."""
        return self in (Outcome.FAILED, Outcome.UNDECIDED, Outcome.BLOCKED)


class AfterFailure(StrEnum):
    """What follows a planned run that failed, was undecided or was blocked."""

    GO_ON = "go on"
    """The next one."""
    NEXT_ENTRY = "next entry"
    """What is left of this entry on this rig is skipped."""
    STOP_RIG = "stop rig"
    """Nothing more on this rig."""
    STOP = "stop"
    """Nothing more at all."""


class OnlyIf(Part):
    """A condition: how another entry, further up, has ended.

    It is looked at on the same rig if that entry runs there, and on all its rigs otherwise; every planned run of it
    must have ended in one of these ways.
    """

    entry: str
    ended: tuple[Outcome, ...] = Field(default=(Outcome.PASSED, Outcome.FLAKY), min_length=1)


class AtMost(Part):
    """Bounds of an entry on each rig.

    Attributes:
        runs: how many planned runs.
        time: no run begins later than this after the entry's first one on that rig.
    """

    runs: int | None = Field(default=None, ge=1, le=100_000)
    time: SecondsField | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        if self.runs is None and self.time is None:
            raise ValueError("give 'runs' or 'time'")
        return self


class Retry(Part):
    """Another attempt after one that did not pass.

    Attributes:
        times: how many more at most.
        on: after which verdicts.
        wait: how long to wait before each.
    """

    times: int = Field(default=0, ge=0, le=20)
    on: tuple[Literal["failed", "undecided"], ...] = ("failed", "undecided")
    wait: SecondsField = Field(default=0.0, ge=0)


class Entry(Part):
    """Runbooks on rigs.

    Attributes:
        entry: its name.
        runbooks: names, or paths relative to the campaign file, run in this order in each repeat.
        rigs: names from `rigs` of the file; all of them if none is given.
        repeats: how often.
        until: go on repeating until a planned run ends like this; `at_most` bounds it.
        seed: of emulated rigs, instead of the rig file's.
        seed_step: added to the seed for each repeat, so that each is another night.
        faults: of emulated rigs.
        fault_schedule: more of them, drawn at random by the seed: as `emulation.fault_schedule` of a rig file.
    """

    entry: NameField
    runbooks: tuple[str, ...] = Field(min_length=1)
    rigs: tuple[str, ...] = ()
    repeats: int = Field(default=1, ge=1, le=100_000)
    only_if: OnlyIf | None = None
    until: Outcome | None = None
    at_most: AtMost | None = None
    window: Window | None = None
    retry: Retry | None = None
    after_failure: AfterFailure | None = None
    seed: int | None = Field(default=None, ge=0, lt=1 << 63)
    seed_step: int = Field(default=0, ge=0, le=1_000_000)
    faults: tuple[str, ...] = ()
    fault_schedule: Mapping[str, Any] | None = None

    @model_validator(mode="after")
    def _until_is_bounded(self) -> Self:
        if self.until is not None and self.at_most is None:
            raise ValueError("'until' needs 'at_most', lest it never end: at_most: {runs: 100}")
        if self.until is not None and self.repeats != 1:
            raise ValueError("'until' repeats by itself: give 'at_most' instead of 'repeats'")
        return self

    @property
    def most(self) -> int:
        """How many repeats there can be."""
        runs = self.at_most.runs if self.at_most is not None else None
        if self.until is not None:
            return runs if runs is not None else 10_000
        return min(self.repeats, runs) if runs is not None else self.repeats


class Retention(Part):
    """How long evidence is kept, once a summary tells of it.

    Attributes:
        keep: bundles older than this are deleted; never, if it is not given.
        compress_after: bundles older than this become one compressed file each; never, if it is not given.
        free_mb: no run begins with fewer megabytes free where its evidence goes.
    """

    keep: SecondsField | None = Field(default=None, gt=0)
    compress_after: SecondsField | None = Field(default=None, ge=0)
    free_mb: int = Field(default=500, ge=0)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.keep is not None and self.compress_after is not None and self.keep <= self.compress_after:
            raise ValueError("'keep' must be longer than 'compress_after'")
        return self


class CampaignFile(Part):
    """A night's work.

    Attributes:
        rigs: rig files by the name that entries use, relative to this file.
        zone: whose local time every time of day here is in.
        order: "as written"; "in turn": the first repeat of every entry, then the second; or "shuffled" by `seed`. What
            an entry's `only_if` names always comes before it.
        seed: of the shuffling.
        window, retry, after_failure: for entries that have none of their own.
    """

    campaign: NameField
    title: str = ""
    rigs: Mapping[str, Path] = Field(min_length=1)
    zone: ZoneField = ZoneInfo("Europe/London")
    order: Literal["as written", "in turn", "shuffled"] = "as written"
    seed: int = Field(default=1, ge=0, lt=1 << 63)
    schedule: Schedule | None = None
    window: Window | None = None
    retry: Retry = Retry()
    after_failure: AfterFailure = AfterFailure.GO_ON
    entries: tuple[Entry, ...] = Field(min_length=1)
    notify: tuple[NoticeSpec, ...] = ()
    retention: Retention = Retention()

    @field_validator("rigs")
    @classmethod
    def _some_rigs(cls, value: Mapping[str, Path]) -> Mapping[str, Path]:
        if not value:
            raise ValueError("name at least one rig")
        return value


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign file with its rigs.

    Attributes:
        rigs: by the name that entries use.
        broken: why a rig's file cannot be used, by the same name.
    """

    file: CampaignFile
    document: strict_yaml.Document
    rigs: Mapping[str, Rig]
    broken: Mapping[str, str]

    @property
    def name(self) -> str:
        """Its name."""
        return self.file.campaign

    @property
    def digest(self) -> str:
        """SHA-256 of the file's text."""
        return hashlib.sha256(self.document.text.encode()).hexdigest()

    def runbook_path(self, name: str) -> Path:
        """The file of a runbook: beside the campaign's file or above it, in the working directory, or the project's.

        Raises:
            UsageError: there is none; it says where was looked.
        """
        folder = self.document.path.absolute().parent
        return find_runbook(name, beside=(folder, folder.parent, Path()))

    @property
    def emulated(self) -> bool:
        """Whether every rig brings its own emulated world, so that time can be virtual."""
        return all(rig.emulated for rig in self.rigs.values())


def load_campaign(path: Path) -> Campaign:
    """Read and check a campaign file. A rig file that is wrong is no mistake of the campaign: its runs cannot run.

    Raises:
        UsageError: with every mistake found, each with its line.
    """
    document = strict_yaml.load(path)
    file = strict_yaml.build(document, CampaignFile)
    mistakes = _mistakes(document, file)
    rigs, broken = dict[str, Rig](), dict[str, str]()
    for name, rig_path in file.rigs.items():
        try:
            rigs[name] = load_rig(path.parent / rig_path)
        except UsageError as error:
            broken[name] = str(error)
    by_name: dict[str, str] = {}
    for name, rig in rigs.items():
        other = by_name.setdefault(rig.name, name)
        if other != name:
            mistakes.append(f"{document.where(('rigs', name))}: {name} and {other} are both the rig {rig.name!r}")
    if mistakes:
        raise UsageError("\n".join(mistakes))
    return Campaign(file, document, rigs, broken)


def _mistakes(document: strict_yaml.Document, file: CampaignFile) -> list[str]:
    mistakes, seen = [], dict[str, Entry]()
    for index, entry in enumerate(file.entries):
        at = ("entries", index)
        if entry.entry in seen:
            mistakes.append(f"{document.where((*at, 'entry'))}: there are two entries {entry.entry!r}")
        for rig in entry.rigs:
            if rig not in file.rigs:
                mistakes.append(
                    f"{document.where((*at, 'rigs'))}: there is no rig {rig!r}; the file has {', '.join(file.rigs)}"
                )
        if entry.only_if is not None and entry.only_if.entry not in seen:
            known = ", ".join(seen) or "none"
            mistakes.append(
                f"{document.where((*at, 'only_if'))}: no entry {entry.only_if.entry!r} stands further up; "
                f"there are: {known}"
            )
        seen[entry.entry] = entry
    for index, spec in enumerate(file.notify):
        way = spec.mail or spec.webhook or spec.mqtt
        if way is not None and way.credentials is not None:
            try:
                read_credentials(document.path.parent / way.credentials)
            except UsageError as error:
                mistakes.append(f"{document.where(('notify', index))}: {error}")
    return mistakes
