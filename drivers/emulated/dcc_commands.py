"""Transforming Service Requests into GBCS commands, as the DCC does it for a User."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bench.duis.requests import Request
from bench.eui import Eui64
from bench.gbcs.credentials import Cell, Replacement
from bench.gbcs.use_cases import UseCase, use_cases_for_service
from bench.parties import DeviceType

_INSTALL_CODE_BYTES = 16


class NotTransformable(Exception):
    """The emulated DCC has no command for a request.

    Attributes:
        code: the response code that says so.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Command:
    """What a request becomes: a use case and its parameters."""

    use_case: UseCase
    params: Mapping[str, Any]


def transform(request: Request, target_type: str, other_type: str | None, now: datetime, delivery_s: float) -> Command:
    """Make the command of a request.

    Args:
        request: what was asked.
        target_type: the type of its target.
        other_type: the type of the other device that it is about, for 8.11 and 8.7.2.
        now: UTC.
        delivery_s: how long the command may be on its way.

    Raises:
        NotTransformable: E11 for a device that has no such use case, E12 for a form of the request that is not
            emulated (a future date, three phases, a short install code).
    """
    params, variant = request.params, request.service_reference_variant
    if params.get("execution_date_time") is not None:
        raise NotTransformable("E12")
    candidates = use_cases_for_service(variant, target_type)
    match variant:
        case "6.5":
            return _voltage(candidates, params)
        case "8.11":
            return _device_log(candidates, params, other_type)
        case "8.1.1":
            current, tolerance = params["current_date_time"], timedelta(seconds=params["tolerance_period"])
            latest = current + tolerance + timedelta(seconds=delivery_s)
            interval = {"validity_interval_start": current - tolerance, "validity_interval_end": latest}
            return _only(candidates, interval)
        case "6.20.1":
            return _identifier(candidates, params, target_type, now)
        case "7.2" | "7.3" if target_type == DeviceType.GSME:
            return _only(candidates, {"issued_at": now})
        case "8.7.2":
            battery = target_type in (DeviceType.GSME, DeviceType.GPF)
            method = [each for each in candidates if (each.name == "CS03B") is battery]
            return _only(method, {"other_device": params["other_device_id"], "other_device_type": other_type})
        case "6.21":
            return _handover(candidates, params)
        case "4.10":
            return _only(candidates, {"log_from": params["start_date_time"], "log_to": params["end_date_time"]})
        case _:
            # A single-phase meter: of several use cases the first is its own.
            return _only(candidates[:1], {})


def _only(candidates: Any, params: Mapping[str, Any]) -> Command:
    if not candidates:
        raise NotTransformable("E11")
    return Command(candidates[0], params)


def _named(candidates: tuple[UseCase, ...], name: str) -> list[UseCase]:
    return [each for each in candidates if each.name == name]


def _voltage(candidates: tuple[UseCase, ...], params: Mapping[str, Any]) -> Command:
    if "average_rms_over_voltage_threshold" not in params:
        raise NotTransformable("E12")
    name = "ECS29c" if params.get("rms_voltage_counters_not_reset") else "ECS29a"
    settings = {
        f"{key}_v" if key.endswith("_threshold") else f"{key}_s": value
        for key, value in params.items()
        if key.endswith(("_threshold", "_period"))
    }
    return _only(_named(candidates, name), settings)


def _device_log(candidates: tuple[UseCase, ...], params: Mapping[str, Any], other_type: str | None) -> Command:
    device: Eui64 = params["device_id"]
    if params["request_type"] == "Remove":
        return _only(_named(candidates, "CCS02"), {"device": device})
    if len(params["install_code"]) != _INSTALL_CODE_BYTES:
        raise NotTransformable("E12")
    entry = {
        "device": device,
        "install_code": params["install_code"],
        "device_type": other_type,
        "join_time_period_s": params["join_time_period"],
    }
    return _only(_named(candidates, "CCS01"), entry)


def _identifier(candidates: tuple[UseCase, ...], params: Mapping[str, Any], target_type: str, now: datetime) -> Command:
    if target_type == DeviceType.GSME:
        if "import_mprn" not in params:
            raise NotTransformable("E11")
        return _only(candidates, {"import_mprn": params["import_mprn"], "issued_at": now})
    if "import_mpan" not in params:
        raise NotTransformable("E11")
    return _only(candidates, {"import_mpan": params["import_mpan"]})


def _handover(candidates: tuple[UseCase, ...], params: Mapping[str, Any]) -> Command:
    roles = {"Supplier": "supplier", "NetworkOperator": "network_operator"}
    role = roles.get(params["remote_party_role"])
    if role is None:
        raise NotTransformable("E12")
    given = (
        ("digital_signature", params["digital_signing_certificate"]),
        ("key_agreement", params.get("key_agreement_certificate")),
    )
    replacements = tuple(Replacement(Cell(role, usage), der) for usage, der in given if der is not None)
    named = [each for each in candidates if role.replace("_", " ") in each.name]
    return _only(named, {"replacements": replacements, "certification_path": tuple(params["certificate"])})
