"""The kinds of faults of an emulated world: what each of them does, and what it takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.gbcs import catalogue
from bench.gbcs.alerts import INTEGRITY_REASONS
from bench.quantities import parse as parse_quantity

_DEVICE_CODE = re.compile(r"(?:0[xX])?([0-9A-Fa-f]{4})")
_DCC_CODE = re.compile(r"(?:AD|N)\d{1,3}")
_ERROR_CODE = re.compile(r"E\d{1,6}")
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


def _error_code(text: str) -> str:
    if not _ERROR_CODE.fullmatch(text):
        raise ValueError(f"{text!r} is no response code that refuses: write E4")
    return text


def _dcc_code(text: str) -> str:
    code = canonical_code(text)
    if code.startswith("0x"):
        raise ValueError(f"{code} is an alert of a device: write N24 or AD1")
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
        wire: a device's wire has it, and DELAY counts from the start of the world.
        later: DELAY counts from the start of the world, though no wire has it.
        momentary: it happens once and is over by itself.
        lasting: it stays to the end of the world.
    """

    description: str
    argument: Callable[[str], str] | None = None
    required: bool = False
    delay_s: float | None = None
    wire: bool = False
    later: bool = False
    momentary: bool = False
    lasting: bool = False

    @property
    def takes_length(self) -> bool:
        """Whether it can be said how long it lasts."""
        return not self.momentary and not self.lasting


def _alert(description: str, delay_s: float | None = None) -> FaultKind:
    return FaultKind(description, canonical_code, delay_s=delay_s)


def _wire(description: str, *, momentary: bool = False) -> FaultKind:
    return FaultKind(f"{description}, DELAY after the start", delay_s=0.0, wire=True, momentary=momentary)


def _volts(text: str) -> str:
    volts = parse_quantity(text, "voltage")
    if volts < 0:
        raise ValueError("a voltage is not negative")
    return repr(volts)


def _hertz(text: str) -> str:
    return repr(parse_quantity(text, "frequency"))


def _ppm(text: str) -> str:
    try:
        return repr(float(text.removesuffix("ppm")))
    except ValueError:
        raise ValueError(f"{text!r} is no drift: write 200ppm, or -50ppm") from None


def _instrument(device: str, name: str, after_reboot: str) -> dict[str, FaultKind]:
    """What can go wrong at the wire of every instrument, and its restart."""
    return {
        f"{device}-silent": _wire(f"the {name} answers nothing"),
        f"{device}-slow": _wire(f"the {name} answers late"),
        f"{device}-garbled": _wire(f"the {name} answers what makes no sense"),
        f"{device}-drops": _wire(f"every second answer of the {name} on average is lost"),
        f"{device}-half": _wire(f"of each answer of the {name} only the first half comes"),
        f"{device}-stuck": _wire(f"the line of the {name} is stuck: nothing gets through either way"),
        f"{device}-vanishes": _wire(f"the {name} drops its connection, or loses its cable, and takes no new one"),
        f"{device}-disconnects": _wire(f"the {name} drops its connection and takes new ones", momentary=True),
        f"{device}-reboots": _wire(f"the {name} restarts: {after_reboot}", momentary=True),
    }


KINDS: Mapping[str, FaultKind] = {
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
    "dcc-away": _wire("the DCC refuses every request with HTTP status 503, and delivers nothing"),
    "dcc-slow": FaultKind("the DCC answers each request DELAY (default 5 s) late", delay_s=5.0),
    "dcc-rejects": FaultKind("the DCC refuses each request with the response code ARG (default E4)", _error_code),
    "dcc-late": FaultKind("what the DCC delivers comes DELAY (default 10 s) late", delay_s=10.0),
    "dcc-duplicate": FaultKind("the DCC delivers everything twice, DELAY (default 1 s) apart", delay_s=1.0),
    "dcc-out-of-order": FaultKind(
        "each delivery of the DCC is late by up to DELAY (default 5 s), so that they overtake each other", delay_s=5.0
    ),
    "dcc-storm": FaultKind(
        "the DCC alert ARG (default N24) comes every DELAY (default 2 s), each a new one", _dcc_code, delay_s=2.0
    ),
    **_instrument("source", "AC source", "away for 5 s, its output off, its settings those of the start"),
    "source-ignores": _wire("the AC source accepts commands and follows none"),
    **_instrument("relay", "relay", "away for 3 s, and its coil is released at once"),
    "relay-ignores": _wire("the relay accepts commands and its contact does not move"),
    **_instrument("meter", "reference meter", "away for 3 s"),
    "meter-stale": _wire("the reference meter repeats its last reading"),
    "meter-wrong-unit": _wire("the reference meter counts in thousands of its unit"),
    "broker-restart": _wire("the MQTT broker goes away for a few seconds", momentary=True),
    "broker-away": _wire("the MQTT broker goes away"),
    "console-unplugged": _wire("the console's line is unplugged"),
    "sniffer-unplugged": _wire("the HAN sniffer is unplugged"),
    "sniffer-garbled": _wire("the HAN sniffer prints garbage"),
    "mains-sag": FaultKind("between source and relay no more than ARG (default 200 V) is left of 230 V", _volts),
    "mains-brown-out": FaultKind(
        "between source and relay no more than ARG (default 60 V) is left of 230 V: too little for meters", _volts
    ),
    "mains-flicker": FaultKind(
        "between source and relay the voltage sinks to ARG (default 207 V) of 230 V and returns, every DELAY "
        "(default 100 ms)",
        _volts,
        delay_s=0.1,
    ),
    "mains-frequency-drift": FaultKind("the frequency moves by ARG (default 0.5 Hz) a minute", _hertz),
    "hub-boot-slow": FaultKind("the Comms Hub takes DELAY (default 30 min) longer to boot", delay_s=1800.0),
    "join-not-on-air": FaultKind("devices join, but the sniffer sees no frame of it"),
    "join-never": FaultKind("no device joins the HAN"),
    "hub-log-lost": FaultKind(
        "the Comms Hub forgets its device log DELAY (default 60 s) after the start, as a new one in its place would",
        delay_s=60.0,
        later=True,
        momentary=True,
    ),
    "sub-ghz-interference": FaultKind(
        "another transmitter drowns the sub-GHz channel in use from DELAY (default 60 s) after the start on",
        delay_s=60.0,
        later=True,
        lasting=True,
    ),
    "sub-ghz-unreachable": FaultKind(
        "no sub-GHz device is within range of the hub from DELAY (default 60 s) after the start on",
        delay_s=60.0,
        later=True,
        lasting=True,
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
        later=True,
        momentary=True,
    ),
    "gas-meter-integrity": FaultKind(
        "the GSME has the defect ARG, as meter-integrity, DELAY (default 60 s) after the start",
        _defect,
        required=True,
        delay_s=60.0,
        later=True,
        momentary=True,
    ),
    "meter-reboot": FaultKind(
        "the ESME restarts DELAY (default 60 s) after the start", delay_s=60.0, later=True, momentary=True
    ),
    "device-clock-off": FaultKind("the clocks of all meters are wrong by ARG seconds", _seconds, required=True),
    "device-clock-drifts": FaultKind("the clocks of all meters run fast by ARG (200ppm), or slow", _ppm, required=True),
}

KNOWN: Mapping[str, str] = {name: kind.description for name, kind in KINDS.items()}
"""Every fault by name, with what it does."""
