"""Carrying on with a run that was killed: what is kept, what is done again, and what is refused."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.clock import VirtualClock
from bench.errors import UsageError
from bench.evidence.keys import BenchKey
from bench.evidence.verify import verify
from bench.one_run import RigRunner
from bench.planner import plan
from bench.resume_bundle import read_interrupted
from bench.rig.file import Rig
from bench.rig.load import load_rig
from bench.rig.session import RigSession, open_rig
from bench.runbook import load_runbook
from bench.safety import reach
from bench.terminal import Silent
from tests.emulated.benches import RIG

RUNBOOK = """
runbook: broken
title: Broken off
setup:
  - {step: S1, title: Read the settings, as: IS, send: {service_request: 6.2.5, to: esme, save: before}}
  - {step: S2, title: Close, relay: {closed: yes}}
steps:
  - {step: "1", title: Healthy, measure: {quantity: voltage, between: [226 V, 234 V]}}
  - {step: "2", title: Interrupt, supply: {interrupt: {for: 10 s}}}
  - {step: "3", title: Healthy again, measure: {quantity: voltage, between: [226 V, 234 V], settle: 5 s}}
"""


class Person:
    """Answers every question alike."""

    def __init__(self, answer: str) -> None:
        self.answer, self.asked = answer, list[str]()

    async def ask(self, text: str, choices: Sequence[str]) -> str:
        assert self.answer in choices
        self.asked.append(text)
        return self.answer


def files(folder: Path, runbook: str) -> tuple[Rig, Path]:
    path = folder / "broken.yaml"
    path.write_text(runbook)
    return load_rig(RIG), path


async def killed_at(folder: Path, session: RigSession, runner: RigRunner, path: Path, label: str) -> Path:
    """Break a run off as a kill does, in the middle of a step."""
    runbook = load_runbook(path)
    task = asyncio.create_task(runner.run(runbook, plan(session.rig, runbook), Person("repeat"), Silent()))
    begun = asyncio.Event()
    stop = session.stream.subscribe(
        lambda event: (
            begun.set()
            if event.kind == "step" and event.data["state"] == "start" and event.data["name"].startswith(label)
            else None
        )
    )
    await begun.wait()
    stop()
    bundle = runner.folder
    assert bundle is not None
    copy = folder / "killed"
    # What a killed process leaves is what is on disk at that moment; its guard and its successor make safe and park.
    shutil.copytree(bundle, copy)
    task.cancel()
    await asyncio.wait([task])
    assert await reach(session, "park", session.rig.file.park) == ()
    return copy


async def carried_on(folder: Path, label: str, person: Person, runbook: str = RUNBOOK) -> tuple[list[object], Path]:
    rig, path = files(folder, runbook)
    async with open_rig(rig, VirtualClock(asyncio.get_running_loop())) as session:
        runner = RigRunner(session, folder / "evidence", BenchKey.load_or_create(folder / "keys"))
        bundle = await killed_at(folder, session, runner, path, label)
        interrupted = read_interrupted(bundle, rig)
        finished = await runner.run(interrupted.runbook, plan(rig, interrupted.runbook), person, Silent(), interrupted)
    steps = [
        (record["data"]["name"].split()[0], record["data"]["verdict"], bool(record["data"].get("kept")))
        for record in map(json.loads, (finished.bundle / "journal.jsonl").read_text().splitlines())
        if record["kind"] == "step" and record["data"]["state"] == "end"
    ]
    assert not verify(finished.bundle).problem
    return steps, finished.bundle


async def test_what_was_finished_is_kept_and_the_rest_is_done(tmp_path: Path) -> None:
    person = Person("repeat")
    steps, bundle = await carried_on(tmp_path, "2", person)
    assert steps == [
        ("S1", "passed", True),  # it saved what is put back at the end
        ("S2", "passed", False),
        ("1", "passed", True),
        ("2", "passed", False),
        ("3", "passed", False),
    ]
    assert len(person.asked) == 1
    assert "2 Interrupt" in person.asked[0]
    assert len(list((bundle / "interrupted").iterdir())) == 1


async def test_a_repeatable_step_asks_nobody(tmp_path: Path) -> None:
    person = Person("repeat")
    runbook = RUNBOOK.replace("title: Interrupt,", "title: Interrupt, repeatable: yes,")
    steps, _ = await carried_on(tmp_path, "2", person, runbook)
    assert steps[-1] == ("3", "passed", False)
    assert person.asked == []


async def test_a_step_that_is_left_decides_nothing(tmp_path: Path) -> None:
    steps, _ = await carried_on(tmp_path, "2", Person("leave"))
    assert steps[-2:] == [("2", "undecided", False), ("3", "blocked", False)]


async def test_a_changed_journal_of_the_killed_run_is_noticed(tmp_path: Path) -> None:
    _, bundle = await carried_on(tmp_path, "3", Person("repeat"))
    (journal,) = (bundle / "interrupted").iterdir()
    text = journal.read_bytes()
    journal.write_bytes(text.replace(b"Healthy", b"healthy", 1))
    assert "changed" in verify(bundle).problem


async def test_what_cannot_be_carried_on_with_is_refused(tmp_path: Path) -> None:
    rig, path = files(tmp_path, RUNBOOK)
    async with open_rig(rig, VirtualClock(asyncio.get_running_loop())) as session:
        runner = RigRunner(session, tmp_path / "evidence", BenchKey.load_or_create(tmp_path / "keys"))
        bundle = await killed_at(tmp_path, session, runner, path, "1")
    journal = bundle / "journal.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-20])
    assert read_interrupted(bundle, rig).reference["torn"]
    for text, words in (
        (b"", "the journal is empty"),
        (whole.splitlines(keepends=True)[0], "before it began"),
        (whole.replace(b"passed", b"failed", 1), "cannot be relied on|good only up to"),
    ):
        journal.write_bytes(text)
        with pytest.raises(UsageError, match=words):
            read_interrupted(bundle, rig)
    journal.write_bytes(whole)
    (bundle / "rig.yaml").write_text("rig: another")
    with pytest.raises(UsageError, match="this file is another"):
        read_interrupted(bundle, rig)
    (bundle / "manifest.json").write_text("{}")
    with pytest.raises(UsageError, match="the run has ended"):
        read_interrupted(bundle, rig)
