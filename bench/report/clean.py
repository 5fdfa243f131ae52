"""Text that may stand in a report, whatever a device said."""

from __future__ import annotations

import re

# What moves the cursor or turns the writing round must not forge a line; XML may not hold most of it at all.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def clean(text: str) -> str:
    """Text with a question mark for each character that no report may hold."""
    return _CONTROL.sub("?", text)
