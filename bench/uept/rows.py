"""Rows of the store as what they stand for: each field is the column of its name, read as the field's type says."""

from __future__ import annotations

from collections.abc import Callable
from sqlite3 import Row
from typing import TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")


def reader(kind: type[T]) -> Callable[[Row], T]:
    """What makes a dataclass of a row: texts become days, moments and words, numbers truths, where its fields are such.

    What is returned raises `pydantic.ValidationError` if a column is missing, or cannot be read as its field.
    """
    adapter = TypeAdapter(kind)
    return lambda row: adapter.validate_python(dict(row))
