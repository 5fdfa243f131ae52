"""The runbook that asks a person whether the bench is wired as it should be."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.clock import VirtualClock
from bench.evidence.keys import BenchKey
from bench.evidence.verify import Level, verify
from bench.one_run import Finished, RigRunner
from bench.operators import Answer
from bench.pictures import Picture
from bench.planner import plan
from bench.rig.load import load_rig
from bench.rig.session import open_rig
from bench.runbook import load_runbook
from bench.terminal import Silent
from tests.processes import ROOT


class Person:
    """Answers in turn, and keeps what was shown."""

    def __init__(self, *answers: str) -> None:
        self._answers, self.shown = list(answers), list[str]()

    async def ask(self, text: str, choices: Sequence[str], picture: Picture | None = None) -> Answer:
        self.shown.append(picture.name if picture is not None else "")
        return Answer(self._answers.pop(0), "Ada")


async def run(folder: Path, person: Person, *faults: str) -> Finished:
    rig, runbook = load_rig(ROOT / "rigs" / "emulated.yaml"), load_runbook(ROOT / "runbooks" / "bench-wiring.yaml")
    async with open_rig(rig, VirtualClock(asyncio.get_running_loop()), faults=faults) as session:
        runs = RigRunner(session, folder / "evidence", BenchKey.load_or_create(folder / "keys"))
        return await runs.run(runbook, plan(rig, runbook), person, Silent())


async def test_a_bench_that_is_wired_as_it_should_be_passes(tmp_path: Path) -> None:
    person = Person("yes", "ready", "yes")
    finished = await run(tmp_path, person)
    assert (finished.result.verdict, finished.result.reason) == ("passed", "")
    assert person.shown == ["pictures/supply-path.png", "", "pictures/supply-path.png"]
    kept = finished.bundle / "runbook" / "pictures" / "supply-path.png"
    assert kept.read_bytes() == (ROOT / "runbooks" / "pictures" / "supply-path.png").read_bytes()
    assert verify(finished.bundle).level is Level.INTEGRITY_ONLY
    # The copy in the evidence is a runbook that can be read again, as a run that is carried on with reads it.
    assert load_runbook(finished.bundle / "runbook" / "bench-wiring.yaml").pictures.keys() == {person.shown[0]}


@pytest.mark.parametrize(
    ("answers", "step", "outages"),
    [
        pytest.param(("no",), "1", 0, marks=pytest.mark.soak),
        pytest.param(("yes", "stop"), "4", 0, marks=pytest.mark.soak),
        (("yes", "ready", "no"), "6", 1),
    ],
)
async def test_whatever_a_person_says_no_to_fails(
    tmp_path: Path, answers: tuple[str, ...], step: str, outages: int
) -> None:
    finished = await run(tmp_path, Person(*answers))
    assert finished.result.verdict == "failed"
    failed = [each.placed.step.step for each in finished.result.steps if each.verdict == "failed"]
    assert failed == [step]
    journal = (finished.bundle / "journal.jsonl").read_text()
    assert journal.count('"edge":"fall"') == outages, "the supply is left alone unless everything before was right"
