"""Local times: when a campaign starts, and the windows in which its runs may go on, across changes of summer time."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import BeforeValidator, PlainSerializer, field_validator, model_validator

from bench.clock import Clock
from bench.schema import Part

_LOOK_S = 30.0
"""How often the wall clock is looked at while waiting: it may be set, and the machine may sleep."""

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _read_zone(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return ZoneInfo(value)
    except (KeyError, OSError, ValueError):
        raise ValueError(f"there is no time zone {value!r}; write one such as Europe/London") from None


def _read_wall_time(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
        raise ValueError(f"{value!r} is no time of day; write it as 22:30")
    return time.fromisoformat(value)


def _read_moment(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not re.fullmatch(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d", value):
        raise ValueError(f"{value!r} is no local date and time; write it as 2026-10-25 22:30")
    try:
        return datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"{value!r}: {error}") from None


ZoneField = Annotated[ZoneInfo, BeforeValidator(_read_zone), PlainSerializer(str)]
WallTime = Annotated[time, BeforeValidator(_read_wall_time)]
LocalMoment = Annotated[datetime, BeforeValidator(_read_moment)]


def to_utc(local: datetime, zone: ZoneInfo) -> datetime:
    """A local time of a zone in UTC.

    A time that comes twice, as summer time ends, is the first of the two. One that never comes, as it begins, is as
    much later as the clocks are put forward: 01:30 in London becomes 02:30.
    """
    return local.replace(tzinfo=zone).astimezone(UTC)


class Window(Part):
    """The hours in which runs may go on, in local time; past midnight if `closes` is not after `opens`.

    Attributes:
        days: on which it opens; every day if empty.
    """

    opens: WallTime
    closes: WallTime
    days: tuple[str, ...] = ()

    @field_validator("days")
    @classmethod
    def _known_days(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for day in value:
            if day not in _DAYS:
                raise ValueError(f"{day!r} is no day; write {', '.join(_DAYS)}")
        return value

    def opening(self, at: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """The opening that a moment lies in, or the next one after it, in UTC.

        Args:
            at: in UTC.
            zone: whose local time the window is in.
        """
        first = at.astimezone(zone).date() - timedelta(days=1)
        for number in range(10):
            day = first + timedelta(days=number)
            if self.days and _DAYS[day.weekday()] not in self.days:
                continue
            last = day if self.closes > self.opens else day + timedelta(days=1)
            opens = to_utc(datetime.combine(day, self.opens), zone)
            closes = to_utc(datetime.combine(last, self.closes), zone)
            if at < closes:
                return opens, closes
        raise AssertionError("every week has each of its days")

    def longest_s(self) -> float:
        """How long it is open on an ordinary day, in seconds."""
        minutes = (self.closes.hour - self.opens.hour) * 60 + self.closes.minute - self.opens.minute
        return float((minutes if minutes > 0 else minutes + 24 * 60) * 60)


class Schedule(Part):
    """When a campaign starts by itself.

    Attributes:
        cron: minute, hour, day of month, month, day of week, in local time. As in Debian's cron, a start that the
            beginning of summer time leaves out happens right after it, and one that its end brings twice happens once.
        at: one moment in local time, instead.
    """

    cron: str | None = None
    at: LocalMoment | None = None

    @field_validator("cron")
    @classmethod
    def _good_cron(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if len(value.split()) != 5:
            raise ValueError(
                f"{value!r} has not five fields; write minute, hour, day, month, weekday: 0 22 * * mon-fri"
            )
        try:
            CronSim(value, datetime(2026, 1, 1, tzinfo=UTC))
        except CronSimError as error:
            raise ValueError(f"{value!r} is no cron expression: {error}; an example: 0 22 * * mon-fri") from None
        return value

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.cron is None) == (self.at is None):
            raise ValueError("give either 'cron' or 'at'")
        return self

    def starts(self, after: datetime, zone: ZoneInfo) -> Iterator[datetime]:
        """The starts after a moment, in UTC, in order."""
        if self.cron is not None:
            try:
                for local in CronSim(self.cron, after.astimezone(zone)):
                    start = local.astimezone(UTC)
                    # In the hour that comes twice, a local time may lie before the one that it was asked after.
                    if start > after:
                        yield start
            except (CronSimError, StopIteration):
                return
        elif self.at is not None and (start := to_utc(self.at, zone)) > after:
            yield start


async def wait_until(clock: Clock, moment: datetime, given_up: Callable[[], bool] = lambda: False) -> None:
    """Wait for a moment on the wall clock, though that may be set meanwhile, or the machine sleep.

    Args:
        clock: whose.
        moment: in UTC.
        given_up: looked at every half minute; true ends the wait.
    """
    while not given_up():
        left_s = (moment - clock.now().utc).total_seconds()
        if left_s <= 0:
            return
        await asyncio.sleep(min(left_s, _LOOK_S))
