"""When the switches of an ESME switch: its calendar of switching times and special days (GBCS section 7.3.7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from bench.gbcs.load_control_fields import CONTROLLER, LEVEL_FLAG, SpecialDay, SwitchingTime

_A_YEAR_DAYS = 368  # with the days at both of its ends
_CLOSES = (0x01, 0x11)
_FULL_LEVEL = 100
_DAY = timedelta(days=1)


def meaning(selector: int) -> tuple[int, bool]:
    """Which switch a selector is about, and whether it is closed then.

    A switch is closed at the level of 100 percent, and open at every other one (DUIS, 6.14.3 and 7.13).
    """
    number, action = divmod(selector, 256)
    if number & CONTROLLER:
        return number & ~CONTROLLER, action & ~LEVEL_FLAG == _FULL_LEVEL
    return number, action in _CLOSES


@dataclass(frozen=True, slots=True)
class Calendar:
    """Switching times; on a special day only those are meant that name it.

    Attributes:
        times: in any order; of two at one moment the later one counts.
        special_days: in the order in which the switching times name them.
    """

    times: tuple[SwitchingTime, ...] = ()
    special_days: tuple[SpecialDay, ...] = ()

    def on(self, day: date) -> list[tuple[datetime, int]]:
        """What is done on a day: moments in UTC, and selectors."""
        special = [place for place, each in enumerate(self.special_days) if each.pattern.matches(day)]
        found = [
            (datetime.combine(day, row.at, UTC), row.selector)
            for row in self.times
            if _applies(row, day, special) and _in_period(row, day)
        ]
        return sorted(found, key=lambda each: each[0])

    def closed(self, switch: int, at: datetime) -> bool | None:
        """Whether a switch is closed at a moment; None where nothing was done to it for a year."""
        own = tuple(row for row in self.times if meaning(row.selector)[0] == switch)
        calendar = Calendar(own, self.special_days)
        for day in calendar._days(at.date(), -1):
            for moment, selector in reversed(calendar.on(day)):
                if moment <= at:
                    return meaning(selector)[1]
        return None

    def next(self, after: datetime) -> datetime | None:
        """The next moment after one at which anything is done; None within a year."""
        for day in self._days(after.date(), 1):
            for moment, _ in self.on(day):
                if moment > after:
                    return moment
        return None

    def _days(self, start: date, step: int) -> Iterator[date]:
        return (start + step * number * _DAY for number in range(_A_YEAR_DAYS if self.times else 0))


def _applies(row: SwitchingTime, day: date, special: Sequence[int]) -> bool:
    if special:
        return any(row.special_days[place] for place in special if place < len(row.special_days))
    return row.weekdays[day.weekday()]


def _in_period(row: SwitchingTime, day: date) -> bool:
    """Whether a day lies in the period of a switching time; one of every year may go beyond the end of the year."""
    now, begins, ends = (day.year, day.month, day.day), row.begins.near(day), row.ends.near(day)
    if begins > ends and row.begins.year is row.ends.year is None:
        return now >= begins or now <= ends
    return begins <= now <= ends
