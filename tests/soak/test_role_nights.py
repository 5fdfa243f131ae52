"""A whole role as one night, each run in a world of its own that begins at a later moment: whatever ran before it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.cli import main

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.soak, pytest.mark.timeout(400)]


def typed(*words: str) -> Result:
    return CliRunner().invoke(main, words)


@pytest.mark.parametrize("role", ["GS", "OU"])
def test_every_test_script_passes_at_any_time_of_the_night(
    role: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("HILBENCH_STATE", str(tmp_path / "state"))
    written = typed("uept", "campaign", "--role", role, "--out", str(tmp_path / "night"))
    assert written.exit_code == 0, written.output
    name = f"uept-{role.lower()}"
    ran = typed("campaign", str(tmp_path / "night" / f"{name}.yaml"), "--out", str(tmp_path / "nights"))
    assert ran.exit_code == 0, ran.output[-2000:]
    (summary,) = (tmp_path / "nights").glob(f"{name}-*/summary.json")
    assert set(json.loads(summary.read_text())["outcomes"]) == {"passed"}
