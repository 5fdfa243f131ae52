"""Talking to clients: their commands are read and answered, each as it must be, until they go."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping
from typing import Any

from bench.errors import BenchError, CodecError, UsageError
from bench.service.clients import Client, Clients
from bench.service.commands import Command
from bench.service.lines import VERSION, decode
from bench.service.listening import read_command
from bench.tasks import stop

_LOOKING = frozenset({"subscribe", "status", "view"})
"""Commands that a client which may only look may give, beside questions."""
_LONG = frozenset({"estop", "park", "abort"})
"""Commands that take their time: nothing that the same client says next may have to wait for them."""


class Talk:
    """Every conversation with a client.

    Args:
        clients: who is connected.
        commands: what may be said, by name.
        questions: the names of those that change nothing and take a while.
        describe: what the engine says of itself at first.

    Attributes:
        lasting: commands that are being carried out, and are carried out to their end even if the client leaves.
    """

    def __init__(
        self,
        clients: Clients,
        commands: Mapping[str, Command],
        questions: Collection[str],
        describe: Callable[[], Mapping[str, Any]],
    ) -> None:
        self._clients, self._commands = clients, commands
        self._questions, self._describe = questions, describe
        self.lasting: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk to one client until it goes."""
        client = self._clients.add(writer)
        asked: set[asyncio.Task[None]] = set()
        try:
            client.send({"type": "hello", "version": VERSION, **self._describe()})
            while line := await read_command(reader):
                await self._obey(client, line, asked)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except CodecError as error:
            client.send({"type": "reply", "id": None, "ok": False, "error": str(error)})
        finally:
            for task in asked:
                stop(task)
            self._clients.remove(client)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _obey(self, client: Client, line: bytes, asked: set[asyncio.Task[None]]) -> None:
        try:
            message = decode(line)
        except CodecError as error:
            client.send({"type": "reply", "id": None, "ok": False, "error": str(error)})
            return
        name = str(message.get("do"))
        if name in self._questions:
            # An emergency stop must not wait for the answer to a question.
            _keep(asked, asyncio.create_task(self._reply(client, name, message), name=f"question {name}"))
        elif name in _LONG:
            _keep(self.lasting, asyncio.create_task(self._reply(client, name, message), name=name))
        else:
            await self._reply(client, name, message)

    async def _reply(self, client: Client, name: str, message: Mapping[str, Any]) -> None:
        number = message.get("id")
        try:
            command = self._commands.get(name)
            if command is None:
                raise UsageError(f"there is no command {message.get('do')!r}", next_step=", ".join(self._commands))
            if client.view_only and name not in _LOOKING and name not in self._questions:
                raise UsageError(f"{name}: this connection may only look")
            result = await command(client, message)
        except BenchError as error:
            client.send({"type": "reply", "id": number, "ok": False, "error": str(error)})
        else:
            client.send({"type": "reply", "id": number, "ok": True, "result": dict(result)})


def _keep(tasks: set[asyncio.Task[None]], task: asyncio.Task[None]) -> None:
    tasks.add(task)
    task.add_done_callback(tasks.discard)
