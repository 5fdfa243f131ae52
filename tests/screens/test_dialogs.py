"""Questions, the offer to start an engine, and the palette, over a recording."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.binding import Binding
from textual.widgets import Input

from bench.cockpit import fold
from bench.pictures import read_picture
from bench.screens.app import Surroundings
from bench.screens.base import SCREENS
from bench.screens.dialogs import Help, NoEngine
from bench.screens.question import Question
from bench.screens.rig import RigScreen
from bench.screens.run import RunScreen
from tests.processes import ROOT
from tests.screens.replay import Recorded, picture_shown, replay, until

pytestmark = pytest.mark.realtime


async def test_each_engine_counts_its_questions_from_one() -> None:
    app = replay()
    model = app.model
    question = {"type": "prompt", "state": "open", "prompt": 1, "text": "Does it blink?", "choices": ["yes", "no"]}
    async with app.run_test(size=(80, 24)) as pilot:
        for pid in (1, 2):
            model.engine["pid"] = pid
            fold.fold(model, question, 0.0)
            await until(pilot, lambda: isinstance(app.screen, Question), "the question")
            await pilot.press("escape")
            await until(pilot, lambda: not isinstance(app.screen, Question), "it put off")


async def test_a_question_makes_room_for_the_loss_of_its_engine_and_comes_back_with_it() -> None:
    app = replay()
    question = {"type": "prompt", "state": "open", "prompt": 1, "text": "So?", "choices": ["yes", "no"]}
    async with app.run_test(size=(80, 24)) as pilot:
        fold.fold(app.model, question, 0.0)
        await until(pilot, lambda: isinstance(app.screen, Question), "the question")
        fold.parted(app.model, "lost", "killed")
        await until(pilot, lambda: isinstance(app.screen, RigScreen), "the rig's screen")
        await until(pilot, lambda: "ENGINE LOST" in str(app.screen.query_one("#state").render()), "the loss")
        fold.parted(app.model, "attached", "")
        await until(pilot, lambda: isinstance(app.screen, Question), "the question again")
        app.screen.dismiss(None)
        await pilot.press("2")
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and not app.screen.choosing, "the run")
        fold.attached(app.model, app.model.engine | {"pid": 1, "run": None, "prompts": []}, 0.0)
        screen = app.screen
        await until(
            pilot, lambda: isinstance(screen, RunScreen) and screen.choosing, "no run of an engine that is gone"
        )


@pytest.mark.parametrize("key", ["z", *(pytest.param(key, marks=pytest.mark.soak) for key in ("f1", ""))])
async def test_a_question_that_somebody_else_answered_goes_whatever_lies_above_it(key: str) -> None:
    app, shown = replay(), read_picture(ROOT / "runbooks", "pictures/supply-path.png")
    link = app.link
    assert isinstance(link, Recorded)
    link.answers["picture"] = shown.described | {"data": b64encode(shown.data).decode()}
    question = {"type": "prompt", "prompt": 1, "text": "So?", "choices": ["yes", "no"], "picture": shown.described}
    async with app.run_test(size=(80, 24)) as pilot:
        fold.fold(app.model, question | {"state": "open"}, 0.0)
        await until(pilot, lambda: isinstance(app.screen, Question) and picture_shown(app), "the question")
        if key == "f1":
            app.action_help()
        elif key:
            await pilot.press(key)
        await until(pilot, lambda: not key or not isinstance(app.screen, Question), "what lies above it")
        fold.fold(app.model, question | {"state": "closed"}, 0.0)
        await pilot.pause(0.5)
        if key == "f1":
            assert isinstance(app.screen, Help), "nobody closed it"
            await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, RigScreen), "it gone")


@pytest.mark.soak
async def test_every_key_has_its_action_in_the_palette() -> None:
    app = replay()
    async with app.run_test(size=(80, 24)) as pilot:
        named = {command.title for command in app.get_system_commands(app.screen)}
        for mode, _ in SCREENS:
            app.action_go(mode)
            await pilot.pause()
            for binding in (*app.screen.BINDINGS, *app.BINDINGS):
                assert isinstance(binding, Binding)
                if binding.action.startswith("go(") or binding.key == "escape":
                    continue
                keys = {"slash": "/", "plus": "+", "minus": "-"}
                key = binding.key.split(",")[0]
                shown = keys.get(key, key.upper() if key.startswith("f") else key)
                assert any(f"({shown})" in title for title in named), binding


@pytest.mark.soak
async def test_the_palette_reaches_what_was_never_shown_before() -> None:
    app = replay()
    async with app.run_test(size=(80, 24)) as pilot:
        commands = {command.title: command.callback for command in app.get_system_commands(app.screen)}
        commands["By hand: Swell"]()
        await until(pilot, lambda: isinstance(app.focused, Input) and app.focused.id == "field-volts", "the form")
        assert app.focused is not None
        assert app.screen.query_one("#field-length"), "of a swell"
        commands["Search messages (/)"]()
        await until(pilot, lambda: app.focused and app.focused.id == "search", "the search")
        commands["Start the runbook (s)"]()
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.choosing, "a choice first")
        assert [do for do, _ in app.link.calls if do == "run"] == []  # type: ignore[attr-defined]


async def test_an_engine_that_did_not_start_says_why_and_is_offered_again() -> None:
    app = replay()
    why, started = "", list[float | None]()

    def start(_rig: Path, speed: float | None) -> Callable[[], str]:
        started.append(speed)
        return lambda: why

    app._surroundings = Surroundings(address=lambda _rig: Path(), rigs=list, start=start, may_pace=lambda _rig: True)
    async with app.run_test(size=(80, 24)) as pilot:
        fold.parted(app.model, "none", "no engine serves this rig")
        await until(pilot, lambda: any(button.region for button in app.screen.query("#paced")), "the offer")
        await pilot.click("#paced")
        await until(pilot, lambda: started == [20.0] and not isinstance(app.screen, NoEngine), "a start")
        app.redraw(always=True)
        assert not isinstance(app.screen, NoEngine), "it takes a while"
        why = "the rig is held by somebody (exit code 2)"
        await until(pilot, lambda: isinstance(app.screen, NoEngine), "the offer again")
        await until(pilot, lambda: any(each.message == why for each in app._notifications), "why")
