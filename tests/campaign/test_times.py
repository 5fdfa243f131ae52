"""Starts and windows in local time, right across both changes of summer time."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from bench.campaign.times import Schedule, Window, to_utc, wait_until
from bench.campaign.work import CampaignOptions
from bench.cli import main
from bench.clock import RealClock, VirtualClock
from tests.campaign.campaigns import Script, entry, planned, run, write

LONDON = ZoneInfo("Europe/London")
# Clocks go forward at 01:00 UTC on 29 March 2026, and back at 01:00 UTC on 25 October.
SPRING, AUTUMN = datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 10, 24, 12, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "after", "starts"),
    [
        # 22:00 stays 22:00 on the wall.
        ("0 22 * * *", SPRING, ["2026-03-28T22:00", "2026-03-29T21:00", "2026-03-30T21:00"]),
        ("0 22 * * *", AUTUMN, ["2026-10-24T21:00", "2026-10-25T22:00", "2026-10-26T22:00"]),
        # 01:30 is left out by the clock in March: it happens right after; in October it comes twice and happens once.
        ("30 1 * * *", SPRING, ["2026-03-29T01:00", "2026-03-30T00:30", "2026-03-31T00:30"]),
        ("30 1 * * *", AUTUMN, ["2026-10-25T00:30", "2026-10-26T01:30", "2026-10-27T01:30"]),
        # Every half hour is every half hour of real time.
        ("*/30 * * * *", at("2026-03-29T00:20"), ["2026-03-29T00:30", "2026-03-29T01:00", "2026-03-29T01:30"]),
        ("*/30 * * * *", at("2026-10-25T00:20"), ["2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T01:30"]),
        ("0 22 * * mon-fri", at("2026-11-27T22:00"), ["2026-11-30T22:00", "2026-12-01T22:00", "2026-12-02T22:00"]),
    ],
)
async def test_cron_starts_at_the_local_time_and_the_wait_ends_then(
    cron: str, after: datetime, starts: list[str]
) -> None:
    loop = asyncio.get_running_loop()
    clock = VirtualClock(loop, round((after - timedelta(seconds=loop.time())).timestamp()) * 1_000_000_000)
    found = []
    moment = after
    for _ in starts:
        moment = next(Schedule(cron=cron).starts(moment, LONDON))
        await wait_until(clock, moment)
        found.append(clock.now().utc)
    for seen, expected in zip(found, starts, strict=True):
        assert timedelta(0) <= seen - at(expected) < timedelta(seconds=1)


@pytest.mark.parametrize("cron", ["*/30 * * * *", "30 1 * * *", "0 0-3 * * *", "15 */2 * * sun"])
@pytest.mark.parametrize("day", [SPRING, AUTUMN])
def test_asked_again_after_each_start_nothing_is_left_out_or_done_twice(cron: str, day: datetime) -> None:
    schedule = Schedule(cron=cron)
    at_once = list(itertools.islice(schedule.starts(day, LONDON), 40))
    assert at_once == sorted(set(at_once))
    moment, one_by_one = day, []
    for _ in range(40):
        moment = next(schedule.starts(moment, LONDON))
        one_by_one.append(moment)
    assert one_by_one == at_once


def test_one_moment_in_local_time() -> None:
    schedule = Schedule.model_validate({"at": "2026-06-01 22:00"})
    assert list(schedule.starts(SPRING, LONDON)) == [at("2026-06-01T21:00")]
    assert not list(schedule.starts(at("2026-06-01T21:00"), LONDON))
    left_out, twice = (datetime.fromisoformat(text) for text in ("2026-03-29T01:30", "2026-10-25T01:30"))
    assert to_utc(left_out, LONDON) == at("2026-03-29T01:30")  # 02:30 summer time
    assert to_utc(twice, LONDON) == at("2026-10-25T00:30")  # the first of two


@pytest.mark.parametrize(
    ("moment", "opens", "closes"),
    [
        ("2026-03-28T12:00", "2026-03-28T22:00", "2026-03-29T05:00"),  # seven hours
        ("2026-03-29T02:00", "2026-03-28T22:00", "2026-03-29T05:00"),
        ("2026-03-29T05:00", "2026-03-29T21:00", "2026-03-30T05:00"),
        ("2026-10-24T22:00", "2026-10-24T21:00", "2026-10-25T06:00"),  # nine hours
        ("2026-07-01T05:30", "2026-07-01T21:00", "2026-07-02T05:00"),
    ],
)
def test_a_window_is_open_by_the_clock_on_the_wall(moment: str, opens: str, closes: str) -> None:
    window = Window.model_validate({"opens": "22:00", "closes": "06:00"})
    assert window.opening(at(moment), LONDON) == (at(opens), at(closes))


def test_a_window_of_certain_days() -> None:
    window = Window.model_validate({"opens": "22:00", "closes": "06:00", "days": ["fri"]})
    assert window.opening(at("2026-11-28T01:00"), LONDON)[0] == at("2026-11-27T22:00")
    assert window.opening(at("2026-11-28T07:00"), LONDON)[0] == at("2026-12-04T22:00")


@pytest.mark.parametrize(("start", "hours"), [(SPRING, 7), (AUTUMN, 9)])
async def test_a_night_of_the_change_is_shorter_or_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: datetime, hours: int
) -> None:
    head = 'window: {opens: "22:00", closes: "06:00"}'
    plan = planned(tmp_path, entry("e", "supply-outage-long", repeats="40"), head=head)
    options = CampaignOptions(tmp_path, tmp_path / "state", virtual_from=start)
    ran = await run(plan, tmp_path / "out", monkeypatch, Script(takes_s=1000), options=options)
    usual_s = plan.cases[0].plan.usual_s if plan.cases[0].plan else 0
    assert list(ran.outcomes.values()).count("passed") == int((hours * 3600 - usual_s) // 1000) + 1


def test_next_says_local_time_and_utc(tmp_path: Path) -> None:
    path = write(tmp_path, entry("e"), head='schedule: {cron: "30 1 * * *"}')
    result = CliRunner().invoke(main, ["campaign", "next", str(path), "-n", "2", "--after", "2026-03-28T12:00"])
    assert result.output.splitlines() == [
        "Sun 2026-03-29 02:00 BST (2026-03-29T01:00Z)",
        "Mon 2026-03-30 01:30 BST (2026-03-30T00:30Z)",
    ]


def test_wait_runs_a_night_at_each_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HILBENCH_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    start = RealClock().now().utc.astimezone(LONDON).replace(second=0, microsecond=0) + timedelta(days=1)
    waited: list[datetime] = []

    async def at_once(clock: object, moment: datetime) -> None:
        waited.append(moment)

    monkeypatch.setattr("bench.campaign.times.wait_until", at_once)
    path = write(tmp_path, entry("e", rigs="[a]"), head=f'schedule: {{at: "{start:%Y-%m-%d %H:%M}"}}')
    result = CliRunner().invoke(main, ["campaign", str(path), "--wait"])
    assert result.exit_code == 0, result.output
    assert waited == [start.astimezone(UTC)]
    assert "test: 1 passed" in result.output
    assert "there is no further start" in result.output
    result = CliRunner().invoke(main, ["campaign", str(path), "--wait", "--resume"])
    assert result.exit_code == 2
