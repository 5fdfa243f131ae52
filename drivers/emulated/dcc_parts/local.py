"""Commands that a User delivers locally, and the responses that it returns (8.13)."""

from __future__ import annotations

from drivers.emulated.dcc_parts.base import Part

PARTS: tuple[type[Part], ...] = ()
"""In the order in which they take note."""
