"""`hilbench tui`: the cockpit in this terminal; also what `hilbench web` starts for each browser."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from bench.cli.common import say, state_folder
from bench.errors import UsageError
from bench.screens.app import Cockpit, Surroundings
from bench.service.address import engine_address
from bench.service.remote import SCHEME


def run(
    rig: Path | None, *, who: str = "", view_only: bool = False, start: bool = False, speed: float | None = None
) -> int:
    """Show the cockpit until it is closed; what the engine does goes on.

    Args:
        rig: the rig file, or `tls://HOST:PORT`; None to choose.
        who: the person who acts, for the record.
        view_only: look, and change nothing.
        start: start an engine if none serves the rig.
        speed: start one in virtual time, at so many seconds a second.

    Returns:
        the exit code.

    Raises:
        UsageError: the rig file is wrong, or the engine cannot be talked to.
    """
    engines: list[subprocess.Popen[bytes]] = []
    surroundings = Surroundings(
        address=lambda path: engine_address(path, state_folder(), os.environ),
        rigs=_rigs,
        start=lambda path, pace: engines.append(_start(path, pace)),
        may_pace=_may_pace,
    )
    cockpit = Cockpit(surroundings, rig, who=who, view_only=view_only, start=start, speed=speed)
    code = cockpit.run()
    if cockpit.failure:
        raise UsageError(cockpit.failure)
    left = [engine for engine in engines if engine.poll() is None]
    if left and rig is not None:
        say(f"the engine goes on (process {left[0].pid}); end it with: hilbench stop {rig}")
    return code or 0


def _rigs(folder: Path = Path("rigs")) -> list[tuple[Path, str]]:
    found = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            address = engine_address(path, state_folder(), os.environ)
            served = isinstance(address, Path) and address.exists()
            found.append((path, "an engine serves it" if served else ""))
        except UsageError as error:
            found.append((path, str(error)))
    if not found:
        raise UsageError(f"there is no rig file in {folder.absolute()}", next_step="Name one: hilbench tui RIG")
    return found


def _may_pace(rig: Path) -> bool:
    from bench.rig.load import load_rig

    return not str(rig).startswith(f"{SCHEME}:") and load_rig(rig).emulated


def _start(rig: Path, speed: float | None) -> subprocess.Popen[bytes]:
    """Start an engine that outlives this process; what it says goes into a file of the bench's state folder."""
    if str(rig).startswith(f"{SCHEME}:"):
        raise UsageError("an engine on another computer has to be started there")
    folder = state_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    command = [sys.executable, "-m", "bench.cli", "serve", str(rig)]
    if speed is not None:
        command += ["--speed", f"{speed:g}"]
    with (folder / "engine.log").open("ab") as log:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
