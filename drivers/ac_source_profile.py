"""Command sets of AC sources, as data: `ac_source_profiles.json`, one entry a family of instruments.

A command is a template of `str.format`; its digits say how finely the instrument can be set. Its query is its header
with a question mark, which is how every setting is read back. Each profile names the manual or standard that it
follows, and what in it was not verified against that.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

_STRICT = ConfigDict(extra="forbid", frozen=True)

Quantity = Literal["voltage", "current", "frequency", "power"]

UNITS = {"voltage": "V", "current": "A", "frequency": "Hz", "power": "W"}
"""The unit of each quantity that a source may measure."""


class Program(BaseModel):
    """How the instrument times a change of its output by itself.

    Templates of `excursion` may use volts, hertz, duration_ms and period_ms (twice the duration); those of `ramp`
    from_volts, volts, hertz, duration_ms and hold_ms (how long it stays at the end before the program is over).

    Attributes:
        on: starts the program.
        off: stops it.
        state: asks whether it runs.
        running: the answer while it does.
        fixed: leaves the program for the plain setting.
        longest_excursion_s: seconds up to which an excursion is left to the instrument.
        longest_ramp_s: seconds up to which a ramp is.
        excursion: sets up a sag or swell that ends by itself.
        ramp: sets up a ramp that stays at its end.
    """

    model_config = _STRICT

    on: str
    off: str
    state: str
    running: str
    fixed: str
    longest_excursion_s: float
    longest_ramp_s: float
    excursion: tuple[str, ...]
    ramp: tuple[str, ...]


class WatchdogCommands(BaseModel):
    """An instrument's own watchdog: its output goes when it hears nothing, and stays so until that is cleared.

    Attributes:
        delay: template with delay_s: how long it waits, in seconds.
        state: template with state, ON or OFF.
        clear: ends the latch; the output is then what its own switch says, on or off.
        tripped: asks for a register of bits.
        tripped_mask: the bit that says that it has tripped.
        shortest_s: shortest time that it can wait, in seconds; it counts whole ones.
        longest_s: longest time.
    """

    model_config = _STRICT

    delay: str
    state: str
    clear: str
    tripped: str
    tripped_mask: int
    shortest_s: int
    longest_s: int


class Profile(BaseModel):
    """One family's command set.

    Attributes:
        follows: the manual or standard.
        unverified: what in the profile is an assumption.
        identity: what the answer to `*IDN?` must contain.
        output: template with state, ON or OFF.
        voltage: template with volts, RMS.
        frequency: template with hertz.
        measure: query by quantity.
        latency_s: longest from the acceptance of a command to its effect at the terminals.
        ramp_interval_s: seconds between the steps of a ramp that the bench makes.
        program: None for an instrument without timing of its own.
        watchdog: None for an instrument that has none, or none that is known.
    """

    model_config = _STRICT

    follows: str
    unverified: tuple[str, ...] = ()
    identity: str = ""
    output: str
    voltage: str
    frequency: str
    measure: dict[Quantity, str]
    latency_s: float
    ramp_interval_s: float
    program: Program | None = None
    watchdog: WatchdogCommands | None = None


@cache
def profiles() -> dict[str, Profile]:
    """Every profile by name."""
    text = files("drivers").joinpath("ac_source_profiles.json").read_bytes()
    return TypeAdapter(dict[str, Profile]).validate_json(text)


def query_of(command: str) -> str:
    """The query that reads a setting back: `VOLT 230` gives `VOLT?`."""
    return command.split(" ", 1)[0] + "?"


def differs(command: str, reply: str) -> bool:
    """Whether a reply to the query of a command says something else than the command did.

    Numbers may differ by rounding of the last digit that was sent; ON is 1, and words have a short form.
    """
    asked, got = command.split(" ", 1)[1].split(","), reply.strip().split(",")
    return len(asked) != len(got) or any(not _same(one, other) for one, other in zip(asked, got, strict=True))


def _same(asked: str, got: str) -> bool:
    try:
        number, read = float(asked), float(got)
    except ValueError:
        # SCPI-1999 6.2.1: a word is its long or its short form, which the long one begins with.
        one, other = asked.strip().upper(), got.strip().upper()
        switch = {"0": "OFF", "1": "ON"}
        one, other = switch.get(one, one), switch.get(other, other)
        return bool(other) and (one == other or (len(other) >= 3 and one.startswith(other)) or other.startswith(one))
    decimals = len(asked.partition(".")[2])
    return abs(number - read) <= 0.6 * 10.0**-decimals
