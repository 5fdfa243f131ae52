"""Alert storms: what is held back, and how Users learn of it."""

from __future__ import annotations

from drivers.emulated.dcc_parts.base import Part

PARTS: tuple[type[Part], ...] = ()
"""In the order in which they take note."""
