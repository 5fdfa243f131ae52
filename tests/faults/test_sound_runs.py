"""Without a fault every runbook passes: in any order, again and again, with any seed, and always alike."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.evidence.redact import EMULATED
from bench.runner import Finished
from bench.verdict import Verdict
from bench.virtual_time import VirtualLoop
from tests.faults.runs import RUNBOOKS, quiet_rig, run_session


def check(finished: Sequence[Finished], names: Sequence[str]) -> None:
    assert [item.result.runbook.name for item in finished] == list(names)
    for item in finished:
        result = item.result
        assert (result.verdict, result.reason, item.exit_code) == (Verdict.PASSED, "", 0), result.runbook.name
        assert (result.safe, result.parked, result.findings) == (True, True, []), result.runbook.name
        assert all(step.verdict.passed for step in result.steps)


async def test_all_pass_twice_in_a_row_on_one_rig(tmp_path: Path) -> None:
    names = [*RUNBOOKS, *RUNBOOKS]
    finished = await run_session(tmp_path, names)
    check(finished, names)
    first, again = finished[: len(RUNBOOKS)], finished[len(RUNBOOKS) :]
    assert all(one.body_hash != other.body_hash for one, other in zip(first, again, strict=True))
    assert [item.name for item in sorted((tmp_path / "out").iterdir())] == sorted(item.bundle.name for item in finished)


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in (2, 3))])
async def test_all_pass_in_any_order_on_one_rig(tmp_path: Path, seed: int) -> None:
    names = list(RUNBOOKS)
    random.Random(seed).shuffle(names)
    check(await run_session(tmp_path, names, rig=quiet_rig(tmp_path)), names)


def in_a_loop_of_its_own(
    folder: Path, names: Sequence[str], faults: Sequence[str] = (), *, seed: int | None = None
) -> list[Finished]:
    """Each life of the virtual clock begins at the same moment."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(run_session(folder, names, faults, seed=seed))


def test_the_same_seed_gives_the_same_body_and_another_one_another(tmp_path: Path) -> None:
    names = ["supply-outage-short", "over-voltage", "han-join"]
    runs = []
    for number, seed in enumerate((7, 7, 8)):
        finished = in_a_loop_of_its_own(tmp_path / str(number), names, seed=seed)
        check(finished, names)
        runs.append([item.body_hash for item in finished])
    assert runs[0] == runs[1]
    assert all(one != other for one, other in zip(runs[0], runs[2], strict=True))


WIRES = [
    *(f"{device}-{how}" for device in ("source", "relay", "meter") for how in ("vanishes", "silent", "half", "drops")),
    "sniffer-unplugged",
]
"""Faults of which errors tell, with the addresses of an emulated world, which it makes up each time."""


@pytest.mark.parametrize("fault", [WIRES[0], *(pytest.param(fault, marks=pytest.mark.soak) for fault in WIRES[1:])])
def test_the_same_seed_and_fault_give_the_same_body(tmp_path: Path, fault: str) -> None:
    """Errors name addresses; those of an emulated world differ each time and are not in its record."""
    ended = [
        in_a_loop_of_its_own(tmp_path / str(number), ["supply-outage-short"], [f"{fault}@70s"])[0]
        for number in range(2)
    ]
    assert ended[0].body_hash == ended[1].body_hash
    assert EMULATED in (ended[0].bundle / "journal.jsonl").read_text()


def test_a_fault_does_not_change_what_was_before_it(tmp_path: Path) -> None:
    """The same seed with and without a fault that shows only later: what was before is alike."""
    names = ["supply-outage-short", "arm-supply"]
    plain = in_a_loop_of_its_own(tmp_path / "plain", names)
    faulty = in_a_loop_of_its_own(tmp_path / "faulty", names, ["alert-never:0x8F32"])
    assert [item.result.verdict for item in faulty] == [Verdict.PASSED, Verdict.FAILED]
    before = [[(step.duration_s, step.latencies) for step in runs[0].result.steps] for runs in (plain, faulty)]
    assert before[0] == before[1]


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(10))
async def test_all_pass_with_any_seed(tmp_path: Path, seed: int) -> None:
    names = list(RUNBOOKS)
    random.Random(seed).shuffle(names)
    check(await run_session(tmp_path, names, seed=seed), names)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", RUNBOOKS)
def test_the_same_seed_gives_the_same_body_for_every_runbook(tmp_path: Path, name: str) -> None:
    hashes = [in_a_loop_of_its_own(tmp_path / str(number), [name], seed=5)[0].body_hash for number in range(2)]
    assert hashes[0] == hashes[1]
