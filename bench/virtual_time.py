"""An event loop whose clock jumps when nothing is ready, over real loopback sockets and ptys.

World and bench live in one process, so when poll(2) says that no descriptor is ready and no thread works, nothing
can happen before the next timer: the clock jumps there. Eight virtual hours take seconds, and the same seed
gives the same events in the same order.

* poll(2), never epoll: a write to a pty is handed over by a kernel worker; poll asks the terminal again each
  time, epoll only looks at its list and says "not ready". `check_poll_readiness` proves this on the machine.
* Results of executor threads are delivered in the order of submission and only when the loop is otherwise idle.
  The clock stands still while a thread works; after `freeze_s` of real time it flows one to one, so that a
  thread which waits for a virtual timer cannot hang the loop.
* A loop with no timer, no I/O and no thread is a bug in the bench: DeadlockError after `idle_limit_s`.

Other processes have no part in virtual time: use the real clock for them.
"""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import contextlib
import os
import pty
import selectors
import socket
import time
import tty
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from bench.errors import ClockError

_T = TypeVar("_T")
_Job = tuple["concurrent.futures.Future[Any]", "asyncio.Future[Any]"]


class DeadlockError(ClockError):
    """The virtual loop waits for nothing: no timer, no I/O and no thread can ever wake it."""


class _VirtualSelector(selectors.PollSelector):
    """A poll(2) selector that moves the loop's clock instead of sleeping."""

    def __init__(self) -> None:
        super().__init__()
        self.loop: VirtualLoop | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0 or self.loop is None:
            return ready
        return self.loop.wait(super().select, timeout)


class VirtualLoop(asyncio.SelectorEventLoop):
    """The virtual-time loop.

    Args:
        speed: virtual seconds for each real second; None jumps without waiting.
        freeze_s: real seconds that the clock stands still for a working thread before it flows one to one.
        idle_limit_s: real seconds of complete idleness before DeadlockError.
    """

    def __init__(
        self,
        *,
        speed: float | None = None,
        freeze_s: float = 2.0,
        idle_limit_s: float = 5.0,
        start_s: float = 0.0,
    ) -> None:
        self._now_s = start_s
        self._jobs: collections.deque[_Job] = collections.deque()
        self._flowing = False
        self._holds = 0
        self.speed = speed
        self.freeze_s = freeze_s
        self.idle_limit_s = idle_limit_s
        self.jumps = 0
        selector = _VirtualSelector()
        super().__init__(selector)
        selector.loop = self
        # asyncio treats timers within this resolution as due together; the real clock's would blur nanoseconds.
        self._internals._clock_resolution = 1e-9

    @property
    def _internals(self) -> Any:
        return self

    def time(self) -> float:
        """The virtual time in seconds since the loop's start."""
        return self._now_s

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Stop the clock, for as long as a person needs to answer: no timer fires inside."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1

    def run_in_executor(  # type: ignore[override]
        self, executor: concurrent.futures.Executor | None, func: Callable[..., _T], *args: Any
    ) -> asyncio.Future[_T]:
        """Run `func` in a thread; the clock stands still until its result is delivered."""
        if executor is None:
            executor = self._internals._default_executor
            if executor is None:
                executor = concurrent.futures.ThreadPoolExecutor(thread_name_prefix="virtual")
                self.set_default_executor(executor)
        future: asyncio.Future[_T] = self.create_future()
        job = executor.submit(func, *args)
        self._jobs.append((job, future))
        job.add_done_callback(self._wake)
        return future

    def _wake(self, _job: concurrent.futures.Future[Any]) -> None:
        # A loop that closed while the thread worked has nobody left to tell.
        with contextlib.suppress(RuntimeError):
            self.call_soon_threadsafe(lambda: None)

    def wait(
        self, poll: Callable[[float | None], list[tuple[selectors.SelectorKey, int]]], timeout: float | None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        """Find what to do next when nothing is ready: a thread's result, a timer, or I/O. The selector calls it."""
        if self._jobs:
            return self._wait_for_thread(poll, timeout)
        self._flowing = False
        if self._holds:
            return poll(None)
        if timeout is None:
            ready = poll(self.idle_limit_s)
            if not ready:
                raise DeadlockError(
                    f"the virtual clock cannot go on: no timer, no input and no thread for {self.idle_limit_s:g} s",
                    next_step="Something awaits an event that nothing can cause; see the innermost await of each task",
                )
            return ready
        due_s = self._internals._scheduled[0]._when
        if self.speed is not None:
            return self._wait_paced(poll, due_s, self.speed)
        # Nothing was ready a moment ago, and the jump itself makes nothing ready.
        self._now_s = max(self._now_s, due_s)
        self.jumps += 1
        return []

    def _wait_paced(
        self,
        poll: Callable[[float | None], list[tuple[selectors.SelectorKey, int]]],
        due_s: float,
        speed: float,
    ) -> list[tuple[selectors.SelectorKey, int]]:
        begun = time.monotonic()
        # poll(2) counts in milliseconds and rounds up: shorter waits would overshoot at high speed.
        wait_s = (due_s - self._now_s) / speed
        ready = poll(wait_s) if wait_s >= 0.001 else poll(0)
        elapsed_s = (time.monotonic() - begun) * speed
        self._now_s = min(due_s, self._now_s + elapsed_s) if ready else max(self._now_s, due_s)
        return ready

    def _wait_for_thread(
        self, poll: Callable[[float | None], list[tuple[selectors.SelectorKey, int]]], timeout: float | None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        if self._deliver_first():
            return []
        begun = time.monotonic()
        if self._holds:
            return poll(None)
        ready = poll(0.02 if self._flowing else self.freeze_s)
        if ready:
            self._flowing = self._flowing and not self._jobs[0][0].done()
            return ready
        self._flowing = True
        while any(job.done() for job, _ in self._jobs):
            self._deliver_any()
        if timeout is not None:
            self._now_s += min(time.monotonic() - begun, timeout, 0.02)
        return []

    def _deliver_first(self) -> bool:
        if not self._jobs[0][0].done():
            return False
        self._settle(*self._jobs.popleft())
        return True

    def _deliver_any(self) -> None:
        for entry in list(self._jobs):
            if entry[0].done():
                self._jobs.remove(entry)
                self._settle(*entry)

    @staticmethod
    def _settle(job: concurrent.futures.Future[Any], future: asyncio.Future[Any]) -> None:
        if future.done():
            return
        if job.cancelled():
            future.cancel()
        elif (error := job.exception()) is not None:
            future.set_exception(error)
        else:
            future.set_result(job.result())


def check_poll_readiness(tries: int = 20) -> None:
    """Prove that a loopback write is visible to poll(2) at once on this machine; about a millisecond.

    Raises:
        ClockError: it is not, so virtual time would see false time-outs here.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname())
    server, _ = listener.accept()
    master, slave = pty.openpty()
    tty.setraw(slave)
    try:
        pairs = (
            ("a TCP socket", client.fileno(), server.fileno()),
            ("a pty", master, slave),
            ("a pty", slave, master),
        )
        for name, writer, reader in pairs:
            selector = selectors.PollSelector()
            selector.register(reader, selectors.EVENT_READ)
            for _ in range(tries):
                os.write(writer, b"?\n")
                if not selector.select(0):
                    raise ClockError(
                        f"virtual time cannot work on this machine: poll(2) does not see a write to {name} at once",
                        next_step="Run with --realtime",
                    )
                os.read(reader, 16)
            selector.close()
    finally:
        for end in (listener, client, server):
            end.close()
        os.close(master)
        os.close(slave)
