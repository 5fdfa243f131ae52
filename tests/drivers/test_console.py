from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bench.capabilities import Console
from bench.errors import DeviceError, DeviceLost, UsageError
from drivers.console import SerialConsole
from drivers.console_config import CommandConfig, ConsoleConfig, compile_pattern
from drivers.console_line import LineAssembler
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


@contextlib.asynccontextmanager
async def connected(console: SerialConsole) -> AsyncIterator[SerialConsole]:
    await console.connect()
    try:
        yield console
    finally:
        await console.close()


@pytest.mark.parametrize("echo", [True, False])
async def test_commands_and_their_answers(tmp_path: Path, echo: bool) -> None:
    async with running(tmp_path, echo=echo) as bench, connected(bench.console(echo=echo, probe="status")) as console:
        assert isinstance(console, Console)
        assert list(console.commands()) == list(RIG["commands"])
        assert await console.ask("status", {}) == {"power": "on", "state": "idle", "since": ""}
        assert await console.ask("supply", {"state": "off"}) == {}
        assert (await console.ask("status", {}))["power"] == "off"
        for number in range(1, 30):
            assert await console.ask("time", {}) == {"time": str(number)}
    assert bench.states() == ["connected", "closed"]
    assert bench.wire.typed[:3] == ["status", "status", "supply off"]
    tx = [data["text"] for data in bench.of("wire") if data["direction"] == "tx"]
    assert tx[:2] == ["", "status"]


async def test_arguments_are_checked_before_anything_is_sent(tmp_path: Path) -> None:
    async with running(tmp_path) as bench, connected(bench.console()) as console:
        for command, arguments, words in (
            ("reboot", {}, "no command 'reboot'"),
            ("supply", {}, "'state' is missing"),
            ("supply", {"state": "off", "now": "x"}, "no argument 'now'"),
            ("supply", {"state": "off\r\nreboot"}, "cannot be"),
            ("supply", {"state": "offon"}, r"written on\|off\|arm"),
            ("status", {"x": "1"}, "It takes none"),
            ("alerts", {"first": "1", "count": "100"}, "count cannot be"),
        ):
            with pytest.raises(UsageError, match=words):
                await console.ask(command, arguments)
        assert bench.wire.typed == []


async def test_refusal_is_an_error_and_the_console_goes_on(tmp_path: Path) -> None:
    async with running(tmp_path) as bench, connected(bench.console()) as console:
        began = bench.loop.time()
        with pytest.raises(DeviceError, match="refuses 'supply arm': 'ERROR supply is on'") as raised:
            await console.ask("supply", {"state": "arm"})
        assert not isinstance(raised.value, DeviceLost)
        with pytest.raises(DeviceError, match="ERROR unknown command frobnicate"):
            await console.ask("nonsense", {})
        assert await console.ask("time", {}) == {"time": "1"}
        assert bench.loop.time() == began
    assert bench.states() == ["connected", "closed"]


async def test_answer_that_is_not_as_described(tmp_path: Path) -> None:
    async with running(tmp_path) as bench, connected(bench.console()) as console:
        with pytest.raises(DeviceError, match=r"it said 'time 1', and no line of it is 'date") as raised:
            await console.ask("wrong", {})
        assert not isinstance(raised.value, DeviceLost)
        assert await console.ask("time", {}) == {"time": "2"}


async def test_unsolicited_lines_are_news_at_any_time(tmp_path: Path) -> None:
    async with running(tmp_path) as bench, connected(bench.console()) as console:
        bench.wire.say("*ALERT 0x8F35")
        await asyncio.sleep(0.1)
        bench.wire.say("*ALERT 0x8F36")
        answer = await console.ask("status", {})
        assert answer["power"] == "on"
        assert bench.of("seen.console") == [
            {"line": "alert", "text": f"*ALERT {code}", "values": {"code": code}} for code in ("0x8F35", "0x8F36")
        ]


@pytest.mark.parametrize("echo", [True, False])
async def test_alert_between_command_and_answer(tmp_path: Path, echo: bool) -> None:
    """The prompt that follows the alert does not end the answer."""
    async with running(tmp_path, echo=echo) as bench, connected(bench.console(echo=echo)) as console:
        bench.wire.line.delay_s = 0.5
        task = asyncio.create_task(console.ask("time", {}))
        await asyncio.sleep(0)
        bench.wire.say("*ALERT 0x8F32")
        assert await task == {"time": "1"}
        assert len(bench.of("seen.console")) == 1


