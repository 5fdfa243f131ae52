"""The cockpit over a recording: no engine, no clock, the same picture every time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from bench.cockpit.link import Link
from bench.cockpit.model import Model
from bench.errors import UsageError
from bench.screens.app import Cockpit, Surroundings
from bench.screens.picture import PictureView
from bench.service.remote import Remote
from tests.cockpit.recorded import answers, fold_until


class Recorded(Link):
    """Answers as the engine did, and keeps what it is told to do."""

    def __init__(self, last: Callable[[dict[str, Any]], bool] | None = None) -> None:
        super().__init__(Model(), who="Ada")
        self.answers = answers()
        self.calls: list[tuple[str, dict[str, object]]] = []
        fold_until(self.model, last)

    async def run(self, address: Callable[[], Path | Remote]) -> None:
        await asyncio.Event().wait()

    async def call(self, do: str, **arguments: object) -> dict[str, Any]:
        self.calls.append((do, arguments))
        if do == "raw":
            return dict(self.answers["raw"][str(arguments["n"])])
        if do == "form":
            return dict(self.answers["form 7.4" if arguments["service_request"] == "7.4" else "form"])
        if do == "status":
            return self.answers["hello"] | {"state": self.model.state}
        if do in ("estop", "run", "pause", "abort", "abort_step", "park", "answer", "act"):
            return {"confirmed": True, "state": "safe", "act": 1, "jobs": [1]}
        if do not in self.answers:
            raise UsageError(f"nothing is recorded of {do}")
        return dict(self.answers[do])


def replay(last: Callable[[dict[str, Any]], bool] | None = None) -> Cockpit:
    """The cockpit as it was when the first message came for which `last` holds."""

    def nothing(*_arguments: object) -> Any:
        raise AssertionError("a recording starts no engine")

    surroundings = Surroundings(address=nothing, rigs=list, start=nothing, may_pace=nothing)
    cockpit = Cockpit(surroundings, Path("rig.yaml"), link=Recorded(last))
    cockpit.animation_level = "none"
    return cockpit


async def until(pilot: Pilot[Any], holds: Callable[[], object], what: str) -> None:
    """Wait until something is so; what, for the failure."""
    for _ in range(400):
        if holds():
            return
        await pilot.pause(0.05)
    raise AssertionError(f"never: {what}")


def picture_shown(app: Cockpit) -> bool:
    """Whether the screen or dialog on top shows a picture."""
    return any(view.shown for view in app.screen.query(PictureView))
