"""`hilbench rig park`: bring a rig back after an abort, to where runs begin and end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench import stopped
from bench.clock import RealClock
from bench.errors import DeviceLost, UsageError
from bench.events import Event
from bench.lease import Lease
from bench.rig.file import Rig
from bench.rig.load import load_rig
from bench.rig.session import open_rig
from bench.rig.state import state_of
from bench.safety import reach
from bench.shared import shares_held
from bench.tasks import stop


@dataclass(slots=True)
class ParkReport:
    """What was done.

    Attributes:
        lines: for people: what each device did.
        confirmed: whether every device confirmed it by read-back within the deadline.
    """

    lines: list[str] = field(default_factory=list)
    confirmed: bool = False


def park(path: Path, state: Path, say: Callable[[str], None]) -> ParkReport:
    """Connect to a rig and bring it to its park state; if that is not confirmed, to its safe state.

    What it shares with other rigs is waited for, as a run does; Ctrl-C gives up.

    Args:
        path: the rig file.
        state: the bench's state folder.
        say: told what is waited for.

    Raises:
        UsageError: the rig file is wrong, or the rig is an emulated one, whose world begins anew each time.
        HeldElsewhere: another process holds the rig.
        DeviceLost: devices could not be reached, or somebody took the rig away meanwhile.
    """
    rig = load_rig(path)
    if rig.emulated:
        raise UsageError(
            f"{rig.name} is emulated, and its world begins parked each time",
            next_step="Park a rig of real devices, or the one that `hilbench emulate --as DIR` wrote",
        )
    return asyncio.run(_park(rig, state, lambda text: say(f"{text}. Ctrl-C gives up")))


async def _park(rig: Rig, state: Path, say: Callable[[str], None]) -> ParkReport:
    folder, report, lost = state_of(rig, state), ParkReport(), list[str]()
    lease, this = Lease.take(folder, "park"), asyncio.current_task()

    def lose(why: str) -> None:
        lost.append(why)
        if this is not None:
            stop(this)

    try:
        async with lease.beaten(lose), shares_held(rig, folder, "park", on_lost=lose, say=say) as shares:
            await _bring_back(rig, state, report)
            if report.confirmed:
                shares.parked()
    except asyncio.CancelledError:
        if lost:
            raise DeviceLost(lost[0], next_step="Look at the bench: it may be in any state") from None
        raise
    finally:
        # Whoever takes a rig that was never given back makes it safe first: that is not to be forgotten.
        if report.confirmed or lease.abandoned is None:
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
