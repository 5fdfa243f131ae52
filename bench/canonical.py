r"""Canonical JSON: one value, one sequence of bytes.

Keys are strings, sorted by Unicode code point and each there once; no white space; UTF-8; in strings only `"`, `\`
and what is below U+0020 are escaped, in the shortest form (`\n`, otherwise `\u001f` with small letters). Integers
have any size, floats are finite and written as the shortest text that reads back equal (`0.1`, `230.0`, `1e-09`). A
lone surrogate, which UTF-8 cannot hold, is written as its escape (`\udc80`).
"""

from __future__ import annotations

import json
from typing import Any

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
_HOLDERS = (dict, list, tuple)


def to_text(value: Any) -> str:
    """Write a JSON value; tuples become arrays.

    Raises:
        TypeError: something in it is no JSON value, or a key is no string.
        ValueError: a float is not finite, or the value contains itself.
    """
    if isinstance(value, _HOLDERS):
        _check_keys(value)
    return _ENCODER.encode(value)


def to_bytes(text: str) -> bytes:
    """Put canonical text into UTF-8."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        # Two lone halves side by side would read back as one character: make them that character now.
        whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        return whole.encode("utf-8", "backslashreplace")


def encode(value: Any) -> bytes:
    """Write a JSON value as bytes; raises as `to_text` does."""
    return to_bytes(to_text(value))


def decode(data: bytes) -> Any:
    """Read canonical JSON, and nothing else.

    Raises:
        ValueError: the bytes are not JSON, or are not the canonical form of what they say.
    """
    try:
        value = json.loads(data.decode())
        again = encode(value)
    except (TypeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    if again != data:
        raise ValueError("not in canonical form")
    return value


def _check_keys(value: Any) -> None:
    # The encoder would sort integer keys as numbers and write them as text: the reader would sort them otherwise.
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"a key is {type(key).__name__}, not a string")
        value = value.values()
    for item in value:
        if isinstance(item, _HOLDERS):
            _check_keys(item)
