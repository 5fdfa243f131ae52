"""Files that only grow, written by one thread and on disk when it matters.

`AppendFile.append` only queues. A writer thread puts what is queued on disk every `INTERVAL_S` of real time, so that
after a crash no more than the last tenth of a second is missing; `DurableWriter.barrier` waits until everything
appended before is there.

On a real clock a barrier hands over to the thread, because a disk may take tens of milliseconds and the loop has
supplies to watch meanwhile. On a virtual clock nothing can happen meanwhile, so a barrier works in the caller: no
hand-over, and a slow disk cannot make the virtual clock flow.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import errno
import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from bench.errors import BenchError

INTERVAL_S = 0.05
"""How often the thread looks, in real seconds; with the write itself, an append is on disk within 100 ms."""

_T = TypeVar("_T")
_Job = tuple[Callable[[], Any], asyncio.AbstractEventLoop, "asyncio.Future[Any]"]


class StorageError(BenchError):
    """Evidence or state cannot be written to disk, or is no longer where it was."""


def storage_error(error: OSError, doing: str, path: Path) -> StorageError:
    """Say what the operating system refused, and what to do about it."""
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        next_step = "Free some space on that disk"
    elif error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        next_step = "Choose a folder that this user may write to"
    elif error.errno == errno.EIO:
        next_step = "The disk is failing: nothing written to it can be relied upon"
    else:
        next_step = ""
    return StorageError(f"{doing}: {reason[:1].lower()}{reason[1:]}", where=str(path), next_step=next_step)


def sync_folder(folder: Path) -> None:
    """Make the entries of a folder durable: a new file is not on disk until its folder is."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_whole(path: Path, data: bytes, doing: str = "the file cannot be written") -> None:
    """Replace a file by one with this content, which is on disk then; nobody ever sees a part of it.

    Args:
        path: which; its folder is made if it is not there.
        data: the content.
        doing: what an error says first.

    Raises:
        StorageError: it cannot be written.
    """
    draft = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise storage_error(error, doing, path) from error


