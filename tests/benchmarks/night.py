"""A night on an emulated rig: a runbook every ten minutes, the voltage sampled every second, all of it evidence.

    python -m tests.benchmarks.night HOURS

prints the body hashes of the runs of so many virtual hours.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from bench.one_run import Finished
from bench.planner import Plan
from bench.rig.file import Rig
from bench.runbook import Placed, Runbook
from bench.runner import RunOptions, execute, prepare
from bench.steps import Step
from bench.terminal import Silent, TerminalOperator
from tests.benchmarks.result import RIG, ROOT, Result

SLOT_S = 600
ROUND = ("supply-outage-short", "over-voltage", "ic01", "han-join", "arm-supply", "supply-outage-short")
_NIGHT_H = 8
_NIGHTS = 3
_HOURS = 20


def fill_slot(runbook: Runbook, plan: Plan) -> Runbook:
    """A runbook that waits as its last step, so that it takes ten minutes in all."""
    rest = Step.model_validate({"title": "Watch the voltage", "wait": f"{SLOT_S - plan.usual_s} s"})
    return replace(runbook, steps=(*runbook.steps, Placed(rest, "the benchmark", "steps.rest")))


def plan_hours(hours: float) -> tuple[Rig, list[tuple[Runbook, Plan]]]:
    """The rig, and a runbook for each slot of ten minutes in so many hours."""
    runbooks = ROOT / "runbooks"
    slots = round(hours * 3600 / SLOT_S)
    names = [str(runbooks / f"{ROUND[slot % len(ROUND)]}.yaml") for slot in range(slots)]
    rig, planned = prepare(RIG, names)
    return rig, [(fill_slot(runbook, plan), plan) for runbook, plan in planned]


def run_hours(hours: float, folder: Path, *, seed: int = 1) -> list[Finished]:
    """Run so many virtual hours, with evidence and state in a folder."""
    rig, planned = plan_hours(hours)
    options = RunOptions(folder / "evidence", folder / "state", seed)
    finished = execute(rig, planned, options, TerminalOperator(), Silent())
    bad = [f"{item.result.runbook.name}: {item.result.reason}" for item in finished if not item.result.verdict.passed]
    if bad or len(finished) != len(planned):
        raise RuntimeError(f"{len(finished)} of {len(planned)} runs; not passed: {bad}")
    return finished


def hashes(finished: Sequence[Finished]) -> str:
    """One hash of the body hashes of all runs."""
    return hashlib.sha256(" ".join(item.body_hash for item in finished).encode()).hexdigest()


def night() -> list[Result]:
    """Eight virtual hours in one process."""
    real, processor, virtual_s, records = [], [], 0.0, 0
    for _ in range(_NIGHTS):
        with tempfile.TemporaryDirectory(prefix="hilbench-night-") as folder:
            began_s, began_processor_s = time.perf_counter(), time.process_time()
            finished = run_hours(_NIGHT_H, Path(folder))
            real_s, processor_s = time.perf_counter() - began_s, time.process_time() - began_processor_s
            virtual_s = sum(item.duration_s for item in finished)
            share = _NIGHT_H * 3600 / virtual_s
            real.append(real_s * share)
            processor.append(processor_s * share)
            journals = [(item.bundle / "journal.jsonl").read_bytes() for item in finished]
            records = sum(journal.count(b"\n") for journal in journals)
    what = "8 virtual hours: a runbook every 10 min, 1 Hz sampling, evidence"
    note = f"{len(finished)} runs, {records} records in {virtual_s:.0f} virtual s"
    return [
        Result(what, "s", real, 30.0, note),
        Result("the same, time of the processor alone", "s", processor, None, "waiting for the disk left out"),
    ]


def repeat() -> list[Result]:
    """One virtual hour again and again, each in a fresh process, two at a time so that they disturb each other."""
    with ThreadPoolExecutor(2) as pool:
        outputs = list(pool.map(lambda _: _hour_in_a_process(), range(_HOURS)))
    distinct = len(set(outputs))
    what = f"{_HOURS} repeats of 1 virtual hour, each in its own process: distinct body hashes"
    return [Result(what, "", [float(distinct)], 1.0, outputs[0][:16])]


def _hour_in_a_process() -> str:
    command = [sys.executable, "-m", "tests.benchmarks.night", "1"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=120).stdout.strip()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="hilbench-hour-") as scratch:
        print(hashes(run_hours(float(sys.argv[1]), Path(scratch))))
