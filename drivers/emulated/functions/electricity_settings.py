"""Settings of an ESME that its supplier makes and reads back (6.2.2 to 6.2.5, 6.8, 6.12, 6.25, 6.27)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time
from typing import ClassVar

from bench.gbcs.configuration_fields import BillingTime
from drivers.emulated.commands import Action, Values
from drivers.emulated.device import EmulatedDevice
from drivers.emulated.esme import Esme
from drivers.emulated.functions.base import Function
from drivers.emulated.functions.identity import electricity_type


class ElectricitySettings(Function):
    """What can be set on an ESME and belongs to no other function.

    Attributes:
        randomised_offset_number: 1 to 10000, fixed at manufacture (SMETS 5.7.1.5).
        randomised_offset_limit_s: 0 to 1799.
        billing_calendar: when billing snapshots are taken.
        low_medium_power_threshold_w: where the power stops being low.
        medium_high_power_threshold_w: where it begins to be high.
        supply_tamper_state: "locked" disables the supply upon tampering.
    """

    remembers: ClassVar[tuple[str, ...]] = (
        "randomised_offset_limit_s",
        "billing_calendar",
        "low_medium_power_threshold_w",
        "medium_high_power_threshold_w",
        "supply_tamper_state",
    )

    def __init__(self, device: EmulatedDevice) -> None:
        super().__init__(device)
        rng = device.world.schedule.random(f"randomised offset of {device.dut.name}")
        self.randomised_offset_number = rng.randint(1, 10_000)
        self.randomised_offset_limit_s = 0
        self.billing_calendar: tuple[BillingTime, ...] = (BillingTime(time(), day=1),)
        self.low_medium_power_threshold_w, self.medium_high_power_threshold_w = 500, 2000
        self.supply_tamper_state = "unchanged"

    @property
    def actions(self) -> Mapping[str, Action]:
        """What it can be told to do, by use case name."""
        return {
            "ECS26c": self._read_randomisation,
            **dict.fromkeys(("ECS26d", "ECS26l"), lambda _params: {"billing_calendar": self.billing_calendar}),
            **dict.fromkeys(("ECS30", "ECS30a"), self._set),
            "ECS26f": self._read_thresholds,
            "ECS34": self._set,
            "ECS26m": self._read_type,
            "ECS26e": lambda _params: {"device_id": self.device.eui, **self._read_type(_params)},
            "ECS81": self._set,
            "ECS29e": self._reset_voltage_counters,
        }

    @property
    def randomised_offset_s(self) -> int:
        """How long the meter waits at random before it switches loads (SMETS 5.7.5.28)."""
        return round(self.randomised_offset_number * self.randomised_offset_limit_s / 10_000)

    def _set(self, params: Values) -> Values:
        for name, value in params.items():
            setattr(self, name, value)
        return {}

    def _read_randomisation(self, _params: Values) -> Values:
        return {
            "randomised_offset_s": self.randomised_offset_s,
            "randomised_offset_number": self.randomised_offset_number,
            "randomised_offset_limit_s": self.randomised_offset_limit_s,
        }

    def _read_thresholds(self, _params: Values) -> Values:
        names = ("low_medium_power_threshold_w", "medium_high_power_threshold_w")
        return {name: getattr(self, name) for name in names}

    def _read_type(self, _params: Values) -> Values:
        return electricity_type(self.device) | {"supply_tamper_state": self.supply_tamper_state}

    def _reset_voltage_counters(self, _params: Values) -> Values:
        assert isinstance(self.device, Esme)
        self.device.average.reset_counts()
        return {}
