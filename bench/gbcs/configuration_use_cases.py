"""Configuration, messages and identity of ESME and CHF, item by item; gas use cases are collected here (GBCS 18).

The sources of targets and types are the GBCS use cases named. A billing calendar is read and set in its newer form
("all periodicities") wherever there is one.
"""

from __future__ import annotations

from dataclasses import replace

from bench.gbcs import asn1_use_cases, configuration_gas, configuration_gas_reads, dlms, use_case
from bench.gbcs.configuration_fields import billing_calendar, locked, power_thresholds, text
from bench.gbcs.dlms import Data, Tag, Target, Verb
from bench.gbcs.dlms_logs import bits
from bench.gbcs.dlms_use_case import DlmsUseCase, Field, Item, constant, date_time, device, digits, number
from bench.gbcs.errors import GbcsError
from bench.gbcs.log_use_cases import READS as LOG_READS
from bench.gbcs.use_case import Sender, UseCase

_DATA, _REGISTER, _ACTIONS, _MONITOR, _EXTENDED = 1, 3, 22, 21, 9000
_MESSAGE, _CIN = "0-2:96.13.1.255", "0-3:96.13.1.255"
_TELEPHONE, _NAME = "0-0:96.13.0.255", "0-0:96.13.1.255"
_IMPORT_MPAN, _EXPORT_MPAN = "0-0:94.44.34.11", "1-0:0.0.2.255"
_TAMPER_STATE = "0-0:94.44.0.4"
_MPAN = 13


def _set(obis: str, field: Field, *, class_id: int = _DATA, label: str = "") -> Item:
    return Item(Verb.SET, Target(class_id, obis, 2), field, label=label)


def _get(obis: str, field: Field, *, class_id: int = _DATA, index: int = 2) -> Item:
    return Item(Verb.GET, Target(class_id, obis, index), returned=field)


def _optional_mpan(name: str) -> Field:
    """Return a field that holds an MPAN, or None as no octets where none has been set."""

    def write(values: use_case.Values) -> Data:
        none = use_case.present(values, name) is None
        return dlms.octet_string(b"" if none else use_case.digits(values, name, _MPAN))

    def read(data: Data) -> dict[str, str | None]:
        if data.octets and not (len(data.octets) == _MPAN and data.octets.isdigit()):
            raise GbcsError(f"{name} is {data.octets!r}", expected=f"{_MPAN} digits or nothing")
        return {name: data.octets.decode("ascii") or None}

    return Field((name,), write, read)


def _use_case(
    message_code: int,
    name: str,
    references: tuple[str, ...],
    *items: Item,
    device_type: str = "ESME",
    critical: bool = False,
    sender: Sender = Sender.USER,
) -> DlmsUseCase:
    return DlmsUseCase(
        message_code=message_code,
        name=name,
        service_references=references,
        device_type=device_type,
        critical=critical,
        response_signed=critical,
        sender=sender,
        items=items,
    )


def _hub(message_code: int, name: str, *items: Item) -> DlmsUseCase:
    return _use_case(message_code, name, ("6.2.4",), *items, device_type="CHF", sender=Sender.BROKER_FOR_USER)


_DEVICE_ID = _get("0-0:96.1.1.255", device("device_id"))
_VARIANT = _get("0-0:96.1.2.255", text("meter_variant", 1))
_MODEL = _get("0-0:96.1.4.255", text("model", 8))
_MANUFACTURER = _get("0-0:96.1.6.255", text("manufacturer", 4))
_TAMPER = _get(_TAMPER_STATE, locked("supply_tamper_state"))

MESSAGES = (
    _use_case(0x0021, "ECS10", ("3.1",), _set(_MESSAGE, text("message", 116))),
    _use_case(0x0022, "ECS12", ("3.2",), _set("0-0:94.44.3.2", date_time("restriction_time"))),
    _use_case(
        0x0023,
        "ECS14",
        ("3.5",),
        _set("0-0:94.44.3.1", constant(dlms.octet_string(b"")), label="disable_privacy_pin"),
    ),
    _use_case(
        0x0025,
        "ECS16",
        ("3.4",),
        _set(_TELEPHONE, text("supplier_telephone", 18), class_id=_EXTENDED),
        _set(_NAME, text("supplier_name", 15), class_id=_EXTENDED),
    ),
    _use_case(
        0x0058,
        "ECS50",
        ("9.1",),
        _set(_CIN, digits("customer_identification_number", 4)),
        sender=Sender.BROKER_FOR_USER,
    ),
)
"""What the consumer is shown (3.1, 3.4, 9.1), and what others on the HAN may see (3.2, 3.5)."""

