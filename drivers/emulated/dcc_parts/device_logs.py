"""The device logs of hubs and GPFs, kept for the day on which a hub is exchanged (8.12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from bench.eui import Eui64
from bench.gbcs.hub_use_cases import Backup
from bench.parties import DeviceType
from drivers.emulated.dcc_inventory import COMMISSIONED
from drivers.emulated.dcc_parts.base import Answered, Part


class DeviceLogs(Part):
    """What the DCC knows of logs: a CHF hands its own over, of a GPF the DCC takes note of joins and unjoins.

    Attributes:
        logs: the last log of each hub that had a device in it.
        joined: by GPF, EUI-64 and type of each device that it is joined to.
    """

    remembers: ClassVar[tuple[str, ...]] = ("logs", "joined")

    def __init__(self, dcc: Any) -> None:
        super().__init__(dcc)
        self.logs: dict[Eui64, Backup] = {}
        self.joined: dict[Eui64, dict[Eui64, str]] = {}

    def start(self) -> None:
        """A GPF that is commissioned when the world begins is joined to what is commissioned around it."""
        for gpf in self.dcc.inventory.of_type(DeviceType.GPF):
            if gpf.status == COMMISSIONED and gpf.hub is not None and gpf.eui not in self.joined:
                around = self.dcc.inventory.on_han(gpf.hub)
                kinds = (DeviceType.GSME, DeviceType.PPMID)
                self.joined[gpf.eui] = {
                    each.eui: str(each.type) for each in around if each.status == COMMISSIONED and each.type in kinds
                }

    def keep(self, hub: Eui64, backup: Backup) -> None:
        """Keep the log of a hub; an empty one is none that anybody would want back."""
        if backup.keys:
            self.logs[hub] = backup

    def restorable(self, params: Mapping[str, Any]) -> Backup | tuple[tuple[Eui64, str], ...] | None:
        """The log that 8.12.1 or 8.12.2 wants restored; None for any other request, and if there is none."""
        if "old_chf_id" in params:
            return self.logs.get(params["old_chf_id"])
        joined = self.joined.get(params["old_gpf_id"]) if "old_gpf_id" in params else None
        return None if joined is None else tuple(joined.items())

    def note(self, answered: Answered) -> None:
        """Take note of a join or an unjoin of a GPF."""
        entry, params = answered.entry, answered.request.params
        if entry is None or entry.type != DeviceType.GPF or not answered.response.ok:
            return
        if answered.variant == "8.7.2":
            other = self.dcc.inventory.find(params["other_device_id"])
            if other is not None:
                self.joined.setdefault(entry.eui, {})[other.eui] = str(other.type)
        elif answered.variant == "8.8.2":
            self.joined.get(entry.eui, {}).pop(params["other_device_id"], None)
        elif answered.variant == "8.12.2":
            old = self.joined.get(params["old_gpf_id"], {})
            self.joined[entry.eui] = dict(old)


PARTS: tuple[type[Part], ...] = (DeviceLogs,)
"""In the order in which they take note."""
