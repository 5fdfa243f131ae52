"""Emulated benches for tests: bare, or with the drivers of the rig that ships."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from bench.clock import VirtualClock
from bench.events import Event
from bench.rig.load import load_rig
from bench.rig.session import RigSession, open_rig
from drivers.emulated.bench import EmulatedBench
from drivers.emulated.spec import EmulationSpec
from tests.emulated.worlds import DUTS, USERS

RIG = Path(__file__).parents[2] / "rigs" / "emulated.yaml"
SUPPLY = {"source": "source", "relay": "relay", "meter": "meter", "feeds": "esme"}
DEVICES: dict[str, dict[str, Any]] = {
    name: {} for name in ("source", "relay", "meter", "hub", "console", "sniffer", "dcc")
}
WIRES = {
    "source": {"kind": "scpi-tcp"},
    "relay": {"kind": "modbus-tcp"},
    "meter": {"kind": "modbus-tcp"},
    "hub": {"kind": "mqtt"},
    "console": {"kind": "console"},
    "sniffer": {"kind": "nrf-sniffer"},
    "dcc": {"kind": "duis-http"},
}


def make(
    *faults: str,
    wires: Mapping[str, Any] = WIRES,
    devices: Mapping[str, Any] = DEVICES,
    supply: Mapping[str, Any] = SUPPLY,
    seed: int | None = None,
    rig: str = "",
    saved: bytes | None = None,
    **spec: Any,
) -> EmulatedBench:
    loop = asyncio.get_running_loop()
    return EmulatedBench(
        EmulationSpec.model_validate({"wires": wires, **spec}),
        rig_devices=devices,
        supply=supply,
        users={name: {"role": role, "id": str(eui)} for name, (role, eui) in USERS.items()},
        duts=DUTS,
        clock=VirtualClock(loop),
        seed=seed,
        faults=faults,
        rig=rig,
        saved=saved,
    )


@asynccontextmanager
async def running(*faults: str, **more: Any) -> AsyncIterator[EmulatedBench]:
    bench = make(*faults, **more)
    await bench.start()
    try:
        yield bench
    finally:
        await bench.close()


@asynccontextmanager
async def rig(*faults: str, seed: int | None = None) -> AsyncIterator[tuple[RigSession, list[Event]]]:
    """The rig that ships, with its drivers connected, and everything that happens on it."""
    clock = VirtualClock(asyncio.get_running_loop())
    async with open_rig(load_rig(RIG), clock, faults=faults, seed=seed) as session:
        events: list[Event] = []
        session.stream.subscribe(events.append)
        yield session, events


def seen(events: list[Event], kind: str) -> list[Mapping[str, Any]]:
    return [event.data for event in events if event.kind == kind]


@asynccontextmanager
async def receiver(port: int, taken: list[bytes], status: int = 204) -> AsyncIterator[None]:
    async def take(request: web.Request) -> web.Response:
        assert request.headers["Content-Type"] == "application/xml"
        taken.append(await request.read())
        return web.Response(status=status)

    app = web.Application()
    app.router.add_post("/smartdcc/duis", take)
    runner = web.AppRunner(app, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, reuse_address=True).start()
    try:
        yield
    finally:
        await runner.cleanup()
