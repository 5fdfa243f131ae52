"""The process of `hilbench serve`: lease, guard, rig, socket and service, brought up and taken down in order."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.errors import BenchError, DeviceLost, UnsafeError
from bench.holding import PATIENCE_S, guard_gone, held, patiently_open, recover
from bench.lease import BEAT_S, Holder, Lease, holder_of
from bench.one_run import RigRunner
from bench.rig.file import Rig
from bench.rig.load import load_rig
from bench.rig.session import open_rig
from bench.rig.state import state_of
from bench.runner import RunOptions, bench_key, make_clock, make_loop_factory
from bench.service.address import socket_path
from bench.service.listening import listening
from bench.service.remote_server import listening_remotely
from bench.service.server import NIGHTS, EngineService
from bench.shared import shares_held
from bench.tasks import stop

_LETTING_GO_S = 5.0


def serve(
    rig_path: Path,
    out: Path,
    state: Path,
    say: Callable[[str], None],
    speed: float | None = None,
    nights: Path = NIGHTS,
) -> None:
    """Hold a rig and serve its clients until one of them says `stop`, or SIGINT or SIGTERM comes.

    A signal aborts the run that is going on: the rig is in its safe state when this returns.

    Args:
        rig_path: the rig file.
        out: folder under which each run gets a folder of evidence.
        state: the bench's state folder.
        say: told what is done.
        speed: virtual seconds a second, for a rig that brings its emulated world along; None for real time.
        nights: the folder of the nights of campaigns, for clients to see.

    Raises:
        UsageError: a speed was given where time is real.
        HeldElsewhere: another process holds the rig.
        UnsafeError: the rig was to be made safe, and did not confirm it.
        BenchError: the rig could not be brought up, or evidence could not be written.
    """
    rig = load_rig(rig_path)
    options = RunOptions(out, state, realtime=speed is None, speed=speed)
    with asyncio.Runner(loop_factory=make_loop_factory(rig, options)) as runner:
        runner.run(_serve(rig, out, state, say, nights))


class _Ending:
    """Why and how the engine ends before somebody says `stop`: a signal, or a lease or guard that is lost.

    Attributes:
        lost: why the rig is no longer to be used; empty after a signal.
    """

    def __init__(self) -> None:
        self.lost = ""
        self.service: EngineService | None = None
        self._main = asyncio.current_task()

    def on_signal(self, name: str) -> None:
        """Abort what is going on, and end."""
        if self.service is not None:
            self.service.end(name)
        elif self._main is not None:
            self._main.cancel()

    def on_lost(self, why: str) -> None:
        """The same, and say why at the end."""
        self.lost = self.lost or why
        self.on_signal(why)


async def _serve(rig: Rig, out: Path, state: Path, say: Callable[[str], None], nights: Path) -> None:
    folder, ending = state_of(rig, state), _Ending()
    loop = asyncio.get_running_loop()
    for number, name in ((signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")):
        loop.add_signal_handler(number, ending.on_signal, name)
    try:
        async with contextlib.AsyncExitStack() as stack:
            # What it shares with other rigs it holds for each run, not all the time that it serves.
            holding = held(rig, state, "serve", on_lost=ending.on_lost, say=say, share=False)
            hold = await stack.enter_async_context(holding)
            opened = partial(open_rig, rig, make_clock(), state=state)
            session = await stack.enter_async_context(patiently_open(opened, PATIENCE_S, say))
            service = ending.service = EngineService(session, RigRunner(session, out, bench_key(state)), folder, nights)
            if hold.was_off:
                service.settle()
            path = socket_path(folder)
            async with listening(service.serve, path), listening_remotely(service, rig):
                elsewhere = f" and {rig.file.service.listen}" if rig.file.service else ""
                say(f"{rig.name} is served at {path}{elsewhere} until Ctrl-C or `hilbench stop`")
                await service.work()
        if service.unsafe:
            raise UnsafeError("the safe state of the rig was not confirmed", next_step="Look at the bench")
    except asyncio.CancelledError:
        say("ended before the rig was up")
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
    if ending.lost:
        raise BenchError(ending.lost)


def take_over(rig_path: Path, state: Path, say: Callable[[str], None]) -> str:
    """Take a rig from whoever holds it, make it safe, park it, and give it back; what was done, in a sentence.

    What the rig shares with others is waited for. Who gives up meanwhile leaves a rig that has to be made safe.

    Args:
        rig_path: the rig file.
        state: the bench's state folder.
        say: told what is waited for.

    Raises:
        UnsafeError: the rig did not confirm its safe state.
        DeviceLost: who has it does not let go of it, or its devices could not be reached.
    """
    return asyncio.run(_take_over(load_rig(rig_path), state, say))


async def _take_over(rig: Rig, state: Path, say: Callable[[str], None]) -> str:
    folder, lost = state_of(rig, state), list[str]()
    before = holder_of(folder)
    if before is None:
        return "nobody holds the rig"
    lease, this, done = Lease.take(folder, "take over", force=True), asyncio.current_task(), ""

    def lose(why: str) -> None:
        lost.append(why)
        if this is not None:
            stop(this)

    try:
        async with lease.kept(lose, lambda: bool(done)):
            await _let_go(rig, before)
            if rig.emulated:
                done = "its emulated world ended with it"
            else:
                await guard_gone(rig, folder)
                waits = partial(_waits, say)
                async with shares_held(rig, folder, "take over", on_lost=lose, say=waits) as shares:
                    await recover(rig, state, f"taken from {before}", _ignore)
                    shares.parked()
                done = "the rig was made safe and is parked"
    except asyncio.CancelledError:
        if lost:
            raise DeviceLost(lost[0], next_step="Look at the bench: it may be in any state") from None
        raise
    return f"taken from {before}; {done}"


async def _let_go(rig: Rig, before: Holder) -> None:
    """His process sees it at its next heartbeat, and needs the time to make the rig safe and to let go of it."""
    try:
        async with asyncio.timeout(BEAT_S + rig.file.safe.deadline + _LETTING_GO_S):
            while before.alive:  # noqa: ASYNC110 - another process has no event to wait for
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise DeviceLost(
            f"{before} does not let go of the rig", next_step=f"End process {before.pid}; its guard makes the rig safe"
        ) from None


def _waits(say: Callable[[str], None], text: str) -> None:
    say(f"{text}. Ctrl-C gives up: whoever takes the rig then makes it safe first")


def _ignore(_text: str) -> None:
    """Nobody is told: what was done is in the sentence at the end."""
