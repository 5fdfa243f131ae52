"""The bench's programs as processes of their own, for the few tests that need real ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from tests.emulated.benches import RIG

ROOT = Path(__file__).parents[1]


@contextmanager
def emulating(folder: Path, *more: str, rig: Path = RIG) -> Iterator[subprocess.Popen[str]]:
    """A rig, emulated by a process of its own, once it says where everything is: `folder/rig/rig.yaml` finds it."""
    command = [sys.executable, "-m", "bench.cli", "emulate", str(rig), "--as", str(folder / "rig"), "--json"]
    command += ["--state", str(folder / "state"), *more]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        if said:
            assert json.loads(said)["rig"] == "emulated"
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def serving(
    folder: Path, *more: str, rig: Path | None = None, variables: Mapping[str, str] = MappingProxyType({})
) -> Iterator[subprocess.Popen[str]]:
    """An engine that serves `folder/rig/rig.yaml`, or another rig, once its clients can come; `variables` are its."""
    command = [sys.executable, "-m", "bench.cli", "serve", str(rig or folder / "rig" / "rig.yaml")]
    command += ["--out", str(folder / "evidence"), *more]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**environment(folder), **variables},
    )
    try:
        assert process.stdout is not None
        said = ""
        while "is served at" not in said:
            line = process.stdout.readline()
            assert line, f"the engine ended: {said}"
            said += line
        yield process
    finally:
        process.kill()
        process.communicate()


def hilbench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command with the bench's state in `folder/bench`, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "bench.cli", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(folder),
        timeout=50,
        check=False,
    )


def environment(folder: Path) -> dict[str, str]:
    """Variables of a process whose bench state is in `folder/bench`."""
    return {**os.environ, "HILBENCH_STATE": str(folder / "bench")}
