"""Parking, and taking over, a rig while another one uses what they share: it is waited for, and can be given up."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from bench import shared
from bench.clock import RealClock
from bench.emulate import write_rig
from bench.errors import UsageError
from bench.evidence.keys import BenchKey
from bench.lease import Lease, holder_of
from bench.one_run import RigRunner
from bench.rig import park as rig_park
from bench.rig.emulation import build_emulation
from bench.rig.file import Rig
from bench.rig.load import load_rig
from bench.rig.session import open_rig
from bench.rig.state import state_of
from bench.service import process
from bench.service.client import EngineClient, connected
from bench.service.listening import listening
from bench.service.server import EngineService
from bench.shared import shared_folder, shares_held, waiting
from tests.drivers.addresses import dead_pid, soon
from tests.emulated.benches import RIG
from tests.processes import ROOT, environment
from tests.test_shared import no

pytestmark = pytest.mark.realtime


@asynccontextmanager
async def lab(folder: Path) -> AsyncIterator[Rig]:
    """A rig of a world in this process, reached over its wires, that shares its AC source."""
    rig = load_rig(RIG)
    world = build_emulation(rig, RealClock(), seed=1, faults=())
    try:
        await world.start()
        path = write_rig(rig, world, folder / "rig")
        path.write_text(path.read_text() + "shared: {source: lab-source}\n")
        yield load_rig(path)
    finally:
        await world.close()


class Neighbour:
    """Another rig that uses the source until it is told to stop."""

    def __init__(self, rig: Rig, state: Path) -> None:
        self._rig, self._folder, self._enough = rig, state / "neighbour", asyncio.Event()
        self._task = asyncio.create_task(self._use())

    async def _use(self) -> None:
        async with shares_held(self._rig, self._folder, "run x", on_lost=no, say=no):
            await self._enough.wait()

    async def stop(self) -> None:
        self._enough.set()
        await self._task


async def waits_until_it_is_free(
    rig: Rig, state: Path, work: Callable[[Callable[[str], None]], Awaitable[None]]
) -> None:
    """Something waits while another rig uses the source, and is done once that does not."""
    said: list[str] = []
    neighbour = Neighbour(rig, state)
    queue = shared_folder(state_of(rig, state), "lab-source")
    await soon(lambda: holder_of(queue))
    working = asyncio.ensure_future(work(said.append))
    await soon(lambda: said)
    assert "waits for lab-source, used by" in said[0]
    assert f"(rig {rig.name}: run x)" in said[0]
    assert [each.what for each in waiting(queue)] != []
    await neighbour.stop()
    await working
    assert waiting(queue) == []
    assert holder_of(queue) is None


def left_by_somebody(folder: Path) -> None:
    """The rig was held by a process that died."""
    Lease.take(folder, "serve", force=True)
    found = holder_of(folder)
    assert found is not None
    (folder / "lease.json").write_text(json.dumps(asdict(replace(found, pid=dead_pid()))))


async def test_parking_and_taking_over_wait_for_what_another_rig_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "LOOK_S", 0.01)
    async with lab(tmp_path) as rig:
        folder = state_of(rig, tmp_path)

        async def park(say: Callable[[str], None]) -> None:
            report = await rig_park._park(rig, tmp_path, say)
            assert sorted(report.lines[1:]) == ["park  relay: closed", "park  source: output on at 230 V"]

        await waits_until_it_is_free(rig, tmp_path, park)
        assert holder_of(folder) is None
        left_by_somebody(folder)

        async def take(say: Callable[[str], None]) -> None:
            assert "made safe and is parked" in await process._take_over(rig, tmp_path, say)

        await waits_until_it_is_free(rig, tmp_path, take)
        assert holder_of(folder) is None


async def test_who_gives_up_waiting_leaves_a_rig_that_still_has_to_be_made_safe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "LOOK_S", 0.01)
    path = real_rig(tmp_path)
    rig = load_rig(path)
    folder = state_of(rig, tmp_path)
    left_by_somebody(folder)
    neighbour = Neighbour(rig, tmp_path)
    queue = shared_folder(folder, "lab-source")
    await soon(lambda: holder_of(queue))
    for work in (rig_park._park, process._take_over):
        said: list[str] = []
        waits = asyncio.ensure_future(work(rig, tmp_path, said.append))  # type: ignore[operator]
        await soon(lambda said=said: said)
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
        assert waiting(queue) == []
        # Its process goes on only in this test.
        left_by_somebody(folder)
    # Somebody takes the rig away from him who waits.
    monkeypatch.setattr("bench.lease.BEAT_S", 0.01)
    said = []
    waits = asyncio.ensure_future(rig_park._park(rig, tmp_path, said.append))
    await soon(lambda: said)
    Lease.take(folder, "take over", force=True)
    with pytest.raises(Exception, match="somebody else took the rig"):
        await waits
    assert waiting(queue) == []
    await neighbour.stop()


def real_rig(folder: Path) -> Path:
    """The file of a rig of real devices, none of which is there."""
    path = folder / "real.yaml"
    text = RIG.read_text().replace("duts/emulated.yaml", str(RIG.parent / "duts" / "emulated.yaml"))
    text = re.sub(r"(\{role: \w+, id: [^}]+)\}", r"\1, keys: keys}", text[: text.index("emulation:")])
    path.write_text(text + "shared: {source: lab-source}\n")
    return path


def parking(folder: Path, path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench.cli", "rig", "park", str(path)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=ROOT, env=environment(folder))


async def what_it_waits_for(client: EngineClient) -> str:
    for _ in range(500):
        if waits := (await client.call("status"))["waits"]:
            return str(waits)
        await asyncio.sleep(0.01)
    raise AssertionError("it waits for nothing")


async def test_ctrl_c_ends_the_wait(tmp_path: Path) -> None:
    path = real_rig(tmp_path)
    rig = load_rig(path)
    neighbour = Neighbour(rig, tmp_path / "bench")
    folder = tmp_path / "bench" / rig.name
    queue = shared_folder(folder, "lab-source")
    await soon(lambda: holder_of(queue))
    with parking(tmp_path, path) as parks:
        assert parks.stdout is not None
        assert parks.stderr is not None
        said = await asyncio.to_thread(parks.stdout.readline)
        assert said.startswith("waits for lab-source, used by ")
        assert said.endswith("Ctrl-C gives up\n")
        parks.send_signal(signal.SIGINT)
        errors = await asyncio.to_thread(parks.stderr.read)
    assert (parks.returncode, errors) == (3, "hilbench: interrupted\n")
    assert waiting(queue) == []
    assert holder_of(folder) is None
    await neighbour.stop()


async def test_an_engine_that_is_to_park_waits_too_and_can_be_told_to_give_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "LOOK_S", 0.01)
    async with lab(tmp_path) as rig, open_rig(rig, RealClock(), state=tmp_path) as session:
        folder = state_of(rig, tmp_path)
        runs = RigRunner(session, tmp_path / "evidence", BenchKey.load_or_create(tmp_path / "keys"))
        service = EngineService(session, runs, folder)
        async with listening(service.serve, folder / "engine.sock"), connected(folder / "engine.sock") as client:
            work = asyncio.create_task(service.work())
            neighbour = Neighbour(rig, tmp_path)
            await soon(lambda: holder_of(shared_folder(folder, "lab-source")))
            parks = asyncio.create_task(client.call("park"))
            assert (await what_it_waits_for(client)).startswith("waits for lab-source, used by ")
            await client.call("abort")
            with pytest.raises(UsageError, match="lab-source is used by"):
                await parks
            assert (await client.call("status"))["waits"] == ""

            async def park(say: Callable[[str], None]) -> None:
                parks = asyncio.create_task(client.call("park"))
                say(await what_it_waits_for(client))
                assert (await parks)["state"] == "parked"

            await neighbour.stop()
            await waits_until_it_is_free(rig, tmp_path, park)
            service.end("the test is over")
            await work