class AppendFile:
    """One file that only grows. `DurableWriter.create` makes it; `append` may be called from any thread.

    Attributes:
        path: where it is.
        size: bytes written to it so far.
    """

    def __init__(self, path: Path, *, sync: bool) -> None:
        self.path = path
        self.size = 0
        self._sync_always = sync
        self._queue: collections.deque[bytes] = collections.deque()
        self._unwritten = b""
        self._dirty = False
        self._digest = hashlib.sha256()
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
            if sync:
                sync_folder(path.parent)
        except OSError as error:
            raise storage_error(error, "the file cannot be made", path) from error
        status = os.fstat(self._fd)
        self._identity = (status.st_dev, status.st_ino)

    @property
    def sha256(self) -> str:
        """SHA-256 of what was written so far, in hexadecimal."""
        return self._digest.hexdigest()

    def append(self, data: bytes) -> None:
        """Queue some bytes; costs well under a microsecond and never raises."""
        self._queue.append(data)

    def write(self) -> None:
        """Hand what is queued to the operating system, and to the disk if the file is one that is always synced.

        What the disk does not take stays queued, so the next try goes on where this one stopped.
        """
        queue = self._queue
        if queue or self._unwritten:
            self._unwritten += b"".join([queue.popleft() for _ in range(len(queue))])
            self._dirty = True
            while self._unwritten:
                count = os.write(self._fd, self._unwritten)
                self._digest.update(self._unwritten[:count])
                self.size += count
                self._unwritten = self._unwritten[count:]
        if self._sync_always and self._dirty:
            self.sync()

    def sync(self) -> None:
        """Put what was written on disk.

        Raises:
            StorageError: it cannot be known any more what the disk holds; a second try would prove nothing, since the
                kernel forgets what it failed to write.
        """
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            raise storage_error(error, "what was written did not reach the disk", self.path) from error
        self._dirty = False
        self.check()

    def check(self) -> None:
        """Raise StorageError unless the path still names this file with all that was written to it."""
        try:
            status = os.stat(self.path, follow_symlinks=False)
        except OSError as error:
            rescue = f"Until the bench ends, its content can be copied from /proc/{os.getpid()}/fd/{self._fd}"
            raise StorageError(
                "the file was removed, or its folder moved, while it was being written",
                where=str(self.path),
                next_step=rescue,
            ) from error
        if (status.st_dev, status.st_ino) != self._identity:
            raise StorageError("the file was replaced while it was being written", where=str(self.path))
        if status.st_size != self.size:
            raise StorageError(
                f"somebody else changed the file while it was being written: it has {status.st_size} bytes "
                f"where {self.size} were written",
                where=str(self.path),
            )

    def close(self) -> None:
        """Free the descriptor; may be called twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class DurableWriter:
    """Writes append-only files in the background.

    Args:
        inline: work in the caller instead of the thread, as is right on a virtual clock.
    """

    def __init__(self, *, inline: bool) -> None:
        self._inline = inline
        self._files: list[AppendFile] = []
        self._disk = threading.Lock()
        self._condition = threading.Condition()
        self._jobs: list[_Job] = []
        self._stopping = False
        self._broken: StorageError | None = None
        self._thread = threading.Thread(target=self._work, name="durable writer", daemon=True)
        self._thread.start()

    def create(self, path: Path, *, sync: bool = False) -> AppendFile:
        """Make a new file; one with `sync` is on disk after every barrier and every interval, others when synced.

        Raises:
            StorageError: it exists already or cannot be made.
        """
        file = AppendFile(path, sync=sync)
        with self._disk:
            self._files.append(file)
        return file

    async def run(self, work: Callable[[], _T]) -> _T:
        """Do blocking work on files without stopping the loop; if cancelled, the work is done all the same.

        Raises:
            StorageError: the writer was closed.
        """
        if self._inline and not self._stopping:
            return work()
        loop = asyncio.get_running_loop()
        with self._condition:
            if self._stopping:
                raise StorageError("nothing more can be written: the files were closed")
            future: asyncio.Future[_T] = loop.create_future()
            self._jobs.append((work, loop, future))
            self._condition.notify()
        return await future

    async def barrier(self) -> None:
        """Return when everything that was appended before is written, and on disk if its file is always synced.

        Raises:
            StorageError: it is not. What a full disk refused is kept and tried again by the next barrier; a file that
                did not reach the disk, or was removed or changed by somebody, fails every barrier from then on.
        """
        await self.run(self.flush)

    def flush(self) -> None:
        """Do what `barrier` does, in this thread."""
        problem: StorageError | None = None
        with self._disk:
            for file in self._files:
                try:
                    file.write()
                except StorageError as error:
                    self._broken = self._broken or error
                except OSError as error:
                    problem = problem or storage_error(error, "the file cannot be written", file.path)
            problem = self._broken or problem
        if problem is not None:
            raise StorageError(problem.what, where=problem.where, next_step=problem.next_step) from problem.__cause__

    def finish(self, files: list[AppendFile]) -> None:
        """Write and sync some files, and make sure that nobody else touched them; raises as `barrier` does."""
        self.flush()
        with self._disk:
            for file in files:
                file.sync()
            for folder in dict.fromkeys(file.path.parent for file in files):
                sync_folder(folder)

    def close(self) -> None:
        """Write what is left, end the thread and close the files; may be called twice and never raises."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
        self._thread.join()
        for file in self._files:
            file.close()

    def _work(self) -> None:
        while True:
            with self._condition:
                if not self._jobs and not self._stopping:
                    self._condition.wait(INTERVAL_S)
                jobs, self._jobs = self._jobs, []
                stopping = self._stopping
            for job in jobs:
                self._settle(*job)
            # A failure here is not lost: what was refused stays queued and the next barrier meets it again.
            with contextlib.suppress(StorageError):
                self.flush()
            if stopping:
                return

    @staticmethod
    def _settle(work: Callable[[], Any], loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any]) -> None:
        result: Any = None
        failure: BaseException | None = None
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - whoever awaits it gets it
            failure = error

        def deliver() -> None:
            if future.done():
                return
            if failure is not None:
                future.set_exception(failure)
            else:
                future.set_result(result)

        # A loop that closed meanwhile has nobody left to tell.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(deliver)
