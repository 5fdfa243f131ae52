"""What several rigs of a lab share, an AC source say: one rig uses it at a time, in the order in which they asked.

Each has a folder beside the rigs' state folders, with a lease like a rig's own (bench/lease.py), a queue, and a mark as
long as nobody knows that it was left parked. Rigs that share something keep their state under one folder.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.clock import boot_id
from bench.durable import storage_error
from bench.errors import BenchError
from bench.lease import HeldElsewhere, Holder, Lease, alive, holder_of, locked
from bench.rig.file import Rig
from bench.shared_address import shared_root

LOOK_S = 0.5
"""How often somebody who waits looks whether it is his turn, in seconds."""


@dataclass(frozen=True, slots=True)
class Waiter:
    """Somebody in a queue: the lower number first."""

    number: int
    pid: int
    boot: str
    what: str

    @property
    def gone(self) -> bool:
        """Whether its process has ended."""
        return self.boot != boot_id() or not alive(self.pid)


class Shares:
    """What a rig holds of what it shares.

    Attributes:
        unparked: whether somebody did not leave one of these parked; whoever has them now must park his rig first.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._marks = [folder / "in-use" for folder in folders]
        self.unparked = any(mark.exists() for mark in self._marks)

    def begun(self) -> None:
        """A run begins: from now on nobody knows in what state it leaves them."""
        for mark in self._marks:
            mark.touch()

    def parked(self) -> None:
        """The rig is parked, and so is what it shares."""
        self.unparked = False
        for mark in self._marks:
            mark.unlink(missing_ok=True)


def shared_folder(rig_folder: Path, name: str) -> Path:
    """Where the lease and the queue of something shared are.

    Args:
        rig_folder: the state folder of a rig that shares it.
        name: what the rig files call it.
    """
    return shared_root(rig_folder) / name


@asynccontextmanager
async def shares_held(
    rig: Rig,
    rig_folder: Path,
    what: str,
    *,
    on_lost: Callable[[str], None],
    say: Callable[[str], None],
    given_up: Callable[[], bool] = lambda: False,
) -> AsyncIterator[Shares]:
    """Hold everything that a rig shares, after waiting in each queue; always in one order, so that none waits for ever.

    Args:
        rig: which.
        rig_folder: its state folder.
        what: what for, for those who wait.
        on_lost: told if a lease is lost.
        say: told once for each thing that is waited for.
        given_up: looked at while waiting; true ends the wait.

    Raises:
        HeldElsewhere: the wait was given up.
        StorageError: the lease cannot be written.
    """
    folders = []
    async with AsyncExitStack() as stack:
        for name in sorted(set(rig.file.shared.values())):
            folder = shared_folder(rig_folder, name)
            try:
                (folder / "queue").mkdir(parents=True, exist_ok=True, mode=0o700)
            except OSError as error:
                raise storage_error(error, f"the folder of {name} cannot be made", folder) from None
            lease = await _turn(folder, f"rig {rig.name}: {what}", name, say, given_up)
            await stack.enter_async_context(lease.kept(on_lost))
            folders.append(folder)
        yield Shares(folders)


async def _turn(folder: Path, what: str, name: str, say: Callable[[str], None], given_up: Callable[[], bool]) -> Lease:
    """Wait for one thing, and take it."""
    told = False
    with _in_queue(folder, what) as number:
        while True:
            before = [waiter for waiter in waiting(folder) if waiter.number < number]
            if not before:
                with suppress(HeldElsewhere):
                    return Lease.take(folder, what)
            if given_up():
                raise HeldElsewhere(f"{name} is used by {holder_of(folder) or before[0].what}", where=str(folder))
            if not told:
                told = True
                user = holder_of(folder) or before[0].what
                others = f"; {len(before)} more wait{'s' * (len(before) == 1)} for it" if before else ""
                say(f"waits for {name}, used by {user}{others}")
            await asyncio.sleep(LOOK_S)


@contextmanager
def _in_queue(folder: Path, what: str) -> Iterator[int]:
    with locked(folder):
        numbers = [waiter.number for waiter in waiting(folder)]
        number = max(numbers, default=0) + 1
        path = folder / "queue" / f"{number:012}.json"
        try:
            path.write_text(json.dumps({"number": number, "pid": os.getpid(), "boot": boot_id(), "what": what}))
        except OSError as error:
            raise storage_error(error, "the queue cannot be joined", folder) from None
    try:
        yield number
    finally:
        path.unlink(missing_ok=True)


def waiting(folder: Path) -> list[Waiter]:
    """Who waits for something shared, the first one first; those whose process has ended have left."""
    found = []
    for path in sorted((folder / "queue").glob("*.json")):
        try:
            waiter = Waiter(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            continue  # it leaves just now, or is no ticket
        if waiter.gone:
            path.unlink(missing_ok=True)
        else:
            found.append(waiter)
    return found


def used_by_another(rig: Rig, rig_folder: Path, device: str, pid: int) -> Holder | None:
    """Who else uses a device that a rig shares, at this moment; None if nobody does, or it is not shared.

    Args:
        rig: which.
        rig_folder: its state folder.
        device: of the rig.
        pid: of the rig's own engine.
    """
    name = rig.file.shared.get(device)
    if name is None:
        return None
    try:
        holder = holder_of(shared_folder(rig_folder, name))
    except BenchError:
        return None
    return holder if holder is not None and holder.pid != pid and not holder.expired else None
