"""Runs runbooks on a rig, one after the other, each with its own evidence: what `hilbench run` does.

The rig is brought up once. All runbooks are read and planned before anything is energised: a mistake in the last one
is found before the first one runs.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench.clock import Clock, RealClock, VirtualClock
from bench.errors import BenchError, UsageError
from bench.evidence.keys import BenchKey
from bench.holding import PATIENCE_S, held, patiently_open, until_quiet
from bench.one_run import Finished, Reporter, RigRunner
from bench.planner import Plan, plan
from bench.resume_bundle import Interrupted, read_interrupted
from bench.rig.file import Rig
from bench.rig.load import load_rig
from bench.rig.session import open_rig
from bench.runbook import Runbook, find_runbook, load_runbook
from bench.verbs import Operator
from bench.verdict import EXIT_UNDECIDED, Verdict
from bench.virtual_time import VirtualLoop, check_poll_readiness


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run.

    Attributes:
        out: folder under which each run gets a folder of evidence.
        state: folder for counters, the record of messages seen, and the bench's signing key.
        seed: seed of an emulated world instead of the rig file's own.
        faults: faults for the emulated world.
        realtime: do not use virtual time on an emulated rig.
        speed: virtual seconds a second, for people to watch; None for as fast as it goes.
        say: told what is done to a rig before the first run, if anything has to be.
        world_record: file that gets a line for each beginning and end of a fault of an emulated world.
    """

    out: Path
    state: Path
    seed: int | None = None
    faults: Sequence[str] = ()
    realtime: bool = False
    speed: float | None = None
    say: Callable[[str], None] = lambda _text: None
    world_record: Path | None = None


def bench_key(state: Path) -> BenchKey:
    """The key that signs this bench's evidence; made on first use."""
    return BenchKey.load_or_create(state / "keys")


def prepare(rig_path: Path, names: Sequence[str]) -> tuple[Rig, list[tuple[Runbook, Plan]]]:
    """Read a rig and runbooks and plan them.

    Raises:
        UsageError: with all mistakes of all files.
    """
    rig = load_rig(rig_path)
    planned, mistakes = [], []
    for name in names:
        try:
            runbook = load_runbook(find_runbook(name))
            planned.append((runbook, plan(rig, runbook)))
        except UsageError as error:
            mistakes.append(str(error))
    if mistakes:
        raise UsageError("\n".join(dict.fromkeys(mistakes)))
    return rig, planned


def make_loop_factory(rig: Rig, options: RunOptions) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The event loop that a rig runs on: virtual for an emulated rig, unless real time is asked for.

    Raises:
        UsageError: a speed was given where time is real.
        ClockError: virtual time cannot work on this machine.
    """
    if options.realtime or not rig.emulated:
        if options.speed is not None:
            raise UsageError("--speed paces virtual time; this run is in real time")
        return None
    check_poll_readiness()
    return lambda: VirtualLoop(speed=options.speed)


def make_clock() -> Clock:
    """The clock of the running loop."""
    loop = asyncio.get_running_loop()
    return VirtualClock(loop) if isinstance(loop, VirtualLoop) else RealClock()


def prepare_resumption(rig_path: Path, bundle: Path) -> tuple[Rig, list[tuple[Runbook, Plan]], Interrupted]:
    """Read a rig and the evidence of a run that was killed on it, and plan the runbook again.

    Raises:
        UsageError: the run cannot be carried on; the error says why.
    """
    rig = load_rig(rig_path)
    if rig.emulated:
        raise UsageError("the run's emulated world was inside its process, and ended with it", where=str(bundle))
    interrupted = read_interrupted(bundle, rig)
    return rig, [(interrupted.runbook, plan(rig, interrupted.runbook))], interrupted


async def run_all(
    rig: Rig,
    planned: Sequence[tuple[Runbook, Plan]],
    options: RunOptions,
    operator: Operator,
    reporter: Reporter,
    interrupted: Interrupted | None = None,
) -> list[Finished]:
    """Run runbooks on a rig, the first of them from where it was interrupted, if it was.

    SIGINT and SIGTERM bring it to its safe state and end the whole.

    Raises:
        BenchError: the rig could not be brought up, or evidence could not be written.
    """
    finished: list[Finished] = []
    _check_out(options.out)
    key = bench_key(options.state)
    interrupt = _Interrupt()
    opened = partial(
        open_rig,
        rig,
        make_clock(),
        seed=options.seed,
        faults=options.faults,
        state=options.state,
        world_record=options.world_record,
    )
    with interrupt.handlers():
        async with (
            held(rig, options.state, "run", on_lost=interrupt.stop, say=options.say) as hold,
            patiently_open(opened, PATIENCE_S if hold.was_off else 0.0, options.say) as session,
        ):
            if interrupted is None:
                # One that is carried on with waits for it by itself, and has it in its own evidence.
                await until_quiet(hold, session, options.say)
            runs = RigRunner(session, options.out, key, seed=options.seed, faults=options.faults)
            interrupt.runs = runs
            for runbook, its_plan in planned:
                if interrupt.came:
                    break
                hold.shares.begun()
                finished.append(await runs.run(runbook, its_plan, operator, reporter, interrupted))
                interrupted = None
                if finished[-1].result.parked:
                    hold.shares.parked()
                if not finished[-1].result.parked:
                    # Whatever comes next would be judged on a rig that is not as a run has to find it.
                    break
    return finished


def _check_out(out: Path) -> None:
    """Find out before anything is energised whether evidence can be written; makes nothing.

    Raises:
        UsageError: it cannot.
    """
    nearest = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        why = "that is no folder" if not nearest.is_dir() else "this user may not write there"
        raise UsageError(f"evidence cannot be written to {out}: {why}", where=str(nearest))


class _Interrupt:
    """Ctrl-C and SIGTERM: cancel the rig's start, or abort the engine; evidence is always sealed, the rig closed."""

    def __init__(self) -> None:
        self.came = False
        self.runs: RigRunner | None = None
        self._task = asyncio.current_task()

    def stop(self, reason: str) -> None:
        """Abort: for this reason nobody may go on."""
        self.came = True
        if self.runs is None:
            if self._task is not None:
                self._task.cancel()
        elif self.runs.engine is not None:
            self.runs.engine.abort(reason)

    def handlers(self) -> _Handlers:
        return _Handlers(self.stop)


