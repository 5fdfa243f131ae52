"""DCC alerts to those whom a change of a device concerns: N1, N2, N16, N17 and N27.

No source says at which moment exactly the DCC sends N16; here it follows the commissioning of a meter.
"""

from __future__ import annotations

from typing import Any

from bench.eui import Eui64
from bench.parties import DeviceType, User
from drivers.emulated.dcc_inventory import HUB_FUNCTIONS, Entry
from drivers.emulated.dcc_parts.base import Answered, Part
from drivers.emulated.dcc_parts.schedules import Schedules

_STATUS_CHANGED, _SCHEDULE_REMOVED, _SUPPLIER_CHANGED = (
    "DeviceStatusChangeEvent",
    "DSPScheduleRemoval",
    "ChangeOfSupplier",
)
_LEFT = {DeviceType.ESME: ("N1", ("ES", "ED")), DeviceType.GSME: ("N2", ("GT",))}


class Notices(Part):
    """What the DCC tells of a device to others than the User whose request changed it."""

    def note(self, answered: Answered) -> None:
        """Take note of a device's response."""
        entry = answered.entry
        if entry is None or not answered.response.ok:
            return
        if answered.variant == "8.1.1":
            self._identified(entry)
        elif answered.variant == "6.23":
            self._changed_supplier(entry, answered.response.values["outcomes"][0].replacing_party)

    def left(self, entry: Entry) -> None:
        """A device was decommissioned or withdrawn: N1 or N2 for a meter."""
        if entry.type not in _LEFT:
            return
        code, roles = _LEFT[DeviceType(entry.type)]
        mpxns = self._mpxns(entry)
        if mpxns is None:
            return
        others = [] if entry.hub is None else self.dcc.inventory.on_han(entry.hub)
        around = [
            {"device_id": each.eui, "device_type": each.type}
            for each in others
            if each.eui != entry.eui and each.type not in HUB_FUNCTIONS
        ]
        change: dict[str, Any] = {"meter_decommissioning_or_withdrawal": mpxns}
        if around:
            change["meter_decommissioning_or_withdrawal"] = mpxns | {"associated_type1_device": around}
        for user in self.dcc.users.values():
            if user.role in roles:
                self._say(code, _STATUS_CHANGED, {"device_id": entry.eui} | change, user)

    def _identified(self, entry: Entry) -> None:
        operator, mpxns = self.dcc.serving(entry, "operator"), self._mpxns(entry)
        if entry.type in _LEFT and operator is not None and mpxns is not None:
            self._say("N16", _STATUS_CHANGED, {"device_id": entry.eui, "meter_identity": mpxns}, operator)

    def _changed_supplier(self, entry: Entry, new: Eui64) -> None:
        """The device believes a new supplier: the one before is told, and his schedules end."""
        before = self.dcc.serving(entry, "supplier")
        entry.supplier = new
        if before is None or before.eui == new:
            return
        schedules = self.dcc.part(Schedules)
        for number in schedules.of(entry.eui, before.eui):
            schedules.remove(number)
            self._say("N17", _SCHEDULE_REMOVED, {"device_id": entry.eui, "dsp_schedule_id": number}, before)
        mpxns = self._mpxns(entry)
        if mpxns is not None:
            self._say("N27", _SUPPLIER_CHANGED, {"device_id": entry.eui, "device_type": entry.type} | mpxns, before)

    def _mpxns(self, entry: Entry) -> dict[str, Any] | None:
        mpxn = self.dcc.inventory.metering_point(entry)
        return None if mpxn is None else {"import_mpxn": mpxn}

    def _say(self, code: str, body: str, values: dict[str, Any], user: User) -> None:
        self.dcc.mail.dcc_alert(code, body, values, user)


PARTS: tuple[type[Part], ...] = (Notices,)
"""In the order in which they take note."""
