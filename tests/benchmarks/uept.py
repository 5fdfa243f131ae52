"""The whole plan of an Import Supplier, new User, on the emulated rig in virtual time."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from bench.ctsd.populations import Population
from bench.ctsd.requirements import Kind
from bench.ctsd.tables import Role
from bench.quantities import format_duration
from bench.rig.load import load_rig
from bench.runner import RunOptions, execute
from bench.terminal import Silent, TerminalOperator
from bench.testscripts.data import load_test_data
from bench.testscripts.plan import plan_role
from tests.benchmarks.result import ROOT, Result


def plan_is() -> list[Result]:
    """How long it takes to plan every execution, and to run those that the emulated bench can run."""
    began = time.perf_counter()
    rig = load_rig(ROOT / "rigs" / "uept.yaml")
    plan = plan_role(rig, Role.IS, Population.NEW, load_test_data(rig), ROOT / "runbooks")
    planned_s = time.perf_counter() - began
    matrix = [item for item in plan.items if item.requirement.kind is Kind.SERVICE_REQUEST]
    runbooks = [(runbook, its_plan) for runbook, its_plan, _ in plan.runbooks()]
    with tempfile.TemporaryDirectory(prefix="hilbench-uept-") as name:
        options = RunOptions(Path(name) / "out", Path(name) / "state")
        began = time.perf_counter()
        finished = execute(rig, runbooks, options, TerminalOperator(), Silent())
        took_s = time.perf_counter() - began
    virtual_s = sum(item.duration_s for item in finished)
    passed = sum(item.result.verdict.passed for item in finished)
    note = (
        f"{len(finished)} runbooks, {passed} passed, for {sum(item.runnable for item in plan.items)} of"
        f" {len(plan.items)} executions ({len(matrix)} of the matrix), {format_duration(virtual_s)} virtual; on a real"
        f" rig {format_duration(plan.usual_s)} usually, {format_duration(plan.longest_s)} at most"
    )
    return [
        Result("IS, new User: every execution planned", "s", [planned_s], note=f"{len(plan.items)} requirements"),
        Result("the same run on the emulated rig", "s", [took_s], note=note),
    ]
