"""Alerts of the sub-GHz radio of a dual band Comms Hub, as its suppliers get them: N54."""

from __future__ import annotations

from typing import Any

from bench.duis.radio_bodies import SCAN_OUTCOMES, SCAN_TRIGGERS
from bench.errors import CodecError
from bench.gbcs import sub_ghz
from bench.gbcs.alerts import Alert
from bench.gbcs.message import Message
from bench.parties import DeviceType, User
from drivers.emulated.dcc_inventory import COMMISSIONED, Entry
from drivers.emulated.dcc_parts.base import Part
from drivers.emulated.transforms.hub import channel_params, params_of

_TRIGGERS = dict(zip(sub_ghz.TRIGGERS.values(), SCAN_TRIGGERS, strict=True))
_OUTCOMES = dict(zip(sub_ghz.OUTCOMES.values(), SCAN_OUTCOMES, strict=True))


class DualBandAlerts(Part):
    """Passes on what a dual band hub tells of its radio, to the suppliers of the meters around it."""

    def alert(self, entry: Entry, alert: Alert, message: Message) -> bool:
        """Tell the suppliers of an alert of the radio; false for any other alert."""
        if not sub_ghz.LIMITED <= alert.code <= sub_ghz.FULL or entry.type != DeviceType.CHF:
            return False
        try:
            values = sub_ghz.read_specific(alert)
        except CodecError:
            return False
        if entry.status == COMMISSIONED and values is not None:
            body = {
                "chf_device_id": entry.eui,
                "device_alert_code": alert.code.to_bytes(2, "big"),
                "gbcs_hexadecimal_message_code": message.message_code.to_bytes(2, "big"),
            }
            for user in self._suppliers(entry):
                self.dcc.mail.dcc_alert("N54", "DualBandCHAlert", body | self._said(alert.code, values), user)
        return True

    def _suppliers(self, hub: Entry) -> list[User]:
        around = self.dcc.inventory.on_han(hub.eui)
        meters = (each for each in around if each.type in (DeviceType.ESME, DeviceType.GSME))
        found = (self.dcc.serving(each, "supplier") for each in meters)
        return list({user.eui: user for user in found if user is not None}.values())

    def _said(self, code: int, values: dict[str, Any]) -> dict[str, Any]:
        """What an alert adds, as the body of N54 has it."""
        match code:
            case sub_ghz.LIMITED:
                return {"limited_duty_cycle_action_taken": {"device_id_to_suspend": values["device"]}}
            case sub_ghz.CHANNEL_CHANGED:
                changed = channel_params(values["channel"]) | {"scan_trigger": _TRIGGERS[values["trigger"]]}
                return {"sub_ghz_channel_changed": changed}
            case sub_ghz.SCAN_ASSESSED:
                outcome = {"status_code": _OUTCOMES[values["outcome"]], "scan_trigger": _TRIGGERS[values["trigger"]]}
                return {"sub_ghz_channel_scan_request_assessment_outcome": outcome}
            case sub_ghz.CONFIGURED:
                return {"sub_ghz_configuration_changed": params_of(values["configuration"])}
            case sub_ghz.DISCARDED:
                return {"message_discarded_due_to_duty_cycle_management": self._discarded(values["message"])}
            case sub_ghz.FULL:
                device = self.dcc.inventory.find(values["device"])
                kind = {"device_type": str(device.type)} if device is not None else {}
                return {"no_more_sub_ghz_device_capacity": {"device_id": values["device"]} | kind}
        return {}

    def _discarded(self, message: sub_ghz.Discarded) -> dict[str, Any]:
        """Which message it was: the Service Request behind a command, if the DCC still waits for its response."""
        key = message.recipient, message.originator, message.counter
        return {"request_id": self.dcc.delivery.request_behind(key), "cra_flag": message.cra.name.capitalize()}


PARTS: tuple[type[Part], ...] = (DualBandAlerts,)
"""In the order in which they take note."""
