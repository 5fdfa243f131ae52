"""An AC source that is made safe, whatever it is doing."""

from __future__ import annotations

import asyncio

import pytest

from bench.errors import DeviceError, DeviceLost
from tests.drivers.ac_bench import ac_bench, both


@both
async def test_cancelled_in_the_middle_of_an_excursion_the_line_is_consistent(profile: str) -> None:
    async with ac_bench(profile) as bench:
        for duration_s in (0.8, 60.0):
            task = asyncio.create_task(bench.source.excursion(200.0, duration_s))
            await asyncio.sleep(0.3)
            assert bench.node.volts == 200.0
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await bench.source.make_safe()
            assert bench.node.volts == 0.0
            # The driver restores nothing by itself; whoever goes on says what it wants.
            await bench.source.set_voltage(230.0)
            await bench.source.output(True)
            await asyncio.sleep(5.0)
            assert bench.node.volts == 230.0


async def test_a_program_left_running_gives_way_to_the_next_setting_without_a_glitch() -> None:
    async with ac_bench("chroma-61500") as bench:
        task = asyncio.create_task(bench.source.ramp(200.0, 10.0))
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        bench.history.clear()
        await bench.source.set_voltage(215.0)
        assert [volts for _, volts in bench.history] == [215.0]
        assert not bench.model.running


@both
async def test_make_safe_ends_what_another_task_is_doing(profile: str) -> None:
    async with ac_bench(profile) as bench:
        task = asyncio.create_task(bench.source.interrupt(60.0))
        await asyncio.sleep(30.0)
        await bench.source.make_safe()
        with pytest.raises(DeviceError, match="made safe"):
            await task
        await asyncio.sleep(60.0)
        assert bench.node.volts == 0.0 and not bench.model.on


@both
@pytest.mark.parametrize("verb", ["set", "measure"])
async def test_make_safe_does_not_wait_for_a_blocked_exchange(profile: str, verb: str) -> None:
    async with ac_bench(profile) as bench:
        loop = asyncio.get_running_loop()
        bench.faults.delay_s = 1.5
        task = asyncio.create_task(
            bench.source.set_voltage(250.0) if verb == "set" else bench.source.measure("voltage")  # type: ignore[arg-type]
        )
        queued = asyncio.create_task(bench.source.measure("current"))
        await asyncio.sleep(0.2)
        began_s = loop.time()
        safe = asyncio.create_task(bench.source.make_safe())
        await asyncio.sleep(0.02)
        assert bench.node.volts == 0.0, "the output must be off within 20 ms"
        assert not safe.done()
        bench.faults.delay_s = 0.0
        await safe
        assert loop.time() - began_s < 2.0
        for other in (task, queued):
            with pytest.raises(DeviceError):
                await other
        assert (await bench.source.measure("voltage")).value == 0.0


async def test_make_safe_twice_at_once() -> None:
    async with ac_bench() as bench:
        bench.faults.delay_s = 0.1
        task = asyncio.create_task(bench.source.set_voltage(250.0))
        await asyncio.sleep(0.05)
        await asyncio.gather(bench.source.make_safe(), bench.source.make_safe())
        with pytest.raises(DeviceError):
            await task
        assert not bench.model.on


@both
async def test_make_safe_survives_a_connection_that_broke_unnoticed(profile: str) -> None:
    async with ac_bench(profile) as bench:
        bench.server.drop()
        await bench.source.make_safe()
        assert not bench.model.on and bench.node.volts == 0.0


async def test_make_safe_with_the_instrument_gone_says_so() -> None:
    async with ac_bench() as bench:
        await bench.server.vanish()
        with pytest.raises(DeviceLost, match="source"):
            await bench.source.make_safe()
