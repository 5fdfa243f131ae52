"""Async tests run on the virtual loop (or a real one if marked `realtime`), and no test may leak."""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from bench.virtual_time import VirtualLoop

# A loaded machine is slow, not wrong: time-outs belong to pytest, not to each example.
settings.register_profile("hilbench", deadline=None)
settings.load_profile("hilbench")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test and fail it if it leaves a task behind."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    realtime = pyfuncitem.get_closest_marker("realtime") is not None
    factory = None if realtime else VirtualLoop

    async def body() -> None:
        await pyfuncitem.obj(**arguments)
        for _ in range(3):
            await asyncio.sleep(0)
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert not left, f"tasks left running: {left}"

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(body())
    return True


def _open_handles() -> dict[int, str]:
    handles = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        if target.startswith(("socket:", "/dev/pts/", "/dev/ptmx")):
            handles[int(name)] = target
    return handles


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """Fail a test that leaves a thread, a socket or a pty open."""
    threads, handles = set(threading.enumerate()), _open_handles()
    yield
    left = [thread.name for thread in threading.enumerate() if thread not in threads and thread.is_alive()]
    assert not left, f"threads left running: {left}"
    if _open_handles().items() - handles.items():
        gc.collect()
    leaked = dict(_open_handles().items() - handles.items())
    assert not leaked, f"sockets or ptys left open: {leaked}"


@pytest.fixture(autouse=True)
def heeds_signals() -> Iterator[None]:
    """Heed Ctrl-C again after a test of a command that stopped to, since a process of its own would have ended."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def rtds() -> Path:
    """The folder of reference messages, or skip."""
    folder = os.environ.get("HILBENCH_RTDS", "")
    if not folder:
        pytest.skip("HILBENCH_RTDS does not name the folder of reference messages")
    return Path(folder)
