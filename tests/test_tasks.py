from __future__ import annotations

import asyncio
import contextlib

import pytest

from bench.tasks import at_once, stop


async def deaf(times: int) -> str:
    """Something that swallows its first cancellations."""
    for _ in range(times):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.get_running_loop().create_future()
    await asyncio.sleep(3600)
    return "never"


async def after(delay_s: float, error: Exception | None = None) -> float:
    await asyncio.sleep(delay_s)
    if error is not None:
        raise error
    return delay_s


async def test_a_task_is_told_to_stop_until_it_has() -> None:
    task = asyncio.create_task(deaf(3))
    await asyncio.sleep(0)
    stop(task)
    await asyncio.wait([task])
    assert task.cancelled()
    assert asyncio.get_running_loop().time() == 3.0
    stop(task)


async def test_results_are_in_order_and_nothing_is_no_work() -> None:
    assert await at_once(after(delay_s) for delay_s in (3, 1, 2)) == [3, 1, 2]
    assert asyncio.get_running_loop().time() == 3.0
    assert await at_once([]) == []


async def test_the_first_failure_stops_the_rest_for_certain() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        await at_once([after(50), deaf(2), after(5, ValueError("first")), after(6, ValueError("second"))])
    assert [str(error) for error in caught.value.exceptions] == ["first"]
    assert asyncio.get_running_loop().time() == 7.0, "5 s, and two more cancellations for the deaf one"


async def test_cancelled_it_stops_everything_before_it_ends_and_hides_no_error() -> None:
    ended = []

    async def careful() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("careful")

    task = asyncio.create_task(at_once([careful(), deaf(1)]))
    await asyncio.sleep(1)
    task.cancel()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["careful"]
    assert asyncio.get_running_loop().time() == 2.0
