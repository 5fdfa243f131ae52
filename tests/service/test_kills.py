"""Engines that are killed at random moments: nothing finished is lost, the supply is safe, and the run ends well."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ROOT

IN_PARALLEL = 4


def kills(folder: Path, count: int, seed: int) -> subprocess.Popen[str]:
    folder.mkdir()
    command = [sys.executable, "-m", "tests.service.kills", str(folder), str(count), str(seed)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)


def judged(process: subprocess.Popen[str], count: int) -> list[dict[str, Any]]:
    out, error = process.communicate()
    found = [json.loads(line) for line in out.splitlines()]
    assert len(found) == count, error
    assert [kill for kill in found if kill["problems"]] == [], error
    return found


@pytest.mark.timeout(120)
def test_a_run_that_is_killed_is_carried_on_with(tmp_path: Path) -> None:
    found = judged(kills(tmp_path / "world", 10, 1), 10)
    assert sum(kill["resumed"] for kill in found) >= 5


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_five_hundred_kills(tmp_path: Path) -> None:
    count = 500 // IN_PARALLEL
    processes = [kills(tmp_path / str(seed), count, seed) for seed in range(2, 2 + IN_PARALLEL)]
    found = [kill for process in processes for kill in judged(process, count)]
    stages = {len(kill["finished"]) for kill in found if kill["resumed"]}
    assert len(found) == 500
    assert stages >= set(range(7))
