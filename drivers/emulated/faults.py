"""What can be made to go wrong in an emulated world: `NAME[:ARG][@DELAY][ from MOMENT][ for LENGTH]`.

`alert-never:0x8F36`, `response-late:8.11@90s`, `meter-silent from 20 min for 30 s`. A fault applies from the start of
the world to its end, unless it says from when and for how long. Without ARG a fault of an alert or a response
applies to every one. The names are those of `drivers.emulated.fault_kinds`.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bench.errors import UsageError
from bench.quantities import parse as parse_quantity
from drivers.emulated.fault_kinds import KINDS, KNOWN, STORM, canonical_code

__all__ = ["KNOWN", "STORM", "Fault", "Faults", "canonical_code"]

_FORM = re.compile(
    r"(?P<name>[a-z0-9-]+)(?::(?P<argument>[^@]+?))?(?:@(?P<delay>.+?))?"
    r"(?:\s+from\s+(?P<start>\S.*?))?(?:\s+for\s+(?P<length>\S.*))?"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault as asked for.

    Attributes:
        name: a key of `KNOWN`.
        argument: ARG in its one form, or None.
        delay_s: DELAY, or the default of the kind; 0 where the kind has none.
        from_s: MOMENT: seconds after the start of the world.
        lasts_s: LENGTH; endless where none is given.
    """

    name: str
    argument: str | None
    delay_s: float
    from_s: float = 0.0
    lasts_s: float = math.inf

    @property
    def begins_s(self) -> float:
        """When it begins, in seconds after the start of the world."""
        kind = KINDS[self.name]
        return self.from_s + (self.delay_s if kind.wire or kind.later else 0.0)

    @property
    def ends_s(self) -> float:
        """When it is over, in seconds after the start of the world; at once if it is momentary."""
        return self.begins_s + (0.0 if KINDS[self.name].momentary else self.lasts_s)

    def __str__(self) -> str:
        """The text that reads back as this fault."""
        kind = KINDS[self.name]
        text = self.name + (f":{_argument_text(self)}" if self.argument is not None else "")
        text += f"@{self.delay_s:.12g}s" if self.delay_s != (kind.delay_s or 0.0) else ""
        text += f" from {self.from_s:.12g} s" if self.from_s else ""
        return text + (f" for {self.lasts_s:.12g} s" if math.isfinite(self.lasts_s) else "")

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Read `NAME[:ARG][@DELAY][ from MOMENT][ for LENGTH]`.

        Raises:
            UsageError: the name is not known (the known ones are listed), or something else does not fit it.
        """
        match = _FORM.fullmatch(text.strip())
        kind = KINDS.get(match["name"]) if match else None
        if match is None or kind is None:
            name = match["name"] if match else text
            close = difflib.get_close_matches(name, KINDS, 1)
            hint = f"Did you mean {close[0]}? " if close else ""
            raise UsageError(f"there is no fault {name!r}", next_step=f"{hint}Known faults: {', '.join(KINDS)}")
        argument, delay = match["argument"], match["delay"]
        where = f"fault {text.strip()!r}"
        if argument is not None and kind.argument is None:
            raise UsageError(f"{match['name']} takes no argument", where=where)
        if argument is None and kind.required:
            raise UsageError(f"{match['name']} needs an argument", where=where, next_step=kind.description)
        if delay is not None and kind.delay_s is None:
            raise UsageError(f"{match['name']} takes no delay", where=where)
        if match["length"] is not None and not kind.takes_length:
            why = "is over by itself" if kind.momentary else "lasts to the end of the world"
            raise UsageError(f"{match['name']} {why}, and takes no length", where=where)
        try:
            read = kind.argument(argument) if kind.argument is not None and argument is not None else None
            delay_s = parse_quantity(delay, "duration") if delay is not None else kind.delay_s or 0.0
            from_s = parse_quantity(match["start"], "duration") if match["start"] is not None else 0.0
            lasts_s = parse_quantity(match["length"], "duration") if match["length"] is not None else math.inf
        except ValueError as error:
            raise UsageError(str(error), where=where) from None
        if delay_s < 0 or from_s < 0:
            raise UsageError("a delay is not negative", where=where)
        if lasts_s <= 0:
            raise UsageError("a fault lasts longer than no time", where=where)
        return cls(match["name"], read, delay_s, from_s, lasts_s)


def _argument_text(fault: Fault) -> str:
    units = {"mains-sag": " V", "mains-brown-out": " V", "mains-flicker": " V", "mains-frequency-drift": " Hz"}
    return f"{fault.argument}{units.get(fault.name, '')}"


class Faults:
    """The faults of one emulated world.

    Args:
        texts: each `NAME[:ARG][@DELAY][ from MOMENT][ for LENGTH]`.

    Attributes:
        age_s: says how old the world is; faults are found while they last.

    Raises:
        UsageError: with the first one that cannot be read.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._faults = tuple(Fault.parse(text) for text in texts)
        self.age_s: Callable[[], float] = lambda: 0.0

    def find(self, name: str, argument: str | None = None) -> Fault | None:
        """The first fault of a name that lasts now and has no ARG or this one, or None; without it, with any ARG."""
        if name not in KINDS:
            raise KeyError(name)
        if not self._faults:
            return None
        now_s = self.age_s()
        found = (fault for fault in self._faults if fault.name == name and fault.from_s <= now_s < _until_s(fault))
        return next((fault for fault in found if argument is None or fault.argument in (None, argument)), None)

    def all(self, name: str) -> Sequence[Fault]:
        """Every fault of a name, in the order given, whether it lasts now or not."""
        return [fault for fault in self._faults if fault.name == name]

    def lasting(self, name: str) -> Sequence[Fault]:
        """Every fault of a name that lasts now."""
        now_s = self.age_s()
        return [fault for fault in self._faults if fault.name == name and fault.from_s <= now_s < _until_s(fault)]

    def every(self) -> Sequence[Fault]:
        """Every fault, in the order given."""
        return self._faults

    def names(self) -> Sequence[str]:
        """The names of the faults, in the order given."""
        return [fault.name for fault in self._faults]


def _until_s(fault: Fault) -> float:
    return fault.from_s + fault.lasts_s
