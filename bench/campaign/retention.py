"""How long evidence is kept: compressed when old, deleted when older, and never before a summary tells of it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench.campaign.file import Campaign, Retention
from bench.campaign.record import RUNS, nights_of
from bench.campaign.summary import load_summary
from bench.durable import StorageError, storage_error
from bench.errors import UsageError
from bench.evidence.manifest import JOURNAL, MANIFEST
from bench.evidence.packed import SUFFIX, pack
from bench.quantities import format_duration

_STAMP = re.compile(r"-(\d{8}T\d{6}Z)(?:-\d+)?$")


@dataclass(slots=True)
class Tidied:
    """What was done.

    Attributes:
        kept: nights that were left alone though they are old, with the reason.
    """

    compressed: list[Path] = field(default_factory=list)
    deleted: list[Path] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """For people."""
        return [
            *(f"compressed {path}" for path in self.compressed),
            *(f"deleted {path}" for path in self.deleted),
            *self.kept,
            *self.problems,
        ]


def tidy(out: Path, campaign: Campaign, now: datetime) -> Tidied:
    """Apply a campaign's rules to the bundles of its nights; the nights' own records and summaries stay for ever.

    Args:
        out: folder of the nights.
        campaign: whose.
        now: in UTC.
    """
    rules, done = campaign.file.retention, Tidied()
    for night in nights_of(out, campaign.name):
        age_s = _age_s(night, now)
        compress = rules.compress_after is not None and age_s > rules.compress_after
        delete = rules.keep is not None and age_s > rules.keep
        if not compress and not delete:
            continue
        try:
            bundles = list(_bundles(night))
        except UsageError as error:
            done.kept.append(f"kept {night}, {format_duration(age_s)} old: {error}")
            continue
        for bundle in bundles:
            try:
                _one(bundle, delete=delete, done=done)
            except StorageError as error:
                done.problems.append(str(error))
    return done


def _one(bundle: Path, *, delete: bool, done: Tidied) -> None:
    if delete:
        try:
            if bundle.is_dir():
                shutil.rmtree(bundle)
            else:
                bundle.unlink()
        except OSError as error:
            raise storage_error(error, "the bundle cannot be deleted", bundle) from error
        done.deleted.append(bundle)
    elif bundle.is_dir():
        done.compressed.append(pack(bundle))


def _age_s(night: Path, now: datetime) -> float:
    match = _STAMP.search(night.name)
    if match is None:
        return 0.0
    began = datetime.strptime(match[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return (now - began).total_seconds()


def _bundles(night: Path) -> Iterator[Path]:
    """The bundles of a night that a summary tells of, or that lie in its own folder.

    Raises:
        UsageError: it has no summary, or has not come to its end.
    """
    summary = load_summary(night)
    if summary.not_ended:
        raise UsageError("it was interrupted, and can be resumed", where=str(night))
    named = [Path(attempt.bundle) for case in summary.cases for attempt in case.attempts if attempt.bundle]
    own = sorted((night / RUNS).iterdir()) if (night / RUNS).is_dir() else []
    for path in dict.fromkeys(each.absolute() for each in (*named, *own)):
        packed = path if path.name.endswith(SUFFIX) else path.with_name(path.name + SUFFIX)
        if path.is_dir() and (path / JOURNAL).is_file() and ((path / MANIFEST).is_file() or path in own):
            yield path
        elif packed.is_file() and (packed == path or not path.is_dir()):
            yield packed


def room(night: Path, campaign: Campaign, now: datetime) -> str:
    """See that there is room for another run, and tidy up if there is not; why there still is not, or nothing."""
    rules = campaign.file.retention
    if _free_mb(night) >= rules.free_mb:
        return ""
    tidy(night.parent, campaign, now)
    free = _free_mb(night)
    return "" if free >= rules.free_mb else _no_room(free, rules)


def _no_room(free_mb: int, rules: Retention) -> str:
    return f"only {free_mb} MB are free for its evidence, and {rules.free_mb} MB must be"


def _free_mb(folder: Path) -> int:
    return shutil.disk_usage(folder).free // 1_000_000
