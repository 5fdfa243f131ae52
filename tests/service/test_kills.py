"""Engines that are killed at random moments: nothing finished is lost, the supply is safe, and the run ends well."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.clock import RealClock
from tests.processes import ROOT
from tests.service.kills import AHEAD_MS, judge_counters


@pytest.mark.parametrize(
    ("before", "after", "wrong"),
    [
        ([1, 2], [3, 4], ""),
        ([], [1], ""),
        ([1, 2], [2, 3], "came after"),
        ([1, 2], [3, 3], "came after"),
        ([5], [4], "came after"),
        ([1], [-AHEAD_MS], "came after"),
        ([-2 * AHEAD_MS], [-AHEAD_MS], "of the wall clock"),
    ],
)
def test_counters_that_go_back_are_noticed(before: list[int], after: list[int], wrong: str) -> None:
    ahead = RealClock().now().utc_ns // 1_000_000 + AHEAD_MS
    found = judge_counters([ahead + each for each in before], [ahead + each for each in after])
    assert (wrong in found) and bool(found) is bool(wrong)


SOAK_KILLS = int(os.environ.get("HILBENCH_SOAK_KILLS", "100"))
"""How many kills `make soak` has: as many as fit into its time; 500 for a release."""


def kills(folder: Path, count: int, seed: int, rigs: int) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "tests.service.kills", str(folder), str(count), str(seed), str(rigs)]
    process = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    found = [json.loads(line) for line in process.stdout.splitlines()]
    assert len(found) == count, process.stderr
    assert [(kill["after_s"], kill["problems"]) for kill in found if kill["problems"]] == [], process.stderr
    return found


@pytest.mark.timeout(120)
def test_a_run_that_is_killed_is_carried_on_with(tmp_path: Path) -> None:
    found = kills(tmp_path, 10, 1, rigs=5)
    assert sum(kill["resumed"] for kill in found) >= 5
    assert sum(kill["compared"] for kill in found) >= 4, "requests after a resumption were held against those before"


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_kills_at_random_moments(tmp_path: Path) -> None:
    found = kills(tmp_path, SOAK_KILLS, 2, rigs=4)
    stages = {len(kill["finished"]) for kill in found if kill["resumed"]}
    asked = [kill["compared"] for kill in found if kill["resumed"] and "7" not in kill["finished"]]
    # Before the first run on each of the rigs there is nothing to hold them against.
    assert sum(map(bool, asked)) >= max(SOAK_KILLS / 4, len(asked) - 4), "and so were those of all with a question left"
    assert len(stages) >= 5, "kills came in most steps of the run, of which some take no time"
