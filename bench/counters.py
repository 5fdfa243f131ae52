"""Counters that never go back: kept on disk, shared by every process that opens their folder.

A GBCS device and the DCC refuse a message whose originator counter or RequestID is not above the last, and a value
used twice looks like a replay. One file a counter holds one line of text:

    <last value used> <highest value reserved> <boot id of the machine>

Every value is taken under a lock on the file, so that several rigs may share a User and still see one order. What a
killed process wrote is in the kernel's cache and safe; only a machine that goes down can lose it. So the *reserved*
value is put on disk before any value up to it is used, a block at a time, and after a boot the rest is skipped.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from bench.durable import StorageError, storage_error, sync_folder
from bench.errors import BenchError

BLOCK = 1000
"""How many values one sync to disk reserves; as many at most are lost when the machine goes down."""

MAX_VALUE = (1 << 64) - 1
"""GBCS counters have 64 bits (GBCS 4.3.1.4)."""

_RECORD_SIZE = 128
_RECORD = re.compile(rb"([0-9]{1,20}) ([0-9]{1,20}) ([!-~]+) *\n")
_LONGEST_NAME = 200
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def _read_boot_id() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError as error:
        raise storage_error(error, "one boot of this machine cannot be told from the next", _BOOT_ID) from error


class FileCounters:
    """`bench.device.Counters` on disk.

    Values are taken under a lock of the operating system and of this process: any thread or process may take them.

    Args:
        folder: where the files are; made if it is missing, for this user alone.
        block: how many values to reserve at once.

    Raises:
        StorageError: the folder cannot be made.
    """

    def __init__(self, folder: Path, *, block: int = BLOCK) -> None:
        self._folder = folder
        self._block = block
        self._boot = _read_boot_id()
        self._files: dict[str, int] = {}
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise storage_error(error, "the folder for counters cannot be made", folder) from error

    def next(self, name: str, *, at_least: int = 1) -> int:
        """The next value of a counter: above every earlier one, and not below `at_least`.

        Raises:
            StorageError: it cannot be made durable, or the counter's file is gone or damaged; no value was used.
            BenchError: the counter is at its end.
        """
        with self._lock, self._locked(name) as fd:
            last, reserved, boot = self._read(name, fd)
            if boot != self._boot:
                last = reserved
            value = max(last + 1, at_least)
            if value > MAX_VALUE:
                raise BenchError(f'the counter "{name}" has no value left', where=str(self._path(name)))
            if value <= reserved:
                self._write(name, fd, value, reserved)
                return value
            try:
                self._write(name, fd, value, min(value + self._block - 1, MAX_VALUE))
                self._sync(name, fd)
            except StorageError:
                # The next caller must not take this block for reserved.
                self._write(name, fd, last, max(last, reserved))
                raise
            return value

    def close(self) -> None:
        """Free the files; may be called twice."""
        with self._lock:
            while self._files:
                os.close(self._files.popitem()[1])

    def _path(self, name: str) -> Path:
        return self._folder / f"{quote(name, safe='')}.counter"

    @contextlib.contextmanager
    def _locked(self, name: str) -> Iterator[int]:
        fd = self._files.get(name)
        if fd is None:
            fd = self._files[name] = self._open(name)
        fcntl.flock(fd, fcntl.LOCK_EX)
        try:
            yield fd
        finally:
            fcntl.flock(fd, fcntl.LOCK_UN)

    def _open(self, name: str) -> int:
        if not name or len(quote(name, safe="")) > _LONGEST_NAME:
            raise BenchError(f"a counter cannot be called {name!r}")
        path = self._path(name)
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            sync_folder(self._folder)
        except OSError as error:
            raise storage_error(error, "the counter cannot be opened", path) from error
        return fd

    def _read(self, name: str, fd: int) -> tuple[int, int, str]:
        path = self._path(name)
        if os.fstat(fd).st_nlink == 0:
            raise StorageError(
                "the counter's file was removed while the bench uses it",
                where=str(path),
                next_step="A counter that begins anew repeats messages: stop and put the file back from a copy",
            )
        text = os.pread(fd, _RECORD_SIZE + 1, 0)
        if not text:
            return 0, 0, self._boot
        found = _RECORD.fullmatch(text)
        if found is None or not int(found[1]) <= int(found[2]) <= MAX_VALUE:
            raise StorageError(
                "the counter's file is damaged",
                where=str(path),
                next_step='Put it back from a copy, or write the line "N N restored" into it, '
                "where N is at least as high as any value used",
            )
        return int(found[1]), int(found[2]), found[3].decode()

    def _write(self, name: str, fd: int, last: int, reserved: int) -> None:
        # One write of one sector over the old one: no reader and no crash sees a half of it.
        record = f"{last} {reserved} {self._boot}".ljust(_RECORD_SIZE - 1) + "\n"
        try:
            os.pwrite(fd, record.encode(), 0)
        except OSError as error:
            raise storage_error(error, "the counter cannot be written", self._path(name)) from error

    def _sync(self, name: str, fd: int) -> None:
        try:
            os.fsync(fd)
        except OSError as error:
            raise storage_error(error, "the counter did not reach the disk", self._path(name)) from error
