"""An engine that gets no processor: a moment changes nothing, after three seconds its guard acts, a person at once."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from pathlib import Path

import pytest

from bench.guard import last_report
from bench.service.client import connected
from tests.processes import emulating, hilbench, serving
from tests.service.engines import until
from tests.service.kills import prepare_rig, supply_of

pytestmark = pytest.mark.realtime
RUNBOOK = """
runbook: starved
title: A supply that is held
steps:
  - {step: 1, title: Hold, supply: {set: 230 V}}
  - {step: 2, title: Wait, wait: 2 s}
  - {step: 3, title: Healthy, measure: {quantity: voltage, between: [226 V, 234 V]}}
"""


@pytest.mark.soak
async def test_an_engine_that_gets_no_processor(tmp_path: Path) -> None:
    runbook = tmp_path / "starved.yaml"
    runbook.write_text(RUNBOOK)
    state = tmp_path / "bench" / "emulated"
    with emulating(tmp_path):
        prepare_rig(tmp_path)
        with serving(tmp_path) as engine:
            async with connected(state / "engine.sock") as client:
                await client.call("subscribe")
                await client.call("run", runbooks=[str(runbook)])
                await until(client, kind="step", state="start", name="2 Wait")
                engine.send_signal(signal.SIGSTOP)
                await asyncio.sleep(1.0)
                engine.send_signal(signal.SIGCONT)
                ended = await until(client, type="job", state="end")
                assert (ended["verdict"], ended["reason"]) == ("passed", ""), "a moment changes nothing"
                assert last_report(state) is None
                await client.call("run", runbooks=[str(runbook)])
                await until(client, kind="step", state="start", name="2 Wait")
                bundle = (await client.call("status"))["run"]["folder"]
                engine.send_signal(signal.SIGSTOP)
                stop = await asyncio.to_thread(hilbench, tmp_path, "estop", str(tmp_path / "rig" / "rig.yaml"))
                assert (stop.returncode, stop.stdout) == (0, "the rig is safe\n"), stop.stderr
                assert "emergency stop" in stop.stderr and "does not answer within 0.5 s" in stop.stderr
                assert await asyncio.to_thread(lambda: asyncio.run(supply_of(tmp_path))) == (False, False)
                assert await client.messages.get() is None or await asyncio.to_thread(engine.wait, 20) == -9
            while "silent" not in (report := last_report(state) or {"why": ""})["why"]:  # noqa: ASYNC110 - a process
                await asyncio.sleep(0.02)
        assert (report["confirmed"], report["engine_killed"]) == (True, True), report
        assert "silent for 3 s" in report["why"]
        assert await asyncio.to_thread(lambda: asyncio.run(supply_of(tmp_path))) == (False, False)
        await asyncio.to_thread(what_came_late_is_booked, tmp_path, runbook, bundle)


def what_came_late_is_booked(folder: Path, runbook: Path, bundle: str) -> None:
    """By whoever takes the rig next, to the run that left it as it was."""
    rig, record = str(folder / "rig" / "rig.yaml"), folder / "bench" / "emulated" / "aftermath.jsonl"
    # An emergency stop stands until a person has parked the rig; that this is all that is done leaves the rest.
    parked = hilbench(folder, "rig", "park", "--no-wait", rig)
    assert parked.returncode == 0 and "late alerts are NOT waited for: nobody asked" in parked.stdout, parked
    assert not record.exists()
    with serving(folder) as engine:
        engine.kill()
    with serving(folder):
        while not record.exists() or not record.read_text().endswith("\n"):
            time.sleep(0.05)  # noqa: TID251 - another process
    assert [json.loads(line)["run"] for line in record.read_text().splitlines()] == [bundle]
    ran = hilbench(folder, "run", str(runbook), "--rig", rig, "--out", str(folder / "evidence"))
    assert ran.returncode == 0 and "what devices still say of the run before is waited for" in ran.stderr, ran
    assert [json.loads(line)["run"] for line in record.read_text().splitlines()] == [bundle, ""]
