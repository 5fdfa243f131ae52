"""A console that is silent, late, garbled or gone, and a command that is given up."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bench.errors import DeviceError, DeviceLost
from tests.drivers.console_bench import running
from tests.drivers.surroundings import connected


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
