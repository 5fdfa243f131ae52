"""A tariff that is set is metered, priced and read: by time of day, in blocks, on both elements."""

from __future__ import annotations

import asyncio
import random
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest

from bench.gbcs.load_control_fields import LAST_DAY, DatePattern
from bench.gbcs.tariff_fields import Day, Season, TariffSpecialDay, Week
from drivers.emulated.functions.readings import BASE_W
from drivers.emulated.meter import SupplyState
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
    NEVER_REACHED,
    date,
    day,
    numbered,
    prices,
    read,
    season,
    secondary,
    tariff,
    week,
)
from tests.emulated.test_memory import again
from tests.emulated.worlds import ESME


async def test_what_is_set_is_read_by_everybody_who_may() -> None:
    with everybody() as small:
        given = tariff(
            [day(1, (time(7), 1), action="block"), day(2, (time(), 48))],
            [week(1, 1), {"week_name": 2, "referenced_day_name": numbered((1, 1, 1, 1, 1, 2, 2), "day_name")}],
            [season("winter", 1, month=10, day_of_month=-1), season("summer", 2, month=3, day_of_month=20)],
            [{"date": date(month=12, day_of_month=25), "referenced_day_name": 2}],
            {1: (10_000,), 8: (1, 2, 3)},
        )
        await done(small, "1.1.1", given | prices(1, -2, 3, blocks={1: (11, 12), 8: (81, 82, 83, 84)}, charge=-5))
        values = await read(small, "IS", "4.11.1", ESME)
        assert values == await read(small, "OU", "4.11.1", ESME)
        assert values["seasons"] == (
            Season("winter", DatePattern(month=10, day=LAST_DAY), time(), 1),
            Season("summer", DatePattern(month=3, day=20), time(), 2),
        )
        assert values["weeks"] == (Week(1, (1,) * 7), Week(2, (1, 1, 1, 1, 1, 2, 2)))
        assert values["days"] == (Day(1, ((time(7), 101),)), Day(2, ((time(), 48),)))
        assert values["special_days"] == (TariffSpecialDay(1, DatePattern(month=12, day=25), 2),)
        assert values["thresholds_1"] == (10_000, NEVER_REACHED, NEVER_REACHED)
        assert (values["thresholds_7"], values["thresholds_8"]) == ((NEVER_REACHED,) * 3, (1, 2, 3))
        assert (values["standing_charge"], values["standing_charge_scale"], values["currency_gbp"]) == (-5, -4, True)
        assert values["prices_scale"] == -5
        by_block = {"block_1_tou_1": 11, "block_2_tou_1": 12}
        by_block |= {f"block_{block}_tou_8": 80 + block for block in range(1, 5)}
        assert values["prices"] == {"tou_1": 1, "tou_2": -2, "tou_3": 3} | by_block
        assert values["active_price"] == 11
        assert own(small).standing_charge == Decimal("-0.0005")


async def test_registers_price_and_cost_follow_the_time_of_day() -> None:
    with everybody() as small:
        await done(small, "1.1.1", DAY_AND_NIGHT | prices(30_000, 10_000))
        assert (await read(small, "IS", "4.11.1", ESME))["active_price"] == 10_000
        await until(small, hour=7)
        assert own(small).price_now() == Decimal("0.3")
        await until(small, hour=23)
        assert (await read(small, "OU", "4.11.1", ESME))["active_price"] == 30_000
        registers = (await read(small, "IS", "4.1.2", ESME))["tou_registers_wh"]
        assert registers[:2] == (pytest.approx(16 * BASE_W, abs=3), pytest.approx(7 * BASE_W, abs=3))
        assert sum(registers) == pytest.approx(metering(small).energy().imported, abs=2)
        assert own(small).cost() == pytest.approx(7 * KWH * 0.1 + 16 * KWH * 0.3, abs=1e-3)
        await until(small, hour=0, days=1)
        assert own(small).price_now() == Decimal("0.1")


