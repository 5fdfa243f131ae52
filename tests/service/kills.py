"""Kills engines at random moments, and carries on: `python -m tests.service.kills FOLDER COUNT SEED RIGS`.

A process of its own, without threads, which forks an engine in an instant; the emulated worlds live in another one,
and each engine has a guard of its own, as on a bench. Several rigs are worked on at the same time. Prints one JSON
line for each kill.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from bench.capabilities import AcSource, Switch
from bench.clock import RealClock
from bench.counters import FileCounters
from bench.events import EventStream
from bench.evidence.verify import verify
from bench.evidence.versions import collect
from bench.guard import last_report
from bench.journal import JournalCutShort, JournalError, Record
from bench.journal_reader import read_journal
from bench.rig.drivers import build_drivers
from bench.rig.installed import driver_class
from bench.rig.keys import load_parties
from bench.rig.load import load_rig
from bench.rig.session import open_rig
from bench.runner import RunOptions, execute, prepare, prepare_resumption
from bench.terminal import Silent, TerminalOperator
from tests.service.worlds import hosting

RUNBOOK = """
runbook: killed
title: Killed at a random moment, and carried on with
setup:
  - {step: S1, title: Close the relay, repeatable: yes, relay: {closed: yes}}
steps:
  - {step: "1", title: Healthy, repeatable: yes, measure: {quantity: voltage, between: [226 V, 234 V]}}
  - {step: "2", title: Ask the DCC, repeatable: yes, as: IS, inventory: {device: esme, status: Commissioned}}
  - {step: "3", title: Interrupt, repeatable: yes, supply: {interrupt: {for: 300 ms}}}
  - {step: "4", title: Swell, repeatable: yes, supply: {swell: {to: 245 V, for: 200 ms}}}
  - {step: "5", title: Wait, repeatable: yes, wait: 200 ms}
  - step: "6"
    title: Healthy again
    repeatable: yes
    measure: {quantity: voltage, between: [226 V, 234 V], settle: 200 ms}
  - {step: "7", title: Ask the DCC again, repeatable: yes, as: IS, inventory: {device: esme, status: Commissioned}}
teardown:
  - {step: T1, title: Nominal, repeatable: yes, supply: {set: 230 V}}
