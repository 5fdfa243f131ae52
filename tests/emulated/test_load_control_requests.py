"""Auxiliary loads through the DCC: switches that switch, for as long as they were told to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from bench.duis import responses as duis
from bench.duis.requests import parse_request
from bench.duis.safe_xml import parse
from bench.eui import Eui64
from bench.gbcs.load_control_fields import DatePattern, SpecialDay, SwitchingTime
from bench.gbcs.message import Message
from bench.gbcs.use_cases import use_case_for
from drivers.emulated.commands import Refused
from drivers.emulated.functions.load_control import LOAD_W, OWN_SWITCH, LoadControl
from drivers.emulated.functions.load_switch import LoadSwitch
from drivers.emulated.transforms.base import Wanted
from drivers.emulated.transforms.registry import transform
from tests.emulated.cells import HCALCS, MORE_DUTS
from tests.emulated.test_memory import again
from tests.emulated.worlds import ALL_USERS, CHF, ESME, Small, small_world

CODE = "0123456789ABCDEF0123456789ABCDEF"

EVERY_DAY = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@contextmanager
def loads(*faults: str, **spec: Any) -> Iterator[tuple[Small, LoadControl]]:
    with small_world(*faults, users=tuple(ALL_USERS), **spec) as small:
        yield small, small.world.esme.function(LoadControl)


async def done(small: Small, variant: str, **params: Any) -> None:
    response = await small.ask("IS", variant, ESME, params)
    assert response.ok, response.detail


async def read(small: Small, variant: str = "7.7", user: str = "IS", **params: Any) -> dict[str, Any]:
    response = await small.ask(user, variant, ESME, params)
    assert response.ok, response.detail
    values: dict[str, Any] = response.values
    return values


def closed(values: dict[str, Any]) -> list[int]:
    return [number for number in range(1, 6) if values[f"closed_{number}"]]


def entry(index: int, at: time, *, on: bool, days: tuple[str, ...] = EVERY_DAY, special: tuple[int, ...] = ()) -> Any:
    made: dict[str, Any] = {"index": index, "switch_time": at, "days_of_week": days}
    made["activate_switch" if on else "deactivate_switch"] = True
    return made | {"special_days_applicability": tuple({"index": number} for number in special)}


async def test_a_load_is_on_for_its_time() -> None:
    with loads() as (small, control):
        switched: list[float] = []
        control.on_power = switched.append
        await done(small, "7.5", index=2, duration=30)
        assert closed(await read(small)) == [2]
        await asyncio.sleep(29 * 60)
        assert closed(await read(small)) == [2]
        await asyncio.sleep(60)
        assert closed(await read(small, user="OU")) == []
        assert switched == [LOAD_W, 0.0]
        assert [event[1:] for event in control.events] == [(0x0211, 1, 0), (0x0202, 1, 0)]


async def test_the_switch_event_log_has_what_was_done() -> None:
    with loads() as (small, control):
        await done(small, "7.5", index=2, duration=30)
        later = small.world.mail.now + timedelta(minutes=5)
        await asyncio.sleep(600)
        await done(small, "7.8", index=2)
        found = use_case_for(0x00BA)
        assert found is not None
        read_log = small.world.esme.actions[found.name]
        values = read_log({"log_from": later, "log_to": later + timedelta(hours=1)})
        content = found.encode_response(values, originator_counter=1)
        assert found.decode_response(content).values == {
            "switch_event_log": ((control.events[1][0].replace(microsecond=0), 0x0220, 1, 0),)
        }
        small.world.esme.actions["ECS15c"]({})
        assert not control.events


async def test_a_load_is_given_back_to_its_calendar() -> None:
    with loads() as (small, control):
        await done(small, "7.5", index=1, duration=1440)
        await done(small, "7.6", index=1, duration=60)
        assert closed(await read(small)) == []
        await done(small, "7.5", index=1, duration=60)
        await done(small, "7.8", index=1)
        assert closed(await read(small)) == []
        assert [event[1] for event in control.events] == [0x0111, 0x0112, 0x0111, 0x0120]


async def test_a_refused_command_switches_nothing() -> None:
    with loads("response-error:7.5") as (small, control):
        response = await small.ask("IS", "7.5", ESME)
        assert (response.ok, response.values["failed_item"]) == (False, "duration_min")
        assert not control.events


async def test_labels_and_devices_are_read_back() -> None:
    with loads() as (small, _):
        await done(small, "6.14.1", alcshcalcs_description=[{"index": 3, "switch_description": "Car"}])
        await done(
            small,
            "6.14.1",
            alcshcalcs_description=[
                {"index": 1, "switch_description": "Water"},
                {"index": 5, "switch_description": "Heat"},
            ],
        )
        await done(
            small,
            "6.14.2",
            alcshcalcs_connection_schedule=[entry(1, time(6), on=True, special=(2,)), entry(1, time(7), on=False)],
            alcshcalcs_special_day=[
                {"index": 1, "specified_month": 12, "specified_day_of_month": 25},
                {"index": 2, "specified_year": 2026, "specified_month": 4, "last_day_of_month": True},
            ],
            switch_type_and_id=[{"index": 4, "hcalcs": HCALCS}],
        )
        values = await read(small)
        assert [values[f"label_{number}"] for number in range(1, 6)] == ["Water", "", "Car", "", "Heat"]
        assert values["device_4"] == HCALCS
        assert values["device_1"] == Eui64(OWN_SWITCH)
        assert values["special_days"] == (
            SpecialDay(1, DatePattern(month=12, day=25)),
            SpecialDay(2, DatePattern(2026, 4, 0xFE)),
        )
        assert values["switching_times"] == (
            SwitchingTime(0x0101, time(6), special_days=(False, True)),
            SwitchingTime(0x0102, time(7), special_days=(False, False)),
        )


async def test_a_special_day_that_is_not_there_is_no_command() -> None:
    with loads() as (small, _):
        schedule = {"alcshcalcs_connection_schedule": [entry(1, time(6), on=True, special=(2,))]}
        assert small.send("IS", "6.14.2", ESME, schedule).response_code == "E12"


async def test_a_calendar_takes_effect_at_its_date() -> None:
    with loads() as (small, control):
        now = small.world.mail.now
        assert (now.hour, now.minute) == (0, 0)
        on, off = time(0, 30), time(1, 0)
        schedule = [entry(1, on, on=True), entry(1, off, on=False)]
        params = {"alcshcalcs_connection_schedule": schedule, "execution_date_time": now + timedelta(minutes=20)}
        await done(small, "6.14.2", **params)
        assert control.calendar.times == ()
        await asyncio.sleep(21 * 60)
        alerts = [post.message for post in small.posts if isinstance(post.message, duis.FutureDatedDeviceAlert)]
        assert [(each.alert_code, each.total_instructions) for each in alerts] == [(0x8F66, 2), (0x8F66, 2)]
        for number in range(1, 6):
            assert control.closed[number] is False
        await asyncio.sleep(10 * 60)
        assert control.closed[1]
        await asyncio.sleep(30 * 60)
        assert not control.closed[1]
        await asyncio.sleep(24 * 3600 - 20 * 60)
        assert control.closed[1]


async def test_a_dated_calendar_can_be_cancelled() -> None:
    with loads() as (small, control):
        later = small.world.mail.now + timedelta(hours=1)
        schedule = {"alcshcalcs_connection_schedule": [entry(1, time(6), on=True)]}
        await done(small, "6.14.2", **schedule, execution_date_time=later)
        await done(small, "6.14.2", **schedule, execution_date_time=datetime(3000, 12, 31, tzinfo=UTC))
        await asyncio.sleep(2 * 3600)
        assert control.calendar.times == ()
        assert "0x8F66" not in small.codes()


async def test_loads_are_switched_later_by_the_randomised_offset() -> None:
    with loads() as (small, control):
        await done(small, "7.12", randomised_offset_limit=1799)
        offset = await read(small, "6.2.2")
        assert offset["randomised_offset_limit_s"] == 1799
        assert 0 < offset["randomised_offset_s"] <= 1799
        await done(
            small,
            "6.14.2",
            alcshcalcs_connection_schedule=[entry(2, time(9), on=False), entry(2, time(0, 10), on=True)],
        )
        start = small.world.mail.now.replace(hour=0, minute=10, second=0, microsecond=0)
        due = start + timedelta(seconds=offset["randomised_offset_s"])
        before_s = (due - small.world.mail.now).total_seconds() - 1
        await asyncio.sleep(before_s)
        assert not control.closed[2]
        await asyncio.sleep(2)
        assert control.closed[2]


async def test_boosts_are_limited_to_their_switches_and_logged() -> None:
    with loads() as (small, control):
        add = [{"index": number, "add": number in (1, 3)} for number in range(1, 6)]
        await done(small, "7.9", add_to_boost_button=add)
        control.press_boost(15)
        assert closed(await read(small)) == [1, 3]
        await done(small, "7.6", index=3, duration=5)
        assert closed(await read(small)) == [1]
        await asyncio.sleep(15 * 60)
        assert closed(await read(small)) == []
        remove = [{"index": number, "remove": number != 3} for number in range(1, 6)]
        await done(small, "7.10", remove_from_boost_button=remove)
        control.press_boost(60)
        control.press_boost(0)
        values = await read(small, "7.11", "OU")
        assert values["boost_function_available"]
        assert [values[f"boost_{number}"] for number in range(1, 6)] == [False, False, True, False, False]
        (start, end), (second, _) = values["boost_log"]
        epoch = datetime(2000, 1, 1, tzinfo=UTC)
        assert epoch + timedelta(seconds=end) - start == timedelta(minutes=15)
        later = {"start_date_time": second, "end_date_time": second + timedelta(days=1)}
        assert [row[0] for row in (await read(small, "7.11", **later))["boost_log"]] == [second]
        with pytest.raises(Refused, match="a boost of 20 min"):
            control.press_boost(20)


async def test_controllers_that_are_switches() -> None:
    """An ESME without proportional controllers takes 100 percent for closed, and has no level to limit."""
    with loads() as (small, control):
        now = small.world.mail.now
        period = {
            "start_date_time": now + timedelta(minutes=10),
            "end_date_time": now + timedelta(minutes=20),
            "auxiliary_controller": 4,
        }
        await done(small, "7.13", **period)
        assert not control.closed[4]
        await asyncio.sleep(10 * 60)
        assert control.closed[4]
        await asyncio.sleep(10 * 60)
        assert not control.closed[4]
        assert not (await small.ask("IS", "7.16", ESME, period)).ok
        schedule = {
            "auxiliary_controller": 4,
            "commanded_state_level": 100,
            "days_of_week": EVERY_DAY,
            "switch_time": time(0, 40),
        }
        await done(small, "6.14.3", auxiliary_controller_schedule=[schedule])
        await asyncio.sleep(25 * 60)
        assert control.closed[4]


async def test_an_hcalcs_switches_over_the_han() -> None:
    schedule = {"alcshcalcs_connection_schedule": [entry(2, time(6), on=False)]}
    with loads(more_duts=MORE_DUTS) as (small, control):
        await done(small, "6.14.2", **schedule, switch_type_and_id=[{"index": 2, "hcalcs": HCALCS}])
        device = next(each for each in small.world.devices if each.eui == HCALCS)
        await done(small, "7.5", index=2, duration=30)
        assert device.function(LoadSwitch).closed
        assert control.watts == LOAD_W
        (_, *sent), (_, *answered) = control.events
        assert sent[:2] == [0x0211, 0]
        assert answered == [0x0200, 1, sent[2]]


async def test_an_hcalcs_that_is_not_there_does_not_switch() -> None:
    schedule = {"alcshcalcs_connection_schedule": [entry(2, time(6), on=False)]}
    with loads(more_duts=MORE_DUTS, inventory={"hcalcs": "Pending"}) as (small, control):
        await done(small, "6.14.2", **schedule, switch_type_and_id=[{"index": 2, "hcalcs": HCALCS}])
        await done(small, "7.5", index=2, duration=30)
        assert closed(await read(small)) == []
        assert [event[1:3] for event in control.events] == [(0x0211, 0), (0x0200, 2)]


async def test_an_hcalcs_does_what_it_missed_when_it_joins() -> None:
    schedule = {"alcshcalcs_connection_schedule": [entry(2, time(6), on=True)]}
    devices = {"hcalcs": replace(MORE_DUTS["hcalcs"], install_code=CODE)}
    with loads(more_duts=devices, inventory={"hcalcs": "Pending"}) as (small, control):
        await done(small, "6.14.2", **schedule, switch_type_and_id=[{"index": 2, "hcalcs": HCALCS}])
        assert not control.closed[2]
        added = {"device_id": HCALCS, "install_code": CODE, "join_time_period": 600}
        assert (await small.ask("IS", "8.11", CHF, added)).ok
        await asyncio.sleep(60)
        assert control.closed[2]
        assert [event[1:3] for event in control.events[-2:]] == [(0x0201, 0), (0x0200, 1)]


async def test_a_load_can_exceed_the_load_limit() -> None:
    with loads() as (small, control):
        limit = {
            "load_limit_power_threshold": 2500,
            "load_limit_period": 60,
            "load_limit_restoration_period": 300,
            "load_limit_supply_state": "Disable",
        }
        await done(small, "6.4.1", **limit)
        await done(small, "7.5", index=1, duration=4)
        await asyncio.sleep(90)
        assert small.codes() == ["0x8F33"]
        assert (control.closed[1], control.watts) == (True, 0.0)
        await asyncio.sleep(600)
        assert small.codes() == ["0x8F33", "0x8F34"]
        assert not control.closed[1]


async def test_switches_go_on_after_a_restart_of_the_world() -> None:
    with loads() as (small, _):
        await done(small, "7.5", index=1, duration=30)
        await done(small, "6.14.1", alcshcalcs_description=[{"index": 1, "switch_description": "Water"}])
        other = again(small)
        control = other.world.esme.function(LoadControl)
        assert (control.closed[1], control.labels[1]) == (True, "Water")
        await asyncio.sleep(31 * 60)
        assert not control.closed[1]
        other.world.close()


async def test_a_meter_without_supply_switches_when_it_is_back() -> None:
    with loads() as (small, control):
        await done(small, "7.5", index=1, duration=10)
        small.world.source_node.step(0.0)
        await asyncio.sleep(20 * 60)
        assert control.closed[1]
        small.world.source_node.step(230.0)
        await asyncio.sleep(120)
        assert not control.closed[1]


@pytest.mark.parametrize(
    "name", ["ECS46c_6.14.2_CANCELLATION_ALL_OPTIONALS_SUCCESS", "ECS46d_6.14.3_FUTURE_DATED_APC_OUTPUT_SUCCESS"]
)
def test_published_requests_make_the_published_commands(rtds: Path, name: str) -> None:
    request = parse_request(parse((rtds / "duis" / f"{name}_REQUEST_DUIS.XML").read_bytes()))
    wanted = Wanted(request, "ESME", None, "IS", datetime(2026, 1, 1, tzinfo=UTC), 0.0)
    command = transform(wanted)
    published = Message.parse(bytes.fromhex((rtds / "gbcs/messages" / f"{name}_COMMAND_GBCS.HEX").read_text()))
    made = command.use_case.encode_command(command.params, originator_counter=published.originator_counter)
    assert made == published.content
    assert command.instructions == (2 if "FUTURE" in name else 0)
