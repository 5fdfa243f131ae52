"""The last messages as they came over the wire, for whoever wants to look at their bytes."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from bench.errors import UsageError
from bench.events import Event
from bench.evidence.redact import Redactor

MOST_KEPT = 2_000
MOST_CHARACTERS = 16 * 1024 * 1024
"""Of all that is kept together."""

_MOST_PENDING = 16
_PATIENCE_NS = 1_000_000_000


class Originals:
    """Keeps, for each `seen.*` event, what its device had received just before.

    Args:
        number: the number of the event that is being handed out; asked in `receive`.
        redactor: keeps secrets out.
    """

    def __init__(self, number: Callable[[], int], redactor: Redactor) -> None:
        self._number, self._redactor = number, redactor
        self._pending: dict[str, list[Event]] = {}
        self._used: set[str] = set()
        self._kept: OrderedDict[int, str] = OrderedDict()
        self._characters = 0

    def receive(self, event: Event) -> None:
        """Take an event: a listener of the stream, after the one that numbers them."""
        if event.kind == "wire":
            if event.data.get("direction") == "rx":
                self._arrived(event)
        elif event.kind.startswith("seen."):
            self._seen(event)

    def _arrived(self, event: Event) -> None:
        if event.source in self._used:
            # The first bytes after a message was made of those before: they belong to the next one.
            self._used.discard(event.source)
            self._pending[event.source] = []
        pending = self._pending.setdefault(event.source, [])
        pending.append(event)
        del pending[:-_MOST_PENDING]

    def _seen(self, event: Event) -> None:
        pending = [
            wire
            for wire in self._pending.get(event.source, ())
            if event.at.mono_ns - wire.at.mono_ns < _PATIENCE_NS or event.kind == "seen.han"
        ]
        self._used.add(event.source)
        if not pending:
            return
        # As text until somebody asks: most are never looked at.
        text = json.dumps([dict(wire.data) for wire in pending])
        self._kept[self._number()] = text
        self._characters += len(text)
        while len(self._kept) > MOST_KEPT or self._characters > MOST_CHARACTERS:
            self._characters -= len(self._kept.popitem(last=False)[1])

    def of(self, number: object) -> list[dict[str, Any]]:
        """What came over the wire for an event, without secrets: `text` or `hex`, and the `channel` if it has one.

        Raises:
            UsageError: nothing is kept for it.
        """
        kept = self._kept.get(number) if isinstance(number, int) else None
        if kept is None:
            raise UsageError(
                f"the bytes of event {number} are not kept", next_step="They are in the captures of the run's evidence"
            )
        found: list[dict[str, Any]] = json.loads(self._redactor.text(kept))
        return found