"""
STEPS = ["S1", "1", "2", "3", "4", "5", "6", "7", "T1"]
AHEAD_MS = 30 * 86_400_000
"""By how much the counters on disk are ahead of the wall clock, in ms: one that was made anew from it would go back."""


@dataclass
class Kill:
    """What became of one kill.

    Attributes:
        after_s: seconds of the engine's life.
        lived: it had ended by then.
        finished: labels of the steps that had.
        safe: the guard made the rig safe.
        resumed: 1 if there was a run to carry on with.
        compared: how many requests of the resumed run arrived at the DCC and were held against all before them.
        problems: what was not as it has to be.
    """

    after_s: float
    lived: bool = False
    finished: list[str] = field(default_factory=list)
    safe: bool = True
    resumed: int = 0
    compared: int = 0
    problems: list[str] = field(default_factory=list)


def prepare_rig(folder: Path) -> Path:
    """The rig of the emulated world in another process, without the devices that take minutes to come back."""
    path = folder / "rig" / "rig.yaml"
    text = path.read_text()
    for device in ("hub", "console", "sniffer"):
        text = _without(text, device)
    # On a machine that is busy with other tests whoever answers here may be late.
    text = text.replace("driver: modbus-relay\n", "driver: modbus-relay\n    operate_time: 200 ms\n")
    for driver in ("modbus-relay", "modbus-meter", "scpi-ac-source"):
        text = text.replace(f"driver: {driver}\n", f"driver: {driver}\n    timeout: 5 s\n")
    path.write_text(text.replace("drain: 30 s", "drain: 0 s"))
    (folder / "killed.yaml").write_text(RUNBOOK)
    return path


def _without(text: str, device: str) -> str:
    lines, kept, skipping = text.splitlines(keepends=True), [], False
    for line in lines:
        indented = len(line) - len(line.lstrip())
        if skipping and (indented > 2 or not line.strip()):
            continue
        skipping = line.startswith(f"  {device}:")
        if not skipping:
            kept.append(line)
    return "".join(kept)


def fork(work: Callable[[], int]) -> int:
    """Do some work in a child; its process id."""
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        os.setsid()
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        code = work()
    except BaseException as error:
        print(f"child: {error!r}", file=sys.stderr, flush=True)
    finally:
        os._exit(code)


def run(folder: Path, out: Path) -> int:
    """The engine, from the start."""
    rig, planned = prepare(folder / "rig" / "rig.yaml", [str(folder / "killed.yaml")])
    finished = execute(rig, planned, RunOptions(out, folder / "bench"), TerminalOperator(), Silent())
    return finished[0].exit_code


def carry_on(folder: Path, bundle: Path, out: Path) -> int:
    """The engine, with what another one left."""
    rig, planned, interrupted = prepare_resumption(folder / "rig" / "rig.yaml", bundle)
    options = RunOptions(out, folder / "bench")
    return execute(rig, planned, options, TerminalOperator(), Silent(), interrupted)[0].exit_code


def steps_of(bundle: Path) -> list[tuple[str, str, bool]]:
    """Label, verdict and whether it was kept, of every step that a journal says has ended."""
    found: list[tuple[str, str, bool]] = []
    for record in records_of(bundle):
        if record.kind == "step" and record.data["state"] == "end":
            name = record.data["name"].split()[0]
            found.append((name, record.data["verdict"], bool(record.data.get("kept"))))
    return found


async def supply_of(folder: Path) -> tuple[bool, bool]:
    """Whether the relay is closed and the output on."""
    rig = load_rig(folder / "rig" / "rig.yaml")
    async with open_rig(rig, RealClock(), state=folder / "looking", only={"relay", "source"}) as session:
        closed = await session.capability(Switch).is_closed()
        return closed, (await session.capability(AcSource).read_state()).output_on


@dataclass(frozen=True)
class Lengths:
    """How long an unbroken run takes: until its journal begins, and from there to its end."""

    start_s: float
    rest_s: float


def one(folder: Path, number: int, chance: random.Random, lengths: Lengths) -> Kill:
    """Kill one engine at a random moment, of its start one time out of five and of its run else, and carry on."""
    state = folder / "bench" / "emulated"
    out, again = folder / "evidence" / str(number), folder / "evidence" / f"{number}-resumed"
    (state / "guard.jsonl").unlink(missing_ok=True)
    began_s = time.monotonic()  # noqa: TID251 - the life of another process
    engine = fork(lambda: run(folder, out))
    if chance.random() < 0.2:
        pause_s = chance.uniform(0.0, lengths.start_s)
    else:
        pause_s = chance.uniform(0.0, lengths.rest_s)
        _wait_for_journal(out, engine)
    time.sleep(pause_s)  # noqa: TID251 - this is a moment in the life of another process
    kill = Kill(round(time.monotonic() - began_s, 4))  # noqa: TID251 - as above
    ended, _ = os.waitpid(engine, os.WNOHANG)
    if not ended:
        os.kill(engine, signal.SIGKILL)
        os.waitpid(engine, 0)
    bundle = next(iter(sorted(out.iterdir())), None) if out.is_dir() else None
    if ended or (bundle is not None and (bundle / "manifest.json").exists()):
        kill.lived = True
        return kill
    if (state / "lease.json").exists():
        _judge_guard(kill, folder, state)
    if bundle is None or not (bundle / "journal.jsonl").exists():
        return kill
    _judge_rest(kill, folder, bundle, again)
    return kill


def _wait_for_journal(out: Path, engine: int) -> None:
    while not any(path.stat().st_size for path in out.glob("*/journal.jsonl")):
        if os.waitid(os.P_PID, engine, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return
        time.sleep(0.002)  # noqa: TID251 - another process


def put_ahead(folder: Path) -> None:
    """Let the User's counter on disk be above what the wall clock gives, as after a clock that was set back."""
    rig = load_rig(folder / "rig" / "rig.yaml")
    utc_ms = RealClock().now().utc_ns // 1_000_000
    counters = FileCounters(folder / "bench" / "counters")
    counters.next(f"request-id/{rig.file.users['IS'].id}", at_least=utc_ms + AHEAD_MS)
    counters.close()


def arrived(folder: Path) -> list[int]:
    """The counter of every request of the User IS that ever arrived at the rig's DCC, in order, before it answered."""
    return [int(line.rpartition(":")[2]) for line in (folder / "requests").read_text().splitlines()]


def judge_counters(before: Sequence[int], after: Sequence[int]) -> str:
    """What is wrong with counters that went on after others; empty if nothing is."""
    utc_ms = RealClock().now().utc_ns // 1_000_000
    highest = max(before, default=0)
    for counter in after:
        if counter <= highest:
            return f"{counter} came after {highest}"
        if counter < utc_ms + AHEAD_MS // 2:
            return f"{counter} is of the wall clock and not of the counter on disk"
        highest = counter
    return ""


def _judge_guard(kill: Kill, folder: Path, state: Path) -> None:
    """The guard must have made the rig safe within the deadline of the safe state."""
    for _ in range(1500):
        report = last_report(state)
        if report is not None:
            break
        time.sleep(0.01)  # noqa: TID251 - another process
    else:
        # Killed between the lease and the guard's start: nothing was connected yet, so nothing was energised.
        return
    kill.safe = bool(report["confirmed"]) and asyncio.run(supply_of(folder)) == (False, False)
    if not kill.safe:
        kill.problems.append(f"not safe: {report}")


