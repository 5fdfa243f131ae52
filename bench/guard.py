"""The guard: a small process that makes a rig safe when its engine cannot do so any more.

It reads heartbeats from a pipe. When the engine goes without a word (killed), or is silent for too long (hung), the
guard brings every device of the rig's safe state there, each by a connection of its own and all at the same time: a
source that is blocked never keeps the relay closed. An engine that hangs is killed first: it still holds connections,
and might go on with its work later. What was done, and how, is on record in the rig's state folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench import alarm
from bench.clock import RealClock
from bench.counters import FileCounters
from bench.device import AnyDriver
from bench.errors import BenchError
from bench.events import EventStream
from bench.ledger import Ledger
from bench.parties import Certificates, Parties
from bench.rig.drivers import build_drivers
from bench.rig.file import Rig
from bench.rig.load import load_rig
from bench.rig.sections import SafetyAction
from bench.rig.session import RigSession
from bench.safety import reach
from bench.shared import used_by_another
from bench.tasks import stop

BEAT_S = 0.25
"""How often an engine says that it lives, in seconds."""

SILENT_S = 3.0
"""After so long without a word an engine is taken for hung."""

_AGAIN_S = 0.3
_ATTEMPT_S = 3.0
EXIT_UNSAFE = 4


@dataclass(slots=True)
class Secured:
    """What became of one device.

    Attributes:
        device: its name.
        confirmed: whether it read back as safe.
        attempts: how often a connection was tried.
        how: how the guard got through, or why it did not.
        after_s: seconds from the guard's alarm to the confirmation, or to giving up.
    """

    device: str
    confirmed: bool = False
    attempts: int = 0
    how: str = ""
    after_s: float = 0.0


@dataclass(slots=True)
class GuardReport:
    """What the guard saw and did."""

    rig: str
    why: str
    engine_pid: int
    run: str
    utc: str
    engine_killed: bool = False
    devices: list[Secured] = field(default_factory=list)

    @property
    def confirmed(self) -> bool:
        """Whether every device read back as safe."""
        return all(device.confirmed for device in self.devices)


def record_of(folder: Path) -> Path:
    """The file in a rig's state folder in which the guard writes what it did, a line each time."""
    return folder / "guard.jsonl"


def last_report(folder: Path) -> dict[str, Any] | None:
    """What the guard did last on a rig; None if it never had to."""
    try:
        lines = record_of(folder).read_text().splitlines()
        return dict(json.loads(lines[-1])) if lines else None
    except (OSError, ValueError):
        return None


