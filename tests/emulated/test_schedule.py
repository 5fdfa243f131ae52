"""The timers of the emulated world keep their order, whatever is cancelled."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bench.virtual_time import VirtualLoop
from drivers.emulated.schedule import Schedule, Timer, next_turn


@given(
    st.lists(st.integers(0, 3), max_size=30),
    st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=10),
)
def test_actions_run_in_order_of_time_and_then_of_asking(moments: list[int], cancels: list[tuple[int, int]]) -> None:
    """Each pair of `cancels`: the first, when it runs, cancels the second."""
    ran: list[int] = []
    timers: list[Timer] = []

    async def body() -> None:
        schedule = Schedule(asyncio.get_running_loop(), 1)

        def action(number: int) -> None:
            ran.append(number)
            for when, what in cancels:
                if when == number and what < len(timers):
                    timers[what].cancel()

        for number, moment in enumerate(moments):
            timers.append(schedule.at(10.0 + moment, lambda number=number: action(number)))  # type: ignore[misc]
        await asyncio.sleep(20)
        assert not any(timer.pending for timer in timers)
        schedule.close()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(body())

    expected: list[int] = []
    cancelled: set[int] = set()
    for number in sorted(range(len(moments)), key=lambda number: (moments[number], number)):
        if number not in cancelled:
            expected.append(number)
            cancelled |= {what for when, what in cancels if when == number}
    assert ran == expected


async def test_what_an_action_raises_stops_the_rest_and_is_raised_at_the_end() -> None:
    schedule = Schedule(asyncio.get_running_loop(), 1)
    ran: list[str] = []

    def broken() -> None:
        raise ArithmeticError("a mistake in the emulator")

    schedule.after(1, broken)
    schedule.after(2, lambda: ran.append("later"))
    await asyncio.sleep(3)
    with pytest.raises(ArithmeticError, match="a mistake"):
        schedule.close()
    assert ran == []
    schedule.close()


@given(
    from_s=st.floats(0, 1e7),
    interval_s=st.sampled_from([1.0, 10.0, 60.0, 1800.0]),
    phase=st.floats(0, 1, exclude_max=True),
)
@example(from_s=8308.334082220143, interval_s=10.0, phase=0.5107123341017844)
def test_a_turn_is_at_most_an_interval_away_and_is_its_own_next_turn(
    from_s: float, interval_s: float, phase: float
) -> None:
    turn_s = next_turn(from_s, interval_s, phase)
    assert from_s <= turn_s <= from_s + interval_s * 1.000_001
    assert next_turn(turn_s, interval_s, phase) == turn_s
