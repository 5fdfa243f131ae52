"""What `hilbench run` prints: a line for each step as it ends, then verdict and evidence."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Sequence
from typing import TextIO

from bench.clock import Clock, ClockKind
from bench.errors import UsageError
from bench.events import Event
from bench.one_run import Finished
from bench.operators import Answer, user_name
from bench.pictures import Picture
from bench.planner import Plan
from bench.quantities import format_duration
from bench.verdict import Verdict
from bench.virtual_time import VirtualLoop

_COLOURS = {"passed": "32", "skipped": "36", "blocked": "33", "failed": "31;1", "undecided": "35;1"}
_MARKS = {"passed": "pass", "skipped": "skip", "blocked": "----", "failed": "FAIL", "undecided": "????"}
_GROUPS = {"precondition": "prepare", "setup": "set up", "step": "step", "teardown": "put back"}
_NS = 1_000_000_000
# All that moves the cursor or turns the writing round; what devices and files say must not forge a line.
_CONTROL = re.compile(r"\x1b(?!\[[0-9;]*m)|[\x00-\x09\x0b-\x1a\x1c-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class TablePrinter:
    """Prints the steps of runs as a table, while they end. Words carry the meaning; colour only helps."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._colour = out.isatty() and "NO_COLOR" not in os.environ
        self._began_ns = 0
        self._gone = False

    def begin(self, plan: Plan, clock: Clock) -> None:
        """Print the heading of a run."""
        self.heading(plan.runbook, plan.title, plan.rig, clock.kind)
        self.began(clock.now().mono_ns)

    def began(self, mono_ns: int) -> None:
        """Count times from this moment on."""
        self._began_ns = mono_ns

    def heading(self, runbook: str, title: str, rig: str, kind: ClockKind) -> None:
        """Print the heading of a run."""
        time = "virtual time" if kind is ClockKind.VIRTUAL else "real time"
        self._print(f"\n{self._paint(runbook, '1')}  {title}  ({rig}, {time})")
        self._print(f"  {'at':>11}  {'took':>11}  {'':4}  {'':8}  {'as':3}  step")

    def event(self, event: Event) -> None:
        """Print what concerns the table."""
        data = event.data
        if event.kind == "step" and data["state"] == "end":
            self._step(event)
        elif event.kind == "finding":
            self._print(f"  {'':11}  {'':11}  {self._paint('note', '33')}  {data['text']}")
        elif event.kind == "run" and data["state"] == "abort":
            self._print(f"  {self._paint('abort', '31;1')}: {data['reason']}")
        elif event.kind == "safe":
            self._safe(event)

    def _safe(self, event: Event) -> None:
        data = event.data
        if data["state"] == "done":
            self._print(f"  {'':11}  {'':11}  safe  {data['device']}: {data['action']}")
        elif data["state"] == "unconfirmed":
            self._print(f"  {'':11}  {'':11}  {self._paint('NOT SAFE', '31;1')}  {data['device']}: {data['reason']}")

    def _step(self, event: Event) -> None:
        data = event.data
        ended_s = (event.at.mono_ns - self._began_ns) / _NS
        took_s = data["duration_ns"] / _NS
        verdict = self._paint(_MARKS[data["verdict"]], _COLOURS[data["verdict"]])
        group = _GROUPS.get(data["group"], data["group"])
        at = "" if data.get("kept") else format_duration(ended_s - took_s)
        self._print(
            f"  {at:>11}  {format_duration(took_s):>11}  {verdict}  {group:8}  {data['as'] or '':3}  {data['name']}"
        )
        if data.get("kept"):
            self._detail("before the interruption")
        if data["reason"] and data["verdict"] != Verdict.BLOCKED:
            self._detail(data["reason"])
        for what, latency_ns, uncertainty_ns in data["latencies"]:
            uncertainty = f" ± {format_duration(uncertainty_ns / _NS)}" if uncertainty_ns else ""
            self._detail(f"{what} after {format_duration(latency_ns / _NS)}{uncertainty}")

    def _detail(self, text: str) -> None:
        self._print(f"  {'':11}  {'':11}  {'':4}  {'':8}  {'':3}    {text}")

    def end(self, finished: Finished) -> None:
        """Print the verdict of a run."""
        result = finished.result
        word = self._paint(result.verdict.value.upper(), _COLOURS[result.verdict.value])
        reason = f": {result.reason}" if result.reason else ""
        self._print(f"  {result.runbook.name} {word} in {format_duration(finished.duration_s)}{reason}")
        if not result.safe:
            self._print(self._paint("  THE SAFE STATE OF THE RIG WAS NOT CONFIRMED: look at the bench", "31;1"))

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text

    def _print(self, text: str) -> None:
        # A listener of the stream must not raise: a closed pipe is no reason to stop a run in the middle of an outage.
        if not self._gone:
            try:
                print(_CONTROL.sub("?", text), file=self._out, flush=True)
            except OSError:
                self._gone = True


class Silent:
    """Reports nothing: for programs that read the result."""

    def begin(self, plan: Plan, clock: Clock) -> None:
        """Say nothing."""

    def event(self, event: Event) -> None:
        """Say nothing."""

    def end(self, finished: Finished) -> None:
        """Say nothing."""


class TerminalOperator:
    """Asks the person at the terminal; the virtual clock stands still until they answer."""

    async def ask(self, text: str, choices: Sequence[str], picture: Picture | None = None) -> Answer:
        """Print the question, and where its picture is, and read lines until one is a choice.

        Raises:
            UsageError: nobody is there: standard input is no terminal, or was closed.
        """
        if not sys.stdin.isatty():
            raise UsageError(
                f"the runbook asks {text!r} and nobody is there to answer", next_step="Run it in a terminal"
            )
        if picture is not None:
            print(f"\nLook at the picture {picture.path}", end="", file=sys.stderr)
        while True:
            print(f"\n{text} [{'/'.join(choices)}] ", end="", file=sys.stderr, flush=True)
            line = (await self._line()).strip()
            if line in choices:
                return Answer(line, user_name())
            print(f"please answer {' or '.join(choices)}", file=sys.stderr)

    @staticmethod
    async def _line() -> str:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[str] = loop.create_future()

        def readable() -> None:
            if not answer.done():
                answer.set_result(sys.stdin.readline())

        loop.add_reader(sys.stdin, readable)
        try:
            if isinstance(loop, VirtualLoop):
                with loop.held():
                    line = await answer
            else:
                line = await answer
        finally:
            loop.remove_reader(sys.stdin)
        if not line:
            raise UsageError("the terminal was closed while the runbook waited for an answer")
        return line
