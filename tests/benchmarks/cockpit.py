"""What a person at the cockpit waits for, and what the cockpit costs the engine: a process of its own, in a pty."""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import json
import os
import pty
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.events import Event
from bench.rig.session import RigSession
from bench.service.address import socket_path
from bench.service.client import connected
from bench.service.lines import encode
from bench.service.listening import listening
from tests.benchmarks.result import RIG, ROOT, Result
from tests.benchmarks.serving import served
from tests.cockpit.recorded import answers, is_event, messages

_HILBENCH = str(Path(sys.executable).parent / "hilbench")
_F9 = b"\x1b[20~"
_MILLION = 1_000_000
_PATIENCE_S = 120.0


@dataclass
class Terminal:
    """A cockpit in a pseudo-terminal, and all that it wrote."""

    process: subprocess.Popen[bytes]
    master: int
    written: bytearray = field(default_factory=bytearray)
    first_s: float = 0.0
    first_cpu_s: float = 0.0

    def read(self) -> None:
        """Take what it writes until it ends: in a thread, or it would wait for a reader."""
        try:
            while data := os.read(self.master, 65536):
                self.written += data
                if not self.first_s and b"E-STOP" in self.written:
                    self.first_s, self.first_cpu_s = time.perf_counter(), self.cpu_s
        except OSError:
            pass

    def shows(self, text: str) -> bool:
        """Whether it ever wrote this, whatever colours were in between."""
        plain = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", bytes(self.written[-200_000:]))
        return text.encode() in plain

    @property
    def cpu_s(self) -> float:
        """What it has used of a processor: other work on the machine is not in it."""
        used = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(used[11]) + int(used[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def resident_mib(self) -> float:
        """Its resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024


@contextmanager
def terminal(folder: str, rows: int, columns: int) -> Iterator[Terminal]:
    """`hilbench tui` on the emulated rig, with the bench's state in a folder."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    environment = {**os.environ, "HILBENCH_STATE": folder, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    for name in ("COLUMNS", "LINES"):
        environment.pop(name, None)
    process = subprocess.Popen(
        [_HILBENCH, "tui", str(RIG)], stdin=slave, stdout=slave, stderr=slave, cwd=ROOT, env=environment
    )
    os.close(slave)
    found = Terminal(process, master)
    reader = threading.Thread(target=found.read)
    reader.start()
    try:
        yield found
    finally:
        process.kill()
        process.wait()
        reader.join()
        os.close(master)


def first_frame() -> list[Result]:
    """From the start of the process to the first picture, which has the emergency stop on it."""
    samples, used = [], []
    with tempfile.TemporaryDirectory(prefix="hilbench-frame-") as folder:
        for _ in range(8):
            began_s = time.perf_counter()
            with terminal(folder, 24, 80) as shown:
                _wait(lambda shown=shown: shown.first_s)
                samples.append(shown.first_s - began_s)
                used.append(shown.first_cpu_s)
    what = "first frame of the cockpit"
    return [
        Result(what, "s", samples[1:], 0.6, "80x24, from process start"),
        Result(f"{what}, processor time", "s", used[1:]),
    ]


def attached() -> list[Result]:
    """An engine in real time, with its cockpit at 160x50: how late its loop is, and how quickly a key stops it."""
    with tempfile.TemporaryDirectory(prefix="hilbench-cockpit-") as folder:
        return asyncio.run(_attached(folder))


async def _attached(folder: str) -> list[Result]:
    async with served(Path(folder)) as (session, socket):
        alone, _ = await _lags(socket)
        with terminal(folder, 50, 160) as shown:
            await _until(lambda: shown.shows("has power"))
            beside, used = await _lags(socket)
            stops = [await _stop_ms(session, socket, shown) for _ in range(7)]
    what = "engine loop lag, 99th percentile, over-voltage run in real time"
    return [
        Result(f"{what}, cockpit attached", "ms", beside, 5.0, "20 s of it at 160x50, three times"),
        Result(f"{what}, nobody attached", "ms", alone),
        Result("engine's processor time in such a run, cockpit attached", "%", used),
        Result("key press to relay open", "ms", stops, 100.0, "F9 in the terminal to the relay's answer"),
    ]


async def _lags(socket: Path) -> tuple[list[float], list[float]]:
    """Three times the 99th percentile of how late a timer of 5 ms is, during a run, and the processor time it takes."""
    loop, found, used = asyncio.get_running_loop(), [], []
    async with connected(socket) as client:
        await client.call("run", runbooks=[str(ROOT / "runbooks" / "over-voltage.yaml")])
        # What the run before it caused is waited for first.
        while not (await client.call("status"))["run"]:  # noqa: ASYNC110 - asked of the engine
            await asyncio.sleep(0.1)
        await asyncio.sleep(1.0)
        for _ in range(3):
            late, until_s, used_s = [], loop.time() + 20.0, time.process_time()
            while loop.time() < until_s:
                due_s = loop.time() + 0.005
                await asyncio.sleep(0.005)
                late.append((loop.time() - due_s) * 1000)
            found.append(statistics.quantiles(late, n=100)[98])
            used.append((time.process_time() - used_s) / 20.0 * 100)
        await client.call("abort")
        while (await client.call("status"))["run"]:  # noqa: ASYNC110 - asked of the engine
            await asyncio.sleep(0.1)
        await client.call("park")
    return found, used


async def _stop_ms(session: RigSession, socket: Path, shown: Terminal) -> float:
    opened: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def watch(event: Event) -> None:
        # The relay's answer to "write single coil: off" (Modbus function 5, after a TCP header).
        hexadecimal = str(event.data.get("hex", "")) if event.kind == "wire" and event.source == "relay" else ""
        if hexadecimal[14:].startswith("0500000000") and event.data["direction"] == "rx" and not opened.done():
            opened.set_result(time.monotonic_ns())

    unsubscribe = session.stream.subscribe(watch)
    pressed_ns = time.monotonic_ns()
    os.write(shown.master, _F9)
    took_ms = (await asyncio.wait_for(opened, 10.0) - pressed_ns) / 1e6
    unsubscribe()
    async with connected(socket) as client:
        while (await client.call("status"))["state"] != "safe":  # noqa: ASYNC110 - asked of the engine
            await asyncio.sleep(0.05)
        await client.call("park")
    await asyncio.sleep(0.5)
    return took_ms


def flood() -> list[Result]:
    """A million events through an attached cockpit, as fast as it takes them: its memory stays what it is."""
    with tempfile.TemporaryDirectory(prefix="hilbench-flood-") as folder:
        return asyncio.run(_flood(folder))


async def _flood(folder: str) -> list[Result]:
    known, sent = answers(), asyncio.Event()
    state = Path(folder, "emulated")
    state.mkdir()
    progress = {"n": 0}
    drawn: list[float] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(encode({"type": "hello", "version": 1, **known["hello"]}))
        while line := await reader.readline():
            command = json.loads(line)
            result: Any = known.get(command["do"], known["hello"] if command["do"] == "status" else {})
            writer.write(encode({"type": "reply", "id": command["id"], "ok": True, "result": result}))
            if command["do"] == "subscribe":
                pour = asyncio.create_task(_pour(writer, progress))
                pour.add_done_callback(lambda _task: sent.set())

    async with listening(serve, socket_path(state)):
        with terminal(folder, 50, 160) as shown:
            await _until(lambda: progress["n"] > _MILLION // 5)
            early_mib, began_s, began_n = shown.resident_mib, time.perf_counter(), progress["n"]
            while not sent.is_set():
                await asyncio.sleep(1.0)
                drawn.append(shown.resident_mib)
            rate = (_MILLION - began_n) / (time.perf_counter() - began_s)
            half = drawn[len(drawn) // 2] - early_mib if drawn else 0.0
            grown = max(drawn, default=early_mib) - early_mib
    return [
        Result(
            "memory that 800,000 further events take in a cockpit",
            "MiB",
            [grown],
            10.0,
            f"of {early_mib:.0f} MiB; half way {half:.1f}",
        ),
        Result("events that a cockpit takes", "1/s", [rate]),
    ]


async def _pour(writer: asyncio.StreamWriter, progress: dict[str, int]) -> None:
    """Send the events of a run, again and again, each with a new number and a later moment."""
    run = next(each for each in messages() if each["type"] == "job" and each["state"] == "start")
    templates = [each for each in messages() if each["type"] == "event" and not is_event("run")(each)]
    span_ns = templates[-1]["mono_ns"] - templates[0]["mono_ns"] + 1
    for turn in itertools.count():
        writer.write(encode({**run, "job": turn}))
        for each in templates:
            progress["n"] += 1
            later_ns = turn * span_ns
            moved = {"n": progress["n"], "mono_ns": each["mono_ns"] + later_ns, "utc_ns": each["utc_ns"] + later_ns}
            writer.write(encode({**each, **moved}))
            if progress["n"] == _MILLION:
                await writer.drain()
                return
        await writer.drain()


def _wait(condition: Any) -> None:
    until_s = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > until_s:
            raise RuntimeError("the cockpit did not show what it should")
        time.sleep(0.002)


async def _until(condition: Any) -> None:
    until_s = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > until_s:
            raise RuntimeError("the cockpit did not show what it should")
        await asyncio.sleep(0.02)
