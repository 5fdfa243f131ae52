"""An emulated meter's console on a pty, and the driver at the other end."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

from drivers.console import SerialConsole
from drivers.console_config import ConsoleConfig
from drivers.emulated.console_wire import ConsoleWire
from tests.drivers.surroundings import Surroundings

RIG = {
    "prompt": "meter> ",
    "commands": {
        "status": {
            "send": "status",
            "reply": [r"power: (?P<power>on|off)", r"state: (?P<state>\w+)( since (?P<since>\d+))?"],
        },
        "time": {"send": "time", "reply": [r"time (?P<time>\S+)"]},
        "supply": {"send": "supply {state}", "arguments": {"state": "on|off|arm"}},
        "slow": {"send": "slow", "reply": [r"done (?P<n>\d)"], "timeout": "10 s"},
        "alerts": {"send": "alerts {first} {count}", "arguments": {"first": r"\d+", "count": r"\d{1,2}"}},
        "wrong": {"send": "time", "reply": [r"date (?P<date>\S+)"]},
        "nonsense": {"send": "frobnicate"},
    },
    "refusals": ["ERROR .*"],
    "unsolicited": {"alert": r"\*ALERT (?P<code>0x[0-9A-F]{4})"},
}


class Bench(Surroundings):
    def __init__(self, folder: Path, **wire: Any) -> None:
        super().__init__()
        self.supply = "on"
        self.times = 0
        commands = {"status": self.status, "time": self.time, "supply": self.switch, "slow": lambda _words: ["done 1"]}
        self.wire = ConsoleWire(folder / "console", commands, Random(5), **wire)

    def status(self, words: Sequence[str]) -> Sequence[str]:
        return ["Smart meter 1.0", f"power: {self.supply}", "state: idle"]

    def time(self, words: Sequence[str]) -> Sequence[str]:
        self.times += 1
        return [f"time {self.times}"]

    def switch(self, words: Sequence[str]) -> Sequence[str]:
        if words == ["arm"] and self.supply == "on":
            raise ValueError("supply is on")
        self.supply = words[0]
        return []

    def console(self, **config: Any) -> SerialConsole:
        fields = {"resource": str(self.wire.line.link), "echo": "yes"} | RIG | config
        return SerialConsole(self.context("console"), ConsoleConfig.model_validate(fields))


@contextlib.asynccontextmanager
async def running(folder: Path, **wire: Any) -> AsyncIterator[Bench]:
    bench = Bench(folder, **wire)
    bench.wire.start()
    try:
        yield bench
    finally:
        bench.wire.stop()


LOGIN = [{"expect": "login:", "send": "field"}, {"expect": "Password:", "password": "yes"}]