@pytest.mark.parametrize("echo", [True, False])
async def test_silence_is_a_loss_and_the_next_command_recovers(tmp_path: Path, echo: bool) -> None:
    async with running(tmp_path, echo=echo) as bench, connected(bench.console(echo=echo)) as console:
        bench.wire.line.silent = True
        began = bench.loop.time()
        with pytest.raises(DeviceLost, match="does not answer 'time' within 2 s"):
            await console.ask("time", {})
        assert bench.loop.time() - began == pytest.approx(2.0)
        with pytest.raises(DeviceLost, match="does not answer within 4 s"):
            await console.ask("time", {})
        bench.wire.line.silent = False
        assert await console.ask("time", {}) == {"time": "1"}
    assert bench.states() == ["connected", "lost", "reconnected", "closed"]


@pytest.mark.parametrize("echo", [True, False])
@pytest.mark.parametrize("late_s", [2.5, 3.0, 4.5, 5.9])
async def test_late_answer_is_never_taken_for_the_next(tmp_path: Path, echo: bool, late_s: float) -> None:
    async with running(tmp_path, echo=echo) as bench, connected(bench.console(echo=echo)) as console:
        bench.wire.line.delay_s = late_s
        with pytest.raises(DeviceLost):
            await console.ask("time", {})
        assert bench.times == 1
        bench.wire.line.delay_s = 0.0
        assert await console.ask("time", {}) == {"time": "2"}
        assert await console.ask("time", {}) == {"time": "3"}


async def test_slow_command_has_its_own_time_out(tmp_path: Path) -> None:
    async with running(tmp_path) as bench, connected(bench.console()) as console:
        bench.wire.line.delay_s = 8.0
        assert await console.ask("slow", {}) == {"n": "1"}


@pytest.mark.parametrize("echo", [True, False])
async def test_garbled_answer_is_an_error_and_not_a_loss(tmp_path: Path, echo: bool) -> None:
    async with running(tmp_path, echo=echo) as bench, connected(bench.console(echo=echo)) as console:
        bench.wire.line.garble_next(5)
        with pytest.raises(DeviceError, match="garbled") as raised:
            await console.ask("status", {})
        assert not isinstance(raised.value, DeviceLost)
        assert await console.ask("time", {}) == {"time": "1"}
    states = bench.states()
    assert "lost" not in states and "garbled" in states


@pytest.mark.parametrize("idle", [True, False])
async def test_unplugged_is_known_at_once_and_plugged_in_again_it_works(tmp_path: Path, idle: bool) -> None:
    async with running(tmp_path) as bench, connected(bench.console()) as console:
        began = bench.loop.time()
        if idle:
            bench.wire.line.unplug()
            await asyncio.sleep(0.1)
            assert bench.states() == ["connected", "lost"]
        else:
            bench.wire.line.silent = True
            bench.loop.call_later(0.5, bench.wire.line.unplug)
        with pytest.raises(DeviceLost, match="cannot be opened" if idle else "line is gone"):
            await console.ask("time", {})
        assert bench.loop.time() - began < 0.6
        with pytest.raises(DeviceLost, match="port cannot be opened: No such file"):
            await console.ask("time", {})
        bench.wire.line.silent = False
        bench.wire.line.plug()
        assert await console.ask("time", {}) == {"time": "1"}
    assert bench.states() == ["connected", "lost", "reconnected", "closed"]


