"""Reading from the evidence of a run that was killed how far it came."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.evidence.manifest import INTERRUPTED, JOURNAL, MANIFEST
from bench.journal import JournalCutShort, JournalError, Record
from bench.journal_reader import JournalReader, read_journal
from bench.parties import dut_summary
from bench.results import StepResult
from bench.resume import Resumption
from bench.rig.file import Rig
from bench.runbook import Placed, Runbook, load_runbook
from bench.verdict import Verdict

_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A run that was killed.

    Attributes:
        runbook: as it was run.
        resumption: how far it came.
        reference: run, number of records and head hash of its journal, for the record of the run that goes on.
        journals: its journal and those of the runs that it went on with itself, by file name.
    """

    runbook: Runbook
    resumption: Resumption
    reference: Mapping[str, Any]
    journals: Mapping[str, bytes]


def is_run(path: Path) -> bool:
    """Whether a path is the evidence of a run, ended or not."""
    return (path / JOURNAL).is_file()


def read_interrupted(bundle: Path, rig: Rig) -> Interrupted:
    """Read the evidence of a run that did not end.

    Args:
        bundle: its folder.
        rig: the rig on which it is to go on.

    Raises:
        UsageError: it did end, its journal is not what was written, or it was run on another rig.
    """
    if (bundle / MANIFEST).exists():
        raise UsageError("the run has ended, and its evidence is sealed", where=str(bundle))
    reader = read_journal(bundle / JOURNAL)
    records, torn = _records(reader, bundle)
    header = next((each.data for each in records if each.kind == "run" and each.data.get("state") == "start"), None)
    if header is None:
        raise UsageError("the run was killed before it began", where=str(bundle), next_step="Start it anew")
    _check_rig(header, bundle, rig)
    name = header["runbook"]
    runbook = load_runbook(next(iter(sorted((bundle / "runbook").glob("*.yaml"))), bundle / "runbook" / f"{name}.yaml"))
    run = str(records[0].volatile.get("run") or bundle.name)
    reference = {"run": run, "records": reader.records, "head": reader.head, "torn": torn}
    return Interrupted(runbook, _resumption(records, runbook), reference, _journals(bundle, run))


def _records(reader: JournalReader, bundle: Path) -> tuple[list[Record], bool]:
    """All whole records, and whether the last one was cut short."""
    records: list[Record] = []
    try:
        for record in reader:
            records.append(record)  # noqa: PERF402 - those before a fault are kept
    except JournalCutShort:
        return records, True
    except JournalError as error:
        raise UsageError(
            f"the journal is good only up to record {error.good}: {error}",
            where=str(bundle),
            next_step="Nothing of it can be relied on; start the run anew",
        ) from None
    if reader.seal is not None:
        raise UsageError("the run has ended: only its signature is missing", where=str(bundle))
    return records, False


def _check_rig(header: Mapping[str, Any], bundle: Path, rig: Rig) -> None:
    with contextlib.suppress(OSError):
        if (bundle / "rig.yaml").read_text() != rig.document.text:
            raise UsageError(
                f"the run was on the rig {header.get('rig')} as its file was then; this file is another",
                where=str(rig.document.path),
                next_step=f"Compare it with {bundle / 'rig.yaml'}",
            )
    if header.get("duts") != dut_summary(rig.duts):
        raise UsageError(
            "other devices are on the rig than those that the run was about", where=str(rig.dut_document.path)
        )


def _journals(bundle: Path, run: str) -> dict[str, bytes]:
    found = {path.name: path.read_bytes() for path in sorted((bundle / INTERRUPTED).glob("*.jsonl"))}
    found[f"{run}.jsonl"] = (bundle / JOURNAL).read_bytes()
    return found


def _resumption(records: list[Record], runbook: Runbook) -> Resumption:
    placed = {(group, each.path): each for group, steps in _groups(runbook).items() for each in steps}
    results: dict[_Key, StepResult] = {}
    begun: _Key | None = None
    saved: dict[str, Mapping[str, Any]] = {}
    problems: list[tuple[Verdict, str]] = []
    findings: list[str] = []
    for record in records:
        data = record.data
        if record.kind == "step":
            key = (str(data["group"]), str(data["path"]))
            if data["state"] == "start":
                begun = key
            elif key in placed:
                begun = None if begun == key else begun
                results[key] = _result(key[0], placed[key], record)
        elif record.kind == "saved":
            saved[data["name"]] = data["values"]
        elif record.kind == "problem":
            problems.append((Verdict(data["verdict"]), data["text"]))
        elif record.kind == "finding":
            findings.append(data["text"])
    return Resumption(tuple(results.values()), begun, saved, problems, findings)


def _groups(runbook: Runbook) -> dict[str, list[Placed]]:
    return {
        "precondition": [each for item in runbook.preconditions for each in item.establish],
        "setup": list(runbook.setup),
        "step": list(runbook.steps),
        "teardown": list(runbook.teardown),
    }


def _result(group: str, placed: Placed, record: Record) -> StepResult:
    data, ended = record.data, record.at
    began = replace(ended, mono_ns=ended.mono_ns - data["duration_ns"], utc_ns=ended.utc_ns - data["duration_ns"])
    return StepResult(
        group,
        placed,
        Verdict(data["verdict"]),
        data["summary"],
        data["reason"],
        began,
        ended,
        tuple((str(what), int(ns), int(uncertainty)) for what, ns, uncertainty in data["latencies"]),
    )