async def test_whoever_debits_is_told_of_each_price() -> None:
    with everybody() as small:
        told: list[tuple[datetime, Decimal, Decimal]] = []
        tariffs = own(small)
        tariffs.on_price.append(
            lambda: told.append((small.world.esme.clock.utc(), tariffs.price, tariffs.standing_charge))
        )
        await done(small, "1.1.1", DAY_AND_NIGHT | prices(30_000, 10_000))
        await hours(24)
        assert [(at.hour, price) for at, price, _ in told[-3:]] == [
            (0, Decimal("0.1")), (7, Decimal("0.3")), (0, Decimal("0.1"))
        ]  # fmt: skip
        assert told[-1][2] == Decimal("0.2")
        await done(small, "1.2.1", prices(30_000, 10_000, charge=2500))
        assert told[-1][1:] == (Decimal("0.1"), Decimal("0.25"))


async def test_a_special_day_costs_something_else() -> None:
    with everybody() as small:
        tomorrow = small.world.mail.now + timedelta(days=1)
        at = date(month=tomorrow.month, day_of_month=tomorrow.day)
        given = tariff(
            [day(1, (time(), 1)), day(2, (time(), 2))], special_days=[{"date": at, "referenced_day_name": 2}]
        )
        await done(small, "1.1.1", given | prices(500, 700))
        seen = []
        for _ in range(3):
            seen.append(own(small).price_now())
            await hours(24)
        assert seen == [Decimal("0.005"), Decimal("0.007"), Decimal("0.005")]


async def test_a_block_ends_where_its_threshold_is_reached() -> None:
    with everybody() as small:
        await done(small, "1.1.1", BLOCKS | BLOCK_PRICES)
        began = own(small).registers.count().total
        seen = []
        for _ in range(5):
            seen.append(float(own(small).price_now()))
            await hours(3.3)
        assert seen == [0.01, 0.01, 0.02, 0.02, 0.04]
        used = own(small).registers.count().total - began
        third = used - 3000
        expected = [1000, 2000, third]
        blocks = (await read(small, "IS", "4.1.3", ESME))["block_registers_wh"]
        assert [blocks[at] for at in (0, 16, 32)] == [pytest.approx(each, abs=2) for each in expected]
        assert [blocks[at] for at in (8, 24, 40)] == [blocks[at] for at in (0, 16, 32)]
        assert own(small).cost() == pytest.approx(0.01 + 2 * 0.02 + third / 1000 * 0.04, abs=1e-3)
        await done(small, "1.7")
        assert own(small).price_now() == Decimal("0.01")
        after = (await read(small, "IS", "4.1.3", ESME))["block_registers_wh"]
        assert [after[at] for at in (16, 32)] == [blocks[at] for at in (16, 32)]
        assert [after[at] for at in (8, 24, 40)] == [pytest.approx(0, abs=2)] * 3
        await hours(3.9)
        assert own(small).price_now() == Decimal("0.01")
        await hours(0.2)
        assert own(small).price_now() == Decimal("0.02")


async def test_more_power_ends_a_block_earlier() -> None:
    with everybody() as small:
        await done(small, "1.1.1", BLOCKS | BLOCK_PRICES)
        await done(small, "7.5", {"index": 1, "duration": 60})
        await hours(0.25)
        assert own(small).price_now() == Decimal("0.01")
        await hours(0.1)
        assert own(small).price_now() == Decimal("0.02")
        small.world.source_node.step(0.0)
        await hours(48)
        assert own(small).price == Decimal("0.02")


async def test_blocks_begin_anew_each_day_if_told_to() -> None:
    with everybody() as small:
        await done(small, "1.1.1", BLOCKS | BLOCK_PRICES)
        await hours(30)
        assert own(small).price_now() == Decimal("0.04")
        await done(small, "6.26")
        await until(small, hour=0, minute=5, days=1)
        assert own(small).price_now() == Decimal("0.01")
        assert sum(metering(small).count().counters) == pytest.approx(BASE_W / 12, abs=1)
        await done(small, "6.26", {"daily_tariff_block_counter_matrix_reset": False})
        await hours(26)
        assert own(small).price_now() == Decimal("0.04")


