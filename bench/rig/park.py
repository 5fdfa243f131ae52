"""`hilbench rig park`: bring a rig back after an abort, to where runs begin and end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from bench import stopped
from bench.clock import RealClock
from bench.errors import UsageError
from bench.events import Event
from bench.lease import Lease
from bench.rig.file import Rig
from bench.rig.load import load_rig
from bench.rig.session import open_rig
from bench.rig.state import state_of
from bench.safety import reach
from bench.shared import shares_held


@dataclass(slots=True)
class ParkReport:
    """What was done.

    Attributes:
        lines: for people: what each device did.
        confirmed: whether every device confirmed it by read-back within the deadline.
    """

    lines: list[str] = field(default_factory=list)
    confirmed: bool = False


def park(path: Path, state: Path) -> ParkReport:
    """Connect to a rig and bring it to its park state; if that is not confirmed, to its safe state.

    Raises:
        UsageError: the rig file is wrong, or the rig is an emulated one, whose world begins anew each time.
        DeviceLost: devices could not be reached.
    """
    rig = load_rig(path)
    if rig.emulated:
        raise UsageError(
            f"{rig.name} is emulated, and its world begins parked each time",
            next_step="Park a rig of real devices, or the one that `hilbench emulate --as DIR` wrote",
        )
    return asyncio.run(_park(rig, state))


async def _park(rig: Rig, state: Path) -> ParkReport:
    folder, report = state_of(rig, state), ParkReport()
    lease = Lease.take(folder, "park")
    try:
        async with shares_held(
            rig, folder, "park", on_lost=report.lines.append, say=report.lines.append, given_up=lambda: True
        ) as shares:
            await _bring_back(rig, state, report)
            if report.confirmed:
                shares.parked()
    finally:
        lease.release()
    if report.confirmed:
        stopped.clear(folder)
    return report


async def _bring_back(rig: Rig, state: Path, report: ParkReport) -> None:
    def note(event: Event) -> None:
        if event.kind in ("park", "safe") and event.data["state"] in ("done", "unconfirmed"):
            what = event.data.get("action") or f"NOT CONFIRMED: {event.data['reason']}"
            report.lines.append(f"{event.kind:5} {event.data['device']}: {what}")

    # Without supply a meter's console is silent too: only what parks the rig has to answer.
    needed = {action.device for action in (*rig.file.park.actions, *rig.file.safe.actions)}
    async with open_rig(rig, RealClock(), state=state, only=needed) as session:
        session.stream.subscribe(note)
        report.confirmed = not await reach(session, "park", rig.file.park)
        if not report.confirmed:
            unsafe = await reach(session, "safe", rig.file.safe)
            report.lines.append("THE SAFE STATE WAS NOT CONFIRMED" if unsafe else "the rig is in its safe state")
