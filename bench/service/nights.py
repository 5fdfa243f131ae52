"""The nights of campaigns that lie on an engine's computer: how each ended, what is different, and its runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from bench.campaign.record import COPY, RUNS, read_record
from bench.campaign.summary import load_summary
from bench.errors import BenchError, UsageError
from bench.evidence.packed import SUFFIX

PAGE = "summary.html"
MOST_LISTED = 100
_NAME = re.compile(r"(?P<campaign>.+)-(?P<began>\d{8}T\d{6}Z)(?:-(?P<number>\d+))?")


def list_nights(nights: Path) -> list[dict[str, Any]]:
    """The newest first: `name`, `campaign`, `verdict`, `headline`, `clock`; no verdict without a summary."""
    try:
        folders = [path for path in nights.iterdir() if _NAME.fullmatch(path.name) and (path / COPY).is_file()]
    except OSError:
        return []
    return [_entry(folder) for folder in sorted(folders, key=_age, reverse=True)[:MOST_LISTED]]


def _age(night: Path) -> tuple[str, int]:
    match = _NAME.fullmatch(night.name)
    assert match is not None
    return match["began"], int(match["number"] or 1)


def _entry(folder: Path) -> dict[str, Any]:
    match = _NAME.fullmatch(folder.name)
    assert match is not None
    entry: dict[str, Any] = {"name": folder.name, "campaign": match["campaign"], "verdict": None, "clock": None}
    try:
        found = load_summary(folder)
    except UsageError as error:
        return entry | {"headline": str(error)}
    return entry | {"verdict": found.verdict, "headline": found.headline, "clock": found.clock}


def night_folder(nights: Path, name: object) -> Path:
    """The folder of a night by its name.

    Raises:
        UsageError: there is none of this name.
    """
    if isinstance(name, str) and "/" not in name and _NAME.fullmatch(name) and (nights / name / COPY).is_file():
        return nights / name
    raise UsageError(f"there is no night {name!r}", where=str(nights), next_step="See the list of nights")


def describe_night(night: Path) -> dict[str, Any]:
    """A night: its summary, or how far its record goes; `page` is the file to be read by people, if there is one.

    Raises:
        UsageError: the record was changed.
    """
    page = night / PAGE
    shown: dict[str, Any] = {"name": night.name, "page": str(page.absolute()) if page.is_file() else ""}
    try:
        return shown | {"summary": load_summary(night).as_json(), "going_on": ""}
    except UsageError as error:
        if not (night / "summary.json").is_file():
            return shown | {"summary": None, "going_on": _so_far(night)}
        return shown | {"summary": None, "going_on": str(error)}


def _so_far(night: Path) -> str:
    """How far a night is that has no summary: it goes on, or was killed."""
    try:
        entries = read_record(night).entries
    except BenchError as error:
        return str(error)
    planned = next((each.data.get("cases", 0) for each in entries if each.kind == "campaign"), 0)
    outcomes = [each.data["outcome"] for each in entries if each.kind == "case"]
    counts = "".join(f", {outcomes.count(word)} {word}" for word in dict.fromkeys(outcomes))
    return f"it has not come to its end: of {planned} planned runs {len(outcomes)} have{counts}"


def folder_of_run(night: Path, out: Path, name: object) -> Path:
    """The folder in which a run of a night lies: the night's own, or that of the engine that carried it out.

    Raises:
        UsageError: it was compressed.
    """
    runs = night / RUNS
    if not isinstance(name, str) or "/" in name:
        return out
    packed = next((path for path in (runs / f"{name}{SUFFIX}", out / f"{name}{SUFFIX}") if path.is_file()), None)
    if packed is not None:
        raise UsageError("the run was compressed", where=str(packed), next_step="hilbench verify and report take it")
    return runs if (runs / name).is_dir() else out
