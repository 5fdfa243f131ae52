"""A tariff of the future, a tariff that is replaced, and one that outlives its world."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

import pytest

from bench.duis import responses as duis
from drivers.emulated.functions.readings import BASE_W
from tests.emulated.tariff_worlds import (
    BLOCK_PRICES,
    BLOCKS,
    KWH,
    by_time,
    done,
    everybody,
    hours,
    metering,
    own,
    until,
)
from tests.emulated.tariffs import (
    DAY_AND_NIGHT,
    day,
    instructions,
    numbered,
    planned,
    prices,
    read,
    secondary,
    tariff,
)
from tests.emulated.test_memory import again
from tests.emulated.worlds import ESME

# Future dates


async def test_a_tariff_of_the_future_is_told_part_by_part() -> None:
    with everybody() as small:
        await done(small, "1.1.1", DAY_AND_NIGHT | prices(300, 100))
        when = small.world.mail.now.replace(microsecond=0) + timedelta(hours=2)
        new = tariff([day(1, (time(), 5))]) | prices(0, 0, 0, 0, 900)
        assert (await planned(small, "IS", "1.1.1", ESME, new, when)).ok
        await hours(1.9)
        assert (await read(small, "IS", "4.11.1", ESME))["active_price"] == 100
        assert instructions(small) == []
        await hours(0.2)
        values = await read(small, "IS", "4.11.1", ESME)
        assert (values["active_price"], values["prices"]) == (900, {"tou_5": 900})
        told = instructions(small)
        assert [(number, count) for _, number, count in told] == [(number, 6) for number in range(1, 7)]
        assert {target for target, _, _ in told} == {
            "20/0-0:13.0.0.255/10",
            "9000/0-0:94.44.128.29/6",
            "9000/0-0:94.44.2.0/6",
            "9000/0-0:63.1.1.255/6",
            "113/0-0:19.20.4.255/7",
            "113/0-0:19.20.0.255/7",
        }
        assert metering(small).energy().by_time[4] == pytest.approx(BASE_W / 10, abs=2)


@pytest.mark.parametrize(
    ("variant", "params", "count"),
    [
        ("1.2.1", prices(77), 2),
        ("1.1.2", secondary(77, 0, 0, 0), 3),
        ("1.2.2", {"electricity_price_element": numbered((77, 0, 0, 0)), "price_scale": -5}, 1),
    ],
)
async def test_other_parts_have_their_time_too(variant: str, params: dict[str, Any], count: int) -> None:
    with everybody() as small:
        when = small.world.mail.now.replace(microsecond=0) + timedelta(hours=1)
        assert (await planned(small, "IS", variant, ESME, params, when)).ok
        await hours(1.1)
        assert [each[1:] for each in instructions(small)] == [(number, count) for number in range(1, count + 1)]
        asked, name = ("4.11.1", "active_price") if variant == "1.2.1" else ("4.11.2", "secondary_active_price")
        assert (await read(small, "IS", asked, ESME))[name] == 77


async def test_what_is_planned_can_be_forgotten() -> None:
    with everybody() as small:
        when = small.world.mail.now.replace(microsecond=0) + timedelta(hours=1)
        assert (await planned(small, "IS", "1.1.1", ESME, DAY_AND_NIGHT | prices(5, 6), when)).ok
        never = datetime(3000, 12, 31, tzinfo=when.tzinfo)
        assert (await planned(small, "IS", "1.1.1", ESME, DAY_AND_NIGHT | prices(7, 8), never)).ok
        await hours(2)
        assert own(small).price_now() == 0
        assert instructions(small) == []
        await hours(48)
        assert not any(isinstance(post.message, duis.ErrorResponse) for post in small.posts)


async def test_a_price_that_came_later_takes_the_place_of_the_planned_one() -> None:
    with everybody() as small:
        when = small.world.mail.now.replace(microsecond=0) + timedelta(hours=1)
        assert (await planned(small, "IS", "1.1.1", ESME, DAY_AND_NIGHT | prices(300, 100), when)).ok
        await done(small, "1.2.1", prices(1, 2))
        await hours(1.1)
        values = await read(small, "IS", "4.11.1", ESME)
        assert (len(values["days"][0].times), values["prices"], values["active_price"]) == (2, by_time(1, 2), 2)
        assert len(instructions(small)) == 4


async def test_a_change_of_tariff_is_taken_down() -> None:
    with everybody() as small:
        await hours(2)
        await done(small, "1.1.1", DAY_AND_NIGHT | prices(3, 1))
        when = small.world.mail.now.replace(microsecond=0) + timedelta(hours=6)
        assert (await planned(small, "IS", "1.1.1", ESME, DAY_AND_NIGHT | prices(4, 2), when)).ok
        await done(small, "1.2.1", prices(3, 1))
        await hours(7)
        start, end = small.world.mail.now - timedelta(days=1), small.world.mail.now
        period = {"start_date_time": start, "end_date_time": end}
        response = await small.ask("IS", "4.4.2", ESME, period)
        first, second = response.values["billing_log"]
        assert first[1] == pytest.approx(2 * BASE_W, abs=3)
        assert second[0] == when
        assert sum(second[2]) == pytest.approx(second[1], abs=2)


# Worlds that are stopped


async def test_a_world_that_was_killed_remembers_its_tariff_and_what_is_planned() -> None:
    with everybody() as small:
        await done(small, "1.1.1", BLOCKS | BLOCK_PRICES)
        await done(small, "1.1.2", secondary(10, 20, 30, 40))
        await done(small, "6.26")
        await hours(5)
        when = small.world.mail.now.replace(microsecond=0) + timedelta(hours=1)
        assert (await planned(small, "IS", "1.1.1", ESME, DAY_AND_NIGHT | prices(300, 100), when)).ok
        await done(small, "1.2.1", BLOCK_PRICES)
        before, cost = await read(small, "IS", "4.11.1", ESME), own(small).cost()
        counters = metering(small).count().counters
        other = again(small)
        try:
            assert own(other).daily_block_reset
            assert await read(other, "IS", "4.11.1", ESME) == before
            assert (await read(other, "IS", "4.11.2", ESME))["secondary_prices"] == by_time(10, 20, 30, 40)
            assert own(other).cost() == pytest.approx(cost, abs=1e-3)
            assert metering(other).count().counters == pytest.approx(counters, abs=2)
            await hours(1.1)
            values = await read(other, "IS", "4.11.1", ESME)
            assert len(values["days"][0].times) == 2
            assert values["prices"] == before["prices"]
            assert len(instructions(other)) == 4
        finally:
            other.world.close()


async def test_what_switched_while_a_world_was_stopped_is_counted() -> None:
    with everybody() as small:
        await done(small, "1.1.1", DAY_AND_NIGHT | prices(30_000, 10_000))
        small.world.schedule.close()
        await until(small, hour=12, days=1)
        other = again(small)
        try:
            await hours(0.01)
            registers = metering(other).energy().by_time
            assert registers[:2] == (pytest.approx(22 * BASE_W, abs=5), pytest.approx(14 * BASE_W, abs=5))
            assert own(other).cost() == pytest.approx((22 * 0.3 + 14 * 0.1) * KWH, abs=0.01)
        finally:
            other.world.close()
