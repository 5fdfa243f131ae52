from __future__ import annotations

import asyncio
import os
import pty
import threading
import tty
from concurrent.futures import ThreadPoolExecutor

import pytest

from bench.clock import VIRTUAL_EPOCH_UTC_NS, ClockKind, VirtualClock
from bench.virtual_time import DeadlockError, VirtualLoop, check_poll_readiness


def test_loopback_writes_are_visible_at_once_here() -> None:
    check_poll_readiness()


async def test_a_day_of_sleep_takes_no_time_and_ends_at_its_exact_moment() -> None:
    loop = asyncio.get_running_loop()
    await asyncio.sleep(86_400)
    assert loop.time() == 86_400


async def test_timers_fire_in_order_of_their_moments_across_tasks() -> None:
    seen: list[tuple[float, str]] = []

    async def tick(name: str, period_s: float, count: int) -> None:
        for _ in range(count):
            await asyncio.sleep(period_s)
            seen.append((asyncio.get_running_loop().time(), name))

    async with asyncio.TaskGroup() as group:
        group.create_task(tick("a", 3, 4))
        group.create_task(tick("b", 4, 3))
    assert [time for time, _ in seen] == [3, 4, 6, 8, 9, 12, 12]


async def test_a_socket_round_trip_costs_no_virtual_time() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    begun = asyncio.get_running_loop().time()
    async with asyncio.timeout(0.001):
        for number in range(100):
            writer.write(b"%d\n" % number)
            assert await reader.readline() == b"%d\n" % number
    assert asyncio.get_running_loop().time() == begun
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


async def test_a_pty_round_trip_costs_no_virtual_time() -> None:
    loop = asyncio.get_running_loop()
    master, slave = pty.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    answers: asyncio.Queue[bytes] = asyncio.Queue()
    loop.add_reader(slave, lambda: os.write(slave, os.read(slave, 64)[::-1]))
    loop.add_reader(master, lambda: answers.put_nowait(os.read(master, 64)))
    begun = loop.time()
    for _ in range(50):
        os.write(master, b"abc")
        async with asyncio.timeout(0.5):
            assert await answers.get() == b"cba"
    assert loop.time() == begun
    for end in (master, slave):
        loop.remove_reader(end)
        os.close(end)


async def test_the_clock_stands_still_while_a_thread_works() -> None:
    loop = asyncio.get_running_loop()
    release = threading.Event()
    fired: list[float] = []
    loop.call_later(0.01, lambda: fired.append(loop.time()))
    with ThreadPoolExecutor(1) as pool:
        job = loop.run_in_executor(pool, release.wait)
        timer = threading.Timer(0.05, release.set)
        timer.start()
        assert await job
        timer.join()
    assert not fired
    await asyncio.sleep(1)
    assert fired == [0.01]


async def test_results_of_threads_are_delivered_in_order_of_submission() -> None:
    loop = asyncio.get_running_loop()
    first = threading.Event()
    order: list[int] = []
    with ThreadPoolExecutor(2) as pool:
        slow = loop.run_in_executor(pool, first.wait)
        quick = loop.run_in_executor(pool, first.set)
        slow.add_done_callback(lambda _: order.append(1))
        quick.add_done_callback(lambda _: order.append(2))
        await asyncio.gather(slow, quick)
    assert order == [1, 2]


async def test_an_error_in_a_thread_reaches_the_one_who_waits() -> None:
    with ThreadPoolExecutor(1) as pool, pytest.raises(ZeroDivisionError):
        await asyncio.get_running_loop().run_in_executor(pool, lambda: 1 // 0)


def test_a_thread_that_waits_for_a_virtual_timer_does_not_hang_the_loop() -> None:
    async def body() -> bool:
        loop = asyncio.get_running_loop()
        rings = threading.Event()
        loop.call_later(0.05, rings.set)
        with ThreadPoolExecutor(1) as pool:
            return await loop.run_in_executor(pool, rings.wait, 5)

    with asyncio.Runner(loop_factory=lambda: VirtualLoop(freeze_s=0.02)) as runner:
        assert runner.run(body())


def test_waiting_for_nothing_is_an_error_and_not_a_hang() -> None:
    async def body() -> None:
        await asyncio.get_running_loop().create_future()

    with (
        pytest.raises(DeadlockError, match="cannot go on"),
        asyncio.Runner(loop_factory=lambda: VirtualLoop(idle_limit_s=0.05)) as runner,
    ):
        runner.run(body())


async def test_held_time_lets_no_timer_fire() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    fired: list[float] = []
    loop.call_later(0.001, lambda: fired.append(loop.time()))
    answer: asyncio.Future[str] = loop.create_future()
    timer = threading.Timer(0.05, loop.call_soon_threadsafe, (answer.set_result, "yes"))
    timer.start()
    with loop.held():
        assert await answer == "yes"
        assert not fired
    timer.join()
    await asyncio.sleep(1)
    assert fired == [0.001]


def test_paced_time_takes_its_share_of_real_time() -> None:
    async def body() -> float:
        await asyncio.sleep(50)
        return asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=lambda: VirtualLoop(speed=1000)) as runner:
        assert runner.run(body()) >= 50


async def test_the_virtual_clock_begins_at_its_epoch_and_is_exact() -> None:
    clock = VirtualClock(asyncio.get_running_loop())
    await clock.sleep(1.5)
    now = clock.now()
    assert now.kind is ClockKind.VIRTUAL
    assert (now.mono_ns, now.utc_ns, now.uncertainty_ns) == (1_500_000_000, VIRTUAL_EPOCH_UTC_NS + 1_500_000_000, 0)
    assert now.iso == "2026-01-01T00:00:01.500000000Z"
    clock.check()
