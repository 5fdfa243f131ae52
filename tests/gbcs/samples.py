"""Messages written out by hand from the layout that the specification fixes, and keys for tests."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec

from bench.eui import Eui64

ESME = Eui64.parse("00-DB-12-34-56-78-90-A0")
GSME = Eui64.parse("00-DB-12-34-56-78-90-A1")
CHF = Eui64.parse("00-DB-12-34-56-78-90-A2")
SUPPLIER = Eui64.parse("90-B3-D5-1F-30-01-00-00")
NETWORK_OPERATOR = Eui64.parse("90-B3-D5-1F-30-02-00-00")
ACB = Eui64.parse("90-B3-D5-1F-30-00-00-02")

# 8F36, signed, up to its signature: interrupted 2014-12-31 23:50, restored 23:59, sent 2015-01-01 00:00.
OUTAGE_ALERT = bytes.fromhex(
    "DF 09 03 00000000000007D3 08 00DB1234567890A0 08 90B3D51F30020000 00 02 0067 35"
    "0F 200007D3 00 02 04 12 8F36 09 0C 07DF0101FF 00000000 8000FF"
    "09 0C 07DE0C1FFF 17320000 8000FF 09 0C 07DE0C1FFF 173B0000 8000FF"
)
# 810E from a GSME, MACed, sent 2015-01-01 00:00.
CREDIT_ALERT = bytes.fromhex(
    "DD 000000000000 3D 11 00000000 DF 09 03 0000000000000BB8 08 00DB1234567890A1 08 90B3D51F30010000 00 02 1001 09"
    "01 09 00 810E 1C374A80 00 E98AEAF368B0BD02D9AA5592"
)
# ECS42, a pre-command without its null signature byte.
PRE_COMMAND = bytes.fromhex(
    "DF 09 01 00000000000004D2 08 90B3D51F30010000 08 00DB1234567890A0 00 02 004F 15"
    "D9 200004D2 00 01 03 0009 00000A006AFF 01 01 12 0033"
)


def private_key(scalar: int) -> ec.EllipticCurvePrivateKey:
    """Return a P-256 key that is the same in every run."""
    return ec.derive_private_key(scalar, ec.SECP256R1())
