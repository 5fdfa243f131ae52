"""An engine that gets no processor: a moment changes nothing, after three seconds its guard acts, a person at once."""

from __future__ import annotations

import asyncio
import signal
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
