"""What can be wrong with a DUIS document, each with the line and what was expected there."""

from __future__ import annotations

from bench.errors import CodecError


class DuisError(CodecError):
    """A DUIS document does not have the form that the DUIS schema or the bench's safety rules fix.

    Attributes:
        line: the line of the document, counted from 1, or None where no line is known.
    """

    def __init__(self, what: str, *, line: int | None = None, expected: str = "", next_step: str = "") -> None:
        step = next_step or (f"Expected {expected}" if expected else "")
        super().__init__(what, where=f"line {line}" if line else "", next_step=step)
        self.line = line


class SignatureError(DuisError):
    """A document is not signed as DUIS requires, by somebody who is trusted: nothing in it may be believed."""
