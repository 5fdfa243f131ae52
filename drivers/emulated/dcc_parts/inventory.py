"""The Smart Metering Inventory as Users read and change it (8.2 to 8.4, 12.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.duis import responses as duis
from bench.duis.requests import Request
from bench.parties import User
from drivers.emulated.dcc_inventory import DECOMMISSIONED
from drivers.emulated.dcc_parts.base import Part, Service
from drivers.emulated.dcc_parts.notices import Notices
from drivers.emulated.dcc_rules import SUPPLIERS

_DONE, _KNOWN, _STATUS, _NOBODY = "I99", "E120201", "E080401", "E19"


class InventoryServices(Part):
    """Reads, changes, pre-notifications and decommissioning."""

    @property
    def services(self) -> Mapping[str, Service]:
        """The requests that it answers."""
        return {"8.2": self._read, "8.3": self._decommission, "8.4": self._update, "12.2": self._pre_notify}

    def _read(self, request: Request, user: User) -> str | duis.ServiceResponse:
        devices = self.dcc.inventory.read(request.params)
        if not devices:
            return _NOBODY
        return duis.InventoryResponse(**self.dcc.header(request, "I0"), devices=devices)

    def _decommission(self, request: Request, user: User) -> str:
        entry = self.dcc.inventory.find(request.params["device_id"])
        if entry is not None and entry.status != DECOMMISSIONED:
            entry.status, entry.commissioned = DECOMMISSIONED, None
            self.dcc.part(Notices).left(entry)
        return _DONE

    def _update(self, request: Request, user: User) -> str:
        return _DONE if self.dcc.inventory.update(request.params) else _STATUS

    def _pre_notify(self, request: Request, user: User) -> str:
        params: Mapping[str, Any] = request.params
        supplier = user.eui if user.role in SUPPLIERS else None
        if not self.dcc.inventory.pre_notify(params, supplier):
            return _KNOWN
        if supplier is not None:
            self.dcc.on_supplier(params["device_id"], user)
        return _DONE