async def test_blocks_begin_anew_at_the_time_of_billing() -> None:
    with everybody() as small:
        monday = {"electricity_billing_calendar": {"billing_time": time(6), "weekly": 1}}
        await done(small, "6.8", monday)
        await done(small, "1.1.1", BLOCKS | BLOCK_PRICES)
        now = small.world.mail.now
        due = now.replace(hour=6, minute=1) + timedelta(days=(7 - now.weekday()) % 7)
        await asyncio.sleep((due - now).total_seconds())
        assert own(small).price_now() == Decimal("0.01")
        assert sum(metering(small).count().counters) < BASE_W / 10


async def test_a_new_price_leaves_the_table_alone() -> None:
    with everybody() as small:
        await done(small, "1.1.1", DAY_AND_NIGHT | prices(300, 100))
        before = await read(small, "IS", "4.11.1", ESME)
        await done(small, "1.2.1", prices(310, 110, charge=2100))
        after = await read(small, "IS", "4.11.1", ESME)
        assert {name for name in after if after[name] != before[name]} == {"prices", "standing_charge", "active_price"}
        assert (after["prices"], after["standing_charge"]) == ({"tou_1": 310, "tou_2": 110}, 2100)
        assert after["active_price"] == 110


async def test_the_secondary_element_is_apart() -> None:
    with everybody() as small:
        await done(small, "1.1.1", DAY_AND_NIGHT | prices(300, 100))
        primary = await read(small, "IS", "4.11.1", ESME)
        days = (day(1, (time(), 1), (time(12), 4)),)
        await done(small, "1.1.2", secondary(10, 20, 30, 40, days=days))
        values = await read(small, "OU", "4.11.2", ESME)
        assert (values["secondary_prices"], values["secondary_active_price"]) == (by_time(10, 20, 30, 40), 10)
        assert values["secondary_days"] == (Day(1, ((time(), 201), (time(12), 204))),)
        await until(small, hour=12, minute=1)
        assert (await read(small, "IS", "4.11.2", ESME))["secondary_active_price"] == 40
        await done(small, "1.2.2", {"electricity_price_element": numbered((1, 2, 3, 4)), "price_scale": -3})
        values = await read(small, "IS", "4.11.2", ESME)
        assert (values["secondary_prices"], values["secondary_active_price"]) == (by_time(1, 2, 3, 4), 400)
        assert len(values["secondary_days"]) == 1
        now = await read(small, "IS", "4.11.1", ESME)
        assert {name for name in now if now[name] != primary[name]} == {"active_price"}


@pytest.mark.parametrize(
    ("params", "item"),
    [
        (tariff([day(1, (time(), 1))], weeks=[week(1, 2)]), "weeks"),
        (tariff([day(1, (time(), 1))], seasons=[season("x", 3)]), "seasons"),
        (tariff([day(1, (time(), 1))], special_days=[{"date": date(), "referenced_day_name": 9}]), "special_days"),
        (tariff([day(1, (time(), 1))], thresholds={3: (20, 10)}), "thresholds_3"),
    ],
)
async def test_a_tariff_that_names_what_it_does_not_have_changes_nothing(params: dict[str, Any], item: str) -> None:
    with everybody() as small:
        await done(small, "1.1.1", DAY_AND_NIGHT | prices(300, 100))
        before = await read(small, "IS", "4.11.1", ESME)
        response = await small.ask("IS", "1.1.1", ESME, params | prices(1))
        assert (response.ok, response.values["failed_item"]) == (False, item)
        assert await read(small, "IS", "4.11.1", ESME) == before


