"""SCPI as an instrument understands it: program messages in, response messages out (SCPI-1999 volume 1, IEEE 488.2).

An `Interpreter` holds a table of commands, written as manuals write them (`[SOURce:]VOLTage[:LEVel]`), an error
queue and the common commands. It knows no transport; `drivers.emulated.scpi_wire` and `.scpi_lan` feed it.
"""

from __future__ import annotations

import itertools
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

QUEUE_LENGTH = 16

_TEXTS = {
    0: "No error",
    -102: "Syntax error",
    -104: "Data type error",
    -108: "Parameter not allowed",
    -109: "Missing parameter",
    -113: "Undefined header",
    -131: "Invalid suffix",
    -151: "Invalid string data",
    -200: "Execution error",
    -211: "Trigger ignored",
    -221: "Settings conflict",
    -222: "Data out of range",
    -224: "Illegal parameter value",
    -350: "Queue overflow",
    -410: "Query INTERRUPTED",
}
"""SCPI-1999 21.8.9 to 21.8.11: the numbers and texts that are used here."""

_NODE = re.compile(r"(?P<optional>\[:?)?(?P<name>\*?[A-Za-z]+):?\]?")
_HEADER = re.compile(r":?\*?[A-Za-z][A-Za-z0-9_]*(?::[A-Za-z][A-Za-z0-9_]*)*\??")
_NUMBER = re.compile(r"(?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:\s*[eE]\s*[+-]?\d+)?)\s*(?P<suffix>[A-Za-z%]*)")

# IEEE 488.2 7.7.3: M is milli, but mega before hertz.
_MULTIPLIERS = {"": 1.0, "K": 1e3, "M": 1e-3, "U": 1e-6, "N": 1e-9, "MA": 1e6}


class ScpiError(Exception):
    """What goes into the error queue.

    Args:
        code: a SCPI error number.
    """

    def __init__(self, code: int) -> None:
        super().__init__(f"{code} {_TEXTS[code]}")
        self.code = code


Setter = Callable[[Sequence[str]], None]
Query = Callable[[Sequence[str]], str]


@dataclass(frozen=True, slots=True)
class Entry:
    """What a header does, without and with its question mark; None for a form that does not exist."""

    set: Setter | None = None
    query: Query | None = None


def number(text: str, unit: str, low: float, high: float) -> float:
    """Read a decimal numeric parameter with an optional suffix: `230`, `1.5E+2`, `230V`, `0.23 kV`, `MIN`, `MAX`.

    Args:
        text: the parameter.
        unit: "V", "A", "HZ", "S", "MS" (for instruments that count milliseconds) or "" for none.
        low: least value, in the unit.
        high: greatest value, in the unit.

    Raises:
        ScpiError: -104 for no number, -131 for another unit, -222 outside the range.
    """
    word = text.strip().upper()
    if word in ("MIN", "MINIMUM"):
        return low
    if word in ("MAX", "MAXIMUM"):
        return high
    match = _NUMBER.fullmatch(word)
    if match is None:
        raise ScpiError(-104)
    value = float(re.sub(r"\s", "", match["number"])) * _scale(match["suffix"], unit)
    if not low <= value <= high:
        raise ScpiError(-222)
    return value


def _scale(suffix: str, unit: str) -> float:
    if not suffix or suffix == unit:
        return 1.0
    base = "S" if unit == "MS" else unit
    if not base or not suffix.endswith(base):
        raise ScpiError(-131)
    prefix = suffix.removesuffix(base)
    if prefix not in _MULTIPLIERS:
        raise ScpiError(-131)
    multiplier = 1e6 if base == "HZ" and prefix == "M" else _MULTIPLIERS[prefix]
    return multiplier * 1000 if unit == "MS" else multiplier


def integer(text: str, low: int, high: int) -> int:
    """Read a whole number; a fraction is rounded, as IEEE 488.2 7.7.2 has it."""
    return round(number(text, "", low, high))


def boolean(text: str) -> bool:
    """Read ON, OFF, or a number that is OFF when it rounds to zero (SCPI-1999 7.3)."""
    word = text.strip().upper()
    if word in ("ON", "OFF"):
        return word == "ON"
    try:
        return round(float(word)) != 0
    except ValueError:
        raise ScpiError(-224) from None


def keyword(text: str, *words: str) -> str:
    """Read one of several words, written as manuals do (`CYCle`), in its long or short form; upper case comes back."""
    for word in words:
        if text.strip().upper() in (word.upper(), _short(word)):
            return word.upper()
    raise ScpiError(-224)


