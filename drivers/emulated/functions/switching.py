"""Which price of a tariff counts when: a switching table of seasons, weeks, days and special days.

What the specifications leave open is inferred: the season that began last is in force; a time of day without an earlier
one on its day continues the day before; and where nothing is in force at all, nothing is said.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from bench.gbcs.tariff_fields import Day, Season, TariffSpecialDay, Week

_DAY, _INSTANT = timedelta(days=1), timedelta(microseconds=1)
_DAYS_BACK = 9
_A_YEAR, _SEASON_DAYS = 366, 1465
_WHOLE_WEEK = 7
_FIRST_YEAR = 1900


@dataclass(frozen=True, slots=True)
class SwitchingTable:
    """A switching table. Scripts are the numbers that it uses for prices; times are UTC.

    Attributes:
        seasons: in the order of the table; of two that begin together the later one counts.
        weeks: each names a day for every day from Monday.
        days: each has scripts by time of day.
        special_days: days, and the number of the day that they have in place of the week's; the first match counts.
    """

    seasons: tuple[Season, ...] = ()
    weeks: tuple[Week, ...] = ()
    days: tuple[Day, ...] = ()
    special_days: tuple[TariffSpecialDay, ...] = ()

    def fault(self, scripts: Container[int]) -> str | None:
        """Which part is wrong: "seasons", "weeks", "days" or "special_days"; None if all that is named is there.

        Args:
            scripts: those that there are.
        """
        weeks, days = ({each.number for each in rows} for rows in (self.weeks, self.days))
        if not self.seasons or any(each.week not in weeks for each in self.seasons):
            return "seasons"
        if any(len(week.days) != _WHOLE_WEEK or not days.issuperset(week.days) for week in self.weeks):
            return "weeks"
        if any(not day.times or any(script not in scripts for _, script in day.times) for day in self.days):
            return "days"
        return "special_days" if any(each.day not in days for each in self.special_days) else None

    def script(self, at: datetime) -> int | None:
        """The script that counts at a moment; None if nothing is in force."""
        moment = at
        for _ in range(_DAYS_BACK):
            rows = [row for row in self._day(moment) if datetime.combine(moment, row[0], UTC) <= moment]
            if rows:
                return max(reversed(rows), key=lambda row: row[0])[1]
            moment = datetime.combine(moment, time(), UTC) - _INSTANT
        return None

    def next(self, after: datetime) -> datetime:
        """The next moment at which something may change: a time of the table, or midnight."""
        midnight = datetime.combine(after, time(), UTC) + _DAY
        times = {at for day in self.days for at, _ in day.times} | {season.begins or time() for season in self.seasons}
        today = (datetime.combine(after, at, UTC) for at in times)
        return min((moment for moment in today if moment > after), default=midnight)

    def _day(self, moment: datetime) -> tuple[tuple[time, int], ...]:
        day = moment.date()
        number = next((each.day for each in self.special_days if each.date.matches(day)), None)
        if number is None:
            season = self._season(moment)
            week = next((week for week in self.weeks if season is not None and week.number == season.week), None)
            number = None if week is None else week.days[day.weekday()]
        return next((each.times for each in self.days if each.number == number), ())

    def _season(self, moment: datetime) -> Season | None:
        begun = [(start, season) for season in self.seasons if (start := _last_start(season, moment)) is not None]
        return max(reversed(begun), key=lambda each: each[0])[1] if begun else None


def _last_start(season: Season, moment: datetime) -> datetime | None:
    """When a season began last; None if it has not, within the four years that hold every day of a year."""
    year, day, length = season.first_day.year, moment.date(), _SEASON_DAYS
    if year is not None:
        if not date.min.year < year <= day.year:
            return None
        day, length = min(day, date(year, 12, 31)), _A_YEAR
    for number in range(length):
        first = day - number * _DAY
        if season.first_day.matches(first):
            start = datetime.combine(first, season.begins or time(), UTC)
            if start <= moment:
                return start
    return None
