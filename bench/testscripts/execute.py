"""Executes the plan of a role on a rig: what is left of it, and never again what has valid evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from bench import runner
from bench.clock import Clock
from bench.ctsd.requirements import Requirement
from bench.events import Event
from bench.one_run import Finished, Reporter
from bench.planner import Plan
from bench.quantities import format_duration
from bench.rig.file import Rig
from bench.runbook import Runbook
from bench.testscripts.evidence import EvidenceFolder
from bench.testscripts.plan import RolePlan
from bench.verbs import Operator


@dataclass(frozen=True, slots=True)
class Left:
    """What there is still to do of a plan.

    Attributes:
        todo: runbooks without valid evidence, in order.
        done: requirements that have it.
        evidence: the bundles in which they have it.
    """

    todo: tuple[tuple[Runbook, Plan], ...]
    done: tuple[Requirement, ...]
    evidence: tuple[Path, ...] = ()


def what_is_left(rig: Rig, plan: RolePlan, options: runner.RunOptions, only: Sequence[str] = ()) -> Left:
    """Compare a plan with the evidence under `options.out`.

    Args:
        rig: that the plan is for.
        plan: of a role.
        options: how it will be run.
        only: beginnings of ids of requirements; empty for all.
    """
    evidence = EvidenceFolder(options.out, rig, runner.bench_key(options.state).fingerprint)
    todo, done, bundles = [], list[Requirement](), list[Path]()
    for runbook, its_plan, covered in plan.runbooks():
        if only and not any(each.id.startswith(tuple(only)) for each in covered):
            continue
        if (bundle := evidence.valid(runbook)) is not None:
            done += covered
            bundles.append(bundle)
        else:
            todo.append((runbook, its_plan))
    return Left(tuple(todo), tuple(done), tuple(bundles))


class OneLine:
    """Tells of each run in one line; of one that did not pass, why.

    Args:
        out: where to.
        total: how many runs there will be.
    """

    def __init__(self, out: TextIO, total: int) -> None:
        self._out, self._total, self._number = out, total, 0

    def begin(self, plan: Plan, clock: Clock) -> None:
        """A run begins: nothing is said yet."""
        self._number += 1

    def event(self, event: Event) -> None:
        """Something happened in it: the journal has it."""

    def end(self, finished: Finished) -> None:
        """It ended."""
        result = finished.result
        took = format_duration(finished.duration_s)
        text = f"{self._number:4}/{self._total}  {result.verdict.value:9}  {took:>12}  {result.runbook.title}"
        print(text, file=self._out, flush=True)
        if not result.verdict.passed:
            bad = next((step for step in result.steps if step.reason and not step.verdict.passed), None)
            why = f"{bad.placed.name}: {bad.reason}" if bad else result.reason
            print(f"{'':11}{why}", file=self._out, flush=True)


def execute(
    rig: Rig,
    left: Left,
    options: runner.RunOptions,
    operator: Operator,
    reporter: Reporter,
) -> list[Finished]:
    """Run what is left, one runbook after the other, each with its own evidence.

    Where it stops (an abort, a rig that was not parked), another call goes on with what is left then.

    Raises:
        BenchError: see `runner.run_all`.
    """
    return runner.execute(rig, left.todo, options, operator, reporter) if left.todo else []
