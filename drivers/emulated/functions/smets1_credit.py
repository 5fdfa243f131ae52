"""Credit of a SMETS1 meter: balance, payment mode, and top-ups by the UTRN that its service provider makes for it.

How UTRNs of SMETS1 meters are made is known to their manufacturers alone. Those of this emulation are 20 digits: a 1,
what they are worth in pence (five digits), a number (four digits), and ten digits that only the service provider can
make for this meter. The UTRN of a User's 2.2 says in the same place what it is worth; the rest of it is not looked at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar

from bench.eui import Eui64
from drivers.emulated.commands import Refused, Values
from drivers.emulated.functions.base import Function

_MILLIPENCE = 1000
_NUMBERS = 10_000
_PRICE_MOST = 2**31 - 1


def worth_pence(utrn: str) -> int:
    """What a UTRN is worth, in pence."""
    return int(utrn[1:6])


def make_utrn(device: Eui64, pence: int, number: int) -> str:
    """The UTRN that a meter takes for a top-up, once."""
    front = f"1{pence:05}{number % _NUMBERS:04}"
    digest = hashlib.sha256(f"SMETS1 UTRN {device} {front}".encode()).digest()
    return f"{front}{int.from_bytes(digest[:8], 'big') % 10**10:010}"


class Smets1Credit(Function):
    """What a SMETS1 meter knows of money.

    Attributes:
        balance: thousandths of pence.
        mode: "Credit" or "Prepayment".
        used: UTRNs that it has taken.
    """

    remembers: ClassVar[tuple[str, ...]] = ("balance", "mode", "used")

    def __init__(self, device: Any) -> None:
        super().__init__(device)
        self.balance = 0
        self.mode = "Credit"
        self.used: list[str] = []

    def enter(self, utrn: str) -> None:
        """Take a UTRN, over the WAN or from the meter's keypad.

        Raises:
            Refused: it was not made for this meter, or was taken already.
        """
        if not (len(utrn) == 20 and utrn.isascii() and utrn.isdigit()):
            raise Refused("a UTRN has 20 digits")
        if make_utrn(self.device.eui, worth_pence(utrn), int(utrn[6:10])) != utrn:
            raise Refused("the UTRN is not for this meter")
        if utrn in self.used:
            raise Refused("the UTRN was used already")
        self.used.append(utrn)
        self._add(worth_pence(utrn) * _MILLIPENCE)

    def adjust(self, params: Mapping[str, Any]) -> Values:
        """Change or reset the balance (1.5).

        Raises:
            Refused: it is for the payment mode that the meter is not in.
        """
        ((name, change),) = ((name, each) for name, each in params.items() if isinstance(each, Mapping))
        if (name == "prepayment_mode") is not (self.mode == "Prepayment"):
            raise Refused(f"the meter is in {self.mode} mode")
        if change.get("reset_meter_balance"):
            self.balance = 0
        else:
            self._add(change["adjust_meter_balance"])
        return {}

    def set_mode(self, params: Mapping[str, Any]) -> Values:
        """Change the payment mode (1.6)."""
        self.mode = "Credit" if params.get("credit") else "Prepayment"
        return {}

    def _add(self, change: int) -> None:
        self.balance = max(-_PRICE_MOST, min(_PRICE_MOST, self.balance + change))
