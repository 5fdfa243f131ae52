"""What an abort makes devices say comes when the supply is back: it belongs to the run that was aborted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from bench import unparked
from bench.capabilities import CommsHub, can
from bench.clock import RealClock
from bench.durable import storage_error
from bench.rig.session import RigSession
from bench.sightings import Sighting

_BACK_S = 600.0
"""How long a Comms Hub may take to come back after its supply was off."""


async def settle(session: RigSession, folder: Path, run: str, earlier: Sequence[str] = ()) -> list[str]:
    """Wait until the Comms Hub is back and the rig's drain is over, and book what came meanwhile to a run.

    What was seen is in the rig's ledger from now on, so that no later run takes it for its own. The booking is an
    event, and a line of `aftermath.jsonl` in the rig's state folder.

    Args:
        session: the rig, parked.
        folder: its state folder.
        run: the evidence of the run that cut the supply; empty where it was no run.
        earlier: what came between its end and the parking of the rig.

    Returns:
        what came.

    Raises:
        StorageError: the booking cannot be written.
    """
    came = list(earlier)

    def see(sighting: Sighting) -> None:
        if sighting.is_alert:
            came.append(sighting.label(session.parties))

    unwatch = session.watch(see)
    session.stream.emit("engine", "aftermath", {"state": "start", "run": run})
    try:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + _BACK_S
        while not _is_back(session) and loop.time() < until_s:
            await session.clock.sleep(1.0)
        await session.clock.sleep(session.rig.file.drain)
    finally:
        unwatch()
        session.stream.emit("engine", "aftermath", {"state": "end", "run": run, "came": came})
    _book(folder, {"run": run, "utc": RealClock().now().iso, "came": came})
    unparked.clear(folder)
    return came


def _is_back(session: RigSession) -> bool:
    """Whether every Comms Hub that is monitored has power and its WAN."""
    hubs = [driver for driver in session.drivers.values() if can(driver, CommsHub)]
    states = [hub.hub_state() for hub in hubs]
    return all((state.power, state.wan) == ("on", "up") for state in states)


def _book(folder: Path, booking: dict[str, object]) -> None:
    try:
        with (folder / "aftermath.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(booking) + "\n")
    except OSError as error:
        raise storage_error(error, "what came late cannot be booked", folder) from error
