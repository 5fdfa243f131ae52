"""What the emulated instruments cost: the time of a query, and the memory of a rig."""

from __future__ import annotations

import asyncio
import gc
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from bench.clock import RealClock
from bench.rig.load import load_rig
from bench.rig.session import open_rig
from bench.runner import make_clock
from bench.virtual_time import VirtualLoop
from drivers.ac_source import ScpiAcSource
from tests.benchmarks.result import RIG, ROOT, Result

_TARGET_US = 150.0
_QUERIES = 2000
_REPEATS = 7
_RIGS = 100
_QUERY = b"MEAS:VOLT?\n"


def query() -> list[Result]:
    """Queries to the rig's emulated AC source in real time: by a bare client, and by the bench's own driver."""
    bare, driver = asyncio.run(_query())
    return [
        Result(
            "a SCPI query over TCP to the emulated source, p50, bare client", "us", bare, _TARGET_US, "same process"
        ),
        Result("the same by the bench's driver, with its wire events, p50", "us", driver, None, "same process"),
    ]


async def _query() -> tuple[list[float], list[float]]:
    async with open_rig(load_rig(RIG), RealClock()) as session:
        source = session.drivers["source"]
        assert isinstance(source, ScpiAcSource)
        _, host, port, _ = source.config.resource.split("::")
        reader, writer = await asyncio.open_connection(host, int(port))

        async def ask() -> None:
            writer.write(_QUERY)
            await reader.readline()

        async def measure() -> None:
            await source.measure("voltage")

        bare = [await _p50_us(ask) for _ in range(_REPEATS)]
        driver = [await _p50_us(measure) for _ in range(_REPEATS)]
        writer.close()
        await writer.wait_closed()
        return bare, driver


async def _p50_us(ask: Callable[[], Awaitable[None]]) -> float:
    times = []
    for _ in range(_QUERIES):
        began_ns = time.perf_counter_ns()
        await ask()
        times.append(time.perf_counter_ns() - began_ns)
    return statistics.median(times) / 1000


def rigs() -> list[Result]:
    """100 emulated rigs in one process, all wires up and all drivers connected."""
    command = [sys.executable, "-m", "tests.benchmarks.wires"]
    outputs = [
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=120).stdout.split()
        for _ in range(2)
    ]
    return [
        Result(f"memory of one of {_RIGS} emulated rigs with its drivers", "MB", [float(line[0]) for line in outputs]),
        Result(f"start of one of {_RIGS} emulated rigs", "ms", [float(line[1]) for line in outputs]),
    ]


def resident_bytes() -> int:
    """The memory that this process has now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def _many_rigs() -> tuple[float, float]:
    rig = load_rig(RIG)
    async with AsyncExitStack() as stack:
        # The first one brings in what all share: modules, certificates of the operating system, thread pools.
        await stack.enter_async_context(open_rig(rig, make_clock()))
        gc.collect()
        before, began_s = resident_bytes(), time.perf_counter()
        for seed in range(_RIGS):
            await stack.enter_async_context(open_rig(rig, make_clock(), seed=seed))
        took_s = time.perf_counter() - began_s
        await asyncio.sleep(10)
        gc.collect()
        return (resident_bytes() - before) / _RIGS / 1e6, took_s / _RIGS * 1e3


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        print(*runner.run(_many_rigs()))
