"""What surrounds the bench fails: disk, clock, cables, brokers, instruments that restart. Each has its verdict."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bench import clock as clock_module
from bench.capabilities import Switch
from bench.clock import RealClock, VirtualClock
from bench.durable import StorageError
from bench.evidence.keys import BenchKey
from bench.one_run import RigRunner
from bench.rig.session import open_rig
from bench.runner import prepare
from bench.terminal import Silent, TerminalOperator
from bench.verdict import Verdict
from tests.fakes import RIG as FAKE_RIG
from tests.fakes import make_bench
from tests.faults.runs import RIG, ROOT, passes, see, undecided

SHORT, JOIN = "supply-outage-short", "han-join"

WATCH = """
runbook: watch
title: The supply stays as it is set
steps:
  - step: 1
    title: Nominal
    supply: {set: 230 V}
  - step: 2
    title: And stays
    supply: {set: 231 V}
    forbid: [{device_alert: 0x8002, from: esme, for: 60 s, after: set}]
    as: ED
  - step: 3
    title: The console says so
    console: {device: console, command: status, answer: {supply: enabled}}
"""


@pytest.fixture
def watch(tmp_path: Path) -> Path:
    path = tmp_path / "watch.yaml"
    path.write_text(WATCH)
    return path


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("call", ["write", "fdatasync"])
async def test_a_disk_that_is_full_or_read_only_ends_the_run_safely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, call: str
) -> None:
    rig, ((runbook, plan),) = prepare(RIG, [str(ROOT / "runbooks" / f"{SHORT}.yaml")])
    loop = asyncio.get_running_loop()
    sound = getattr(os, call)

    def broken(fd: int, *rest: Any) -> Any:
        # In the middle of the outage: the journal cannot be written any more, sockets and lines still can.
        if loop.time() - began_s > 20 and os.readlink(f"/proc/self/fd/{fd}").startswith(str(tmp_path)):
            raise OSError(number, os.strerror(number))
        return sound(fd, *rest)

    async with open_rig(rig, VirtualClock(loop)) as session:
        began_s = loop.time()
        monkeypatch.setattr(os, call, broken)
        runs = RigRunner(session, tmp_path / "evidence", BenchKey.load_or_create(tmp_path / "keys"))
        with pytest.raises(StorageError, match=f"(?i){os.strerror(number)}"):
            await runs.run(runbook, plan, TerminalOperator(), Silent())
        assert not await session.capability(Switch).is_closed()
    monkeypatch.undo()
    (bundle,) = (tmp_path / "evidence").iterdir()
    assert not (bundle / "manifest.json").exists(), "evidence that is not whole is not sealed"


def test_a_full_disk_is_one_sentence_and_exit_code_3(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench.cli", "run", str(ROOT / "runbooks" / f"{SHORT}.yaml")]
    command += ["--rig", str(RIG), "--out", str(tmp_path / "evidence")]
    ended = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "HILBENCH_STATE": str(tmp_path / "state")},
        # No file of this process may grow beyond this: the kernel refuses the write, as on a full disk.
        preexec_fn=partial(resource.setrlimit, resource.RLIMIT_FSIZE, (40_000, 40_000)),
        check=False,
    )
    assert (ended.returncode, "Traceback" in ended.stderr) == (3, False), ended.stderr
    assert "file too large" in ended.stderr


@pytest.mark.realtime
async def test_a_clock_that_is_stepped_by_an_hour_leaves_the_run_undecided_and_the_next_one_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = FAKE_RIG.replace("require_synchronised: yes", "require_synchronised: no").replace(
        "drain: 30 s", "drain: 0 s"
    )
    bench = make_bench(tmp_path, clock=RealClock(), rig_text=text)
    true_ns = clock_module.time.time_ns
    bench.at(0.1, monkeypatch.setattr, clock_module.time, "time_ns", lambda: true_ns() + 3_600_000_000_000)
    result = await bench.run("steps: [{wait: 200 ms}]\n")
    assert (result.verdict, result.safe, result.parked) == (Verdict.UNDECIDED, True, True)
    assert "the system clock was stepped by +3600.000 s during the run" in result.reason
    assert (await bench.run("steps: [{wait: 10 ms}]\n")).verdict is Verdict.PASSED


@pytest.mark.parametrize(
    "fault",
    [
        "console-unplugged from 10 s for 20 s",
        "meter-vanishes from 10 s for 1.5 s",
        "meter-disconnects from 10 s",
        "meter-slow from 10 s for 900 ms",
        "sniffer-unplugged from 10 s for 10 s",
        "broker-restart from 10 s",
        "relay-disconnects from 10 s",
        "source-disconnects from 10 s",
        "source-stuck from 10 s for 20 s",
    ],
)
async def test_what_goes_and_comes_back_while_nobody_needs_it_changes_nothing(watch: Path, fault: str) -> None:
    await see([fault], passes(watch))


LOST = "aborted: the reference meter is lost, so that nothing watches the limits"
UNSTEADY = "the supply did not stay at 231 V as it was set: the reference meter reads 0.0 V"


@pytest.mark.parametrize(
    ("fault", "words", "parked"),
    [
        ("meter-vanishes from 10 s for 40 s", LOST, False),
        ("console-unplugged from 50 s for 1 h", "3 The console says so: console (", True),
        ("source-reboots from 15 s", UNSTEADY, True),
        ("relay-reboots from 15 s", UNSTEADY, True),
    ],
)
async def test_what_is_missed_or_restarts_in_between_decides_nothing(
    watch: Path, fault: str, words: str, parked: bool
) -> None:
    await see([fault], undecided(watch, words, parked=parked))


async def test_a_sniffer_that_was_away_for_a_moment_has_not_seen_all() -> None:
    await see(["sniffer-unplugged from 12.8 s for 5 s"], undecided(JOIN, "the witness was unavailable"))