class Interpreter:
    """One instrument's command language; several connections share it, and so its error queue.

    Args:
        identity: the answer to `*IDN?`.
        reset: called for `*RST`.
        table: entries by header, written as manuals write it.

    Attributes:
        on_heard: called for every message, whatever is in it.
    """

    def __init__(self, identity: str, reset: Callable[[], None], table: Mapping[str, Entry]) -> None:
        self.on_heard: Callable[[], None] = lambda: None
        self.errors: deque[int] = deque()
        self._event_status = 128  # power on
        self._event_enable = 0
        common = {
            "*IDN": Entry(query=lambda _: identity),
            "*RST": Entry(set=lambda _: reset()),
            "*CLS": Entry(set=lambda _: self._clear()),
            "*OPC": Entry(set=lambda _: self._raise_event(1), query=lambda _: "1"),
            "*WAI": Entry(set=lambda _: None),
            "*ESR": Entry(query=lambda _: self._take_event_status()),
            "*ESE": Entry(set=self._enable_events, query=lambda _: str(self._event_enable)),
            "*SRE": Entry(set=lambda _: None, query=lambda _: "0"),
            "*STB": Entry(query=lambda _: str(32 if self._event_status & self._event_enable else 0)),
            "*TST": Entry(query=lambda _: "0"),
            "SYSTem:ERRor[:NEXT]": Entry(query=lambda _: self._next_error()),
            "SYSTem:VERSion": Entry(query=lambda _: "1999.0"),
        }
        self._entries = {form: entry for header, entry in {**common, **table}.items() for form in _forms(header)}

    def execute(self, message: str) -> str | None:
        """Carry out one program message; the response message, or None if it held no query."""
        self.on_heard()
        responses: list[str] = []
        path = ""
        for unit in _split(message, ";"):
            if unit.strip():
                try:
                    path, response = self._unit(unit.strip(), path)
                except ScpiError as error:
                    self.put_error(error.code)
                    if -200 < error.code <= -100:
                        # IEEE 488.2 6.1.6: after a command error the parser cannot know where it is.
                        break
                else:
                    if response is not None:
                        responses.append(response)
        return ";".join(responses) if responses else None

    def put_error(self, code: int) -> None:
        """Put an error into the queue; one that does not fit turns the last into -350 (SCPI-1999 21.8.1)."""
        self._raise_event(_event_bit(code))
        if len(self.errors) < QUEUE_LENGTH:
            self.errors.append(code)
        else:
            self.errors[-1] = -350

    def _unit(self, unit: str, path: str) -> tuple[str, str | None]:
        header, *parameters = unit.split(None, 1)
        if not _HEADER.fullmatch(header):
            raise ScpiError(-102)
        query = header.endswith("?")
        name = header.rstrip("?").upper()
        if not name.startswith("*"):
            # SCPI-1999 volume 1, 6.2.4: a header goes on from the level of the one before, a colon from the root.
            name = name[1:] if name.startswith(":") else path + name
            path = name[: name.rfind(":") + 1]
        # A numeric suffix of 1 may be left out, and so it may be there (SCPI-1999 6.2.5.2).
        entry = self._entries.get(name) or self._entries.get(re.sub(r"1(?=:|$)", "", name))
        action = None if entry is None else entry.query if query else entry.set
        if action is None:
            raise ScpiError(-113)
        return path, action([part.strip() for part in _split(parameters[0], ",")] if parameters else [])

    def _enable_events(self, parameters: Sequence[str]) -> None:
        self._event_enable = integer(one(parameters), 0, 255)

    def _raise_event(self, bit: int) -> None:
        self._event_status |= bit

    def _take_event_status(self) -> str:
        status, self._event_status = self._event_status, 0
        return str(status)

    def _clear(self) -> None:
        self.errors.clear()
        self._event_status = 0

    def _next_error(self) -> str:
        code = self.errors.popleft() if self.errors else 0
        return f'{code},"{_TEXTS[code]}"'


def one(parameters: Sequence[str]) -> str:
    """The only parameter.

    Raises:
        ScpiError: -109 for none, -108 for more.
    """
    if len(parameters) != 1:
        raise ScpiError(-108 if parameters else -109)
    return parameters[0]


def _event_bit(code: int) -> int:
    # IEEE 488.2 11.5.1: command, execution, device dependent and query error.
    return {1: 32, 2: 16, 3: 8, 4: 4}[-code // 100]


def _split(text: str, separator: str) -> Iterator[str]:
    """Split outside of quotes."""
    begin, quote = 0, ""
    for position, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character == separator:
            yield text[begin:position]
            begin = position + 1
    yield text[begin:]


def _short(word: str) -> str:
    return "".join(character for character in word if not character.islower()).upper()


def _forms(header: str) -> Iterator[str]:
    """Every way to write a header: each node long or short, optional ones left out."""
    choices: list[list[str]] = []
    for match in _NODE.finditer(header):
        names = list(dict.fromkeys([match["name"].upper(), _short(match["name"])]))
        choices.append([*names, ""] if match["optional"] else names)
    for nodes in itertools.product(*choices):
        yield ":".join(node for node in nodes if node)
