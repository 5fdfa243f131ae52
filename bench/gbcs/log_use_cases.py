"""Logs and firmware versions of ESME and CHF, and what is done about counters and alert behaviour.

Everything here is laid out as published commands and responses have it; the sources of an item's meaning are the
GBCS use cases named. Data whose inner structure the bench does not judge are passed on as they are.
"""

from __future__ import annotations

from bench.gbcs.dlms import Data, Tag, Target, Verb
from bench.gbcs.dlms_logs import activation_time, bits, log, log_range, octets
from bench.gbcs.dlms_use_case import DlmsUseCase, Field, Item, constant, number
from bench.gbcs.use_case import Sender

_DATA, _REGISTER, _PROFILE, _SCRIPTS, _EXTENDED = 1, 3, 7, 9, 9000
_BEHAVIOURS = 512
_ZERO = constant(Data(Tag.INT8, 0))

_EVENTS, _SECURITY = (Tag.UINT16, Tag.OCTET_STRING), (Tag.UINT16,)
_POWER_EVENTS, _SWITCH_EVENTS = (Tag.UINT16, Tag.UINT32), (Tag.UINT16, Tag.ENUM, Tag.UINT32)


def _use_case(message_code: int, name: str, reference: str, *items: Item, device_type: str = "ESME") -> DlmsUseCase:
    return DlmsUseCase(
        message_code=message_code,
        name=name,
        service_references=(reference,),
        device_type=device_type,
        critical=False,
        response_signed=False,
        sender=Sender.BROKER_FOR_USER if device_type == "CHF" else Sender.USER,
        items=items,
    )


def _get(target: Target, returned: Field) -> Item:
    return Item(Verb.GET, target, returned=returned)


def _log(obis: str, name: str, *columns: Tag) -> Item:
    target = Target(_PROFILE, obis, 2)
    return Item(Verb.GET_SELECTED, target, selection=log_range(), returned=log(name, *columns))


READS = (
    _use_case(0x0048, "ECS35a", "6.13", _log("0-0:99.98.0.255", "event_log", *_EVENTS)),
    _use_case(0x0049, "ECS35b", "6.13", _log("0-0:99.98.1.255", "security_log", *_SECURITY)),
    _use_case(0x0093, "ECS35c", "6.13", _log("0-0:99.98.0.255", "event_log", *_EVENTS), device_type="CHF"),
    _use_case(0x0094, "ECS35d", "6.13", _log("0-0:99.98.1.255", "security_log", *_SECURITY), device_type="CHF"),
    _use_case(0x00B9, "ECS35e", "6.13", _log("0-0:99.98.4.255", "power_event_log", *_POWER_EVENTS)),
    _use_case(0x00BA, "ECS35f", "6.13", _log("0-17:99.98.2.255", "switch_event_log", *_SWITCH_EVENTS)),
    _use_case(0x00FD, "ECS35g", "6.13", _log("0-17:99.98.2.255", "switch_event_log", *_SWITCH_EVENTS)),
    _use_case(0x00C9, "ECS20d", "4.4.5", _log("0-0:98.1.5.255", "prepayment_credits", Tag.UINT32)),
    _use_case(0x0059, "ECS52", "11.2", _get(Target(_DATA, "0-0:0.2.1.255", 2), octets("firmware_version"))),
)
"""What is read. A row of a log is a time and then: event code and other data; a power event's duration or value; a
switch's state and value; an amount of credit."""


def _clear(message_code: int, name: str, obis: str) -> DlmsUseCase:
    return _use_case(message_code, name, "3.3", Item(Verb.ACTION, Target(_PROFILE, obis, 1), _ZERO, label="clear"))


CLEARS = (
    _clear(0x0024, "ECS15a", "0-0:99.98.0.255"),
    _clear(0x00C1, "ECS15c", "0-17:99.98.2.255"),
)
"""Logs that can be cleared from afar: of events and of load control switches, never of security events."""


def _behaviours(message_code: int, name: str, obis: str, field: str) -> DlmsUseCase:
    item = Item(Verb.SET, Target(_DATA, obis, 2), bits(field, _BEHAVIOURS))
    return _use_case(message_code, name, "6.22", item)


BEHAVIOURS = (
    _behaviours(0x00AC, "ECS25a", "0-30:97.98.11.255", "wan_alerts"),
    _behaviours(0x00EA, "ECS25a1", "0-30:97.98.12.255", "han_events"),
    _behaviours(0x00EB, "ECS25a2", "0-30:97.98.13.255", "audible_alarms"),
    _behaviours(0x00EC, "ECS25a3", "0-30:97.98.14.255", "logged_events"),
    _behaviours(0x00B0, "ECS25b", "0-33:97.98.11.255", "wan_alerts"),
    _behaviours(0x00ED, "ECS25b3", "0-33:97.98.14.255", "logged_events"),
)
"""Which events are alerted, shown or logged: 512 bits. ECS25a are the supplier's, ECS25b the network operator's."""


def _resets(*phases: tuple[int, int]) -> tuple[Item, ...]:
    return tuple(
        Item(Verb.ACTION, Target(_REGISTER, f"1-0:{c}.{d}.0.4", 1), _ZERO, label=f"reset_phase_{phase}_{kind}_counter")
        for phase, c in phases
        for d, kind in ((32, "under_voltage"), (36, "over_voltage"))
    )


def _load_limit() -> tuple[Item, ...]:
    rows = (
        ("0-0:94.44.0.3", number("load_limit_supply_flag", Tag.BOOLEAN, 0xFF)),
        ("0-0:94.44.128.7", number("load_limit_power_threshold_w")),
        ("0-0:94.44.128.6", number("load_limit_period_s")),
        ("0-0:94.44.128.8", number("load_limit_restoration_period_s")),
    )
    values = tuple(Item(Verb.SET, Target(_EXTENDED, obis, 4), field) for obis, field in rows)
    return values + tuple(Item(Verb.SET, Target(_EXTENDED, obis, 6), activation_time()) for obis, _ in rows)


SETTINGS = (
    _use_case(0x00D3, "ECS29e", "6.27", *_resets((1, 32))),
    _use_case(0x00D4, "ECS29f", "6.27", *_resets((1, 32), (2, 52), (3, 72))),
    DlmsUseCase(
        message_code=0x001D,
        name="ECS05",
        service_references=("1.7",),
        device_type="ESME",
        critical=True,
        response_signed=True,
        items=(
            Item(
                Verb.ACTION,
                Target(_SCRIPTS, "0-0:10.0.100.255", 1),
                constant(Data(Tag.UINT16, 0x63)),
                label="reset_tariff_block_counters",
            ),
        ),
    ),
    DlmsUseCase(
        message_code=0x0043,
        name="ECS28a",
        service_references=("6.4.1",),
        device_type="ESME",
        critical=True,
        response_signed=True,
        response_dated=True,
        items=_load_limit(),
    ),
)
"""What is reset or set. The load limit takes effect at one time for all its parts; its supply flag 0 is
published for "disable"."""

USE_CASES: tuple[DlmsUseCase, ...] = (*READS, *CLEARS, *BEHAVIOURS, *SETTINGS)