def _lock(folder: Path) -> int:
    """The lock that a guard holds while it lives, as a file descriptor; not taken yet."""
    return os.open(folder / "guard.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


async def gone(folder: Path, within_s: float) -> bool:
    """Wait until no guard acts on a rig; false if one still does after that time.

    Args:
        folder: the rig's state folder.
        within_s: how long to wait.
    """
    deadline_s = asyncio.get_running_loop().time() + within_s
    fd = _lock(folder)
    try:
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if asyncio.get_running_loop().time() > deadline_s:
                    return False
                await asyncio.sleep(0.1)
            else:
                return True
    finally:
        os.close(fd)


async def secure(rig: Rig, report: GuardReport, folder: Path) -> None:
    """Bring every device of the rig's safe state there, and say in the report how that went.

    A device that another rig uses at this moment is left to it: this rig had no run on it.
    """
    by_device: dict[str, list[SafetyAction]] = {}
    for action in rig.file.safe.actions:
        by_device.setdefault(action.device, []).append(action)
    for device in tuple(by_device):
        secured = Secured(device)
        report.devices.append(secured)
        if (user := used_by_another(rig, folder, device, report.engine_pid)) is not None:
            secured.confirmed, secured.how = True, f"left to {user}"
    with tempfile.TemporaryDirectory(prefix="hilbench-guard-") as scratch:
        async with asyncio.TaskGroup() as group:
            for secured in (device for device in report.devices if not device.confirmed):
                group.create_task(_secure(rig, secured, by_device[secured.device], Path(scratch)))


async def _secure(rig: Rig, secured: Secured, actions: Sequence[SafetyAction], scratch: Path) -> None:
    loop = asyncio.get_running_loop()
    began_s, deadline_s = loop.time(), rig.file.safe.deadline
    only_these = rig.file.safe.model_copy(update={"actions": tuple(actions), "deadline": _ATTEMPT_S})
    confirmations = 0
    # Twice: what the engine sent with its last breath may get to the instrument after the first time.
    while confirmations < 2 and loop.time() - began_s < deadline_s:
        if secured.attempts:
            await asyncio.sleep(_AGAIN_S)
        secured.attempts += 1
        counters = FileCounters(scratch / secured.device)
        try:
            async with asyncio.timeout(_ATTEMPT_S):
                session = _session(rig, secured.device, counters)
                try:
                    await session.connect()
                    unconfirmed = await reach(session, "safe", only_these)
                finally:
                    await session.close()
            secured.confirmed = not unconfirmed
            confirmations = confirmations + 1 if secured.confirmed else 0
            if confirmations == 1:
                secured.after_s = round(loop.time() - began_s, 4)
            secured.how = "; ".join(unconfirmed) or f"by a connection of the guard's own, attempt {secured.attempts}"
        except TimeoutError:
            secured.how = f"no answer within {_ATTEMPT_S:g} s"
        except Exception as error:
            # Whatever is wrong, the next attempt and the other devices still get their turn.
            secured.how = str(error) if isinstance(error, BenchError) else repr(error)
        finally:
            counters.close()
    if not secured.confirmed:
        secured.after_s = round(loop.time() - began_s, 4)


def _session(rig: Rig, device: str, counters: FileCounters) -> RigSession:
    stream = EventStream(RealClock())
    parties = Parties({}, dict(rig.duts), rig.file.dcc, Certificates())
    drivers: dict[str, AnyDriver] = build_drivers(rig, {}, stream, parties, counters, only=(device,))
    for driver in drivers.values():
        # The engine's watchdogs stay armed: what the guard does not get through to, they may still end.
        driver.arms = False
    return RigSession(rig, stream, drivers, parties, Ledger())


async def watch(rig: Rig, folder: Path) -> int:
    """Read heartbeats from standard input until the engine takes its leave or is gone; the exit code of the guard."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    report = GuardReport(rig.name, "", 0, "", "")
    try:
        while True:
            try:
                async with asyncio.timeout(SILENT_S):
                    line = await reader.readline()
            except TimeoutError:
                report.why = f"the engine has been silent for {SILENT_S:g} s"
                report.engine_killed = _kill(report.engine_pid)
                break
            if not line.endswith(b"\n"):
                # Nothing, or what was being written as the engine died.
                report.why = "the engine ended without taking its leave"
                break
            beat = json.loads(line)
            if beat.get("bye"):
                return 0
            report.engine_pid, report.run = beat["pid"], beat.get("run", "")
    finally:
        transport.close()
    report.utc = RealClock().now().iso
    await secure(rig, report, folder)
    put_on_record(report, folder)
    await tell_if_unsafe(rig, report)
    return 0 if report.confirmed else EXIT_UNSAFE


def _kill(pid: int) -> bool:
    """End a hung engine, which may hold connections; whether it was there. While its pipe is open so is its number."""
    if not pid:
        return False
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def put_on_record(report: GuardReport, folder: Path) -> None:
    """Write a report to the rig's state folder, and say it to whoever reads standard error."""
    line = json.dumps(asdict(report) | {"confirmed": report.confirmed}) + "\n"
    fd = os.open(record_of(folder), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        os.write(fd, line.encode())
        os.fsync(fd)
    finally:
        os.close(fd)
    words = "the rig is safe" if report.confirmed else "THE SAFE STATE OF THE RIG IS NOT CONFIRMED: look at the bench"
    details = "; ".join(f"{each.device}: {each.how}" for each in report.devices)
    print(f"hilbench guard: {report.why}; {words} ({details})", file=sys.stderr, flush=True)


async def tell_if_unsafe(rig: Rig, report: GuardReport) -> None:
    """Sound the alarm if a device did not read back as safe."""
    if not report.confirmed:
        details = "; ".join(f"{each.device}: {each.how}" for each in report.devices if not each.confirmed)
        await alarm.sound(rig, f"the guard could not confirm the safe state: {details}")


class Guarded:
    """The engine's side of its guard.

    Attributes:
        run: what is going on, for the guard's record.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.run = ""
        self._process = process

    async def beat(self, on_lost: Callable[[str], None]) -> None:
        """Say that the engine lives, until cancelled; `on_lost` is told once if nobody listens any more."""
        pipe = self._process.stdin
        assert pipe is not None
        while self._process.returncode is None:
            try:
                pipe.write(json.dumps({"pid": os.getpid(), "run": self.run}).encode() + b"\n")
                await pipe.drain()
            except ConnectionError:
                break
            await asyncio.sleep(BEAT_S)
        on_lost("the guard of the rig has ended")

    async def leave(self) -> None:
        """Let the guard go: the rig is as it should be."""
        pipe = self._process.stdin
        assert pipe is not None
        with contextlib.suppress(ConnectionError):
            pipe.write(b'{"bye": true}\n')
            await pipe.drain()
            pipe.close()
        await self._process.wait()


@asynccontextmanager
async def guarded(rig: Rig, folder: Path, on_lost: Callable[[str], None]) -> AsyncIterator[Guarded]:
    """Have a guard watch this process while the rig is up.

    Args:
        rig: whose safe state it is; its world must live in other processes or be real.
        folder: the rig's state folder.
        on_lost: told if the guard ends before it should: nobody would make the rig safe if this process died.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.guard",
        str(rig.document.path),
        str(folder),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        # A Ctrl-C at the terminal is for the engine; the guard outlives it.
        start_new_session=True,
    )
    guard = Guarded(process)
    beats = asyncio.create_task(guard.beat(on_lost), name="heartbeat")
    try:
        yield guard
    finally:
        stop(beats)
        with contextlib.suppress(asyncio.CancelledError):
            await beats
        await guard.leave()


def main() -> None:
    """`python -m bench.guard RIG FOLDER`: the guard's own process."""
    rig_path, folder = Path(sys.argv[1]), Path(sys.argv[2])
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        # Whoever ends the engine's session must not take the guard along; it ends when the engine takes its leave.
        signal.signal(number, signal.SIG_IGN)
    # Held until this process ends: whoever takes the rig next waits for it, lest two hands act on one relay.
    fcntl.flock(_lock(folder), fcntl.LOCK_EX)
    sys.exit(asyncio.run(watch(load_rig(rig_path), folder)))


if __name__ == "__main__":
    main()
