"""The state of an emulated world on disk: one file, always whole, at most a moment behind the world."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any

from bench.durable import DurableWriter, storage_error, sync_folder
from bench.errors import UsageError

SETTLE_S = 0.05
"""After a change the world gets this long to finish what it is doing; a kill within it loses that."""
_SHARE = 0.2
"""At most this part of the time goes into writing, however large the world is."""


class StateKeeper:
    """Keeps a world in a folder that no other process keeps one in meanwhile.

    Args:
        folder: made if it is missing.

    Attributes:
        path: the file.

    Raises:
        UsageError: another process has the folder.
        StorageError: it cannot be made or written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "world.json"
        self._changed = asyncio.Event()
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(folder / "world.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise storage_error(error, "the world's state folder cannot be used", folder) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise UsageError(
                "another process keeps its world there", where=str(folder), next_step="End it, or name another folder"
            ) from None
        self._writer = DurableWriter(inline=False)

    def __enter__(self) -> StateKeeper:
        """Use it in a with statement, which closes it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Free the folder."""
        self._writer.close()
        os.close(self._lock)

    def read(self) -> bytes | None:
        """What was kept last, or None where there is nothing yet.

        Raises:
            StorageError: it cannot be read.
        """
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise storage_error(error, "the world's state cannot be read", self.path) from None

    def changed(self) -> None:
        """Say that the world is another one than the one that was kept."""
        self._changed.set()

    async def save(self, memory: bytes) -> None:
        """Keep a state; on disk when this returns, and until then the last one is.

        Raises:
            StorageError: it cannot be written.
        """
        await self._writer.run(lambda: self._replace(memory))

    async def keep(self, memory: Callable[[], bytes], stop: asyncio.Event) -> None:
        """Keep the world after every change, a moment later, until `stop` is set; then once more.

        Raises:
            StorageError: it cannot be written: the world must not go on as if it were kept.
        """
        loop = asyncio.get_running_loop()
        while not stop.is_set():
            began_s = loop.time()
            if self._changed.is_set():
                self._changed.clear()
                await self.save(memory())
            took_s = loop.time() - began_s
            await _first(stop.wait(), self._changed.wait())
            # What has changed is rarely alone: a response follows, and notes are taken of it.
            await _first(stop.wait(), asyncio.sleep(max(SETTLE_S, took_s / _SHARE)))
        await self.save(memory())

    def _replace(self, memory: bytes) -> None:
        new = self.path.with_suffix(".new")
        try:
            fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(memory)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.path)
            sync_folder(self.path.parent)
        except OSError as error:
            raise storage_error(error, "the world's state cannot be kept", new) from None


async def _first(*waits: Coroutine[Any, Any, Any]) -> None:
    """Wait for the first of some things, and for nothing more."""
    tasks = [asyncio.ensure_future(each) for each in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
