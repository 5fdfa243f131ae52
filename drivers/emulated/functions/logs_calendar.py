"""When a meter takes its registers down: at midnight, and as the billing calendar says."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from bench.gbcs.configuration_fields import BillingTime

_DAY = timedelta(days=1)
_FAR = 366 * 4
_MONTHS = {"monthly": 1, "quarterly": 3, "six monthly": 6, "yearly": 12}
_DAYS = {"daily": 1, "weekly": 7}


def next_midnight(after: datetime) -> datetime:
    """The first midnight, UTC, after a moment."""
    return after.replace(hour=0, minute=0, second=0, microsecond=0) + _DAY


def next_billing_time(calendar: Iterable[BillingTime], after: datetime) -> datetime | None:
    """The first moment after another one at which an ESME takes a billing snapshot; None if there is none."""
    rows = tuple(calendar)
    day = after.replace(hour=0, minute=0, second=0, microsecond=0)
    for _ in range(_FAR):
        due = [
            day.replace(hour=row.at.hour, minute=row.at.minute, second=row.at.second)
            for row in rows
            if row.month in (None, day.month) and row.day in (None, day.day) and row.weekday in (None, day.isoweekday())
        ]
        if later := [moment for moment in due if moment > after]:
            return min(later)
        day += _DAY
    return None


def next_billing_period(billing: Mapping[str, Any], after: datetime) -> datetime | None:
    """The first end of a billing period of a GSME after a moment; None where it was set without a start."""
    start: datetime | None = billing["billing_start"]
    if start is None or start > after:
        return start
    if (days := _DAYS.get(billing["period"])) is not None:
        length = timedelta(days=days)
        return start + ((after - start) // length + 1) * length
    step = _MONTHS[billing["period"]]
    gone = (after.year - start.year) * 12 + after.month - start.month
    months = gone // step * step
    while (moment := _months_later(start, months)) <= after:
        months += step
    return moment


def _months_later(start: datetime, months: int) -> datetime:
    """The same day of a later month, or its last day."""
    years, month = divmod(start.month - 1 + months, 12)
    year, month = start.year + years, month + 1
    return start.replace(year=year, month=month, day=min(start.day, monthrange(year, month)[1]))
