"""The Comms Hub's device log and its sub-GHz radio: use cases of the CHF in DLMS.

All of them are laid out as published commands and responses have it: CCS03 to CCS07, DBCH01 to DBCH05 (GBCS section
19). A device log is the data of COSEM class 104, ZigBee network control.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from bench.eui import Eui64
from bench.gbcs import join_use_cases, times, use_case
from bench.gbcs.dlms import NULL, Data, Tag, Target, Verb, octet_string
from bench.gbcs.dlms_logs import log, log_range
from bench.gbcs.dlms_use_case import DlmsUseCase, Field, Item, read_eui
from bench.gbcs.errors import GbcsError
from bench.gbcs.reader import encode_length
from bench.gbcs.sub_ghz import TRIGGERS, Channel, Configuration, channel_from_data, channel_of, channel_to_data, mask_of
from bench.gbcs.use_case import Sender, UseCase, Values

_T = TypeVar("_T")

_DATA, _PROFILE, _ZIGBEE = 1, 7, 104
_DEVICE_LOG, _PREVIOUS_LOG = "0-0:30.3.0.255", "0-0:30.3.1.255"
_STATUS_BITS = 8

AUTHORISED, REPORTING, SWAPPED_OUT, TRANSMITTING = 0x80, 0x40, 0x10, 0x08
"""Bits of a logged device's status: may be on the network, is heard, came back after a restored log, talks ZigBee."""


@dataclass(frozen=True, slots=True)
class LoggedDevice:
    """One device in the log of a CHF.

    Attributes:
        device: which one.
        status: bits such as `AUTHORISED`.
        rssi_dbm: strength at which it was heard: best, mean and worst, -128 to 127.
        link_quality: best, mean and worst, 0 to 255.
        last_heard: when it was; None if it never was.
        hops: between it and the hub.
        failures: messages that it did not get, counted up to 255.
        successes: messages that it did get, likewise.
        application_version: of its ZigBee application.
        stack_version: of its ZigBee stack.
        weekday: the time gives the day of the week.
    """

    device: Eui64
    status: int
    rssi_dbm: tuple[int, int, int]
    link_quality: tuple[int, int, int]
    last_heard: datetime | None
    hops: int
    failures: int
    successes: int
    application_version: int
    stack_version: int
    weekday: bool = False

    def to_data(self) -> Data:
        """The entry as DLMS writes it.

        Raises:
            GbcsError: a number does not fit.
        """
        numbers = (self.hops, self.failures, self.successes, self.application_version, self.stack_version)
        status = use_case.integer({"status": self.status}, "status", 0xFF)
        return Data(
            Tag.STRUCTURE,
            (
                octet_string(self.device.raw),
                Data(Tag.BIT_STRING, encode_length(_STATUS_BITS) + bytes([status])),
                *(Data(Tag.INT8, each) for each in self.rssi_dbm),
                *(Data(Tag.UINT8, each) for each in self.link_quality),
                octet_string(times.encode_dlms(self.last_heard, weekday=self.weekday)),
                *(Data(Tag.UINT8, use_case.integer({"counter": each}, "counter", 0xFF)) for each in numbers),
            ),
        )

    @classmethod
    def from_data(cls, data: Data) -> LoggedDevice:
        """The entry that DLMS data stand for.

        Raises:
            GbcsError: they are something else.
        """
        parts = _parts(data, "an entry of the device log", 14)
        status = parts[1].value
        if parts[1].tag is not Tag.BIT_STRING or not isinstance(status, bytes) or len(status) != 2:
            raise GbcsError(f"the status of a device is {parts[1].tag.name.lower()}", expected=f"{_STATUS_BITS} bits")
        heard = parts[8].octets
        return cls(
            device=read_eui(parts[0]),
            status=status[1],
            rssi_dbm=(parts[2].integer, parts[3].integer, parts[4].integer),
            link_quality=(parts[5].integer, parts[6].integer, parts[7].integer),
            last_heard=times.decode_dlms(heard),
            hops=parts[9].integer,
            failures=parts[10].integer,
            successes=parts[11].integer,
            application_version=parts[12].integer,
            stack_version=parts[13].integer,
            weekday=times.has_weekday(heard),
        )


@dataclass(frozen=True, slots=True)
class HashedKey:
    """A device, and the hash of its trust centre link key: what a new trust centre knows it by (ZigBee SE).

    Attributes:
        device: which one.
        key: 16 bytes; a secret.
    """

    device: Eui64
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Backup:
    """A device log as it is kept to be restored.

    Attributes:
        made: when; None in the command that restores it.
        extended_pan_id: of the network, 8 bytes.
        keys: the devices.
    """

    made: datetime | None
    extended_pan_id: bytes
    keys: tuple[HashedKey, ...]

    def to_data(self) -> Data:
        """The log as DLMS writes it, with or without its time."""
        pairs = (Data(Tag.STRUCTURE, (octet_string(each.device.raw), octet_string(each.key))) for each in self.keys)
        rest = octet_string(self.extended_pan_id), Data(Tag.ARRAY, tuple(pairs))
        time = () if self.made is None else (octet_string(times.encode_dlms(self.made)),)
        return Data(Tag.STRUCTURE, (*time, *rest))

    @classmethod
    def from_data(cls, data: Data) -> Backup:
        """The log that DLMS data stand for.

        Raises:
            GbcsError: they are something else.
        """
        count = len(data.value) if isinstance(data.value, tuple) else 0
        parts = _parts(data, "a device log", 3 if count == 3 else 2)
        rows = parts[-1].value
        if parts[-1].tag is not Tag.ARRAY or not isinstance(rows, tuple):
            raise GbcsError(f"the devices are {parts[-1].tag.name.lower()}", expected="an array")
        keys = []
        for row in rows:
            eui, key = _parts(row, "a device and its key", 2)
            keys.append(HashedKey(read_eui(eui), key.octets))
        made = times.decode_dlms(parts[0].octets) if count == 3 else None
        return cls(made, parts[-2].octets, tuple(keys))


