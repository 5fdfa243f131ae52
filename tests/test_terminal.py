"""What a person at the terminal sees of a run."""

from __future__ import annotations

import asyncio
import io
import os
import pty
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.clock import VirtualClock
from bench.errors import UsageError
from bench.events import EventStream
from bench.planner import Plan
from bench.results import RunResult
from bench.runner import Finished
from bench.terminal import Silent, TablePrinter, TerminalOperator
from bench.verdict import Verdict
from tests.fakes import make_bench

PLAN = Plan("supply-outage", "An outage", "bench-1")


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


class Gone(io.StringIO):
    """A pipe whose reader has gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


async def tell(out: io.StringIO) -> TablePrinter:
    """Tell a printer of a run in which everything happens."""
    printer = TablePrinter(out)
    clock = VirtualClock(asyncio.get_running_loop())
    stream = EventStream(clock)
    stream.subscribe(printer.event)

    def end(verdict: str, name: str, took_s: float, **more: Any) -> None:
        data = {"state": "end", "group": "step", "path": "steps.0", "name": name, "as": None, "verdict": verdict}
        rest = {"summary": "", "reason": "", "duration_ns": round(took_s * 1e9), "latencies": [], "covers": []}
        stream.emit("engine", "step", data | rest | more)

    printer.begin(PLAN, clock)
    stream.emit("engine", "step", {"state": "start", "name": "not printed"})
    await asyncio.sleep(5)
    end("skipped", "Remove", 0, group="precondition", **{"as": "IS"})
    end("passed", "Set up", 5, group="setup")
    await asyncio.sleep(240)
    latencies = [["0x8F35 from esme", 46_000_000_000, 20_000_000], ["response 7.4", 250_000_000, 0]]
    end("passed", "2 Interrupt the supply", 240, latencies=latencies, **{"as": "ED"})
    stream.emit("engine", "finding", {"text": "N24 to IS: neither expected nor allowed"})
    stream.emit("meter", "measurement", {"quantity": "voltage", "value": 230.0, "unit": "V"})
    end("failed", "3 Check", 0.25, reason="voltage 0.00 V is outside 226 V to 234 V")
    end("undecided", "4 Ask", 0, reason="dcc does not answer")
    end("blocked", "5 Never", 0, reason="an earlier step did not pass")
    end("passed", "Back", 0, group="teardown")
    stream.emit("engine", "run", {"state": "abort", "reason": "Ctrl-C"})
    stream.emit("engine", "safe", {"state": "start"})
    stream.emit("engine", "safe", {"state": "done", "device": "relay", "action": "open"})
    stream.emit("engine", "safe", {"state": "unconfirmed", "device": "source", "reason": "not confirmed within 10 s"})
    return printer


async def test_what_a_device_says_cannot_forge_a_line() -> None:
    out = Tty()
    stream = EventStream(VirtualClock(asyncio.get_running_loop()))
    stream.subscribe(TablePrinter(out).event)
    stream.emit("engine", "finding", {"text": "console says 'a\x1b[2K\rb\x9bc\u202ed' \x1b[32mpass\x1b[0m"})
    assert out.getvalue().endswith("console says 'a?[2K?b?c?d' \x1b[32mpass\x1b[0m\n")


TABLE = """
supply-outage  An outage  (bench-1, virtual time)
           at         took                  as   step
        5.0 s         0 ms  skip  prepare   IS   Remove
         0 ms        5.0 s  pass  set up         Set up
        5.0 s    4 min 0 s  pass  step      ED   2 Interrupt the supply
                                                   0x8F35 from esme after 46.0 s ± 20 ms
                                                   response 7.4 after 250 ms
                            note  N24 to IS: neither expected nor allowed
    4 min 5 s       250 ms  FAIL  step           3 Check
                                                   voltage 0.00 V is outside 226 V to 234 V
    4 min 5 s         0 ms  ????  step           4 Ask
                                                   dcc does not answer
    4 min 5 s         0 ms  ----  step           5 Never
    4 min 5 s         0 ms  pass  put back       Back
  abort: Ctrl-C
                            safe  relay: open
                            NOT SAFE  source: not confirmed within 10 s
