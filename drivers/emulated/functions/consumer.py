"""What a meter tells its consumer, and what others on the HAN may see of him (3.1, 3.2, 3.4, 3.5, 9.1)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from drivers.emulated.commands import Action, Values
from drivers.emulated.device import EmulatedDevice
from drivers.emulated.functions.base import Function


class ConsumerDisplay(Function):
    """What stands on a meter's display.

    Attributes:
        message: the supplier's message; empty where there is none.
        message_at: when it came, by the device's clock.
        supplier_name: who supplies.
        supplier_telephone: how to reach him.
        customer_identification_number: the last one that was sent; empty where there is none.
        privacy_pin_on: the display asks for a PIN.
    """

    remembers: ClassVar[tuple[str, ...]] = (
        "message",
        "message_at",
        "supplier_name",
        "supplier_telephone",
        "customer_identification_number",
        "privacy_pin_on",
    )

    def __init__(self, device: EmulatedDevice) -> None:
        super().__init__(device)
        self.message = self.supplier_name = self.supplier_telephone = self.customer_identification_number = ""
        self.message_at: datetime | None = None
        self.privacy_pin_on = True

    @property
    def actions(self) -> Mapping[str, Action]:
        """What it can be told to do, by use case name."""
        return {
            **dict.fromkeys(("ECS10", "GCS07"), self._show),
            **dict.fromkeys(("ECS14", "GCS11"), self._disable_pin),
            **dict.fromkeys(("ECS16", "GCS44"), self._name_supplier),
            **dict.fromkeys(("ECS50", "GCS36"), self._show_number),
        }

    def _show(self, params: Values) -> Values:
        self.message, self.message_at = params["message"], self.device.clock.utc()
        return {}

    def _disable_pin(self, _params: Values) -> Values:
        self.privacy_pin_on = False
        return {}

    def _name_supplier(self, params: Values) -> Values:
        self.supplier_name, self.supplier_telephone = params["supplier_name"], params["supplier_telephone"]
        return {}

    def _show_number(self, params: Values) -> Values:
        self.customer_identification_number = params["customer_identification_number"]
        return {}


class DataRestriction(Function):
    """Since when the consumer's devices may see what was recorded: the present tenancy (3.2).

    Attributes:
        restricted_before: nothing older is shown on the HAN; None: everything is.
    """

    remembers: ClassVar[tuple[str, ...]] = ("restricted_before",)

    def __init__(self, device: EmulatedDevice) -> None:
        super().__init__(device)
        self.restricted_before: datetime | None = None

    @property
    def actions(self) -> Mapping[str, Action]:
        """What it can be told to do, by use case name."""
        return dict.fromkeys(("ECS12", "GCS09"), self._restrict)

    def _restrict(self, params: Values) -> Values:
        self.restricted_before = params["restriction_time"]
        return {}
