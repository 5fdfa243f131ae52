"""Each screen at both sizes, as pictures. `pytest tests/screens --snapshot-update` takes them anew; look at them."""

from __future__ import annotations

import runpy
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
from pytest_textual_snapshot import SVGImageExtension
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot

from bench.cockpit.model import Prompt
from bench.pictures import read_picture
from bench.screens.app import Cockpit
from bench.screens.question import LargePicture, Question
from tests.cockpit.recorded import is_event
from tests.processes import ROOT
from tests.screens.replay import Recorded, picture_shown, replay, until

pytestmark = pytest.mark.realtime

SCREENS = (
    ("rig", ()),
    ("run", ("2",)),
    ("choose", ("n", "end", "up", "up")),
    ("messages", ("3", "down", "enter")),
    ("hands-on", ("4", "end")),
    ("evidence", ("5", "v")),
    ("help", ("f1",)),
)


@pytest.fixture
def picture(snapshot: SnapshotAssertion) -> Callable[[str, Cockpit], bool]:
    svg = snapshot.use_extension(SVGImageExtension)

    def same(name: str, cockpit: Cockpit) -> bool:
        return bool(svg(name=name) == cockpit.export_screenshot())

    return same


async def settle(pilot: Pilot[Any]) -> None:
    """Let workers answer and the screen be drawn."""
    for _ in range(4):
        await pilot.pause()
        busy = [each for each in pilot.app.workers if each.name != "engine" and not each.is_finished]
        if busy:
            await pilot.app.workers.wait_for_complete(busy)
    pilot.app.redraw(always=True)  # type: ignore[attr-defined]
    await pilot.pause()


@pytest.mark.parametrize(
    "size", [pytest.param((80, 24), id="80x24"), pytest.param((160, 50), id="160x50", marks=pytest.mark.soak)]
)
async def test_screens(picture: Callable[[str, Cockpit], bool], size: tuple[int, int]) -> None:
    cockpit = replay(is_event("expectation", label="0x8002 from esme"))
    wrong = []
    async with cockpit.run_test(size=size) as pilot:
        await pilot.pause(0.2)
        for name, keys in SCREENS if size[0] < 100 else SCREENS[:-1]:
            for key in keys:
                await pilot.press(key)
            await settle(pilot)
            cockpit.clear_notifications()
            await pilot.pause()
            if not picture(f"{name}-{size[0]}x{size[1]}", cockpit):
                wrong.append(name)
    assert not wrong


async def test_states_of_the_bar_and_the_light_theme(picture: Callable[[str, Cockpit], bool]) -> None:
    cockpit = replay(is_event("expectation", label="0x8002 from esme"))
    model, wrong = cockpit.model, []

    async def look(name: str, pilot: Pilot[Any]) -> None:
        cockpit.redraw(always=True)
        await settle(pilot)
        if not picture(name, cockpit):
            wrong.append(name)

    async with cockpit.run_test(size=(80, 24)) as pilot:
        await pilot.pause(0.2)
        cockpit.theme = "textual-light"
        await look("light", pilot)
        model.link = "lost"
        await look("lost", pilot)
        model.link = "attached"
        model.prompts[1] = Prompt(1, "Does the green lamp of the meter blink?", ("yes", "no"))
        await until(pilot, lambda: isinstance(cockpit.screen, Question) and cockpit.focused, "its keys")
        await look("question", pilot)
        model.prompts.clear()
        await until(pilot, lambda: not isinstance(cockpit.screen, Question), "an answer by somebody else")
        model.state = "safe"
        assert model.run is not None
        model.run.state = "ended"
        await look("stopped", pilot)
    assert not wrong


@pytest.mark.parametrize(
    "size", [pytest.param((80, 24), id="80x24"), pytest.param((160, 50), id="160x50", marks=pytest.mark.soak)]
)
async def test_a_question_is_asked_with_its_picture(
    picture: Callable[[str, Cockpit], bool], size: tuple[int, int]
) -> None:
    shown = read_picture(ROOT / "runbooks", "pictures/supply-path.png")
    cockpit = replay(is_event("expectation", label="0x8002 from esme"))
    about = shown.described | {"path": "/bench/runbooks/pictures/supply-path.png"}
    link = cockpit.link
    assert isinstance(link, Recorded)
    link.answers["picture"] = about | {"data": b64encode(shown.data).decode()}
    text, wrong = "Is the mains wired like this? REF is the reference meter.", []
    async with cockpit.run_test(size=size) as pilot:
        await pilot.pause(0.2)
        cockpit.model.prompts[1] = Prompt(1, text, ("yes", "no"), about)
        cockpit.redraw(always=True)
        await until(
            pilot,
            lambda: isinstance(cockpit.screen, Question) and picture_shown(cockpit) and cockpit.focused,
            "the picture",
        )
        await settle(pilot)
        if not picture(f"asked-{size[0]}x{size[1]}", cockpit):
            wrong.append("asked")
        await pilot.press("z")
        await until(
            pilot,
            lambda: picture_shown(cockpit) and isinstance(cockpit.screen, LargePicture),
            "the picture as large as it can be",
        )
        await settle(pilot)
        if not picture(f"large-{size[0]}x{size[1]}", cockpit):
            wrong.append("large")
        assert isinstance(cockpit.screen, LargePicture)
        await pilot.press("escape", "tab", "enter")
        await until(pilot, lambda: not isinstance(cockpit.screen, Question), "an answer")
        assert ("answer", {"prompt": 1, "choice": "no"}) in link.calls
    assert not wrong


async def test_a_picture_that_is_not_the_one_spoken_of_is_not_shown() -> None:
    shown = read_picture(ROOT / "runbooks", "pictures/supply-path.png")
    cockpit = replay()
    link = cockpit.link
    assert isinstance(link, Recorded)
    link.answers["picture"] = shown.described | {"data": b64encode(shown.data + b"!").decode()}
    async with cockpit.run_test(size=(80, 24)) as pilot:
        cockpit.model.prompts[1] = Prompt(1, "Like this?", ("yes", "no"), shown.described)
        cockpit.redraw(always=True)
        await until(pilot, lambda: "not what the engine says" in said(cockpit), "a refusal")
        assert str(shown.path.absolute()) in said(cockpit).replace("\n", " ")
        assert not picture_shown(cockpit)
        await pilot.press("z", "o")
        await until(pilot, lambda: len(cockpit._notifications) == 2, "two refusals")


def said(cockpit: Cockpit) -> str:
    """What stands where the picture would be."""
    found = cockpit.screen.query("#picture-says")
    return str(found.first().render()) if found else ""


def test_the_pictures_in_the_documents_are_those_of_the_screens() -> None:
    namespace = runpy.run_path(str(ROOT / "docs" / "picture.py"))
    for name, snapshot in namespace["SCREENS"].items():
        assert (ROOT / "docs" / name).read_bytes() == (ROOT / namespace["SNAPSHOTS"] / snapshot).read_bytes(), (
            f"docs/{name} is old: make picture"
        )
