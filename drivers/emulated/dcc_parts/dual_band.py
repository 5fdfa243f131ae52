"""Sub-GHz alerts of dual band Comms Hubs."""

from __future__ import annotations

from drivers.emulated.dcc_parts.base import Part

PARTS: tuple[type[Part], ...] = ()
"""In the order in which they take note."""
