"""Whole journeys of a person at the cockpit, with a real engine process that holds the emulated rig in paced time."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from bench.rig.load import load_rig
from bench.rig.state import folder_of
from bench.screens.app import Cockpit, Surroundings
from bench.screens.dialogs import Confirm, Question
from bench.screens.hands_on import HandsOnScreen
from bench.screens.run import RunScreen
from bench.service.address import socket_path
from bench.service.client import connected
from tests.processes import ROOT, serving
from tests.screens.replay import until

pytestmark = pytest.mark.realtime
RIG = ROOT / "rigs" / "emulated.yaml"
SPEED = "150"
PROMPT = """
runbook: ask
title: A question
steps:
  - step: 1
    title: Look at the lamp
    prompt: {text: Does the lamp blink?}
"""
OUTAGE = """
runbook: dark
title: An outage
steps:
  - step: 1
    title: Interrupt the supply
    supply: {interrupt: {for: 30 min}}
"""


@dataclass
class Bench:
    """A folder, and the engine that serves the rig from it."""

    folder: Path
    stack: ExitStack
    engine: Any = None

    @property
    def socket(self) -> Path:
        return socket_path(folder_of(load_rig(RIG), self.folder / "bench"))

    def serve(self) -> None:
        self.engine = self.stack.enter_context(serving(self.folder, "--speed", SPEED, rig=RIG))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with ExitStack() as stack:
        bench = Bench(tmp_path_factory.mktemp("bench"), stack)
        bench.serve()
        yield bench


def cockpit(bench: Bench, *, view_only: bool = False) -> Cockpit:
    def start(_rig: Path, _speed: float | None) -> None:
        raise AssertionError("an engine is there")

    surroundings = Surroundings(address=lambda _rig: bench.socket, rigs=list, start=start, may_pace=lambda _rig: True)
    return Cockpit(surroundings, RIG, who="Ada", view_only=view_only)


@asynccontextmanager
async def used(app: Cockpit, width: int, height: int) -> AsyncIterator[Pilot[Any]]:
    """The cockpit in use; afterwards it has let go of the engine."""
    async with app.run_test(size=(width, height)) as pilot:
        yield pilot
    while len(asyncio.all_tasks()) > 1:  # noqa: ASYNC110 - it is not told which task is the last
        await asyncio.sleep(0.01)


def shown(app: Cockpit, name: str) -> str:
    """What a part of the screen says."""
    found = app.screen.query(name)
    return str(found.first().render()) if found else ""


async def attached(pilot: Pilot[Any], app: Cockpit) -> None:
    await until(pilot, lambda: app.model.attached and app.model.rig, "attached")
    if app.model.state != "parked":
        await pilot.press("k")
        await until(pilot, lambda: app.model.state == "parked", "parked")


async def start(pilot: Pilot[Any], app: Cockpit, name: str) -> None:
    """Choose a runbook by keys, and start it."""
    await pilot.press("2")
    await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.query("#runbooks"), "the screen")
    screen = app.screen
    assert isinstance(screen, RunScreen)
    if not screen.choosing:
        await pilot.press("n")
    runbooks = screen.query_one("#runbooks", OptionList)
    await until(pilot, lambda: runbooks.option_count, "the list of runbooks")
    await pilot.press("home", *["down"] * runbooks.get_option_index(name))
    await until(pilot, lambda: not screen.query_one("#start").disabled, "a plan")
    before = app.model.run.job if app.model.run else 0
    await pilot.press("s")
    await until(pilot, lambda: app.model.run is not None and app.model.run.job > before, "a run")


async def test_ic02_is_started_and_watched_until_it_passes(bench: Bench) -> None:
    app = cockpit(bench)
    async with used(app, 80, 24) as pilot:
        await attached(pilot, app)
        await start(pilot, app, "ic02")
        run = app.model.run
        assert run is not None
        await until(pilot, lambda: run.over, "the end")
        assert (run.runbook, run.verdict, run.reason) == ("ic02", "passed", "")
        await until(pilot, lambda: "ic02 PASSED" in shown(app, "#head"), "the verdict")
        assert "pass IS  2 White List Device" in shown(app, "#steps")
        assert {"N24", "join"} <= {each.code for each in app.model.messages}
        assert "join on the air" in shown(app, "#time")
    assert Path(run.bundle).is_dir()


@pytest.mark.soak
async def test_a_run_is_aborted_in_an_outage_and_the_rig_parked_again(bench: Bench) -> None:
    runbook = bench.folder / "dark.yaml"
    runbook.write_text(OUTAGE)
    app = cockpit(bench)
    async with used(app, 160, 50) as pilot:
        await attached(pilot, app)
        await app.link.call("run", runbooks=[str(runbook)])
        await until(pilot, lambda: app.model.supply.live is False and app.model.supply.closed is not None, "an outage")
        await pilot.press("2", "X")
        await until(pilot, lambda: isinstance(app.screen, Confirm), "a confirmation")
        await pilot.click("#yes")
        run = app.model.run
        assert run is not None
        await until(pilot, lambda: run.over and app.model.state == "safe", "the safe state")
        assert run.verdict == "undecided"
        assert "by Ada" in run.reason
        await until(pilot, lambda: app.model.supply.closed is False, "an open relay")
        await until(pilot, lambda: "SAFE" in shown(app, "#state"), "the state in the bar")
        await pilot.press("k")
        await until(pilot, lambda: app.model.state == "parked" and app.model.supply.closed, "a parked rig")


@pytest.mark.soak
async def test_a_question_is_answered_with_a_name(bench: Bench) -> None:
    runbook = bench.folder / "ask.yaml"
    runbook.write_text(PROMPT)
    app = cockpit(bench)
    async with used(app, 80, 24) as pilot:
        await attached(pilot, app)
        await app.link.call("run", runbooks=[str(runbook)])
        await until(pilot, lambda: isinstance(app.screen, Question), "the question")
        await pilot.press("escape")
        await until(pilot, lambda: "ASKS (1)" in shown(app, "#state"), "a mark in the bar")
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, Question), "the question again")
        app.screen.query_one("#who", Input).value = "Grace"
        await pilot.click("#choice-0")
        run = app.model.run
        assert run is not None
        await until(pilot, lambda: run.over, "the end")
        assert run.verdict == "passed"
    journal = (Path(run.bundle) / "journal.jsonl").read_text()
    assert '"did":"answer yes","who":"Grace"' in journal


@pytest.mark.soak
async def test_a_swell_beyond_the_limit_is_refused_and_one_within_it_is_done(bench: Bench) -> None:
    app = cockpit(bench)
    async with used(app, 80, 24) as pilot:
        await attached(pilot, app)
        await pilot.press("4")
        await until(pilot, lambda: isinstance(app.screen, HandsOnScreen) and app.screen.query("#field-volts"), "form")
        screen = app.screen
        await pilot.press("home", "down", "down", "enter")
        await until(
            pilot, lambda: screen.query("#field-length") and isinstance(app.focused, Input), "the form of a swell"
        )
        await pilot.press(*"280", "tab", *"5", "enter")
        complaint = screen.query_one("#complaint")
        await until(pilot, lambda: "REFUSED" in str(complaint.render()), "a refusal")
        assert "280 V is outside the rig's limits of 180 V to 270 V" in str(complaint.render()).replace("\n", " ")
        assert app.model.hands_on is None
        screen.query_one("#field-volts", Input).value = "262"
        await pilot.press("enter")
        await until(pilot, lambda: app.model.acts, "an act")
        assert app.model.acts[-1].startswith("done: supply: swell")
        # The emergency stop works while a dialog is open.
        await pilot.press("escape", "X")
        await until(pilot, lambda: isinstance(app.screen, Confirm), "a dialog")
        await pilot.press("f9")
        await until(pilot, lambda: app.model.state == "safe" and app.model.hands_on is None, "the safe state")
    bundle = next(bench.folder.glob("evidence/*hands-on"))
    assert '"who":"Ada"' in (bundle / "journal.jsonl").read_text()


async def test_whoever_may_only_look_can_stop_nothing(bench: Bench) -> None:
    async with connected(bench.socket) as client:
        await client.call("park")
    app = cockpit(bench, view_only=True)
    async with used(app, 80, 24) as pilot:
        await until(pilot, lambda: app.model.attached, "attached")
        await pilot.press("f9")
        await until(pilot, lambda: any("may only look" in each.message for each in app._notifications), "a refusal")
        assert (await app.link.call("status"))["state"] == "parked"
        await until(pilot, lambda: "view only" in shown(app, "#state"), "it in the bar")


async def test_a_lost_engine_is_shown_at_once_and_attached_to_when_it_is_back(bench: Bench) -> None:
    app = cockpit(bench)
    async with used(app, 80, 24) as pilot:
        await attached(pilot, app)
        before = app.model.pid
        bench.engine.send_signal(signal.SIGKILL)
        await until(pilot, lambda: not app.model.attached, "a loss")
        await until(pilot, lambda: "ENGINE LOST" in shown(app, "#state"), "the loss in the bar")
        await pilot.press("f9")
        await until(pilot, lambda: any("NOT DONE" in each.title for each in app._notifications), "a warning")
        await asyncio.to_thread(bench.serve)
        await until(pilot, lambda: app.model.attached, "the engine again")
        assert app.model.pid != before
        # The cockpit goes, the engine stays.
    async with connected(bench.socket) as client:
        assert json.loads(json.dumps(client.hello))["pid"] == bench.engine.pid
