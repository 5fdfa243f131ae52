"""A runbook's questions, put to whoever is connected; the first answer that is one of the choices counts."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.errors import UsageError
from bench.operators import Answer
from bench.pictures import Picture
from bench.virtual_time import VirtualLoop


@dataclass(slots=True)
class Prompt:
    """An open question."""

    number: int
    text: str
    choices: tuple[str, ...]
    picture: Picture | None
    answer: asyncio.Future[Answer]

    @property
    def message(self) -> dict[str, Any]:
        """For clients."""
        picture = self.picture.described if self.picture is not None else None
        return {"prompt": self.number, "text": self.text, "choices": list(self.choices), "picture": picture}


class ClientOperator:
    """An `Operator` whose people are clients: it waits until one of them answers.

    Args:
        tell: sends a message to every subscriber.

    Attributes:
        open: the questions that wait for their answers, by number; several where steps run at the same time.
    """

    def __init__(self, tell: Callable[[Mapping[str, Any]], None]) -> None:
        self._tell = tell
        self._numbers = itertools.count(1)
        self.open: dict[int, Prompt] = {}

    async def ask(self, text: str, choices: Sequence[str], picture: Picture | None = None) -> Answer:
        """Put a question to everybody who is or will be connected, and wait for one of the choices."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        prompt = Prompt(next(self._numbers), text, tuple(choices), picture, answer)
        self.open[prompt.number] = prompt
        self._tell({"type": "prompt", "state": "open", **prompt.message})
        loop = asyncio.get_running_loop()
        # Time that is paced for people to watch stands still while one of them has to answer.
        paced = loop if isinstance(loop, VirtualLoop) and loop.speed is not None else None
        try:
            with paced.held() if paced is not None else contextlib.nullcontext():
                return await answer
        finally:
            del self.open[prompt.number]
            self._tell({"type": "prompt", "state": "closed", **prompt.message})

    def answer(self, number: object, choice: object, who: str) -> None:
        """Answer an open question.

        Raises:
            UsageError: nobody asks that, or the answer is none of the choices.
        """
        prompt = self._open(number)
        if choice not in prompt.choices:
            raise UsageError(
                f"{choice!r} is no answer to {prompt.text!r}", next_step=f"Say {' or '.join(prompt.choices)}"
            )
        prompt.answer.set_result(Answer(str(choice), who))

    def picture(self, number: object) -> dict[str, Any]:
        """The picture of an open question, with the file itself in base64 as `data`.

        Raises:
            UsageError: nobody asks that, or the question has no picture.
        """
        prompt = self._open(number)
        if prompt.picture is None:
            raise UsageError(f"question {number} has no picture")
        return prompt.picture.described | {"data": base64.b64encode(prompt.picture.data).decode()}

    def _open(self, number: object) -> Prompt:
        prompt = self.open.get(number) if isinstance(number, int) else None
        if prompt is None or prompt.answer.done():
            raise UsageError(f"no question {number} is open", next_step="See `hilbench status`")
        return prompt
