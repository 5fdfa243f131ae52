"""Supply, auxiliary loads and boost buttons (7.1 to 7.16)."""

from __future__ import annotations

from bench.duis import values as v
from bench.duis.body_parts import EMPTY, FUTURE, FUTURE_DATABLE, LOG_PERIOD, Body, index_of
from bench.duis.shapes import Flag, Group, Leaf, Repeat

_MINUTES = Leaf("Duration", v.UNSIGNED_SHORT, default=30)
_AUXILIARY = Body(
    (
        Leaf("auxiliaryControllerN", v.whole(1, 5), attribute=True, key="auxiliary_controller", default=1),
        Leaf("StartDateTime", v.DATE_TIME),
        Leaf("EndDateTime", v.DATE_TIME),
        # Percent at an APC; at a switch 100 is on, all else off.
        Leaf("CommandedStateLevel", v.whole(0, 100), default=100),
        Flag("InputFromControlledLoad"),
    )
)


def _boost(tag: str, key: str) -> Body:
    switches = tuple({"index": number, key: number == 1} for number in range(1, 6))
    content = (
        Leaf("index", v.whole(1, 5), attribute=True),
        Leaf("", v.BOOLEAN, key=key, text=True),
    )
    return Body((FUTURE, Repeat(tag, content, 5, 5, default=switches)))


BODIES: dict[str, Body] = {
    "7.1": EMPTY,
    "7.2": EMPTY,
    "7.3": EMPTY,
    "7.4": EMPTY,
    "7.5": Body((Group("ActivateALCSHCALCS", (index_of(5), _MINUTES)),)),
    "7.6": Body((Group("DeactivateALCSHCALCS", (index_of(5), _MINUTES)),)),
    "7.7": FUTURE_DATABLE,
    "7.8": Body((Group("ResetALCSHCALCS", (index_of(5),)),)),
    "7.9": _boost("AddToBoostButton", "add"),
    "7.10": _boost("RemoveFromBoostButton", "remove"),
    "7.11": Body((FUTURE, LOG_PERIOD)),
    # Seconds.
    "7.12": Body((Leaf("RandomisedOffsetLimit", v.whole(0, 1799), default=600),)),
    "7.13": _AUXILIARY,
    "7.14": FUTURE_DATABLE,
    "7.15": FUTURE_DATABLE,
    "7.16": _AUXILIARY,
}
"""Bodies by Service Reference Variant."""
