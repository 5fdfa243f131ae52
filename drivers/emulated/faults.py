"""What can be made to go wrong in an emulated world, by name: `NAME[:ARG][@DELAY]`.

`alert-never:0x8F36`, `response-late:8.11@90s`, `device-clock-off:75`. A fault applies from the start of the world
to its end. Without ARG a fault of an alert or a response applies to every one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.errors import UsageError
from bench.gbcs import catalogue
from bench.gbcs.alerts import INTEGRITY_REASONS
from bench.quantities import parse as parse_quantity

_FORM = re.compile(r"(?P<name>[a-z0-9-]+)(?::(?P<argument>[^@]+))?(?:@(?P<delay>.+))?")
_DEVICE_CODE = re.compile(r"(?:0[xX])?([0-9A-Fa-f]{4})")
_DCC_CODE = re.compile(r"(?:AD|N)\d{1,3}")
_VARIANT = re.compile(r"\d{1,2}(?:\.\d{1,2}){1,3}")


STORM = 100
"""Alerts in a storm, the one that begins it among them."""


def canonical_code(text: str) -> str:
    """Write an alert code in one way: `0x8F35` for a device alert, `AD1` or `N24` for a DCC alert.

    Raises:
        ValueError: it is neither.
    """
    upper = text.strip().upper()
    if _DCC_CODE.fullmatch(upper):
        return upper
    match = _DEVICE_CODE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no alert code: write 0x8F35, AD1 or N24")
    return f"0x{match[1].upper()}"


def _signed_code(text: str) -> str:
    code = canonical_code(text)
    entry = catalogue.alert_entry(int(code, 16)) if code.startswith("0x") else None
    if entry is not None and entry.critical is False and entry.in_gbcs:
        raise ValueError(f"{code} is not critical, so that it has no signature: alert-bad-mac:{code}")
    return code


def _maced_code(text: str) -> str:
    code = canonical_code(text)
    entry = catalogue.alert_entry(int(code, 16)) if code.startswith("0x") else None
    if entry is None or entry.critical is not False or not entry.in_gbcs:
        raise ValueError(f"{code} has a signature and no MAC: alert-bad-signature:{code}")
    return code


def _code_of_device(text: str) -> str:
    code = canonical_code(text)
    if code.startswith("N"):
        raise ValueError(f"{code} is from no device: write 0x8F35 or AD1")
    return code


def _variant(text: str) -> str:
    if not _VARIANT.fullmatch(text):
        raise ValueError(f"{text!r} is no Service Reference Variant: write 8.11 or 6.20.1")
    return text


def _seconds(text: str) -> str:
    try:
        return repr(float(text))
    except ValueError:
        return repr(parse_quantity(text, "duration"))


def _defect(text: str) -> str:
    words = [reason.replace(" ", "-") for reason in INTEGRITY_REASONS]
    if text.isdecimal() and int(text) < len(words):
        return str(int(text))
    if text.lower() not in [word.lower() for word in words]:
        raise ValueError(f"{text!r} is no defect: write {', '.join(words)}, or its number from 0 on")
    return str([word.lower() for word in words].index(text.lower()))


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One way to go wrong.

    Attributes:
        description: what happens, for people.
        argument: reads ARG into its one form; None where there is no ARG.
        required: ARG must be given.
        delay_s: what DELAY is where it is not given; None where the fault has no DELAY.
    """

    description: str
    argument: Callable[[str], str] | None = None
    required: bool = False
    delay_s: float | None = None


def _alert(description: str, delay_s: float | None = None) -> FaultKind:
    return FaultKind(description, canonical_code, delay_s=delay_s)


def _wire(description: str) -> FaultKind:
    return FaultKind(f"{description}, DELAY after the start", delay_s=0.0)


