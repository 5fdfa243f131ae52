"""Top-up tokens: the Unique Transaction Reference Number of a prepayment top up (GBCS section 14).

A UTRN is 20 decimal digits: the token (PTUT) plus a constant, and a check digit. The token has 64 bits:

    7 bits  zero
    10 bits low bits of the upper half of the originator counter; the lower half of such a counter is zero
    2 bits  class of the value: 0 pence, 1 pounds
    13 bits value
    32 bits end of a GMAC that only supplier and device can make

The published top ups fix all of it but the GMAC, whose keys are not public: its layout is that of the public parser of
Smart DCC Ltd (gbcs-parser, `utrn.ts`). The check digit is Verhoeff's, its permutations counted from the front: the
first digit has the fourth, the check digit the seventh.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench.eui import Eui64
from bench.gbcs.crypto import derive_key
from bench.gbcs.errors import GbcsError
from bench.gbcs.message import Cra

DIGITS = 20
MOST = 0x1FFF
"""The highest value of a token, pence or pounds."""
COUNTERS = 1 << 10
"""A token tells so many counters apart."""

_BASE = 7_394_156_990_786_306_048
_PENNY, _POUND = 1_000, 100_000
_FIRST_PERMUTATION = 4
_PERMUTATION = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)
_SECURITY_CONTROL = b"\x11"
_MAC_BYTES = 4
_SECOND_HALF = 32


@dataclass(frozen=True, slots=True)
class Utrn:
    """What a UTRN says.

    Attributes:
        counter: the low 10 bits of the upper half of the originator counter.
        pounds: the value is in pounds, else in pence.
        value: 0 to 8191.
        mac: four bytes.
    """

    counter: int
    pounds: bool
    value: int
    mac: bytes

    @property
    def amount(self) -> int:
        """The value in thousandths of pence."""
        return self.value * (_POUND if self.pounds else _PENNY)

    @classmethod
    def parse(cls, text: str) -> Utrn:
        """Read a UTRN.

        Raises:
            GbcsError: it has not 20 digits, the check digit is wrong, or it is no token.
        """
        if len(text) != DIGITS or not (text.isascii() and text.isdigit()):
            raise GbcsError(f"a UTRN of {len(text)} characters", expected=f"{DIGITS} digits")
        if check_digit(text[:-1]) != text[-1]:
            raise GbcsError("the check digit of the UTRN is wrong", expected="the number as it was issued")
        token = int(text[:-1]) - _BASE
        if not 0 <= token < 1 << 57:
            raise GbcsError("the UTRN holds no top-up token", expected="one of GBCS section 14")
        head, mac = divmod(token, 1 << _SECOND_HALF)
        kind = head >> 13 & 3
        if kind > 1:
            raise GbcsError(f"the class of the UTRN's value is {kind}", expected="0 (pence) or 1 (pounds)")
        return cls(head >> 15, bool(kind), head & MOST, mac.to_bytes(_MAC_BYTES, "big"))

    @property
    def head(self) -> int:
        """The upper half of the token: everything but the GMAC."""
        return self.counter << 15 | int(self.pounds) << 13 | self.value

    def __str__(self) -> str:
        digits = str(_BASE + (self.head << _SECOND_HALF) + int.from_bytes(self.mac, "big"))
        return digits + check_digit(digits)

    def is_authentic(
        self,
        number: int,
        private_ka: ec.EllipticCurvePrivateKey,
        public_ka: ec.EllipticCurvePublicKey,
        supplier: Eui64,
        device: Eui64,
    ) -> bool:
        """Return whether supplier or device made it, with a counter of which `number` is the upper half."""
        mac = _mac(self.head, number, private_ka, public_ka, supplier, device)
        return self.counter == number % COUNTERS and hmac.compare_digest(mac, self.mac)


def issue(
    value: int,
    number: int,
    private_ka: ec.EllipticCurvePrivateKey,
    public_ka: ec.EllipticCurvePublicKey,
    supplier: Eui64,
    device: Eui64,
    *,
    pounds: bool = False,
) -> str:
    """Make a UTRN.

    Args:
        value: pence, or pounds; 0 to 8191.
        number: upper half of the originator counter, higher than that of any earlier top up of this device.
        private_ka: prepayment key agreement key of the supplier.
        public_ka: key agreement key of the device.
        supplier: who takes the money.
        device: the meter.
        pounds: the value is in pounds.

    Raises:
        GbcsError: value or number do not fit.
    """
    if not 0 <= value <= MOST:
        raise GbcsError(f"a top up of {value}", expected=f"0 to {MOST} {'pounds' if pounds else 'pence'}")
    if not 0 <= number < 1 << 32:
        raise GbcsError(f"the counter's upper half is {number}", expected="32 bits")
    plain = Utrn(number % COUNTERS, pounds, value, bytes(_MAC_BYTES))
    mac = _mac(plain.head, number, private_ka, public_ka, supplier, device)
    return str(Utrn(plain.counter, pounds, value, mac))


def check_digit(digits: str) -> str:
    """Return Verhoeff's check digit of some decimal digits."""
    check = 0
    for place, digit in enumerate(digits, _FIRST_PERMUTATION):
        check = _combined(check, _permuted(int(digit), place))
    last = _FIRST_PERMUTATION + len(digits)
    return next(str(digit) for digit in range(10) if _combined(check, _permuted(digit, last)) == 0)


def _permuted(digit: int, place: int) -> int:
    for _ in range(place % 8):
        digit = _PERMUTATION[digit]
    return digit


def _combined(left: int, right: int) -> int:
    """The product in the dihedral group of a pentagon: 0 to 4 are turns, 5 to 9 are flips."""
    flipped, turn = divmod(left, 5)
    flips, turns = divmod(right, 5)
    return (flipped ^ flips) * 5 + (turn - turns if flipped else turn + turns) % 5


def _mac(
    head: int,
    number: int,
    private_ka: ec.EllipticCurvePrivateKey,
    public_ka: ec.EllipticCurvePublicKey,
    supplier: Eui64,
    device: Eui64,
) -> bytes:
    counter = number << _SECOND_HALF
    key = derive_key(private_ka, public_ka, supplier, int(Cra.COMMAND), counter, device)
    command = bytes([int(Cra.COMMAND)]) + counter.to_bytes(8, "big")
    said = _SECURITY_CONTROL + bytes(5) + supplier.raw + device.raw + command + head.to_bytes(4, "big")
    return AESGCM(key).encrypt(supplier.raw + bytes(4), b"", said)[-_MAC_BYTES:]
