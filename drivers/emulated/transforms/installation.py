"""Installing and commissioning, supply, voltage: the requests of IC01, IC02 and the supply and voltage alerts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from bench.eui import Eui64
from bench.parties import DeviceType
from drivers.emulated.transforms.base import Command, NotTransformable, Transform, Wanted, plain

_INSTALL_CODE_BYTES = 16


def clock(wanted: Wanted) -> Command:
    """Set the clock to the Comms Hub's time, if that lies near the request's (6.11, 8.1.1)."""
    params = wanted.params
    current, tolerance = params["current_date_time"], timedelta(seconds=params["tolerance_period"])
    latest = current + tolerance + timedelta(seconds=wanted.delivery_s)
    return wanted.only({"validity_interval_start": current - tolerance, "validity_interval_end": latest})


def _supply(wanted: Wanted) -> Command:
    return wanted.only({"issued_at": wanted.now} if wanted.target_type == DeviceType.GSME else {})


def _voltage(wanted: Wanted) -> Command:
    params = wanted.params
    if "average_rms_over_voltage_threshold" not in params:
        raise NotTransformable("E11")  # for three phases, and emulated meters have one
    settings = {
        f"{key}_v" if key.endswith("_threshold") else f"{key}_s": value
        for key, value in params.items()
        if key.endswith(("_threshold", "_period"))
    }
    return wanted.command("ECS29c" if params.get("rms_voltage_counters_not_reset") else "ECS29a", settings)


def _device_log(wanted: Wanted) -> Command:
    params = wanted.params
    device: Eui64 = params["device_id"]
    if params["request_type"] == "Remove":
        return wanted.command("CCS02", {"device": device})
    if len(params["install_code"]) != _INSTALL_CODE_BYTES:
        raise NotTransformable("E12")
    entry = {
        "device": device,
        "install_code": params["install_code"],
        "device_type": wanted.other_type,
        "join_time_period_s": params["join_time_period"],
    }
    return wanted.command("CCS01", entry)


def _identifier(wanted: Wanted) -> Command:
    params = wanted.params
    gas = wanted.target_type == DeviceType.GSME
    name = "import_mprn" if gas else "import_mpan"
    if name not in params:
        raise NotTransformable("E11")
    return wanted.only({name: params[name]} | ({"issued_at": wanted.now} if gas else {}))


def _network_data(wanted: Wanted) -> Command:
    params = wanted.params
    return wanted.only({"log_from": params["start_date_time"], "log_to": params["end_date_time"]})


TRANSFORMS: Mapping[str, Transform] = {
    "4.10": _network_data,
    "6.2.1": plain,
    "6.5": _voltage,
    "6.20.1": _identifier,
    "7.1": _supply,
    "7.2": _supply,
    "7.3": _supply,
    "7.4": plain,
    "8.1.1": clock,
    "8.11": _device_log,
}
"""By Service Reference Variant."""
