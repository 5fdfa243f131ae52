"""Garbage that is collected only when everything is loaded."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import loading

ROOT = Path(__file__).parent.parent


@pytest.fixture
def afterwards_as_before() -> Iterator[None]:
    yield
    gc.enable()
    gc.unfreeze()


@pytest.mark.usefixtures("afterwards_as_before")
def test_nothing_is_collected_until_all_is_loaded_and_that_is_never_looked_at_again() -> None:
    loading.begin()
    assert not gc.isenabled()
    loading.done()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 1000


@pytest.mark.usefixtures("afterwards_as_before")
def test_who_did_not_begin_changes_nothing() -> None:
    loading.done()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


@pytest.mark.usefixtures("afterwards_as_before")
def test_it_does_not_last_whatever_the_process_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "LONGEST_S", 0.01)
    loading.begin()
    assert loading._latest is not None
    loading._latest.join(5.0)
    assert gc.isenabled()


def test_a_run_collects_from_the_moment_when_its_rig_is_open(tmp_path: Path) -> None:
    code = f"""
import gc, sys
from bench.cli.__main__ import start
sys.argv = ["hilbench", "run", "supply-outage-short", "--rig", "rigs/emulated.yaml", "--out", {str(tmp_path)!r}]
try:
    start()
except SystemExit as end:
    assert not end.code and gc.isenabled() and gc.get_freeze_count() > 100_000, (end, gc.get_freeze_count())
    print("collected", file=sys.stderr)
"""
    state = os.environ | {"HILBENCH_STATE": str(tmp_path / "state")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, cwd=ROOT, env=state)
    assert done.stderr.endswith("collected\n"), done.stderr
