"""Firmware: images that a device is given, checks, holds and activates."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar

from bench.gbcs import crypto
from bench.gbcs.alerts import Specific
from bench.gbcs.catalogue import Encoding
from bench.gbcs.firmware_use_cases import OUTCOMES, UPGRADE_OUTCOMES, activation_alert, upgrade_alert
from bench.parties import DeviceType
from drivers.emulated.commands import Action, Refused, Values
from drivers.emulated.functions.activations import Activations
from drivers.emulated.functions.base import Function
from drivers.emulated.identities import RemotePartyRole

VERIFIED = 0x8F72
"""Alert: an image is complete and right."""
NOT_VERIFIED = 0x8F1C
"""Alert: an image is not what it should be."""

CHANGED = 0x8F43
"""The firmware in execution has changed; this is logged and told to nobody."""

UPGRADED = 0x8F8B
"""Alert of a PPMID or an HCALCS, for the DCC: what became of an image."""

OTA_MAGIC = bytes.fromhex("1ef1ee0b")
"""With this an OTA upgrade image begins (ZigBee OTA Upgrade cluster, header format)."""
_SIZE_AT, _SIZE_END = 52, 56
_TRAILER_BYTES = 66
"""After the manufacturer's image: a flag, the length 0x40, and the supplier's signature (GBCS section 11.2)."""

_ACTIVATE_THEMSELVES = (DeviceType.PPMID, DeviceType.HCALCS)
"""What needs no 11.3: 11.4 is all that there is for them."""


class Firmware(Function):
    """The image that a device holds beside the one in execution.

    An OTA upgrade image is checked for its size and the supplier's signature. Anything else is taken for a
    manufacturer's image without wrapping, so that a bench needs no signing tools: only its hash counts.

    Attributes:
        image_hash: of the manufacturer's image that it holds; empty without one.
        image_version: of that image, eight hexadecimal digits.
    """

    remembers: ClassVar[tuple[str, ...]] = ("image_hash", "image_version")

    def __init__(self, device: Any) -> None:
        super().__init__(device)
        self.image_hash, self.image_version = b"", ""

    @property
    def actions(self) -> Mapping[str, Action]:
        """What it can be told to do, by use case name."""
        return {"CS06": self._activate}

    def receive(self, image: bytes, version: str) -> bool:
        """Take an image from the HAN, check it, and tell what became of it.

        A meter tells its supplier (0x8F72, 0x8F1C). A PPMID and an HCALCS activate the image and tell the DCC (0x8F8B).

        Returns:
            Whether it is right; if not, what was held before is held still.
        """
        inner = self._manufacturer_image(image)
        found = hashlib.sha256(inner if inner is not None else image).digest()
        if self.device.dut.type in _ACTIVATE_THEMSELVES:
            self._upgrade(version, good=inner is not None)
            return inner is not None
        if inner is not None:
            self.image_hash, self.image_version = found, version
        self.device.raise_alert(VERIFIED if inner is not None else NOT_VERIFIED, self._receipt(found))
        return inner is not None

    def _upgrade(self, version: str, *, good: bool) -> None:
        if good:
            self.device.firmware = version
        running = {"firmware_version": bytes.fromhex(version), "outcome": UPGRADE_OUTCOMES[not good]}
        broker = self.device.anchors[RemotePartyRole.ACCESS_CONTROL_BROKER]
        self.device.raise_alert(UPGRADED, upgrade_alert(running), to=broker)

    def _manufacturer_image(self, image: bytes) -> bytes | None:
        if not image.startswith(OTA_MAGIC):
            return image
        start = int.from_bytes(image[6:8], "little")
        size = int.from_bytes(image[_SIZE_AT:_SIZE_END], "little")
        supplier = self.device.anchors.get(RemotePartyRole.SUPPLIER)
        if size != len(image) or not _SIZE_END <= start <= size - _TRAILER_BYTES or supplier is None:
            return None
        inner, trailer = image[start:-_TRAILER_BYTES], image[-_TRAILER_BYTES:]
        if trailer[1] != 0x40 or not crypto.verify_raw(trailer[2:], inner, supplier.signature_key):
            return None
        return inner

    def _receipt(self, image_hash: bytes) -> Specific:
        """The hash, in the device's notation; no reference message shows it."""
        length = bytes([len(image_hash)])
        return (b"\x09" if self.device.encoding is Encoding.DLMS else b"") + length + image_hash

    def _activate(self, params: Values) -> Values:
        image_hash: bytes = params["image_hash"]
        moment = params.get("execution_date_time")
        if moment is None:
            return self._switch(image_hash)
        outcome: dict[str, Any] = {}

        def apply() -> None:
            try:
                outcome.update(self._switch(image_hash))
            except Refused as refused:
                outcome.update(refused.values)
                raise

        activations = self.device.function(Activations)
        activations.at(moment, (lambda counter: activation_alert(counter, outcome),), apply, about="firmware")
        return {}

    def _switch(self, image_hash: bytes) -> Values:
        if not self.image_hash:
            raise Refused("there is no image", self._outcome(1))
        if self.image_hash != image_hash:
            raise Refused("the image is another one", self._outcome(2))
        self.device.firmware = self.image_version
        self.device.happens(CHANGED)
        self.image_hash, self.image_version = b"", ""
        return self._outcome(0)

    def _outcome(self, number: int) -> Values:
        return {"outcome": OUTCOMES[number], "firmware_version": bytes.fromhex(self.device.firmware)}


FUNCTIONS: Mapping[DeviceType, tuple[type[Function], ...]] = {
    DeviceType.ESME: (Firmware,),
    DeviceType.GSME: (Firmware,),
    DeviceType.PPMID: (Firmware,),
    DeviceType.HCALCS: (Firmware,),
}
"""By type of device."""
