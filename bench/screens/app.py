"""The application: the screens, the keys that work everywhere, and the commands that they give to the engine."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from textual import work
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from bench.cockpit import fold
from bench.cockpit.link import Link
from bench.cockpit.model import Model
from bench.errors import BenchError
from bench.operators import WEB, user_name
from bench.screens.base import SCREENS, View
from bench.screens.dialogs import ChooseRig, Confirm, Help, NoEngine
from bench.screens.question import LargePicture, Question
from bench.screens.rig import RigScreen
from bench.service.remote import Remote

MOST_DRAWS_A_SECOND = 5


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the application gets from outside.

    Attributes:
        address: where the engine of a rig listens.
        rigs: the rig files to choose from, each with whether an engine serves it.
        start: starts an engine for a rig, at a speed or in real time; what it returns says why that has ended, and ""
            as long as it has not.
        may_pace: whether a rig brings its emulated world along.
    """

    address: Callable[[Path], Path | Remote]
    rigs: Callable[[], list[tuple[Path, str]]]
    start: Callable[[Path, float | None], Callable[[], str]]
    may_pace: Callable[[Path], bool]


def _later(module: str, name: str) -> Callable[[], Screen[Any]]:
    """A screen that is loaded when it is shown for the first time: the first picture does not wait for it."""

    def make() -> Screen[Any]:
        screen: Screen[Any] = getattr(importlib.import_module(f"bench.screens.{module}"), name)()
        return screen

    return make


