"""An engine service in this process, on the emulated rig, in virtual time, and clients of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.clock import VirtualClock
from bench.evidence.keys import BenchKey
from bench.one_run import RigRunner
from bench.rig.load import load_rig
from bench.rig.session import RigSession, open_rig
from bench.service.client import EngineClient, connected
from bench.service.listening import listening
from bench.service.server import EngineService

ROOT = Path(__file__).parents[2]


@dataclass
class Engine:
    service: EngineService
    session: RigSession
    socket: Path
    work: asyncio.Task[None]


@asynccontextmanager
async def engine(folder: Path, *faults: str) -> AsyncIterator[Engine]:
    rig = load_rig(ROOT / "rigs" / "emulated.yaml")
    clock = VirtualClock(asyncio.get_running_loop())
    async with open_rig(rig, clock, faults=faults) as session:
        runs = RigRunner(session, folder / "evidence", BenchKey.load_or_create(folder / "keys"))
        service = EngineService(session, runs, folder)
        socket = folder / "engine.sock"
        async with listening(service.serve, socket):
            work = asyncio.create_task(service.work())
            try:
                yield Engine(service, session, socket, work)
            finally:
                service.end("the test is over")
                await work


@asynccontextmanager
async def attached(folder: Path, *faults: str) -> AsyncIterator[tuple[Engine, EngineClient]]:
    async with engine(folder, *faults) as served, connected(served.socket, who="Ada") as client:
        yield served, client


async def until(client: EngineClient, **wanted: Any) -> dict[str, Any]:
    """The next message that holds all this; of an event also what is in its data."""
    while (message := await client.messages.get()) is not None:
        found = message | (message.get("data") or {})
        if all(found.get(name) == value for name, value in wanted.items()):
            return message
    raise AssertionError("the engine has gone")
