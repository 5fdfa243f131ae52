"""A driver's surroundings for tests: a real stream whose events are kept, on the clock of the running loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, TypeVar

from bench.clock import VirtualClock
from bench.device import DeviceContext, Driver
from bench.eui import Eui64
from bench.events import Event, EventStream
from bench.parties import Certificates, Parties

NOBODY = Parties(users={}, duts={}, dcc=Eui64(bytes(8)), certificates=Certificates())

D = TypeVar("D", bound=Driver[Any])


@contextlib.asynccontextmanager
async def connected(device: D) -> AsyncIterator[D]:
    await device.connect()
    try:
        yield device
    finally:
        await device.close()


class NoCounters:
    def next(self, name: str, *, at_least: int = 1) -> int:
        raise AssertionError(f"this driver has no business with the counter {name}")


class Surroundings:
    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.stream = EventStream(VirtualClock(self.loop))
        self.events: list[Event] = []
        self.stream.subscribe(self.events.append)

    def context(self, name: str = "device") -> DeviceContext:
        return DeviceContext(name, self.stream, NOBODY, NoCounters())

    def of(self, kind: str, source: str | None = None) -> list[dict[str, Any]]:
        found = (event for event in self.events if event.kind == kind and source in (None, event.source))
        return [dict(event.data) for event in found]

    def states(self, source: str | None = None) -> list[str]:
        return [data["state"] for data in self.of("device", source)]
