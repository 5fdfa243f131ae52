"""Which Test Scripts have valid evidence already: of this rig, its devices as they are, and the script as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.evidence.manifest import JOURNAL
from bench.evidence.verify import Level, verify
from bench.journal_reader import JournalReader
from bench.parties import dut_summary
from bench.rig.file import Rig
from bench.runbook import Runbook

_PASSED = "passed"


@dataclass(frozen=True, slots=True)
class Found:
    """A bundle of evidence of a run on this rig.

    Attributes:
        bundle: its folder.
        runbook: the runbook that was run.
        verdict: of the run.
        problem: why it is no valid evidence of a pass; empty if it is.
    """

    bundle: Path
    runbook: str
    verdict: str
    problem: str = ""


class EvidenceFolder:
    """The evidence under one folder, read once.

    Args:
        folder: where runs leave their bundles; it need not be there.
        rig: the rig whose runs count.
        fingerprint: of the bench's key.
    """

    def __init__(self, folder: Path, rig: Rig, fingerprint: str) -> None:
        self._rig = rig
        self._texts: dict[Path, str] = {}
        self._found: dict[str, list[Found]] = {}
        bundles = sorted(each for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []
        for bundle in bundles:
            found = self._read(bundle, fingerprint)
            if found is not None:
                self._found.setdefault(found.runbook, []).append(found)

    def valid(self, runbook: Runbook) -> Path | None:
        """The latest bundle in which this very runbook passed on the rig as it is; None if there is none."""
        text = runbook.documents[0].text
        for found in reversed(self._found.get(runbook.name, [])):
            if not found.problem and self._texts.get(found.bundle) == text:
                return found.bundle
        return None

    def latest(self, runbook: Runbook) -> Found | None:
        """The latest run of a runbook of this name, whatever came of it."""
        found = self._found.get(runbook.name)
        return found[-1] if found else None

    def _read(self, bundle: Path, fingerprint: str) -> Found | None:
        header = _header(bundle)
        if header is None or header.get("rig") != self._rig.name:
            return None
        name = str(header.get("runbook"))
        report = verify(bundle, [fingerprint])
        found = Found(bundle, name, report.verdict or "unknown")
        if report.level is not Level.VERIFIED:
            return Found(bundle, name, found.verdict, report.problem or "another bench signed it")
        if report.verdict != _PASSED:
            return Found(bundle, name, found.verdict, f"{report.verdict}: {_why(bundle)}")
        if header.get("duts") != dut_summary(self._rig.duts):
            return Found(
                bundle, name, found.verdict, "the devices under test are others, or have other firmware, by now"
            )
        if header.get("faults"):
            return Found(bundle, name, found.verdict, "faults were injected")
        if not self._rig.emulated and not report.compliance:
            return Found(bundle, name, found.verdict, "it is of emulated devices, or of a clock that was not in time")
        try:
            self._texts[bundle] = (bundle / "runbook" / f"{name}.yaml").read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return Found(bundle, name, found.verdict, "its runbook cannot be read")
        return found


def _why(bundle: Path) -> str:
    """Why a run did not pass: the first step that did not, or the run's own reason."""
    reason = ""
    try:
        for record in JournalReader(bundle / JOURNAL):
            if record.kind == "step" and record.data.get("verdict") in ("failed", "undecided"):
                return str(record.data.get("reason"))
            if record.kind == "run" and record.data.get("state") == "end":
                reason = str(record.data.get("reason"))
    except BenchError:
        pass
    return reason or "no reason is recorded"


def _header(bundle: Path) -> Mapping[str, Any] | None:
    """What the journal says at its beginning of the run; None if there is nothing to be read."""
    try:
        for record in JournalReader(bundle / JOURNAL):
            if record.kind == "run" and record.data.get("state") == "start":
                return record.data
    except BenchError:
        pass
    return None
