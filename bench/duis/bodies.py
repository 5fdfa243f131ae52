"""The body of every Service Request, as data: element for element what DUIS Schema V5.4 says, with defaults.

The defaults are the bench's own, and harmless where that is possible. What only the caller can know has none: which
device, meter point, certificate, image or moment.
"""

from __future__ import annotations

from bench.duis import (
    alert_setting_bodies,
    calendar_bodies,
    dcc_bodies,
    meter_bodies,
    prepayment_bodies,
    radio_bodies,
    reading_bodies,
    security_bodies,
    supply_bodies,
    tariff_bodies,
)
from bench.duis import values as v
from bench.duis.body_parts import FUTURE, Body
from bench.duis.shapes import Leaf

__all__ = ["SIGNED_PRE_COMMAND", "Body", "body_of"]

SIGNED_PRE_COMMAND = Body((FUTURE, Leaf("GBCSPayload", v.BASE64)))
"""The body of every request with Command Variant 5, 6 or 7."""

_BODIES: dict[str, Body] = {
    **tariff_bodies.BODIES,
    **prepayment_bodies.BODIES,
    **reading_bodies.BODIES,
    **meter_bodies.BODIES,
    **calendar_bodies.BODIES,
    **alert_setting_bodies.BODIES,
    **security_bodies.BODIES,
    **radio_bodies.BODIES,
    **supply_bodies.BODIES,
    **dcc_bodies.BODIES,
}


def body_of(variant: str) -> Body | None:
    """A variant's body; None for one that DUIS does not have."""
    return _BODIES.get(variant)
