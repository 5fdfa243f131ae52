"""Top-ups of a SMETS1 meter by the UTRN that its service provider makes for it.

How UTRNs of SMETS1 meters are made is known to their manufacturers alone. Those of this emulation are 20 digits: a 1,
what they are worth in pence (five digits), a number (four digits), and ten digits that only the service provider can
make for this meter. The UTRN of a User's 2.2 says in the same place what it is worth; the rest of it is not looked at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar

from bench.eui import Eui64
from bench.parties import DeviceType
from drivers.emulated.commands import Action, Refused, Values
from drivers.emulated.functions.base import Function
from drivers.emulated.functions.payment import ElectricityPayment
from drivers.emulated.functions.payment_gas import GasPayment
from drivers.emulated.functions.payment_meter import PaymentMeter

_MILLIPENCE = 1000
_NUMBERS = 10_000
_PAYMENTS: Mapping[DeviceType, type[PaymentMeter]] = {
    DeviceType.ESME: ElectricityPayment,
    DeviceType.GSME: GasPayment,
}


def worth_pence(utrn: str) -> int:
    """What a UTRN is worth, in pence."""
    return int(utrn[1:6])


def make_utrn(device: Eui64, pence: int, number: int) -> str:
    """The UTRN that a meter takes for a top-up, once."""
    front = f"1{pence:05}{number % _NUMBERS:04}"
    digest = hashlib.sha256(f"SMETS1 UTRN {device} {front}".encode()).digest()
    return f"{front}{int.from_bytes(digest[:8], 'big') % 10**10:010}"


class Smets1Credit(Function):
    """How a SMETS1 meter takes top-ups; what it does with money is what every meter does.

    Attributes:
        used: UTRNs that it has taken.
    """

    remembers: ClassVar[tuple[str, ...]] = ("used",)

    def __init__(self, device: Any) -> None:
        super().__init__(device)
        self.used: list[str] = []

    @property
    def actions(self) -> Mapping[str, Action]:
        """What it can be told to do, by use case name."""
        return dict.fromkeys(("CS01a", "CS01b"), self._take)

    def enter(self, utrn: str) -> None:
        """Take a UTRN, over the WAN or from the meter's keypad.

        Raises:
            Refused: it was not made for this meter, was taken already, or is more than the meter may take.
        """
        if not (len(utrn) == 20 and utrn.isascii() and utrn.isdigit()):
            raise Refused("a UTRN has 20 digits")
        if make_utrn(self.device.eui, worth_pence(utrn), int(utrn[6:10])) != utrn:
            raise Refused("the UTRN is not for this meter")
        if utrn in self.used:
            raise Refused("the UTRN was used already")
        payment = self.device.function(_PAYMENTS[self.device.dut.type])
        payment.accept(worth_pence(utrn) * _MILLIPENCE, utrn)
        self.used.append(utrn)

    def _take(self, params: Values) -> Values:
        self.enter(params["utrn"])
        return {}
