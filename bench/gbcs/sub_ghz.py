"""What a dual band Comms Hub says of its sub-GHz radio: channels, configuration, and what its alerts add.

Layouts are those of published messages (DBCH01 to DBCH11, GBCS section 16). Channels are written as ZigBee writes them
(ZigBee PRO R22, channel pages 28 to 31): five bits of a page, and a bit for each channel in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.eui import Eui64
from bench.gbcs import use_case
from bench.gbcs.alerts import Alert
from bench.gbcs.catalogue import Encoding
from bench.gbcs.dlms import Data, Tag, encode_data, octet_string, read_data
from bench.gbcs.dlms_use_case import read_eui
from bench.gbcs.errors import GbcsError
from bench.gbcs.message import Cra
from bench.gbcs.reader import Reader, encode_length

LIMITED, NOT_LIMITED, CRITICAL, NOT_CRITICAL, REGULATED, NOT_REGULATED = range(0x8F20, 0x8F26)
"""Alerts: the duty cycle has risen above a threshold, or fallen below it."""
CHANNEL_CHANGED, SCAN_STARTED, SCAN_ASSESSED, GSME_LOST = range(0x8F26, 0x8F2A)
CONFIGURED, NOT_CHANGED, DISCARDED, FULL = range(0x8F2A, 0x8F2E)
"""Alerts: what became of the channel, of a request to scan, of a GSME, of the settings, of a message, of a join."""

TRIGGERS = {
    0: "remote party command",
    1: "GSME request",
    2: "GSME missed its curfew",
    3: "GSME missing for the last day",
    4: "message failures",
    5: "message retries",
    6: "request of another device",
    7: "SMHAN formation",
}
"""Why channels are scanned. The numbers are the order of the schema of DUIS; 0 is published."""

OUTCOMES = {
    0: "accepted",
    1: "hand-held terminal connected",
    2: "duty cycle too high",
    3: "joining permitted",
    4: "GSME image under way",
    5: "too many scans today",
    6: "too many commands today",
    7: "too many scans this week",
}
"""What becomes of a request to scan. The numbers are the order of the schema of DUIS; 0 is published."""

PAGES = {28: range(0, 27), 29: range(27, 35), 30: range(35, 62), 31: range(0, 27)}
"""Channels of each page; 31 is the upper band, the others are the lower one."""
_PAGE_SHIFT, _PAGE_BITS = 27, 32


@dataclass(frozen=True, slots=True, order=True)
class Channel:
    """One sub-GHz channel.

    Attributes:
        page: ZigBee channel page, 28 to 31.
        number: its number in its band, as DUIS names it.
    """

    page: int
    number: int

    def __post_init__(self) -> None:
        if self.number not in PAGES.get(self.page, ()):
            raise GbcsError(f"there is no channel {self.number} in page {self.page}", expected="a page of 28 to 31")

    @property
    def band(self) -> str:
        """The band that it lies in: "lower" or "upper"."""
        return "upper" if self.page == max(PAGES) else "lower"

    def __str__(self) -> str:
        return f"{self.band} band {self.number}"


ALL_CHANNELS = tuple(Channel(page, number) for page, numbers in PAGES.items() for number in numbers)


def _mask(page: int, channels: Iterable[Channel]) -> bytes:
    bits = sum(1 << each.number - PAGES[page].start for each in channels if each.page == page)
    return (page << _PAGE_SHIFT | bits).to_bytes(_PAGE_BITS // 8, "big")


def _channels(raw: bytes, page: int | None = None) -> tuple[Channel, ...]:
    """The channels of a mask, which may be of one page only."""
    found, bits = raw[0] >> 3, int.from_bytes(raw, "big") & (1 << _PAGE_SHIFT) - 1
    if found not in PAGES or page not in (None, found):
        raise GbcsError(f"the channel page is {found}", expected=f"{page or '28 to 31'}")
    if bits >> len(PAGES[found]):
        raise GbcsError(f"page {found} has no channel for each bit of {bits:07x}")
    return tuple(Channel(found, number) for at, number in enumerate(PAGES[found]) if bits >> at & 1)


def mask_of(channel: Channel) -> bytes:
    """The four bytes that stand for one channel."""
    return _mask(channel.page, (channel,))


def channel_of(raw: bytes) -> Channel:
    """The one channel that four bytes stand for.

    Raises:
        GbcsError: they stand for none, or for several.
    """
    channels = _channels(raw) if len(raw) == _PAGE_BITS // 8 else ()
    if len(channels) != 1:
        raise GbcsError(f"{raw.hex()} stands for {len(channels)} channels", expected="one")
    return channels[0]


_HEAD = encode_length(_PAGE_BITS)


def _bits(mask: bytes) -> Data:
    return Data(Tag.BIT_STRING, _HEAD + mask)


def _mask_from(data: Data) -> bytes:
    if data.tag is not Tag.BIT_STRING or not isinstance(data.value, bytes) or data.value[:1] != _HEAD:
        raise GbcsError(f"channels are {data.tag.name.lower()}", expected=f"{_PAGE_BITS} bits")
    return data.value[1:]


def channel_to_data(channel: Channel) -> Data:
    """A channel as DLMS writes it."""
    return _bits(mask_of(channel))


def channel_from_data(data: Data) -> Channel:
    """The channel that DLMS data stand for.

    Raises:
        GbcsError: they stand for none.
    """
    return channel_of(_mask_from(data))


_NUMBERS = {
    "normal_limited_threshold": Tag.UINT16,
    "limited_critical_threshold": Tag.UINT16,
    "most_channel_changes_per_week": Tag.UINT8,
    "gsme_curfew_min": Tag.UINT16,
    "channel_quieter_threshold": Tag.UINT8,
    "channel_noisier_threshold": Tag.UINT8,
    "non_gsme_poor_comms": Tag.UINT16,
    "non_gsme_poor_comms_periods": Tag.UINT8,
    "noise_measurement_period_s": Tag.UINT16,
    "failure_percentage": Tag.UINT16,
    "retry_percentage": Tag.UINT16,
}


@dataclass(frozen=True, slots=True)
class Configuration:
    """How the hub is to use its radio (DUIS SubGHzConfiguration; percentages in hundredths of a percent).

    The units of the curfew and of the measurement period are inferred: no public source has them.

    Attributes:
        channels: those that may be used, in the order of `ALL_CHANNELS`.
        normal_limited_threshold: duty cycle from which on it is limited.
        limited_critical_threshold: duty cycle from which on it is critical.
        most_channel_changes_per_week: 1 to 7.
        gsme_curfew_min: how late a GSME may wake, minutes, until the hub looks for it.
        channel_quieter_threshold: by how many dB another channel must be quieter to be changed to.
        channel_noisier_threshold: by how many dB noise must have risen to be the reason of failures.
        non_gsme_poor_comms: share of failed messages of other devices from which on they count as out of touch.
        non_gsme_poor_comms_periods: over how many periods that is counted.
        noise_measurement_period_s: over how long the hub counts its own failures and retries.
        failure_percentage: share of failed messages from which on it scans.
        retry_percentage: share of repeated messages from which on it scans.
    """

    channels: tuple[Channel, ...]
    normal_limited_threshold: int
    limited_critical_threshold: int
    most_channel_changes_per_week: int
    gsme_curfew_min: int
    channel_quieter_threshold: int
    channel_noisier_threshold: int
    non_gsme_poor_comms: int
    non_gsme_poor_comms_periods: int
    noise_measurement_period_s: int
    failure_percentage: int
    retry_percentage: int

    def to_data(self) -> Data:
        """The settings as DLMS writes them.

        Raises:
            GbcsError: a number does not fit.
        """
        masks = tuple(_bits(_mask(page, self.channels)) for page in PAGES)
        numbers = []
        for name, tag in _NUMBERS.items():
            most = 0xFF if tag is Tag.UINT8 else 0xFFFF
            numbers.append(Data(tag, use_case.integer({name: getattr(self, name)}, name, most)))
        return Data(Tag.STRUCTURE, (*masks, *numbers))

    @classmethod
    def from_data(cls, data: Data) -> Configuration:
        """The settings that DLMS data stand for.

        Raises:
            GbcsError: they are something else.
        """
        parts, count = data.value, len(PAGES) + len(_NUMBERS)
        if data.tag is not Tag.STRUCTURE or not isinstance(parts, tuple) or len(parts) != count:
            raise GbcsError(f"the sub-GHz configuration is {data.tag.name.lower()}", expected=f"a structure of {count}")
        channels = tuple(
            channel for page, part in zip(PAGES, parts, strict=False) for channel in _channels(_mask_from(part), page)
        )
        numbers = {}
        for (name, tag), part in zip(_NUMBERS.items(), parts[len(PAGES) :], strict=True):
            if part.tag is not tag:
                raise GbcsError(f"{name} is {part.tag.name.lower()}", expected=tag.name.lower())
            numbers[name] = part.integer
        return cls(channels=channels, **numbers)


# What alerts add


@dataclass(frozen=True, slots=True)
class Discarded:
    """A message that the hub did not send: who sent it to whom, what it was, and its counter."""

    originator: Eui64
    recipient: Eui64
    cra: Cra
    counter: int


def _word(names: Mapping[int, str], name: str, values: Mapping[str, Any]) -> Data:
    return octet_string(bytes([use_case.choice(values, name, names)]))


def _read_word(data: Data, names: Mapping[int, str], what: str) -> str:
    if len(data.octets) != 1:
        raise GbcsError(f"{what} has {len(data.octets)} bytes", expected="1")
    return use_case.word(data.octets[0], names, what)


def specific(code: int, values: Mapping[str, Any]) -> bytes:
    """What an alert of the sub-GHz radio adds to its code and time, in DLMS; empty for those that add nothing.

    Args:
        code: 0x8F20 to 0x8F2D.
        values: `device` (0x8F20, 0x8F2D), `channel` and `trigger` (0x8F26), `outcome` and `trigger` (0x8F28),
            `configuration` (0x8F2A), `message` (0x8F2C).

    Raises:
        GbcsError: a value is missing or does not fit.
    """
    if code in (LIMITED, FULL):
        return encode_data(octet_string(use_case.device(values, "device").raw))
    if code == CHANNEL_CHANGED:
        channel = channel_to_data(use_case.present(values, "channel"))
        return encode_data(Data(Tag.STRUCTURE, (channel, _word(TRIGGERS, "trigger", values))))
    if code == SCAN_ASSESSED:
        words = _word(OUTCOMES, "outcome", values), _word(TRIGGERS, "trigger", values)
        return encode_data(Data(Tag.STRUCTURE, words))
    if code == CONFIGURED:
        configuration: Configuration = use_case.present(values, "configuration")
        return encode_data(configuration.to_data())
    if code == DISCARDED:
        message: Discarded = use_case.present(values, "message")
        parties = message.originator.raw + message.recipient.raw
        return encode_data(octet_string(parties + bytes([message.cra]) + message.counter.to_bytes(8, "big")))
    return b""


def read_specific(alert: Alert) -> dict[str, Any] | None:
    """The values of an alert of the sub-GHz radio, as `specific` takes them; None for another alert.

    Raises:
        GbcsError: it does not say what its code says.
    """
    raw = alert.specific
    if not LIMITED <= alert.code <= FULL or alert.encoding is not Encoding.DLMS or not isinstance(raw, bytes):
        return None
    if not raw:
        return {}
    reader = Reader(raw)
    data = read_data(reader)
    reader.finish("the alert")
    return _values(alert.code, data)


def _values(code: int, data: Data) -> dict[str, Any]:
    if code in (LIMITED, FULL):
        return {"device": read_eui(data)}
    if code == CONFIGURED:
        return {"configuration": Configuration.from_data(data)}
    if code == DISCARDED:
        reader = Reader(data.octets)
        originator, recipient = (Eui64(reader.take(8, "party")) for _ in range(2))
        cra, counter = reader.uint(1, "CRA flag"), reader.uint(8, "counter")
        reader.finish("the discarded message")
        if cra not in (1, 2, 3):
            raise GbcsError(f"the CRA flag is {cra}", expected="1, 2 or 3")
        return {"message": Discarded(originator, recipient, Cra(cra), counter)}
    parts = data.value
    if code not in (CHANNEL_CHANGED, SCAN_ASSESSED) or not isinstance(parts, tuple) or len(parts) != 2:
        raise GbcsError(f"alert 0x{code:04X} says {data.tag.name.lower()}", expected="what its use case has")
    trigger = _read_word(parts[1], TRIGGERS, "trigger")
    if code == CHANNEL_CHANGED:
        return {"channel": channel_from_data(parts[0]), "trigger": trigger}
    return {"outcome": _read_word(parts[0], OUTCOMES, "outcome"), "trigger": trigger}
