"""What only people can know of a project, as data: which question, and for which items of which documents."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from bench.errors import UsageError


@dataclass(frozen=True, slots=True)
class Question:
    """A question to people.

    Attributes:
        key: its name.
        text: the question.
        items: the items of documents and criteria that need the answer.
    """

    key: str
    text: str
    items: tuple[str, ...]


@cache
def questions() -> dict[str, Question]:
    """Every question, by key."""
    raw = json.loads(files("bench.uept").joinpath("facts.json").read_text("utf-8"))["questions"]
    return {each["key"]: Question(each["key"], each["question"], tuple(each["items"])) for each in raw}


def question(key: str) -> Question:
    """The question of a key.

    Raises:
        UsageError: there is none.
    """
    known = questions()
    if key not in known:
        close = difflib.get_close_matches(key, known, 1)
        hint = f"Did you mean {close[0]}? " if close else ""
        raise UsageError(f"there is no question {key!r}", next_step=f"{hint}`hilbench uept ask PROJECT` lists them")
    return known[key]
