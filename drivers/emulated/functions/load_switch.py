"""The contact of an HCALCS: a load control switch that an ESME moves over the HAN."""

from __future__ import annotations

from typing import ClassVar

from drivers.emulated.device import EmulatedDevice
from drivers.emulated.functions.base import Function
from drivers.emulated.han_devices import HanDevice


class LoadSwitch(Function):
    """A contact, which stays as it is while nobody reaches it.

    Attributes:
        closed: what is behind it is on.
    """

    remembers: ClassVar[tuple[str, ...]] = ("closed",)

    def __init__(self, device: EmulatedDevice) -> None:
        super().__init__(device)
        self.closed = False

    def switch(self, closed: bool) -> bool:
        """Move the contact; False if the device is not on the HAN, or without supply."""
        device = self.device
        assert isinstance(device, HanDevice)
        if not device.on_han() or not device.powered:
            return False
        self.closed = closed
        return True
