"""People who answer a runbook's questions, and how question, picture and answer get on record."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from bench.events import EventStream
from bench.pictures import FOLDER, Picture

WEB = "web"
"""Whoever uses a browser and has not said his name."""


class Answer(NamedTuple):
    """What somebody answered: one of the choices, and who it was, for the record."""

    choice: str
    who: str


class Operator(Protocol):
    """Somebody who answers a runbook's questions."""

    async def ask(self, text: str, choices: Sequence[str], picture: Picture | None = None) -> Answer:
        """Put a question, with what is to be seen there; virtual time stands still until one of the choices comes.

        Raises:
            UsageError: nobody is there to answer.
        """


async def put_question(
    operator: Operator, stream: EventStream, text: str, choices: Sequence[str], picture: Picture | None = None
) -> str:
    """Put a question, with its picture, on record, wait for the answer, and put that and who gave it on record too.

    Raises:
        UsageError: nobody is there to answer.
    """
    shown = None
    if picture is not None:
        shown = {"path": f"{FOLDER}/{picture.name}", "sha256": picture.sha256, "size": len(picture.data)}
    stream.emit("engine", "question", {"text": text, "choices": list(choices), "picture": shown})
    answer = await operator.ask(text, choices, picture)
    stream.emit("engine", "operator", {"who": answer.who, "did": f"answer {answer.choice}", "question": text})
    return answer.choice


def user_name() -> str:
    """The user of this process, or "" where the system has no name for it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
