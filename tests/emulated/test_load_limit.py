"""The load limit of the emulated ESME: too much power for too long."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from bench.duis import responses as duis
from drivers.emulated.functions.load_limit import LoadLimit
from drivers.emulated.meter import SupplyState
from tests.emulated.worlds import ESME, Small, small_world

LIMIT = {"load_limit_power_threshold": 5000, "load_limit_period": 60, "load_limit_restoration_period": 120}


def limit(small: Small) -> LoadLimit:
    return small.world.esme.function(LoadLimit)


async def set_limit(small: Small, **more: Any) -> None:
    assert (await small.ask("IS", "6.4.1", ESME, LIMIT | more)).ok


async def test_power_above_the_limit_for_the_period_is_counted_and_told() -> None:
    with small_world() as small:
        await set_limit(small)
        limit(small).power_is(6000.0)
        await asyncio.sleep(59)
        assert limit(small).counter == 0
        await asyncio.sleep(10)
        assert limit(small).counter == 1
        assert small.alerts() == [("0x8F01", "IS")]
        await asyncio.sleep(600)
        assert limit(small).counter == 1, "one excursion counts once"
        limit(small).power_is(4000.0)
        limit(small).power_is(6000.0)
        await asyncio.sleep(61)
        assert limit(small).counter == 2
        assert (await small.ask("IS", "6.4.2", ESME)).ok
        assert limit(small).counter == 0


async def test_less_power_within_the_period_is_no_excursion() -> None:
    with small_world() as small:
        await set_limit(small)
        for _ in range(5):
            limit(small).power_is(6000.0)
            await asyncio.sleep(50)
            limit(small).power_is(5000.0)
            await asyncio.sleep(20)
        assert limit(small).counter == 0
        assert small.alerts() == []


async def test_the_load_switch_opens_for_the_restoration_period() -> None:
    with small_world() as small:
        await set_limit(small, load_limit_supply_state="Disable")
        limit(small).power_is(6000.0)
        await asyncio.sleep(70)
        esme = small.world.esme
        assert (esme.supply, esme.load.volts) == (SupplyState.ARMED, 0.0)
        limit(small).power_is(0.0)
        await asyncio.sleep(120)
        assert esme.supply is SupplyState.ENABLED
        assert esme.load.volts == pytest.approx(230.0)
        assert small.alerts() == [("0x8F33", "IS"), ("0x8F34", "IS")]


async def test_a_supply_that_somebody_disables_meanwhile_stays_off() -> None:
    with small_world() as small:
        await set_limit(small, load_limit_supply_state="Disable")
        limit(small).power_is(6000.0)
        await asyncio.sleep(70)
        assert (await small.ask("IS", "7.2", ESME)).ok
        await asyncio.sleep(300)
        assert small.world.esme.supply is SupplyState.DISABLED
        assert small.codes() == ["0x8F33"]


async def test_a_limit_of_the_future_takes_effect_in_its_time() -> None:
    with small_world() as small:
        later = small.world.mail.now + timedelta(minutes=10)
        await set_limit(small, execution_date_time=later)
        assert limit(small).power_threshold_w == 0
        await asyncio.sleep(620)
        assert limit(small).power_threshold_w == 5000
        done = [each.message for each in small.posts if isinstance(each.message, duis.FutureDatedDeviceAlert)]
        assert [each.alert_code for each in done] == [0x8F66] * 4
        assert [each.instruction_number for each in done] == [1, 2, 3, 4]


async def test_a_limit_of_the_present_takes_the_place_of_one_to_come() -> None:
    with small_world() as small:
        later = small.world.mail.now + timedelta(minutes=10)
        await set_limit(small, execution_date_time=later)
        await set_limit(small, load_limit_power_threshold=7000)
        await asyncio.sleep(700)
        assert limit(small).power_threshold_w == 7000
        assert not [each for each in small.posts if isinstance(each.message, duis.FutureDatedDeviceAlert)]