def _parts(data: Data, what: str, count: int) -> tuple[Data, ...]:
    parts = data.value
    if data.tag is not Tag.STRUCTURE or not isinstance(parts, tuple) or len(parts) != count:
        raise GbcsError(f"{what} is {data.tag.name.lower()}", expected=f"a structure of {count}")
    return parts


def _field(name: str, kind: type[_T], write: Callable[[_T], Data], read: Callable[[Data], _T]) -> Field:
    def to_data(values: Values) -> Data:
        value = use_case.present(values, name)
        if not isinstance(value, kind):
            raise GbcsError(f"{name} is {value!r}", expected=f"a {kind.__name__}")
        return write(value)

    return Field((name,), to_data, lambda data: {name: read(data)})


def _device_log() -> Field:
    name = "device_log"

    def read(data: Data) -> dict[str, Any]:
        if data == NULL:
            return {name: ()}
        if data.tag is not Tag.ARRAY or not isinstance(data.value, tuple):
            raise GbcsError(f"the device log is {data.tag.name.lower()}", expected="an array")
        return {name: tuple(LoggedDevice.from_data(each) for each in data.value)}

    return Field((name,), lambda v: Data(Tag.ARRAY, tuple(each.to_data() for each in v.get(name, ()))), read)


def _backup(name: str) -> Field:
    return _field(name, Backup, Backup.to_data, Backup.from_data)


_CHANNEL = _field("sub_ghz_channel", Channel, channel_to_data, channel_from_data)
_CONFIGURATION = _field("sub_ghz_configuration", Configuration, Configuration.to_data, Configuration.from_data)


def _trigger() -> Field:
    name = "trigger"
    return Field(
        (name,),
        lambda values: Data(Tag.UINT8, use_case.choice({name: TRIGGERS[0], **values}, name, TRIGGERS)),
        lambda data: {name: use_case.word(data.integer, TRIGGERS, name)},
    )


def channel_entry(channel: Channel, trigger: str) -> bytes:
    """What a row of the channel log says beside time and code: the channel, and why it was changed to.

    Raises:
        GbcsError: there is no such reason.
    """
    return mask_of(channel) + b"\x09\x01" + bytes([use_case.choice({"trigger": trigger}, "trigger", TRIGGERS)])


def read_channel_entry(raw: bytes) -> tuple[Channel, str]:
    """The channel and the reason of a row of the channel log.

    Raises:
        GbcsError: it is no such row.
    """
    if len(raw) != 7 or raw[4:6] != b"\x09\x01":
        raise GbcsError(f"{raw.hex()} is no entry of the channel log", expected="a channel and a reason, 7 bytes")
    return channel_of(raw[:4]), use_case.word(raw[6], TRIGGERS, "trigger")


def _use_case(message_code: int, name: str, reference: str, *items: Item) -> DlmsUseCase:
    return DlmsUseCase(
        message_code=message_code,
        name=name,
        service_references=(reference,),
        device_type="CHF",
        critical=False,
        response_signed=False,
        sender=Sender.BROKER_FOR_USER,
        items=items,
    )


def _sub_ghz(instance: int) -> Target:
    return Target(_PROFILE if instance == 3 else _DATA, f"0-0:94.44.10.{instance}", 2)


USE_CASES: tuple[UseCase, ...] = (
    _use_case(
        0x0003, "CCS03", "8.12.1", Item(Verb.ACTION, Target(_ZIGBEE, _DEVICE_LOG, 5), _backup("device_log_to_restore"))
    ),
    _use_case(0x0004, "CCS05CCS04", "8.9", Item(Verb.GET, Target(_ZIGBEE, _DEVICE_LOG, 4), returned=_device_log())),
    *join_use_cases.USE_CASES,
    _use_case(
        0x00FE,
        "CCS07",
        "8.9",
        Item(Verb.ACTION, Target(_ZIGBEE, _DEVICE_LOG, 4), returned=_backup("device_log")),
        Item(Verb.ACTION, Target(_ZIGBEE, _PREVIOUS_LOG, 4), returned=_backup("previous_device_log")),
    ),
    _use_case(0x010A, "DBCH01", "6.31", Item(Verb.GET, _sub_ghz(2), returned=_CHANNEL)),
    _use_case(
        0x010B,
        "DBCH02",
        "6.32",
        Item(
            Verb.GET_SELECTED,
            _sub_ghz(3),
            selection=log_range(),
            returned=log("sub_ghz_channel_log", Tag.UINT16, Tag.OCTET_STRING),
        ),
    ),
    _use_case(0x010C, "DBCH03", "6.30", Item(Verb.GET, _sub_ghz(0), returned=_CONFIGURATION)),
    _use_case(0x010D, "DBCH04", "6.28", Item(Verb.SET, _sub_ghz(0), _CONFIGURATION)),
    _use_case(0x010E, "DBCH05", "6.29", Item(Verb.SET, _sub_ghz(1), _trigger())),
    _use_case(0x010F, "CCS06", "8.9", Item(Verb.GET, Target(_ZIGBEE, _DEVICE_LOG, 4), returned=_device_log())),
)
"""In the order of their message codes. A row of the channel log is a time, the alert code 0x8F26 and an entry
(`read_channel_entry`)."""
