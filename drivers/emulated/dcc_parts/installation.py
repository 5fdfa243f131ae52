"""What the DCC concludes from the responses of an installation: statuses, metering points, N24 and N25."""

from __future__ import annotations

from dataclasses import replace

from bench.parties import DeviceType
from drivers.emulated.dcc_inventory import COMMISSIONED, INSTALLED, PENDING, WHITELISTED, Entry
from drivers.emulated.dcc_parts.base import Answered, Part

LOG_RESULT = "UpdateHANDeviceLogResult"
"""Body of N24 and N25."""
LOG_REQUEST = "update_han_device_log_service_request_id"
"""Its parameter: the RequestID of the 8.11."""
_COMMISSIONED_BY_JOINING = (DeviceType.PPMID, DeviceType.HCALCS)


class Installation(Part):
    """Whitelisting, commissioning and metering points."""

    def note(self, answered: Answered) -> None:
        """Take note of a device's response."""
        if answered.variant == "8.11":
            self._log_updated(answered)
        entry, params = answered.entry, answered.request.params
        if entry is None or not answered.response.ok:
            return
        if answered.variant == "8.1.1":
            entry.status, entry.commissioned, entry.supplier = COMMISSIONED, self.dcc.mail.now, answered.user.eui
            self.dcc.on_supplier(entry.eui, answered.user)
        elif answered.variant == "6.20.1":
            entry.mpxn = params.get("import_mpan") or params.get("import_mprn")
        elif answered.variant in ("8.7.1", "8.7.2"):
            self._joined(entry, self.dcc.inventory.find(params["other_device_id"]))

    def _joined(self, *entries: Entry | None) -> None:
        """A PPMID or an HCALCS, which has no 8.1.1, is commissioned by its first join with another device."""
        for entry in entries:
            if entry is not None and entry.type in _COMMISSIONED_BY_JOINING and entry.status == INSTALLED:
                entry.status, entry.commissioned = COMMISSIONED, self.dcc.mail.now

    def _log_updated(self, answered: Answered) -> None:
        faults = self.dcc.world.faults
        ok, params = answered.response.ok, answered.request.params
        entry = self.dcc.inventory.find(params["device_id"])
        if ok and entry is not None:
            entry.mpxn = params.get("import_mpxn", entry.mpxn)
            if params["request_type"] == "Add":
                entry.hub = answered.request.request_id.target
            elif params["request_type"] == "Remove" and entry.hub == answered.request.request_id.target:
                entry.hub = None
            if params["request_type"] == "Add" and entry.status == PENDING:
                entry.status = WHITELISTED
            elif params["request_type"] == "Remove" and entry.status in (WHITELISTED, INSTALLED):
                entry.status = PENDING
        if faults.find("n24-missing"):
            return
        about = answered.request.request_id
        if faults.find("n24-wrong-request"):
            about = replace(about, counter=about.counter - 1)
        self.dcc.mail.dcc_alert("N24" if ok else "N25", LOG_RESULT, {LOG_REQUEST: about}, answered.user)
