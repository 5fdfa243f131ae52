"""What a meter does about each event: alert it, show it on the HAN, sound the alarm, log it (6.22, 6.2.10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from bench.gbcs import catalogue
from bench.gbcs.configuration_fields import bits_of, changes_of
from drivers.emulated.commands import Action, Values
from drivers.emulated.device import EmulatedDevice
from drivers.emulated.functions.base import Function

SUPPLIER, OPERATOR = 0x8100, 0x8000
"""Events that can be configured: the supplier's and the network operator's. All others are fixed (GBCS section 16)."""

_WAN, _HAN, _ALARM, _LOG = "wan_alerts", "han_events", "audible_alarms", "logged_events"
_WAYS = (_WAN, _HAN, _ALARM, _LOG)
GAS_BITS = {_WAN: 0x08, _HAN: 0x10, _ALARM: 0x40, _LOG: 0x03}
"""Bits of the ZigBee event configuration (GCS20)."""


class EventBehaviour(Function):
    """What is done about the events of a meter; at first everything is.

    Attributes:
        off: codes of the events that are not told, shown, sounded or logged, by that.
    """

    remembers: ClassVar[tuple[str, ...]] = ("off",)

    def __init__(self, device: EmulatedDevice) -> None:
        super().__init__(device)
        self.off: dict[str, tuple[int, ...]] = dict.fromkeys(_WAYS, ())
        device.wants_alert = self.alerts

    @property
    def actions(self) -> Mapping[str, Action]:
        """What it can be told to do, by use case name."""
        return {
            "ECS25a": self._set(_WAN, SUPPLIER),
            "ECS25a1": self._set(_HAN, SUPPLIER),
            "ECS25a2": self._set(_ALARM, SUPPLIER),
            "ECS25a3": self._set(_LOG, SUPPLIER),
            "ECS25b": self._set(_WAN, OPERATOR),
            "ECS25b3": self._set(_LOG, OPERATOR),
            "ECS25r1": lambda _params: {f"{way}_on": self._bits(way, SUPPLIER) for way in _WAYS},
            "ECS25r2": lambda _params: {f"{way}_on": self._bits(way, OPERATOR) for way in (_WAN, _LOG)},
            "GCS20": self._set_gas,
            "GCS20r": self._read_gas,
        }

    def alerts(self, code: int) -> bool:
        """Whether an event is told to the supplier or network operator."""
        return code not in self.off[_WAN]

    def logs(self, code: int) -> bool:
        """Whether an event is put in the event log."""
        return code not in self.off[_LOG]

    def switch(self, way: str, changes: Mapping[int, bool]) -> None:
        """Switch something on or off for events; one that the meter does not know is passed over."""
        known = set(_events(SUPPLIER) + _events(OPERATOR))
        off = set(self.off[way])
        off |= {code for code, on in changes.items() if not on and code in known}
        off -= {code for code, on in changes.items() if on}
        self.off[way] = tuple(sorted(off))

    def _set(self, way: str, page: int) -> Action:
        def changed(params: Values) -> Values:
            self.switch(way, {page + low: on for low, on in changes_of(params[way]).items()})
            return {}

        return changed

    def _bits(self, way: str, page: int) -> bytes:
        return bits_of(code - page for code in _events(page) if code not in self.off[way])

    def _set_gas(self, params: Values) -> Values:
        for behaviour, codes in params["behaviours"]:
            configurable = [code for code in codes if code in _events(SUPPLIER)]
            for way, bits in GAS_BITS.items():
                self.switch(way, dict.fromkeys(configurable, behaviour & bits == bits))
        return {"count": len(params["behaviours"])}

    def _read_gas(self, _params: Values) -> dict[str, Any]:
        rows = (
            (code, sum(bits for way, bits in GAS_BITS.items() if code not in self.off[way]))
            for code in _events(SUPPLIER)
        )
        return {"behaviours": tuple(rows)}


def _events(page: int) -> tuple[int, ...]:
    return tuple(sorted(code for code in catalogue.alert_entries() if code & 0xFF00 == page))
