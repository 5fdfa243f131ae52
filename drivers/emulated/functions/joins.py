"""Whom a device trusts on the HAN: joins and unjoins (8.7, 8.8), and reading them (8.9)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, ClassVar

from cryptography import x509

from bench.duis.signatures import certificate_eui
from bench.errors import BenchError
from bench.eui import Eui64
from bench.parties import DeviceType
from drivers.emulated.commands import Action, Refused, Values
from drivers.emulated.device import EmulatedDevice
from drivers.emulated.functions.base import Function

BAD_CERTIFICATE, NO_ANSWER = 11, 13
"""Join results: the other device's certificate is invalid or missing, or it does not answer the key establishment."""

_METHODS: Mapping[DeviceType, tuple[str, ...]] = {
    DeviceType.ESME: ("CS03A1", "CS03C"),
    DeviceType.GSME: ("CS03A1", "CS03B", "CS03C"),
    DeviceType.GPF: ("CS03B",),
    DeviceType.PPMID: ("CS03A2", "CS03C"),
    DeviceType.HCALCS: ("CS03A2", "CS03C"),
}
"""How each type of device can be joined."""
_UNJOINS = ("CS04ACCritical", "CS04ACNonCritical", "CS04B")
_CERTIFIED = "CS03C"

_AT_FIRST: Mapping[DeviceType, tuple[DeviceType, ...]] = {
    DeviceType.ESME: (DeviceType.PPMID, DeviceType.HCALCS),
    DeviceType.GSME: (DeviceType.GPF,),
    DeviceType.GPF: (DeviceType.GSME, DeviceType.PPMID),
    DeviceType.PPMID: (DeviceType.ESME, DeviceType.GPF),
    DeviceType.HCALCS: (DeviceType.ESME,),
}


class Joins(Function):
    """The devices of the HAN that this one holds keys for.

    The other device must be on the HAN with the type that the command names, and the certificate of method C must be
    its own. Each side is told by a command of its own.

    Attributes:
        partners: EUI-64 and type of each, in the order of joining.
    """

    remembers: ClassVar[tuple[str, ...]] = ("partners",)

    def __init__(self, device: EmulatedDevice) -> None:
        super().__init__(device)
        self.partners: dict[Eui64, str] = {}

    @property
    def actions(self) -> Mapping[str, Action]:
        """What it can be told to do, by use case name."""
        joins = {name: partial(self._join, name) for name in _METHODS.get(self.device.dut.type, ())}
        return joins | dict.fromkeys(_UNJOINS, self._unjoin) | {"CS07": self._read}

    def join(self, other: Eui64, kind: str) -> bool:
        """Hold keys for another device from now on; False if there is none of that name and type."""
        found = self.device.neighbour(other)
        if found is None or found.dut.type != kind:
            return False
        self.partners[other] = kind
        return True

    def _join(self, name: str, params: Values) -> Values:
        other = params["other_device"]
        if name == _CERTIFIED and _subject(params.get("certificate")) != other:
            raise Refused("the certificate is not that of the other device", {"join_result": BAD_CERTIFICATE})
        if not self.join(other, params["other_device_type"]):
            raise Refused("there is no such device on the HAN", {"join_result": NO_ANSWER})
        return {}

    def _unjoin(self, params: Values) -> Values:
        if self.partners.pop(params["other_device"], None) is None:
            raise Refused("it is not joined to that device")
        return {}

    def _read(self, _params: Values) -> Values:
        return {"joined_devices": tuple(self.partners.items())}


def _subject(certificate: Any) -> Eui64 | None:
    """Whose a certificate is; None if it cannot be read."""
    try:
        return certificate_eui(x509.load_der_x509_certificate(certificate))
    except (BenchError, ValueError, TypeError):
        return None


def join_commissioned(devices: Iterable[EmulatedDevice]) -> None:
    """Join those to each other that an installation would have joined; all of `devices` are commissioned."""
    known = {device.eui: device for device in devices if device.dut.type in _AT_FIRST}
    for device in known.values():
        for other in known.values():
            if other.dut.type in _AT_FIRST[device.dut.type]:
                device.function(Joins).join(other.eui, other.dut.type.value)


FUNCTIONS: Mapping[DeviceType, tuple[type[Function], ...]] = dict.fromkeys(_METHODS, (Joins,))
"""By type of device."""
