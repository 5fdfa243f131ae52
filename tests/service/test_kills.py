"""Engines that are killed at random moments: nothing finished is lost, the supply is safe, and the run ends well."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ROOT

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


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_kills_at_random_moments(tmp_path: Path) -> None:
    found = kills(tmp_path, SOAK_KILLS, 2, rigs=4)
    stages = {len(kill["finished"]) for kill in found if kill["resumed"]}
    assert len(stages) >= 5, "kills came in most steps of the run, of which some take no time"
