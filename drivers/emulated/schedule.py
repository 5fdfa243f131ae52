"""Timers of the emulated world: one owner, so that closing it leaves nothing behind."""

from __future__ import annotations

import asyncio
import heapq
import math
import random
from collections.abc import Callable

Action = Callable[[], None]

_ROUNDING = 1e-6
"""Part of an interval by which moments that are the same may differ."""


class Schedule:
    """Calls actions at moments of the event loop's clock until it is closed, those of one moment as they were asked.

    Attributes:
        on_ran: called after each action.

    An exception in an action is a mistake in the emulator: the first one is kept, stops the schedule and is
    raised by `close`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, seed: int) -> None:
        self._loop = loop
        self._seed = seed
        self._began_s = loop.time()
        self._pending: dict[int, tuple[asyncio.TimerHandle, Action]] = {}
        # The loop keeps no order among timers of one moment.
        self._order: list[tuple[float, int]] = []
        self._made = 0
        self._failure: Exception | None = None
        self.on_ran: Action = lambda: None

    @property
    def now_s(self) -> float:
        """The loop's time in seconds."""
        return self._loop.time()

    @property
    def age_s(self) -> float:
        """Seconds since the world began."""
        return self.now_s - self._began_s

    def random(self, label: str) -> random.Random:
        """A generator of its own for one purpose, so that one purpose does not disturb another."""
        return random.Random(f"{self._seed} {label}")

    def at(self, when_s: float, action: Action) -> Timer:
        """Call an action at a moment, or at the loop's next turn if that has passed."""
        self._made += 1
        number, when_s = self._made, max(when_s, self.now_s)
        self._pending[number] = self._loop.call_at(when_s, self._run_first, when_s), action
        heapq.heappush(self._order, (when_s, number))
        return Timer(self, number)

    def after(self, delay_s: float, action: Action) -> Timer:
        """Call an action after a delay in seconds."""
        return self.at(self.now_s + delay_s, action)

    def cancel(self, number: int) -> None:
        """Forget a timer; nothing happens if it has run already."""
        handle, _ = self._pending.pop(number, (None, None))
        if handle is not None:
            handle.cancel()

    def is_pending(self, number: int) -> bool:
        """Whether a timer has still to run."""
        return number in self._pending

    def left_s(self, number: int) -> float:
        """Seconds until a timer runs; 0 if it has run."""
        handle, _ = self._pending.get(number, (None, None))
        return max(0.0, handle.when() - self.now_s) if handle is not None else 0.0

    def close(self) -> None:
        """Cancel every timer and raise what an action raised."""
        for number in list(self._pending):
            self.cancel(number)
        self._order.clear()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _run_first(self, until_s: float) -> None:
        """Run the first action that is due; the timer of another one may stand for it, and its own for that one."""
        while self._order and self._order[0][1] not in self._pending:
            heapq.heappop(self._order)
        if not self._order or self._order[0][0] > until_s:
            return
        _, action = self._pending.pop(heapq.heappop(self._order)[1])
        if self._failure is not None:
            return
        try:
            action()
        except Exception as error:
            self._failure = error
        self.on_ran()


def next_turn(from_s: float, interval_s: float, phase: float) -> float:
    """The first moment, not before `from_s`, of those that come at an interval; `phase` is a part of the interval.

    Asked at such a moment, it gives that very moment.
    """
    # Whoever asks at one has it as this function gave it, rounded: it must not be taken for one that has just gone by.
    return max(from_s, (math.ceil(from_s / interval_s - phase - _ROUNDING) + phase) * interval_s)


class Timer:
    """One action that is still to come."""

    __slots__ = ("_number", "_schedule")

    def __init__(self, schedule: Schedule, number: int) -> None:
        self._schedule, self._number = schedule, number

    @property
    def pending(self) -> bool:
        """Whether it has still to run."""
        return self._schedule.is_pending(self._number)

    @property
    def left_s(self) -> float:
        """Seconds until it runs; 0 if it has run."""
        return self._schedule.left_s(self._number)

    def cancel(self) -> None:
        """Let it not run; may be called at any time."""
        self._schedule.cancel(self._number)
