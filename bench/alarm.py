"""The alarm: a rig whose safe state is not confirmed may be dangerous, and somebody has to come and look."""

from __future__ import annotations

import asyncio
import subprocess
import sys

from bench.rig.file import Rig

PATIENCE_S = 10.0
"""How long the alarm's program may take."""


async def sound(rig: Rig, text: str) -> str:
    """Say it on standard error, with a bell, and run the program that the rig file names under `alarm`.

    The program gets the text as its last argument. Nothing that goes wrong with it is raised: whoever sounds an alarm
    has more urgent things to do.

    Returns:
        what became of the program, for the record; empty if the rig names none.
    """
    line = f"{rig.name}: {text}"
    print(f"\a*** ALARM *** {line}", file=sys.stderr, flush=True)
    if not rig.file.alarm:
        return ""
    # In a thread: neither the heartbeat of an engine nor virtual time waits for a program.
    return await asyncio.to_thread(_run, (*rig.file.alarm, line))


def _run(command: tuple[str, ...]) -> str:
    try:
        ended = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=PATIENCE_S, check=False
        )
    except OSError as error:
        return f"{command[0]} cannot be run: {error.strerror}"
    except subprocess.TimeoutExpired:
        return f"{command[0]} took longer than {PATIENCE_S:g} s"
    return f"{command[0]} ended with {ended.returncode}"
