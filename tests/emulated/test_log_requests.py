"""Logs through the DCC: what happens to devices, and what meters took down, is read back."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bench.duis import responses as duis
from bench.eui import Eui64
from bench.gbcs.alerts import FUTURE_DATED_DONE, FutureDatedAction
from bench.gbcs.dlms import Target
from bench.gbcs.gbz_snapshots import END_OF_BILLING_PERIOD, GENERAL, MODE_OR_TARIFF_CHANGED
from bench.gbcs.log_gas_use_cases import DAY_S, DAYS
from bench.gbcs.message import Message
from drivers.emulated.commands import Refused
from drivers.emulated.functions.event_log import MOST, EventLog
from drivers.emulated.functions.firmware import Firmware
from drivers.emulated.functions.load_control import LoadControl
from drivers.emulated.functions.logs import MOST_BILLS, MOST_DAYS, EnergyLogs, GasLogs
from drivers.emulated.functions.logs_registers import Energy, Gas, Money
from drivers.emulated.functions.readings import BASE_W, GAS_LITRES_PER_HOUR
from tests.emulated.test_memory import again
from tests.emulated.worlds import ALL_USERS, CHF, ESME, GPF, GSME, Small, small_world

AWAKE = {"gsme_wake": "60 s"}
EVER = {"start_date_time": datetime(2012, 1, 1, tzinfo=UTC), "end_date_time": datetime(2099, 12, 31, tzinfo=UTC)}


def everybody(*faults: str, **spec: Any) -> Any:
    return small_world(*faults, users=tuple(ALL_USERS), world=AWAKE, **spec)


async def read(
    small: Small, user: str, variant: str, target: Eui64, params: dict[str, Any] | None = None
) -> dict[str, Any]:
    response = await small.ask(user, variant, target, EVER | (params or {}))
    assert response.ok, response.detail
    values: dict[str, Any] = response.values
    return values


async def events(small: Small, user: str, target: Eui64, log: str, **period: datetime) -> Any:
    values = await read(small, user, "6.13", target, {"log_to_read": log, **period})
    return next(rows for rows in values.values() if isinstance(rows, tuple))


def log_of(small: Small, eui: Eui64) -> EventLog:
    return next(each for each in small.world.devices if each.eui == eui).function(EventLog)


def midnight(small: Small, days: int = 0) -> datetime:
    return small.world.mail.now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=days)


# Events


async def test_an_outage_is_in_the_power_event_log_with_its_length() -> None:
    with everybody() as small:
        await asyncio.sleep(5)
        small.world.source_node.step(0.0)
        await asyncio.sleep(240)
        small.world.source_node.step(230.0)
        back = small.world.esme.clock.utc().replace(microsecond=0)
        await asyncio.sleep(60)
        ((moment, code, seconds),) = await events(small, "ED", ESME, "PowerEvent")
        assert (moment, code) == (back, 0x8F36)
        assert 235 <= seconds <= 245
        assert await events(small, "ED", ESME, "Event") == ()


async def test_an_average_voltage_is_in_the_power_event_log_with_its_volts() -> None:
    averages = {"voltage": {"period": "60 s", "over": "253 V", "under": "207 V"}}
    with small_world(users=tuple(ALL_USERS), world=averages) as small:
        await asyncio.sleep(120)
        small.world.source_node.step(260.0)
        await asyncio.sleep(180)
        small.world.source_node.step(230.0)
        await asyncio.sleep(180)
        over, normal = await events(small, "IS", ESME, "PowerEvent")
        assert over[1] == 0x8002
        assert 253 < over[2] <= 260
        assert normal[1] == 0x8085
        assert 230 <= normal[2] < 253
        only = await events(small, "IS", ESME, "PowerEvent", start_date_time=normal[0])
        assert only == (normal,)


@pytest.mark.parametrize(("user", "target", "code"), [("IS", ESME, 0x0050), ("GS", GSME, 0x0081)])
async def test_critical_commands_are_logged_with_their_message_code(user: str, target: Eui64, code: int) -> None:
    with everybody() as small:
        assert not (await small.ask(user, "7.3", target)).ok
        assert (await small.ask(user, "7.2", target)).ok
        rows = [
            row if target == ESME else (row[2], row[1], row[3]) for row in await events(small, user, target, "Event")
        ]
        assert [row[1] for row in rows] == [0x8155, 0x8154]
        assert rows[1][2] == code.to_bytes(2, "big")


@pytest.mark.parametrize(("user", "target"), [("IS", ESME), ("GS", GSME), ("GS", GPF)])
async def test_clearing_empties_the_event_log_only_and_is_itself_a_security_event(user: str, target: Eui64) -> None:
    with everybody() as small:
        device = log_of(small, target).device
        device.happens(0x8145)
        device.happens(0x8F0C)
        assert len(await events(small, user, target, "Event")) == 1
        assert (await small.ask(user, "3.3", target)).ok
        assert await events(small, user, target, "Event") == ()
        security = await events(small, user, target, "Security")
        assert [row[1] for row in security] == [0x8F0C, 0x8F52]


async def test_a_gpf_keeps_a_copy_of_the_logs_of_its_meter() -> None:
    with everybody() as small:
        log_of(small, GSME).device.happens(0x8145)
        log_of(small, GPF).device.happens(0x8154)
        own, copy = await events(small, "GS", GPF, "Event"), await events(small, "GT", GPF, "GSMEEvent")
        assert [(row[0], row[1]) for row in own] == [(3, 0x8154)]
        assert [(row[0], row[1]) for row in copy] == [(6, 0x8145)]
        assert await events(small, "GS", GPF, "GSMESecurity") == ()


async def test_a_gsme_has_no_copies() -> None:
    with everybody() as small, pytest.raises(Refused):
        log_of(small, GSME).actions["CS10a"]({"log_from": None, "log_to": None, "copy_of_gsme": True})


async def test_a_comms_hub_logs_changes_of_its_device_log() -> None:
    with everybody() as small:
        assert (await small.ask("IS", "8.11", CHF, {"request_type": "Remove", "device_id": ESME})).ok
        ((_, code),) = await events(small, "IS", CHF, "Security")
        assert code == 0x8F12
        assert await events(small, "IS", CHF, "Event") == ()


async def test_new_firmware_is_a_security_event() -> None:
    with everybody() as small:
        firmware = small.world.esme.function(Firmware)
        firmware.image_hash, firmware.image_version = bytes(32), "00010002"
        assert not (await small.ask("IS", "11.3", ESME, {"firmware_hash": bytes([1] * 32)})).ok
        assert await events(small, "IS", ESME, "Security") == ()
        assert (await small.ask("IS", "11.3", ESME, {"firmware_hash": bytes(32)})).ok
        ((_, code),) = await events(small, "IS", ESME, "Security")
        assert code == 0x8F43


async def test_the_log_of_load_control_switches_is_cleared_by_itself() -> None:
    with everybody() as small:
        small.world.esme.happens(0x8145)
        small.world.esme.function(LoadControl).events = ((small.world.mail.now.replace(microsecond=0), 0x111, 1, 0),)
        assert len(await events(small, "IS", ESME, "ALCSEvent")) == 1
        assert (await small.ask("IS", "3.3", ESME, {"esme_event_log_type": "ALCS"})).ok
        assert await events(small, "IS", ESME, "ALCSEvent") == ()
        assert len(await events(small, "IS", ESME, "Event")) == 1


@pytest.mark.parametrize(("target", "log"), [(GSME, "PowerEvent"), (CHF, "ALCSEvent"), (GSME, "GSMEEvent")])
async def test_a_log_that_a_device_does_not_have_cannot_be_asked_for(target: Eui64, log: str) -> None:
    with everybody() as small:
        user = "IS" if target == CHF else "GS"
        assert small.send(user, "6.13", target, EVER | {"log_to_read": log}).response_code == "E11"


async def test_a_log_is_a_ring() -> None:
    with everybody() as small:
        device = small.world.esme
        for number in range(MOST + 3):
            device.happens(0x8100 + number)
        rows = await events(small, "IS", ESME, "Event")
        assert len(rows) == MOST
        assert (rows[0][1], rows[-1][1]) == (0x8103, 0x8100 + MOST + 2)


async def test_a_forged_command_is_a_security_event_and_one_for_others_is_not() -> None:
    with everybody() as small:
        answer = small.send("IS", "6.2.4", ESME, command_variant=2)
        assert isinstance(answer, duis.LocalCommand)
        command = Message.parse(answer.payload)
        assert command.mac is not None
        forged = replace(command, mac=bytes(len(command.mac)))
        assert small.world.esme.receive(forged.encode()) is None
        assert small.world.esme.receive(replace(forged, recipient=GSME).encode()) is None
        ((_, code),) = await events(small, "IS", ESME, "Security")
        assert code == 0x8F3E


async def test_a_defect_is_logged_by_its_kind() -> None:
    with everybody() as small:
        small.world.esme.integrity(8)
        small.world.esme.integrity(0)
        assert [row[1] for row in await events(small, "IS", ESME, "Event")] == [0x81AC, 0x81A0]


async def test_an_event_that_is_not_to_be_logged_is_not() -> None:
    with everybody() as small:
        off = {"electricity_network_operator_logging_settings": {"x8002": "Disable"}}
        assert (await small.ask("ED", "6.22", ESME, off)).ok
        small.world.esme.happens(0x8002)
        small.world.esme.happens(0x8006)
        assert [row[1] for row in await events(small, "ED", ESME, "PowerEvent")] == [0x8006]


async def test_logs_survive_a_restart() -> None:
    with everybody() as small:
        small.world.esme.happens(0x8145)
        small.world.esme.happens(0x8F0C)
        small.world.esme.happens(0x8002)
        await asyncio.sleep(DAY_S)
        before = log_of(small, ESME).save()
        days = small.world.esme.function(EnergyLogs).days
        other = again(small, world=AWAKE)
        try:
            assert log_of(other, ESME).save() == before
            assert other.world.esme.function(EnergyLogs).days == days
            assert len(days) == 1
        finally:
            other.world.close()


# Registers


def electricity(small: Small) -> EnergyLogs:
    """The logs of an ESME that imports 1 Wh a second, exports a tenth of it, and owes a pound."""
    logs = small.world.esme.function(EnergyLogs)
    began = small.world.mail.now

    def energy(moment: datetime) -> Energy:
        wh = max(0, round((moment - began).total_seconds()))
        return Energy(wh, wh // 10, (wh, *(0,) * 47))

    logs.read_energy = energy
    logs.read_money = lambda: Money(-5, -100_000, 7, (8, 9), 10)
    return logs


def gas(small: Small) -> GasLogs:
    """The logs of a GSME through which a litre flows each second."""
    logs = next(each for each in small.world.devices if each.eui == GSME).function(GasLogs)
    began = small.world.mail.now

    def volume(moment: datetime) -> Gas:
        litres = max(0, round((moment - began).total_seconds()))
        return Gas(litres, (litres, 0, 0, 0), (0, litres, 0, 0))

    logs.read_gas = volume
    logs.read_money = lambda: Money(-5, -100_000, 7, (8, 9), 10)
    return logs


async def test_an_esme_takes_its_registers_down_at_midnight() -> None:
    with everybody() as small:
        electricity(small)
        first = midnight(small, 1)
        await asyncio.sleep(3 * DAY_S)
        rows = (await read(small, "IS", "4.6.1", ESME))["daily_read_log"]
        assert [row[0] for row in rows] == [first, first + timedelta(days=1), first + timedelta(days=2)]
        assert rows[1][1] - rows[0][1] == DAY_S
        assert rows[1][2][0] == rows[1][1]
        assert [len(row[2]) for row in rows] == [48, 48, 48]
        exports = (await read(small, "ES", "4.6.2", ESME))["daily_export_log"]
        assert [wh for _, wh in exports] == [row[1] // 10 for row in rows]
        used = (await read(small, "OU", "4.17", ESME))["daily_consumption_log"]
        assert used[1:] == ((rows[1][0], DAY_S), (rows[2][0], DAY_S))
        one = await read(small, "IS", "4.6.1", ESME, {"start_date_time": first, "end_date_time": first})
        assert one["daily_read_log"] == rows[:1]


async def test_an_esme_takes_bills_down_as_its_calendar_says() -> None:
    with everybody() as small:
        electricity(small)
        calendar = {"billing_time": datetime(2026, 1, 1, 6, 30, tzinfo=UTC).time(), "daily": True}
        assert (await small.ask("IS", "6.8", ESME, {"electricity_billing_calendar": calendar})).ok
        await asyncio.sleep(2 * DAY_S)
        values = await read(small, "IS", "4.4.3", ESME)
        times = [row[0] for row in values["billing_log"]]
        assert [(moment.hour, moment.minute) for moment in times] == [(6, 30), (6, 30)]
        assert [row[0] for row in values["billing_prepayment_log"]] == times
        assert values["billing_prepayment_log"][0][1:] == (-5, -100_000, 7, 8, 9, 10)
        assert values["billing_log"][1][1] - values["billing_log"][0][1] == DAY_S


@pytest.mark.parametrize("late", [False, True])
async def test_a_change_of_tariff_is_taken_down_once_when_it_takes_effect(late: bool) -> None:
    with everybody() as small:
        electricity(small)
        await asyncio.sleep(100)
        code = 0x0019 if late else 0x0052
        for number in range(3):
            action = FutureDatedAction(code, 77, Target(20, "0-0:13.0.0.255", number))
            small.world.esme.happens(FUTURE_DATED_DONE, action)
        rows = (await read(small, "IS", "4.4.2", ESME))["billing_log"]
        assert len(rows) == int(late)
        for row in rows:
            assert row[1] == 100
            assert row[-6:] == (-5, -100_000, 7, 8, 9, 10)


async def test_what_fell_due_while_the_world_was_stopped_is_taken_down_at_its_start() -> None:
    with everybody() as small:
        electricity(small)
        await asyncio.sleep(DAY_S)
        saved = small.world.esme.function(EnergyLogs).save()
        await asyncio.sleep(3 * DAY_S)
        logs = small.world.esme.function(EnergyLogs)
        logs.load(saved)
        assert len(logs.days) == 1
        logs.start()
        assert len(logs.days) == 4
        assert [wh for _, wh in logs.consumption[1:]] == [DAY_S] * 3


async def test_the_logs_have_what_was_measured() -> None:
    with everybody() as small:
        await asyncio.sleep(3 * DAY_S)
        used = (await read(small, "IS", "4.17", ESME))["daily_consumption_log"]
        assert used[1][1] == used[2][1] == round(24 * BASE_W)
        days = (await read(small, "GS", "4.6.1", GSME))["daily_read_log"]
        assert days[2][2] - days[1][2] == round(24 * GAS_LITRES_PER_HOUR)


async def test_full_logs_are_read_whole() -> None:
    with everybody() as small:
        logs = small.world.esme.function(EnergyLogs)
        first, day = midnight(small, -800), timedelta(days=1)
        logs.days = tuple(logs._day(first + number * day) for number in range(MOST_DAYS))
        logs.bills = tuple(logs._bill(first + number * day) for number in range(MOST_BILLS))
        logs.consumption = tuple((first + number * day, number) for number in range(DAYS))
        assert (await read(small, "IS", "4.6.1", ESME))["daily_read_log"] == logs.days
        assert len((await read(small, "IS", "4.4.3", ESME))["billing_log"]) == MOST_BILLS
        assert (await read(small, "IS", "4.17", ESME))["daily_consumption_log"] == logs.consumption
        of_gas = next(each for each in small.world.devices if each.eui == GSME).function(GasLogs)
        of_gas.days = tuple(of_gas._day(first + number * day) for number in range(MOST_DAYS))
        of_gas.consumption = tuple((first + number * day, number) for number in range(DAYS))
        assert len((await read(small, "GS", "4.6.1", GPF))["daily_read_log"]) == MOST_DAYS
        assert (await read(small, "GS", "4.17", GPF))["samples"] == tuple(range(DAYS))


@pytest.mark.parametrize("target", [GSME, GPF])
async def test_a_gsme_takes_its_registers_down_and_its_proxy_says_so(target: Eui64) -> None:
    with everybody() as small:
        gas(small)
        calendar = {"billing_period_start": midnight(small, 1) + timedelta(hours=7), "periodicity": "Daily"}
        assert (await small.ask("GS", "6.8", GSME, {"gas_billing_calendar": calendar})).ok
        await asyncio.sleep(2.5 * DAY_S)
        days = (await read(small, "GS", "4.6.1", target))["daily_read_log"]
        assert [row[:2] for row in days] == [(midnight(small, -1), GENERAL), (midnight(small), GENERAL)]
        assert days[1][2] - days[0][2] == DAY_S
        assert days[0][3:] == ((days[0][2], 0, 0, 0), (0, days[0][2], 0, 0))
        bills = await read(small, "GS", "4.4.3", target)
        assert [row[0].hour for row in bills["billing_log"]] == [7, 7]
        assert bills["billing_prepayment_log"][0][1:] == (END_OF_BILLING_PERIOD, 10, 8, 9, 7, -5, -100_000)
        assert await read(small, "GS", "4.4.2", target) == {"billing_log": (), "billing_prepayment_log": ()}
        used = await read(small, "GT", "4.17", target)
        assert used["interval_s"] == DAY_S
        assert used["first_sample"] == midnight(small, -2)
        assert used["samples"][1] == DAY_S


async def test_a_change_of_mode_is_taken_down_by_a_gsme() -> None:
    with everybody() as small:
        gas(small)._change()
        rows = (await read(small, "GS", "4.4.2", GSME))["billing_log"]
        assert [row[1] for row in rows] == [MODE_OR_TARIFF_CHANGED]


async def test_network_data_are_sampled_every_six_minutes_for_four_hours() -> None:
    with everybody() as small:
        gas(small)
        assert (await read(small, "GT", "4.10", GSME))["samples"] == ()
        assert (await small.ask("GT", "14.1", GSME)).ok
        began = small.world.mail.now
        await asyncio.sleep(1850)
        values = await read(small, "GT", "4.10", GPF)
        assert (values["interval_s"], values["samples"]) == (360, values["samples"])
        assert [abs(each - 360) < 2 for each in values["samples"]] == [True] * 5
        assert abs(values["first_sample"] - began) < timedelta(minutes=2)
        await asyncio.sleep(6 * 3600)
        samples = (await read(small, "GS", "4.10", GSME))["samples"]
        assert len(samples) == 41
        assert 41 * 360 - 2 <= sum(samples) <= 41 * 360 + 2
        assert (await small.ask("GT", "14.1", GSME)).ok
        assert (await read(small, "GT", "4.10", GSME))["samples"] == ()


async def test_sampling_goes_on_after_a_restart() -> None:
    with everybody() as small:
        assert (await small.ask("GT", "14.1", GSME)).ok
        await asyncio.sleep(1000)
        other = again(small, world=AWAKE)
        try:
            await asyncio.sleep(1000)
            gsme = next(each for each in other.world.devices if each.eui == GSME)
            assert len(gsme.function(GasLogs).samples) == 5
        finally:
            other.world.close()