"""


async def test_the_table_of_a_run() -> None:
    out = io.StringIO()
    await tell(out)
    assert out.getvalue() == TABLE


async def test_colour_only_helps_and_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    out = Tty()
    await tell(out)
    assert "\x1b[31;1mFAIL\x1b[0m" in out.getvalue()
    plain = out.getvalue()
    for code in ("1", "31;1", "32", "33", "35;1", "36", "0"):
        plain = plain.replace(f"\x1b[{code}m", "")
    assert plain == TABLE, "the words are the same"
    monkeypatch.setenv("NO_COLOR", "1")
    out = Tty()
    await tell(out)
    assert "\x1b" not in out.getvalue()


def finished(verdict: Verdict, reason: str, *, safe: bool) -> Finished:
    class Named:
        name = "supply-outage"

    result = RunResult(Named(), verdict, reason, safe, safe)  # type: ignore[arg-type]
    return Finished(result, PLAN, Path("x"), "", 271.4)


@pytest.mark.parametrize(
    ("verdict", "reason", "safe", "text"),
    [
        ("passed", "", True, "  supply-outage PASSED in 4 min 31 s\n"),
        ("failed", "3: why", True, "  supply-outage FAILED in 4 min 31 s: 3: why\n"),
        (
            "undecided",
            "why",
            False,
            "  supply-outage UNDECIDED in 4 min 31 s: why\n"
            "  THE SAFE STATE OF THE RIG WAS NOT CONFIRMED: look at the bench\n",
        ),
    ],
)
def test_the_verdict_of_a_run(verdict: str, reason: str, safe: bool, text: str) -> None:
    out = io.StringIO()
    TablePrinter(out).end(finished(Verdict(verdict), reason, safe=safe))
    assert out.getvalue() == text


async def test_a_reader_that_has_gone_stops_nothing(tmp_path: Path) -> None:
    printer = await tell(Gone())
    printer.end(finished(Verdict.PASSED, "", safe=True))
    bench = make_bench(tmp_path)
    bench.session.stream.subscribe(TablePrinter(Gone()).event)
    assert (await bench.run("steps: [wait: 1 s]\n")).verdict is Verdict.PASSED


async def test_silence_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    silent = Silent()
    silent.begin(PLAN, VirtualClock(asyncio.get_running_loop()))
    silent.event(EventStream(VirtualClock(asyncio.get_running_loop())).emit("x", "step", {}))
    silent.end(finished(Verdict.FAILED, "", safe=False))
    assert capsys.readouterr() == ("", "")


# The operator.


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A pty in place of standard input; gives the end at which a person types."""
    master, slave = pty.openpty()
    with open(slave, encoding="utf-8") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield master
    os.close(master)


async def test_a_question_is_asked_until_one_of_the_choices_comes(
    terminal: int, capsys: pytest.CaptureFixture[str]
) -> None:
    os.write(terminal, b"maybe\nyes\n")
    asked_at = asyncio.get_running_loop().time()
    assert (await TerminalOperator().ask("Is the LED green?", ("yes", "no"))).choice == "yes"
    assert asyncio.get_running_loop().time() == asked_at, "virtual time stands still"
    err = capsys.readouterr().err
    assert "\nIs the LED green? [yes/no] " in err
    assert "please answer yes or no" in err


async def test_virtual_time_stands_still_while_somebody_thinks(terminal: int) -> None:
    loop = asyncio.get_running_loop()
    ticked: list[float] = []
    loop.call_later(0.001, lambda: ticked.append(loop.time()))
    writer = asyncio.get_running_loop().run_in_executor(None, _type_late, terminal)
    assert (await TerminalOperator().ask("?", ("yes",))).choice == "yes"
    assert ticked == []
    await writer
    await loop.shutdown_default_executor()


def _type_late(terminal: int) -> None:
    threading.Event().wait(0.2)
    os.write(terminal, b"yes\n")


async def test_a_question_can_be_interrupted(terminal: int) -> None:
    asking = asyncio.create_task(TerminalOperator().ask("?", ("yes",)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.sleep(1)
    assert asyncio.get_running_loop().time() >= 1, "and time goes on"


async def test_nobody_there_is_an_error_and_no_endless_wait(terminal: int, monkeypatch: pytest.MonkeyPatch) -> None:
    os.write(terminal, b"\x04")
    with pytest.raises(UsageError, match="the terminal was closed"):
        await TerminalOperator().ask("Green?", ("yes", "no"))
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))
    with pytest.raises(UsageError, match="'Green\\?' and nobody is there to answer"):
        await TerminalOperator().ask("Green?", ("yes", "no"))
