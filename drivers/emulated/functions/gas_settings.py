"""Settings of a GSME that its supplier makes and reads back (6.2.3, 6.2.4, 6.2.7, 6.2.8, 6.6, 6.7, 6.8)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from drivers.emulated.commands import Action, Refused, Values
from drivers.emulated.device import EmulatedDevice
from drivers.emulated.functions.base import Function
from drivers.emulated.functions.identity import manufacturer, model

_CALORIFIC_DIGITS, _CONVERSION_DIGITS = 0x10, 0x50
_NOT_FOUND = 0x8B


class GasSettings(Function):
    """What can be set on a GSME and belongs to no other function.

    Attributes:
        calorific_value_dmj_per_m3: tenths of MJ/m3.
        conversion_factor_e5: hundred-thousandths.
        uncontrolled_flow_rate: m3/h, times `flow_divisor`.
        flow_divisor: of that rate.
        stabilisation_period_ds: tenths of seconds.
        measurement_period_s: of the uncontrolled flow.
        supply_tamper_state: "locked" closes the valve upon tampering.
        supply_depletion_state: "locked" closes the valve when the battery is empty.
        billing: the billing calendar as it was set, with the moment at which it was; None before that.
    """

    remembers: ClassVar[tuple[str, ...]] = (
        "calorific_value_dmj_per_m3",
        "conversion_factor_e5",
        "uncontrolled_flow_rate",
        "flow_divisor",
        "stabilisation_period_ds",
        "measurement_period_s",
        "supply_tamper_state",
        "supply_depletion_state",
        "billing",
    )

    def __init__(self, device: EmulatedDevice) -> None:
        super().__init__(device)
        self.calorific_value_dmj_per_m3, self.conversion_factor_e5 = 395, 102_264
        self.uncontrolled_flow_rate, self.flow_divisor = 500, 10_000
        self.stabilisation_period_ds, self.measurement_period_s = 5, 30
        self.supply_tamper_state = self.supply_depletion_state = "unchanged"
        first = datetime(2024, 1, 1, tzinfo=UTC)
        self.billing: dict[str, Any] = {"issued_at": first, "billing_start": first, "period": "monthly"}

    @property
    def actions(self) -> Mapping[str, Action]:
        """What it can be told to do, by use case name."""
        return {
            **dict.fromkeys(("GCS23", "GCS24", "GCS24a"), self._set),
            **dict.fromkeys(("GCS25", "GCS25a"), self._set_billing),
            **dict.fromkeys(("GCS21d", "GCS21k"), lambda _params: self.billing),
            "GCS21a": self._read,
            "GCS21m": self._read_type,
            "GCS46": self._read_mprn,
        }

    def _set(self, params: Values) -> Values:
        for name, value in params.items():
            if name in self.remembers:
                setattr(self, name, value)
        return {}

    def _set_billing(self, params: Values) -> Values:
        self.billing = dict(params)
        return {}

    def _read(self, _params: Values) -> Values:
        return {
            "calorific_value_trailing_digits": _CALORIFIC_DIGITS,
            "calorific_value_unit": "MJ/m3",
            "calorific_value_dmj_per_m3": self.calorific_value_dmj_per_m3,
            "conversion_factor_trailing_digits": _CONVERSION_DIGITS,
            "conversion_factor_e5": self.conversion_factor_e5,
            "flow_divisor": self.flow_divisor,
            "flow_multiplier": 1,
            "flow_unit": "m3/h",
            "uncontrolled_flow_rate": self.uncontrolled_flow_rate,
            "stabilisation_period_ds": self.stabilisation_period_ds,
            "measurement_period_s": self.measurement_period_s,
        }

    def _read_type(self, _params: Values) -> Values:
        return {
            "manufacturer": manufacturer(self.device),
            "model": model(self.device),
            "supply_depletion_state": self.supply_depletion_state,
            "supply_tamper_state": self.supply_tamper_state,
        }

    def _read_mprn(self, _params: Values) -> Values:
        if not self.device.metering_point:
            raise Refused("no MPRN has been set", {"status": _NOT_FOUND})
        return {"import_mprn": self.device.metering_point}
