"""What an engine said to a cockpit once: see `tests.screens.record`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.cockpit import fold
from bench.cockpit.model import Model

_FOLDER = Path(__file__).parents[1] / "screens"
NEVER_S = 1e15
"""A moment of the event loop that does not come: the engine's time stands still at its last message."""


def messages() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (_FOLDER / "messages.jsonl").read_text().splitlines()]


def answers() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((_FOLDER / "answers.json").read_text())
    return found


def fold_until(model: Model, last: Callable[[dict[str, Any]], bool] | None = None) -> Model:
    """Fold all messages, or those up to the first for which `last` holds."""
    known = answers()
    fold.attached(model, known["hello"], NEVER_S)
    fold.describe(model, known["describe"])
    for message in messages():
        fold.fold(model, message, NEVER_S)
        if last is not None and last(message):
            return model
    assert last is None
    return model


def is_event(kind: str, **wanted: Any) -> Callable[[dict[str, Any]], bool]:
    def holds(message: dict[str, Any]) -> bool:
        data = message.get("data") or {}
        return message.get("kind") == kind and all(data.get(key) == value for key, value in wanted.items())

    return holds
