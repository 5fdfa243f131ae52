"""Holding a run between two of its steps."""

from __future__ import annotations

import asyncio

from bench.events import EventStream


class Pause:
    """A gate before every step of a run; open until somebody closes it.

    What is under way is never held: an interruption ends in its time. While a run is held nothing is sent to the rig;
    limits are watched, and what devices say is booked to the run.
    """

    def __init__(self, stream: EventStream) -> None:
        self._stream = stream
        self._open = asyncio.Event()
        self._open.set()

    @property
    def asked(self) -> bool:
        """Whether the run is held, or will be before its next step."""
        return not self._open.is_set()

    def close(self, reason: str) -> None:
        """Hold the run before its next step."""
        if self._open.is_set():
            self._open.clear()
            self._stream.emit("engine", "run", {"state": "pause", "reason": reason})

    def open(self) -> None:
        """Let it go on."""
        if not self._open.is_set():
            self._open.set()
            self._stream.emit("engine", "run", {"state": "resume"})

    async def passed(self) -> None:
        """Wait until the gate is open."""
        await self._open.wait()
