"""The three ways in which GBCS content writes a moment: DLMS date-time, ZigBee UTCTime, ASN.1 GeneralizedTime.

All moments are UTC. A device whose clock has not been set, or is not known, says so; such a moment is None here.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bench.gbcs.errors import GbcsError

ZIGBEE_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_ZIGBEE_INVALID = 0xFFFFFFFF
_DLMS_NOT_SPECIFIED = 0xFF
_DLMS_UTC = bytes.fromhex("8000ff")  # deviation not specified, status not specified: GBCS section 9.1.5


def decode_dlms(raw: bytes) -> datetime | None:
    """Read a 12-byte DLMS date-time (Blue Book 4.1.6.1); None where a field of it is a wildcard or out of range.

    Deviation and clock status are not looked at: GBCS moments are UTC.

    Raises:
        GbcsError: there are not 12 bytes.
    """
    if len(raw) != 12:
        raise GbcsError(f"a DLMS date-time has {len(raw)} bytes", expected="12")
    hundredths = 0 if raw[8] == _DLMS_NOT_SPECIFIED else raw[8]
    try:
        year = int.from_bytes(raw[:2], "big")
        return datetime(year, raw[2], raw[3], raw[5], raw[6], raw[7], hundredths * 10_000, tzinfo=UTC)
    except ValueError:
        return None


def has_weekday(raw: bytes) -> bool:
    """Return whether a 12-byte DLMS date-time gives the day of the week."""
    return raw[4] != _DLMS_NOT_SPECIFIED


def encode_dlms(moment: datetime | None, *, weekday: bool = False) -> bytes:
    """Write a moment as a DLMS date-time, to the hundredth of a second, rounding down.

    Args:
        moment: any aware datetime; None is written with every field "not specified".
        weekday: give the day of the week (Monday is 1) rather than "not specified".
    """
    if moment is None:
        return bytes([_DLMS_NOT_SPECIFIED] * 9) + _DLMS_UTC
    utc = moment.astimezone(UTC)
    day = utc.isoweekday() if weekday else _DLMS_NOT_SPECIFIED
    date = utc.year.to_bytes(2, "big") + bytes([utc.month, utc.day, day])
    return date + bytes([utc.hour, utc.minute, utc.second, utc.microsecond // 10_000]) + _DLMS_UTC


def decode_zigbee(raw: bytes) -> datetime | None:
    """Read four big-endian bytes of seconds since 2000-01-01; None for FFFFFFFF, which means invalid.

    Raises:
        GbcsError: there are not 4 bytes.
    """
    if len(raw) != 4:
        raise GbcsError(f"a ZigBee UTCTime has {len(raw)} bytes", expected="4")
    seconds = int.from_bytes(raw, "big")
    return None if seconds == _ZIGBEE_INVALID else ZIGBEE_EPOCH + timedelta(seconds=seconds)


def encode_zigbee(moment: datetime | None) -> bytes:
    """Write a moment as big-endian seconds since 2000-01-01, rounding down; None as FFFFFFFF.

    Raises:
        GbcsError: it lies outside 2000-01-01 to 2136-02-07.
    """
    if moment is None:
        return _ZIGBEE_INVALID.to_bytes(4, "big")
    seconds = (moment - ZIGBEE_EPOCH) // timedelta(seconds=1)
    if not 0 <= seconds < _ZIGBEE_INVALID:
        raise GbcsError(f"{moment.isoformat()} is no ZigBee UTCTime", expected="2000-01-01 to 2136-02-07")
    return seconds.to_bytes(4, "big")


def decode_generalized(raw: bytes) -> datetime | None:
    """Read `YYYYMMDDhhmmssZ`; None where it names no day of the calendar.

    Raises:
        GbcsError: it has another form.
    """
    if len(raw) != 15 or not raw[:14].isdigit() or raw[14:] != b"Z":
        raise GbcsError(f"a GeneralizedTime reads {raw!r}", expected="YYYYMMDDhhmmssZ")
    text = raw.decode("ascii")
    month, day, hour, minute, second = (int(text[i : i + 2]) for i in range(4, 14, 2))
    try:
        return datetime(int(text[:4]), month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


def encode_generalized(moment: datetime) -> bytes:
    """Write a moment as `YYYYMMDDhhmmssZ`, rounding down to the second."""
    utc = moment.astimezone(UTC)
    date = f"{utc.year:04}{utc.month:02}{utc.day:02}"
    return f"{date}{utc.hour:02}{utc.minute:02}{utc.second:02}Z".encode("ascii")
