"""Holding a rig: nobody stopped it, nobody else has it, a guard watches, and its state is known."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import stopped, unparked
from bench.aftermath import settle
from bench.clock import RealClock
from bench.errors import DeviceLost, UnsafeError
from bench.guard import gone, guarded
from bench.lease import Lease
from bench.rig.file import Rig
from bench.rig.session import RigSession, open_rig
from bench.rig.state import state_of
from bench.safety import news_of, reach
from bench.shared import Shares, shares_held

PATIENCE_S = 120.0
"""How long devices may take to come back after their supply was off."""

_AGAIN_S = 5.0
_MORE_S = 5.0
"""Beyond the deadline of its safe state a guard needs time to notice that the engine is gone, and to write."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A rig that is held.

    Attributes:
        was_off: whether its supply was just off.
        shares: what it shares with others, as long as it is held; tell it when a run begins, and when one parked.
    """

    was_off: bool
    shares: Shares


@asynccontextmanager
async def held(
    rig: Rig,
    state: Path,
    what: str,
    *,
    on_lost: Callable[[str], None],
    say: Callable[[str], None],
    share: bool = True,
) -> AsyncIterator[Hold]:
    """Hold a rig of real devices, or of a world in another process.

    A rig whose world is inside this process begins and ends with it: nothing is held.

    Args:
        rig: which.
        state: the bench's state folder.
        what: what for, for those who find the rig taken.
        on_lost: told if the lease or the guard is lost; the rig must be made safe and left then.
        say: told what is done to a rig that its last holder left in nobody knows what state.
        share: hold what it shares with other rigs, too, after waiting for it.

    Raises:
        UsageError: somebody stopped the rig, and nobody has parked it since.
        HeldElsewhere: another process holds it.
        UnsafeError: it was left in an unknown state, and did not become safe.
        DeviceLost: what makes it safe could not be reached.
    """
    if rig.emulated:
        yield Hold(False, Shares(()))
        return
    folder = state_of(rig, state)
    stopped.check(folder)
    lease = Lease.take(folder, what)
    recovered = False
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(lease.kept(on_lost, lambda: recovered))
        shares = Shares(())
        if share:
            shares = await stack.enter_async_context(shares_held(rig, folder, what, on_lost=on_lost, say=say))
        await guard_gone(rig, folder)
        await stack.enter_async_context(guarded(rig, folder, on_lost))
        why = ""
        if lease.abandoned is not None:
            why = f"the rig was never given back by {lease.abandoned}"
        elif shares.unparked:
            why = "another rig did not leave parked what they share"
        if why:
            await recover(rig, state, why, say)
            recovered = True
            shares.parked()
        yield Hold(bool(why), shares)


@asynccontextmanager
async def patiently_open(
    opened: Callable[[], AbstractAsyncContextManager[RigSession]], patience_s: float, say: Callable[[str], None]
) -> AsyncIterator[RigSession]:
    """Connect every device, again and again: after a start of the whole bench they come one by one.

    Args:
        opened: opens the rig.
        patience_s: how long to go on trying.
        say: told what is still missing.

    Raises:
        DeviceLost: some were still missing at the end.
    """
    loop = asyncio.get_running_loop()
    until_s = loop.time() + patience_s
    async with contextlib.AsyncExitStack() as stack:
        while True:
            try:
                session = await stack.enter_async_context(opened())
            except DeviceLost as error:
                if loop.time() >= until_s:
                    raise
                say(f"{error}\nTrying again in {_AGAIN_S:g} s")
            else:
                break
            await asyncio.sleep(_AGAIN_S)
        yield session


async def until_quiet(hold: Hold, session: RigSession, say: Callable[[str], None]) -> None:
    """Where the supply was just off, wait for what devices still say of it, and book it to the run that cut it.

    Raises:
        StorageError: the booking cannot be written.
    """
    if hold.was_off and session.folder is not None:
        say("what devices still say of the run before is waited for, and booked to it")
        await settle(session, session.folder, unparked.run_of(session.folder))


async def guard_gone(rig: Rig, folder: Path) -> None:
    """Let the guard of an engine that died finish what it does.

    Raises:
        UnsafeError: it does not.
    """
    if not await gone(folder, rig.file.safe.deadline + _MORE_S):
        raise UnsafeError(
            "the guard of an earlier engine still tries to make the rig safe",
            where=str(folder),
            next_step="Look at the bench: a device does not answer",
        )


async def recover(rig: Rig, state: Path, why: str, say: Callable[[str], None]) -> None:
    """Make a rig safe whose last holder left it in nobody knows what state, and park it.

    Raises:
        UnsafeError: it did not confirm.
        DeviceLost: what makes it safe could not be reached.
    """
    say(f"{why}: it is brought to its safe state, then to its park state")
    # Without supply a meter's console is silent too: only what makes the rig safe has to answer.
    needed = {action.device for action in (*rig.file.park.actions, *rig.file.safe.actions)}
    async with open_rig(rig, RealClock(), state=state, only=needed) as session:
        session.stream.subscribe(lambda event: say(news) if (news := news_of(event)) else None)
        unconfirmed = await reach(session, "safe", rig.file.safe)
        if not unconfirmed:
            unconfirmed = await reach(session, "park", rig.file.park)
    if unconfirmed:
        raise UnsafeError(f"{why}, and it did not confirm: {'; '.join(unconfirmed)}", next_step="Look at the bench")
