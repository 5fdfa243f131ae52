"""What the engine's command tables share: what a command is, and who gave it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bench.service.clients import Client

Command = Callable[[Client, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
"""Takes the client and its message; returns the reply's `result`, or raises a BenchError that becomes its `error`."""

_WHO_CHARACTERS = 80


def who_of(message: Mapping[str, Any]) -> str:
    """The person who acts, for the record: what the client says, as far as it can be believed."""
    who = message.get("who")
    return who[:_WHO_CHARACTERS] if isinstance(who, str) and who else "a client"
