"""Connections to an engine: the Unix socket that only this user may open, and the end of those that are open."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from bench.errors import CodecError, UsageError
from bench.service.address import reachable
from bench.service.lines import LONGEST_COMMAND
from bench.tasks import stop

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def connections(serve: Serve) -> AsyncIterator[Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]]:
    """Give what a server calls for each connection; those that are open at the end are ended."""
    tasks: set[asyncio.Task[None]] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve(reader, writer)

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(one(reader, writer), name="client")
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    try:
        yield connected
    finally:
        for task in tuple(tasks):
            stop(task)
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def listening(serve: Serve, path: Path) -> AsyncIterator[None]:
    """Serve clients on a Unix socket that only this user may open.

    Raises:
        UsageError: another engine serves there, or the socket cannot be made.
    """
    async with connections(serve) as connected:
        before = os.umask(0o177)
        try:
            with reachable(path) as name:
                server = await asyncio.start_unix_server(connected, name, limit=LONGEST_COMMAND)
        except OSError as error:
            raise UsageError(f"clients cannot be served at {path}: {error.strerror or error}") from None
        finally:
            os.umask(before)
        try:
            yield
        finally:
            server.close()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)


async def read_command(reader: asyncio.StreamReader) -> bytes:
    """The next line of a client, or nothing at its end.

    Raises:
        CodecError: it is too long to be a command.
    """
    try:
        return await reader.readline()
    except ValueError:
        raise CodecError(f"a command has more than {LONGEST_COMMAND} bytes") from None
