"""Everything that the DCC does besides passing on."""

from __future__ import annotations

from drivers.emulated.dcc_parts import (
    device_logs,
    dual_band,
    firmware,
    hub_status,
    local,
    notices,
    schedules,
    smets1,
    throttle,
    undelivered,
)
from drivers.emulated.dcc_parts.base import Part
from drivers.emulated.dcc_parts.installation import Installation
from drivers.emulated.dcc_parts.inventory import InventoryServices

PARTS: tuple[type[Part], ...] = (
    InventoryServices,
    Installation,
    *schedules.PARTS,
    *firmware.PARTS,
    *hub_status.PARTS,
    *local.PARTS,
    *undelivered.PARTS,
    *notices.PARTS,
    *smets1.PARTS,
    *dual_band.PARTS,
    *device_logs.PARTS,
    *throttle.PARTS,
)
"""In the order in which they take note of what devices say."""
