"""Where physics decides: the length of an outage to the second, and a source that somebody else moves as well."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bench.capabilities import AcSource, Switch
from bench.clock import VirtualClock
from bench.engine import Engine
from bench.events import Event
from bench.rig.load import load_rig
from bench.rig.session import RigSession, open_rig
from bench.runbook import load_runbook
from bench.terminal import TerminalOperator
from bench.verdict import Verdict
from tests.faults.runs import RIG, ROOT, fails, passes, see

OUTAGE = """
runbook: outage-{length}
title: An interruption of {length} s
steps:
  - step: 1
    as: ED
    supply: {{interrupt: {{for: {length} s}}}}
    expect:
      - {{device_alert: {expected}, from: esme, within: 3 min, after: restore}}
    forbid:
      - {{device_alert: {other}, from: esme, for: 5 min, after: restore}}
    allow:
      - {{dcc_alert: AD1, from: chf}}
"""


@pytest.mark.parametrize(
    ("length", "code"),
    [("179", "0x8F35"), ("179.9", "0x8F35"), ("180", "0x8F36"), ("180.1", "0x8F36"), ("181", "0x8F36")],
)
async def test_three_minutes_divide_short_outages_from_long_ones(tmp_path: Path, length: str, code: str) -> None:
    other = {"0x8F35": "0x8F36", "0x8F36": "0x8F35"}[code]
    right, wrong = tmp_path / f"outage-{length}.yaml", tmp_path / "wrong" / f"outage-{length}.yaml"
    wrong.parent.mkdir()
    right.write_text(OUTAGE.format(length=length, expected=code, other=other))
    wrong.write_text(OUTAGE.format(length=length, expected=other, other=code))
    await see([], passes(right), fails(wrong, f"no {code} from esme: {code} from esme to ED came"))


@dataclass
class Bench:
    """A rig that is up, and a client of the emulated source's port that the bench knows nothing of."""

    session: RigSession
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    events: list[Event] = field(default_factory=list)

    async def ask(self, query: str) -> str:
        await self.tell(query)
        return (await self.reader.readline()).decode().strip()

    async def tell(self, command: str) -> None:
        self.writer.write(command.encode() + b"\n")
        await self.writer.drain()

    def alerts(self) -> list[tuple[Any, ...]]:
        return [
            (event.data["code"], event.data["user"], event.data["signature"])
            for event in self.events
            if event.kind == "seen.device_alert"
        ]

    async def run(self, runbook: Path | str) -> Any:
        async def on_disk() -> None:
            """There is no disk."""

        path = Path(runbook) if isinstance(runbook, Path) else ROOT / "runbooks" / f"{runbook}.yaml"
        return await Engine(self.session, load_runbook(path), operator=TerminalOperator(), barrier=on_disk).run()


@asynccontextmanager
async def third_party(folder: Path) -> AsyncIterator[Bench]:
    """The emulated rig with averaging periods of a minute, and a raw SCPI client."""
    (folder / "duts").mkdir()
    (folder / "duts" / "emulated.yaml").write_text((RIG.parent / "duts" / "emulated.yaml").read_text())
    (folder / "rig.yaml").write_text(RIG.read_text() + "  world: {voltage: {period: 60 s, over: 253 V}}\n")
    async with open_rig(load_rig(folder / "rig.yaml"), VirtualClock(asyncio.get_running_loop())) as session:
        resource = session.drivers["source"].config.resource
        _, host, port, _ = resource.split("::")
        reader, writer = await asyncio.open_connection(host, int(port))
        bench = Bench(session, reader, writer)
        session.stream.subscribe(bench.events.append)
        try:
            yield bench
        finally:
            writer.close()
            await writer.wait_closed()


async def test_whoever_raises_the_voltage_raises_the_alert(tmp_path: Path) -> None:
    async with third_party(tmp_path) as bench:
        assert "," in await bench.ask("*IDN?")
        await asyncio.sleep(90)
        assert bench.alerts() == []
        await bench.tell("SOUR:VOLT 260")
        assert float(await bench.ask("MEAS:VOLT?")) == pytest.approx(260, abs=1)
        state = await bench.session.capability(AcSource).read_state()
        assert state.set_volts == 260
        await asyncio.sleep(125)
        assert bench.alerts() == [("0x8002", "ED", "valid")]
        await bench.tell("SOUR:VOLT 230")
        await asyncio.sleep(125)
        assert bench.alerts() == [("0x8002", "ED", "valid"), ("0x8085", "ED", "valid")]


async def test_behind_an_open_relay_the_meter_notices_nothing(tmp_path: Path) -> None:
    async with third_party(tmp_path) as bench:
        relay = bench.session.capability(Switch)
        await relay.switch(False)
        await bench.tell("SOUR:VOLT 260")
        assert float(await bench.ask("MEAS:VOLT?")) == pytest.approx(260, abs=1)
        await asyncio.sleep(170)
        assert bench.alerts() == []
        # Then it is there with all that it could not say.
        await relay.switch(True)
        await asyncio.sleep(180)
        assert bench.alerts() == [("0x8F35", "ED", "valid"), ("0x8002", "ED", "valid")]


async def test_a_run_notices_who_else_moves_the_source(tmp_path: Path) -> None:
    async with third_party(tmp_path) as bench:
        run = asyncio.create_task(bench.run("over-voltage"))
        await asyncio.sleep(8)
        await bench.tell("SOUR:VOLT 255")
        result = await run
        assert result.verdict is Verdict.FAILED
        assert (
            "1 One whole period at nominal voltage: no 0x8002 from esme: 0x8002 from esme to ED came" in result.reason
        )
        assert result.parked


async def test_a_limit_that_somebody_else_breaks_aborts_the_run(tmp_path: Path) -> None:
    async with third_party(tmp_path) as bench:
        run = asyncio.create_task(bench.run("supply-outage-short"))
        await asyncio.sleep(100)
        await bench.tell("SOUR:VOLT 280")
        result = await run
        assert (result.verdict, result.safe, result.parked) == (Verdict.UNDECIDED, True, False)
        assert "aborted: " in result.reason and "280" in result.reason and "270" in result.reason
        assert not await bench.session.capability(Switch).is_closed()
        assert await bench.ask("OUTP?") == "0"
