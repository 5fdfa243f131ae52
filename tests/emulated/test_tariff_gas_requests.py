"""Tariffs of gas through the DCC: what is set is read back, by the proxy too, switches, counts and costs."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from bench.eui import Eui64
from bench.gbcs.load_control_fields import DatePattern
from bench.gbcs.tariff_fields import Week
from drivers.emulated.functions.readings import GAS_LITRES_PER_HOUR, GasMetering
from drivers.emulated.functions.tariff_gas import GasTariff
from tests.emulated.tariffs import gas_date, gas_prices, gas_tariff, instructions, numbered, planned, read, week
from tests.emulated.test_memory import again
from tests.emulated.worlds import ALL_USERS, GPF, GSME, Small, small_world

AWAKE = {"gsme_wake": "60 s"}
BLOCKS = gas_tariff(0, thresholds=(500, 1500, 3000))
BLOCK_PRICES = gas_prices(1000, 2000, 4000, 8000, thresholds_in_use=2)
KWH_PER_LITRE = 39.5 * 1.02264 / 3.6 / 1000


def everybody(**spec: Any) -> Any:
    return small_world(users=tuple(ALL_USERS), world=AWAKE, **spec)


def own(small: Small) -> GasTariff:
    return next(each for each in small.world.devices if each.eui == GSME).function(GasTariff)


def metering(small: Small) -> GasMetering:
    return own(small).registers


async def hours(count: float) -> None:
    await asyncio.sleep(count * 3600)


async def done(small: Small, variant: str, params: dict[str, Any]) -> None:
    response = await small.ask("GS", variant, GSME, params)
    assert response.ok, response.detail


@pytest.mark.parametrize("target", [GSME, GPF])
async def test_what_is_set_is_read(target: Eui64) -> None:
    with everybody() as small:
        christmas = {"date": gas_date(month=12, day_of_month=25), "referenced_day_name": 2}
        weeks = (week(1, 1), {"week_name": 2, "referenced_day_name": numbered((1, 1, 1, 1, 1, 2, 2), "day_name")})
        given = gas_tariff(1, 4, weeks=weeks, special_days=(christmas,), year=2015, month=3, day_of_month=1)
        await done(small, "1.1.1", given | gas_prices(7000, 0, 0, 9000, charge=123))
        values = await read(small, "GS", "4.11.1", target)
        assert values.pop("issued_at") <= small.world.mail.now
        assert values == {
            "active_price": 7000,
            "activation_time": "now",
            "scheme": "tou",
            "prices": (7000, 0, 0, 9000),
            "standing_charge": 123,
            "currency": "GBP",
            "thresholds": (0xFFFFFFFF,),
            "seasons": ((DatePattern(2015, 3, 1), 1),),
            "weeks": (Week(1, (1,) * 7), Week(2, (1, 1, 1, 1, 1, 2, 2))),
            "days": own(small).tariff["days"],
            "special_days": ((DatePattern(month=12, day=25), 2),),
        }
        assert [day.times[0][1] for day in values["days"]] == [1, 4]
        assert own(small).standing_charge == Decimal("0.00123")


async def test_weekends_have_a_price_and_a_register_of_their_own() -> None:
    with everybody() as small:
        weeks = ({"week_name": 1, "referenced_day_name": numbered((1, 1, 1, 1, 1, 2, 2), "day_name")},)
        await done(small, "1.1.1", gas_tariff(1, 3, weeks=weeks) | gas_prices(7000, 0, 5000))
        began = small.world.mail.now
        assert began.weekday() == 3
        seen = []
        for _ in range(5):
            seen.append((await read(small, "GS", "4.11.1", GSME))["active_price"])
            await hours(24)
        assert seen == [7000, 7000, 5000, 5000, 7000]
        registers = metering(small).gas().by_time
        assert registers[2] == pytest.approx(48 * GAS_LITRES_PER_HOUR, abs=10)
        assert sum(registers) == pytest.approx(metering(small).gas().consumed, abs=4)
        kwh = GAS_LITRES_PER_HOUR * 24 * KWH_PER_LITRE
        assert own(small).cost() == pytest.approx(kwh * (3 * 0.07 + 2 * 0.05), rel=0.01)


async def test_blocks_follow_their_thresholds_and_begin_anew_with_the_billing_period() -> None:
    with everybody() as small:
        now = small.world.mail.now
        billing = {"gas_billing_calendar": {"billing_period_start": now + timedelta(hours=20), "periodicity": "Daily"}}
        await done(small, "6.8", billing)
        await done(small, "1.1.1", BLOCKS | BLOCK_PRICES)
        seen = []
        for _ in range(6):
            seen.append(float(own(small).price_now()))
            await hours(3.9)
        # Two of the three thresholds are in use: there is no fourth block.
        assert seen == [0.01, 0.01, 0.02, 0.02, 0.04, 0.04]
        values = await read(small, "GS", "4.1.4", GSME)
        used = metering(small).count().counters
        assert [values[f"block_counter_{n}"] for n in (1, 2, 3)] == [pytest.approx(each, abs=40) for each in used[:3]]
        assert used[0] == pytest.approx(3.4 * GAS_LITRES_PER_HOUR, abs=30)
        assert own(small).price_now() == Decimal("0.01")


async def test_energy_costs_by_the_calorific_value_of_its_time() -> None:
    with everybody() as small:
        await done(small, "1.2.1", gas_prices(10_000))
        await hours(10)
        before = own(small).cost()
        assert before == pytest.approx(10 * GAS_LITRES_PER_HOUR * KWH_PER_LITRE * 0.1, rel=0.01)
        await done(small, "6.6", {"calorific_value": "79.0", "conversion_factor": "1.02264"})
        between = own(small).cost()
        assert between == pytest.approx(before, rel=0.02)
        await hours(10)
        assert own(small).cost() - between == pytest.approx(2 * before, rel=0.02)


async def test_a_tariff_of_the_future_is_told_command_by_command() -> None:
    with everybody() as small:
        await done(small, "1.1.1", gas_tariff(1) | gas_prices(7000))
        when = small.world.mail.now.replace(microsecond=0) + timedelta(hours=2)
        assert (await planned(small, "GS", "1.1.1", GSME, BLOCKS | BLOCK_PRICES, when)).ok
        await hours(1.9)
        assert (await read(small, "GS", "4.11.1", GSME))["active_price"] == 7000
        await hours(0.2)
        values = await read(small, "GS", "4.11.1", GSME)
        assert (values["active_price"], values["scheme"], values["thresholds"]) == (1000, "block", (500, 1500, 3000))
        told = instructions(small)
        assert [(number, count) for _, number, count in told] == [(number, 5) for number in range(1, 6)]
        assert len({target for target, _, _ in told}) == 5


async def test_a_price_of_the_future_can_be_forgotten() -> None:
    with everybody() as small:
        when = small.world.mail.now.replace(microsecond=0) + timedelta(hours=2)
        assert (await planned(small, "GS", "1.2.1", GSME, gas_prices(5), when)).ok
        assert (await planned(small, "GS", "1.2.1", GSME, gas_prices(6), datetime(3000, 12, 31, tzinfo=UTC))).ok
        await hours(3)
        assert (await read(small, "GS", "4.11.1", GSME))["active_price"] == 0
        when = small.world.mail.now.replace(microsecond=0) + timedelta(hours=2)
        assert (await planned(small, "GS", "1.2.1", GSME, gas_prices(5), when)).ok
        await hours(3)
        assert (await read(small, "GS", "4.11.1", GSME))["active_price"] == 5
        assert [each[1:] for each in instructions(small)] == [(1, 2), (2, 2)]


@pytest.mark.parametrize(
    "params", [gas_tariff(1, weeks=(week(1, 3),)), gas_tariff(1, weeks=(week(2, 1),)), gas_tariff(0, thresholds=(2, 1))]
)
async def test_a_calendar_that_names_what_it_does_not_have_changes_nothing(params: dict[str, Any]) -> None:
    with everybody() as small:
        before = await read(small, "GS", "4.11.1", GSME)
        assert not (await small.ask("GS", "1.1.1", GSME, params | gas_prices(1))).ok
        assert await read(small, "GS", "4.11.1", GSME) == before


async def test_a_world_that_was_killed_remembers_its_gas_tariff() -> None:
    with everybody() as small:
        await done(small, "1.1.1", BLOCKS | BLOCK_PRICES)
        await hours(6)
        before, cost = await read(small, "GS", "4.11.1", GSME), own(small).cost()
        assert before["active_price"] == 2000
        other = again(small, world=AWAKE)
        try:
            assert await read(other, "GS", "4.11.1", GPF) == before
            assert own(other).cost() == pytest.approx(cost, abs=0.01)
            await hours(7)
            assert own(other).price_now() == Decimal("0.04")
        finally:
            other.world.close()
