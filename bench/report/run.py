"""A run as its evidence tells it: steps, verdicts, what came and when.

Everything is read from the journal of a bundle, checked on the way; HTML, JUnit, campaigns and screens show this.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.evidence.manifest import JOURNAL
from bench.evidence.packed import unpacked
from bench.journal import JournalCutShort, JournalError, Record
from bench.journal_reader import read_journal
from bench.verdict import Verdict

_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Latency:
    """How long after its anchor something that was expected came, in seconds, and how well that is known."""

    what: str
    after_s: float
    uncertainty_s: float


@dataclass(frozen=True, slots=True)
class StepReport:
    """One step.

    Attributes:
        group: "precondition", "setup", "step" or "teardown".
        user: who acted; empty for the bench itself.
        at_s: when it began, in seconds from the start of the run.
        covers: requirements that its pass is evidence for; none if it did not pass.
        kept: it ended before the run was interrupted, in the run that this one carries on with.
    """

    group: str
    name: str
    user: str
    verdict: str
    reason: str
    summary: str
    at_s: float
    duration_s: float
    covers: tuple[str, ...] = ()
    latencies: tuple[Latency, ...] = ()
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Came:
    """One thing that the bench saw or did, on the time line.

    Attributes:
        kind: "alert", "response", "han", "hub", "supply", "note", "lost", "refused" or "safe".
    """

    at_s: float
    kind: str
    source: str
    text: str


@dataclass(slots=True)
class RunReport:
    """A run.

    Attributes:
        bundle: its evidence.
        run: its id.
        began_utc: ISO 8601, by the clock of the run.
        verdict: as `bench.verdict.Verdict`; "undecided" for a run that did not end.
        ended: whether its journal tells of its end.
        sealed: whether its journal is complete.
        lost: devices that were lost and did not come back before the end.
        volts: voltage at the reference meter: seconds from the start, and volts.
    """

    bundle: Path
    run: str = ""
    runbook: str = ""
    title: str = ""
    rig: str = ""
    clock: str = ""
    emulated: bool = False
    seed: int | None = None
    faults: tuple[str, ...] = ()
    began_utc: str = ""
    duration_s: float = 0.0
    verdict: str = Verdict.UNDECIDED.value
    reason: str = "the run did not end"
    safe: bool = True
    ended: bool = False
    sealed: bool = False
    body_hash: str = ""
    duts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    steps: list[StepReport] = field(default_factory=list)
    came: list[Came] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    volts: list[tuple[float, float]] = field(default_factory=list)

    @property
    def covered(self) -> list[str]:
        """Requirements that it is evidence for: the journal names them at the end of steps that passed."""
        return sorted({cover for step in self.steps for cover in step.covers})

    def as_json(self) -> dict[str, Any]:
        """The whole for a program to read."""
        return asdict(self) | {"bundle": str(self.bundle), "covered": self.covered}


def read_run(bundle: Path) -> RunReport:
    """Read a run from its bundle: a folder, or a `.tar.gz` that retention made of one.

    The journal of a run that still goes on, or was killed, is read as far as it goes.

    Raises:
        UsageError: there is no journal, or it was changed; what it says cannot be relied upon.
    """
    with unpacked(bundle) as folder:
        reader = read_journal(folder / JOURNAL)
        reading = _Reading(RunReport(bundle))
        try:
            for record in reader:
                try:
                    reading.take(record)
                except (KeyError, TypeError, ValueError, AttributeError) as error:
                    # Whoever chained it did not write it as this program does.
                    why = f"a record {record.kind!r} of {record.source} is not understood: {error!r}"
                    raise UsageError(why, where=str(bundle)) from None
        except JournalCutShort:
            pass  # as one is whose bench was killed while it wrote
        except JournalError as error:
            raise UsageError(f"this is no evidence to report on: {error}", where=str(bundle)) from None
        report = reading.report
        report.sealed = reader.seal is not None
        report.body_hash = reader.body if report.sealed else ""
        if not report.runbook:
            raise UsageError("the journal tells of no run", where=str(bundle))
        return report


class _Reading:
    """Follows the records of a journal."""

    def __init__(self, report: RunReport) -> None:
        self.report = report
        self._began_ns: int | None = None

    def take(self, record: Record) -> None:
        report, data = self.report, record.data
        if record.kind == "run" and data["state"] == "start":
            self._began_ns = record.at.mono_ns
        # What is before the start of the run is at its start: the monotonic clock counts from anywhere.
        at_s = (record.at.mono_ns - self._began_ns) / _NS if self._began_ns is not None else 0.0
        if record.kind == "journal":
            report.run = report.run or str(record.volatile.get("run", ""))
        elif record.kind == "run":
            self._run(record, at_s)
        elif record.kind == "step":
            self._step(record, at_s)
        elif record.kind == "measurement":
            if data.get("quantity") == "voltage":
                report.volts.append((at_s, float(data["value"])))
        elif record.kind == "device":
            self._device(record, at_s)
        else:
            report.came.extend(_came(record, at_s))
        report.duration_s = max(report.duration_s, at_s)

    def _run(self, record: Record, at_s: float) -> None:
        report, data = self.report, record.data
        if data["state"] == "start":
            report.began_utc = record.at.iso
            report.runbook, report.title, report.rig = data["runbook"], data["title"], data["rig"]
            report.clock, report.emulated = data["clock"], bool(data["emulated"])
            report.seed, report.faults, report.duts = data["seed"], tuple(data["faults"]), data["duts"]
            report.volts.clear()
        elif data["state"] == "abort":
            report.came.append(Came(at_s, "note", record.source, f"abort: {data['reason']}"))
        elif data["state"] == "end":
            report.ended = True
            report.verdict, report.reason, report.safe = data["verdict"], data["reason"], bool(data["safe"])
            report.findings = list(data["findings"])

    def _step(self, record: Record, ended_s: float) -> None:
        data = record.data
        if data["state"] != "end":
            return
        duration_s = data["duration_ns"] / _NS
        self.report.steps.append(
            StepReport(
                data["group"],
                data["name"],
                data["as"] or "",
                data["verdict"],
                data["reason"],
                data["summary"],
                max(0.0, ended_s - duration_s),
                duration_s,
                tuple(data["covers"]),
                tuple(Latency(what, after / _NS, uncertainty / _NS) for what, after, uncertainty in data["latencies"]),
                bool(data.get("kept")),
            )
        )

    def _device(self, record: Record, at_s: float) -> None:
        state, lost = record.data["state"], self.report.lost
        if state == "lost" and record.source not in lost:
            lost.append(record.source)
        elif state in ("connected", "reconnected") and record.source in lost:
            lost.remove(record.source)
        if state in ("lost", "reconnected", "garbled", "tripped"):
            text = f"{state} {record.data.get('detail') or ''}".rstrip()
            self.report.came.append(Came(at_s, "lost", record.source, text))


def _came(record: Record, at_s: float) -> Iterator[Came]:
    """What a record looks like on the time line; nothing for most kinds."""
    data, kind, text = record.data, "", ""
    if record.kind in ("seen.device_alert", "seen.dcc_alert"):
        kind = "alert"
        about = f" for {data['for_request']}" if data.get("for_request") else ""
        text = f"{data['code']} from {data.get('device') or 'the DCC'} to {data['user']}{about}"
        text += "" if data["signature"] == "valid" else f" (NOT BELIEVED: {data['signature']})"
    elif record.kind == "seen.response":
        kind, text = "response", f"{data['service_request']} {data['response_code']} to {data['user']}"
    elif record.kind == "seen.han":
        kind, text = "han", f"{data['stage']} {data.get('device') or ''}".rstrip()
    elif record.kind == "seen.hub":
        kind, text = (
            "hub",
            f"{data.get('changed') or 'state'}: power {data['power']}, WAN {data['wan']}, HAN {data['han']}",
        )
    elif record.kind == "seen.refused":
        kind, text = "refused", f"{data.get('what', '')}: {data.get('why', data.get('unrecordable', ''))}"
    elif record.kind == "edge":
        # A relay that closes does not say at what voltage.
        to = "" if data["volts"] is None else f" to {data['volts']:g} V"
        kind, text = "supply", f"{data['edge']}{to}"
    elif record.kind == "finding":
        kind, text = "note", str(data["text"])
    elif record.kind == "problem":
        kind, text = "note", f"{data['verdict']}: {data['text']}"
    elif record.kind in ("safe", "park") and data.get("device"):
        kind = "safe"
        text = f"{record.kind}: {data['device']} {data.get('action') or data.get('reason') or ''} ({data['state']})"
    if kind:
        strange = f" [{', '.join(data['strange'])}]" if data.get("strange") else ""
        yield Came(at_s, kind, record.source, text + strange)