_KINDS: Mapping[str, FaultKind] = {
    "alert-never": _alert("the alert ARG is raised and never arrives"),
    "alert-late": _alert("the alert ARG arrives DELAY (default 1 h) later than it should", 3600.0),
    "alert-twice": _alert("the alert ARG is delivered again, the very same message, DELAY (default 2 s) later", 2.0),
    "alert-wrong-code": _alert("the device says another code, duly protected, in place of ARG"),
    "alert-bad-signature": FaultKind("the signature of the alert ARG does not verify", _signed_code),
    "alert-bad-mac": FaultKind("the MAC of the alert ARG does not verify", _maced_code),
    "alert-wrong-device": FaultKind("the alert ARG is from another device than the one it concerns", _code_of_device),
    "alert-wrong-user": _alert("the alert ARG goes to another User than the one it is for"),
    "alert-replay": _alert(
        "from DELAY (default 0 s) after the start on, an earlier alert ARG comes again in place of a new one",
        0.0,
    ),
    "alert-storm": _alert(
        f"each alert ARG is followed by {STORM - 1} more of its kind, each new, one every DELAY (default 1 s)",
        1.0,
    ),
    "forbidden-alert": FaultKind(
        "the alert ARG arrives, duly protected, DELAY (default 5 s) after every stimulus that it could belong to",
        canonical_code,
        required=True,
        delay_s=5.0,
    ),
    "n24-missing": FaultKind("no DCC alert follows a device log update"),
    "n24-wrong-request": FaultKind("N24 names another Service Request than the one that it answers"),
    "log-update-rejected": FaultKind("the Comms Hub refuses 8.11: an error response, and N25 rather than N24"),
    "response-never": FaultKind("the response to variant ARG never arrives", _variant),
    "response-late": FaultKind(
        "the response to variant ARG arrives DELAY (default 1 h) late", _variant, delay_s=3600.0
    ),
    "response-error": FaultKind("the device refuses variant ARG", _variant, required=True),
    "dcc-silent": _wire("the DCC accepts connections and says nothing"),
    "dcc-bad-xml-signature": _wire("what the DCC sends has signatures that do not verify"),
    "dcc-garbled": _wire("the DCC answers and sends what is not XML"),
    "source-ignores": _wire("the AC source accepts commands and follows none"),
    "source-silent": _wire("the AC source answers nothing"),
    "source-slow": _wire("the AC source answers late"),
    "source-garbled": _wire("the AC source answers what makes no sense"),
    "source-vanishes": _wire("the AC source drops its connection and takes no new one"),
    "relay-silent": _wire("the relay answers nothing"),
    "relay-ignores": _wire("the relay accepts commands and its contact does not move"),
    "meter-silent": _wire("the reference meter answers nothing"),
    "broker-restart": _wire("the MQTT broker goes away for a few seconds"),
    "console-unplugged": _wire("the console's line is unplugged"),
    "sniffer-unplugged": _wire("the HAN sniffer is unplugged"),
    "sniffer-garbled": _wire("the HAN sniffer prints garbage"),
    "hub-boot-slow": FaultKind("the Comms Hub takes DELAY (default 30 min) longer to boot", delay_s=1800.0),
    "join-not-on-air": FaultKind("devices join, but the sniffer sees no frame of it"),
    "join-never": FaultKind("no device joins the HAN"),
    "hub-log-lost": FaultKind(
        "the Comms Hub forgets its device log DELAY (default 60 s) after the start, as a new one in its place would",
        delay_s=60.0,
    ),
    "sub-ghz-interference": FaultKind(
        "another transmitter drowns the sub-GHz channel in use from DELAY (default 60 s) after the start on",
        delay_s=60.0,
    ),
    "sub-ghz-unreachable": FaultKind(
        "no sub-GHz device is within range of the hub from DELAY (default 60 s) after the start on", delay_s=60.0
    ),
    "voltage-blip": FaultKind(
        "every voltage that is set returns to what it was after DELAY (default 5 s), before a period's mean can cross",
        delay_s=5.0,
    ),
    "meter-integrity": FaultKind(
        "the ESME has the defect ARG (watchdog, non-volatile-memory, RAM, ...) DELAY (default 60 s) after the start",
        _defect,
        required=True,
        delay_s=60.0,
    ),
    "gas-meter-integrity": FaultKind(
        "the GSME has the defect ARG, as meter-integrity, DELAY (default 60 s) after the start",
        _defect,
        required=True,
        delay_s=60.0,
    ),
    "meter-reboot": FaultKind("the ESME restarts DELAY (default 60 s) after the start", delay_s=60.0),
    "device-clock-off": FaultKind("the clocks of all meters are wrong by ARG seconds", _seconds, required=True),
}

KNOWN: Mapping[str, str] = {name: kind.description for name, kind in _KINDS.items()}
"""Every fault by name, with what it does."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault as asked for.

    Attributes:
        name: a key of `KNOWN`.
        argument: ARG in its one form, or None.
        delay_s: DELAY, or the default of the kind; 0 where the kind has none.
    """

    name: str
    argument: str | None
    delay_s: float

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Read `NAME[:ARG][@DELAY]`.

        Raises:
            UsageError: the name is not known (the known ones are listed), or ARG or DELAY do not fit it.
        """
        match = _FORM.fullmatch(text.strip())
        kind = _KINDS.get(match["name"]) if match else None
        if match is None or kind is None:
            name = match["name"] if match else text
            close = difflib.get_close_matches(name, _KINDS, 1)
            hint = f"Did you mean {close[0]}? " if close else ""
            raise UsageError(f"there is no fault {name!r}", next_step=f"{hint}Known faults: {', '.join(_KINDS)}")
        argument, delay = match["argument"], match["delay"]
        where = f"fault {text.strip()!r}"
        if argument is not None and kind.argument is None:
            raise UsageError(f"{match['name']} takes no argument", where=where)
        if argument is None and kind.required:
            raise UsageError(f"{match['name']} needs an argument", where=where, next_step=kind.description)
        if delay is not None and kind.delay_s is None:
            raise UsageError(f"{match['name']} takes no delay", where=where)
        try:
            read = kind.argument(argument) if kind.argument is not None and argument is not None else None
            delay_s = parse_quantity(delay, "duration") if delay is not None else kind.delay_s or 0.0
        except ValueError as error:
            raise UsageError(str(error), where=where) from None
        if delay_s < 0:
            raise UsageError("a delay is not negative", where=where)
        return cls(match["name"], read, delay_s)


class Faults:
    """The faults of one emulated world.

    Args:
        texts: each `NAME[:ARG][@DELAY]`.

    Raises:
        UsageError: with the first one that cannot be read.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._faults = tuple(Fault.parse(text) for text in texts)

    def find(self, name: str, argument: str | None = None) -> Fault | None:
        """The first fault of a name that has no ARG or this one, or None; without `argument`, with any ARG."""
        if name not in _KINDS:
            raise KeyError(name)
        found = (fault for fault in self._faults if fault.name == name)
        return next((fault for fault in found if argument is None or fault.argument in (None, argument)), None)

    def all(self, name: str) -> Sequence[Fault]:
        """Every fault of a name, in the order given."""
        return [fault for fault in self._faults if fault.name == name]

    def names(self) -> Sequence[str]:
        """The names of the faults, in the order given."""
        return [fault.name for fault in self._faults]
