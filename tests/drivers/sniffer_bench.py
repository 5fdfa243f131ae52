"""An emulated sniffer with a HAN to listen to, and the driver that listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

from bench.device import DeviceContext
from bench.parties import Certificates, DeviceType, Dut, Parties
from drivers.emulated.sniffer_wire import Dialect, SnifferWire
from drivers.sniffer import NrfSniffer, SnifferConfig
from tests.drivers.surroundings import NoCounters, Surroundings
from tests.zigbee.han import ESME, HUB, INSTALL_CODE, join

PARTIES = Parties(
    users={},
    duts={"esme": Dut("esme", DeviceType.ESME, ESME, install_code=INSTALL_CODE)},
    dcc=HUB,
    certificates=Certificates(),
)
CHANNEL = 20
STAGES = ["association", "transport_key", "device_announce", "cbke", "join"]


class Bench(Surroundings):
    """A sniffer on its serial line, and the emulated air around it."""

    def __init__(self, folder: Path, **wire: Any) -> None:
        super().__init__()
        self.wire = SnifferWire(folder / "sniffer", CHANNEL, Random(1), **wire)

    def driver(self, **config: Any) -> NrfSniffer:
        settings = SnifferConfig.model_validate({"resource": str(self.wire.line.link)} | config)
        return NrfSniffer(DeviceContext("sniffer", self.stream, PARTIES, NoCounters()), settings)

    async def air(self, seed: int = 1) -> None:
        for frame in join(seed=seed):
            await asyncio.sleep(frame.delay_s)
            self.wire.air(frame.psdu)
        await asyncio.sleep(0.01)

    def heard(self) -> list[bytes]:
        return [bytes.fromhex(data["hex"]) for data in self.of("wire") if "hex" in data]

    def stages(self) -> list[str]:
        return [data["stage"] for data in self.of("seen.han")]


@asynccontextmanager
async def connected(
    folder: Path, wire: dict[str, Any] | None = None, **config: Any
) -> AsyncIterator[tuple[Bench, NrfSniffer]]:
    bench = Bench(folder, **(wire or {}))
    bench.wire.plug()
    sniffer = bench.driver(**config)
    try:
        await sniffer.connect()
        yield bench, sniffer
    finally:
        await sniffer.close()
        bench.wire.close()


async def _night(folder: Path, seed: int) -> list[tuple[int, str, str]]:
    async with connected(folder, {"dialect": Dialect.HEX_WITH_FCS}, channel=CHANNEL) as (bench, _):
        rng = Random(seed)
        for number in range(6):
            fault = rng.randrange(4)
            bench.wire.line.delay_s = rng.random() * 0.2
            if fault == 1:
                bench.wire.line.garble_next(rng.randrange(5))
            if fault == 2:
                bench.wire.line.drop_next(rng.randrange(5))
            if fault == 3:
                bench.wire.unplug()
                await asyncio.sleep(rng.random() * 100)
                bench.wire.plug()
                await asyncio.sleep(60)
            await bench.air(seed=number)
    # The path of the temporary folder is all that may differ.
    return [(event.at.mono_ns, event.kind, str(dict(event.data)).replace(str(folder), "")) for event in bench.events]


def run_night(folder: Path, seed: int) -> list[tuple[int, str, str]]:
    from bench.virtual_time import VirtualLoop

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(_night(folder, seed))
