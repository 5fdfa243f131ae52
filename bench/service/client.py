"""The other side: a program that gives an engine commands and watches what it does."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bench.errors import BenchError, CodecError, DeviceLost, UsageError
from bench.operators import user_name
from bench.service.address import reachable
from bench.service.lines import LONGEST_LINE, VERSION, decode, encode
from bench.service.remote import Remote
from bench.tasks import stop


class NoEngineError(UsageError):
    """No engine serves a rig; a socket that is there is left from one that was killed."""


class EngineClient:
    """A connection to an engine. Make it with `connected`.

    Attributes:
        hello: what the engine said of itself at first.
        messages: events, prompts and jobs, in order, for whoever subscribed; None when the engine has gone.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        hello: Mapping[str, Any],
        who: str,
        most_waiting: int = 0,
    ) -> None:
        self.hello = hello
        self.messages: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(most_waiting)
        self._reader, self._writer, self._who = reader, writer, who
        self._numbers = itertools.count(1)
        self._replies: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def call(self, do: str, **arguments: object) -> dict[str, Any]:
        """Give a command and wait for its reply.

        Raises:
            UsageError: the engine refused it; the error says why.
            DeviceLost: the engine has gone.
        """
        number = next(self._numbers)
        reply: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._replies[number] = reply
        try:
            self._writer.write(encode({"id": number, "do": do, "who": self._who, **arguments}))
            await self._writer.drain()
            message = await reply
        except ConnectionError:
            raise DeviceLost("the engine has gone") from None
        finally:
            self._replies.pop(number, None)
        if not message["ok"]:
            raise UsageError(str(message["error"]))
        return dict(message["result"])

    async def listen(self) -> None:
        """Take what the engine sends until it goes: the task that `connected` runs."""
        try:
            while line := await self._reader.readline():
                message = decode(line)
                reply = self._replies.get(message.get("id")) if message.get("type") == "reply" else None  # type: ignore[arg-type]
                if reply is not None:
                    if not reply.done():
                        reply.set_result(message)
                elif message.get("type") != "reply":
                    await self.messages.put(message)
        except (ConnectionError, ValueError, CodecError):
            pass
        finally:
            if self.messages.full():
                # Whoever comes again asks for what he has not seen.
                self.messages.get_nowait()
            self.messages.put_nowait(None)
            for reply in self._replies.values():
                if not reply.done():
                    reply.set_exception(DeviceLost("the engine has gone"))


@asynccontextmanager
async def connected(path: Path | Remote, *, who: str = "", most_waiting: int = 0) -> AsyncIterator[EngineClient]:
    """Talk to the engine at a socket.

    Args:
        path: of the Unix socket, or an engine on another computer.
        who: the person who acts, for the record; the user of this process if empty.
        most_waiting: how many messages may wait to be taken before nothing more is read; 0 for no end of them. Whoever
            gives a number must take messages while he waits for replies.

    Raises:
        NoEngineError: no engine serves there.
        UsageError: one does that speaks another version.
    """
    try:
        if isinstance(path, Remote):
            reader, writer = await path.open(LONGEST_LINE)
        else:
            with reachable(path) as name:
                reader, writer = await asyncio.open_unix_connection(name, limit=LONGEST_LINE)
    except OSError as error:
        if isinstance(path, Remote):
            raise NoEngineError(f"no engine can be reached: {error}", where=repr(path)) from None
        raise NoEngineError(
            "no engine serves this rig", where=str(path), next_step="Start one: hilbench serve RIG"
        ) from None
    try:
        try:
            hello = decode(await reader.readline())
        except (ConnectionError, ValueError) as error:
            raise UsageError(f"the engine did not say hello: {error}", where=str(path)) from None
        if hello.get("ok") is False:
            raise UsageError(str(hello.get("error")), where=str(path))
        if hello.get("version") != VERSION:
            raise UsageError(
                f"the engine speaks version {hello.get('version')} and this program {VERSION}",
                where=str(path),
                next_step="Start the engine with the same release",
            )
        client = EngineClient(reader, writer, hello, who or user_name(), most_waiting)
        listener = asyncio.create_task(client.listen(), name="engine")
        try:
            yield client
        finally:
            stop(listener)
            with contextlib.suppress(asyncio.CancelledError):
                await listener
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError, BenchError):
            await writer.wait_closed()
