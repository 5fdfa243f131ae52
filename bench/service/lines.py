"""What engine and clients say to each other: one JSON object a line, in UTF-8. docs/service.md is the specification.

A client sends commands, `{"id": 7, "do": "abort", ...}`; each gets one reply, `{"type": "reply", "id": 7, "ok": true,
"result": {...}}` or `"ok": false, "error": "..."`. The engine sends `hello` first, and to those who subscribed every
event, in order and numbered.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bench.clock import ClockKind, Instant
from bench.errors import CodecError
from bench.events import Event

VERSION = 1
"""Of the schema. It grows when something is taken away or changes its meaning; what is added does not change it."""

LONGEST_COMMAND = 64 * 1024
"""Bytes of the longest line that the engine takes."""

LONGEST_LINE = 2 * 1024 * 1024
"""Bytes of the longest line that a client takes."""

_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
"""Made once: `json.dumps` makes one for each message."""


def encode(message: Mapping[str, Any]) -> bytes:
    """One message as a line."""
    return _ENCODER.encode(message).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """Read one line.

    Raises:
        CodecError: it is no JSON object.
    """
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        raise CodecError("the line is no JSON", next_step="Send one JSON object a line") from None
    if not isinstance(message, dict):
        raise CodecError("the line is no JSON object", next_step='Send {"id": 1, "do": "status"}')
    return message


def event_message(number: int, event: Event) -> dict[str, Any]:
    """An event for a client; `number` is its place in the stream of this engine."""
    return {
        "type": "event",
        "n": number,
        "mono_ns": event.at.mono_ns,
        "utc_ns": event.at.utc_ns,
        "uncertainty_ns": event.at.uncertainty_ns,
        "clock": event.at.kind.value,
        "source": event.source,
        "kind": event.kind,
        "data": dict(event.data),
    }


def event_of(message: Mapping[str, Any]) -> Event:
    """The event in a message of type `event`.

    Raises:
        CodecError: it is none.
    """
    try:
        at = Instant(
            int(message["mono_ns"]),
            int(message["utc_ns"]),
            ClockKind(message["clock"]),
            None if message["uncertainty_ns"] is None else int(message["uncertainty_ns"]),
        )
        return Event(at, str(message["source"]), str(message["kind"]), dict(message["data"]))
    except (KeyError, TypeError, ValueError) as error:
        raise CodecError(f"the engine sent an event that is none: {error!r}") from None
