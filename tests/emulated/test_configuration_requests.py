"""Configuration, messages and identity through the DCC: what is set is read back, and what acts acts."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from bench.duis import responses as duis
from bench.eui import Eui64
from bench.gbcs.configuration_fields import BillingTime, codes_of
from drivers.emulated.functions.consumer import ConsumerDisplay, DataRestriction
from drivers.emulated.functions.electricity_settings import ElectricitySettings
from tests.emulated.test_memory import again
from tests.emulated.worlds import ALL_USERS, CHF, ESME, GPF, GSME, MPAN, MPRN, Small, small_world

AWAKE = {"gsme_wake": "60 s"}
JULY = datetime(2026, 7, 1, 12, tzinfo=UTC)


def everybody(*faults: str, **spec: Any) -> Any:
    return small_world(*faults, users=tuple(ALL_USERS), world=AWAKE, **spec)


async def read(small: Small, user: str, variant: str, target: Eui64) -> dict[str, Any]:
    response = await small.ask(user, variant, target)
    assert response.ok, response.detail
    values: dict[str, Any] = response.values
    return values


@pytest.mark.parametrize(("user", "target"), [("IS", ESME), ("GS", GSME)])
async def test_the_display_shows_what_was_sent(user: str, target: Eui64) -> None:
    with everybody() as small:
        device = next(each for each in small.world.devices if each.eui == target)
        display = device.function(ConsumerDisplay)
        assert display.privacy_pin_on
        assert (await small.ask(user, "3.1", target, {"supplier_message": "Work on Monday"})).ok
        named = {"supplier_name": "Ohm", "supplier_telephone_number": "0808 157 0001"}
        assert (await small.ask(user, "3.4", target, named)).ok
        assert (await small.ask(user, "3.5", target)).ok
        assert (display.message, display.supplier_name) == ("Work on Monday", "Ohm")
        assert display.supplier_telephone == "0808 157 0001"
        assert display.message_at is not None
        assert not display.privacy_pin_on


@pytest.mark.parametrize(("user", "target"), [("IS", ESME), ("GS", GPF)])
async def test_a_new_tenancy_restricts_older_data(user: str, target: Eui64) -> None:
    with everybody() as small:
        assert (await small.ask(user, "3.2", target, {"restriction_date_time": JULY})).ok
        device = next(each for each in small.world.devices if each.eui == target)
        assert device.function(DataRestriction).restricted_before == JULY


@pytest.mark.parametrize("target", [ESME, GSME])
async def test_a_customer_identification_number_is_shown_and_told(target: Eui64) -> None:
    with everybody() as small:
        numbers = []
        for _ in range(2):
            assert (await small.ask("OU", "9.1", target)).ok
            message = [post.message for post in small.posts][-1]
            assert isinstance(message, duis.GbcsResponse)
            device = next(each for each in small.world.devices if each.eui == target)
            shown = device.function(ConsumerDisplay).customer_identification_number
            assert message.customer_identification_number == shown
            numbers.append(shown)
        assert numbers[0] != numbers[1]
        assert all(len(number) == 4 and number.isdigit() for number in numbers)


async def test_a_number_that_was_not_shown_is_not_told() -> None:
    with everybody("response-error:9.1") as small:
        assert not (await small.ask("OU", "9.1", ESME)).ok
        message = small.posts[-1].message
        assert isinstance(message, duis.GbcsResponse)
        assert message.customer_identification_number is None


async def test_mpans_are_read_by_everybody() -> None:
    with everybody() as small:
        assert await read(small, "IS", "6.2.7", ESME) == {"import_mpan": MPAN, "export_mpan": None}
        assert (await small.ask("ES", "6.20.2", ESME, {"export_mpan": "1312345678111"})).ok
        assert (await small.ask("IS", "6.20.1", ESME, {"import_mpan": "1012345678902"})).ok
        for user in ("IS", "ES", "ED", "RSA", "OU"):
            both = {"import_mpan": "1012345678902", "export_mpan": "1312345678111"}
            assert await read(small, user, "6.2.7", ESME) == both
        for target in (GSME, GPF):
            assert await read(small, "GT", "6.2.7", target) == {"import_mprn": MPRN}


async def test_who_the_devices_are() -> None:
    with everybody() as small:
        meter = {"meter_variant": "A", "model": "00010001", "manufacturer": "1234", "supply_tamper_state": "unchanged"}
        assert await read(small, "OU", "6.2.4", ESME) == meter
        assert await read(small, "IS", "6.2.4", CHF) == {"model": "00030001", "manufacturer": "5678"}
        assert (await small.ask("IS", "6.25", ESME, {"supply_tamper_state": "Locked"})).ok
        assert (await read(small, "ED", "6.2.4", ESME))["supply_tamper_state"] == "locked"
        gas = await read(small, "GS", "6.2.4", GSME)
        assert (gas["model"], gas["supply_depletion_state"]) == ("00020001", "unchanged")
        assert await read(small, "GT", "6.2.4", GPF) == gas


@pytest.mark.parametrize(("user", "target"), [("IS", ESME), ("GS", GSME), ("OU", CHF), ("GT", GPF)])
async def test_a_firmware_version_is_that_of_the_device(user: str, target: Eui64) -> None:
    with everybody() as small:
        device = next(each for each in small.world.devices if each.eui == target)
        assert await read(small, user, "11.2", target) == {"firmware_version": b"\x00\x00\x00\x01"}
        device.firmware = "0102ABCD"
        assert await read(small, user, "11.2", target) == {"firmware_version": b"\x01\x02\xab\xcd"}


async def test_a_version_that_is_none_is_refused() -> None:
    with everybody() as small:
        small.world.esme.firmware = "beta"
        assert not (await small.ask("IS", "11.2", ESME)).ok


async def test_power_thresholds() -> None:
    with everybody() as small:
        wanted = {"low_medium_power_threshold": 700, "medium_high_power_threshold": 3000}
        assert (await small.ask("IS", "6.12", ESME, wanted)).ok
        read_back = {"low_medium_power_threshold_w": 700, "medium_high_power_threshold_w": 3000}
        assert await read(small, "RSA", "6.2.5", ESME) == read_back


async def test_the_randomised_offset_follows_its_limit() -> None:
    with everybody() as small:
        own = small.world.esme.function(ElectricitySettings)
        assert (await read(small, "ED", "6.2.2", ESME))["randomised_offset_s"] == 0
        own.randomised_offset_limit_s = 1000
        values = await read(small, "IS", "6.2.2", ESME)
        assert values["randomised_offset_s"] == round(values["randomised_offset_number"] / 10)
        assert 1 <= values["randomised_offset_number"] <= 10_000


@pytest.mark.parametrize(
    ("given", "calendar"),
    [
        ({"daily": True}, (BillingTime(time(6)),)),
        ({"weekly": 7}, (BillingTime(time(6), weekday=7),)),
        ({"monthly": 28}, (BillingTime(time(6), day=28),)),
        (
            {"quarterly": {"day_of_month": 2, "billing_period_start_month": 2}},
            tuple(BillingTime(time(6), month=month, day=2) for month in (2, 5, 8, 11)),
        ),
        (
            {"six_monthly": {"day_of_month": 3, "billing_period_start_month": 10}},
            tuple(BillingTime(time(6), month=month, day=3) for month in (4, 10)),
        ),
        (
            {"yearly": {"day_of_month": 4, "billing_period_start_month": 12}},
            (BillingTime(time(6), month=12, day=4),),
        ),
    ],
)
async def test_billing_calendars_of_electricity(given: dict[str, Any], calendar: tuple[BillingTime, ...]) -> None:
    with everybody() as small:
        body = {"electricity_billing_calendar": {"billing_time": time(6), **given}}
        assert (await small.ask("IS", "6.8", ESME, body)).ok
        assert await read(small, "RSA", "6.2.3", ESME) == {"billing_calendar": calendar}


@pytest.mark.parametrize("periodicity", ["Daily", "Weekly", "Monthly", "Quarterly", "SixMonthly", "Yearly"])
async def test_billing_calendars_of_gas(periodicity: str) -> None:
    with everybody() as small:
        body = {"gas_billing_calendar": {"billing_period_start": JULY, "periodicity": periodicity}}
        assert (await small.ask("GS", "6.8", GSME, body)).ok
        values = await read(small, "GS", "6.2.3", GSME)
        assert values["billing_start"] == JULY
        assert values["period"].replace(" ", "") == periodicity.lower()


async def test_gas_conversion_and_flow() -> None:
    with everybody() as small:
        assert (await small.ask("GS", "6.6", GSME, {"calorific_value": "39.2", "conversion_factor": "1.02300"})).ok
        flow = {
            "uncontrolled_gas_flow_rate_decimal": "0.1234",
            "supply_depletion_state": "Locked",
            "stabilisation_period": 7,
            "measurement_period": 40,
        }
        assert (await small.ask("GS", "6.7", GSME, flow)).ok
        values = await read(small, "GT", "6.2.8", GSME)
        assert (values["calorific_value_dmj_per_m3"], values["conversion_factor_e5"]) == (392, 102_300)
        assert (values["uncontrolled_flow_rate"], values["flow_divisor"]) == (1234, 10_000)
        assert (values["stabilisation_period_ds"], values["measurement_period_s"]) == (7, 40)
        assert await read(small, "RSA", "6.2.8", GPF) == values
        assert (await read(small, "GS", "6.2.4", GSME))["supply_depletion_state"] == "locked"
        assert (await small.ask("GS", "6.7", GSME, {"uncontrolled_gas_flow_rate": 2})).ok
        values = await read(small, "GS", "6.2.8", GSME)
        assert (values["uncontrolled_flow_rate"], values["flow_divisor"]) == (2, 1)


async def test_voltage_counters_are_reset_alone() -> None:
    with everybody() as small:
        small.world.esme.average.under_count = 3
        assert (await small.ask("ED", "6.27", ESME)).ok
        assert small.world.esme.average.under_count == 0


async def test_settings_for_three_phases_are_not_for_a_meter_with_one() -> None:
    with everybody() as small:
        phases = [
            {
                "phase": phase,
                "average_rms_over_voltage_threshold": 260,
                "average_rms_under_voltage_threshold": 210,
                "average_rms_voltage_measurement_period": 600,
            }
            for phase in (1, 2, 3)
        ]
        assert small.send("ED", "6.5", ESME, {"poly_phase_voltage_settings": phases}).response_code == "E11"


async def test_a_clock_that_was_put_right_is_told() -> None:
    with everybody() as small:
        small.world.esme.clock.drift(40.0)
        now = small.world.mail.now
        assert (await small.ask("IS", "6.11", ESME, {"current_date_time": now})).ok
        await asyncio.sleep(5)
        assert small.alerts() == [("0x8145", "IS")]
        assert small.protection(small.post("0x8145")) == "valid"
        assert abs(small.world.esme.clock.utc() - small.world.mail.now) < timedelta(seconds=1)
        assert (await small.ask("IS", "6.11", ESME, {"current_date_time": small.world.mail.now})).ok
        await asyncio.sleep(5)
        assert small.codes() == ["0x8145"]


@pytest.mark.parametrize(("user", "target"), [("IS", ESME), ("GS", GSME)])
async def test_a_clock_that_stays_wrong_is_told(user: str, target: Eui64) -> None:
    with everybody() as small:
        long_ago = small.world.mail.now - timedelta(days=1)
        answer = await small.ask(user, "6.11", target, {"current_date_time": long_ago, "tolerance_period": 5})
        assert not answer.ok
        await asyncio.sleep(120)
        assert small.alerts() == [("0x81C6", user)]


async def test_an_esme_says_which_events_it_tells() -> None:
    with everybody() as small:
        before = codes_of((await read(small, "IS", "6.2.10", ESME))["wan_alerts_on"])
        assert {0x83, 0xA0} <= set(before)
        off = {"electricity_supplier_alerts": {"x8183": "Disable", "x81a0": "Disable"}}
        assert (await small.ask("IS", "6.22", ESME, off)).ok
        on = {"electricity_supplier_alerts": {"x8183": "Enable"}}
        assert (await small.ask("IS", "6.22", ESME, on)).ok
        values = await read(small, "IS", "6.2.10", ESME)
        assert set(before) - set(codes_of(values["wan_alerts_on"])) == {0xA0}
        assert codes_of(values["logged_events_on"]) == before
        operator = {"electricity_network_operator_logging_settings": {"x8002": "Disable"}}
        assert (await small.ask("ED", "6.22", ESME, operator)).ok
        values = await read(small, "ED", "6.2.10", ESME)
        assert 0x02 in codes_of(values["wan_alerts_on"])
        assert 0x02 not in codes_of(values["logged_events_on"])


async def test_a_supplier_does_not_set_what_the_operator_is_told() -> None:
    with everybody() as small:
        settings = {"electricity_network_operator_alerts": {"x8002": "Disable"}}
        assert small.send("IS", "6.22", ESME, settings).response_code == "E12"
        assert small.send("ED", "6.22", ESME, {"electricity_supplier_alerts": {}}).response_code == "E12"


async def test_a_gsme_says_what_it_does_about_each_event() -> None:
    with everybody() as small:
        before = dict((await read(small, "GS", "6.2.10", GSME))["behaviours"])
        assert set(before.values()) == {0x5B}
        quiet = {"wan_alert": "Disable", "han_alert": "Enable", "event_log": "Enable", "alarm": "Disable"}
        assert (await small.ask("GS", "6.22", GSME, {"gas_supplier_alert_event_settings": {"x81a0": quiet}})).ok
        assert (await small.ask("GS", "6.22", GSME, {"gas_supplier_alerts": {"x8183": "Disable"}})).ok
        after = dict((await read(small, "GS", "6.2.10", GSME))["behaviours"])
        assert {code: after[code] for code in after if after[code] != before[code]} == {0x81A0: 0x13, 0x8183: 0x53}


async def test_a_world_that_was_killed_remembers_its_configuration() -> None:
    with everybody() as small:
        calendar = {"electricity_billing_calendar": {"billing_time": time(6), "weekly": 3}}
        assert (await small.ask("IS", "6.8", ESME, calendar)).ok
        assert (await small.ask("GS", "6.8", GSME, {"gas_billing_calendar": {"billing_period_start": JULY}})).ok
        assert (await small.ask("ES", "6.20.2", ESME, {"export_mpan": "1312345678111"})).ok
        assert (await small.ask("IS", "6.22", ESME, {"electricity_supplier_alerts": {"x8183": "Disable"}})).ok
        small.world.esme.firmware = "0102ABCD"
        other = again(small, world=AWAKE)
        weekly = (BillingTime(time(6), weekday=3),)
        assert await read(other, "IS", "6.2.3", ESME) == {"billing_calendar": weekly}
        assert (await read(other, "GS", "6.2.3", GSME))["billing_start"] == JULY
        assert (await read(other, "IS", "6.2.7", ESME))["export_mpan"] == "1312345678111"
        assert 0x83 not in codes_of((await read(other, "IS", "6.2.10", ESME))["wan_alerts_on"])
        assert await read(other, "IS", "11.2", ESME) == {"firmware_version": b"\x01\x02\xab\xcd"}
        other.world.close()
