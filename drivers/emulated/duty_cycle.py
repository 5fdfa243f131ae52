"""How long a hub has sent on its sub-GHz radio within the last hour, in the minutes in which it did."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from bench.eui import Eui64

WINDOW = timedelta(hours=1)
"""Over how long the duty cycle is taken."""

Sent = tuple[datetime, Eui64, float]
"""The minute, to whom, and seconds on the air."""


class DutyCycle:
    """The air time of the last hour.

    Attributes:
        sent: what was sent, the oldest first.
    """

    def __init__(self, sent: tuple[Sent, ...] = ()) -> None:
        self.sent = sent

    def add(self, now: datetime, device: Eui64, air_s: float) -> None:
        """Take note that something was sent."""
        minute = now.replace(second=0, microsecond=0)
        if self.sent and self.sent[-1][:2] == (minute, device):
            self.sent = (*self.sent[:-1], (minute, device, self.sent[-1][2] + air_s))
        else:
            self.sent = (*self.sent, (minute, device, air_s))

    def percent(self, now: datetime) -> float:
        """The share of the last hour in which it sent; what is older is forgotten."""
        self.sent = tuple(each for each in self.sent if now - each[0] < WINDOW)
        return 100.0 * sum(air_s for _, _, air_s in self.sent) / WINDOW.total_seconds()

    def busiest(self) -> Eui64 | None:
        """The device that most was sent to; None if nothing was."""
        totals: Counter[Eui64] = Counter()
        for _, device, air_s in self.sent:
            totals[device] += round(air_s * 1e6)
        return totals.most_common(1)[0][0] if totals else None
