"""When a meter takes no more UTRNs at its buttons: after too many that were wrong.

That entry is suspended, and that a UTRN is rejected meanwhile, is known from the names of 0x81C4 and 0x81C5. How often
and how long is what a supplier tells owners of a Landis+Gyr E470: five tries in ten minutes, then an hour. That a right
one begins the counting anew, and that one used before is no wrong one, is inferred.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

ENTRY_SUSPENDED, LOCKED_OUT = 0x81C4, 0x81C5

MOST_WRONG, WITHIN, FOR = 5, timedelta(minutes=10), timedelta(hours=1)


@dataclass
class EntryLock:
    """Counts wrong UTRNs, by the meter's own clock.

    Attributes:
        wrong: when the last wrong ones were entered.
        until: when entry is possible again, once it was suspended.
    """

    wrong: tuple[datetime, ...] = field(default=())
    until: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """Whether entry is suspended; a clock that was set back does not make that longer."""
        return self.until is not None and self.until - FOR <= now < self.until

    def failed(self, now: datetime) -> bool:
        """Count a wrong one; whether it suspends entry."""
        self.wrong = (*(at for at in self.wrong if abs(now - at) < WITHIN), now)
        if len(self.wrong) < MOST_WRONG:
            return False
        self.wrong, self.until = (), now + FOR
        return True

    def succeeded(self) -> None:
        """A right one was entered."""
        self.wrong, self.until = (), None
