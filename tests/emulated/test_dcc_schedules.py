"""Schedules: made, run, read, deleted."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from bench.duis import responses as duis
from bench.duis.default_params import default_params
from drivers.emulated.dcc_parts.schedules import (
    DATES,
    MOST,
    NOT_FOR_ROLE,
    TOO_MANY,
    UNFIT,
    next_run,
    read_params,
)
from tests.emulated.worlds import ESME, GSME, Small, small_world

DAY_S = 86_400


def wanted(small: Small, **more: Any) -> dict[str, Any]:
    """A daily reading of network data, from tomorrow on."""
    params = default_params("5.1", 8, now=small.world.mail.now) | {"device_id": ESME}
    del params["dsp_read_active_import_profile_data"]
    params |= {
        "dsp_scheduled_service_reference": "4.10",
        "dsp_scheduled_service_reference_variant": "4.10",
        "dsp_read_network_data": {},
    }
    return params | more


def make(small: Small, user: str = "IS", **more: Any) -> int:
    answer = small.send(user, "5.1", params=wanted(small, **more))
    assert isinstance(answer, duis.DspResponse), answer
    number = answer.values["dsp_schedule_id"]
    assert isinstance(number, int)
    return number


async def test_a_schedule_runs_every_day_until_its_end() -> None:
    with small_world() as small:
        tomorrow = small.world.mail.now.date() + timedelta(days=1)
        made = small.send(
            "IS",
            "5.1",
            params=wanted(
                small,
                schedule_end_date=tomorrow + timedelta(days=1),
                schedule_execution_start_time=time(6, 30),
            ),
        )
        assert isinstance(made, duis.DspResponse)
        await asyncio.sleep(5 * DAY_S)
        messages = [post.message for post in small.posts]
        assert len(messages) == 2
        for each, day in zip(messages, (tomorrow, tomorrow + timedelta(days=1)), strict=True):
            assert isinstance(each, duis.GbcsResponse)
            assert each.schedule_id == made.values["dsp_schedule_id"]
            assert (each.request_id, each.service_reference_variant) == (made.request_id, "4.10")
            due = datetime.combine(day, time(6, 30, tzinfo=UTC))
            assert timedelta() < each.response_date_time - due < timedelta(seconds=10)
        assert [small.decode(post).ok for post in small.posts] == [True, True]


async def test_a_schedule_is_read_and_deleted_by_its_user_only() -> None:
    with small_world() as small:
        first, second = make(small), make(small, schedule_frequency="Weekly")
        other = make(small, "ED")
        assert len({first, second, other}) == 3
        one = small.send("IS", "5.2", params={"dsp_schedule_id": second})
        assert isinstance(one, duis.DspResponse)
        (row,) = one.values["dsp_schedules"]
        assert row["dsp_schedule_id"] == second
        assert row["dsp_schedule_details"]["schedule_frequency"] == "Weekly"
        assert row["dsp_schedule_details"]["device_id"] == ESME
        whole = small.send("IS", "5.2", params={"device_id": ESME})
        assert isinstance(whole, duis.DspResponse)
        assert [each["dsp_schedule_id"] for each in whole.values["dsp_schedules"]] == [first, second]
        assert small.send("IS", "5.2", params={"dsp_schedule_id": other}).response_code == "E050201"
        assert small.send("IS", "5.3", params={"dsp_schedule_id": other}).response_code == "E050301"
        assert small.send("IS", "5.3", params={"device_id": ESME}).response_code == "I99"
        assert small.send("IS", "5.2", params={"device_id": ESME}).response_code == "E050201"
        await asyncio.sleep(2 * DAY_S)
        assert {post.user for post in small.posts} == {"ED"}


async def test_what_makes_no_schedule() -> None:
    with small_world() as small:

        def refused(user: str, **more: Any) -> str:
            return small.send(user, "5.1", params=wanted(small, **more)).response_code

        yesterday = small.world.mail.now.date() - timedelta(days=1)
        assert refused("IS", dsp_scheduled_service_reference="4.8") == UNFIT
        assert refused("IS", dsp_scheduled_service_reference_variant="4.16") == UNFIT
        assert refused("IS", schedule_start_date=yesterday) == DATES
        assert refused("IS", schedule_end_date=yesterday) == DATES
        assert refused("GS", device_id=ESME) == "E4"
        gas = {"dsp_scheduled_service_reference": "4.16", "dsp_scheduled_service_reference_variant": "4.16"}
        params = {key: each for key, each in wanted(small).items() if key != "dsp_read_network_data"}
        params |= {"dsp_read_active_power_import": True, "device_id": GSME} | gas
        assert small.send("GS", "5.1", params=params).response_code == NOT_FOR_ROLE
        for _ in range(MOST):
            make(small, schedule_frequency="Yearly")
        assert refused("IS") == TOO_MANY


async def test_a_reading_that_nobody_answers_is_told_under_its_schedule() -> None:
    with small_world(world={"device_timeout": "5 min"}) as small:
        made = small.send("IS", "5.1", params=wanted(small))
        assert isinstance(made, duis.DspResponse)
        await asyncio.sleep(3600)
        small.world.source_node.step(0.0)
        await asyncio.sleep(DAY_S)
        failed = next(post.message for post in small.posts if isinstance(post.message, duis.ErrorResponse))
        assert (failed.response_code, failed.request_id) == ("E20", made.request_id)
        lost = small.post("N53").message
        assert isinstance(lost, duis.DccAlert)
        assert lost.body["dsp_schedule_id"] == made.values["dsp_schedule_id"]
        assert lost.body["device_id"] == ESME


@pytest.mark.parametrize(
    ("frequency", "first", "after", "due"),
    [
        ("Daily", "2026-01-31", "2026-02-27T12:00", "2026-02-28"),
        ("Weekly", "2026-01-31", "2026-02-01T00:00", "2026-02-07"),
        ("Monthly", "2026-01-31", "2026-02-01T00:00", "2026-02-28"),
        ("Monthly", "2026-01-31", "2026-02-28T00:00", "2026-03-31"),
        ("Quarterly", "2026-11-30", "2026-12-01T00:00", "2027-02-28"),
        ("Half-Yearly", "2026-08-31", "2026-09-01T00:00", "2027-02-28"),
        ("Yearly", "2024-02-29", "2024-03-01T00:00", "2025-02-28"),
        ("Yearly", "2024-02-29", "2024-02-01T00:00", "2024-02-29"),
    ],
)
def test_when_it_runs_next(frequency: str, first: str, after: str, due: str) -> None:
    details = {"schedule_frequency": frequency, "schedule_start_date": date.fromisoformat(first)}
    found = next_run(details, datetime.fromisoformat(after).replace(tzinfo=UTC))
    assert found == datetime.combine(date.fromisoformat(due), time(tzinfo=UTC))
    ended = details | {"schedule_end_date": date.fromisoformat(due) - timedelta(days=1)}
    assert next_run(ended, datetime.fromisoformat(after).replace(tzinfo=UTC)) is None


def test_what_it_asks_for_lies_before_the_day_on_which_it_runs() -> None:
    period = {
        "start_date_offset": -7,
        "start_time": time(0, 30),
        "end_date_offset": -1,
        "end_time": time(23, 59, 59),
    }
    details = {"dsp_scheduled_service_reference_variant": "4.8.1", "dsp_read_active_import_profile_data": period}
    params = read_params(details, datetime(2026, 3, 8, 6, tzinfo=UTC))
    assert params == {
        "start_date_time": datetime(2026, 3, 1, 0, 30, tzinfo=UTC),
        "end_date_time": datetime(2026, 3, 7, 23, 59, 59, tzinfo=UTC),
    }
