"""Who holds a rig: one process at a time, with a heartbeat on disk that outlives it.

The lease is a file in the rig's state folder. It is beaten once a second on the monotonic clock of the boot, so that a
stepped wall clock neither ends a lease nor makes it eternal. A lease that was not given back, because its holder died
or hung, ends after `EXPIRES_S`; who takes the rig then has to make it safe before anything else, and is told so.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import getpass
import json
import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.clock import RealClock, boot_id
from bench.durable import storage_error, sync_folder
from bench.errors import BenchError, UsageError
from bench.tasks import stop

BEAT_S = 1.0
"""How often a lease is beaten, in seconds."""

EXPIRES_S = 10.0
"""A lease that has not been beaten for so long has expired."""


class HeldElsewhere(UsageError):
    """Somebody else holds the rig."""


@dataclass(frozen=True, slots=True)
class Holder:
    """What the file says.

    Attributes:
        token: tells one taking of the rig from the next.
        who: user and machine.
        what: what the rig is used for: "run ic02", "serve".
        pid: of the process.
        boot: the boot of the machine in which the times count.
        taken_utc_ns: when, on the wall clock, for people.
        beat_mono_ns: the last heartbeat.
    """

    token: str
    who: str
    what: str
    pid: int
    boot: str
    taken_utc_ns: int
    beat_mono_ns: int

    @property
    def silent_s(self) -> float:
        """Seconds since the last heartbeat; endless if the machine was started anew since."""
        if self.boot != boot_id():
            return float("inf")
        return max(0.0, (RealClock().now().mono_ns - self.beat_mono_ns) / 1e9)

    @property
    def expired(self) -> bool:
        """Whether its holder is gone: silent for too long, or no process any more."""
        return self.silent_s > EXPIRES_S or not self.alive

    @property
    def alive(self) -> bool:
        """Whether its process still runs."""
        return self.boot == boot_id() and alive(self.pid)

    def __str__(self) -> str:
        beat = "before the last start of the machine" if self.silent_s == float("inf") else f"{self.silent_s:.0f} s ago"
        return f"{self.who}, process {self.pid} ({self.what}), last heartbeat {beat}"


class Lease:
    """The right to use a rig, until it is given back.

    Make it with `take`.

    Attributes:
        abandoned: the holder before, if it never gave the rig back: then the rig has to be made safe first.
    """

    def __init__(self, folder: Path, holder: Holder, abandoned: Holder | None) -> None:
        self._folder, self._holder, self.abandoned = folder, holder, abandoned

    @classmethod
    def take(cls, folder: Path, what: str, *, force: bool = False) -> Lease:
        """Take a rig.

        Args:
            folder: the rig's state folder, which exists.
            what: what for, for those who find it taken.
            force: also from somebody who uses it; his process sees that at its next heartbeat, and aborts.

        Raises:
            HeldElsewhere: it is used.
            StorageError: the file cannot be written.
        """
        with locked(folder):
            before = _read(folder)
            if before is not None and not before.expired and not force:
                raise HeldElsewhere(
                    f"the rig is held by {before}", where=str(folder), next_step="Wait until it is given back"
                )
            now = RealClock().now()
            holder = Holder(secrets.token_hex(8), _who(), what, os.getpid(), boot_id(), now.utc_ns, now.mono_ns)
            _write(folder, holder, durable=True)
        return cls(folder, holder, before)

    def beat(self) -> bool:
        """Say that the holder lives; false if somebody has taken the rig away."""
        with locked(self._folder):
            found = _read(self._folder)
            if found is None or found.token != self._holder.token:
                return False
            _write(
                self._folder,
                Holder(**(asdict(self._holder) | {"beat_mono_ns": RealClock().now().mono_ns})),
            )
        return True

    @asynccontextmanager
    async def kept(
        self, on_lost: Callable[[str], None], recovered: Callable[[], bool] = lambda: True
    ) -> AsyncIterator[None]:
        """Beat while the rig is used, and give it back.

        Args:
            on_lost: told once why the rig is no longer ours.
            recovered: whether a rig that was abandoned was made safe by the end. If not it is not given back, so that
                whoever takes it next still knows that it has to be.
        """
        try:
            async with self._beaten(on_lost):
                yield
        finally:
            if self.abandoned is None or recovered():
                self.release()

    @asynccontextmanager
    async def _beaten(self, on_lost: Callable[[str], None]) -> AsyncIterator[None]:
        beats = asyncio.create_task(self._keep(on_lost), name="lease")
        try:
            yield
        finally:
            stop(beats)
            with contextlib.suppress(asyncio.CancelledError):
                await beats

    async def _keep(self, on_lost: Callable[[str], None]) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            try:
                kept = self.beat()
            except BenchError as error:
                on_lost(f"the lease of the rig cannot be kept: {error}")
                return
            if not kept:
                on_lost("somebody else took the rig")
                return

    def release(self) -> None:
        """Give the rig back, if it is still ours."""
        with contextlib.suppress(BenchError), locked(self._folder):
            found = _read(self._folder)
            if found is not None and found.token == self._holder.token:
                _path(self._folder).unlink(missing_ok=True)


def holder_of(folder: Path) -> Holder | None:
    """Who holds the rig of a state folder, or has not given it back."""
    return _read(folder)


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"user {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def alive(pid: int) -> bool:
    """Whether a process of this machine still runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    # A process that has ended and whose parent has not asked about it yet is still there by number.
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return True
    return state not in ("Z", "X")


def _path(folder: Path) -> Path:
    return folder / "lease.json"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody else reads or writes the lease, or the queue, of a folder meanwhile."""
    try:
        fd = os.open(folder / "lease.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise storage_error(error, "the lease of the rig cannot be taken", folder) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _read(folder: Path) -> Holder | None:
    try:
        text = _path(folder).read_text()
        # A power failure may leave nothing of what was being written: somebody held it, and nobody knows who.
        return Holder(**json.loads(text)) if text else Holder("", "somebody", "until the power failed", 0, "", 0, 0)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise BenchError(
            f"the lease cannot be read: {error}",
            where=str(_path(folder)),
            next_step="Make sure that nobody uses the rig, then delete the file",
        ) from None


def _write(folder: Path, holder: Holder, *, durable: bool = False) -> None:
    """Put a lease in its place; heartbeats need not outlive a power failure, but that somebody held the rig must."""
    draft = folder / "lease.new"
    try:
        with draft.open("w") as file:
            file.write(json.dumps(asdict(holder)) + "\n")
            if durable:
                file.flush()
                os.fsync(file.fileno())
        draft.replace(_path(folder))
        if durable:
            sync_folder(folder)
    except OSError as error:
        raise storage_error(error, "the lease of the rig cannot be written", folder) from error
