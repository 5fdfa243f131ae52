"""Payment through the DCC: credit falls with consumption, top ups raise it, and a meter without credit cuts off."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from bench.duis import responses as duis
from bench.duis.default_params import default_params
from bench.eui import Eui64
from bench.gbcs import utrn
from bench.parties import DeviceType, KeyUse
from drivers.emulated.commands import Refused
from drivers.emulated.functions.event_log import EventLog
from drivers.emulated.functions.payment import ElectricityPayment
from drivers.emulated.functions.payment_gas import GasPayment
from drivers.emulated.functions.payment_meter import PaymentMeter
from drivers.emulated.memory import dumps, loads
from drivers.emulated.meter import Meter, SupplyState
from tests.emulated.tariffs import prices
from tests.emulated.test_memory import again
from tests.emulated.worlds import ESME, GPF, GSME, Small, small_world

AWAKE: Mapping[str, Any] = {"gsme_wake": "60 s"}
# 250 W, or 120 litres of gas an hour, are a pound an hour; nothing is due at midnight.
PRICES = {"electricity": 400_000, "gas": 74_272, "electricity_standing": 0, "gas_standing": 0}
PREPAYMENT = {"suspend_debt_disabled": False, "suspend_debt_emergency": False, "disablement_threshold": 0}
BOTH = pytest.mark.parametrize(("user", "target"), [("IS", ESME), ("GS", GSME)])
POUND, PENNY = 100_000, 1_000
ALWAYS = {"start_date_time": datetime(2012, 1, 1, tzinfo=UTC), "end_date_time": datetime(2099, 1, 1, tzinfo=UTC)}


def metered(*faults: str, charges: Mapping[str, int] = PRICES, **more: Any) -> Any:
    return small_world(*faults, world={**AWAKE, "prices": dict(charges)}, **more)


def payment(small: Small, target: Eui64) -> PaymentMeter:
    device = next(each for each in small.world.devices if each.eui == target)
    return device.function(ElectricityPayment if device.dut.type is DeviceType.ESME else GasPayment)


def meter(small: Small, target: Eui64) -> Meter:
    return payment(small, target).meter


def issue(small: Small, user: str, target: Eui64, value: int, number: int, *, pounds: bool = False) -> str:
    supplier = small.world.users[user]
    own = small.world.surroundings.identities.device(target, KeyUse.KEY_AGREEMENT).private_key.public_key()
    return utrn.issue(value, number, supplier.agreement.private_key, own, supplier.eui, target, pounds=pounds)


async def read(small: Small, user: str, variant: str, target: Eui64, params: Any = None) -> dict[str, Any]:
    response = await small.ask(user, variant, target, params)
    assert response.ok, response.detail
    values: dict[str, Any] = response.values
    return values


async def prepay(small: Small, user: str, target: Eui64, **other: Any) -> None:
    await read(small, user, "1.6", target, PREPAYMENT | other)


async def top_up(small: Small, user: str, target: Eui64, value: int, number: int, *, pounds: bool = False) -> Any:
    return await small.ask(user, "2.2", target, {"utrn": issue(small, user, target, value, number, pounds=pounds)})


@BOTH
async def test_a_top_up_raises_the_balance_that_others_read(user: str, target: Eui64) -> None:
    with metered(charges=dict.fromkeys(PRICES, 0)) as small:
        await prepay(small, user, target)
        assert (await top_up(small, user, target, 1250, 1)).ok
        assert (await top_up(small, user, target, 30, 2, pounds=True)).ok
        assert (await read(small, user, "4.18", target))["meter_balance"] == 12.5 * POUND + 30 * POUND
        registers = await read(small, user, "4.3", target)
        assert (registers["meter_balance"], registers["payment_debt"]) == (42.5 * POUND, 0)
        logged = (await read(small, user, "4.4.5", target, ALWAYS))["prepayment_credits"]
        amounts = [row[1] for row in logged]
        assert amounts == [1_250_000, 3_000_000]
        if target == GSME:
            assert await read(small, user, "4.18", GPF) == await read(small, user, "4.18", GSME)
            assert await read(small, user, "4.4.5", GPF, ALWAYS) == {"prepayment_credits": logged}
            assert (await read(small, user, "4.3", GPF))["meter_balance"] == 42.5 * POUND


async def test_a_top_up_of_a_gas_meter_is_answered_by_amount_and_balance() -> None:
    with metered(charges=dict.fromkeys(PRICES, 0)) as small:
        await prepay(small, "GS", GSME)
        answer = await top_up(small, "GS", GSME, 5, 1, pounds=True)
        assert answer.values == {"amount": 5 * POUND, "meter_balance": 5 * POUND}
        again_ = await top_up(small, "GS", GSME, 5, 1, pounds=True)
        assert (again_.ok, again_.values) == (False, {"result": "duplicate"})


@BOTH
async def test_a_utrn_counts_once_and_only_where_it_belongs(user: str, target: Eui64) -> None:
    with metered(charges=dict.fromkeys(PRICES, 0), users=("IS", "GS", "ED", "GT", "IS2", "GS2")) as small:
        await prepay(small, user, target)
        good = issue(small, user, target, 10, 5, pounds=True)
        elsewhere = issue(small, user, ESME if target == GSME else GSME, 10, 6, pounds=True)
        stranger = issue(small, f"{user}2", target, 10, 7, pounds=True)
        for text, ok in ((good, True), (good, False), (elsewhere, False), (stranger, False), ("0" * 20, False)):
            assert (await small.ask(user, "2.2", target, {"utrn": text})).ok is ok
        await asyncio.sleep(5)
        assert (await read(small, user, "4.18", target))["meter_balance"] == 10 * POUND
        assert small.codes().count("0x8F51") == 1
        assert small.codes().count("0x8F63") == 2
        # An older counter that was never used still counts; the cache only knows those that were.
        assert (await top_up(small, user, target, 1, 3)).ok
        log = meter(small, target).function(EventLog)
        assert {0x8F51, 0x8F63} <= {code for _, code, _ in log.security}


async def test_a_counter_older_than_all_that_are_remembered_is_refused() -> None:
    with metered(charges=dict.fromkeys(PRICES, 0)) as small:
        await prepay(small, "IS", ESME)
        payment(small, ESME).counters = tuple(range(100, 200))
        assert not (await top_up(small, "IS", ESME, 1, 99)).ok
        assert (await top_up(small, "IS", ESME, 1, 200)).ok
        assert payment(small, ESME).counters == tuple(range(101, 201))


async def test_ten_bits_are_enough_for_a_counter_that_has_more() -> None:
    with metered(charges=dict.fromkeys(PRICES, 0)) as small:
        await prepay(small, "IS", ESME)
        for number in (1000, 1023, 1024, 1030, 1500, 1029):
            assert payment(small, ESME).enter(issue(small, "IS", ESME, 1, number)) == PENNY
        assert payment(small, ESME).counters == (1000, 1023, 1024, 1029, 1030, 1500)
        await asyncio.sleep(5)
        assert small.codes().count("0x810E") == 6


@BOTH
async def test_a_top_up_has_limits(user: str, target: Eui64) -> None:
    with metered(charges=dict.fromkeys(PRICES, 0)) as small:
        await prepay(small, user, target)
        kind = "gas" if target == GSME else "electricity"
        limits = {"max_meter_balance": 15 * POUND, "max_credit_threshold": 10 * POUND}
        await read(small, user, "2.1", target, _configuration(small, user, kind, limits))
        for value, number, ok in ((11, 1, False), (10, 2, True), (6, 3, False), (5, 4, True)):
            assert (await top_up(small, user, target, value, number, pounds=True)).ok is ok
        await asyncio.sleep(5)
        assert (await read(small, user, "4.18", target))["meter_balance"] == 15 * POUND
        assert small.codes().count("0x8F5B") == 1
        assert small.codes().count("0x8F47") == 1


def _configuration(small: Small, user: str, kind: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    device = "GSME" if kind == "gas" else "ESME"
    params = default_params("2.1", 4, future=None, now=small.world.mail.now, device_type=device)
    name = f"update_prepay_config_{kind}"
    return {name: {**params[name], **changes}}


@BOTH
async def test_a_meter_without_credit_cuts_off_and_a_top_up_arms_it(user: str, target: Eui64) -> None:
    with metered() as small:
        await prepay(small, user, target)
        await top_up(small, user, target, 1, 1, pounds=True)
        payment(small, target).close()
        assert meter(small, target).supply is SupplyState.ENABLED
        await asyncio.sleep(3600 - 300)
        assert meter(small, target).supply is SupplyState.ENABLED
        assert "0x810D" in small.codes()
        balance = (await read(small, user, "4.18", target))["meter_balance"]
        assert 0 < balance < POUND / 10
        await asyncio.sleep(900)
        assert meter(small, target).supply is SupplyState.DISABLED
        assert small.codes().count("0x8F0F") == 2  # of the empty account at first, and now
        left = (await read(small, user, "4.18", target))["meter_balance"]
        assert -0.1 * POUND < left <= 0
        await asyncio.sleep(3600)
        assert (await read(small, user, "4.18", target))["meter_balance"] == left  # nothing flows
        armed = small.codes().count("0x8F32")
        assert (await top_up(small, user, target, 2, 2, pounds=True)).ok
        await asyncio.sleep(5)
        assert meter(small, target).supply is SupplyState.ARMED
        assert small.codes().count("0x8F32") == armed + 1
        payment(small, target).close()
        assert meter(small, target).supply is SupplyState.ENABLED
        with pytest.raises(Refused, match="not armed"):
            payment(small, target).close()


@BOTH
async def test_emergency_credit_is_offered_used_and_given_back(user: str, target: Eui64) -> None:
    with metered() as small:
        response = await small.ask(user, "2.5", target)
        assert not response.ok  # in credit mode there is none
        await prepay(small, user, target)
        await asyncio.sleep(5)
        assert meter(small, target).supply is SupplyState.DISABLED
        assert "0x8119" in small.codes()
        await read(small, user, "2.5", target)
        await asyncio.sleep(5)
        assert meter(small, target).supply is SupplyState.ARMED
        assert {"0x81AB", "0x8168"} <= set(small.codes())
        assert not (await small.ask(user, "2.5", target)).ok  # it is in use
        payment(small, target).close()
        await asyncio.sleep(1800)
        registers = await read(small, user, "4.3", target)
        used = 5 * POUND - registers["emergency_credit_balance"]
        assert 0 < used < 5 * POUND
        assert abs(registers["meter_balance"]) < PENNY
        await top_up(small, user, target, 10, 1, pounds=True)
        registers = await read(small, user, "4.3", target)
        assert registers["emergency_credit_balance"] == 0
        assert abs(registers["meter_balance"] - (10 * POUND - used)) < 0.1 * POUND
        await asyncio.sleep(10 * 3600)
        assert meter(small, target).supply is SupplyState.DISABLED
        await read(small, user, "2.5", target)
        await asyncio.sleep(5)
        payment(small, target).close()
        await asyncio.sleep(8 * 3600)
        assert meter(small, target).supply is SupplyState.DISABLED
        assert small.codes().count("0x81AA") == 1


async def test_the_supply_stays_on_in_non_disablement_periods() -> None:
    with metered() as small:
        start = small.world.esme.clock.utc().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        every_day = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
        schedule = [
            {"non_disablement_script": script, "switch_time": time(hour), "days_of_week": every_day}
            for script, hour in (("START", 16), ("STOP", 10))
        ]
        changes = {"electricity_non_disablement_schedule": schedule}
        await read(small, "IS", "2.1", ESME, _configuration(small, "IS", "electricity", changes))
        await _sleep_until(small, start + timedelta(hours=12))
        await read(small, "IS", "1.5", ESME, {"credit_mode": {"reset_meter_balance": True}})
        await prepay(small, "IS", ESME)
        await top_up(small, "IS", ESME, 5, 1, pounds=True)
        payment(small, ESME).close()
        await _sleep_until(small, start + timedelta(hours=18))
        assert meter(small, ESME).supply is SupplyState.ENABLED  # though nothing is left since 17:00
        assert "0x8F83" in small.codes()
        assert (await read(small, "IS", "4.18", ESME))["meter_balance"] < 0
        await _sleep_until(small, start + timedelta(hours=34, minutes=2))
        assert meter(small, ESME).supply is SupplyState.DISABLED


async def test_a_gas_calendar_keeps_the_valve_open_and_is_read_back() -> None:
    with metered() as small:
        assert "non_disablement_calendar" not in await read(small, "GS", "4.13", GSME)
        day = {"gas_day_name": 1, "time_start_action": [{"start_time": time(0), "non_disablement_action": "START"}]}
        changes = {"gas_non_disablement_day_profile": [day], "debt_recovery_rate_cap": 70_000}
        await read(small, "GS", "2.1", GSME, _configuration(small, "GS", "gas", changes))
        await prepay(small, "GS", GSME, suspend_debt_emergency=True)
        await asyncio.sleep(3600)
        assert meter(small, GSME).supply is SupplyState.ENABLED
        assert (await read(small, "GS", "4.18", GSME))["meter_balance"] < 0
        settings = await read(small, "GS", "4.13", GPF)
        assert settings["non_disablement_calendar"].days == {1: ((time(0), True),)}
        assert settings["debt_recovery_rate_cap"] == 70_000
        assert (await read(small, "GS", "6.2.9", GSME))["payment_control"] == 0x0097


async def _sleep_until(small: Small, moment: datetime) -> None:
    await asyncio.sleep((moment - small.world.esme.clock.utc()).total_seconds())


@BOTH
async def test_debts_are_recovered_by_time_and_from_payments(user: str, target: Eui64) -> None:
    charges = PRICES | {"electricity": 0, "gas": 0, "electricity_standing": 20 * PENNY, "gas_standing": 20 * PENNY}
    with metered(charges=charges) as small:
        fuel = "gas" if target == GSME else "elec"
        rates = [
            {"debt_recovery_rate": rate * PENNY // scale, "debt_recovery_rate_period": period}
            | ({} if fuel == "gas" else {"debt_recovery_rate_price_scale": -4})
            for rate, period, scale in (
                (10, "HOURLY", 1 if fuel == "gas" else 10),
                (30, "DAILY", 1 if fuel == "gas" else 10),
            )
        ]
        debt = {
            "time_debt_register1": 25 * PENNY,
            "time_debt_register2": 100 * PENNY,
            "payment_debt_register": 300 * PENNY,
            "debt_recovery_per_payment": 2000,
            **{f"{fuel}_debt_recovery{number}": rate for number, rate in enumerate(rates, start=1)},
        }
        await prepay(small, user, target, suspend_debt_disabled=True)
        await read(small, user, "2.3", target, debt)
        await top_up(small, user, target, 10, 1, pounds=True)
        registers = await read(small, user, "4.3", target)
        assert (registers["payment_debt"], registers["meter_balance"]) == (100 * PENNY, 800 * PENNY)
        device = meter(small, target)
        midnight = device.clock.utc().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        await asyncio.sleep((midnight - device.clock.utc()).total_seconds() + 120)
        registers = await read(small, user, "4.3", target)
        assert (registers["time_debt_1"], registers["time_debt_2"]) == (0, 70 * PENNY)
        assert registers["meter_balance"] == (800 - 25 - 30 - 20) * PENNY
        assert (small.codes().count("0x81A7"), small.codes().count("0x81A8")) == (1, 0)
        await top_up(small, user, target, 5, 2, pounds=True)
        rows = (await read(small, user, "4.4.4", target, ALWAYS))["debt_payments"]
        assert [row[1] for row in rows] == [200 * PENNY, 100 * PENNY]
        await asyncio.sleep(5)
        assert "0x81A9" in small.codes()
        days = (await read(small, user, "4.14", target, ALWAYS))["prepayment_daily_log"]
        assert len(days) == 1
        assert days[0][0] == midnight
        assert 725 * PENNY in days[0]
        settings = await read(small, user, "4.13", target)
        assert settings["recovery_per_payment_bp"] == 2000


@BOTH
async def test_a_balance_is_adjusted_and_reset_by_hand(user: str, target: Eui64) -> None:
    with metered(charges=dict.fromkeys(PRICES, 0)) as small:
        await prepay(small, user, target)
        for change, balance in ((700, 700), (-200, 500)):
            await read(small, user, "1.5", target, {"prepayment_mode": {"adjust_meter_balance": change}})
            assert (await read(small, user, "4.18", target))["meter_balance"] == balance
        await read(small, user, "1.5", target, {"prepayment_mode": {"reset_meter_balance": True}})
        assert (await read(small, user, "4.18", target))["meter_balance"] == 0


async def test_a_gas_meter_has_a_balance_of_each_mode() -> None:
    with metered(charges=dict.fromkeys(PRICES, 0)) as small:
        await read(small, "GS", "1.5", GSME, {"credit_mode": {"adjust_meter_balance": 300}})
        await read(small, "GS", "1.5", GSME, {"prepayment_mode": {"adjust_meter_balance": 40}})
        assert await read(small, "GS", "4.18", GSME) == {"credit_mode_balance": 300, "meter_balance": 40}
        await read(small, "GS", "1.5", GSME, {"prepayment_mode": {"reset_meter_balance": True}})
        assert await read(small, "GS", "4.18", GSME) == {"credit_mode_balance": 300, "meter_balance": 0}
        await read(small, "GS", "1.5", GSME, {"credit_mode": {"reset_meter_balance": True}})
        assert await read(small, "GS", "4.18", GSME) == {"credit_mode_balance": 0, "meter_balance": 0}


@pytest.mark.parametrize(
    ("user", "target", "register", "sign"),
    [("IS", ESME, "meter_balance", -1), ("GS", GSME, "credit_mode_balance", 1)],
)
async def test_in_credit_mode_it_is_counted_what_is_due(user: str, target: Eui64, register: str, sign: int) -> None:
    with metered() as small:
        first = (await read(small, user, "4.18", target))[register]
        await asyncio.sleep(3600)
        assert abs((await read(small, user, "4.18", target))[register] - first - sign * POUND) < 3 * PENNY
        assert small.codes() == []


@BOTH
async def test_the_mode_changes_at_its_date_and_is_taken_down(user: str, target: Eui64) -> None:
    with metered() as small:
        when = small.world.mail.now + timedelta(minutes=30)
        await read(small, user, "1.6", target, PREPAYMENT | {"execution_date_time": when})
        assert not payment(small, target).account.prepayment
        await asyncio.sleep(1900)
        assert payment(small, target).account.prepayment
        told = [post.message for post in small.posts if isinstance(post.message, duis.FutureDatedDeviceAlert)]
        assert [each.alert_code for each in told] == [0x8F66] * (2 if target == ESME else 1)
        assert {each.total_instructions for each in told} == {len(told)}
        values = await read(small, user, "4.4.2", target, ALWAYS)
        assert len(values["billing_log"]) == 1
        mode = await read(small, user, "6.2.9", target)
        assert mode in ({"payment_mode": "prepayment", "account_status": "active"}, {"payment_control": 0x0897})


@BOTH
async def test_a_change_that_was_cancelled_does_not_happen(user: str, target: Eui64) -> None:
    with metered() as small:
        when = small.world.mail.now + timedelta(minutes=30)
        await read(small, user, "1.6", target, PREPAYMENT | {"execution_date_time": when})
        never = datetime(3000, 12, 31, tzinfo=UTC)
        await read(small, user, "1.6", target, PREPAYMENT | {"execution_date_time": never})
        await asyncio.sleep(3600)
        assert not payment(small, target).account.prepayment


async def test_settings_of_the_other_fuel_are_refused() -> None:
    with metered() as small:
        assert small.send("IS", "2.1", ESME, _configuration(small, "IS", "gas", {})).response_code == "E11"


@BOTH
async def test_credit_survives_the_end_of_a_world(user: str, target: Eui64) -> None:
    with metered() as small:
        await prepay(small, user, target)
        assert (await top_up(small, user, target, 20, 9, pounds=True)).ok
        payment(small, target).close()
        settings = payment(small, target).settings
        before = payment(small, target).money()
        later = again(small, world={**AWAKE, "prices": PRICES})
        try:
            after = payment(later, target)
            assert (after.counters, after.settings, after.account.prepayment) == ((9,), settings, True)
            assert abs(after.money().balance - before.balance) < PENNY
            await asyncio.sleep(3600)
            assert abs(before.balance - after.money().balance - POUND) < 3 * PENNY
            assert not (await top_up(later, user, target, 20, 9, pounds=True)).ok
        finally:
            later.world.close()


async def test_what_flowed_while_the_world_was_stopped_is_charged_for() -> None:
    with metered() as small:
        await prepay(small, "IS", ESME)
        await top_up(small, "IS", ESME, 5, 1, pounds=True)
        own = payment(small, ESME)
        own.close()
        state, balance = loads(dumps(own.save())), own.money().balance
        await asyncio.sleep(7200)
        own.load(state)
        own.begin()
        assert abs(balance - own.money().balance - 2 * POUND) < PENNY


async def test_a_tariff_takes_the_place_of_the_prices_of_the_world() -> None:
    with metered() as small:
        await prepay(small, "IS", ESME)
        await top_up(small, "IS", ESME, 20, 1, pounds=True)
        payment(small, ESME).close()
        await asyncio.sleep(3600)  # a pound
        before = await read(small, "IS", "4.18", ESME)
        await read(small, "IS", "1.2.1", ESME, prices(30_000, charge=3_000))  # 30 pence a kWh, and a day
        await asyncio.sleep(3600)
        after = await read(small, "IS", "4.18", ESME)
        assert abs(before["meter_balance"] - after["meter_balance"] - 7.5 * PENNY) < PENNY
        clock = small.world.esme.clock.utc()
        midnight = clock.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        await asyncio.sleep((midnight - clock).total_seconds())
        hours = (midnight - clock).total_seconds() / 3600
        left = (await read(small, "IS", "4.18", ESME))["meter_balance"]
        assert abs(after["meter_balance"] - left - (hours * 7.5 + 30) * PENNY) < PENNY