class _Handlers:
    def __init__(self, on_signal: Callable[[str], None]) -> None:
        self._on_signal = on_signal

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._on_signal, "Ctrl-C")
        loop.add_signal_handler(signal.SIGTERM, self._on_signal, "SIGTERM")

    def __exit__(self, *_error: object) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_signal_handler(signal.SIGINT)
        loop.remove_signal_handler(signal.SIGTERM)


def overall_exit_code(finished: Sequence[Finished], expected: int) -> int:
    """The gravest exit code of several runs; runs that never began leave the whole undecided."""
    gravity = [0, 1, 2, 3, 4]
    code = max((item.exit_code for item in finished), key=gravity.index, default=EXIT_UNDECIDED)
    return code if len(finished) == expected else max(code, EXIT_UNDECIDED, key=gravity.index)


def as_json(item: Finished) -> dict[str, Any]:
    """A finished run for a program to read."""
    result = item.result
    return {
        "runbook": result.runbook.name,
        "verdict": result.verdict.value,
        "reason": result.reason,
        "safe": result.safe,
        "duration_s": round(item.duration_s, 6),
        "bundle": str(item.bundle),
        "body_hash": item.body_hash,
        "findings": result.findings,
        "covers": sorted(
            {cover for step in result.steps if step.verdict is Verdict.PASSED for cover in step.placed.step.covers}
        ),
        "steps": [
            {
                "group": step.group,
                "name": step.placed.name,
                "as": step.placed.step.user,
                "verdict": step.verdict.value,
                "reason": step.reason,
                "summary": step.summary,
                "duration_s": round(step.duration_s, 6),
                "latencies": [
                    {"what": what, "latency_s": ns / 1e9, "uncertainty_s": uncertainty / 1e9}
                    for what, ns, uncertainty in step.latencies
                ],
            }
            for step in result.steps
        ],
    }


def execute(
    rig: Rig,
    planned: Sequence[tuple[Runbook, Plan]],
    options: RunOptions,
    operator: Operator,
    reporter: Reporter,
    interrupted: Interrupted | None = None,
) -> list[Finished]:
    """`run_all` on a loop of its own.

    Raises:
        BenchError: see `run_all`; also if it was interrupted before a run began.
    """
    with asyncio.Runner(loop_factory=make_loop_factory(rig, options)) as runner:
        try:
            return runner.run(run_all(rig, planned, options, operator, reporter, interrupted))
        except asyncio.CancelledError:
            raise BenchError("interrupted before a run began") from None
