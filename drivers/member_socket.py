"""How the engines that share a receive address pass messages on: a Unix socket for each rig, that only its user opens.

Whoever accepted a message from the DCC offers it to the rigs that it concerns; each says what it makes of it. Once all
have, they are told that it is settled. If that never comes, because the engine in between died or gave this one up,
the message comes again: a rig that had it already gives the same answer, and takes it once only.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.clock import RealClock
from bench.duis.safe_xml import MAX_BYTES
from bench.durable import storage_error
from bench.kept_messages import kept
from bench.service.address import reachable
from bench.service.listening import listening
from drivers.receive_service import Deliver, Refused

ANSWER_S = 2.0
"""After so long without an answer an engine is taken for hung, a second before its guard does."""

_FETCH_S = 1.0
_MOST_UNSETTLED = 256
_SETTLED = b"settled\n"
_CREDENTIALS = struct.Struct("3i")
_HANDLE = struct.Struct("i")


class NotTakenError(Exception):
    """A rig does not take what is for it.

    Attributes:
        gone: whether no engine of it is there; else one is, and hangs, or lacks devices of the rig still.
    """

    def __init__(self, *, gone: bool) -> None:
        super().__init__(gone)
        self.gone = gone


class Door:
    """Takes what other engines have for one rig.

    Args:
        deliver: gets the messages.
        refused: told of what nobody can place.
        listener: the socket that listens at the shared address, to be handed to engines that come later.

    Attributes:
        ready: whether messages are taken; until then they are to be kept.
    """

    def __init__(self, deliver: Deliver, refused: Refused, listener: socket.socket) -> None:
        self._deliver, self._refused, self._listener = deliver, refused, listener
        self.ready = False
        self._unsettled: dict[bytes, str | None] = {}
        self._declined: set[bytes] = set()
        self._had: set[Path] = set()
        self._since_utc_ns = RealClock().now().utc_ns

    async def take_kept(self, folder: Path) -> None:
        """Take what was kept for the rig while nobody took it; other work goes on between two messages.

        Raises:
            StorageError: it cannot be taken away.
        """
        for message in kept(folder):
            if message.path not in self._had:
                digest = hashlib.sha256(message.document).digest()
                if digest in self._unsettled:
                    del self._unsettled[digest]
                else:
                    refusal = self._deliver(message.document, message.peer)
                    if message.utc_ns >= self._since_utc_ns and digest not in self._declined:
                        # It was offered to this process, which hung; that is still to be read.
                        self._note_unsettled(digest, refusal)
                self._declined.discard(digest)
                self._had.add(message.path)
            try:
                message.path.unlink()
            except OSError as error:
                raise storage_error(error, "a message that was kept cannot be removed", message.path) from None
            self._had.remove(message.path)
            await asyncio.sleep(0)

    @asynccontextmanager
    async def open(self, path: Path) -> AsyncIterator[None]:
        """Be there for others.

        Raises:
            UsageError: the socket cannot be made.
        """
        async with listening(self._serve, path):
            yield

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            # The mode of the socket keeps others out; this also does where its folder was opened to them.
            if _user_of(writer) == os.getuid():
                async with asyncio.timeout(3 * ANSWER_S):
                    await self._one(reader, writer)
        except (OSError, ValueError, KeyError, TypeError, EOFError):
            return  # it is gone, or no engine
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = json.loads(await reader.readline())
        match head["do"]:
            case "take":
                if not 0 <= head["length"] <= MAX_BYTES:
                    raise ValueError("no message is so long")
                await self._take(await reader.readexactly(head["length"]), str(head["peer"]), reader, writer)
            case "note":
                self._refused(str(head["what"]), str(head["why"]), str(head["peer"]))
            case "listener":
                with writer.get_extra_info("socket").dup() as raw:
                    socket.send_fds(raw, [b"."], [self._listener.fileno()])

    async def _take(
        self, document: bytes, peer: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        digest = hashlib.sha256(document).digest()
        if not self.ready:
            self._declined.add(digest)
            writer.write(b'{"ready": false}\n')
            return
        refusal = self._unsettled.pop(digest) if digest in self._unsettled else self._deliver(document, peer)
        self._note_unsettled(digest, refusal)
        writer.write(json.dumps({"refusal": refusal}).encode() + b"\n")
        await writer.drain()
        if await reader.readline() == _SETTLED:
            self._unsettled.pop(digest, None)

    def _note_unsettled(self, digest: bytes, refusal: str | None) -> None:
        self._unsettled[digest] = refusal
        while len(self._unsettled) > _MOST_UNSETTLED:
            del self._unsettled[next(iter(self._unsettled))]


def _user_of(writer: asyncio.StreamWriter) -> int:
    """The user id of the process at the other end of a Unix socket (SO_PEERCRED, unix(7))."""
    peer = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(peer)[1])


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that a rig has.

    Attributes:
        refusal: why the rig refuses it, or None.
        settle: tells its engine that the DCC need not post it again.
    """

    refusal: str | None
    settle: Callable[[], None]


@asynccontextmanager
async def offered(path: Path, document: bytes, peer: str) -> AsyncIterator[Taken]:
    """Offer a message to the rig behind a socket.

    Raises:
        NotTakenError: it does not take it.
    """
    async with _connection(path, {"do": "take", "peer": peer, "length": len(document)}, document) as (reader, writer):
        try:
            async with asyncio.timeout(ANSWER_S):
                await writer.drain()
                answer = json.loads(await reader.readline())
        except (OSError, ValueError, TimeoutError):
            raise NotTakenError(gone=False) from None
        if "refusal" not in answer:
            raise NotTakenError(gone=False)
        refusal = answer["refusal"]
        yield Taken(refusal, lambda: writer.write(_SETTLED))


async def note(path: Path, what: str, why: str, peer: str) -> None:
    """Have a rig put on record what nobody can place; one that is away, or hangs, is not waited for."""
    with contextlib.suppress(NotTakenError):
        async with _connection(path, {"do": "note", "what": what, "why": why, "peer": peer}):
            pass


@asynccontextmanager
async def _connection(
    path: Path, head: dict[str, Any], body: bytes = b""
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    try:
        with reachable(path) as name:
            reader, writer = await asyncio.open_unix_connection(name)
    except BlockingIOError:
        raise NotTakenError(gone=False) from None  # more wait for it than the kernel lets wait
    except OSError:
        raise NotTakenError(gone=True) from None
    try:
        writer.write(json.dumps(head).encode() + b"\n" + body)
        yield reader, writer
    finally:
        # What was written still goes out.
        writer.close()


def fetch_listener(path: Path) -> socket.socket:
    """The listening socket of the engine behind a socket; blocks for a second at most.

    Raises:
        NotTakenError: there is none, or it does not answer.
    """
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(_FETCH_S)
        try:
            with reachable(path) as name:
                line.connect(name)
        except TimeoutError:
            raise NotTakenError(gone=False) from None
        except OSError:
            raise NotTakenError(gone=True) from None
        try:
            line.sendall(b'{"do": "listener"}\n')
            # Not for the programs that this process starts: they would keep the address.
            _, sent, _, _ = line.recvmsg(1, socket.CMSG_SPACE(_HANDLE.size), socket.MSG_CMSG_CLOEXEC)
        except OSError:
            raise NotTakenError(gone=False) from None
    for level, kind, data in sent:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            return socket.socket(fileno=_HANDLE.unpack(data)[0])
    raise NotTakenError(gone=False)
