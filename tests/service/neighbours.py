"""Engines of several rigs at one address of the DCC: `python -m tests.service.neighbours FOLDER PORT NAME...`.

A process of its own, without threads, which forks the engines; the emulated worlds live in another one. Prints the
process id of each engine once all serve. Ends, and ends them, at the end of its input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from pathlib import Path

from bench.clock import RealClock
from bench.emulate import write_rig
from bench.rig.emulation import build_emulation
from bench.rig.load import load_rig
from bench.service.process import serve
from tests.emulated.benches import RIG
from tests.processes import ROOT
from tests.service.kills import fork, prepare_rig, warm_up


def device_of(number: int) -> str:
    """How the EUI-64 of every device of a rig begins, by the rig's number from 0."""
    return f"00-DB-12-34-56-78-{90 + number}-"


@contextmanager
def neighbours(folder: Path, port: int, *names: str) -> Iterator[dict[str, int]]:
    """Engines that serve rigs of these names, and the process of each; `engine(folder, name)` is its socket."""
    command = [sys.executable, "-m", "tests.service.neighbours", str(folder), str(port), *names]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None
        yield dict(json.loads(process.stdout.readline() or '{"no engine": 0}') for _ in names)
    finally:
        process.communicate("")


def engine(folder: Path, name: str) -> Path:
    """The socket of an engine."""
    return folder / "bench" / name / "engine.sock"


def write(folder: Path, port: int, names: list[str]) -> None:
    """The files of rigs that differ in their devices, and share Users and address."""
    duts = (RIG.parent / "duts" / "emulated.yaml").read_text()
    for number, name in enumerate(names):
        here = folder / name
        here.mkdir()
        (here / "duts.yaml").write_text(duts.replace(device_of(0), device_of(number)))
        text = RIG.read_text().replace("rig: emulated", f"rig: {name}").replace("duts/emulated.yaml", "duts.yaml")
        address = f"receive_port: {port}, receive_shared: yes"
        text = text.replace("dcc: {driver: dcc-gateway}", f"dcc: {{driver: dcc-gateway, {address}}}")
        (here / "emulated.yaml").write_text(
            text.replace("  seed: 1\n", "  seed: 1\n  world: {wan_latency: 20 ms, han_latency: 20 ms}\n")
        )


async def _host(folder: Path, names: list[str], ready: int) -> None:
    async with AsyncExitStack() as stack:
        for name in names:
            rig = load_rig(folder / name / "emulated.yaml")
            world = build_emulation(rig, RealClock(), seed=1, faults=())
            await world.start()
            stack.push_async_callback(world.close)
            write_rig(rig, world, folder / name / "rig")
            prepare_rig(folder / name)
        os.write(ready, b".")
        await asyncio.get_running_loop().create_future()


def _engine(folder: Path, name: str, ready: int) -> int:
    def say(text: str) -> None:
        if " is served at " in text:
            os.write(ready, b".")

    serve(folder / name / "rig" / "rig.yaml", folder / "evidence" / name, folder / "bench", say)
    return 0


def main(folder: Path, port: int, names: list[str]) -> None:
    """Serve the rigs until the end of the input."""
    write(folder, port, names)
    report, (is_ready, ready) = os.dup(1), os.pipe()
    worlds = fork(lambda: asyncio.run(_host(folder, names, ready)) or 0)
    os.read(is_ready, 1)
    warm_up(folder / names[0])
    engines = [fork(partial(_engine, folder, name, ready)) for name in names]
    for _ in names:
        os.read(is_ready, 1)
    for name, pid in zip(names, engines, strict=True):
        os.write(report, json.dumps([name, pid]).encode() + b"\n")
    sys.stdin.read()
    for pid in engines:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
    os.kill(worlds, signal.SIGKILL)
    os.waitpid(worlds, 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
