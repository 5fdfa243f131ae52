"""What an unattended bench waits for: the first safe command, the guard, the way back, and events for its clients."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.guard import last_report
from bench.service.client import EngineClient, connected
from tests.benchmarks.result import Result
from tests.benchmarks.serving import served
from tests.processes import emulating, serving
from tests.service import kills

_ABORTS = 40
_KILLS = 5
_EVENTS = 20_000
_HOLD = """
runbook: hold
title: An interruption that lasts
steps:
  - {step: 1, title: Interrupt, supply: {interrupt: {for: 60 s}}}
"""


def safety() -> list[Result]:
    """Aborts and kills of a real engine, whose world is in another process."""
    with tempfile.TemporaryDirectory(prefix="hilbench-service-") as name:
        folder = Path(name)
        with emulating(folder):
            kills.prepare_rig(folder)
            (folder / "hold.yaml").write_text(_HOLD)
            aborts = asyncio.run(_aborts(folder))
            reactions = [asyncio.run(_reaction_ms(folder)) for _ in range(_KILLS)]
            resumes = [_resume_s(folder, number) for number in range(_KILLS)]
    worst = statistics.quantiles(aborts, n=100)[98]
    what = "abort by a client, to the relay's first safe command"
    return [
        Result(f"{what}: p50", "ms", aborts, 100.0, "from its sending, through the engine's socket"),
        Result(f"{what}: p99", "ms", [worst], 100.0, f"of {len(aborts)}"),
        Result("SIGKILL of the engine, to relay and source read back as safe by the guard", "ms", reactions, None),
        Result("hilbench resume: from its call to the first step that is carried on with", "s", resumes, None),
    ]


async def _aborts(folder: Path) -> list[float]:
    found: list[float] = []
    with serving(folder):
        async with connected(folder / "bench" / "emulated" / "engine.sock") as client:
            await client.call("subscribe", wire=True)
            for _ in range(_ABORTS):
                await client.call("run", runbooks=[str(folder / "hold.yaml")])
                await _until(client, kind="wire", source="source", text="OUTP OFF")
                sent_ns = time.monotonic_ns()
                await client.call("abort")
                opened = await _until(client, kind="wire", source="relay", direction="tx")
                found.append((opened["mono_ns"] - sent_ns) / 1e6)
                await _until(client, type="job", state="end")
                await client.call("park")
    return found


async def _until(client: EngineClient, **wanted: Any) -> dict[str, Any]:
    while (message := await client.messages.get()) is not None:
        found = message | (message.get("data") or {})
        if all(
            str(found.get(name, "")).startswith(value) if isinstance(value, str) else found.get(name) == value
            for name, value in wanted.items()
        ):
            return message
    raise RuntimeError("the engine has gone")


async def _reaction_ms(folder: Path) -> float:
    record = folder / "bench" / "emulated"
    with serving(folder) as engine:
        async with connected(record / "engine.sock") as client:
            await client.call("subscribe", wire=True)
            await client.call("run", runbooks=[str(folder / "hold.yaml")])
            await _until(client, kind="wire", source="source", text="OUTP OFF")
            before = _reports(record)
            began_ns = time.monotonic_ns()
            engine.send_signal(signal.SIGKILL)
            while _reports(record) == before:  # noqa: ASYNC110 - another process has no event to wait for
                await asyncio.sleep(0.001)
            took_ms = (time.monotonic_ns() - began_ns) / 1e6
    report = last_report(record)
    if report is None or not report["confirmed"]:
        raise RuntimeError(f"the guard did not make the rig safe: {report}")
    return took_ms


def _reports(folder: Path) -> int:
    path = folder / "guard.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _resume_s(folder: Path, number: int) -> float:
    """From the call until the journal says that a step has begun which was not kept."""
    out, again = folder / "evidence" / f"killed-{number}", folder / "evidence" / f"resumed-{number}"
    engine = kills.fork(lambda: kills.run(folder, out))
    while not any('"name":"4 Swell"' in path.read_text() for path in out.glob("*/journal.jsonl")):
        time.sleep(0.002)
    os.kill(engine, signal.SIGKILL)
    os.waitpid(engine, 0)
    (bundle,) = out.iterdir()
    began_s = time.monotonic()
    child = kills.fork(lambda: kills.carry_on(folder, bundle, again))
    while not any(_goes_on(path) for path in again.glob("*/journal.jsonl")):
        time.sleep(0.002)
    took_s = time.monotonic() - began_s
    os.waitpid(child, 0)
    return took_s


def _goes_on(journal: Path) -> bool:
    text = journal.read_text()
    records = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
    return any(record["kind"] == "step" and record["data"]["state"] == "start" for record in records)


def events() -> list[Result]:
    """Events a second that an engine gives to its clients, each of which reads them all, in processes of their own."""
    return [asyncio.run(_events(clients)) for clients in (1, 10)]


async def _events(clients: int) -> Result:
    rates = []
    for _ in range(3):
        with tempfile.TemporaryDirectory(prefix="hilbench-events-") as name:
            async with served(Path(name)) as (session, socket):
                readers = [await _reader(socket) for _ in range(clients)]
                for reader in readers:
                    assert reader.stdout is not None
                    await reader.stdout.readline()
                began_s = time.perf_counter()
                for number in range(_EVENTS):
                    session.stream.emit("meter", "measurement", {"quantity": "voltage", "value": 230.0, "turn": number})
                    if number % 100 == 99:
                        await asyncio.sleep(0)
                ends = [await reader.wait() for reader in readers]
                rates.append(_EVENTS / (time.perf_counter() - began_s))
                if any(ends):
                    raise RuntimeError("a client was dropped")
    who = "1 client" if clients == 1 else f"{clients} clients"
    return Result(f"events to {who}, until each has read all {_EVENTS}", "1/s", rates, None, "events a second")


_READ = """
import asyncio, sys
async def main():
    reader, writer = await asyncio.open_unix_connection(sys.argv[1], limit=1 << 24)
    await reader.readline()
    writer.write(b'{"id": 1, "do": "subscribe"}\\n')
    await reader.readline()
    print("ready", flush=True)
    for _ in range(int(sys.argv[2])):
        if not await reader.readline():
            sys.exit(1)
asyncio.run(main())
"""


async def _reader(path: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", _READ, str(path), str(_EVENTS), stdout=asyncio.subprocess.PIPE
    )
