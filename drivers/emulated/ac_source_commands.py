"""What the emulated AC source understands: plain SCPI-1999, and dialects after the Chroma 61500 and Keysight AC6800B.

The dialect follows the Programmable AC Source 61501/61502/61503/61504 User's Manual, version 1.6, chapter 8, as far
as `drivers/ac_source_profiles.json` says that it is known; the rest is an assumption in both in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from drivers.emulated.ac_source import AcSourceModel, Mode, Segment
from drivers.emulated.scpi_grammar import Entry, Interpreter, ScpiError, boolean, integer, keyword, number, one

_LONGEST_MS = 99_999_999.9
_MOST_COUNT = 65_535
_MOST_POINTS = 100


def plain_interpreter(model: AcSourceModel) -> Interpreter:
    """The language of a source without timing of its own: SOURce, OUTPut, MEASure and SYSTem of SCPI-1999."""
    table = _common(model, "1", "0") | {
        "[SOURce:]VOLTage[:LEVel][:IMMediate][:AMPLitude]": _volts_entry(model),
        "[SOURce:]VOLTage:SLEW[:IMMediate]": _number_entry(model, "slew_v_per_s", "", 0.001, 1e6),
    }
    return Interpreter("Bench,Emulated AC source,0,1", model.reset, table)


def keysight_interpreter(model: AcSourceModel) -> Interpreter:
    """The language of a source with a watchdog: bit 5 of the questionable condition says that it has tripped."""
    table = _common(model, "1", "0") | {
        "[SOURce:]VOLTage[:LEVel][:IMMediate][:AMPLitude]": _volts_entry(model),
        "OUTPut:PROTection:WDOG[:STATe]": Entry(
            lambda p: model.set_watchdog(boolean(one(p))), lambda _: str(int(model.watchdog_on))
        ),
        "OUTPut:PROTection:WDOG:DELay": Entry(
            lambda p: model.set_watchdog_time(integer(one(p), 1, 3600)), lambda _: f"{model.watchdog_s:.0f}"
        ),
        "OUTPut:PROTection:CLEar": Entry(lambda _: model.clear_protection()),
        "STATus:QUEStionable:CONDition": Entry(query=lambda _: str(32 if model.tripped else 0)),
    }
    interpreter = Interpreter("Keysight Technologies,AC6801B,emulated,1.00", model.reset, table)
    interpreter.on_heard = model.heard
    return interpreter


def chroma_interpreter(model: AcSourceModel) -> Interpreter:
    """The language of a source with LIST, PULSE and STEP programs."""
    programs = Programs(model)

    def reset() -> None:
        model.reset()
        programs.reset()

    voltage = "[SOURce:]VOLTage[:LEVel][:IMMediate][:AMPLitude][:AC]"
    table = (
        _common(model, "ON", "OFF")
        | {
            voltage: _volts_entry(model),
            "[SOURce:]VOLTage:LIMit:AC": Entry(
                lambda p: model.set_limit(number(one(p), "V", 0.0, model.MOST_VOLTS)),
                lambda _: f"{model.limit_volts:.1f}",
            ),
            "OUTPut:MODE": Entry(lambda p: model.set_mode(Mode(keyword(one(p), *Mode))), lambda _: model.mode.value),
            "TRIGger": Entry(lambda p: programs.trigger(one(p))),
            "TRIGger:STATe": Entry(query=lambda _: "RUNNING" if model.running else "OFF"),
        }
        | programs.entries()
    )
    return Interpreter("Chroma ATE 61500,emulated,1.00,1.00,1.00", reset, table)


def _common(model: AcSourceModel, yes: str, no: str) -> dict[str, Entry]:
    def reading(measure: Callable[[], float], decimals: int) -> Entry:
        return Entry(query=lambda _: f"{measure():.{decimals}f}")

    quantities = {
        "VOLTage[:AC]": reading(model.measure_volts, 2),
        "CURRent[:AC]": reading(model.measure_amps, 4),
        "FREQuency": reading(model.measure_hertz, 3),
        "POWer[:AC]": reading(model.measure_watts, 2),
    }
    return {
        "OUTPut[:STATe]": Entry(lambda p: model.switch(boolean(one(p))), lambda _: yes if model.on else no),
        "[SOURce:]FREQuency[:CW]": _hertz_entry(model),
        "[SOURce:]FREQuency[:IMMediate]": _hertz_entry(model),
        **{f"{verb}[:SCALar]:{name}": entry for verb in ("MEASure", "FETCh") for name, entry in quantities.items()},
    }


def _volts_entry(model: AcSourceModel) -> Entry:
    return Entry(lambda p: model.set_volts(number(one(p), "V", 0.0, model.MOST_VOLTS)), lambda _: f"{model.volts:.2f}")


def _hertz_entry(model: AcSourceModel) -> Entry:
    def write(parameters: Sequence[str]) -> None:
        model.set_hertz(number(one(parameters), "HZ", model.LEAST_HERTZ, model.MOST_HERTZ))

    return Entry(write, lambda _: f"{model.hertz:.2f}")


def _number_entry(
    target: Any,
    name: str,
    unit: str,
    low: float,
    high: float,
    *,
    decimals: int = 3,
    guard: Callable[[], None] | None = None,
) -> Entry:
    """A number that is an attribute of an object."""

    def write(parameters: Sequence[str]) -> None:
        value = number(one(parameters), unit, low, high)
        if guard is not None:
            guard()
        setattr(target, name, value)

    return Entry(write, lambda _: f"{min(getattr(target, name), high):.{decimals}f}")


@dataclass(slots=True)
class _Pulse:
    """PULSe: one voltage for a part of each period, the plain setting for the rest."""

    volts: float = 0.0
    hertz: float = 50.0
    phase_deg: float = 0.0
    duty_percent: float = 50.0
    period_ms: float = 20.0
    count: float = 1


@dataclass(slots=True)
class _Step:
    """STEP: a voltage, and `count` increments of it, each held for the dwell time."""

    volts: float = 0.0
    hertz: float = 50.0
    phase_deg: float = 0.0
    increment_volts: float = 0.0
    increment_hertz: float = 0.0
    dwell_ms: float = 20.0
    count: float = 1


@dataclass(slots=True)
class _List:
    """LIST: points with a start and an end value and a time, or a number of cycles, between them."""

    cycles: bool = False
    count: float = 1
    dwell: list[float] = field(default_factory=list)
    start_volts: list[float] = field(default_factory=list)
    end_volts: list[float] = field(default_factory=list)
    start_hertz: list[float] = field(default_factory=list)
    end_hertz: list[float] = field(default_factory=list)
    degree: list[float] = field(default_factory=list)


class Programs:
    """Parameters of the three programs, and their trigger.

    Frequencies and phase angles are stored and answered, and change nothing: a `SupplyNode` carries RMS voltage only.
    """

    def __init__(self, model: AcSourceModel) -> None:
        self._model = model
        self.pulse, self.step, self.list = _Pulse(), _Step(), _List()

    def reset(self) -> None:
        """Back to the defaults; in place, since the table of commands refers to the objects."""
        for parameters in (self.pulse, self.step, self.list):
            fresh = type(parameters)()
            for name in parameters.__slots__:
                setattr(parameters, name, getattr(fresh, name))

    def trigger(self, state: str) -> None:
        """Start the program of the mode, or stop it.

        Raises:
            ScpiError: -221 if none can start or its lists differ in length.
        """
        if not boolean(state):
            self._model.stop_program()
            return
        segments, count = self._segments()
        self._model.run(segments, int(count))

    def entries(self) -> dict[str, Entry]:
        """Every parameter by header."""
        model, pulse, step, points = self._model, self.pulse, self.step, self.list
        most_v, low_hz, high_hz = model.MOST_VOLTS, model.LEAST_HERTZ, model.MOST_HERTZ

        def value(target: Any, name: str, unit: str, low: float, high: float, decimals: int = 1) -> Entry:
            return _number_entry(target, name, unit, low, high, decimals=decimals, guard=self._idle)

        def sequence(name: str, unit: str, low: float, high: float, decimals: int = 1) -> Entry:
            return self._sequence_entry(name, unit, low, high, decimals)

        return {
            "[SOURce:]PULSe:VOLTage:AC": value(pulse, "volts", "V", 0.0, most_v),
            "[SOURce:]PULSe:FREQuency": value(pulse, "hertz", "HZ", low_hz, high_hz, 2),
            "[SOURce:]PULSe:SPHase": value(pulse, "phase_deg", "", 0.0, 359.9),
            "[SOURce:]PULSe:COUNt": value(pulse, "count", "", 0, _MOST_COUNT, 0),
            "[SOURce:]PULSe:DCYCle": value(pulse, "duty_percent", "%", 0.0, 100.0, 0),
            "[SOURce:]PULSe:PERiod": value(pulse, "period_ms", "MS", 0.0, _LONGEST_MS),
            "[SOURce:]STEP:VOLTage:AC": value(step, "volts", "V", 0.0, most_v),
            "[SOURce:]STEP:FREQuency": value(step, "hertz", "HZ", low_hz, high_hz, 2),
            "[SOURce:]STEP:SPHase": value(step, "phase_deg", "", 0.0, 359.9),
            "[SOURce:]STEP:DVOLtage:AC": value(step, "increment_volts", "V", -most_v, most_v),
            "[SOURce:]STEP:DFRequency": value(step, "increment_hertz", "HZ", -high_hz, high_hz, 2),
            "[SOURce:]STEP:DWELl": value(step, "dwell_ms", "MS", 0.0, _LONGEST_MS),
            "[SOURce:]STEP:COUNt": value(step, "count", "", 0, _MOST_COUNT, 0),
            "[SOURce:]LIST:COUNt": value(points, "count", "", 0, _MOST_COUNT, 0),
            "[SOURce:]LIST:BASE": Entry(self._set_base, lambda _: "CYCLE" if points.cycles else "TIME"),
            "[SOURce:]LIST:DWELl": sequence("dwell", "MS", 0.0, _LONGEST_MS),
            "[SOURce:]LIST:VOLTage:AC:STARt": sequence("start_volts", "V", 0.0, most_v),
            "[SOURce:]LIST:VOLTage:AC:END": sequence("end_volts", "V", 0.0, most_v),
            "[SOURce:]LIST:FREQuency:STARt": sequence("start_hertz", "HZ", low_hz, high_hz, 2),
            "[SOURce:]LIST:FREQuency:END": sequence("end_hertz", "HZ", low_hz, high_hz, 2),
            "[SOURce:]LIST:DEGRee": sequence("degree", "", 0.0, 359.9),
        }

    def _idle(self) -> None:
        """Parameters change in FIXED mode only: TRIG OFF and OUTPut:MODE FIXED come first."""
        if self._model.running or self._model.mode is not Mode.FIXED:
            raise ScpiError(-221)

    def _set_base(self, parameters: Sequence[str]) -> None:
        cycles = keyword(one(parameters), "TIME", "CYCLe") == "CYCLE"
        self._idle()
        self.list.cycles = cycles

    def _sequence_entry(self, name: str, unit: str, low: float, high: float, decimals: int) -> Entry:
        def write(parameters: Sequence[str]) -> None:
            if not parameters:
                raise ScpiError(-109)
            if len(parameters) > _MOST_POINTS:
                raise ScpiError(-108)
            values = [number(text, unit, low, high) for text in parameters]
            self._idle()
            setattr(self.list, name, values)

        return Entry(write, lambda _: ",".join(f"{value:.{decimals}f}" for value in getattr(self.list, name)))

    def _segments(self) -> tuple[list[Segment], float]:
        plain_v = self._model.volts
        match self._model.mode:
            case Mode.PULSE:
                pulse = self.pulse
                period_s = pulse.period_ms / 1000
                active_s = period_s * pulse.duty_percent / 100
                return [
                    Segment(pulse.volts, pulse.volts, active_s),
                    Segment(plain_v, plain_v, period_s - active_s),
                ], pulse.count
            case Mode.STEP:
                step = self.step
                levels = [step.volts + step.increment_volts * index for index in range(int(step.count) + 1)]
                if min(levels) < 0:
                    raise ScpiError(-222)
                return [Segment(level, level, step.dwell_ms / 1000) for level in levels], 1
            case Mode.LIST:
                return self._list_segments(), self.list.count
        return [], 1

    def _list_segments(self) -> list[Segment]:
        points = self.list
        lists = (points.dwell, points.start_volts, points.end_volts, points.start_hertz, points.end_hertz)
        if len({len(values) for values in lists}) != 1:
            raise ScpiError(-221)
        segments = []
        for dwell, start_v, end_v, start_hz, end_hz in zip(*lists, strict=True):
            # A cycle lasts as long as the mean of the two frequencies has it.
            duration_s = dwell * 2 / (start_hz + end_hz) if points.cycles else dwell / 1000
            segments.append(Segment(start_v, end_v, duration_s))
        return segments