def _judge_rest(kill: Kill, folder: Path, bundle: Path, again: Path) -> None:
    try:
        records = records_of(bundle)
    except JournalError as error:
        kill.problems.append(f"the chain is broken: {error}")
        return
    kill.finished = [name for name, _, _ in steps_of(bundle)]
    if not any(record.kind == "run" for record in records):
        return
    if any(record.kind == "run" and record.data["state"] == "end" for record in records):
        kill.lived = True  # all was done but for its signature
        return
    kill.resumed = 1
    before = arrived(folder)
    child = fork(lambda: carry_on(folder, bundle, again))
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        kill.problems.append(f"carrying on ended with {os.waitstatus_to_exitcode(status)}")
    resumed = next(iter(sorted(again.iterdir())), None) if again.is_dir() else None
    if resumed is None:
        kill.problems.append("carrying on left no evidence")
        return
    report = verify(resumed)
    if report.problem:
        kill.problems.append(f"the evidence is not good: {report.problem}")
    after = steps_of(resumed)
    if [(name, verdict) for name, verdict, _ in after] != [(name, "passed") for name in STEPS]:
        kill.problems.append(f"it did not end as an unbroken run does: {after}")
    went_on = arrived(folder)[len(before) :]
    kill.compared = len(went_on) if before else 0
    if wrong := judge_counters(before, went_on):
        kill.problems.append(f"originator counters went back: {wrong}")
    asks = 2 - sum(name in kill.finished for name in ("2", "7"))
    if len(went_on) != asks:
        kill.problems.append(f"the resumed run had {asks} questions for the DCC, of which {len(went_on)} arrived")
    lost = [name for name in kill.finished if name != "S1" and (name, "passed", True) not in after]
    if lost:
        kill.problems.append(f"what was finished was lost: {lost}")


def records_of(bundle: Path) -> list[Record]:
    """All whole records of a journal, which may be none; the last may have been cut short by the kill."""
    records: list[Record] = []
    if not (bundle / "journal.jsonl").stat().st_size:
        return records
    try:
        for record in read_journal(bundle / "journal.jsonl"):
            records.append(record)  # noqa: PERF402 - those before a torn one are kept
    except JournalCutShort:
        pass
    return records


def warm_up(folder: Path) -> None:
    """Load here what each engine would load once more after its fork; nothing is opened and no thread begun."""
    rig, _ = prepare(folder / "rig" / "rig.yaml", [str(folder / "killed.yaml")])
    for device in rig.file.devices:
        driver_class(rig, device)
    stream = EventStream(RealClock())
    counters = FileCounters(folder / "warm")
    build_drivers(rig, {}, stream, load_parties(rig), counters)
    counters.close()
    collect()


def measured(folder: Path) -> Lengths:
    """How long an unbroken run takes."""
    out = folder / "evidence" / "unbroken"
    began_s = time.monotonic()  # noqa: TID251 - the life of another process
    engine = fork(lambda: run(folder, out))
    _wait_for_journal(out, engine)
    start_s = time.monotonic() - began_s  # noqa: TID251 - as above
    _, status = os.waitpid(engine, 0)
    if status:
        raise SystemExit("the unbroken run did not pass")
    return Lengths(start_s, time.monotonic() - began_s - start_s)  # noqa: TID251 - as above


def several(folder: Path, count: int, seed: int, lengths: Lengths) -> int:
    """Kill so many engines, one after the other, on one rig."""
    chance = random.Random(seed)  # noqa: S311 - moments, not secrets
    for number in range(count):
        kill = one(folder, number, chance, lengths)
        os.write(REPORT, json.dumps(asdict(kill)).encode() + b"\n")
        if not kill.problems:
            for name in (str(number), f"{number}-resumed"):
                shutil.rmtree(folder / "evidence" / name, ignore_errors=True)
    return 0


def main(folder: Path, count: int, seed: int, rigs: int) -> None:
    """Kill `count` engines, on several rigs at a time."""
    with hosting(folder, rigs) as folders:
        for each in folders:
            prepare_rig(each)
            put_ahead(each)
        warm_up(folders[0])
        lengths = measured(folders[0])
        shares = [count // rigs + (number < count % rigs) for number in range(rigs)]
        workers = [
            fork(partial(several, each, share, seed * 1000 + number, lengths))
            for number, (each, share) in enumerate(zip(folders, shares, strict=True))
        ]
        for worker in workers:
            os.waitpid(worker, 0)


REPORT = 3
"""File descriptor of the reports: that of standard output is closed in children."""

if __name__ == "__main__":
    os.dup2(1, REPORT)
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
