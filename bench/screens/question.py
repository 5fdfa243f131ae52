"""A runbook's question with its picture: in a dialog, as large as the terminal, or as a file in what shows pictures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Static

from bench.cockpit.files import keep_picture
from bench.cockpit.model import Prompt
from bench.errors import BenchError
from bench.screens.base import CLOSE, EStop
from bench.screens.picture import PictureView
from bench.screens.showing import show_file

_WIDEST = 60
"""Characters of choices that stand side by side at 80 columns."""

_UNREAD_S = 0.5
"""What is typed so soon after the question came was meant for what was there before it."""

Fetch = Callable[[int], Awaitable[bytes]]


class Question(ModalScreen[tuple[str, str] | None]):
    """A runbook asks, and a person answers with his name: (choice, who), or None for later.

    Args:
        prompt: the question.
        who: who answers, unless he says otherwise.
        fetch: gets its picture from the engine.
        may_answer: whether this cockpit may do more than look.
    """

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        *CLOSE,
        Binding("z", "larger", "Larger"),
        Binding("o", "open", "Open"),
    ]

    def __init__(self, prompt: Prompt, who: str, fetch: Fetch, *, may_answer: bool = True) -> None:
        super().__init__()
        self.prompt, self._who, self._fetch, self._may_answer = prompt, who, fetch, may_answer
        self._data = b""
        # The dialog may be gone before its picture comes: nothing of it is looked for then.
        self._view, self._says = PictureView(), Static("The picture comes ...", id="picture-says", markup=False)
        self._larger = Button("Larger (z)", id="larger", compact=True, disabled=True)
        self._open = Button("Open (o)", id="open", compact=True, disabled=True)

    def compose(self) -> ComposeResult:
        """The question, its picture, who answers, and the choices."""
        prompt, picture = self.prompt, self.prompt.picture
        down = sum(len(choice) + 6 for choice in prompt.choices) > _WIDEST
        with Vertical(classes="dialog -picture" if picture else "dialog") as box:
            box.border_title = "The runbook asks"
            with Horizontal(id="question-head"):
                with VerticalScroll(id="question-room"):
                    yield Static(prompt.text, id="question", markup=False)
                yield EStop(" F9 E-STOP ")
            if picture:
                with Container(id="picture-room"):
                    yield self._says
                    self._view.display = False
                    yield self._view
                with Horizontal(id="picture-acts"):
                    yield self._larger
                    yield self._open
                    yield Label(f"{picture['name']}  sha256 {picture['sha256'][:16]}", markup=False)
            with Horizontal(id="answers"):
                yield Label("Who answers, for the record")
                yield Input(self._who, id="who", compact=True, disabled=not self._may_answer)
            with Vertical(classes="buttons -down") if down else Horizontal(classes="buttons"):
                for index, choice in enumerate(prompt.choices):
                    yield Button(
                        choice, id=f"choice-{index}", variant="primary", compact=down, disabled=not self._may_answer
                    )
                yield Button("Later (Esc)", id="later", compact=down)

    def on_mount(self) -> None:
        """Fetch the picture; keys go nowhere at first."""
        self.set_timer(_UNREAD_S, self._take_keys)
        if self.prompt.picture:
            self._show()

    def _take_keys(self) -> None:
        """The first choice is where Enter goes, if it is known who answers."""
        if self.focused is None:
            self.query_one("#later" if not self._may_answer else "#choice-0" if self._who else "#who").focus()

    @work(exclusive=True, group="picture")
    async def _show(self) -> None:
        assert self.prompt.picture is not None
        try:
            self._data = await self._fetch(self.prompt.number)
            await self._view.show(self._data)
        except (BenchError, ValueError) as error:
            self._says.update(f"{error}\nIt is {self.prompt.picture['path']} on the engine's computer.")
        else:
            self._says.display, self._view.display = False, True
            self._larger.disabled = False
        self._open.disabled = not self._data

    def action_larger(self) -> None:
        """Show the picture as large as the terminal."""
        if self._larger.disabled:
            self.notify("there is no picture to show")
        else:
            self.app.push_screen(LargePicture(self._data, str((self.prompt.picture or {})["name"])))

    def action_open(self) -> None:
        """Open the picture in the program that shows pictures here."""
        if not self._data or not self.prompt.picture:
            self.notify("there is no picture to open")
            return
        try:
            path = keep_picture(self.prompt.picture, self._data)
        except BenchError as error:
            self.notify(str(error), severity="error", markup=False)
        else:
            show_file(self.app, path, "the picture")

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        name = event.button.id or ""
        if name == "later":
            self.dismiss(None)
        elif name == "larger":
            self.action_larger()
        elif name == "open":
            self.action_open()
        else:
            who = self.query_one("#who", Input).value.strip()
            if not who:
                self.notify("say who answers", severity="error")
                self.query_one("#who").focus()
                return
            self.dismiss((self.prompt.choices[int(name.removeprefix("choice-"))], who))


class LargePicture(ModalScreen[None]):
    """A picture, and nothing else but the emergency stop."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,z,enter,q", "dismiss(None)", "Close")]

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__()
        self._data, self._file = data, name
        self._view = PictureView()

    def compose(self) -> ComposeResult:
        """The picture below one line."""
        with Horizontal(id="large-head"):
            yield Label(f" {self._file}  Esc closes", markup=False)
            yield EStop(" F9 E-STOP ")
        yield self._view

    async def on_mount(self) -> None:
        """Decoded once already, so that it is good."""
        await self._view.show(self._data)

    def on_click(self) -> None:
        """A click closes it."""
        self.dismiss(None)