class Cockpit(App[int]):
    """A view of an engine's events, and a sender of commands."""

    TITLE = "hilbench"
    CSS_PATH = "cockpit.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (130, "-wide")]
    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {
        "rig": RigScreen,
        "run": _later("run", "RunScreen"),
        "messages": _later("messages", "MessagesScreen"),
        "hands": _later("hands_on", "HandsOnScreen"),
        "evidence": _later("evidence", "EvidenceScreen"),
    }
    DEFAULT_MODE = "rig"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f9", "estop", "E-STOP", priority=True),
        *(
            Binding(f"{index},f{index + 1}", f"go('{mode}')", name, show=False)
            for index, (mode, name) in enumerate(SCREENS, 1)
        ),
        Binding("f1,question_mark", "help", "Keys", show=False),
        Binding("a", "answer", "Answer", show=False),
        Binding("k", "park", "Park", show=False),
    ]

    def __init__(
        self,
        surroundings: Surroundings,
        rig: Path | None,
        *,
        who: str = "",
        view_only: bool = False,
        start: bool = False,
        speed: float | None = None,
        link: Link | None = None,
    ) -> None:
        super().__init__()
        self.link = link or Link(Model(), who=who, view_only=view_only)
        self.model = self.link.model
        self.failure = ""
        self._surroundings, self._rig = surroundings, rig
        self._at_once, self._pace = start or speed is not None, speed
        self._drawn: tuple[int, int] = (-1, -1)
        self._asked: set[tuple[int | None, int]] = set()
        self._offered = False
        self._ended: Callable[[], str] | None = None

    def on_mount(self) -> None:
        """Look for the engine, and draw what it says."""
        self.set_interval(1 / MOST_DRAWS_A_SECOND, self.redraw)
        if self._rig is None:
            try:
                rigs = self._surroundings.rigs()
            except BenchError as error:
                self._fail(error)
            else:
                self.push_screen(ChooseRig(rigs), self._find)
        else:
            # The first picture, with the emergency stop on it, does not wait for the rig file to be read.
            self.call_after_refresh(self._find, self._rig)

    def _find(self, rig: Path | None) -> None:
        if rig is not None:
            self._rig = rig
            self.run_worker(self._follow(rig), name="engine")

    async def _follow(self, rig: Path) -> None:
        try:
            await self.link.run(lambda: self._surroundings.address(rig))
        except BenchError as error:
            self._fail(error)

    def _fail(self, error: BenchError) -> None:
        """End, since nothing can be shown; whoever started this says why."""
        self.failure = str(error)
        self.exit(2)

    # Drawing

    def now_ns(self) -> int:
        """The engine's time."""
        return self.model.now_ns(asyncio.get_running_loop().time())

    def redraw(self, *, always: bool = False) -> None:
        """Draw if anything changed, or a second went by."""
        now_ns = self.now_ns()
        state = (self.model.changes, round(asyncio.get_running_loop().time()))
        if state == self._drawn and not always:
            return
        self._drawn = state
        self._offer()
        self._ask()
        for screen in self.screen_stack:
            if isinstance(screen, View) and screen.is_mounted:
                screen.refresh_all(self.model, now_ns)

    def _offer(self) -> None:
        """Start an engine, or offer to, where none serves the rig; once."""
        if self.model.attached:
            self._ended = None
        elif self._ended is not None and (why := self._ended()):
            # Offered again, unless it was told to start one without asking.
            self._ended, self._offered = None, self._at_once
            self.notify(why, title="The engine did not start", severity="error", timeout=30, markup=False)
        if self.model.link != "none" or self._offered or self._rig is None:
            return
        self._offered = True
        if self._at_once:
            self._launch(self._pace)
            return
        rig, may_start = self._rig, not self.link.view_only
        may_pace = self._surroundings.may_pace(rig)
        self.push_screen(NoEngine(self.model.why, rig, may_pace=may_pace, may_start=may_start), self._offer_taken)

    def _offer_taken(self, choice: str | None) -> None:
        if choice is not None:
            self._launch(20.0 if choice == "paced" else None)

    def _launch(self, speed: float | None) -> None:
        assert self._rig is not None
        try:
            self._ended = self._surroundings.start(self._rig, speed)
        except BenchError as error:
            self.notify(str(error), severity="error", timeout=20)
        else:
            self.notify("an engine is being started ...")

    def _ask(self) -> None:
        """Bring a new question up, once; it can be put off."""
        open_now = [screen for screen in self.screen_stack if isinstance(screen, Question)]
        if not self.model.attached:
            # That the engine is lost must be seen. If it comes back it asks again.
            self._asked.clear()
        if open_now and not (self.model.attached and open_now[0].prompt.number in self.model.prompts):
            # Somebody else answered it, or the run is over. What lies above it is put away by whoever opened it.
            if isinstance(self.screen, Question | LargePicture):
                self.screen.dismiss(None)
            return
        if not self.model.attached:
            return
        if open_now or self.link.view_only:
            return
        # Each engine counts its questions from one.
        pid = self.model.pid
        new = next((each for number, each in self.model.prompts.items() if (pid, number) not in self._asked), None)
        if new is not None:
            self._asked.add((pid, new.number))
            self._put(new.number)

    def _put(self, number: int) -> None:
        prompt = self.model.prompts[number]

        def answered(answer: tuple[str, str] | None) -> None:
            if answer is not None:
                choice, who = answer
                self.link.who = who
                self.command("answer", f"answered {choice}", prompt=number, choice=choice)
            elif number in self.model.prompts and self.model.attached:
                self.notify("a brings the question back")

        who, may_answer = self.link.who or user_name(), not self.link.view_only
        who = "" if who == WEB else who
        self.push_screen(Question(prompt, who, self.link.picture, may_answer=may_answer), answered)

    # Commands

    @work(group="commands")
    async def command(self, do: str, done: str, **arguments: object) -> None:
        """Give the engine a command, and say what came of it."""
        try:
            await self.link.call(do, **arguments)
        except BenchError as error:
            self.notify(str(error), title="Refused", severity="error", timeout=10, markup=False)
        else:
            if done:
                self.notify(done, markup=False)
            await self._catch_up()

    async def _catch_up(self) -> None:
        try:
            fold.status(self.model, await self.link.call("status"))
        except BenchError:
            # The bar says that the engine is lost.
            return

    @work(group="estop")
    async def action_estop(self) -> None:
        """The safe state at once: the command goes out before anything else is done."""
        try:
            result = await self.link.call("estop")
        except BenchError as error:
            self.notify(
                f"{error}. Use the emergency stop of the bench itself",
                title="E-STOP NOT DONE",
                severity="error",
                timeout=20,
                markup=False,
            )
            return
        confirmed = result["confirmed"]
        self.notify(
            "the rig is safe; k parks it" if confirmed else "THE SAFE STATE IS NOT CONFIRMED: look at the bench",
            title="E-STOP",
            severity="warning" if confirmed else "error",
            timeout=15,
        )
        await self._catch_up()

    def action_go(self, mode: str) -> None:
        """Show a screen."""
        self.switch_mode(mode)

    def action_help(self) -> None:
        """Show the keys."""
        self.push_screen(Help())

    def action_pause(self) -> None:
        """Hold the run before its next step, or let it go on."""
        run = self.model.run
        paused = run is not None and run.paused
        self.command("resume" if paused else "pause", "it goes on" if paused else "held before the next step")

    def action_abort_step(self) -> None:
        """End the step that is going on, undecided."""
        self._confirmed(
            "Abort this step?",
            "The step ends undecided. What follows is blocked; the runbook's own cleaning up is done, the rig parked.",
            "Abort the step",
            "abort_step",
            "the step is aborted",
        )

    def action_abort(self) -> None:
        """End the run, or what is done by hand, in the safe state."""
        self._confirmed(
            "Abort?",
            "The rig goes to its safe state, and what waits is dropped. It has to be parked (k) afterwards.",
            "Abort",
            "abort",
            "aborted: the rig is being made safe",
        )

    def _confirmed(self, title: str, text: str, yes: str, do: str, done: str) -> None:
        def answered(agreed: bool | None) -> None:
            if agreed:
                self.command(do, done)

        self.push_screen(Confirm(title, text, yes), answered)

    def action_park(self) -> None:
        """Bring the rig back to where runs begin; ends what is done by hand."""
        self.command("park", "the rig is parked")

    def action_answer(self) -> None:
        """Bring a question back that was put off."""
        if not self.model.prompts:
            self.notify("nothing is asked")
        elif not isinstance(self.screen, Question):
            self._put(next(iter(self.model.prompts)))

    def action_stop_engine(self) -> None:
        """End the engine, if no run is going on."""
        self.command("stop", "the engine ends")

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Every action by name."""
        from bench.screens.palette import commands

        yield from commands(self)
        # Textual's own page of keys would be the second of that name.
        yield from (each for each in super().get_system_commands(screen) if each.title != "Keys")
