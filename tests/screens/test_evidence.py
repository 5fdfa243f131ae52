"""Runs and nights of campaigns on the evidence screen, over recorded answers."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from textual.binding import Binding
from textual.widgets import DataTable, Input

from bench.campaign.state import AttemptResult
from bench.campaign.summary import CaseSummary, Summary
from bench.cockpit import fold
from bench.pictures import read_picture
from bench.screens.base import SCREENS
from bench.screens.dialogs import Help
from bench.screens.question import Question
from bench.screens.rig import RigScreen
from bench.screens.run import RunScreen
from tests.processes import ROOT
from tests.screens.replay import Recorded, picture_shown, replay, until

pytestmark = pytest.mark.realtime
NIGHT = "night-20260102T220000Z"


def case(runbook: str, outcome: str, reason: str, *attempts: AttemptResult) -> CaseSummary:
    return CaseSummary(f"e/{runbook}/a/1", "e", runbook, "a", 1, outcome, reason, "2026-01-02T22:00:00Z", attempts)


def nights() -> dict[str, Any]:
    """What an engine says of a night with a pass, a failure after a retry, and a run that was left out."""
    failed = [AttemptResult(number, "failed", "no alert", bundle=f"/b/20260102T22000{number}Z-y") for number in (1, 2)]
    cases = [
        case("x", "passed", "", AttemptResult(1, "passed", bundle="/b/20260102T220000Z-x")),
        case("y", "failed", "no alert", *failed),
        case("z", "skipped", "only after y"),
    ]
    times = ("2026-01-02T22:00:00Z", "2026-01-03T05:00:00Z")
    outcomes = {"passed": 1, "failed": 1, "skipped": 1}
    summary = Summary(
        NIGHT, "night", "", "real", "UTC", *times, 0, outcomes, 0, cases, [], ["R1"], ["R2"], unsafe=False, latencies={}
    )
    summary.before, summary.differences = "night-20260101T220000Z", {"new failures": ["e/y/a: failed"]}
    entries = [{"name": NIGHT, "campaign": "night", "verdict": "failed", "clock": "real", "headline": ""}]
    night = {"name": NIGHT, "page": "", "summary": summary.as_json(), "going_on": ""}
    return {"nights": {"folder": "/campaigns", "nights": entries}, "night": night}


async def test_a_night_is_shown_and_its_runs_are_looked_into() -> None:
    app = replay()
    link = app.link
    assert isinstance(link, Recorded)
    link.answers |= nights()

    def shown() -> str:
        found = app.screen.query("#bundle")
        return str(found.first().render()) if found else ""

    async with app.run_test(size=(160, 50)) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: "over-voltage" in shown(), "a run")
        await pilot.press("c")
        await until(pilot, lambda: NIGHT in shown(), "the night")
        for text in (
            "FAILED: night: 1 failed, 1 passed, 1 skipped",
            "Differences from night-20260101T220000Z\n  new failures\n    e/y/a: failed",
            "failed     y  e 1 on a in 2 attempts",
            "Requirements not passed\n  R2",
        ):
            assert text in shown()
        await pilot.press("v", "o")
        await until(pilot, lambda: len(app._notifications) == 2, "refusals")
        assert any("the night has not come to its end" in each.message for each in app._notifications)
        await pilot.press("enter")
        table = app.screen.query_one("#bundles", DataTable)
        await until(pilot, lambda: table.row_count == 4, "its runs")
        rows = [table.get_row_at(index) for index in range(4)]
        assert [(row[0], row[1]) for row in rows] == [
            ("passed", "x"),
            ("failed", "y"),
            ("failed", "y"),
            ("skipped", "z"),
        ]
        await pilot.press("down", "down")
        wanted = ("bundle", {"bundle": "20260102T220002Z-y", "night": NIGHT})
        await until(pilot, lambda: wanted in link.calls, "the second attempt")
        await pilot.press("v")
        await until(pilot, lambda: ("verify", wanted[1]) in link.calls, "its verification")
        await pilot.press("down")
        await until(pilot, lambda: "SKIPPED: only after y" in shown(), "why it was left out")
        await pilot.press("escape")
        await until(pilot, lambda: NIGHT in shown() and table.row_count == 1, "the nights again")
        await pilot.press("escape")
        await until(pilot, lambda: "over-voltage" in shown(), "the runs again")


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


@pytest.mark.parametrize("key", ["f1", "z", ""])
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
