"""What a step costs beside its device: a meter that answers at once, the engine, and evidence that is on disk."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from bench.capabilities import Measurement
from bench.clock import Clock
from bench.device import AnyDriver
from bench.engine import Engine
from bench.events import Event, EventStream
from bench.evidence.bundle import BundleWriter
from bench.evidence.keys import BenchKey
from bench.evidence.redact import Redactor
from bench.ledger import Ledger
from bench.parties import Certificates, Parties
from bench.rig.load import load_rig
from bench.rig.sections import SafetyState
from bench.rig.session import RigSession
from bench.runbook import Placed, Runbook
from bench.runner import make_clock
from bench.steps import Step
from bench.terminal import TerminalOperator
from bench.virtual_time import VirtualLoop
from tests.benchmarks.result import RIG, Result

_TARGET_US = 600.0
_STEPS = 1000
_REPEATS = 5
_MANY = 10_000


class TrivialMeter:
    """Answers at once, without a wire."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def measure(self, quantity: str) -> Measurement:
        """230 V, now."""
        return Measurement(quantity, 230.0, "V", self._clock.now())


def steps() -> list[Result]:
    """1,000 steps on each clock, and 10,000 for the growth."""
    _run_steps(VirtualLoop, _STEPS)
    virtual = [_run_steps(VirtualLoop, _STEPS) for _ in range(_REPEATS)]
    real = [_run_steps(None, _STEPS) for _ in range(_REPEATS)]
    ends = _run_steps(VirtualLoop, _MANY)
    what = "a measured step of an in-process meter, journalled and synced"
    growth = _each_us(ends[-_STEPS:]) / _each_us(ends[:_STEPS])
    return [
        Result(f"{what}, virtual clock", "us", [_each_us(ends) for ends in virtual], _TARGET_US, f"of {_STEPS} steps"),
        Result(f"{what}, real clock", "us", [_each_us(ends) for ends in real], _TARGET_US, f"of {_STEPS} steps"),
        Result("the last 1,000 of 10,000 such steps against the first 1,000", "x", [growth], 1.1),
        Result("of that, one fdatasync of a journal line", "us", [_fdatasync_us() for _ in range(_REPEATS)]),
    ]


def _each_us(ends: list[float]) -> float:
    return (ends[-1] - ends[0]) / (len(ends) - 1) * 1e6


def _run_steps(loop_factory: Callable[[], asyncio.AbstractEventLoop] | None, count: int) -> list[float]:
    """Run a runbook of so many steps; when each ended, in real seconds."""
    with (
        tempfile.TemporaryDirectory(prefix="hilbench-steps-") as folder,
        asyncio.Runner(loop_factory=loop_factory) as runner,
    ):
        return runner.run(_engine_run(Path(folder), count))


async def _engine_run(folder: Path, count: int) -> list[float]:
    loaded = load_rig(RIG)
    nothing = SafetyState.model_construct(deadline=1.0, actions=())
    rules = loaded.file.clock.model_copy(update={"require_synchronised": False})
    rig = replace(
        loaded,
        file=loaded.file.model_copy(
            update={"monitors": (), "park": nothing, "safe": nothing, "drain": 0.0, "clock": rules}
        ),
    )
    stream = EventStream(make_clock())
    drivers = cast("dict[str, AnyDriver]", {"meter": TrivialMeter(stream.clock)})
    parties = Parties({}, loaded.duts, loaded.file.dcc, Certificates())
    session = RigSession(rig, stream, drivers, parties, Ledger())
    measure: dict[str, Any] = {"title": "Measure", "measure": {"quantity": "voltage", "between": ["226 V", "234 V"]}}
    step = Step.model_validate(measure)
    placed = tuple(Placed(step, "the benchmark", f"steps.{index}") for index in range(count))
    runbook = Runbook("steps", "Steps", (), (), placed, (), ())
    key = BenchKey.load_or_create(folder / "keys")
    writer = BundleWriter.open(folder / "out", "steps", stream, key=key, redactor=Redactor.of(parties))
    ends: list[float] = []

    def note(event: Event) -> None:
        if event.kind == "step" and event.data["state"] == "end":
            ends.append(time.perf_counter())

    stream.subscribe(note)
    result = await Engine(session, runbook, operator=TerminalOperator(), barrier=writer.barrier).run()
    await writer.close()
    if not result.verdict.passed or len(ends) != count:
        raise RuntimeError(f"{len(ends)} of {count} steps: {result.reason}")
    return ends


def _fdatasync_us(count: int = 200) -> float:
    with tempfile.NamedTemporaryFile(prefix="hilbench-sync-") as file:
        began_s = time.perf_counter()
        for _ in range(count):
            os.write(file.fileno(), b"x" * 400)
            os.fdatasync(file.fileno())
        return (time.perf_counter() - began_s) / count * 1e6
