"""What flows through a meter: a rate that changes now and then, and what adds up from it."""

from __future__ import annotations

from bisect import bisect_right

NS_PER_HOUR = 3_600_000_000_000

Change = tuple[int, float, float]
"""UTC in nanoseconds, the rate an hour from then on, and what had flowed by then."""

_MOST = 20_000


class Flow:
    """A rate over time, kept as its changes, so that any amount is found when it is asked for and no timer is needed.

    Args:
        changes: those of an earlier life.

    Attributes:
        changes: the oldest first; of very many the oldest are forgotten.
    """

    def __init__(self, changes: tuple[Change, ...] = ()) -> None:
        self.changes = changes

    def set(self, now_ns: int, rate: float) -> None:
        """Change the rate; a clock that was set back changes it from the last change on."""
        if not self.changes:
            self.changes = ((now_ns, rate, 0.0),)
            return
        last_ns, last_rate, _ = self.changes[-1]
        if rate != last_rate:
            at_ns = max(now_ns, last_ns)
            self.changes = (*self.changes[-_MOST:], (at_ns, rate, self.total(at_ns)))

    @property
    def rate(self) -> float:
        """The rate now, an hour."""
        return self.changes[-1][1] if self.changes else 0.0

    @property
    def began_ns(self) -> int | None:
        """Since when it is known; None if it never was."""
        return self.changes[0][0] if self.changes else None

    def total(self, at_ns: int) -> float:
        """What has flowed up to a moment."""
        index = bisect_right(self.changes, at_ns, key=lambda change: change[0]) - 1
        if index < 0:
            return 0.0
        since_ns, rate, before = self.changes[index]
        return before + rate * (at_ns - since_ns) / NS_PER_HOUR

    def between(self, from_ns: int, to_ns: int) -> float:
        """What has flowed from one moment to another."""
        return self.total(to_ns) - self.total(from_ns)

    def reaches(self, total: float) -> int | None:
        """When so much has flowed, UTC in nanoseconds, if the rate stays as it is; None if it never does."""
        index = bisect_right(self.changes, total, key=lambda change: change[2]) - 1
        if index < 0:
            return self.began_ns
        since_ns, rate, before = self.changes[index]
        return since_ns + round((total - before) / rate * NS_PER_HOUR) if rate > 0 else None
