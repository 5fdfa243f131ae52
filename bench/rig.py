"""A rig that is alive: its emulated world if it brings one, its drivers connected, its events flowing."""

from __future__ import annotations

import asyncio
import functools
import tempfile
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from pydantic import BaseModel, ValidationError

from bench.capabilities import can
from bench.clock import Clock
from bench.counters import FileCounters
from bench.device import AnyDriver, Counters, DeviceContext, Driver
from bench.durable import storage_error
from bench.errors import BenchError, DeviceLost, UsageError
from bench.events import Event, EventStream
from bench.ledger import Ledger
from bench.parties import Dut, Parties
from bench.rig_file import Rig
from bench.rig_keys import load_parties
from bench.shared_address import shared_root
from bench.sightings import Sighting, sight
from bench.strict_yaml import sentences

CONNECT_TIMEOUT_S = 15.0

T = TypeVar("T")


class Emulation(Protocol):
    """An emulated world, as the controller sees it: something to start, that says where its wires are.

    Attributes:
        on_change: called whenever something may have changed that `memory` holds.
    """

    on_change: Callable[[], None]

    @property
    def parties(self) -> Parties:
        """Everybody on the rig, with keys and certificates made for it."""

    @property
    def record(self) -> Sequence[Mapping[str, Any]]:
        """What went wrong in the world and when, whatever the bench made of it."""

    @property
    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """Keys to add to each device's section of the rig file: where its wire is."""

    async def start(self) -> None:
        """Bring the world and its wires up."""

    async def close(self) -> None:
        """Take everything down."""

    def memory(self) -> bytes:
        """Everything that another life of this world needs to go on."""

    def private_material(self) -> Mapping[str, bytes]:
        """Key and certificate files by relative path, for a rig that another process uses."""


@functools.cache
def _installed(group: str) -> Mapping[str, EntryPoint]:
    """The entry points of a group by name; to search all that is installed for each device would take a while."""
    return {entry.name: entry for entry in entry_points(group=group)}


def load_entry(entry: EntryPoint) -> Any:
    """What an entry point names.

    Raises:
        UsageError: it cannot be imported.
    """
    try:
        return entry.load()
    except (ImportError, AttributeError) as error:
        raise UsageError(f"{entry.name!r} is installed and cannot be loaded: {error}", where=entry.value) from error


def emulator_class() -> Any:
    """The installed emulator, found by entry point.

    Raises:
        UsageError: none is installed.
    """
    for entry in _installed("hilbench.emulators").values():
        return load_entry(entry)
    raise UsageError("no emulator is installed", next_step="Install the project with its drivers")


def driver_class(rig: Rig, device: str) -> type[AnyDriver]:
    """The class of a device's driver, found by entry point.

    Raises:
        UsageError: there is no such driver.
    """
    name = str(rig.file.devices[device]["driver"])
    found = _installed("hilbench.drivers")
    if name not in found:
        raise UsageError(
            f"there is no driver {name!r}",
            where=rig.where("devices", device, "driver"),
            next_step=f"There are: {', '.join(sorted(found))}",
        )
    return cast("type[AnyDriver]", load_entry(found[name]))


def drawn_faults(section: Mapping[str, Any], seed: int) -> tuple[str, ...]:
    """Draw the faults of a night from a fault schedule, for `open_rig`; the same seed gives the same ones.

    Args:
        section: as `emulation.fault_schedule` of a rig file: `faults`, `every`, `shortest`, `longest`, `until`, `seed`.
        seed: in place of a seed of the section's own.

    Raises:
        UsageError: the section is no schedule, or names no such fault.
    """
    try:
        return tuple(emulator_class().drawn_faults(section, seed))
    except ValidationError as error:
        mistakes = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise UsageError(f"the fault schedule cannot be read: {mistakes}") from None


