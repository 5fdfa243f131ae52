"""What is wrong with GBCS bytes, and where."""

from __future__ import annotations

from bench.errors import CodecError


class GbcsError(CodecError):
    """Bytes are not the GBCS message, content or parameter that was expected.

    Attributes:
        offset: how many bytes into the decoded input the fault lies; None for a fault of a parameter.
        expected: what the specification asks for at that place, in a few words; empty when `what` says it.
    """

    def __init__(self, what: str, *, offset: int | None = None, expected: str = "") -> None:
        super().__init__(f"{what}; expected {expected}" if expected else what, offset=offset)
        self.expected = expected
