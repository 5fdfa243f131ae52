"""What all screens have: the bar on top with the state and the E-stop, the keys at the bottom, and a way to draw."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer, Static

from bench.cockpit.model import Model

if TYPE_CHECKING:
    from bench.screens.app import Cockpit

GOOD, BAD, WEAK, STRONG = "$text-success", "$text-error bold", "$text-muted", "bold"

_LINKS = {
    "looking": "looking for the engine ...",
    "none": "NO ENGINE serves this rig",
    "lost": "ENGINE LOST: what is shown is old; attaching again ...",
}

CLOSE: list[BindingType] = [Binding("escape", "dismiss(None)", "Close")]
"""The key that puts a dialog away."""


class EStop(Static):
    """Always there; a click does what the key does."""

    def on_click(self, event: events.Click) -> None:
        """Stop."""
        event.stop()
        cast("Cockpit", self.app).action_estop()


SCREENS = (("rig", "Rig"), ("run", "Run"), ("messages", "Messages"), ("hands", "Hands on"), ("evidence", "Evidence"))


class TopBar(Vertical):
    """Which rig, what it does, and whether that is so; and which screen of all this is."""

    def compose(self) -> ComposeResult:
        """The state on the left, the E-stop on the right; below them the screens."""
        with Horizontal():
            yield Static(id="state")
            yield EStop(" F9 E-STOP ", id="estop")
        yield Static(tab_line(self.app.current_mode), id="tabs")

    def draw(self, model: Model) -> None:
        """Show the state."""
        app = cast("Cockpit", self.app)
        self.query_one("#state", Static).update(top_line(model, view_only=app.link.view_only))
        self.set_class(not model.attached, "-lost")
        self.set_class(model.attached and model.state in ("safe", "unsafe"), "-stopped")


def tab_line(current: str) -> str:
    """The screens by their keys, to be clicked too; the one that is shown is in brackets."""
    tabs = []
    for index, (mode, name) in enumerate(SCREENS, 1):
        text = f"\\[{index} {name}]" if mode == current else f" {index} {name} "
        tabs.append(f"[@click=app.go('{mode}')]{'[bold]' + text + '[/]' if mode == current else text}[/]")
    return " ".join((*tabs, "   [@click=app.help]F1 keys[/]"))


def top_line(model: Model, *, view_only: bool) -> Content:
    """The state of rig and run in one line; what matters most comes first, since the end may be cut off."""
    if not model.attached:
        rig = model.engine.get("rig", "")
        return Content.assemble((f" {rig} " if rig else " ", STRONG), (_LINKS.get(model.link, model.link), STRONG))
    parts: list[str] = [f" {model.engine['rig']}"]
    run = model.run
    if run is not None and not run.over:
        step = next((line.name for line in run.steps if line.verdict == "running"), "between steps")
        parts.append(f"{'PAUSED' if run.paused else 'RUNNING'} {run.runbook}: {step}")
    else:
        words = {"safe": "SAFE: look at the bench, then park (k)", "unsafe": "NOT CONFIRMED SAFE: look at the bench"}
        words["connected"] = "ready: 2 runs a runbook"
        words["manual"] = f"BY HAND: {(model.hands_on or {}).get('who', '')}"
        parts.append(words.get(model.state, model.state))
    if model.prompts:
        parts.insert(1, f"ASKS ({len(model.prompts)}): a to answer")
    if view_only:
        parts.append("view only")
    speed = model.engine.get("speed")
    if model.engine.get("clock") == "virtual":
        parts.append(f"virtual time{f' x{speed:g}' if speed else ''}")
    elif model.engine.get("emulated"):
        parts.append("emulated")
    if model.waiting:
        parts.append(f"{len(model.waiting)} waiting")
    return Content(" │ ".join(parts))


class View(Screen[None]):
    """A screen of the cockpit; `draw` is called at most five times a second, with whatever is true then."""

    TITLE = "hilbench"

    def compose(self) -> ComposeResult:
        """Bar, body, keys."""
        yield TopBar()
        yield from self.body()
        yield Footer()

    def body(self) -> ComposeResult:
        """What is between bar and keys."""
        yield Static("")

    @property
    def cockpit(self) -> Cockpit:
        """The application."""
        return cast("Cockpit", self.app)

    def refresh_all(self, model: Model, now_ns: int) -> None:
        """Draw the bar and the body, once they are there."""
        if not self.query("#state"):
            return
        self.query_one(TopBar).draw(model)
        self.draw(model, now_ns)

    def draw(self, model: Model, now_ns: int) -> None:
        """Draw the body."""

    def on_screen_resume(self) -> None:
        """It is shown: at once with what is true now."""
        self.call_after_refresh(self.cockpit.redraw, always=True)


def mark(good: bool | None) -> str:
    """The style of something good, bad or neither; its words say the same."""
    return "" if good is None else GOOD if good else BAD
