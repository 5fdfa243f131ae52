"""A console on a serial line: commands, their answers, and what it says unasked."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bench.capabilities import Console
from bench.errors import DeviceError, DeviceLost, UsageError
from drivers.console import SerialConsole
from drivers.console_config import ConsoleConfig
from tests.drivers.console_bench import LOGIN, RIG, running
from tests.drivers.surroundings import Surroundings, connected


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
