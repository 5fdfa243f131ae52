"""Registers, profiles and maximum demands through the DCC: what flows is what is read."""

from __future__ import annotations

import asyncio
from datetime import datetime, time, timedelta
from typing import Any

import pytest

from bench.eui import Eui64
from bench.gbcs.log_register_use_cases import TOU_REGISTERS
from bench.gbcs.use_cases import use_case_for
from drivers.emulated.functions.flow import NS_PER_HOUR, Flow
from drivers.emulated.functions.load_control import LOAD_W, LoadControl
from drivers.emulated.functions.load_limit import LoadLimit
from drivers.emulated.functions.readings import BASE_VAR, BASE_W, GAS_LITRES_PER_HOUR, GasMetering, Metering
from tests.emulated.test_memory import again
from tests.emulated.worlds import ALL_USERS, ESME, GPF, GSME, Small, small_world

AWAKE = {"gsme_wake": "60 s"}


def everybody(**spec: Any) -> Any:
    return small_world(users=tuple(ALL_USERS), world=AWAKE, **spec)


async def read(small: Small, user: str, variant: str, target: Eui64, **params: Any) -> dict[str, Any]:
    response = await small.ask(user, variant, target, params)
    assert response.ok, response.detail
    values: dict[str, Any] = response.values
    return values


def metering(small: Small) -> Metering:
    return next(each for each in small.world.devices if each.eui == ESME).function(Metering)


def gas_metering(small: Small) -> GasMetering:
    return next(each for each in small.world.devices if each.eui == GSME).function(GasMetering)


async def hours(count: float) -> None:
    await asyncio.sleep(count * 3600)


@pytest.mark.parametrize("user", ["IS", "ED"])
async def test_registers_rise_with_what_is_drawn(user: str) -> None:
    with everybody() as small:
        before = await read(small, user, "4.1.1", ESME)
        await hours(10)
        after = await read(small, user, "4.1.1", ESME)
        assert after["active_import_wh"] - before["active_import_wh"] == pytest.approx(10 * BASE_W, abs=10)
        assert after["reactive_import_varh"] - before["reactive_import_varh"] == pytest.approx(10 * BASE_VAR, abs=10)
        assert (await read(small, user, "4.16", ESME))["active_import_w"] == BASE_W


async def test_nobody_on_the_way_reads_a_register() -> None:
    with everybody() as small:
        await hours(100)
        values = await read(small, "IS", "4.1.1", ESME)
        post = small.posts[-1]
        assert post.gbcs is not None
        use_case = use_case_for(post.gbcs.message_code)
        assert use_case is not None
        assert use_case.outcome(post.gbcs.content).values == {}
        assert values["active_import_wh"].to_bytes(4, "big") not in post.raw


async def test_what_a_user_whom_the_device_does_not_know_reads_is_for_him_alone() -> None:
    with everybody() as small:
        await hours(5)
        profile = await read(small, "OU", "4.8.1", ESME)
        assert len(profile["import_profile"]) >= 9
        post = small.posts[-1]
        assert post.gbcs is not None
        assert post.gbcs.supplementary_originator_counter is not None


async def test_an_outage_and_an_open_load_switch_draw_nothing() -> None:
    with everybody() as small:
        esme = metering(small)
        before = esme.energy().imported
        assert (await small.ask("IS", "7.2", ESME)).ok
        at_once = esme.energy().imported
        await hours(5)
        assert esme.energy().imported == at_once >= before
        assert (await read(small, "IS", "4.16", ESME))["active_import_w"] == 0
        assert (await small.ask("IS", "7.1", ESME)).ok
        await hours(1)
        assert esme.energy().imported == pytest.approx(at_once + BASE_W, abs=10)


async def test_a_switched_load_counts_for_register_power_and_load_limit() -> None:
    with everybody() as small:
        esme = metering(small)
        limit = esme.device.function(LoadLimit)
        limit.power_threshold_w, limit.period_s = 1000, 60
        esme.device.function(LoadControl).on_power(LOAD_W)
        await hours(2)
        assert limit.counter == 1
        assert (await read(small, "IS", "4.16", ESME))["active_import_w"] == BASE_W + LOAD_W
        assert (await read(small, "IS", "4.15", ESME)) == {
            "load_limit_supply_flag": 0,
            "load_limit_counter": 1,
            "load_limit_power_threshold_w": 1000,
            "load_limit_period_s": 60,
            "load_limit_restoration_period_s": 0,
        }


@pytest.mark.parametrize(
    ("user", "variant", "name", "watts"),
    [("ED", "4.8.1", "import_profile", BASE_W), ("ED", "4.8.2", "reactive_import_profile", BASE_VAR)],
)
async def test_a_profile_has_the_half_hours_that_are_over_and_asked_for(
    user: str, variant: str, name: str, watts: float
) -> None:
    with everybody() as small:
        await hours(24)
        rows = (await read(small, user, variant, ESME))[name]
        assert 46 <= len(rows) <= 48
        assert {value for _, value in rows} == {round(watts / 2)}
        ends = [end for end, _ in rows]
        assert all(end.minute in (0, 30) and not end.second for end in ends)
        assert [later - earlier for earlier, later in zip(ends, ends[1:], strict=False)] == [timedelta(minutes=30)] * (
            len(ends) - 1
        )
        chosen = await read(small, user, variant, ESME, start_date_time=ends[3], end_date_time=ends[7])
        assert [end for end, _ in chosen[name]] == ends[3:8]


async def test_an_export_meter_exports_nothing() -> None:
    with everybody() as small:
        await hours(2)
        assert await read(small, "ED", "4.2", ESME) == {"active_export_wh": 0, "reactive_export_varh": 0}
        rows = (await read(small, "ES", "4.8.3", ESME))["export_profile"]
        assert {row[1:] for row in rows} == {(0, 0)}
        assert (await read(small, "ES", "4.12.2", ESME))["max_demand_export_w"] == 0


