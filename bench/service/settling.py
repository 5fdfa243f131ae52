"""What devices still say after an abort: it is of the run that was aborted, and booked before the next begins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from bench.aftermath import settle
from bench.rig.session import RigSession
from bench.sightings import Sighting
from bench.tasks import stop


class Settling:
    """Keeps and books it.

    Args:
        session: the connected rig.
        folder: the rig's state folder.
    """

    def __init__(self, session: RigSession, folder: Path) -> None:
        self._session, self._folder = session, folder
        self._late: list[str] = []
        self._task: asyncio.Task[list[str]] | None = None
        self._earlier: list[asyncio.Task[list[str]]] = []

    def see(self, sighting: Sighting) -> None:
        """Keep an alert that came while no run was there that would."""
        if sighting.is_alert:
            self._late.append(sighting.label(self._session.parties))

    def begin(self, run: str) -> None:
        """The rig is parked: book what came since, and what comes now, as that of a run.

        Args:
            run: the bundle of the run; "" if there was none.
        """
        earlier, self._late = self._late, []
        # The rig may be stopped and parked again before the last one is over.
        self._earlier = [task for task in (*self._earlier, self._task) if task is not None and not task.done()]
        self._task = asyncio.create_task(settle(self._session, self._folder, run, earlier), name="aftermath")

    async def wait(self, woken: asyncio.Event, wanted: Callable[[], bool]) -> str:
        """Wait for the end of it, as long as that is wanted.

        Args:
            woken: set whenever what is wanted may have changed; it is cleared here.
            wanted: whether anybody still waits for it.

        Returns:
            what went wrong; "" if nothing did.
        """
        task = self._task
        if task is None:
            return ""
        while not task.done() and wanted():
            woken.clear()
            changed = asyncio.ensure_future(woken.wait())
            await asyncio.wait([task, changed], return_when=asyncio.FIRST_COMPLETED)
            stop(changed)
        if not task.done():
            return ""
        self._task = None
        error = None if task.cancelled() else task.exception()
        return "" if error is None else f"what the last run caused could not be booked: {error}"

    def end(self) -> list[asyncio.Task[list[str]]]:
        """Stop it; whoever calls awaits what is returned."""
        tasks = [task for task in (*self._earlier, self._task) if task is not None]
        for task in tasks:
            stop(task)
        return tasks
