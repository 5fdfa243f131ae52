"""The one source of time: an injected clock that says how well it knows what it says.

Two clocks ship. `RealClock` reads the operating system and asks it, by ntp_adjtime(3), whether it is synchronised
and how wrong it may be. `VirtualClock` reads a virtual-time event loop. Everything else in the project takes time
from one of them, or from the event loop, which is the same time; lint bans the rest.
"""

from __future__ import annotations

import asyncio
import ctypes
import ctypes.util
import functools
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from bench.errors import ClockError

VIRTUAL_EPOCH_UTC_NS = 1_767_225_600_000_000_000
"""2026-01-01T00:00:00Z: where every virtual run begins, so that one seed gives one journal."""

STEP_TOLERANCE_NS = 500_000_000
"""A change of UTC against the monotonic clock beyond this is a step: adjtime slews at most 0.5 ms a second."""

_RECHECK_NS = 1_000_000_000
_STA_UNSYNC = 0x0040
_TIME_ERROR = 5


class ClockKind(StrEnum):
    """Where time comes from."""

    REAL = "real"
    VIRTUAL = "virtual"


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment, read once from both time scales.

    Attributes:
        mono_ns: nanoseconds on the scale that never steps, which the event loop's `time()` shares; its zero is
            arbitrary.
        utc_ns: nanoseconds since 1970-01-01T00:00:00Z.
        kind: whether the clock was real or virtual.
        uncertainty_ns: how far utc_ns may be from true UTC; None where the operating system is not synchronised
            and nobody knows. A virtual clock is exact: 0.
    """

    mono_ns: int
    utc_ns: int
    kind: ClockKind
    uncertainty_ns: int | None

    @property
    def utc(self) -> datetime:
        """UTC as a datetime, rounded down to microseconds."""
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=self.utc_ns // 1000)

    @property
    def iso(self) -> str:
        """UTC in ISO 8601 with nanoseconds and a Z."""
        seconds, ns = divmod(self.utc_ns, 1_000_000_000)
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ns:09d}Z"


class Clock(Protocol):
    """Time, and how well it is known."""

    @property
    def kind(self) -> ClockKind:
        """Real or virtual."""

    def now(self) -> Instant:
        """Read both time scales at once."""

    async def sleep(self, duration_s: float) -> None:
        """Wait for a duration on the monotonic scale, in seconds; cancellation ends it at once."""

    def mark(self) -> None:
        """Begin to look for steps of UTC: what was before a run is no concern of it."""

    def check(self) -> None:
        """Raise ClockError if UTC was stepped since `mark`, or since the clock was made."""


@dataclass(frozen=True, slots=True)
class Synchronisation:
    """What the operating system says of its own clock.

    Attributes:
        synchronised: whether some time service disciplines it.
        max_error_ns: its bound on the error of UTC, meaningful only while synchronised.
    """

    synchronised: bool
    max_error_ns: int

    def __str__(self) -> str:
        if not self.synchronised:
            return "unsynchronised"
        return f"synchronised, within {self.max_error_ns / 1e6:.3f} ms"


class _Timex(ctypes.Structure):
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time_sec", ctypes.c_long),
        ("time_usec", ctypes.c_long),
        ("rest", ctypes.c_byte * 128),
    )


_libc = ctypes.CDLL(ctypes.util.find_library("c") or "libc.so.6", use_errno=True)


def read_synchronisation() -> Synchronisation:
    """Ask the kernel by ntp_adjtime(3), changing nothing.

    A kernel that cannot be asked counts as unsynchronised: nothing is known of its error.
    """
    state = _Timex(modes=0)
    result = int(_libc.ntp_adjtime(ctypes.byref(state)))
    unsynchronised = result < 0 or result == _TIME_ERROR or bool(state.status & _STA_UNSYNC)
    return Synchronisation(not unsynchronised, 0 if unsynchronised else int(state.maxerror) * 1000)


@functools.cache
def boot_id() -> str:
    """What tells this boot of the machine, and so its monotonic clock, from the next.

    Raises:
        ClockError: the kernel does not say.
    """
    path = Path("/proc/sys/kernel/random/boot_id")
    try:
        return path.read_text().strip()
    except OSError as error:
        raise ClockError(f"one boot of this machine cannot be told from the next: {error}", where=str(path)) from None


class RealClock:
    """The operating system's clocks, with their synchronisation state re-read at most once a second."""

    def __init__(self) -> None:
        self._synchronisation = read_synchronisation()
        self._checked_ns = time.monotonic_ns()
        self.mark()

    @property
    def kind(self) -> ClockKind:
        """Always real."""
        return ClockKind.REAL

    @property
    def synchronisation(self) -> Synchronisation:
        """What the operating system last said of its clock."""
        return self._synchronisation

    def now(self) -> Instant:
        """Read both time scales; they are less than a microsecond apart on an idle machine."""
        mono_ns, utc_ns = time.monotonic_ns(), time.time_ns()
        if mono_ns - self._checked_ns >= _RECHECK_NS:
            self._synchronisation = read_synchronisation()
            self._checked_ns = mono_ns
        state = self._synchronisation
        return Instant(mono_ns, utc_ns, ClockKind.REAL, state.max_error_ns if state.synchronised else None)

    async def sleep(self, duration_s: float) -> None:
        """Wait in real time."""
        await asyncio.sleep(duration_s)

    def mark(self) -> None:
        """Take the two time scales as they are to each other now."""
        self._offset_ns = time.time_ns() - time.monotonic_ns()

    def check(self) -> None:
        """Raise ClockError if UTC was stepped against the monotonic clock since `mark`."""
        step_ns = time.time_ns() - time.monotonic_ns() - self._offset_ns
        if abs(step_ns) > STEP_TOLERANCE_NS:
            raise ClockError(
                f"the system clock was stepped by {step_ns / 1e9:+.3f} s during the run",
                next_step="Evidence taken across a step is not good: let the time service settle and run again",
            )


class VirtualClock:
    """Reads a (virtual-time) event loop; its UTC starts at a fixed epoch, so that runs repeat exactly."""

    def __init__(self, loop: asyncio.AbstractEventLoop, epoch_utc_ns: int = VIRTUAL_EPOCH_UTC_NS) -> None:
        self._loop = loop
        self._epoch_utc_ns = epoch_utc_ns

    @property
    def kind(self) -> ClockKind:
        """Always virtual."""
        return ClockKind.VIRTUAL

    def now(self) -> Instant:
        """Read the loop's time; exact by construction."""
        mono_ns = round(self._loop.time() * 1e9)
        return Instant(mono_ns, self._epoch_utc_ns + mono_ns, ClockKind.VIRTUAL, 0)

    async def sleep(self, duration_s: float) -> None:
        """Wait in the loop's time."""
        await asyncio.sleep(duration_s)

    def mark(self) -> None:
        """A virtual clock cannot be stepped."""

    def check(self) -> None:
        """A virtual clock cannot be stepped."""
