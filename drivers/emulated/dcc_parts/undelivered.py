"""Commands that did not reach their ESME (N53)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.parties import DeviceType, User
from drivers.emulated.dcc_parts.base import Part

if TYPE_CHECKING:
    from drivers.emulated.dcc_delivery import Order


class Undelivered(Part):
    """Tells a User of a command that its ESME never got: the hub was gone, or the meter is off its HAN.

    A meter that has the command and does not answer is another matter: of that E21 tells alone.
    """

    def undelivered(self, order: Order, user: User, reached: bool) -> None:
        """Take note that a device did not answer."""
        device, hub = order.message.recipient, self.dcc.delivery.hub
        entry = self.dcc.inventory.find(device)
        if entry is None or entry.type != DeviceType.ESME or hub is None:
            return
        if not reached or not hub.han.is_member(device):
            body: dict[str, Any] = {"command_request_id": order.request.request_id, "device_id": device}
            if order.schedule is not None:
                body["dsp_schedule_id"] = order.schedule[0]
            self.dcc.mail.dcc_alert("N53", "CommandFailure", body, user)


PARTS: tuple[type[Part], ...] = (Undelivered,)
"""In the order in which they take note."""
