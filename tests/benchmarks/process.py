"""What a person at the terminal waits for: help, the first step, and the safe state after Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.result import RIG, ROOT, Result

_HILBENCH = str(Path(sys.executable).parent / "hilbench")
_HERE = Path(__file__).parent
_PATIENCE_S = 60.0
_REPEATS = 5


def start() -> list[Result]:
    """From the start of the process to what it prints; not the first start, which compiles the modules."""
    with tempfile.TemporaryDirectory(prefix="hilbench-compiled-") as folder:
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = folder
        _help_s(environment)
        _first_step_s(environment)
        helps = [_help_s(environment) for _ in range(15)]
        steps = [_first_step_s(environment) for _ in range(9)]
    return [
        Result("hilbench --help", "s", helps, 0.15, "whole process"),
        Result("first step of an emulated run", "s", steps, 1.0, "from process start to its line in the table"),
    ]


def ctrl_c() -> list[Result]:
    """From SIGINT to the answer of the emulated relay that it is open, by the clock that all processes share."""
    calm = [_relay_opened_ms("interruption", "Interrupt the supply", after_s=1.0) for _ in range(_REPEATS)]
    blocked = [
        _relay_opened_ms("blocked", "Interrupt the supply", "--fault", "source-silent@1s", after_s=0.2)
        for _ in range(_REPEATS)
    ]
    what = "relay open after Ctrl-C in an interruption"
    return [
        Result(what, "ms", calm, 20.0, "real time"),
        Result(f"{what}, while a silent source blocks the step", "ms", blocked, 20.0, "real time"),
    ]


def _help_s(environment: Mapping[str, str]) -> float:
    began_s = time.perf_counter()
    subprocess.run([_HILBENCH, "--help"], check=True, capture_output=True, env=environment)
    return time.perf_counter() - began_s


def _command(folder: str, runbook: str, *more: str) -> list[str]:
    return [_HILBENCH, "run", runbook, "--rig", str(RIG), "--out", f"{folder}/evidence", *more]


def _first_step_s(environment: Mapping[str, str]) -> float:
    with tempfile.TemporaryDirectory(prefix="hilbench-start-") as folder:
        command = _command(folder, "supply-outage-short")
        own = {**environment, "HILBENCH_STATE": f"{folder}/state"}
        began_s = time.perf_counter()
        with subprocess.Popen(command, cwd=ROOT, env=own, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            took_s = next(time.perf_counter() - began_s for line in process.stdout if "  pass  " in line)
            process.stdout.read()
        return took_s


def _relay_opened_ms(runbook: str, title: str, *more: str, after_s: float) -> float:
    """Send SIGINT so long after the step of this title began."""
    with tempfile.TemporaryDirectory(prefix="hilbench-ctrl-c-") as folder:
        command = _command(folder, str(_HERE / f"{runbook}.yaml"), "--realtime", *more)
        environment = {**os.environ, "HILBENCH_STATE": f"{folder}/state"}
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as process:
            try:
                out = Path(folder, "evidence")
                _wait_for(lambda: any(_began(record, title) for record in _records(out, "journal.jsonl")))
                time.sleep(after_s)
                sent_ns = time.monotonic_ns()
                process.send_signal(signal.SIGINT)
                process.wait(_PATIENCE_S)
            except BaseException:
                process.kill()
                raise
        relay = _records(out, "captures/relay.jsonl")
        opened_ns = [int(record["mono_ns"]) for record in relay if _confirms_open(record)]
        return (next(moment for moment in opened_ns if moment > sent_ns) - sent_ns) / 1e6


def _began(record: dict[str, Any], title: str) -> bool:
    data = record["data"]
    return bool(record["kind"] == "step" and data["state"] == "start" and data["name"] == title)


def _confirms_open(record: dict[str, Any]) -> bool:
    """Whether this is the relay's answer to "write single coil: off" (Modbus function 5, after a TCP header)."""
    data = record["data"]
    return bool(data["direction"] == "rx" and bytes.fromhex(data["hex"])[7:] == bytes.fromhex("0500000000"))


def _records(out: Path, name: str) -> list[dict[str, Any]]:
    text = "".join(path.read_text() for path in out.glob(f"*/{name}"))
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def _wait_for(condition: Callable[[], bool]) -> None:
    until_s = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > until_s:
            raise RuntimeError("the run did not get to its step")
        time.sleep(0.02)
