"""The terminal end of a console's line: bytes in, lines and prompts out, in bounded memory."""

from __future__ import annotations

import asyncio
import re
from typing import Protocol

_LINE_END = re.compile(rb"\r\n|\r|\n")


class Reader(Protocol):
    """Who is told what the console prints."""

    def on_line(self, text: str) -> None:
        """A whole line, without its end and the blanks around it; never empty."""

    def on_prompt(self) -> None:
        """The prompt."""

    def on_tail(self, text: str) -> None:
        """What stands in the last line so far, which is no prompt."""

    def on_garbage(self, what: str, text: str) -> None:
        """A line that is too long or holds what is no text."""

    def on_lost(self, cause: str) -> None:
        """The line is gone."""


class LineAssembler(asyncio.Protocol):
    """Cuts what arrives into lines and prompts. However the bytes come in pieces, the same lines come out.

    Args:
        reader: is told of each.
        prompt: stands at the beginning of a line, and is reported by itself.
        max_line: characters; what is longer is garbage and thrown away up to its end.
    """

    def __init__(self, reader: Reader, prompt: re.Pattern[str], max_line: int) -> None:
        self._reader, self._prompt, self._max_line = reader, prompt, max_line
        self._buffer = b""
        self._skipping = False

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that the line is gone."""
        self._reader.on_lost(str(exc) if exc else "the other end closed it")

    def data_received(self, data: bytes) -> None:
        """Take bytes as they come."""
        # A CR at the very end may be half of a CR LF: the LF then ends an empty line, which is none.
        *lines, tail = _LINE_END.split(self._buffer + data)
        self._buffer = tail
        for line in lines:
            if self._skipping:
                self._skipping = False
            else:
                self._take_line(line)
        if self._skipping:
            self._buffer = b""
            return
        self._buffer = self._after_prompts(self._buffer)
        if len(self._buffer) > self._max_line:
            self._garbage(self._buffer)
            self._buffer, self._skipping = b"", True
        elif self._buffer:
            self._reader.on_tail(_text(self._buffer))

    def _take_line(self, raw: bytes) -> None:
        raw = self._after_prompts(raw)
        if len(raw) > self._max_line:
            self._garbage(raw)
            return
        text = _text(raw).replace("\t", " ").strip()
        if not text.isprintable():
            self._reader.on_garbage("characters that are no text", ascii(text)[1:-1])
        elif text:
            self._reader.on_line(text)

    def _after_prompts(self, raw: bytes) -> bytes:
        """What follows the prompts at the beginning of a line: something that came of itself, or an echo."""
        text = _text(raw)
        while (found := self._prompt.match(bare := text.lstrip())) and found[0]:
            self._reader.on_prompt()
            text = bare[found.end() :]
        return text.encode("utf-8", errors="surrogateescape")

    def _garbage(self, raw: bytes) -> None:
        self._reader.on_garbage(f"a line of more than {self._max_line} characters", ascii(_text(raw[:80]))[1:-1])


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", errors="surrogateescape")
