"""A rig that is alive: its emulated world if it brings one, its drivers connected, its events flowing."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeVar, cast

from bench import loading
from bench.capabilities import can
from bench.clock import Clock
from bench.counters import FileCounters
from bench.device import AnyDriver
from bench.durable import storage_error
from bench.errors import BenchError, DeviceLost, UsageError
from bench.events import Event, EventStream
from bench.ledger import Ledger
from bench.parties import Parties
from bench.rig.drivers import build_drivers
from bench.rig.emulation import build_emulation
from bench.rig.file import Rig
from bench.rig.keys import load_parties
from bench.shared_address import shared_root
from bench.sightings import Sighting, sight

CONNECT_TIMEOUT_S = 15.0

T = TypeVar("T")


class RigSession:
    """A connected rig.

    Attributes:
        rig: the file it was made from.
        stream: its events.
        drivers: by device name, connected.
        parties: who is on it.
        ledger: what has been seen on it before.
        folder: its state folder; None for a rig whose world begins anew each time.
    """

    def __init__(
        self,
        rig: Rig,
        stream: EventStream,
        drivers: Mapping[str, AnyDriver],
        parties: Parties,
        ledger: Ledger,
        folder: Path | None = None,
    ) -> None:
        self.rig = rig
        self.stream = stream
        self.drivers = drivers
        self.parties = parties
        self.ledger = ledger
        self.folder = folder
        self._watchers: list[Callable[[Sighting], None]] = []
        stream.subscribe(self._on_event)

    def _on_event(self, event: Event) -> None:
        sighting = sight(event, self.ledger)
        if sighting is not None:
            for watcher in tuple(self._watchers):
                watcher(sighting)

    def watch(self, watcher: Callable[[Sighting], None]) -> Callable[[], None]:
        """Be told of every sighting, whatever is running; call what is returned to stop."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    @property
    def clock(self) -> Clock:
        """The one clock."""
        return self.stream.clock

    def capability(self, protocol: type[T], device: str | None = None) -> T:
        """The device of this name, or the only one on the rig, that can do what a protocol says.

        Raises:
            UsageError: there is none, it cannot, or there are several to choose from.
        """
        if device is not None:
            driver = self.drivers.get(device)
            if driver is None:
                raise UsageError(f"the rig has no device {device!r}", next_step=f"It has {', '.join(self.drivers)}")
            if not can(driver, protocol):
                raise UsageError(f"{device} is not {_article(protocol.__name__)}")
            return driver
        able = [driver for driver in self.drivers.values() if can(driver, protocol)]
        if len(able) != 1:
            names = ", ".join(cast("AnyDriver", driver).name for driver in able) or "none"
            raise UsageError(f"the rig has no single {protocol.__name__}", next_step=f"Name the device; able: {names}")
        return able[0]

    async def connect(self) -> None:
        """Connect every device at the same time, and report every failure together.

        Raises:
            DeviceLost: listing each device that could not be reached.
        """

        async def one(name: str, driver: AnyDriver) -> str | None:
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    await driver.connect()
            except TimeoutError:
                return f"{name}: did not connect within {CONNECT_TIMEOUT_S:g} s"
            except BenchError as error:
                return f"{name}: {error}"
            return None

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(name, driver)) for name, driver in self.drivers.items()]
        failed = {
            name: failure
            for name, task in zip(self.drivers, tasks, strict=True)
            if (failure := task.result()) is not None
        }
        if failed:
            error = DeviceLost("these devices could not be reached:\n  " + "\n  ".join(failed.values()))
            error.devices = tuple(failed)
            raise error
        for driver in self.drivers.values():
            driver.rig_connected()

    async def close(self) -> None:
        """Close every device, the last one first; what is wrong with one does not keep another open."""
        async with AsyncExitStack() as stack:
            for driver in self.drivers.values():
                stack.push_async_callback(driver.close)


def _article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"


@asynccontextmanager
async def open_rig(
    rig: Rig,
    clock: Clock,
    *,
    seed: int | None = None,
    faults: Sequence[str] = (),
    state: Path | None = None,
    only: Collection[str] | None = None,
    world_record: Path | None = None,
) -> AsyncIterator[RigSession]:
    """Bring a rig up and take it down again: its world first, then its devices.

    Args:
        rig: the rig.
        clock: the one clock.
        seed: seed of the emulated world instead of the rig file's own.
        faults: faults of the emulated world beside the rig file's own.
        state: folder for counters and the ledger, if the rig file names none; an emulated rig begins its life anew
            each time.
        only: connect to these devices and no others.
        world_record: file that gets a line for each beginning and end of a fault of the emulated world.

    Raises:
        UsageError: the rig file is wrong.
        DeviceLost: devices could not be reached.
    """
    if faults and not rig.emulated:
        raise UsageError("faults can only be injected into an emulated rig")
    if rig.file.state is not None:
        state = rig.document.path.parent / rig.file.state
    with tempfile.TemporaryDirectory(prefix="hilbench-") as scratch:
        folder = Path(scratch) if rig.emulated or state is None else state / rig.name
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise storage_error(error, "the rig's state folder cannot be made", folder) from None
        world = build_emulation(rig, clock, seed=seed, faults=faults, record=world_record) if rig.emulated else None
        stream = EventStream(clock)
        # Counters belong to Users, who act on several rigs; what was seen belongs to the rig.
        counters = FileCounters((folder if folder.is_relative_to(scratch) else folder.parent) / "counters")
        try:
            if world is not None:
                await world.start()
            parties = world.parties if world is not None else load_parties(rig)
            settings = world.settings if world is not None else {}
            # A world in this process is reached by nobody else.
            kept = None if folder.is_relative_to(scratch) else folder
            shared = None if kept is None else shared_root(kept)
            drivers = build_drivers(rig, settings, stream, parties, counters, only=only, shared=shared)
            session = RigSession(rig, stream, drivers, parties, Ledger(folder / "seen.jsonl"), kept)
            try:
                await session.connect()
                loading.done()
                yield session
            finally:
                await session.close()
        finally:
            counters.close()
            if world is not None:
                await world.close()
