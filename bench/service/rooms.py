"""The evidence that lies on an engine's computer: which runs there are, how they ended, and what is different."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.evidence.manifest import JOURNAL, MANIFEST, is_bundle_path

MOST_LISTED = 200
_LATENCY_CHANGE = 0.5
"""A latency is worth a word if it changed by more than this part of what it was, and by more than a second."""


def list_bundles(out: Path) -> list[dict[str, Any]]:
    """The newest runs first: name, runbook, and what the manifest says; no manifest, no end.

    Nothing is verified here.
    """
    try:
        folders = sorted((path for path in out.iterdir() if (path / JOURNAL).is_file()), reverse=True)
    except OSError:
        return []
    return [_entry(folder) for folder in folders[:MOST_LISTED]]


def _entry(folder: Path) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": folder.name, "runbook": _runbook_of(folder.name), "verdict": None, "clock": None}
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        entry |= {"verdict": manifest.get("verdict"), "clock": manifest["clock"]["kind"]}
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        # Killed, or still going on.
        pass
    return entry


def _runbook_of(name: str) -> str:
    """From 20260101T000000Z-ic02-2: ic02; the number tells runs of one second apart."""
    stem = name.partition("-")[2]
    head, _, number = stem.rpartition("-")
    return head if head and number.isdigit() and len(number) == 1 else stem


def bundle_folder(out: Path, name: object) -> Path:
    """The folder of a bundle by its name.

    Raises:
        UsageError: there is none of this name.
    """
    if isinstance(name, str) and "/" not in name and is_bundle_path(name) and (out / name / JOURNAL).is_file():
        return out / name
    raise UsageError(f"there is no evidence {name!r}", where=str(out), next_step="See the list of bundles")


def describe_bundle(out: Path, name: str) -> dict[str, Any]:
    """The steps of a run, what was found, and how it differs from the run of the same runbook before it."""
    shown = _contents(out / name)
    runbook = _runbook_of(name)
    before = next(
        (each["name"] for each in list_bundles(out) if each["name"] < name and each["runbook"] == runbook), ""
    )
    shown["before"] = before
    shown["differences"] = _differences(_contents(out / before), shown) if before else []
    return shown | {"name": name, "runbook": runbook, "folder": str((out / name).absolute())}


def _contents(folder: Path) -> dict[str, Any]:
    shown: dict[str, Any] = {"steps": [], "findings": [], "problems": [], "verdict": None, "reason": "", "acts": []}
    for record in _records(folder / JOURNAL):
        kind, data = record["kind"], record["data"]
        if kind == "step":
            if data["state"] == "end":
                keys = ("group", "name", "as", "verdict", "reason", "duration_ns", "latencies")
                shown["steps"].append({key: data.get(key) for key in keys})
        elif kind == "finding":
            shown["findings"].append(data["text"])
        elif kind == "problem":
            shown["problems"].append(data["text"])
        elif kind == "operator":
            shown["acts"].append(f"{data['who']}: {data['did']}")
        elif data.get("state") == "end":
            shown |= {"verdict": data.get("verdict"), "reason": data.get("reason", "")}
    return shown


_WANTED = tuple(f'"kind":"{kind}"'.encode() for kind in ("step", "finding", "problem", "run", "operator"))


def _records(journal: Path) -> Iterator[dict[str, Any]]:
    """Records of the kinds that a summary shows; a line that was cut short is left out."""
    with journal.open("rb") as lines:
        for line in lines:
            if not any(kind in line for kind in _WANTED):
                continue
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if record["kind"] in ("step", "finding", "problem", "run", "operator"):
                yield record


def _differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    found = []
    if before["verdict"] != after["verdict"]:
        was, now = (each["verdict"] or "no end" for each in (before, after))
        found.append(f"the run: {was} before, {now} now")
    old = {(step["group"], step["name"]): step for step in before["steps"]}
    new = {(step["group"], step["name"]): step for step in after["steps"]}
    for key, step in new.items():
        was = old.get(key)
        if was is None:
            found.append(f"{step['name']}: not there before, {step['verdict']} now")
        elif was["verdict"] != step["verdict"]:
            found.append(f"{step['name']}: {was['verdict']} before, {step['verdict']} now")
        else:
            found.extend(_slower(step["name"], was["latencies"] or (), step["latencies"] or ()))
    found.extend(
        f"{step['name']}: {step['verdict']} before, not there now" for key, step in old.items() if key not in new
    )
    for text in dict.fromkeys(after["findings"]):
        if text not in before["findings"]:
            found.append(f"new finding: {text}")
    return found


def _slower(name: str, before: Any, after: Any) -> Iterator[str]:
    was = {label: latency_ns for label, latency_ns, _ in before}
    for label, latency_ns, _ in after:
        earlier_ns = was.get(label)
        if earlier_ns is None:
            continue
        change_ns = abs(latency_ns - earlier_ns)
        if change_ns > 1e9 and change_ns > _LATENCY_CHANGE * earlier_ns:
            yield f"{name}: {label} after {earlier_ns / 1e9:.1f} s before, {latency_ns / 1e9:.1f} s now"
