"""The load limit of an ESME: too much power for too long opens the load switch for a while (6.4.1, 6.4.2)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import ClassVar

from bench.gbcs.dlms import Target
from drivers.emulated.commands import Action, Values
from drivers.emulated.device import EmulatedDevice
from drivers.emulated.functions.activations import Activations
from drivers.emulated.functions.base import Function
from drivers.emulated.meter import Meter, SupplyState
from drivers.emulated.schedule import Timer

_ABOVE, _DISABLED_THEN_ARMED, _ENABLED_AGAIN = 0x8F01, 0x8F33, 0x8F34
_ABOUT = "load limit"
_PARTS = tuple(Target(9000, f"0-0:94.44.{end}", 6) for end in ("0.3", "128.7", "128.6", "128.8"))

INSTRUCTIONS = len(_PARTS)
"""How many 0x8F66 follow a future-dated setting: one for each of its parts."""


class LoadLimit(Function):
    """The load limit (SMETS 5.5.9, 5.7.4.19 to 5.7.4.22).

    Power above the threshold for the whole period is counted and told with 0x8F01. Where the supply state says so,
    the load switch opens and is armed, which is told with 0x8F33, and closes by itself after the restoration period,
    which is told with 0x8F34.

    Attributes:
        power_threshold_w: none at 0.
        period_s: for how long the power must stay above it.
        restoration_period_s: for how long the supply stays off.
        disables: the load switch opens.
        counter: how often the limit was exceeded since the last reset.
    """

    remembers: ClassVar[tuple[str, ...]] = (
        "power_threshold_w",
        "period_s",
        "restoration_period_s",
        "disables",
        "counter",
        "restoring",
    )

    def __init__(self, device: EmulatedDevice) -> None:
        super().__init__(device)
        self.power_threshold_w = self.period_s = self.restoration_period_s = self.counter = 0
        self.disables = self.restoring = False
        self._power_w = 0.0
        self._above: Timer | None = None
        self._restoration: Timer | None = None

    @property
    def actions(self) -> Mapping[str, Action]:
        """What it can be told to do, by use case name."""
        return {"ECS28a": self._set, "ECS28b": self._reset}

    def start(self) -> None:
        """Close the load switch later that an earlier life of the world has opened; the period begins anew."""
        if self.restoring:
            self._restoration = self.world.schedule.after(self.restoration_period_s, self._restore)

    def power_is(self, watts: float) -> None:
        """Told whenever the active power that is imported changes."""
        self._power_w = watts
        self._watch()

    def _set(self, params: Values) -> Values:
        activations, when = self.device.function(Activations), params["activation_time"]
        if when == "never":
            activations.cancel(_ABOUT)
        elif when == "now":
            activations.cancel(_ABOUT)
            self._apply(params)
        else:
            activations.at(when, _PARTS, partial(self._apply, params), about=_ABOUT)
        return {}

    def _apply(self, params: Values) -> None:
        self.power_threshold_w = params["load_limit_power_threshold_w"]
        self.period_s = params["load_limit_period_s"]
        self.restoration_period_s = params["load_limit_restoration_period_s"]
        self.disables = bool(params["load_limit_supply_flag"])
        self._forget()
        self._watch()

    def _reset(self, _params: Values) -> Values:
        self.counter = 0
        return {}

    def _watch(self) -> None:
        if not self.power_threshold_w or self._power_w <= self.power_threshold_w:
            self._forget()
        elif self._above is None:
            self._above = self.world.schedule.after(float(self.period_s), self._exceeded)

    def _forget(self) -> None:
        if self._above is not None:
            self._above.cancel()
        self._above = None

    def _exceeded(self) -> None:
        # It stays set, so that one excursion counts once: only less power starts the period anew.
        meter = self.device
        assert isinstance(meter, Meter)
        self.counter += 1
        if self.disables and meter.supply is SupplyState.ENABLED:
            self.restoring = True
            meter.set_supply(SupplyState.ARMED)
            meter.raise_alert(_DISABLED_THEN_ARMED)
            self._restoration = self.world.schedule.after(float(self.restoration_period_s), self._restore)
        else:
            meter.raise_alert(_ABOVE)

    def _restore(self) -> None:
        meter = self.device
        assert isinstance(meter, Meter)
        self.restoring = False
        if meter.supply is SupplyState.ARMED:
            meter.set_supply(SupplyState.ENABLED)
            meter.raise_alert(_ENABLED_AGAIN)
