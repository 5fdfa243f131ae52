"""Faults that come and go at random moments, all of them from a seed: the same seed gives the same night."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping

from pydantic import Field, field_validator, model_validator

from bench.device import DriverConfig
from bench.errors import UsageError
from bench.quantities import SecondsField
from drivers.emulated.fault_kinds import KINDS
from drivers.emulated.faults import Fault

_INSTRUMENTS = ("source", "relay", "meter")
_LINES = ("slow", "drops", "garbled", "half", "disconnects", "vanishes", "stuck")

GROUPS: Mapping[str, tuple[str, ...]] = {
    "wire": (
        *(f"{device}-{name}" for device in _INSTRUMENTS for name in _LINES),
        "broker-restart",
        "console-unplugged",
        "sniffer-unplugged",
        "sniffer-garbled",
    ),
    "device": (
        *(f"{device}-{name}" for device in _INSTRUMENTS for name in ("silent", "reboots")),
        "meter-stale",
        "meter-wrong-unit",
        "source-ignores",
        "relay-ignores",
        "meter-reboot@0s",
        "device-clock-drifts:200ppm",
    ),
    "supply": ("mains-sag", "mains-flicker", "mains-brown-out", "mains-frequency-drift"),
    "dcc": (
        "dcc-rejects",
        "dcc-away",
        "dcc-slow",
        "dcc-silent",
        "dcc-late",
        "dcc-duplicate",
        "dcc-out-of-order",
        "dcc-storm",
        "alert-storm",
    ),
}
"""Faults that a schedule may name together."""


class FaultScheduleSpec(DriverConfig):
    """Which faults come by chance, how often, and how long they last.

    Attributes:
        faults: `NAME[:ARG][@DELAY]` each, or a group of them: "wire", "device", "supply", "dcc".
        every: the mean time from the beginning of one to that of the next; the times are distributed exponentially.
        shortest: how long a fault lasts at least.
        longest: and at most; short ones are more likely, evenly by their logarithm.
        until: none begins later after the start of the world.
        seed: what comes when depends on it alone; the world's own unless given.
    """

    faults: tuple[str, ...] = Field(min_length=1)
    every: SecondsField = Field(gt=0)
    shortest: SecondsField = Field(default=1.0, gt=0)
    longest: SecondsField = 60.0
    until: SecondsField = Field(default=8 * 3600.0, gt=0)
    seed: int | None = None

    @field_validator("faults")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            if text in GROUPS:
                continue
            try:
                fault = Fault.parse(text)
            except UsageError as error:
                raise ValueError(f"{error}; or a group: {', '.join(GROUPS)}") from None
            if fault.from_s or math.isfinite(fault.lasts_s):
                raise ValueError(f"{text!r} says when, which the schedule does; write it under 'faults' instead")
        return value

    @model_validator(mode="after")
    def _ordered(self) -> FaultScheduleSpec:
        if self.longest < self.shortest:
            raise ValueError("longest is shorter than shortest")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Every fault that it chooses from."""
        return tuple(name for text in self.faults for name in GROUPS.get(text, (text,)))


def draw(spec: FaultScheduleSpec, seed: int) -> tuple[Fault, ...]:
    """The faults of a night, in the order in which they begin; two of one name never last at the same time.

    Args:
        spec: what to draw.
        seed: in place of a seed of `spec`, where that has none.
    """
    return tuple(_drawn(spec, random.Random(f"{seed if spec.seed is None else spec.seed} fault schedule")))


def _drawn(spec: FaultScheduleSpec, chance: random.Random) -> Iterator[Fault]:
    free_s: dict[str, float] = {}
    at_s = 0.0
    while True:
        at_s += chance.expovariate(1.0 / spec.every)
        kind = Fault.parse(chance.choice(spec.names))
        length_s = math.exp(chance.uniform(math.log(spec.shortest), math.log(spec.longest)))
        if at_s > spec.until:
            return
        if at_s < free_s.get(kind.name, 0.0):
            continue
        takes_length = KINDS[kind.name].takes_length
        # To the millisecond, so that it can be written down and read back.
        from_s, lasts_s = round(at_s, 3), max(0.001, round(length_s, 3)) if takes_length else math.inf
        free_s[kind.name] = from_s + (0.0 if KINDS[kind.name].momentary else lasts_s)
        yield Fault(kind.name, kind.argument, kind.delay_s, from_s, lasts_s)
