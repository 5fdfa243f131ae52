"""The emulated DCC under load: many clients at once over HTTP, and ten thousand devices in one inventory.

Server and clients are processes of their own. Each client sends one request after the other over a connection that
stays; the requests (8.2 of one device) are signed before the clock starts, so that the time is the DCC's: XML read,
signature verified, rules, inventory, answer written and signed. What is measured in one process is processor time.
"""

from __future__ import annotations

import asyncio
import gc
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp

from bench.clock import RealClock
from bench.duis.request_id import RequestId
from bench.duis.requests import build_request
from bench.duis.service_requests import WebService
from bench.duis.signatures import sign
from bench.eui import Eui64
from bench.parties import DeviceType
from bench.rig.emulation import build_emulation
from bench.rig.load import load_rig
from drivers.emulated.bench import EmulatedBench
from drivers.emulated.dcc_inventory import COMMISSIONED, Entry
from tests.benchmarks.result import RIG, ROOT, Result
from tests.benchmarks.wires import resident_bytes

_CLIENTS = (1, 10, 100)
_REQUESTS = 600
_DEVICES = 10_000
_REPEATS = 5


def dcc() -> list[Result]:
    """Requests a second and the slowest of a hundred, with 1, 10 and 100 clients."""
    with _server() as (url, process):
        results, served = [], _processor_s(process)
        for clients in _CLIENTS:
            rounds = [asyncio.run(_round(url, clients)) for _ in range(_REPEATS)]
            what = f"8.2 over HTTP to the emulated DCC, {clients} client{'s' if clients > 1 else ''}"
            results.append(Result(what, "1/s", [rate for rate, _ in rounds], None, "requests a second"))
            results.append(Result(f"{what}: p99", "ms", [p99_ms for _, p99_ms in rounds]))
        each_us = (_processor_s(process) - served) / (len(_CLIENTS) * _REPEATS * _REQUESTS) * 1e6
        results.append(Result("of that, the emulated DCC's processor time for one", "us", [each_us]))
        return results


def _processor_s(process: int) -> float:
    """Processor time that a process has used, its threads included (proc(5), `stat`)."""
    fields = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def inventory() -> list[Result]:
    """Ten thousand devices on 2,500 Comms Hubs: what they take, and what 8.2 costs among them."""
    command = [sys.executable, "-m", "tests.benchmarks.dcc", "inventory"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=300).stdout
    lines = [line.split() for line in done.splitlines()]
    found = {line[0]: [float(each) for each in line[1:]] for line in lines}
    return [
        Result(f"memory of {_DEVICES} devices in one inventory", "MB", found["memory"]),
        Result("8.2 of a device, among 4 devices", "us", found["few"], None, "in process, signatures included"),
        Result(f"8.2 of a device, among {_DEVICES}", "us", found["device"]),
        Result(f"8.2 of a Comms Hub with 4 devices, among {_DEVICES}", "us", found["hub"]),
        Result(f"8.2 of a metering point, among {_DEVICES}", "us", found["mpxn"]),
        Result(f"the whole world with {_DEVICES} devices written as state", "ms", found["state"], None, "no disk"),
    ]


def _documents(bench: EmulatedBench, count: int, params: dict[str, object]) -> list[bytes]:
    user = bench.parties.users["IS"]
    made = []
    for counter in range(count):
        request_id = RequestId(user.eui, bench.parties.dcc, 1_000_000 + counter)
        unsigned = build_request("8.2", request_id=request_id, command_variant=8, params=params)
        made.append(sign(unsigned, user.xml.private_key, user.xml.certificate))
    return made


def _bench() -> EmulatedBench:
    bench = build_emulation(load_rig(RIG), RealClock(), seed=None, faults=())
    assert isinstance(bench, EmulatedBench)
    return bench


@contextmanager
def _server() -> Iterator[tuple[str, int]]:
    command = [sys.executable, "-m", "tests.benchmarks.dcc", "serve"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdin is not None
        try:
            yield process.stdout.readline().strip(), process.pid
        finally:
            process.stdin.close()


async def _serve() -> None:
    bench = _bench()
    await bench.start()
    try:
        print(bench.settings["dcc"]["url"], flush=True)
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        await reader.read()
    finally:
        await bench.close()


async def _round(url: str, clients: int) -> tuple[float, float]:
    """Requests a second, and the 99th percentile of their times in milliseconds."""
    bench = _bench()
    waiting = _documents(bench, _REQUESTS, {"device_id": bench.parties.duts["esme"].eui})
    times: list[float] = []

    async def client(session: aiohttp.ClientSession) -> None:
        while waiting:
            document = waiting.pop()
            began_s = time.perf_counter()
            async with session.post(
                f"{url}/api/v1/serviceD", data=document, headers={"Content-Type": "application/xml"}
            ) as reply:
                body = await reply.read()
            times.append(time.perf_counter() - began_s)
            if reply.status != 200 or b"<sr:ResponseCode>I0<" not in body:
                raise RuntimeError(f"HTTP status {reply.status}: {body[:300]!r}")

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=clients)) as session:
        began_s = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(client(session))
        took_s = time.perf_counter() - began_s
    await bench.close()
    return len(times) / took_s, statistics.quantiles(times, n=100)[98] * 1e3


async def _inventory() -> None:
    bench = _bench()
    esme = bench.parties.duts["esme"]
    handle = bench.world.handle

    def each_us(params: dict[str, object], count: int = 100) -> list[float]:
        samples = []
        for _ in range(_REPEATS):
            documents = _documents(bench, count, params)
            began_s = time.process_time()
            for document in documents:
                handle(WebService.DCC_ONLY, document)
            samples.append((time.process_time() - began_s) / count * 1e6)
        return samples

    print("few", *each_us({"device_id": esme.eui}))
    gc.collect()
    before = resident_bytes()
    known = bench.world.dcc.inventory
    for number in range(0, _DEVICES, 4):
        hub = _eui(number)
        for offset, kind in enumerate((DeviceType.CHF, DeviceType.GPF, DeviceType.ESME, DeviceType.GSME)):
            mpxn = f"{1_000_000_000_000 + number + offset}" if offset > 1 else None
            entry = Entry(_eui(number + offset), kind, COMMISSIONED, "1234", "00010001", "01020304", "5.1", mpxn)
            entry.hub = hub
            known.add(entry)
    gc.collect()
    print("memory", (resident_bytes() - before) / 1e6)
    middle = _DEVICES // 2
    print("device", *each_us({"device_id": _eui(middle + 2)}))
    print("hub", *each_us({"device_id": _eui(middle)}))
    print("mpxn", *each_us({"mpxn": f"{1_000_000_000_000 + middle + 2}"}))
    states = []
    for _ in range(_REPEATS):
        began_s = time.process_time()
        bench.memory()
        states.append((time.process_time() - began_s) * 1e3)
    print("state", *states)
    await bench.close()


def _eui(number: int) -> Eui64:
    return Eui64((0x00DB_0000_0000_0000 + number).to_bytes(8, "big"))


if __name__ == "__main__":
    asyncio.run(_serve() if sys.argv[1] == "serve" else _inventory())
