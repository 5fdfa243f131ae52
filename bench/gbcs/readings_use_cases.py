"""Registers, profiles and maximum demands: ECS17, ECS18, ECS22, ECS27, ECS37, ECS57, GCS13, GCS17 (GBCS section 18).

What is personal is protected. The lengths of the published responses of ECS17b agree with the structure that is
written here (active and reactive register, each with its unit); those of ECS17d and ECS17e are not published. The
order of the resets in ECS57 and that ECS37 sets what ECS18b reads are inferred.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bench.gbcs.dlms import Data, Tag, Target, Verb
from bench.gbcs.dlms_forms import OptionalItems
from bench.gbcs.dlms_logs import log, log_range, together
from bench.gbcs.dlms_use_case import DlmsUseCase, Field, Item, constant, date_time, number
from bench.gbcs.gbz_reads import Attribute, ReadAttributes
from bench.gbcs.log_gas_use_cases import ReadSamples
from bench.gbcs.log_register_use_cases import BLOCK_TOU_REGISTERS, BLOCKS, TOU_REGISTERS
from bench.gbcs.protected_items import ProtectedAttribute, protected_item
from bench.gbcs.readings_fields import COUNT, VAR_HOURS, WATT_HOURS, WATTS, demand_period, numbers, scaler_unit
from bench.gbcs.use_case import UseCase

BLOCK_REGISTERS = BLOCKS * 2 * BLOCK_TOU_REGISTERS
"""ECS17e: of each block eight registers by time of use, and eight counters."""

_DATA, _REGISTER, _EXTENDED, _PROFILE, _SCHEDULE, _MONITOR, _TOGGLE = 1, 3, 4, 7, 10, 71, 9000
_BETWEEN = ("log_from", "log_to")
_METERING = 0x0702
_UINT24, _UINT48, _ENUM = 0x22, 0x25, 0x30
_FROM_SERVER_WITHOUT_DEFAULT = 0x18
_PROFILE_SAMPLES = 0x0001


def _get(target: Target, returned: Field, label: str = "") -> Item:
    return Item(Verb.GET, target, returned=returned, label=label)


def _register(obis: str, name: str, unit: int, class_id: int = _REGISTER) -> list[Item]:
    label = f"{name}_unit"
    return [
        _get(Target(class_id, obis, 2), number(name)),
        _get(Target(class_id, obis, 3), scaler_unit(unit), label),
    ]


def _demand(obis: str, name: str) -> list[Item]:
    return [*_register(obis, f"{name}_w", WATTS, _EXTENDED), _get(Target(_EXTENDED, obis, 5), date_time(f"{name}_at"))]


def _reset_at(last: int, name: str) -> Item:
    return _get(Target(_DATA, f"0-0:94.44.5.{last}", 2), date_time(f"{name}_reset_at"))


def _esme(message_code: int, name: str, reference: str, *items: Item, **options: Any) -> DlmsUseCase:
    return DlmsUseCase(
        message_code=message_code,
        name=name,
        service_references=(reference,),
        device_type="ESME",
        items=items,
        **({"critical": False, "response_signed": False} | options),
    )


def _protected_register(
    message_code: int, name: str, reference: str, through: int, obis: str, returned: Field
) -> UseCase:
    attribute = ProtectedAttribute(Target(_DATA, obis, 2))
    item = protected_item("registers", f"0-0:43.2.{through}.255", (attribute,), together(returned))
    return _esme(message_code, name, reference, item, protected=True, response_dated=True)


def _profile(last: int, name: str, *columns: Tag) -> Item:
    target = Target(_PROFILE, f"0-0:99.1.{last}.255", 2)
    return Item(Verb.GET_SELECTED, target, selection=log_range(), returned=log(name, *columns))


def _reset(obis: str, name: str) -> Item:
    zero = Data(Tag.INT8, 0)
    check = constant(zero).read

    def read(data: Data) -> dict[str, Any]:
        check(data)
        return {name: True}

    return Item(Verb.ACTION, Target(_EXTENDED, obis, 1), Field((name,), lambda _: zero, read))


_LOAD_LIMIT = "0-0:17.0.0.255"
_IMPORT_REGISTERS = together(
    number("active_import_wh"), scaler_unit(WATT_HOURS), number("reactive_import_varh"), scaler_unit(VAR_HOURS)
)

_ELECTRICITY: tuple[UseCase, ...] = (
    _esme(
        0x0026,
        "ECS17a",
        "4.2",
        *_register("1-0:2.8.0.255", "active_export_wh", WATT_HOURS),
        *_register("1-0:4.8.0.255", "reactive_export_varh", VAR_HOURS),
        response_dated=True,
    ),
    _protected_register(0x0027, "ECS17b", "4.1.1", 8, "0-0:94.44.34.10", _IMPORT_REGISTERS),
    _esme(
        0x0028,
        "ECS17c",
        "4.16",
        _get(
            Target(_DATA, "0-0:94.44.34.20", 2),
            together(number("active_import_w"), scaler_unit(WATTS), number("primary_active_import_w")),
        ),
        response_dated=True,
    ),
    _protected_register(
        0x0029,
        "ECS17d",
        "4.1.2",
        9,
        "0-0:94.44.34.1",
        together(numbers("tou_registers_wh", TOU_REGISTERS), constant(Data(Tag.ARRAY, ()))),
    ),
    _protected_register(
        0x002A, "ECS17e", "4.1.3", 10, "0-0:94.44.34.2", together(numbers("block_registers_wh", BLOCK_REGISTERS))
    ),
    _esme(
        0x002B,
        "ECS18a",
        "4.12.2",
        _reset_at(2, "max_demand_export"),
        *_demand("1-0:2.6.0.255", "max_demand_export"),
        response_dated=True,
    ),
    _esme(
        0x002C,
        "ECS18b",
        "4.12.1",
        _reset_at(0, "max_demand_config_time"),
        _reset_at(1, "max_demand_import"),
        *_demand("1-0:1.6.0.255", "max_demand_import"),
        *_demand("1-0:1.6.1.255", "max_demand_config_time"),
        _get(Target(_SCHEDULE, "0-0:12.0.0.255", 2), demand_period()),
        response_dated=True,
    ),
    _esme(0x0036, "ECS22a", "4.8.3", _profile(1, "export_profile", Tag.UINT32, Tag.UINT32)),
    _esme(
        0x0037,
        "ECS22b",
        "4.8.1",
        protected_item(
            "read_log",
            "0-0:43.2.7.255",
            (ProtectedAttribute(Target(_PROFILE, "0-0:99.1.0.255", 2), _BETWEEN),),
            together(log("import_profile", Tag.UINT32)),
        ),
        protected=True,
    ),
    _esme(0x0038, "ECS22c", "4.8.2", _profile(2, "reactive_import_profile", Tag.UINT32)),
    _esme(
        0x0042,
        "ECS27",
        "4.15",
        _get(Target(_TOGGLE, "0-0:94.44.0.3", 2), number("load_limit_supply_flag", Tag.BOOLEAN, 1)),
        *_register("0-0:94.44.42.255", "load_limit_counter", COUNT),
        _get(Target(_MONITOR, _LOAD_LIMIT, 4), number("load_limit_power_threshold_w")),
        _get(Target(_MONITOR, _LOAD_LIMIT, 6), number("load_limit_period_s")),
        _get(Target(_MONITOR, _LOAD_LIMIT, 7), number("load_limit_restoration_period_s")),
    ),
    _esme(0x004A, "ECS37", "6.18.1", Item(Verb.SET, Target(_SCHEDULE, "0-0:12.0.0.255", 2), demand_period())),
    OptionalItems(
        message_code=0x005A,
        name="ECS57",
        service_references=("6.18.2",),
        device_type="ESME",
        critical=False,
        response_signed=False,
        optional=(
            _reset("1-0:1.6.0.255", "reset_max_demand_import"),
            _reset("1-0:1.6.1.255", "reset_max_demand_config_time"),
            _reset("1-0:2.6.0.255", "reset_max_demand_export"),
        ),
    ),
)

_FORMATTING = (
    Attribute("divisor", 0x0302, _UINT24),
    Attribute("multiplier", 0x0301, _UINT24),
    Attribute("unit", 0x0300, _ENUM),
)


def _gas(message_code: int, name: str, reference: str, *attributes: Attribute) -> ReadAttributes:
    return ReadAttributes(
        message_code=message_code,
        name=name,
        service_references=(reference,),
        device_type="GSME",
        critical=False,
        response_signed=False,
        protected=True,
        response_dated=True,
        cluster=_METERING,
        attributes=attributes,
        returned=tuple(attribute.name for attribute in attributes),
        answers=_FROM_SERVER_WITHOUT_DEFAULT,
    )


_OF_METERS: tuple[UseCase, ...] = (
    _gas(0x0074, "GCS13a", "4.1.1", *_FORMATTING, Attribute("consumption", 0x0000, _UINT48)),
    ReadSamples(
        message_code=0x0078,
        name="GCS17",
        service_references=("4.8.1",),
        device_type="GSME",
        critical=False,
        response_signed=False,
        protected=True,
        names=("log_from", "number_of_samples"),
        sample_id=_PROFILE_SAMPLES,
        chosen=True,
        answers=0x09,
    ),
    _gas(
        0x00B6,
        "GCS13c",
        "4.1.2",
        *_FORMATTING,
        *(Attribute(f"tou_register_{tier + 1}", 0x0100 + 2 * tier, _UINT48) for tier in range(4)),
    ),
    _gas(
        0x00B8,
        "GCS13b",
        "4.1.4",
        *(Attribute(f"block_counter_{block + 1}", 0x0700 + block, _UINT48) for block in range(4)),
        *_FORMATTING,
    ),
)

USE_CASES: tuple[UseCase, ...] = (
    *_ELECTRICITY,
    *_OF_METERS,
    *(replace(each, device_type="GPF") for each in _OF_METERS),
)
"""Of the ESME, and of the GSME with its proxy."""
