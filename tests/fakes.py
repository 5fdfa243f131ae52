"""A bench in memory: a session and an engine on drivers without a wire, which do what a test tells them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from bench.clock import Clock, VirtualClock
from bench.device import AnyDriver, DeviceContext
from bench.engine import Engine
from bench.events import Event, EventStream
from bench.ledger import Ledger
from bench.parties import Certificates, KeyPair, Parties, User
from bench.results import RunResult
from bench.rig.load import load_rig
from bench.rig.session import RigSession
from bench.runbook import Runbook, load_runbook
from tests.fake_devices import FakeConsole, FakeGateway, FakeHub, FakeMeter, FakeRelay, FakeSniffer, FakeSource

RIG = """
rig: small
duts: duts.yaml
dcc: 90-B3-D5-1F-30-00-00-02
users:
  IS: {role: IS, id: 90-B3-D5-1F-30-01-00-00, keys: keys}
  ED: {role: ED, id: 90-B3-D5-1F-30-02-00-00, keys: keys}
supply: {source: source, relay: relay, meter: meter, feeds: esme}
limits: {voltage: {min: 180 V, max: 270 V}, slope: 100 V/s, outage: 30 min}
devices:
  source: {driver: fake}
  relay: {driver: fake}
  meter: {driver: fake}
  dcc: {driver: fake}
  hub: {driver: fake}
  sniffer: {driver: fake}
  console: {driver: fake}
monitors:
  - {device: meter, quantity: voltage, every: 1 s}
park:
  deadline: 20 s
  actions:
    - {device: source, output: on, voltage: 230 V}
    - {device: relay, closed: yes}
safe:
  deadline: 10 s
  actions:
    - {device: relay, closed: no}
    - {device: source, output: off}
clock: {require_synchronised: yes, max_uncertainty: 100 ms, device_tolerance: 10 s}
drain: 30 s
"""

DUTS = """
duts:
  esme: {type: ESME, id: 00-DB-12-34-56-78-90-A0, mpxn: "1012345678901", install_code: 83FED3407A939723A5C639B26916D505}
  chf: {type: CHF, id: 00-DB-12-34-56-78-90-A2}
"""


class FakeOperator:
    """Answers questions in turn."""

    def __init__(self, *answers: str) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def ask(self, text: str, choices: Sequence[str]) -> str:
        self.asked.append(text)
        await asyncio.sleep(0)
        return self._answers.pop(0)


def verdicts(result: RunResult) -> list[tuple[str, str, str]]:
    """Group, name and verdict of each step of a run."""
    return [(step.group, step.placed.name, step.verdict.value) for step in result.steps]


async def no_barrier() -> None:
    """All is on disk."""


@dataclass
class FakeBench:
    """A session on fake devices.

    Attributes:
        events: everything on the stream, in order.
    """

    folder: Path
    session: RigSession
    source: FakeSource
    relay: FakeRelay
    meter: FakeMeter
    dcc: FakeGateway
    hub: FakeHub
    sniffer: FakeSniffer
    console: FakeConsole
    events: list[Event] = field(default_factory=list)

    @property
    def is_parked(self) -> bool:
        """Powered and nominal."""
        return self.source.on and self.source.volts == 230.0 and self.relay.contact

    @property
    def is_safe(self) -> bool:
        """The relay is open, whatever the source does."""
        return not self.relay.contact

    @property
    def now_s(self) -> float:
        """Seconds since the loop began."""
        return asyncio.get_running_loop().time()

    def at(self, when_s: float, act: Callable[..., object], *arguments: Any, **options: Any) -> None:
        """Do something so many seconds from now."""
        asyncio.get_running_loop().call_later(when_s, lambda: act(*arguments, **options))

    def engine(
        self,
        steps: str,
        *,
        operator: FakeOperator | None = None,
        barrier: Callable[[], Awaitable[None]] = no_barrier,
    ) -> Engine:
        """An engine for a runbook, given without its first two lines."""
        return Engine(self.session, self.runbook(steps), operator=operator or FakeOperator(), barrier=barrier)

    async def run(self, steps: str, **options: Any) -> RunResult:
        """Run a runbook, given without its first two lines."""
        return await self.engine(steps, **options).run()

    def runbook(self, steps: str) -> Runbook:
        """A runbook, given without its first two lines."""
        path = self.folder / "test.yaml"
        path.write_text(f"runbook: test\ntitle: Test\n{steps}")
        return load_runbook(path)

    def told(self, kind: str, **data: Any) -> list[Event]:
        """Events of a kind whose data has these values."""
        return [
            event
            for event in self.events
            if event.kind == kind and all(event.data.get(key) == value for key, value in data.items())
        ]


def make_parties(folder: Path, rig_text: str = RIG) -> Parties:
    """The parties of the small rig; their keys are empty."""
    rig = write_rig(folder, rig_text)
    nothing = cast(Any, None)
    keys = KeyPair(nothing, nothing)
    users = {
        name: User(name, spec.role, spec.id, signing=keys, agreement=keys, xml=keys)
        for name, spec in rig.file.users.items()
    }
    return Parties(users, rig.duts, rig.file.dcc, Certificates())


def write_rig(folder: Path, rig_text: str = RIG) -> Any:
    """Write the rig and its DUT file, and load them."""
    (folder / "duts.yaml").write_text(DUTS)
    (folder / "rig.yaml").write_text(rig_text)
    return load_rig(folder / "rig.yaml")


def make_bench(
    folder: Path, *, rig_text: str = RIG, clock: Clock | None = None, ledger: Ledger | None = None
) -> FakeBench:
    """A session on fake devices, on the running loop."""
    rig, parties = write_rig(folder, rig_text), make_parties(folder, rig_text)
    stream = EventStream(clock or VirtualClock(asyncio.get_running_loop()))

    def context(name: str) -> DeviceContext:
        return DeviceContext(name, stream, parties, cast(Any, None))

    source, relay = FakeSource(context("source")), FakeRelay(context("relay"))
    meter, dcc = FakeMeter(context("meter"), source, relay), FakeGateway(context("dcc"))
    hub, sniffer, console = FakeHub(context("hub")), FakeSniffer(context("sniffer")), FakeConsole(context("console"))
    drivers: dict[str, AnyDriver] = {
        driver.name: driver for driver in (source, relay, meter, dcc, hub, sniffer, console)
    }
    session = RigSession(rig, stream, drivers, parties, ledger or Ledger())
    bench = FakeBench(folder, session, source, relay, meter, dcc, hub, sniffer, console)
    stream.subscribe(bench.events.append)
    return bench
