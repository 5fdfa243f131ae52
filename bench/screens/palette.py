"""The command palette: every action by its name, with the key that does the same."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any

from textual.app import SystemCommand
from textual.widgets import OptionList

from bench.cockpit.acts import ACTS
from bench.screens.base import SCREENS

if TYPE_CHECKING:
    from bench.screens.app import Cockpit

_ON_SCREENS = (
    ("rig", "zoom(-1)", "Shorter time (+)", "Of the plot of the voltage"),
    ("rig", "zoom(1)", "Longer time (-)", "Of the plot of the voltage"),
    ("run", "choose", "Choose a runbook (n)", "Its plan, and start it; or back to the run"),
    ("run", "start", "Start the runbook (s)", "That is chosen"),
    ("messages", "search", "Search messages (/)", "For words that must all be there"),
    ("evidence", "verify", "Verify evidence (v)", "Of the run that is chosen"),
    ("evidence", "report", "Make the report (o)", "Of the run that is chosen, and open it"),
    ("evidence", "hand_over", "Hand over (h)", "One file of the run that is chosen"),
    ("evidence", "campaigns", "Runs or nights (c)", "The nights of campaigns, or back to the runs"),
    ("evidence", "reload", "Reload the evidence (r)", "Ask what there is"),
)
"""Screen, its action, name and explanation."""


def commands(app: Cockpit) -> Iterator[SystemCommand]:
    """What the cockpit adds to the palette."""
    yield SystemCommand("E-STOP (F9)", "The safe state at once", app.action_estop)
    for index, (mode, name) in enumerate(SCREENS, 1):
        yield SystemCommand(f"Show {name} ({index})", f"The screen {name}", _go(app, mode))
    yield SystemCommand("Pause or resume (p)", "Hold the run before its next step", app.action_pause)
    yield SystemCommand("Abort this step (x)", "It ends undecided; the rest is blocked", app.action_abort_step)
    yield SystemCommand("Abort the run (X)", "The rig goes to its safe state", app.action_abort)
    yield SystemCommand("Answer a question (a)", "Of a runbook", app.action_answer)
    yield SystemCommand("Park the rig (k)", "After a stop, an abort, or acts by hand", app.action_park)
    for mode, action, name, explanation in _ON_SCREENS:
        yield SystemCommand(name, explanation, _on_screen(app, mode, action))
    for number, act in enumerate(ACTS):
        yield SystemCommand(f"By hand: {act.title}", "Fill in its form", _by_hand(app, number))
    yield SystemCommand("End the engine", "If no run is going on", app.action_stop_engine)
    yield SystemCommand("Keys (F1)", "All keys on one page", app.action_help)


def _go(app: Cockpit, mode: str) -> Callable[[], None]:
    return lambda: app.action_go(mode)


def _on_screen(app: Cockpit, mode: str, action: str) -> Callable[[], None]:
    async def act() -> None:
        # Done when the screen is there, also if it is shown for the first time.
        await app.switch_mode(mode)
        await app.screen.run_action(action)

    return lambda: _begin(app, act())


def _by_hand(app: Cockpit, number: int) -> Callable[[], None]:
    async def choose() -> None:
        await app.switch_mode("hands")
        acts = app.screen.query_one("#acts", OptionList)
        acts.focus()
        acts.highlighted = number
        acts.action_select()

    return lambda: _begin(app, choose())


def _begin(app: Cockpit, work: Coroutine[Any, Any, None]) -> None:
    app.run_worker(work, group="palette")
