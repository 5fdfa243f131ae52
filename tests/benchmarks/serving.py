"""An engine's service in this process, in real time, with the emulated rig."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.clock import RealClock
from bench.evidence.keys import BenchKey
from bench.one_run import RigRunner
from bench.rig.load import load_rig
from bench.rig.session import RigSession, open_rig
from bench.service.address import socket_path
from bench.service.listening import listening
from bench.service.server import EngineService
from tests.benchmarks.result import RIG


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[RigSession, Path]]:
    """The connected rig, and the socket at which clients find its engine.

    Args:
        folder: where the bench keeps its state.
    """
    rig = load_rig(RIG)
    state = folder / rig.name
    state.mkdir()
    socket = socket_path(state)
    async with open_rig(rig, RealClock()) as session:
        runs = RigRunner(session, state / "evidence", BenchKey.load_or_create(state / "keys"))
        service = EngineService(session, runs, state)
        async with listening(service.serve, socket):
            work = asyncio.create_task(service.work())
            try:
                yield session, socket
            finally:
                service.end("measured")
                await work