IDENTITY = (
    _use_case(
        0x004D,
        "ECS39b",
        ("6.20.2",),
        _set(_EXPORT_MPAN, digits("export_mpan", _MPAN)),
        sender=Sender.BROKER_FOR_USER,
    ),
    _use_case(
        0x004E,
        "ECS40",
        ("6.2.7",),
        _get(_IMPORT_MPAN, _optional_mpan("import_mpan")),
        _get(_EXPORT_MPAN, _optional_mpan("export_mpan")),
    ),
    _use_case(0x00F9, "ECS26m", ("6.2.4",), _VARIANT, _MODEL, _MANUFACTURER, _TAMPER),
    _use_case(0x003F, "ECS26e", ("6.2.4",), _DEVICE_ID, _VARIANT, _MODEL, _MANUFACTURER, _TAMPER),
    _hub(0x00FA, "ECS26n", _MODEL, _MANUFACTURER),
    _hub(0x0092, "ECS26i", _DEVICE_ID, _MODEL, _MANUFACTURER),
)
"""The older ECS26e and ECS26i return the device's ID too. ECS26i is published as a refusal only: its first item is seen
there, the others are taken from ECS26n."""

SETTINGS = (
    _use_case(
        0x003D,
        "ECS26c",
        ("6.2.2",),
        _get("0-0:94.44.0.0", number("randomised_offset_s", Tag.UINT16, 0xFFFF)),
        _get("0-0:94.44.0.2", number("randomised_offset_number", Tag.UINT16, 0xFFFF)),
        _get("0-0:94.44.0.1", number("randomised_offset_limit_s", Tag.UINT16, 0xFFFF)),
    ),
    _use_case(0x00D9, "ECS26l", ("6.2.3",), _get("0-0:15.0.0.255", billing_calendar(), class_id=_ACTIONS, index=4)),
    _use_case(0x003E, "ECS26d", ("6.2.3",), _get("0-0:15.0.0.255", billing_calendar(), class_id=_ACTIONS, index=4)),
    _use_case(0x0040, "ECS26f", ("6.2.5",), _get("0-0:16.0.0.255", power_thresholds(), class_id=_MONITOR)),
    _use_case(0x0047, "ECS34", ("6.12",), _set("0-0:16.0.0.255", power_thresholds(), class_id=_MONITOR)),
    *(
        _use_case(
            code,
            name,
            ("6.8",),
            Item(Verb.SET, Target(_ACTIONS, "0-0:15.0.0.255", 4), billing_calendar()),
            critical=True,
        )
        for code, name in ((0x0046, "ECS30"), (0x00D7, "ECS30a"))
    ),
    _use_case(
        0x0044,
        "ECS28b",
        ("6.4.2",),
        Item(
            Verb.ACTION,
            Target(_REGISTER, "0-0:94.44.42.255", 1),
            constant(Data(Tag.INT8, 0)),
            label="reset_load_limit_counter",
        ),
    ),
    _use_case(0x0068, "ECS81", ("6.25",), _set(_TAMPER_STATE, locked("supply_tamper_state")), critical=True),
)
"""Watts and seconds stand unscaled. Billing times of ECS30 repeat daily, weekly or monthly; ECS30a has the longer
periods too."""


def _behaviour(obis: str, name: str) -> Item:
    return _get(obis, bits(name, 256))


BEHAVIOURS = (
    _use_case(
        0x00EE,
        "ECS25r1",
        ("6.2.10",),
        _behaviour("0-30:97.98.15.255", "wan_alerts_on"),
        _behaviour("0-30:97.98.16.255", "han_events_on"),
        _behaviour("0-30:97.98.17.255", "audible_alarms_on"),
        _behaviour("0-30:97.98.18.255", "logged_events_on"),
    ),
    _use_case(
        0x00EF,
        "ECS25r2",
        ("6.2.10",),
        _behaviour("0-33:97.98.15.255", "wan_alerts_on"),
        _behaviour("0-33:97.98.18.255", "logged_events_on"),
    ),
)
"""Which events are alerted, shown, sounded and logged: 256 bits, the last for code 0x8100 (ECS25r1, the supplier's) or
0x8000 (ECS25r2, the network operator's)."""

FIRMWARE: tuple[UseCase, ...] = (
    *(replace(each, device_type="CHF", sender=Sender.BROKER_FOR_USER) for each in LOG_READS if each.name == "ECS52"),
    *(replace(each, device_type="HCALCS") for each in asn1_use_cases.READS if each.name == "CS08"),
)
"""The firmware version of a Comms Hub and of a load control switch."""

USE_CASES: tuple[UseCase, ...] = (
    *MESSAGES,
    *IDENTITY,
    *SETTINGS,
    *BEHAVIOURS,
    *FIRMWARE,
    *configuration_gas.COMMANDS,
    *configuration_gas_reads.USE_CASES,
)
"""In no order."""
