"""Alert storms: what is held back, and how Users learn of it.

DUIS has ThrottledAlertSequenceId and ThrottledAlertCount for an alert that stands for others that were held back
(SECMP0062). When that begins and ends no source fixes: here, alerts of one code from one device pass until there
were `most` of them within a window; further ones are held back for a window's length, and then the last of them
goes out with their number. The sequence goes on while more come, and its number stays.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar

from bench.duis import responses as duis
from bench.duis.request_id import RequestId
from bench.eui import Eui64
from bench.gbcs.alerts import Alert
from bench.gbcs.message import Message
from drivers.emulated.dcc_inventory import Entry
from drivers.emulated.dcc_parts.base import Part


@dataclass(slots=True)
class Storm:
    """The alerts of one code from one device.

    Attributes:
        passed: when the ones of the present window were passed on, UTC.
        sequence: the number of the sequence that goes on; None while nothing is held back.
        held: how many are held back now.
        last: the last of them.
        until: when one tells of them, UTC.
    """

    passed: list[datetime] = field(default_factory=list)
    sequence: int | None = None
    held: int = 0
    last: bytes = b""
    until: datetime | None = None


class Throttle(Part):
    """Holds alerts back that come too often.

    Attributes:
        storms: by device and alert code.
        sequences: how many sequences there were.
    """

    remembers: ClassVar[tuple[str, ...]] = ("storms", "sequences")

    def __init__(self, dcc: Any) -> None:
        super().__init__(dcc)
        self.storms: dict[tuple[Eui64, int], Storm] = {}
        self.sequences = 0

    def start(self) -> None:
        """Let what was held back in an earlier life go out in time."""
        now = self.dcc.mail.now
        for key, storm in self.storms.items():
            if storm.until is not None:
                wait_s = max(0.0, (storm.until - now).total_seconds())
                self.dcc.world.schedule.after(wait_s, partial(self._tell, key))

    def alert(self, entry: Entry, alert: Alert, message: Message) -> bool:
        """Count an alert; true if it is held back."""
        spec = self.dcc.world.spec.throttle
        if not spec.most or message.recipient not in self.dcc.users:
            return False
        now, window = self.dcc.mail.now, timedelta(seconds=spec.window)
        key = entry.eui, alert.code
        storm = self.storms.setdefault(key, Storm())
        storm.passed = [moment for moment in storm.passed if now - moment < window]
        if storm.until is None and len(storm.passed) < spec.most:
            storm.passed.append(now)
            return False
        if storm.until is None:
            self.sequences += 1
            storm.sequence = self.sequences
            self._wait(key, storm)
        storm.held += 1
        storm.last = message.encode()
        return True

    def _wait(self, key: tuple[Eui64, int], storm: Storm) -> None:
        window_s = self.dcc.world.spec.throttle.window
        storm.until = self.dcc.mail.now + timedelta(seconds=window_s)
        self.dcc.world.schedule.after(window_s, partial(self._tell, key))

    def _tell(self, key: tuple[Eui64, int]) -> None:
        storm = self.storms[key]
        if not storm.held:
            # A window in which nothing came: the storm is over.
            self.storms[key] = Storm()
            return
        message = Message.parse(storm.last)
        self.dcc.mail.post(
            duis.DeviceAlert(
                response_id=RequestId(message.originator, message.recipient, message.originator_counter),
                response_date_time=self.dcc.mail.now,
                alert_code=key[1],
                payload=storm.last,
                throttled_sequence_id=storm.sequence,
                throttled_count=storm.held,
            )
        )
        storm.held, storm.last = 0, b""
        self._wait(key, storm)


PARTS: tuple[type[Part], ...] = (Throttle,)
"""In the order in which they take note."""
