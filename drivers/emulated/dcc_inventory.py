"""The emulated Smart Metering Inventory: what the DCC knows of devices, and who serves them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bench.duis.messages import InventoryDevice
from bench.eui import Eui64
from bench.parties import DeviceType, Dut

PENDING = "Pending"
WHITELISTED = "Whitelisted"
INSTALLED = "InstalledNotCommissioned"
COMMISSIONED = "Commissioned"
DECOMMISSIONED = "Decommissioned"
WITHDRAWN = "Withdrawn"

HUB_FUNCTIONS = (DeviceType.CHF, DeviceType.GPF)

_SMETS1_VERSION, _SMETS1_REGION = "1.2", "SMETS1"


_INDEXED = ("type", "mpxn", "hub")


@dataclass
class Entry:
    """One device in the inventory; which may be changed, and is found by what it is now.

    Attributes:
        eui: its Device ID.
        type: its type, in DUIS words; `DeviceType` where the bench knows it.
        status: its SMI status.
        manufacturer: as pre-notified.
        model: as pre-notified.
        firmware: as pre-notified, or "".
        version: SMETS or CHTS version as pre-notified, or "".
        mpxn: its metering point, once it is known.
        supplier: the User that pre-notified it, if that is a supplier.
        commissioned: when it was.
        hub: the Comms Hub on whose HAN it is, or is to be; a CHF's is itself.
        smets1: it is SMETS1 equipment.
        dual_band: it is a CHF with a sub-GHz radio.
    """

    eui: Eui64
    type: str
    status: str
    manufacturer: str = ""
    model: str = ""
    firmware: str = ""
    version: str = ""
    mpxn: str | None = None
    supplier: Eui64 | None = None
    commissioned: datetime | None = None
    hub: Eui64 | None = None
    smets1: bool = False
    dual_band: bool = False

    def __setattr__(self, name: str, value: Any) -> None:
        """Change it, and where the inventory finds it."""
        before = self.__dict__.get(name)
        object.__setattr__(self, name, value)
        inventory: Inventory | None = self.__dict__.get("_inventory")
        if inventory is not None and name in _INDEXED and value != before:
            inventory.moved(self, name, before)


@dataclass(slots=True)
class Inventory:
    """Every device that the DCC knows, in the order in which it came to know them.

    Attributes:
        metering_points: what registration data say of each meter, for what no Service Request has told.
        smets1: devices of which the DCC can tell, whether they are in the inventory or not, that they are SMETS1 ones.
    """

    metering_points: dict[Eui64, str] = field(default_factory=dict)
    smets1: frozenset[Eui64] = frozenset()
    _entries: dict[Eui64, Entry] = field(default_factory=dict)
    _numbers: dict[Eui64, int] = field(default_factory=dict)
    _last: int = 0
    # What stands at a place of an index: name of the attribute, its value, EUI-64.
    _found: dict[tuple[str, Any], dict[Eui64, Entry]] = field(default_factory=dict)

    @classmethod
    def of(cls, duts: Iterable[tuple[Dut, str]], *, dual_band: bool = False) -> Inventory:
        """The inventory of a bench: each device with its status; "unknown" ones are left out.

        Args:
            duts: the devices under test, each with its SMI status.
            dual_band: whether their Comms Hub is a dual band one.
        """
        inventory, duts = cls(), list(duts)
        hubs = {dut.smets1: dut.eui for dut, _ in duts if dut.type is DeviceType.CHF}
        inventory.smets1 = frozenset(dut.eui for dut, _ in duts if dut.smets1)
        for dut, status in duts:
            if dut.mpxn:
                inventory.metering_points[dut.eui] = dut.mpxn
            if status != "unknown":
                entry = Entry(dut.eui, dut.type, status, dut.manufacturer, dut.model, dut.firmware, mpxn=dut.mpxn)
                entry.smets1 = dut.smets1
                entry.dual_band = dual_band and dut.type is DeviceType.CHF and not dut.smets1
                entry.hub = hubs.get(dut.smets1) if status != PENDING or dut.type in HUB_FUNCTIONS else None
                inventory.add(entry)
        return inventory

    def save(self) -> dict[str, Any]:
        """Everything that it holds, for another life of the world."""
        return {"entries": list(self._entries.values()), "metering_points": self.metering_points}

    def load(self, saved: Mapping[str, Any]) -> None:
        """Hold what an earlier life saved, and nothing else."""
        self.metering_points = dict(saved["metering_points"])
        for eui in list(self._entries):
            self.delete(eui)
        for entry in saved["entries"]:
            self.add(entry)

    def find(self, eui: Eui64) -> Entry | None:
        """The entry of a device, or None."""
        return self._entries.get(eui)

    def metering_point(self, entry: Entry) -> str | None:
        """The MPxN of a meter, from a Service Request or from registration data; None if nobody knows it."""
        return entry.mpxn or self.metering_points.get(entry.eui)

    def of_type(self, *types: DeviceType) -> list[Entry]:
        """Every device of some types."""
        return self._where("type", *types)

    def on_han(self, hub: Eui64) -> list[Entry]:
        """Every device on the HAN of a Comms Hub, its own functions among them."""
        return self._where("hub", hub)

    def at(self, mpxn: str) -> list[Entry]:
        """Every device of a metering point, as far as a Service Request or the start has told."""
        return self._where("mpxn", mpxn)

    def moved(self, entry: Entry, name: str, before: Any) -> None:
        """Take note that an attribute of an entry is another one now."""
        self._found.get((name, before), {}).pop(entry.eui, None)
        self._found.setdefault((name, getattr(entry, name)), {})[entry.eui] = entry

    def _where(self, name: str, *values: Any) -> list[Entry]:
        found = [entry for value in values for entry in self._found.get((name, value), {}).values()]
        return sorted(found, key=lambda entry: self._numbers[entry.eui])

    def add(self, entry: Entry) -> None:
        """Take a device in, in place of what was known of it."""
        known = self._entries.get(entry.eui)
        if known is None:
            self._last += 1
            self._numbers[entry.eui] = self._last
        else:
            self._lose(known)
        if entry.type == DeviceType.CHF:
            entry.hub = entry.eui
        self._entries[entry.eui] = entry
        for name in _INDEXED:
            self._found.setdefault((name, getattr(entry, name)), {})[entry.eui] = entry
        entry.__dict__["_inventory"] = self

    def delete(self, eui: Eui64) -> None:
        """Forget a device."""
        self._lose(self._entries.pop(eui))
        del self._numbers[eui]

    def _lose(self, entry: Entry) -> None:
        """Take an entry out of every index."""
        entry.__dict__.pop("_inventory", None)
        for name in _INDEXED:
            place = name, getattr(entry, name)
            self._found[place].pop(entry.eui)
            if not self._found[place]:
                del self._found[place]

    def pre_notify(self, params: Mapping[str, Any], supplier: Eui64 | None) -> bool:
        """Carry out 12.2; False if the device is known already and beyond Pending.

        Args:
            params: of the Service Request.
            supplier: the User, if it is a supplier.
        """
        known = self._entries.get(params["device_id"])
        if known is not None and known.status != PENDING:
            return False
        self.add(
            Entry(
                params["device_id"],
                params["device_type"],
                PENDING,
                params["device_manufacturer"],
                params["device_model"],
                params.get("firmware_version", ""),
                params.get("smets_chts_version", ""),
                supplier=supplier,
                smets1=params["device_id"] in self.smets1,
            )
        )
        return True

    def update(self, params: Mapping[str, Any]) -> bool:
        """Carry out 8.4; False if the device's status does not allow it.

        A device other than a Comms Hub may be set Pending from every status but Commissioned (decommission it first,
        8.3), and be deleted when it is Pending or Decommissioned.
        """
        entry = self._entries[params["device_id"]]
        if params.get("delete_device"):
            if entry.status not in (PENDING, DECOMMISSIONED):
                return False
            self.delete(entry.eui)
            return True
        status = params.get("update_device_status_except_ch")
        if status is not None:
            allowed = entry.type not in HUB_FUNCTIONS and entry.status not in (COMMISSIONED, WITHDRAWN)
            return allowed and self._set(entry, status)
        status = params.get("update_device_status_ch")
        if status is not None:
            return entry.type in HUB_FUNCTIONS and self._set(entry, status)
        entry.manufacturer = params.get("device_manufacturer", entry.manufacturer)
        entry.model = params.get("device_model", entry.model)
        entry.firmware = params.get("firmware_version", entry.firmware)
        entry.version = params.get("smets_chts_version", entry.version)
        entry.mpxn = params.get("import_mpxn", entry.mpxn)
        return True

    def read(self, params: Mapping[str, Any]) -> tuple[InventoryDevice, ...]:
        """Carry out 8.2: the device asked for, or those of a metering point; a Comms Hub comes with all on its HAN."""
        if "device_id" in params:
            asked = self._entries.get(params["device_id"])
            if asked is None:
                return ()
            found = self.on_han(asked.eui) if asked.type == DeviceType.CHF else [asked]
        else:
            found = self.at(params["mpxn"]) if params.get("mpxn") is not None else []
        return tuple(_shown(entry) for entry in found)

    @staticmethod
    def _set(entry: Entry, status: str) -> bool:
        entry.status = status
        return True


def _shown(entry: Entry) -> InventoryDevice:
    more: dict[str, Any] = {}
    if entry.version:
        more["smets_chts_version"] = entry.version
    if entry.smets1:
        more.setdefault("smets_chts_version", _SMETS1_VERSION)
        more["csp_region"] = _SMETS1_REGION
    if entry.firmware:
        more["device_firmware_version"] = entry.firmware
        more["device_firmware_version_status"] = "Active"
    if entry.commissioned is not None:
        more["date_commissioned"] = entry.commissioned.date().isoformat()
    if entry.mpxn is not None:
        more["import_mpxn"] = entry.mpxn
    return InventoryDevice(
        device_id=entry.eui,
        device_type=entry.type,
        device_status=entry.status,
        device_manufacturer=entry.manufacturer,
        device_model=entry.model,
        more=more,
    )
