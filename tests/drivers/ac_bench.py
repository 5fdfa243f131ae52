"""An AC source driver against its emulator, over a real wire, for the tests of both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from bench.events import Event
from drivers.ac_source import AcSourceConfig, ScpiAcSource
from drivers.emulated.ac_source import AcSourceModel
from drivers.emulated.ac_source_commands import chroma_interpreter, keysight_interpreter, plain_interpreter
from drivers.emulated.scpi_grammar import Interpreter
from drivers.emulated.scpi_wire import WireFaults, WireServer, socket_server
from drivers.emulated.supply import SupplyNode
from tests.drivers.surroundings import Surroundings

INTERPRETERS: dict[str, Callable[[AcSourceModel], Interpreter]] = {
    "scpi-99": plain_interpreter,
    "chroma-61500": chroma_interpreter,
    "keysight-ac6800": keysight_interpreter,
}
PROFILES = tuple(INTERPRETERS)


@dataclass
class AcBench:
    source: ScpiAcSource
    model: AcSourceModel
    node: SupplyNode
    interpreter: Interpreter
    faults: WireFaults
    server: WireServer
    events: list[Event]
    resource: str
    history: list[tuple[float, float]] = field(default_factory=list)

    def sent(self) -> list[str]:
        return [str(e.data["text"]) for e in self.events if e.kind == "wire" and e.data["direction"] == "tx"]

    def received(self, *, discarded: bool = False) -> list[str]:
        return [
            str(e.data["text"])
            for e in self.events
            if e.kind == "wire" and e.data["direction"] == "rx" and bool(e.data.get("discarded")) is discarded
        ]

    def states(self) -> list[str]:
        return [str(e.data["state"]) for e in self.events if e.kind == "device"]

    async def client(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.server.port)


@asynccontextmanager
async def ac_bench(
    profile: str = "scpi-99",
    *,
    volts: float = 230.0,
    on: bool = True,
    connect: bool = True,
    serve: Callable[[Interpreter, WireFaults], WireServer] = socket_server,
    resource: str = "TCPIP::127.0.0.1::{port}::SOCKET",
    model_options: dict[str, Any] | None = None,
    **config: Any,
) -> AsyncIterator[AcBench]:
    loop = asyncio.get_running_loop()
    node = SupplyNode(loop.time)
    history: list[tuple[float, float]] = []
    began_s = loop.time()
    node.subscribe(lambda node: history.append((round(loop.time() - began_s, 6), node.trajectory.target_v)))
    model = AcSourceModel(loop, node, volts=volts, on=on, **(model_options or {}))
    interpreter, faults = INTERPRETERS[profile](model), WireFaults()
    server = serve(interpreter, faults)
    await server.start()
    where = resource.format(port=server.port)
    around = Surroundings()
    source = ScpiAcSource(
        around.context("source"), AcSourceConfig.model_validate({"resource": where, "profile": profile, **config})
    )
    history.clear()
    try:
        if connect:
            await source.connect()
        yield AcBench(source, model, node, interpreter, faults, server, around.events, where, history)
    finally:
        await source.close()
        await server.close()
        model.close()


both = pytest.mark.parametrize("profile", PROFILES)
