"""`hilbench tui`: the cockpit in this terminal; also what `hilbench web` starts for each browser."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
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
        UsageError: there is no terminal, the rig file is wrong, or the engine cannot be talked to.
    """
    _check_terminal(os.environ)
    engines: list[subprocess.Popen[bytes]] = []
    surroundings = Surroundings(
        address=lambda path: engine_address(path, state_folder(), os.environ),
        rigs=_rigs,
        start=lambda path, pace: _watched(engines, _start(path, pace)),
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


def _check_terminal(environment: Mapping[str, str]) -> None:
    """Refuse where nothing would be seen, or no key would come: the screen is drawn on standard error.

    Raises:
        UsageError: saying which of the three streams is no terminal, or what the terminal cannot do.
    """
    if environment.get("TEXTUAL_DRIVER"):
        # textual-serve's: a browser is the terminal, at the other end of two pipes.
        return
    streams = (("input", sys.__stdin__), ("output", sys.__stdout__), ("error", sys.__stderr__))
    if gone := [name for name, stream in streams if stream is None or stream.closed or not stream.isatty()]:
        raise UsageError(
            f"the cockpit needs a terminal, and standard {' and '.join(gone)} {'is' if len(gone) == 1 else 'are'} none",
            next_step="Without one: hilbench status RIG, hilbench attach RIG, or hilbench web RIG for a browser",
        )
    if environment.get("TERM", "dumb") in ("dumb", "unknown", ""):
        raise UsageError(
            f"the terminal can only write line after line (TERM is {environment.get('TERM', 'not set')})",
            next_step="Set TERM to what it is, such as xterm-256color, or use hilbench attach RIG",
        )


def _rigs(folder: Path = Path("rigs")) -> list[tuple[Path, str]]:
    from bench.rig.load import load_rig

    found = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            rig = load_rig(path)
            address = engine_address(path, state_folder(), os.environ)
        except UsageError as error:
            found.append((path, f"cannot be used: {error}"))
            continue
        served = isinstance(address, Path) and address.exists()
        parts = (rig.file.title, "no hardware needed" if rig.emulated else "", "an engine serves it" if served else "")
        found.append((path, "; ".join(part for part in parts if part)))
    found.sort(key=lambda each: "an engine serves it" not in each[1])
    if not found:
        raise UsageError(f"there is no rig file in {folder.absolute()}", next_step="Name one: hilbench tui RIG")
    return found


def _may_pace(rig: Path) -> bool:
    from bench.rig.load import load_rig

    return not str(rig).startswith(f"{SCHEME}:") and load_rig(rig).emulated


def _watched(engines: list[subprocess.Popen[bytes]], engine: subprocess.Popen[bytes]) -> Callable[[], str]:
    """Keep an engine among those that were started; the answer says why it has ended, and "" as long as it has not."""
    engines.append(engine)

    def why() -> str:
        if engine.poll() is None:
            return ""
        log = state_folder() / "engine.log"
        lines = log.read_text(errors="replace").split("\n") if log.is_file() else []
        last = next((line for line in reversed(lines) if line.strip()), "it said nothing")
        return f"{last.removeprefix('hilbench: ')} (exit code {engine.returncode}; more in {log})"

    return why


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
