"""The emulated AC source: settings, an output stage on a `SupplyNode`, and programs that run on the loop's timers."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from drivers.emulated.scpi_grammar import ScpiError
from drivers.emulated.supply import SupplyNode, Trajectory


class Mode(StrEnum):
    """What drives the output: the plain setting, or a program once it is triggered."""

    FIXED = "FIXED"
    LIST = "LIST"
    PULSE = "PULSE"
    STEP = "STEP"


@dataclass(frozen=True, slots=True)
class Segment:
    """One piece of a program: from one voltage to another, linearly, in a time."""

    start_v: float
    end_v: float
    duration_s: float


@dataclass(slots=True)
class Disobedience:
    """How the source may fail to do what it says.

    Attributes:
        ignores: commands are accepted and nothing is set.
        stuck: settings are taken, and the output does not follow them.
    """

    ignores: bool = False
    stuck: bool = False


class AcSourceModel:
    """State and physics of the source.

    Args:
        loop: its timers run programs.
        node: the output terminals, driven by nobody else.
        volts: voltage setting after `*RST` and at the start.
        on: whether the output is on at the start.
        load_ohms: resistance at the terminals, for the ammeter.
        noise: source of the measurements' noise; None measures without any.
    """

    MOST_VOLTS = 300.0
    LEAST_HERTZ, MOST_HERTZ = 15.0, 1000.0

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        node: SupplyNode,
        *,
        volts: float = 0.0,
        on: bool = False,
        load_ohms: float = 529.0,
        noise: random.Random | None = None,
    ) -> None:
        self._loop = loop
        self._node = node
        self._reset_volts = volts
        self._load_ohms = load_ohms
        self._noise = noise
        self._timer: asyncio.TimerHandle | None = None
        self._alone: asyncio.TimerHandle | None = None
        self.disobedience = Disobedience()
        self.program: Sequence[Segment] = ()
        self.program_count = 1
        self.limit_volts = self.MOST_VOLTS
        self._set_defaults()
        if on:
            self.switch(True)

    def reset(self) -> None:
        """`*RST`: output off, settings as at the start, the watchdog off and not tripped (inferred: as after power)."""
        self.stop_program()
        self._set_defaults()
        self.heard()
        self._drive()

    def close(self) -> None:
        """Cancel the timers."""
        self._end_timer()
        if self._alone is not None:
            self._alone.cancel()
            self._alone = None

    def heard(self) -> None:
        """A message has come, whatever is in it: the watchdog's time begins anew."""
        if self._alone is not None:
            self._alone.cancel()
            self._alone = None
        if self.watchdog_on:
            self._alone = self._loop.call_later(self.watchdog_s, self._trip)

    def set_watchdog(self, on: bool) -> None:
        """Switch the watchdog; one that has tripped stays so."""
        self.watchdog_on = on
        self.heard()

    def set_watchdog_time(self, seconds: float) -> None:
        """Set how long the watchdog waits, in seconds."""
        self.watchdog_s = seconds
        self.heard()

    def clear_protection(self) -> None:
        """End the latch of a watchdog that has tripped: the output is what its switch says."""
        self.tripped = False
        self._drive()

    def _trip(self) -> None:
        """Take the output away and keep it so; the switch goes on saying what it says."""
        self._alone = None
        self.tripped = True
        if self.running:
            self._end_timer()
        self._drive()

    def _end_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def switch(self, on: bool) -> None:
        """Switch the output; off ends a program."""
        if self.disobedience.ignores:
            return
        if not on:
            self.stop_program()
        self.on = on
        self._drive()

    def set_volts(self, volts: float) -> None:
        """Set the voltage; the output follows at the slew rate unless a program drives it.

        Raises:
            ScpiError: -222 above the limit.
        """
        if volts > self.limit_volts:
            raise ScpiError(-222)
        if not self.disobedience.ignores:
            self.volts = volts
            self._drive()

    def set_limit(self, volts: float) -> None:
        """Set the highest voltage that may be set; -221 if the voltage is above it."""
        if volts < self.volts:
            raise ScpiError(-221)
        self.limit_volts = volts

    def set_hertz(self, hertz: float) -> None:
        """Set the frequency."""
        if not self.disobedience.ignores:
            self.hertz = hertz

    def set_mode(self, mode: Mode) -> None:
        """Choose what drives the output; FIXED ends a program, and no other can begin while one runs (-221)."""
        if self.running and mode is not Mode.FIXED:
            raise ScpiError(-221)
        if not self.disobedience.ignores:
            self.stop_program()
            self.mode = mode

    @property
    def running(self) -> bool:
        """Whether a program drives the output."""
        return self._timer is not None

    def run(self, segments: Sequence[Segment], count: int) -> None:
        """Start a program: segments one after another, `count` times, for ever if that is 0.

        Raises:
            ScpiError: -221 if one runs, the output is off or the mode is FIXED; -222 if a voltage is above the limit.
        """
        if self.running or not self.on or self.tripped or self.mode is Mode.FIXED:
            raise ScpiError(-221)
        if not segments or math.fsum(segment.duration_s for segment in segments) <= 0:
            raise ScpiError(-221)
        if any(max(segment.start_v, segment.end_v) > self.limit_volts for segment in segments):
            raise ScpiError(-222)
        if self.disobedience.ignores:
            return
        self.program, self.program_count = segments, count
        self._segment(0, self._loop.time())

    def stop_program(self) -> None:
        """End a program; the output returns to the plain setting."""
        if self.running:
            self._end_timer()
            self._drive()

    def measure_volts(self) -> float:
        """RMS volts at the terminals."""
        return max(0.0, self._node.volts + self._error(0.02))

    def measure_amps(self) -> float:
        """RMS amperes into the load."""
        return max(0.0, self._node.volts / self._load_ohms + self._error(0.0005))

    def measure_hertz(self) -> float:
        """Frequency at the terminals; 0 where there is no voltage."""
        return self.hertz + self._error(0.001) if self._node.volts > 0 else 0.0

    def measure_watts(self) -> float:
        """Power into the load."""
        return self._node.volts**2 / self._load_ohms

    def _set_defaults(self) -> None:
        self.on = False
        self.volts = self._reset_volts
        self.hertz = 50.0
        self.limit_volts = self.MOST_VOLTS
        self.slew_v_per_s = math.inf
        self.mode = Mode.FIXED
        self.watchdog_on, self.watchdog_s, self.tripped = False, 60.0, False

    def _error(self, sigma: float) -> float:
        return self._noise.gauss(0.0, sigma) if self._noise is not None else 0.0

    def _drive(self) -> None:
        """Let the output follow the plain setting."""
        if self.running or self.disobedience.stuck:
            return
        if not self.on or self.tripped:
            self._node.step(0.0)
        elif math.isinf(self.slew_v_per_s):
            self._node.step(self.volts)
        else:
            self._node.ramp(self.volts, self.slew_v_per_s)

    def _segment(self, index: int, begin_s: float) -> None:
        """Begin a segment; moments are added up from the trigger, so that they do not drift."""
        length = len(self.program)
        if self.program_count and index >= length * self.program_count:
            self._timer = None
            self._drive()
            return
        segment = self.program[index % length]
        end_s = begin_s + segment.duration_s
        if not self.disobedience.stuck and segment.duration_s > 0:
            slope = abs(segment.end_v - segment.start_v) / segment.duration_s
            self._node.follow(Trajectory(begin_s, segment.start_v, segment.end_v, slope or math.inf))
        self._timer = self._loop.call_at(end_s, self._segment, index + 1, end_s)