async def test_maximum_demands_are_found_and_reset() -> None:
    with everybody() as small:
        esme = metering(small)
        await hours(1)
        esme.device.function(LoadControl).on_power(LOAD_W)
        await hours(1)
        esme.device.function(LoadControl).on_power(0.0)
        await hours(24)
        values = await read(small, "IS", "4.12.1", ESME)
        assert values["max_demand_import_w"] == pytest.approx(BASE_W + LOAD_W, rel=0.01)
        highest_at = values["max_demand_import_at"]
        assert values["max_demand_import_reset_at"] is None
        only_import = {"max_demand_active_power_import_value": True}
        assert (await small.ask("ED", "6.18.2", ESME, only_import)).ok
        await hours(3)
        after = await read(small, "IS", "4.12.1", ESME)
        assert after["max_demand_import_w"] == BASE_W
        assert after["max_demand_import_at"] > highest_at
        assert after["max_demand_config_time_w"] == values["max_demand_config_time_w"]
        assert after["max_demand_config_time_reset_at"] is None


async def test_a_configurable_time_sees_its_own_hours_only() -> None:
    with everybody() as small:
        esme = metering(small)
        now: datetime = esme.device.clock.utc()
        elsewhere = (now + timedelta(hours=6)).time().replace(minute=0, second=0, microsecond=0)
        later = (now + timedelta(hours=8)).time().replace(minute=0, second=0, microsecond=0)
        assert (await small.ask("ED", "6.18.1", ESME, {"start_time": elsewhere, "end_time": later})).ok
        esme.device.function(LoadControl).on_power(LOAD_W)
        await hours(2)
        esme.device.function(LoadControl).on_power(0.0)
        await hours(10)
        values = await read(small, "IS", "4.12.1", ESME)
        assert values["max_demand_import_w"] == pytest.approx(BASE_W + LOAD_W, rel=0.01)
        assert values["max_demand_config_time_w"] == BASE_W
        assert (values["config_time_period_start"], values["config_time_period_end"]) == (elsewhere, later)


async def test_registers_by_time_of_use_add_up_to_the_import_register() -> None:
    with everybody() as small:
        esme = metering(small)
        await hours(2)
        esme.count_in(esme.device.clock.utc(), 5)
        await hours(3)
        esme.count_in(esme.device.clock.utc(), 1, block=1)
        await hours(1)
        registers = (await read(small, "IS", "4.1.2", ESME))["tou_registers_wh"]
        assert len(registers) == TOU_REGISTERS
        assert registers[5] == pytest.approx(3 * BASE_W, abs=5)
        assert {number for number, value in enumerate(registers) if value} == {0, 5}
        blocks = (await read(small, "IS", "4.1.3", ESME))["block_registers_wh"]
        assert blocks[16 + 1] == blocks[16 + 8 + 1] == pytest.approx(BASE_W, abs=5)
        assert sum(blocks) == 2 * blocks[16 + 1]
        assert sum(registers) + blocks[16 + 1] == pytest.approx(esme.energy().imported, abs=3)


@pytest.mark.parametrize("target", [GSME, GPF])
async def test_gas_registers_rise_and_the_proxy_says_the_same(target: Eui64) -> None:
    with everybody() as small:
        meter = gas_metering(small)
        await hours(4)
        meter.count_in(meter.device.clock.utc(), 2)
        await hours(4)
        meter.count_in(meter.device.clock.utc(), 0, block=1)
        await hours(4)
        consumed = (await read(small, "GS", "4.1.1", target))["consumption"]
        assert consumed == pytest.approx(12 * GAS_LITRES_PER_HOUR, abs=10)
        by_time = await read(small, "GS", "4.1.2", target)
        assert by_time["tou_register_3"] == pytest.approx(4 * GAS_LITRES_PER_HOUR, abs=10)
        by_block = await read(small, "GS", "4.1.4", target)
        assert by_block["block_counter_2"] == pytest.approx(4 * GAS_LITRES_PER_HOUR, abs=10)
        assert (by_block["divisor"], by_block["multiplier"]) == (1000, 1)
        profile = await read(small, "GS", "4.8.1", target)
        assert set(profile["samples"]) == {GAS_LITRES_PER_HOUR / 2}
        assert profile["interval_s"] == 1800


async def test_a_closed_valve_lets_nothing_through() -> None:
    with everybody() as small:
        meter = gas_metering(small)
        assert (await small.ask("GS", "7.2", GSME)).ok
        before = meter.gas().consumed
        await hours(10)
        assert meter.gas().consumed == before


async def test_registers_survive_a_restart() -> None:
    with everybody() as small:
        await hours(10)
        metering(small).period = (time(1), time(2))
        later = again(small)
        try:
            after = metering(later)
            assert after.energy().imported >= round(10 * BASE_W) - 5
            assert after.period == (time(1), time(2))
        finally:
            later.world.close()


def test_a_flow_is_integrated_over_its_changes() -> None:
    flow = Flow()
    assert (flow.total(5), flow.rate, flow.began_ns) == (0.0, 0.0, None)
    for at_h, rate in ((0, 100.0), (2, 0.0), (3, 50.0), (3, 50.0)):
        flow.set(at_h * NS_PER_HOUR, rate)
    assert len(flow.changes) == 3
    assert flow.total(4 * NS_PER_HOUR) == 250.0
    assert flow.between(NS_PER_HOUR, 3 * NS_PER_HOUR) == 100.0
    flow.set(NS_PER_HOUR, 1.0)
    assert flow.total(3 * NS_PER_HOUR) == 200.0, "a clock that was set back takes nothing away"
