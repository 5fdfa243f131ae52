"""Test Scripts and what they prove, in the project of a Party: links of tests to scripts, results of runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from bench.errors import BenchError
from bench.testscripts.plan import RolePlan
from bench.uept import results
from bench.uept.changes import Changes


def link(changes: Changes, plan: RolePlan) -> dict[str, int]:
    """Link each test of a project to the Test Script that the rig can carry out, with its test data.

    Returns:
        For each reason why tests have no script on this rig, how many they are.
    """
    known = {test.id for test in changes.project.tests()}
    ready = {(each.test, each.script) for each in changes.project.scripts() if each.produced and each.data_ready}
    by_script: dict[str, list[str]] = {}
    missing: dict[str, int] = {}
    for item in plan.items:
        name = item.requirement.id
        if name not in known or item.requirement.met_by:
            continue
        if not item.runnable or item.script is None:
            missing[item.reason] = missing.get(item.reason, 0) + 1
        elif (name, item.script.name) not in ready:
            by_script.setdefault(item.script.name, []).append(name)
    with changes.store.change():
        for script, tests in by_script.items():
            changes.link_script(tests, script, produced=True, data_ready=True)
    return missing


def record(changes: Changes, bundles: Iterable[Path], trusted: Collection[str]) -> tuple[int, list[str]]:
    """Record what runs proved: how many results are new, and why some bundles are no evidence.

    A bundle that does not verify, such as that of a run that was killed, is no reason to lose the others.
    """
    new, bad = 0, []
    for bundle in bundles:
        try:
            new += sum(number for _, number, _ in results.take(changes, [bundle], trusted))
        except BenchError as error:
            bad.append(str(error))
    return new, bad
