"""The world's own record of its faults: what went wrong when, whatever the bench made of it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from bench.clock import Clock
from drivers.emulated.fault_kinds import KINDS
from drivers.emulated.faults import Fault, Faults
from drivers.emulated.schedule import Schedule


class FaultRecord:
    """Notes each beginning and end.

    Args:
        schedule: the world's.
        clock: true time.
        path: a file that gets each note as a line of JSON; None: they are only kept.

    Attributes:
        notes: `age_s` (seconds after the start of the world), `utc`, `state` ("begins", "ends", or "happens" for one
            that is over by itself), and `fault`, the text that reads back as it.
    """

    def __init__(self, schedule: Schedule, clock: Clock, path: Path | None = None) -> None:
        self._schedule, self._clock, self._path = schedule, clock, path
        self.notes: list[dict[str, Any]] = []

    def start(self, faults: Faults) -> None:
        """Take note of these from now on."""
        for fault in faults.every():
            momentary = KINDS[fault.name].momentary
            self._at(fault.begins_s, "happens" if momentary else "begins", fault)
            if not momentary and math.isfinite(fault.ends_s):
                self._at(fault.ends_s, "ends", fault)

    def _at(self, age_s: float, state: str, fault: Fault) -> None:
        delay_s = age_s - self._schedule.age_s
        if delay_s <= 0:
            self._note(state, fault)
        else:
            self._schedule.after(delay_s, lambda: self._note(state, fault))

    def _note(self, state: str, fault: Fault) -> None:
        age_s = round(self._schedule.age_s, 6)
        self.notes.append({"age_s": age_s, "utc": self._clock.now().iso, "state": state, "fault": str(fault)})
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(self.notes[-1]) + "\n")
