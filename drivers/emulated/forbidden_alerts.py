"""The fault `forbidden-alert`: an alert that nothing has caused follows what could have caused another one."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from bench.gbcs.alerts import IntegrityIssue, Specific, SupplyOutage
from drivers.emulated.dcc import Dcc
from drivers.emulated.device import Surroundings
from drivers.emulated.esme import Esme
from drivers.emulated.faults import Fault
from drivers.emulated.schedule import Timer
from drivers.emulated.smets1 import OVER_VOLTAGE, UNDER_VOLTAGE, Smets1Esme

_SMETS1_VOLTAGE = tuple(f"0x{code:04X}" for code in (OVER_VOLTAGE, UNDER_VOLTAGE))

_STIMULI = {
    "restored": ("0x8F35", "0x8F36"),
    "voltage": ("0x8002", "0x8006", "0x8085", "0x8089", *_SMETS1_VOLTAGE),
    "armed": ("0x8F32",),
    "disabled": ("0x8F32",),
    "joining": ("0x8183", "N24", "N25"),
    "fallen": ("AD1",),
}
"""What each stimulus could cause; a code that none of them could cause follows every one but the fall of the supply."""


class ForbiddenAlerts:
    """Says what it is told to say after each stimulus.

    Args:
        surroundings: the world.
        dcc: raises alerts of its own.
        esme: raises those of devices.
        smets1_esme: raises those of SMETS1 devices; None if there is none.
    """

    def __init__(self, surroundings: Surroundings, dcc: Dcc, esme: Esme, smets1_esme: Smets1Esme | None) -> None:
        self._world, self._dcc, self._esme, self._smets1_esme = surroundings, dcc, esme, smets1_esme
        self._planned: dict[Fault, Timer] = {}

    def follow(self, stimulus: str) -> None:
        """Say in a while what may not follow this."""
        for fault in self._world.faults.lasting("forbidden-alert"):
            code = fault.argument or ""
            own = [each for each, codes in _STIMULI.items() if code in codes]
            if stimulus in own or (not own and stimulus != "fallen"):
                if fault in self._planned:
                    self._planned[fault].cancel()
                way_s = self._world.spec.han_latency + self._world.spec.wan_latency if code.startswith("0x") else 0.0
                delay_s = max(0.0, fault.delay_s - way_s)
                self._planned[fault] = self._world.schedule.after(delay_s, partial(self._utter, code))

    def _utter(self, code: str) -> None:
        if not code.startswith("0x"):
            self._dcc.raise_alert(code)
        elif code not in _SMETS1_VOLTAGE:
            self._esme.raise_alert(int(code, 16), self._specific(code))
        elif self._smets1_esme is not None:
            self._smets1_esme.say(int(code, 16))

    def _specific(self, code: str) -> Specific:
        if code in _STIMULI["restored"]:
            now = self._esme.clock.utc()
            return self._esme.last_outage or SupplyOutage(now - timedelta(seconds=10), now)
        return IntegrityIssue(0) if code == "0x81A0" else b""
