"""The device's end of an emulated serial line: a pty behind a stable path, with all that goes wrong on cables."""

from __future__ import annotations

import asyncio
import os
import pty
import tty
from collections import deque
from collections.abc import Callable
from pathlib import Path
from random import Random

_MAX_WAITING = 64 * 1024
_MAX_LINE = 4096
_READ_SIZE = 4096


class PtyLine:
    """A pty whose slave is reached by a symbolic link that stays the same across unplugging.

    The master never blocks: what the terminal does not take waits in a bounded buffer, and what does not fit
    there is lost, as in a device that nobody reads. All calls belong to the thread of the event loop.

    Args:
        link: the stable path; its directory is made, for this user alone, if it is not there.
        on_line: called with each line that the bench sends, without its end (CR, LF or CR LF).
        rng: chooses which bytes to garble.

    Attributes:
        silent: while set, nothing that is sent reaches the bench, and nothing it sends is heard.
        delay_s: how much later than sent anything reaches the bench; what was sent first arrives first.
        lost: units that were dropped on purpose, found no room, or were sent while unplugged.
    """

    def __init__(self, link: Path, on_line: Callable[[str], None], rng: Random) -> None:
        self.link = link
        self.silent = False
        self.delay_s = 0.0
        self.lost = 0
        self._on_line = on_line
        self._rng = rng
        self._drop = self._garble = 0
        self._master: int | None = None
        self._slave = -1
        self._slave_name = ""
        self._received = bytearray()
        self._after_return = False
        self._waiting = bytearray()
        self._writing = False
        self._delayed: deque[tuple[float, bytes]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def name(self) -> str:
        """The path of the slave, `/dev/pts/N`, or "" while unplugged; it changes with every plug, `link` does not."""
        return self._slave_name

    @property
    def plugged(self) -> bool:
        """Whether the line is there."""
        return self._master is not None

    def plug(self) -> None:
        """Make the pty and its link; does nothing if it is there. Needs a running event loop."""
        if self._master is not None:
            return
        self.link.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        master, slave = pty.openpty()
        try:
            tty.setraw(slave)
            os.set_blocking(master, False)
            self._slave_name = os.ttyname(slave)
            self.link.unlink(missing_ok=True)
            self.link.symlink_to(self._slave_name)
            asyncio.get_running_loop().add_reader(master, self._readable)
        except BaseException:
            os.close(master)
            os.close(slave)
            self._slave_name = ""
            raise
        # The slave stays open here too: a pty without any slave reports a hang-up over and over.
        self._master, self._slave = master, slave

    def unplug(self) -> None:
        """Take the line away as if the cable were pulled: the bench's end reads an error, and the path is gone."""
        if self._master is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._master)
        loop.remove_writer(self._master)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._delayed.clear()
        self._waiting.clear()
        self._received.clear()
        self._writing = self._after_return = False
        self.link.unlink(missing_ok=True)
        os.close(self._slave)
        os.close(self._master)
        self._master, self._slave, self._slave_name = None, -1, ""

    def close(self) -> None:
        """Free everything; may be called twice."""
        self.unplug()

    def drop_next(self, units: int = 1) -> None:
        """Lose the next units that are sent."""
        self._drop += units

    def garble_next(self, units: int = 1) -> None:
        """Damage some bytes of each of the next units that are sent, leaving line ends where they are."""
        self._garble += units

    def garble_no_more(self) -> None:
        """Damage nothing of what is sent from now on."""
        self._garble = 0

    def send(self, data: bytes) -> None:
        """Send one unit (usually a line) to the bench, whole or not at all."""
        if self._master is None or self.silent:
            self.lost += 1
            return
        if self._drop:
            self._drop -= 1
            self.lost += 1
            return
        if self._garble:
            self._garble -= 1
            data = self._damage(data)
        loop = asyncio.get_running_loop()
        if not self.delay_s and not self._delayed:
            self._push(data)
            return
        # One timer, for the first in the queue: the loop runs timers of the same moment in no certain order.
        due_s = loop.time() + self.delay_s
        self._delayed.append((max(due_s, self._delayed[-1][0]) if self._delayed else due_s, data))
        if self._timer is None:
            self._timer = loop.call_at(self._delayed[0][0], self._deliver)

    def _damage(self, data: bytes) -> bytes:
        places = [at for at, byte in enumerate(data) if byte not in b"\r\n"]
        damaged = bytearray(data)
        for at in self._rng.sample(places, min(len(places), 1 + len(places) // 8)):
            # 0x80 makes it no ASCII character at all, so that damage never goes unseen.
            damaged[at] = 0x80 | self._rng.randrange(0x80)
        return bytes(damaged)

    def _deliver(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        while self._delayed and self._delayed[0][0] <= loop.time():
            self._push(self._delayed.popleft()[1])
        if self._delayed:
            self._timer = loop.call_at(self._delayed[0][0], self._deliver)

    def _push(self, data: bytes) -> None:
        if len(self._waiting) + len(data) > _MAX_WAITING:
            self.lost += 1
            return
        self._waiting += data
        self._flush()

    def _flush(self) -> None:
        if self._master is None:
            return
        try:
            written = os.write(self._master, self._waiting)
        except BlockingIOError:
            written = 0
        del self._waiting[:written]
        wanted = bool(self._waiting)
        if wanted != self._writing:
            self._writing = wanted
            loop = asyncio.get_running_loop()
            if wanted:
                loop.add_writer(self._master, self._flush)
            else:
                loop.remove_writer(self._master)

    def _readable(self) -> None:
        if self._master is None:
            return
        try:
            data = os.read(self._master, _READ_SIZE)
        except BlockingIOError:
            return
        if not self.silent:
            self._receive(data)

    def _receive(self, data: bytes) -> None:
        """Make lines of what the bench sent; protocols without lines override it."""
        for byte in data:
            if self._master is None:
                return  # a line's callback pulled the plug
            self._take(byte)

    def _take(self, byte: int) -> None:
        after_return, self._after_return = self._after_return, byte == 0x0D
        if byte == 0x0A and after_return:
            return
        if byte not in b"\r\n":
            if len(self._received) < _MAX_LINE:
                self._received.append(byte)
            return
        line = self._received.decode("ascii", "replace")
        self._received.clear()
        self._on_line(line)
