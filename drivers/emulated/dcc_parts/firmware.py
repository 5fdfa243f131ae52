"""Firmware images that the DCC distributes (11.1, 11.4), and versions that it did not expect (N49 to N52).

The schema of DUIS lists the codes of refusals (E1101xx, E1104xx) and not what they mean; which one says what is this
emulation's choice, and so is which of N49 to N52 goes with which observation. That an alert of a PPMID comes as N39 and
one of a hub about an image as N61 is inferred from the order of their bodies in the schema.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from bench.duis import responses as duis
from bench.duis.request_id import RequestId
from bench.duis.requests import Request
from bench.errors import CodecError
from bench.eui import Eui64
from bench.gbcs.alerts import Alert
from bench.gbcs.firmware_use_cases import (
    TRANSFER_ALERT,
    TRANSFER_OUTCOMES,
    UPGRADE_ALERT,
    read_activation_alert,
    read_transfer_alert,
    read_upgrade_alert,
)
from bench.gbcs.message import Message
from bench.parties import DeviceType, User
from drivers.emulated.dcc_inventory import COMMISSIONED, HUB_FUNCTIONS, Entry
from drivers.emulated.dcc_parts.base import Answered, Part, Service
from drivers.emulated.dcc_parts.smets1 import Smets1
from drivers.emulated.dcc_rules import SUPPLIERS

if TYPE_CHECKING:
    from drivers.emulated.dcc_delivery import Order

NO_DEVICE, OTHER_IMAGE = "02", "03"
"""No device of the list can take the image; another image is known under this version, or it is no version."""
SOME_DEVICES = "01"
"""As a warning: some devices of the list cannot."""

_TAKES: Mapping[str, tuple[DeviceType, ...]] = {
    "11.1": (DeviceType.ESME, DeviceType.GSME),
    "11.4": (DeviceType.PPMID, DeviceType.HCALCS),
}
_WARNINGS = {"11.1": "DSPUpdateFirmwareWarning", "11.4": "DSPUpdatePPMIDFirmwareWarning"}

_TRANSFER_WORDS = dict(
    zip(
        TRANSFER_OUTCOMES.values(),
        ("FileTransferSuccess", "FirmwareImageDiscarded", "HardwareVersionMismatch", "FileTransferFailure"),
        strict=True,
    )
)

_DIGITS = 8
"""Hexadecimal digits of the version that a device tells."""

_WAN_BYTES_PER_S = 4000.0
_HAN_BYTES_PER_S = 1000.0
_LEAST_S = 120.0
_RETRY_S = 600.0
_PATIENCE = timedelta(hours=6)
"""How long after its first try the DCC goes on to bring an image to a device."""


class FirmwareDistribution(Part):
    """Images on their way, and what the DCC knows of versions.

    An image goes to the hub and over the HAN at plausible speeds, two minutes at least, and is handed to its device
    then. A device that is off or out of reach is tried again every ten minutes for six hours; what has failed then is
    told to the User in one N19 for each request. Of an image for a PPMID or an HCALCS the hub says by CCS08 whether it
    could pass it on, which is N61 to that User; the device activates it by itself and says so by the alert of CS08,
    which is N39 to every supplier around.

    Attributes:
        images: SHA-256 of the image that is known for manufacturer, model and version, as 11.1 gave it.
        transfers: by device, what is on its way: `request_id`, `user`, `image`, `version`, `until`, and `next`.
        failed: by request, the devices that did not get the image.
        expected: by device, the version that it should have once it has activated what it was given.
        handed: by PPMID or HCALCS, the request and the User that its hub's alert will be about.
    """

    remembers: ClassVar[tuple[str, ...]] = ("images", "transfers", "failed", "expected", "handed")

    def __init__(self, dcc: Any) -> None:
        super().__init__(dcc)
        self.images: dict[str, str] = {}
        self.transfers: dict[Eui64, dict[str, Any]] = {}
        self.failed: dict[str, list[Eui64]] = {}
        self.expected: dict[Eui64, str] = {}
        self.handed: dict[Eui64, tuple[RequestId, Eui64]] = {}

    @property
    def services(self) -> Mapping[str, Service]:
        """The requests that it answers."""
        return {"11.1": self._update, "11.4": self._update}

    def start(self) -> None:
        """Go on with what was on its way."""
        for device in self.transfers:
            self._plan(device)

    def _update(self, request: Request, user: User) -> str | duis.ServiceResponse:
        params, variant = request.params, request.service_reference_variant
        prefix = f"{int(variant.split('.')[0]):02d}{int(variant.split('.')[1]):02d}"
        good, lists = self._sort(params, variant, user)
        if not good:
            return f"E{prefix}{NO_DEVICE}"
        version = params["firmware_version"].zfill(_DIGITS).upper()
        if not set(version) <= set("0123456789ABCDEF") or not self._is_known(params, version, good[0]):
            return f"E{prefix}{OTHER_IMAGE}"
        size = len(params["firmware_image"])
        takes_s = max(_LEAST_S, size / _WAN_BYTES_PER_S + size / _HAN_BYTES_PER_S)
        first = self.dcc.mail.now + timedelta(seconds=takes_s)
        for entry in good:
            self.transfers[entry.eui] = {
                "request_id": request.request_id,
                "user": user.eui,
                "image": params["firmware_image"],
                "version": version,
                "until": first + _PATIENCE,
                "next": first,
            }
            self._plan(entry.eui)
            if _is_smets1_hub(entry, variant):
                self.dcc.part(Smets1).tell_hub_firmware(entry, version, "UpdateRequested")
        if not lists:
            return "I99"
        return duis.DspResponse(
            **self.dcc.header(request, f"W{prefix}{SOME_DEVICES}"),
            name=_WARNINGS[variant],
            values={name: ",".join(map(str, devices)) for name, devices in lists.items()},
        )

    def _sort(self, params: Mapping[str, Any], variant: str, user: User) -> tuple[list[Entry], dict[str, list[Eui64]]]:
        """The devices that can take an image, and lists of those that cannot."""
        good: list[Entry] = []
        bad: dict[str, list[Eui64]] = {}
        for device in dict.fromkeys(params["device_id_list"]):
            entry = self.dcc.inventory.find(device)
            served = entry is not None and self._serves(entry, user)
            takes = entry is not None and (entry.type in _TAKES[variant] or _is_smets1_hub(entry, variant))
            if entry is None or not served or not takes:
                bad.setdefault("invalid_device_id_list", []).append(device)
            elif entry.status != COMMISSIONED:
                bad.setdefault("not_commissioned_device_id_list", []).append(device)
            elif good and (entry.manufacturer, entry.model) != (good[0].manufacturer, good[0].model):
                bad.setdefault("not_applicable_firmware_device_id_list", []).append(device)
            elif device in self.transfers:
                bad.setdefault("other_request_in_progress_list", []).append(device)
            else:
                good.append(entry)
        return good, bad

    def _serves(self, entry: Entry, user: User) -> bool:
        if entry.type in _TAKES["11.4"]:
            return user in (self._suppliers_around(entry) or [user])
        supplier = self.dcc.serving(entry, "supplier")
        return supplier is None or supplier.eui == user.eui

    def _suppliers_around(self, entry: Entry) -> list[User]:
        """The suppliers of the meters on a device's HAN."""
        meters = (
            [each for each in self.dcc.inventory.on_han(entry.hub) if each.type in _TAKES["11.1"]] if entry.hub else []
        )
        found = {user.eui: user for meter in meters if (user := self.dcc.serving(meter, "supplier")) is not None}
        return list(found.values())

    def _is_known(self, params: Mapping[str, Any], version: str, entry: Entry) -> bool:
        """Whether an image is the one that belongs to its version; the first that comes is."""
        product = f"{entry.manufacturer} {entry.model} {version}"
        found = hashlib.sha256(params["firmware_image"]).hexdigest()
        return self.images.setdefault(product, found) == found

    def _plan(self, device: Eui64) -> None:
        due: datetime = self.transfers[device]["next"]
        delay_s = max(0.0, (due - self.dcc.mail.now).total_seconds())
        self.dcc.world.schedule.after(delay_s, partial(self._hand_over, device))

    def _hand_over(self, device: Eui64) -> None:
        transfer = self.transfers[device]
        if self._hand_image(device, transfer["image"], transfer["version"]):
            self.expected[device] = transfer["version"]
            self.handed[device] = transfer["request_id"], transfer["user"]
            self._settle(device, delivered=True)
        elif self.dcc.mail.now >= transfer["until"]:
            self._settle(device, delivered=False)
        else:
            transfer["next"] = self.dcc.mail.now + timedelta(seconds=_RETRY_S)
            self._plan(device)

    def _hand_image(self, device: Eui64, image: bytes, version: str) -> bool:
        entry, hub = self.dcc.inventory.find(device), self.dcc.delivery.hub
        if entry is not None and entry.smets1:
            return self.dcc.part(Smets1).hand_image(entry, image, version)
        return hub is not None and hub.hand_image(device, image, version)

    def _settle(self, device: Eui64, *, delivered: bool) -> None:
        transfer = self.transfers.pop(device)
        request_id = transfer["request_id"]
        if not delivered and not self._hub_gives_up(device, transfer):
            self.failed.setdefault(str(request_id), []).append(device)
        if any(each["request_id"] == request_id for each in self.transfers.values()):
            return
        failed = self.failed.pop(str(request_id), ())
        if failed:
            body = {"update_firmware_request_id": request_id, "meter_ids": ",".join(map(str, failed))}
            self.dcc.mail.dcc_alert("N19", "FirmwareDistributionFailure", body, self.dcc.users[transfer["user"]])

    def _hub_gives_up(self, device: Eui64, transfer: Mapping[str, Any]) -> bool:
        """Let the hub tell that it could not pass on an image for a PPMID or an HCALCS, if it can tell anything."""
        entry, hub = self.dcc.inventory.find(device), self.dcc.delivery.hub
        if entry is None or entry.type not in _TAKES["11.4"] or hub is None:
            return False
        self.handed[device] = transfer["request_id"], transfer["user"]
        return hub.give_image_up(device, transfer["version"])

    def alert(self, entry: Entry, alert: Alert, message: Message) -> bool:
        """Tell of an image that a hub has passed on to a PPMID or an HCALCS, and of one that it has taken."""
        try:
            if message.message_code == TRANSFER_ALERT:
                self._transferred(entry, alert, read_transfer_alert(alert))
            elif message.message_code == UPGRADE_ALERT:
                self._upgraded(entry, alert, read_upgrade_alert(alert))
            else:
                return False
        except CodecError:
            return False
        return True

    def _transferred(self, hub: Entry, alert: Alert, values: Mapping[str, Any]) -> None:
        handed = self.handed.pop(values["device"], None)
        if handed is None:
            return
        request_id, user = handed
        body = {
            "comms_hub_device_id": hub.eui,
            "alert_code": f"{alert.code:04X}",
            "time_stamp": alert.timestamp or self.dcc.mail.now,
            "firmware_transfer_alert": {
                "update_firmware_request_id": request_id,
                "other_device_id": values["device"],
                "firmware_version": values["firmware_version"].hex().upper(),
                "transfer_response_code": _TRANSFER_WORDS[values["outcome"]],
            },
        }
        self.dcc.mail.dcc_alert("N61", "CommsHubAlert", body, self.dcc.users[user])

    def _upgraded(self, entry: Entry, alert: Alert, values: Mapping[str, Any]) -> None:
        done, version = values["outcome"] == "success", values["firmware_version"].hex().upper()
        self.expected.pop(entry.eui, None)
        if done:
            entry.firmware = version
        body = {
            "device_id": entry.eui,
            "device_alert_code": f"{alert.code:04X}",
            "timestamp": alert.timestamp or self.dcc.mail.now,
            "ppmid_firmware_upgrade_alert": {
                "firmware_version": version,
                "activate_image_result_code": "ActivationSuccess" if done else "ActivationFailure",
            },
        }
        for supplier in self._suppliers_around(entry):
            self.dcc.mail.dcc_alert("N39", "PPMIDAlert", body, supplier)

    # Versions

    def note(self, answered: Answered) -> None:
        """Take note of a version that a device tells: read (11.2), or activated (11.3)."""
        entry, version = answered.entry, answered.response.values.get("firmware_version")
        if entry is None or not isinstance(version, bytes):
            return
        if answered.variant == "11.2" and answered.response.ok:
            code = "N51" if entry.type in HUB_FUNCTIONS else "N49" if entry.type in _TAKES["11.1"] else "N52"
            self._compare(entry, entry.firmware, version, code, answered.user)
        elif answered.variant == "11.3":
            self._activated(entry, version, answered.user, ok=answered.response.ok)

    def instruction(self, order: Order, alert: Alert) -> None:
        """Take note of a future-dated activation."""
        entry = self.dcc.inventory.find(order.message.recipient)
        if entry is None or order.request.service_reference_variant != "11.3":
            return
        try:
            values = read_activation_alert(alert)
        except CodecError:
            return
        user = self.dcc.users[order.request.request_id.originator]
        self._activated(entry, values["firmware_version"], user, ok=values["outcome"] == "success")

    def _activated(self, entry: Entry, version: bytes, user: User, *, ok: bool) -> None:
        expected = self.expected.pop(entry.eui, entry.firmware) if ok else entry.firmware
        self._compare(entry, expected, version, "N50", user)

    def _compare(self, entry: Entry, expected: str, version: bytes, code: str, user: User) -> None:
        """Keep what a device says of its version, and tell its supplier if the DCC thought otherwise."""
        found = version.hex().upper()
        if expected and expected.upper() != found:
            supplier = self.dcc.serving(entry, "supplier") or (user if user.role in SUPPLIERS else None)
            if supplier is not None:
                body = {
                    "device_id": entry.eui,
                    "device_type": str(entry.type),
                    "firmware_version_smi": expected,
                    "firmware_version_device": found,
                }
                self.dcc.mail.dcc_alert(code, "FirmwareVersionMismatch", body, supplier)
        entry.firmware = found


def _is_smets1_hub(entry: Entry, variant: str) -> bool:
    """A SMETS1 Comms Hub takes its images as meters do."""
    return entry.smets1 and entry.type == DeviceType.CHF and variant == "11.1"


PARTS: tuple[type[Part], ...] = (FirmwareDistribution,)
"""In the order in which they take note."""
