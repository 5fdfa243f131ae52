"""Ending a run before its time: the safe state begins at once, and beside whatever the step is doing."""

from __future__ import annotations

import asyncio
from typing import Any

from bench.rig.session import RigSession
from bench.safety import reach
from bench.tasks import stop


class Brake:
    """The brake of one run.

    Attributes:
        reason: why it was pulled; the first reason is kept. None if it was not.
        safe: brings the rig to its safe state, and gives what was not confirmed; None if nothing asked for it.
    """

    def __init__(self, session: RigSession) -> None:
        self._session = session
        self.reason: str | None = None
        self.safe: asyncio.Task[tuple[str, ...]] | None = None
        self._body: asyncio.Task[Any] | None = None

    @property
    def is_pulled(self) -> bool:
        """Whether the run is being aborted."""
        return self.reason is not None

    def holds(self, body: asyncio.Task[Any]) -> None:
        """Take hold of the task that carries the run out; if the brake has been pulled, it stops at once."""
        self._body = body
        if self.is_pulled:
            stop(body)

    def pull(self, reason: str) -> None:
        """Start the safe state now, and stop the run. Callable from a signal handler."""
        if self.is_pulled:
            return
        self.reason = reason
        self.make_safe()
        self._session.stream.emit("engine", "run", {"state": "abort", "reason": reason})
        if self._body is not None:
            stop(self._body)

    def make_safe(self) -> None:
        """Start the safe state now, and let the run go on."""
        if self.safe is None:
            self.safe = asyncio.create_task(
                reach(self._session, "safe", self._session.rig.file.safe), name="safe state"
            )