async def test_a_meter_whose_clock_is_wrong_switches_by_it() -> None:
    with everybody("device-clock-off:7200") as small:
        await done(small, "1.1.1", DAY_AND_NIGHT | prices(300, 100))
        await until(small, hour=4, minute=59)
        assert own(small).price_now() == Decimal("0.001")
        await until(small, hour=5, minute=1)
        assert own(small).price_now() == Decimal("0.003")


async def test_a_price_below_zero_is_charged_and_read_as_nothing() -> None:
    with everybody() as small:
        await done(small, "1.2.1", prices(-20_000))
        await hours(8)
        assert (await read(small, "IS", "4.11.1", ESME))["active_price"] == 0
        assert own(small).cost() == pytest.approx(-0.2 * 8 * KWH, abs=1e-3)


async def test_whoever_is_told_of_a_price_finds_the_cost_of_its_moment() -> None:
    with everybody() as small:
        await done(small, "1.1.1", DAY_AND_NIGHT | prices(30_000, 10_000))
        small.world.schedule.close()
        await until(small, hour=12, days=1)
        # What it had followed up to is a day and a half ago.
        tariffs, told = own(small), []
        tariffs.on_price.append(lambda: told.append((tariffs.price_now(), tariffs.cost())))
        tariffs.refresh()
        assert [price for price, _ in told] == [Decimal("0.3"), Decimal("0.1"), Decimal("0.3")]
        night, whole_day = 7 * KWH * 0.1, 17 * KWH * 0.3
        expected = [night, night + whole_day, 2 * night + whole_day]
        assert [cost for _, cost in told] == [pytest.approx(each, abs=1e-3) for each in expected]
        assert tariffs.cost() == pytest.approx(expected[-1] + 5 * KWH * 0.3, abs=1e-3)


async def test_whoever_closes_the_supply_when_told_of_a_price_stops_the_blocks() -> None:
    with everybody() as small:
        await done(small, "1.1.1", BLOCKS | BLOCK_PRICES)
        own(small).on_price.append(lambda: small.world.esme.set_supply(SupplyState.DISABLED))
        await hours(24)
        assert own(small).price_now() == Decimal("0.02")
        assert sum(metering(small).count().counters) == pytest.approx(1000, abs=1)


async def test_every_watt_hour_is_in_one_register_whatever_the_tariff() -> None:
    rng = random.Random(4)
    with everybody() as small:
        world = small
        for number in range(10):
            days = [
                day(
                    name,
                    *((time(hour, rng.randrange(60)), rng.randint(1, 8)) for hour in rng.sample(range(24), 4)),
                    action=rng.choice(["block", "tou"]),
                )
                for name in range(1, 4)
            ]
            weeks = [{"week_name": 1, "referenced_day_name": numbered(rng.choices((1, 2, 3), k=7), "day_name")}]
            limits = {tou: tuple(sorted(rng.sample(range(200, 9000), 3))) for tou in range(1, 9)}
            blocks = {tou: [100 * tou + block for block in range(1, 5)] for tou in range(1, 9)}
            given = tariff(days, weeks, thresholds=limits) | prices(*range(1, 9), blocks=blocks)
            await done(world, "1.1.1", given)
            await done(world, "1.7")
            await hours(rng.uniform(5, 60))
            if number == 4:
                await done(world, "6.26")
                world = again(world)
            count = metering(world).count()
            assert sum(count.by_time) + sum(count.by_block) == pytest.approx(count.total)
            assert all(now <= ever + 1e-6 for now, ever in zip(count.counters, count.by_block, strict=True))
            for tou, (first, second, third) in limits.items():
                used = [count.counters[block * 8 + tou - 1] for block in range(4)]
                assert used[0] <= first + 1
                assert not used[1] or used[0] == pytest.approx(first, abs=1)
                assert used[0] + used[1] <= second + 1
                assert not used[2] or used[0] + used[1] == pytest.approx(second, abs=1)
                assert not used[3] or used[0] + used[1] + used[2] == pytest.approx(third, abs=1)
        world.world.close()