def build_emulation(
    rig: Rig,
    clock: Clock,
    *,
    seed: int | None,
    faults: Sequence[str],
    saved: bytes | None = None,
    record: Path | None = None,
) -> Emulation:
    """Make (but not start) the emulated world of a rig.

    Args:
        rig: whose world it is.
        clock: true time.
        seed: in place of the rig file's.
        faults: what goes wrong beside the rig file's faults.
        saved: the memory of an earlier life of it.
        record: file that gets a line for each beginning and end of a fault.

    Raises:
        UsageError: the rig's `emulation` section is wrong, a fault has no such name, or `saved` is of another world.
    """
    emulator = emulator_class()
    section = dict(rig.file.emulation or {})
    spec_class: type[BaseModel] = emulator.Spec
    try:
        spec = spec_class.model_validate(section)
    except ValidationError as error:
        raise UsageError("\n".join(sentences(rig.document, spec_class, ("emulation",), error))) from None
    users = {name: {"role": user.role, "id": str(user.id)} for name, user in rig.file.users.items()}
    world: Emulation = emulator(
        spec,
        rig_devices={name: dict(section) for name, section in rig.file.devices.items()},
        supply=rig.file.supply.model_dump(),
        users=users,
        duts=rig.duts,
        clock=clock,
        seed=seed,
        faults=tuple(faults),
        rig=rig.name,
        saved=saved,
        record=record,
    )
    return world


def build_drivers(
    rig: Rig,
    settings: Mapping[str, Mapping[str, Any]],
    stream: EventStream,
    parties: Parties,
    counters: Counters,
    *,
    only: Collection[str] | None = None,
    shared: Path | None = None,
) -> dict[str, AnyDriver]:
    """Make the rig's drivers, or only some of them, opening nothing.

    Args:
        rig: whose they are.
        settings: of an emulated world: keys to add to their sections of the rig file.
        stream: where their events go.
        parties: who is on the rig.
        counters: counters that survive the process.
        only: make these and no others.
        shared: the folder of what rigs of several processes share.

    Raises:
        UsageError: with every mistake in every device's section, and two devices on one resource.
    """
    drivers: dict[str, AnyDriver] = {}
    mistakes: list[str] = []
    holders: dict[str, tuple[str, str]] = {}
    for name, section in rig.file.devices.items():
        if only is not None and name not in only:
            continue
        try:
            cls = driver_class(rig, name)
        except UsageError as error:
            mistakes.append(str(error))
            continue
        merged = {key: value for key, value in section.items() if key != "driver"} | dict(settings.get(name, {}))
        try:
            config = cls.Config.model_validate(merged)
        except ValidationError as error:
            mistakes.extend(sentences(rig.document, cls.Config, ("devices", name), error))
            continue
        driver: Driver[Any] = cls(DeviceContext(name, stream, parties, counters, rig.name, shared), config)
        # A use of its own for what is held exclusively: nobody else's is the same.
        uses = dict.fromkeys(driver.resources(), f"by {name} alone") | dict(driver.shared_ports())
        for resource, use in uses.items():
            other, other_use = holders.setdefault(resource, (name, use))
            if other_use != use:
                how = f", {use} and {other_use}" if resource in driver.shared_ports() else ""
                mistakes.append(f"{rig.where('devices', name)}: {name} and {other} are both on {resource}{how}")
        drivers[name] = driver
    if mistakes:
        raise UsageError("\n".join(mistakes))
    return drivers


class RigSession:
    """A connected rig.

    Attributes:
        rig: the file it was made from.
        stream: its events.
        drivers: by device name, connected.
        parties: who is on it.
        ledger: what has been seen on it before.
    """

    def __init__(
        self, rig: Rig, stream: EventStream, drivers: Mapping[str, AnyDriver], parties: Parties, ledger: Ledger
    ) -> None:
        self.rig = rig
        self.stream = stream
        self.drivers = drivers
        self.parties = parties
        self.ledger = ledger
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
            shared = None if folder.is_relative_to(scratch) else shared_root(folder)
            drivers = build_drivers(rig, settings, stream, parties, counters, only=only, shared=shared)
            session = RigSession(rig, stream, drivers, parties, Ledger(folder / "seen.jsonl"))
            try:
                await session.connect()
                yield session
            finally:
                await session.close()
        finally:
            counters.close()
            if world is not None:
                await world.close()


def dut_summary(duts: Mapping[str, Dut]) -> dict[str, dict[str, str]]:
    """The devices under test for the record, without their secrets."""
    return {
        name: {
            "type": dut.type.value,
            "id": str(dut.eui),
            "model": dut.model,
            "manufacturer": dut.manufacturer,
            "firmware": dut.firmware,
            "serial": dut.serial,
            "mpxn": dut.mpxn or "",
        }
        for name, dut in duts.items()
    }
