"""Plans are executed on the emulated rig: a sample of each scenario, faults found by just the tests that see them, and
nothing done twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bench.ctsd.requirements import requirement
from bench.ctsd.tables import Role
from bench.one_run import Finished
from bench.planner import plan as plan_runbook
from bench.rig.file import Rig
from bench.runbook import Runbook
from bench.runner import RunOptions, run_all
from bench.terminal import Silent, TerminalOperator
from bench.testscripts.coverage import read_gaps
from bench.testscripts.data import DataPlan
from bench.testscripts.execute import Left, what_is_left
from bench.testscripts.plan import RolePlan
from bench.testscripts.scripts import script_for
from bench.verdict import Verdict
from tests.testscripts.conftest import ROOT, RUNBOOKS

Plans = Mapping[Role, RolePlan]

SAMPLE = (
    "8.1.5/IS/3.3/CV1/SMETS2+",
    "8.1.5/IS/4.15/CV1-FD/SMETS1",
    "8.1.5/IS/4.4.3/CV2/SMETS2+",
    "8.1.9/GT/4.10/CV3/SMETS2+",
    "8.1.6/GS/6.11/CV4/SMETS2+",
    "8.1.5/IS/7.3/CV5/SMETS2+",
    "8.1.5/IS/6.14.2/CV5-FD/SMETS2+",
    "8.1.5/IS/7.6/CV7/SMETS2+",
    "8.1.7/ES/5.2/CV8/SMETS2+",
    "8.1.14/GS/0x8F32/SMETS1",
    "8.1.20/GS/N27",
    "8.1.26/GS/E64",
)
"""One of each scenario that the emulated bench can run: SR01 to SR10 but SR08, alerts and a Response Code."""


def options_for(folder: Path, *faults: str) -> RunOptions:
    return RunOptions(folder / "out", folder / "state", faults=faults)


async def run(rig: Rig, runbooks: Iterable[Runbook], options: RunOptions) -> list[Finished]:
    planned = [(runbook, plan_runbook(rig, runbook)) for runbook in runbooks]
    finished = await run_all(rig, planned, options, TerminalOperator(), Silent())
    assert len(finished) == len(planned)
    return finished


async def test_a_sample_of_each_scenario_passes(uept_rig: Rig, uept_data: DataPlan, tmp_path: Path) -> None:
    assert {requirement(each).scenario for each in SAMPLE} == {
        *(f"SR{number:02}" for number in (1, 2, 3, 4, 5, 6, 7, 9, 10)),
        "DA",
        "DCCA",
        "RC",
    }
    scripts = [script_for(requirement(each), uept_data, RUNBOOKS).load() for each in SAMPLE]
    finished = await run(uept_rig, scripts, options_for(tmp_path))
    for item in finished:
        assert item.result.verdict is Verdict.PASSED, f"{item.result.runbook.name}: {item.result.reason}"
        assert item.result.findings == [] or item.result.runbook.name != "8.1.5-is-3.3-cv1-smets2"


def senders(plan: RolePlan, variant: str) -> set[str]:
    """Runbooks that send a variant to a device and wait for its answer, other than by transformation."""
    found = set()
    for runbook, _, _ in plan.runbooks():
        for placed in runbook.all_steps():
            send, waits = placed.step.send, [each.form for each in placed.step.expect if each.response == variant]
            if send is not None and send.service_request == variant and waits and "I0" in _codes(placed.step.expect):
                found.add(runbook.name)
    return found


def _codes(expected: Sequence[object]) -> list[object]:
    return [getattr(each, "code", None) for each in expected]


FAULTS = (
    ("response-error:7.4", "7.4"),
    ("response-never:11.2", "11.2"),
)


async def faulty(rig: Rig, plan: RolePlan, fault: str, folder: Path, only: Sequence[str] = ()) -> set[str]:
    """The runbooks of a plan that fail in a world with a fault, of those that pass in a sound one."""
    known = read_gaps(ROOT / "rigs" / "uept-gaps.json")
    runbooks = [
        runbook
        for runbook, _, covered in plan.runbooks()
        if not any(each.id in known for each in covered) and (not only or covered[0].id.split("/")[2] in only)
    ]
    finished = await run(rig, runbooks, options_for(folder, fault))
    return {item.result.runbook.name for item in finished if not item.result.verdict.passed}


async def test_a_seeded_fault_fails_the_test_that_sees_it_and_no_other(
    uept_rig: Rig, plans: Plans, tmp_path: Path
) -> None:
    plan = plans[Role.RSA]
    failed = await faulty(uept_rig, plan, "response-error:7.4", tmp_path, ("7.4", "11.2", "E11"))
    assert failed == senders(plan, "7.4") == {"8.1.10-rsa-7.4-cv1-smets1", "8.1.10-rsa-7.4-cv1-smets2"}


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("fault", "variant"), FAULTS)
@pytest.mark.parametrize("role", [Role.ES, Role.RSA, Role.ED])
async def test_a_seeded_fault_fails_exactly_the_tests_that_see_it(
    uept_rig: Rig, plans: Plans, role: Role, fault: str, variant: str, tmp_path: Path
) -> None:
    assert await faulty(uept_rig, plans[role], fault, tmp_path) == senders(plans[role], variant)


async def test_what_has_valid_evidence_is_never_repeated(uept_rig: Rig, plans: Plans, tmp_path: Path) -> None:
    plan, options = plans[Role.GT], options_for(tmp_path)
    only = ("8.1.26/GT/E64", "8.1.9/GT/8.2/CV8/SMETS2+", "8.1.9/GT/4.10/CV1/SMETS2+")
    left = what_is_left(uept_rig, plan, options, only)
    assert len(left.todo) == 3
    assert left.done == ()
    await run_all(uept_rig, left.todo[:1], options, TerminalOperator(), Silent())
    again = what_is_left(uept_rig, plan, options, only)
    assert again.todo == left.todo[1:]
    assert len(again.done) == len(again.evidence) == 1

    # A run with a fault in it proves nothing, nor does one that failed.
    await run_all(uept_rig, left.todo[1:2], options_for(tmp_path, "response-late:9.1"), TerminalOperator(), Silent())
    assert what_is_left(uept_rig, plan, options, only) == again
    await run_all(uept_rig, left.todo[1:], options, TerminalOperator(), Silent())
    done = what_is_left(uept_rig, plan, options, only)
    assert done.todo == ()
    assert len(done.done) == 3

    # Of other firmware, or changed afterwards, it is no evidence.
    other = replace(uept_rig, duts={name: replace(dut, firmware="99") for name, dut in uept_rig.duts.items()})
    assert len(what_is_left(other, plan, options, only).todo) == 3
    for journal in (tmp_path / "out").glob("*/journal*"):
        journal.write_bytes(journal.read_bytes().replace(b"8.", b"9."))
    assert what_is_left(uept_rig, plan, options, only) == Left(left.todo, ())


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("role", Role)
async def test_every_plan_passes_but_for_what_is_known(uept_rig: Rig, plans: Plans, role: Role, tmp_path: Path) -> None:
    plan, options = plans[role], options_for(tmp_path)
    left = what_is_left(uept_rig, plan, options)
    finished = await run_all(uept_rig, left.todo, options, TerminalOperator(), Silent())
    assert len(finished) == len(left.todo)
    passed = {each.id for each in what_is_left(uept_rig, plan, options).done}
    known = read_gaps(ROOT / "rigs" / "uept-gaps.json")
    listed = {item.requirement.id for item in plan.items if item.runnable}
    assert listed - passed == listed & known.keys(), "rigs/uept-gaps.json says otherwise: `hilbench uept coverage`"
