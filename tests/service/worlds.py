"""Emulated worlds in a process of their own, in real time: `python -m tests.service.worlds FOLDER COUNT`.

Each lives on the wires of its own, found by `FOLDER/NUMBER/rig/rig.yaml`. One line is printed when all are there. The
RequestID of every document that arrives at its DCC becomes a line of `FOLDER/NUMBER/requests`, before it is answered.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

from bench.clock import RealClock
from bench.duis.service_requests import WebService
from bench.emulate import write_rig
from bench.rig.emulation import build_emulation
from bench.rig.load import load_rig
from drivers.emulated.bench import EmulatedBench
from tests.emulated.benches import RIG
from tests.processes import ROOT


@contextmanager
def hosting(folder: Path, count: int) -> Iterator[list[Path]]:
    """So many worlds; the folder of each."""
    command = [sys.executable, "-m", "tests.service.worlds", str(folder), str(count)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield [folder / str(number) for number in range(count)]
    finally:
        process.kill()
        process.communicate()


async def _host(folder: Path, count: int) -> None:
    rig = load_rig(RIG)
    async with AsyncExitStack() as stack:
        for number in range(count):
            world = build_emulation(rig, RealClock(), seed=number, faults=())
            assert isinstance(world, EmulatedBench)
            _record_requests(world, folder / str(number) / "requests")
            await world.start()
            stack.push_async_callback(world.close)
            write_rig(rig, world, folder / str(number) / "rig")
        print("ready", flush=True)
        await asyncio.get_running_loop().create_future()


def _record_requests(world: EmulatedBench, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    answer = world.world.dcc.handle

    def recorded(service: WebService, document: bytes) -> bytes:
        with path.open("ab") as file:
            file.write(b"".join(found + b"\n" for found in _REQUEST_ID.findall(document)[:1]))
        return answer(service, document)

    setattr(world.world.dcc, "handle", recorded)  # noqa: B010 - the world of a test, told apart from a method


_REQUEST_ID = re.compile(rb"<(?:\w+:)?RequestID>([^<]+)</")

if __name__ == "__main__":
    asyncio.run(_host(Path(sys.argv[1]), int(sys.argv[2])))
