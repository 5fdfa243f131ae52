"""The link to an engine: finds it, follows it, notices at once when it is gone, and comes back by itself."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.cockpit import fold
from bench.cockpit.model import Model
from bench.errors import DeviceLost, UsageError
from bench.service.client import EngineClient, NoEngineError, connected
from bench.service.remote import Remote
from bench.tasks import stop

_AGAIN_S = 0.5
_MOST_WAITING = 2_000
_AT_ONCE = 200
"""Messages that are folded before anything else of this process has its turn: a key must not wait for a flood."""


class Link:
    """Keeps a model up to date with the engine at an address, and gives it commands.

    Args:
        model: is changed.
        who: the person who acts, for the record.
        view_only: have the engine refuse every act on this connection.
    """

    def __init__(self, model: Model, *, who: str = "", view_only: bool = False) -> None:
        self.model = model
        self.who = who
        self.view_only = view_only
        self._client: EngineClient | None = None

    async def run(self, address: Callable[[], Path | Remote]) -> None:
        """Follow the engine until cancelled.

        Raises:
            UsageError: the rig file is wrong, or the engine speaks another version.
        """
        where = address()
        while True:
            try:
                await self._attend(where)
                fold.parted(self.model, "lost", "the engine has gone")
            except NoEngineError as error:
                if self.model.link not in ("lost", "attached"):
                    fold.parted(self.model, "none", error.what)
            except (DeviceLost, ConnectionError):
                fold.parted(self.model, "lost", "the engine has gone")
            await asyncio.sleep(_AGAIN_S)

    async def _attend(self, where: Path | Remote) -> None:
        model, now = self.model, asyncio.get_running_loop().time
        async with connected(where, who=self.who, most_waiting=_MOST_WAITING) as client:
            following = asyncio.create_task(self._follow(client), name="events")
            try:
                if self.view_only:
                    await client.call("view")
                description = await client.call("describe")
                self._client = client
                fold.attached(model, client.hello, now())
                fold.describe(model, description)
                await client.call("subscribe", after=model.last_n, live=True)
                # What happened between hello and subscription is in neither.
                fold.status(model, await client.call("status"))
                await following
            finally:
                self._client = None
                stop(following)
                with contextlib.suppress(asyncio.CancelledError):
                    await following

    async def _follow(self, client: EngineClient) -> None:
        loop, messages = asyncio.get_running_loop(), client.messages
        while True:
            message, at_s = await messages.get(), loop.time()
            for left in reversed(range(_AT_ONCE)):
                if message is None:
                    return
                fold.fold(self.model, message, at_s)
                if not left or messages.empty():
                    break
                message = messages.get_nowait()
            await asyncio.sleep(0)

    async def picture(self, number: int) -> bytes:
        """The picture of an open question.

        Raises:
            UsageError: the engine refused it, or it is not the one of which the engine spoke.
            DeviceLost: there is no engine.
        """
        prompt = self.model.prompts.get(number)
        data = base64.b64decode((await self.call("picture", prompt=number))["data"])
        if prompt is None or not prompt.picture or hashlib.sha256(data).hexdigest() != prompt.picture["sha256"]:
            raise UsageError("the picture is not what the engine says it is")
        return data

    async def call(self, do: str, **arguments: object) -> dict[str, Any]:
        """Give a command.

        Raises:
            UsageError: the engine refused it.
            DeviceLost: there is no engine.
        """
        if self._client is None:
            raise DeviceLost("no engine is attached")
        return await self._client.call(do, **{"who": self.who, **arguments} if self.who else arguments)
