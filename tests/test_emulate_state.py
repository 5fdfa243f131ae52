"""`hilbench emulate --state`: a world that a kill does not end."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from bench.clock import RealClock
from bench.emulate_state import StateKeeper
from bench.errors import UsageError
from bench.events import Event
from bench.rig.load import load_rig
from bench.rig.session import open_rig
from drivers.gateway import Gateway
from tests.processes import emulating

DCC_ONLY = ["dcc"]
DEVICE = "00-DB-12-34-56-78-90-C7"


async def asked(folder: Path, *requests: tuple[str, dict[str, Any]]) -> tuple[list[str], list[Event]]:
    """Send requests as IS by the gateway, and return their codes and everything that was seen."""
    events: list[Event] = []
    rig = load_rig(folder / "rig" / "rig.yaml")
    async with open_rig(rig, RealClock(), state=folder / "bench", only=DCC_ONLY) as session:
        session.stream.subscribe(events.append)
        gateway = session.drivers["dcc"]
        assert isinstance(gateway, Gateway)
        codes = [(await gateway.request("IS", name, rig.file.dcc, params)).response_code for name, params in requests]
        return codes, events


def entries(events: list[Event]) -> dict[str, str]:
    found = (event.data["values"]["devices"] for event in events if event.kind == "seen.response")
    return {device["device_id"]: device["status"] for devices in found for device in devices}


@pytest.mark.realtime
async def test_a_world_that_was_killed_goes_on(tmp_path: Path) -> None:
    pre_notify = {
        "device_id": DEVICE,
        "device_type": "ESME",
        "device_manufacturer": "1234",
        "device_model": "00010001",
    }
    with emulating(tmp_path) as process:
        codes, _ = await asked(tmp_path, ("12.2", pre_notify))
        assert codes == ["I99"]
        await asyncio.sleep(0.5)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert json.loads((tmp_path / "state" / "world.json").read_bytes())["format"].startswith("hilbench emulated world")
    with emulating(tmp_path) as process:
        codes, events = await asked(tmp_path, ("8.2", {"device_id": DEVICE}))
        assert codes == ["I0"]
        assert entries(events) == {DEVICE: "Pending"}
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    with emulating(tmp_path, "--seed", "5") as process:
        _, error = process.communicate()
        assert process.returncode == 2
        assert "the saved world is another one: it has seed 1, not 5" in error
        assert "Traceback" not in error


def test_a_folder_belongs_to_one_process_at_a_time(tmp_path: Path) -> None:
    with StateKeeper(tmp_path) as keeper:
        assert keeper.read() is None
        with pytest.raises(UsageError, match="another process keeps its world there"):
            StateKeeper(tmp_path)
    with StateKeeper(tmp_path):
        pass


@pytest.mark.realtime
async def test_a_change_is_on_disk_a_moment_later_and_the_last_one_at_the_end(tmp_path: Path) -> None:
    with StateKeeper(tmp_path) as keeper:
        stop, states = asyncio.Event(), [b"one"]
        await keeper.save(b"zero")
        keeping = asyncio.create_task(keeper.keep(lambda: states[-1], stop))
        await asyncio.sleep(0.3)
        assert keeper.read() == b"zero"
        keeper.changed()
        await asyncio.sleep(0.3)
        assert keeper.read() == b"one"
        states.append(b"two")
        stop.set()
        await keeping
        assert keeper.read() == b"two"


@pytest.mark.realtime
async def test_a_torn_state_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "world.json").write_text('{"format": "hilbench')
    with emulating(tmp_path) as process:
        _, error = process.communicate()
        assert process.returncode == 2
        assert "the saved world cannot be read" in error
        assert "Traceback" not in error
