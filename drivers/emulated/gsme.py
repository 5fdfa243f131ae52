"""The emulated gas meter: on a battery, asleep most of the time, and so late with every answer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from bench.gbcs.alerts import Specific
from bench.gbcs.catalogue import Encoding
from bench.gbcs.use_cases import UseCase
from bench.parties import Dut
from drivers.emulated.commands import Action, Values
from drivers.emulated.device import Anchor, Surroundings
from drivers.emulated.identities import RemotePartyRole
from drivers.emulated.meter import Meter
from drivers.emulated.schedule import next_turn

_BATTERY_DAYS = 5475
_BOOT_S = 3.0


class Gsme(Meter):
    """A GSME. It wakes about every half hour, and often while it is being installed.

    Args:
        surroundings: the world.
        dut: what the rig says of it.
        anchors: whom it trusts.
    """

    def __init__(self, surroundings: Surroundings, dut: Dut, anchors: Mapping[RemotePartyRole, Anchor]) -> None:
        super().__init__(surroundings, dut, Encoding.GBZ, anchors)
        self._phase = surroundings.schedule.random(f"wake phase of {dut.name}").random()
        self._installing_until_s = self._booted_s = -math.inf
        self.actions |= {
            "GCS32": self._change_supply(self.disable_supply),
            "GCS39": self._change_supply(self.arm_supply),
            "GCS33": lambda _params: {
                "remaining_battery_life_days": _BATTERY_DAYS,
                "supply_state": self.supply.name.lower(),
            },
            "GCS28": self.set_clock,
            "GCS41": self._set_mprn,
        }

    def save(self) -> dict[str, Any]:
        """What it keeps, and how long it stays attentive."""
        return super().save() | {"installing_s": self._installing_until_s - self.world.schedule.now_s}

    def restore(self, saved: Mapping[str, Any], away_s: float) -> None:
        """Go on where an earlier life of the world stopped."""
        super().restore(saved, away_s)
        self._installing_until_s = self.world.schedule.now_s + saved["installing_s"] - away_s

    @property
    def powered(self) -> bool:
        """Always but while it restarts: it has a battery."""
        return self.world.schedule.now_s >= self._booted_s

    def reboot(self) -> None:
        """Restart the meter's software: for a while it says nothing on the HAN."""
        self._booted_s = self.world.schedule.now_s + _BOOT_S

    def tell(self, code: int, specific: Specific = b"") -> None:
        """Raise an alert, now or as soon as the meter has booted."""
        wait_s = max(0.0, self._booted_s - self.world.schedule.now_s)
        if wait_s:
            self.world.schedule.after(wait_s, lambda: self.raise_alert(code, specific))
        else:
            self.raise_alert(code, specific)

    def refusal(self, use_case: UseCase, params: Values) -> Values:
        """What a response says beside "no": one about the clock always tells its time."""
        return self.unset_clock() if use_case.name == "GCS28" else super().refusal(use_case, params)

    def unset_clock(self) -> Values:
        """The time, and that it is not reliable."""
        return {"device_time": self.clock.utc(), "clock_status": 2}

    def _change_supply(self, change: Action) -> Action:
        def changed(params: Values) -> Values:
            change(params)
            return {"issued_at": params["issued_at"], "supply_state": self.supply.name.lower()}

        return changed

    def _set_mprn(self, params: Values) -> Values:
        self.mpxn = params["import_mprn"]
        return {}

    def joined(self) -> None:
        """It has become a member of the HAN, and stays attentive for its installation."""
        self._installing_until_s = self.world.schedule.now_s + self.world.spec.gsme_install
        super().joined()

    def next_awake_s(self, from_s: float) -> float:
        """The next moment at which it polls the hub for what waits there."""
        spec = self.world.spec
        often_s = next_turn(from_s, spec.gsme_install_wake, self._phase)
        return often_s if often_s <= self._installing_until_s else next_turn(from_s, spec.gsme_wake, self._phase)
