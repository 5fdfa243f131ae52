"""The engine as a process: held by one, guarded by another, and what is left when it is killed."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from bench.capabilities import AcSource, Switch
from bench.clock import RealClock
from bench.guard import last_report
from bench.rig.load import load_rig
from bench.rig.session import open_rig
from bench.service.client import connected
from tests.processes import emulating, hilbench, serving
from tests.service.engines import until

pytestmark = pytest.mark.realtime
RUNBOOK = """
runbook: hold-the-relay
title: An interruption that lasts
steps:
  - step: 1
    title: Interrupt
    supply: {interrupt: {for: 60 s}}
"""


async def supply(folder: Path) -> tuple[bool, bool]:
    """Whether the relay is closed and the source's output on, by connections of our own."""
    rig = load_rig(folder / "rig" / "rig.yaml")
    async with open_rig(rig, RealClock(), state=folder / "other", only={"relay", "source"}) as session:
        closed = await session.capability(Switch).is_closed()
        return closed, (await session.capability(AcSource).read_state()).output_on


async def guard_report(folder: Path) -> dict[str, Any]:
    """What the guard did, once it has."""
    while (report := last_report(folder / "bench" / "emulated")) is None:  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.02)
    return report


async def test_an_engine_that_is_killed_in_an_outage_leaves_a_safe_rig_and_a_journal(tmp_path: Path) -> None:
    runbook = tmp_path / "hold.yaml"
    runbook.write_text(RUNBOOK)
    rig = str(tmp_path / "rig" / "rig.yaml")
    with emulating(tmp_path):
        with serving(tmp_path) as engine:
            async with connected(tmp_path / "bench" / "emulated" / "engine.sock") as client:
                await client.call("subscribe")
                await client.call("run", runbooks=[str(runbook)])
                await until(client, kind="seen.hub", power="off")
                bundle = Path((await client.call("status"))["run"]["folder"])
                engine.send_signal(signal.SIGKILL)
                assert await client.messages.get() is None or engine.wait(5)
            report = await guard_report(tmp_path)
        assert report["confirmed"], report
        assert report["engine_pid"] == engine.pid
        assert {each["device"] for each in report["devices"]} == {"relay", "source"}
        assert await supply(tmp_path) == (False, False)
        assert "interrupt" in (bundle / "journal.jsonl").read_text()
        verified = await asyncio.to_thread(hilbench, tmp_path, "verify", str(bundle))
        assert (verified.returncode, "Traceback" in verified.stderr) == (1, False), verified
        shown = await asyncio.to_thread(hilbench, tmp_path, "lease", "show", rig)
        assert "expired" in shown.stdout
        parked = await asyncio.to_thread(hilbench, tmp_path, "rig", "park", "--no-wait", rig)
        assert (parked.returncode, await supply(tmp_path)) == (0, (True, True)), parked


async def test_a_rig_has_one_holder(tmp_path: Path) -> None:
    rig = str(tmp_path / "rig" / "rig.yaml")
    with emulating(tmp_path), serving(tmp_path) as engine:
        second = await asyncio.to_thread(hilbench, tmp_path, "serve", rig)
        assert second.returncode == 2
        assert f"process {engine.pid} (serve)" in second.stderr
        assert "Traceback" not in second.stderr
        status = await asyncio.to_thread(hilbench, tmp_path, "status", rig, "--json")
        assert json.loads(status.stdout)["pid"] == engine.pid
        taken = await asyncio.to_thread(hilbench, tmp_path, "lease", "take", rig)
        assert taken.returncode == 0, taken
        assert "made safe and is parked" in taken.stdout
        assert engine.wait(10) != 0
        assert await supply(tmp_path) == (True, True)


async def test_an_emergency_stop_outlives_the_engine(tmp_path: Path) -> None:
    rig = str(tmp_path / "rig" / "rig.yaml")
    with emulating(tmp_path):
        with serving(tmp_path) as engine:
            stopped = await asyncio.to_thread(hilbench, tmp_path, "estop", rig, "--who", "Ada")
            assert (stopped.returncode, stopped.stdout) == (0, "the rig is safe\n")
            assert (await asyncio.to_thread(hilbench, tmp_path, "stop", rig)).returncode == 0
            assert engine.wait(10) == 0
        refused = await asyncio.to_thread(hilbench, tmp_path, "serve", rig)
        assert refused.returncode == 2
        assert "the rig was stopped by Ada" in refused.stderr
        assert await supply(tmp_path) == (False, False)
