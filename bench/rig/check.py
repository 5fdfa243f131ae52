"""`hilbench rig check`: is the rig file right, do all devices answer, and what protects the bench?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.clock import RealClock
from bench.device import NoCounters
from bench.errors import DeviceLost, UsageError
from bench.events import EventStream
from bench.parties import Certificates, Parties
from bench.protection import judge
from bench.rig.drivers import build_drivers
from bench.rig.file import Rig
from bench.rig.installed import driver_class
from bench.rig.keys import load_parties
from bench.rig.load import load_rig
from bench.rig.session import open_rig
from bench.runner import RunOptions, make_clock, make_loop_factory
from bench.service.remote_server import remote_problems
from bench.verdict import EXIT_PASSED, EXIT_UNDECIDED, EXIT_USAGE


@dataclass(slots=True)
class CheckReport:
    """What was found.

    Attributes:
        devices: device name to what became of it: "ok", or an error.
        problems: what cannot work, with what to do about it.
        notes: what is missing or weak.
    """

    rig: Rig
    devices: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lost: str = ""

    @property
    def exit_code(self) -> int:
        """0; 2 if something in the files cannot work, 3 if a device could not be reached."""
        if self.problems:
            return EXIT_USAGE
        return EXIT_UNDECIDED if self.lost else EXIT_PASSED

    def lines(self) -> list[str]:
        """The report for people."""
        lines = [f"{self.rig.document.path}: rig {self.rig.name}"]
        lines += [f"  {name:12} {state}" for name, state in self.devices.items()]
        lines += [f"  problem: {problem}" for problem in self.problems]
        lines += [self.lost] if self.lost else []
        return lines + [f"  note: {note}" for note in self.notes]

    def as_json(self) -> dict[str, Any]:
        """The report for programs."""
        return {
            "rig": self.rig.name,
            "ok": not (self.lost or self.problems),
            "problems": self.problems,
            "devices": self.devices,
            "error": self.lost,
            "notes": self.notes,
        }


def check(path: Path, state: Path, *, offline: bool) -> CheckReport:
    """Check a rig; devices are connected to and asked who they are, and nothing is switched.

    Args:
        path: the rig file.
        state: folder for counters and keys.
        offline: connect to nothing.

    Raises:
        UsageError: the files are wrong.
    """
    rig = load_rig(path)
    report = CheckReport(rig, notes=_notes(rig))
    if rig.emulated:
        # Where its wires are is known only once its world runs.
        for name in rig.file.devices:
            driver_class(rig, name)
    else:
        parties = _parties(rig, report)
        drivers = build_drivers(rig, {}, EventStream(RealClock()), parties, NoCounters())
        for name, driver in drivers.items():
            for problem in driver.problems():
                (report.problems if problem.wrong else report.notes).append(f"{name}: {problem}")
        problems, notes = judge(rig, drivers)
        report.problems.extend(problems)
        report.notes.extend(notes)
    report.problems.extend(remote_problems(rig))
    report.devices = dict.fromkeys(rig.file.devices, "not connected")
    if offline or report.problems:
        return report
    options = RunOptions(Path(), state)
    with asyncio.Runner(loop_factory=make_loop_factory(rig, options)) as runner:
        try:
            runner.run(_connect(rig, state, report))
        except DeviceLost as error:
            report.lost = str(error)
    return report


def _parties(rig: Rig, report: CheckReport) -> Parties:
    """The rig's keys and certificates; nobody's, and a note, if they cannot be read: offline they may be elsewhere."""
    try:
        return load_parties(rig)
    except UsageError as error:
        report.notes.append(f"keys and certificates were not looked at: {error}")
        return Parties({}, rig.duts, rig.file.dcc, Certificates())


async def _connect(rig: Rig, state: Path, report: CheckReport) -> None:
    async with open_rig(rig, make_clock(), state=state) as session:
        for name in session.drivers:
            report.devices[name] = "ok"


def _notes(rig: Rig) -> list[str]:
    notes = []
    if not rig.emulated:
        clock = RealClock()
        notes.append(f"the system clock is {clock.synchronisation}")
    watching = {monitor.device for monitor in rig.file.monitors}
    if not watching & {rig.file.supply.meter, rig.file.supply.source}:
        notes.append("no monitor reads the reference meter, so that nothing watches the limits during a run")
    elif rig.file.supply.meter not in watching:
        notes.append("only the source's own measurement watches the limits: it knows nothing of what is behind it")
    if rig.file.supply.relay is None:
        notes.append("there is no relay in the supply path: a blocked AC source cannot be made safe another way")
    elif all(action.device != rig.file.supply.relay for action in rig.file.safe.actions):
        notes.append("the safe state does not open the relay, which is the independent path")
    return notes
