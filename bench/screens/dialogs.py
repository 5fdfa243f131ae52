"""Dialogs: a rig without an engine, a choice of rigs, a confirmation, help. F9 works in each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, OptionList, Static
from textual.widgets.option_list import Option

from bench.screens.base import CLOSE, EStop


class Confirm(ModalScreen[bool]):
    """Something that cannot be undone."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(False)", "No")]

    def __init__(self, title: str, text: str, yes: str) -> None:
        super().__init__()
        self._title, self._text, self._yes = title, text, yes

    def compose(self) -> ComposeResult:
        """The question, and no as the answer that Enter gives."""
        with Vertical(classes="dialog") as box:
            box.border_title = self._title
            yield EStop(" F9 E-STOP ", classes="stop")
            yield Static(self._text, markup=False)
            with Horizontal(classes="buttons"):
                yield Button("No (Esc)", id="no")
                yield Button(self._yes, id="yes", variant="error")

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")


class NoEngine(ModalScreen[str | None]):
    """No engine serves the rig: "real", "paced", or None for waiting until somebody starts one."""

    BINDINGS: ClassVar[list[BindingType]] = CLOSE

    def __init__(self, why: str, rig: Path, *, may_pace: bool, may_start: bool) -> None:
        super().__init__()
        self._why, self._rig, self._may_pace, self._may_start = why, rig, may_pace, may_start

    def compose(self) -> ComposeResult:
        """Why, and what can be done."""
        with Vertical(classes="dialog") as box:
            box.border_title = "No engine serves this rig"
            yield Static(self._text(), markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Start it", id="real", variant="primary", disabled=not self._may_start)
                if self._may_pace:
                    yield Button("In virtual time, x20", id="paced", disabled=not self._may_start)
                yield Button("Wait (Esc)", id="wait")

    def _text(self) -> str:
        lines = [f"{self._rig}: {self._why}", "", "An engine holds the rig and carries out what is asked of it."]
        lines.append("It goes on when this cockpit is closed.")
        lines.append("  Start it         in real time")
        if self._may_pace:
            lines.append("  In virtual time  20 seconds a second, to watch and to learn")
        lines.append(f"  Wait             for: hilbench serve {self._rig}")
        return "\n".join(lines)

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(None if event.button.id == "wait" else event.button.id)


class ChooseRig(ModalScreen[Path | None]):
    """Which rig."""

    def __init__(self, rigs: Sequence[tuple[Path, str]]) -> None:
        super().__init__()
        self._rigs = rigs

    def compose(self) -> ComposeResult:
        """Every rig file, with what it is and whether an engine serves it."""
        with Vertical(classes="dialog") as box:
            box.border_title = "Which rig?"
            box.border_subtitle = "Enter chooses, ^q quits"
            yield OptionList(
                *(
                    Option(Content.assemble((str(path), "bold"), f"\n  {what}"), id=str(path))
                    for path, what in self._rigs
                )
            )

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(Path(event.option.id or ""))


HELP = """\
F9  E-STOP: the safe state at once, on every screen and in every dialog

1 Rig       what feeds what, voltage, devices   + - shorter, longer time
2 Run       n choose a runbook and see its plan, s start it, p pause it
            x abort this step: undecided, the rest blocked, rig parked
            X abort the run: the rig goes to its safe state
3 Messages  / search, Enter opens one, its tree shows bytes, Esc closes
4 Hands on  choose an act, fill in, do it; k gives the rig back
5 Evidence  v verify, o report, h hand over, c nights of campaigns, r reload
F2 to F6    the same screens, also while you type

a  answer a runbook's question      k  park the rig after a stop
^p every action by name             ^q quit: a run goes on without you
Tab, arrows, Enter and Esc move about; a mouse works too

Verdicts: pass FAIL UNDC (undecided) skip blkd (blocked) RUN> (running)
Time line: + came as was hoped, ! is trouble
"""


class Help(ModalScreen[None]):
    """All keys on one page."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,f1,question_mark,enter,q", "dismiss(None)", "Close")]

    def compose(self) -> ComposeResult:
        """The page."""
        with VerticalScroll(classes="dialog help") as box:
            box.border_title = "Keys"
            box.border_subtitle = "Esc closes"
            yield Static(HELP, markup=False)