async def test_no_port_and_no_console_are_found_at_connect(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        bench.wire.line.silent = True
        console = bench.console()
        with pytest.raises(DeviceLost, match="does not answer within 4 s"):
            await console.connect()
        with pytest.raises(DeviceError, match="not connected"):
            await console.ask("time", {})
        bench.wire.line.unplug()
        with pytest.raises(DeviceLost, match=r"console \(.*console\): the port cannot be opened"):
            await console.connect()
        await console.close()
        assert bench.of("device") == []


async def test_other_device_is_found_at_connect(tmp_path: Path) -> None:
    async with running(tmp_path, prompt="router# ") as bench:
        with pytest.raises(DeviceError, match=r"shows no prompt 'meter> '; it said 'router#'") as raised:
            await bench.console(echo=False).connect()
        assert not isinstance(raised.value, DeviceLost)
    async with running(tmp_path) as bench:
        with pytest.raises(DeviceError, match="ERROR unknown command"):
            await bench.console(probe="nonsense").connect()


async def test_port_in_use(tmp_path: Path) -> None:
    async with running(tmp_path) as bench, connected(bench.console()):
        with pytest.raises(DeviceLost, match="cannot be opened"):
            await bench.console().connect()


LOGIN = [{"expect": "login:", "send": "field"}, {"expect": "Password:", "password": "yes"}]


async def test_login_and_its_secret(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("0pen-Sesame\n")
    login = {"login": LOGIN, "password_file": str(secret)}
    async with running(tmp_path, username="field", password="0pen-Sesame") as bench:
        async with connected(bench.console(**login)) as console:
            assert await console.ask("time", {}) == {"time": "1"}
            # The session ended behind the bench's back: the next command notices, the one after logs in again.
            bench.wire._state = "login"
            with pytest.raises(DeviceError):
                await console.ask("time", {})
            assert await console.ask("time", {}) == {"time": "2"}
        # Logged in already.
        async with connected(bench.console(**login)) as console:
            assert await console.ask("time", {}) == {"time": "3"}
        bench.wire._state = "login"
        secret.write_text("0pen-Barley\n")
        with pytest.raises(DeviceError, match=r"does not let the bench log in; it said '.*Login incorrect"):
            await bench.console(**login).connect()
    everything = repr(bench.events)
    assert "0pen" not in everything and "(secret)" in everything


async def test_password_that_is_echoed_is_hidden(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("hunter2")
    async with running(tmp_path) as bench:
        console = bench.console(
            login=[{"expect": "Password:", "password": "yes"}],
            password_file=str(secret),
            commands={"tell": {"send": "hunter2", "reply": ["never (?P<x>.*)"]}},
        )
        async with connected(console):
            with pytest.raises(DeviceError) as raised:
                await console.ask("tell", {})
        assert "hunter2" not in repr(bench.of("wire")[-3:])
        assert "command hunter2" not in str(raised.value)


async def test_password_file_must_be_readable(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        for content, words in ((None, "cannot be read"), ("\n", "no password")):
            if content is not None:
                (tmp_path / "none").write_text(content)
            with pytest.raises(UsageError, match=words):
                await bench.console(login=LOGIN, password_file=str(tmp_path / "none")).connect()


async def test_cancelled_command_leaves_no_answer_behind(tmp_path: Path) -> None:
    for echo in (True, False):
        async with running(tmp_path, echo=echo) as bench, connected(bench.console(echo=echo)) as console:
            bench.wire.line.delay_s = 1.0
            task = asyncio.create_task(console.ask("time", {}))
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await console.ask("time", {}) == {"time": "2"}


async def test_commands_take_turns(tmp_path: Path) -> None:
    async with running(tmp_path) as bench, connected(bench.console()) as console:
        bench.wire.line.delay_s = 0.1
        answers = await asyncio.gather(*(console.ask("time", {}) for _ in range(5)))
        assert [answer["time"] for answer in answers] == ["1", "2", "3", "4", "5"]


async def test_close_while_a_command_is_under_way(tmp_path: Path) -> None:
    async with running(tmp_path) as bench:
        console = bench.console()
        await console.connect()
        bench.wire.line.silent = True
        task = asyncio.create_task(console.ask("time", {}))
        await asyncio.sleep(0.1)
        await console.close()
        await console.close()
        with pytest.raises(DeviceLost):
            await task
    assert bench.states() == ["connected", "closed"]


async def test_flood_without_line_ends_is_bounded(tmp_path: Path) -> None:
    async with running(tmp_path) as bench, connected(bench.console()) as console:
        for _ in range(50):
            bench.wire.line.send(b"x" * 1000)
        await asyncio.sleep(0.1)
        bench.wire.line.send(b"\r\nmeter> ")
        assert await console.ask("time", {}) == {"time": "1"}
        assert [data["detail"] for data in bench.of("device")[1:]] == ["a line of more than 256 characters"]


async def test_console_behind_a_raw_socket(tmp_path: Path) -> None:
    surroundings = Surroundings()

    async def meter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(b"time 5\r\nmeter> " if line.strip() else b"meter> ")
        writer.close()

    server = await asyncio.start_server(meter, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    fields = RIG | {"resource": f"socket://127.0.0.1:{port}"}
    console = SerialConsole(surroundings.context(), ConsoleConfig.model_validate(fields))
    async with connected(console):
        assert await console.ask("time", {}) == {"time": "5"}
    server.close()
    await server.wait_closed()
    with pytest.raises(DeviceLost, match="cannot be opened"):
        await console.connect()
    await asyncio.sleep(0.1)


class Collector:
    def __init__(self, prompt: str) -> None:
        self.prompt = re.compile(prompt)
        self.seen: list[tuple[str, str]] = []

    def on_line(self, text: str) -> None:
        self.seen.append(("line", text))

    def on_prompt(self) -> None:
        self.seen.append(("prompt", ""))

    def on_tail(self, text: str) -> None:
        assert not self.prompt.match(text)

    def on_garbage(self, what: str, text: str) -> None:
        self.seen.append(("garbage", what))

    def on_lost(self, cause: str) -> None:
        self.seen.append(("lost", cause))


@given(
    st.lists(st.sampled_from(["meter> ", "a line\r\n", "b\n", "c\r", "\xff\r\n", "meter> x\r\n", "y" * 40 + "\r\n"])),
    st.lists(st.integers(1, 7)),
)
def test_lines_do_not_depend_on_how_bytes_arrive(pieces: list[str], cuts: list[int]) -> None:
    data = "".join(pieces).encode("latin-1")

    def collect(chunks: list[bytes]) -> list[tuple[str, str]]:
        collector = Collector("meter> ")
        assembler = LineAssembler(collector, collector.prompt, 32)
        for chunk in chunks:
            assembler.data_received(chunk)
        return collector.seen

    chunks, rest = [], data
    for cut in cuts:
        chunks.append(rest[:cut])
        rest = rest[cut:]
    assert collect([*chunks, rest]) == collect([bytes([byte]) for byte in data])


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_any_bytes_are_taken_in_bounded_memory(chunks: list[bytes]) -> None:
    collector = Collector("meter> ")
    assembler = LineAssembler(collector, collector.prompt, 32)
    for chunk in chunks:
        assembler.data_received(chunk)
        assert len(assembler._buffer) <= 32


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"resource": "COM3"}, "is no serial port"),
        ({"resource": "socket://host"}, "is no serial port"),
        ({"prompt": "meter> *"}, None),
        ({"prompt": "(meter> )*"}, "found where nothing is printed"),
        ({"prompt": "["}, "no regular expression"),
        ({"prompt": "(a+)+b"}, "could take for ever"),
        ({"commands": {}}, "at least 1"),
        ({"commands": {"a": {"send": "x {y}"}}}, "an argument 'y' that `arguments` does not describe"),
        ({"commands": {"a": {"send": "x", "arguments": {"y": "1"}}}}, "does not occur"),
        ({"commands": {"a": {"send": "x {y!r}", "arguments": {"y": "1"}}}}, "nothing more"),
        ({"commands": {"a": {"send": "x {y.z}", "arguments": {"y": "1"}}}}, "nothing more"),
        ({"commands": {"a": {"send": "x {"}}}, "unbalanced braces"),
        ({"commands": {"a": {"send": "x\ny"}}}, "printable"),
        ({"commands": {"a": {"send": "x", "reply": ["(?P<v>a)", "(?P<v>b)"]}}}, "two patterns"),
        ({"commands": {"a": {"send": "x", "timeout": "5"}}}, "number and a unit"),
        ({"probe": "supply"}, "probe 'supply'"),
        ({"probe": "nothing"}, "probe 'nothing'"),
        ({"login": LOGIN}, "belong together"),
        ({"password_file": "x"}, "belong together"),
        ({"login": [{"expect": "a", "send": "b", "password": True}]}, "give one of them"),
        ({"baud": "9600 Bd"}, "valid integer"),
        ({"data_bits": "9"}, "'7' or '8'"),
        ({"max_line": "1000000"}, "less than or equal to 1024"),
        ({"colour": "green"}, "Extra inputs"),
    ],
)
def test_bad_descriptions_are_refused_at_load(fields: dict[str, Any], words: str | None) -> None:
    whole = {"resource": "/dev/ttyS0"} | RIG | fields
    if words is None:
        ConsoleConfig.model_validate(whole)
        return
    with pytest.raises(ValidationError, match=re.escape(words)):
        ConsoleConfig.model_validate(whole)


@pytest.mark.parametrize(
    "text", ["(a+)+", "(a|b)*x", "((a*))+", "(?:x(y{2,})z)*", "(?P<n>a*b)+c", r"([a-z]+\.)+x", "(a*+b*)*"]
)
def test_patterns_that_could_run_for_ever_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="could take for ever"):
        compile_pattern(text)


@pytest.mark.parametrize(
    "text",
    [r"a+b+", r"(a+)?", r"(ab)+", r"[(a+)+]+", r"\(a+\)+", r"(on|off) (\d+)", r"(?>a+)+", r"(a++b)*", r"([]*+)]b)+"],
)
def test_ordinary_patterns_are_allowed(text: str) -> None:
    assert compile_pattern(text).pattern == text


def test_braces_can_be_sent() -> None:
    command = CommandConfig(send="set {{{name}}}", arguments={"name": compile_pattern(r"\w+")})
    assert command.render({"name": "x"}) == "set {x}"


def test_the_documented_example_is_a_description() -> None:
    page = (Path(__file__).parents[2] / "docs" / "console.md").read_text()
    example = yaml.load(page.split("```")[1].removeprefix("yaml"), yaml.BaseLoader)
    assert example.pop("driver") == "serial-console"
    config = ConsoleConfig.model_validate(example)
    assert config.commands["supply"].render({"state": "arm"}) == "supply arm"
