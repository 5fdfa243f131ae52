"""The state of Comms Hubs, opt-in and the WAN matrix (8.6, 8.14, 12.1)."""

from __future__ import annotations

from drivers.emulated.dcc_parts.base import Part

PARTS: tuple[type[Part], ...] = ()
"""In the order in which they take note."""
