"""`hilbench rig park`: bring a rig back after an abort, to where runs begin and end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import stopped, unparked
from bench.aftermath import settle
from bench.capabilities import AcSource, CommsHub, DccGateway, Switch, can
from bench.durations import format_duration
from bench.errors import BenchError, DeviceLost, UsageError
from bench.events import Event
from bench.lease import Lease
from bench.rig.file import Rig
from bench.rig.installed import driver_class
from bench.rig.load import load_rig
from bench.rig.session import RigSession, open_rig
from bench.rig.state import state_of
from bench.runner import make_clock
from bench.safety import news_of, reach
from bench.shared import shares_held
from bench.tasks import stop


@dataclass(slots=True)
class ParkReport:
    """What was done.

    Attributes:
        lines: for people: what each device did.
        confirmed: whether every device confirmed it by read-back within the deadline.
        say: told each line as it comes.
    """

    lines: list[str] = field(default_factory=list)
    confirmed: bool = False
    say: Callable[[str], None] = lambda _line: None

    def add(self, line: str) -> None:
        """One line more."""
        self.lines.append(line)
        self.say(line)


def park(path: Path, state: Path, say: Callable[[str], None] = lambda _line: None, *, wait: bool = True) -> ParkReport:
    """Connect to a rig and bring it to its park state; if that is not confirmed, to its safe state.

    What devices say once their supply is back belongs to the run that cut it: it is waited for and booked to that run,
    as an engine does, so that no later run takes it for its own. What the rig shares with others is waited for, too;
    Ctrl-C gives up.

    Args:
        path: the rig file.
        state: the bench's state folder.
        say: told each line of the report as it comes, and what is waited for.
        wait: whether to wait for what devices still say.

    Raises:
        UsageError: the rig file is wrong, or the rig is an emulated one, whose world begins anew each time.
        HeldElsewhere: another process holds the rig.
        DeviceLost: devices could not be reached.
        BenchError: somebody took the rig away meanwhile.
        StorageError: what came cannot be booked.
    """
    rig = load_rig(path)
    if rig.emulated:
        raise UsageError(
            f"{rig.name} is emulated, and its world begins parked each time",
            next_step="Park a rig of real devices, or the one that `hilbench emulate --as DIR` wrote",
        )
    return asyncio.run(_park(rig, state, say, wait=wait))


async def _park(
    rig: Rig, state: Path, say: Callable[[str], None] = lambda _line: None, *, wait: bool = True
) -> ParkReport:
    folder, report = state_of(rig, state), ParkReport(say=say)
    lease, lost, task = Lease.take(folder, "park"), list[str](), asyncio.current_task()

    def let_go(why: str) -> None:
        lost.append(why)
        if task is not None:
            stop(task)

    try:
        async with lease.kept(let_go, lambda: report.confirmed):
            await _hold_and_park(rig, state, folder, report, wait, let_go)
    except asyncio.CancelledError:
        if lost:
            raise BenchError(lost[0], next_step="Look at the bench: it may be in any state") from None
        raise
    return report


async def _hold_and_park(
    rig: Rig, state: Path, folder: Path, report: ParkReport, wait: bool, on_lost: Callable[[str], None]
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        sharing = await stack.enter_async_context(contextlib.AsyncExitStack())
        shares = await sharing.enter_async_context(
            shares_held(rig, folder, "park", on_lost=on_lost, say=lambda text: report.add(f"{text}. Ctrl-C gives up"))
        )
        session, deaf = await stack.enter_async_context(_opened(rig, state))
        was_off = await _is_off(session)
        await _bring_back(session, report)
        if not report.confirmed:
            return
        shares.parked()
        await sharing.aclose()
        stopped.clear(folder)
        run = unparked.run_of(folder)
        if was_off or run:
            await _wait(session, folder, run, report, "nobody asked for it" if not wait else deaf)


@asynccontextmanager
async def _opened(rig: Rig, state: Path) -> AsyncIterator[tuple[RigSession, str]]:
    """The rig with what parks it, and with what hears of devices if that is there; why it is not, or ""."""
    # Without supply a meter's console is silent too: only what parks the rig has to answer.
    needed = {action.device for action in (*rig.file.park.actions, *rig.file.safe.actions)}
    classes = {name: driver_class(rig, name) for name in rig.file.devices}
    hearing = {name for name, its_class in classes.items() if issubclass(its_class, (CommsHub, DccGateway))}
    deaf = ""
    async with contextlib.AsyncExitStack() as stack:
        try:
            session = await stack.enter_async_context(open_rig(rig, make_clock(), state=state, only=needed | hearing))
        except DeviceLost as error:
            if needed & set(error.devices):
                raise
            deaf = f"{', '.join(error.devices)} could not be reached"
            session = await stack.enter_async_context(open_rig(rig, make_clock(), state=state, only=needed))
        yield session, deaf


async def _is_off(session: RigSession) -> bool:
    """Whether the supply is off: devices have something to say of that once it is back."""
    for driver in session.drivers.values():
        if can(driver, AcSource) and not (await driver.read_state()).output_on:
            return True
        if can(driver, Switch) and not await driver.is_closed():
            return True
    return False


async def _bring_back(session: RigSession, report: ParkReport) -> None:
    def note(event: Event) -> None:
        if event.kind in ("park", "safe") and event.data["state"] in ("done", "unconfirmed"):
            what = event.data.get("action") or f"NOT CONFIRMED: {event.data['reason']}"
            report.add(f"{event.kind:5} {event.data['device']}: {what}")
        elif news := news_of(event):
            report.add(news)

    session.stream.subscribe(note)
    report.confirmed = not await reach(session, "park", session.rig.file.park)
    if not report.confirmed:
        unsafe = await reach(session, "safe", session.rig.file.safe)
        report.add("THE SAFE STATE WAS NOT CONFIRMED" if unsafe else "the rig is in its safe state")


async def _wait(session: RigSession, folder: Path, run: str, report: ParkReport, deaf: str) -> None:
    whose = f"to {run}" if run else "to no run, since none is known that cut the supply"
    if deaf:
        report.add(f"late alerts are NOT waited for: {deaf}; the next run may see them, and report them as odd")
        return
    drain = format_duration(session.rig.file.drain)
    report.add(f"late alerts are waited for until the Comms Hub is back, and for {drain} more; they are booked {whose}")
    came = await settle(session, folder, run)
    report.add(f"late: {', '.join(came)}" if came else "nothing came late")
