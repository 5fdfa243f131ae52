"""Firmware: distribution of images and what comes of it (11.1, 11.4)."""

from __future__ import annotations

from drivers.emulated.dcc_parts.base import Part

PARTS: tuple[type[Part], ...] = ()
"""In the order in which they take note."""
