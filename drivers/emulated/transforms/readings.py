"""Registers, profiles and maximum demands: Service Requests made into commands (4.1, 4.2, 4.8, 4.12, 4.15 to 6.18)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from bench.gbcs.readings_fields import END, START
from bench.parties import DeviceType
from drivers.emulated.transforms.base import Command, Transform, Wanted, plain

_HALF_HOUR = timedelta(minutes=30)
_MOST_SAMPLES = 0xFFFF
_RESETS = {
    "max_demand_active_power_import_value": "reset_max_demand_import",
    "max_demand_config_time_active_power_import_value": "reset_max_demand_config_time",
    "max_demand_active_power_export_value": "reset_max_demand_export",
}


def _profile(wanted: Wanted) -> Command:
    start, end = wanted.params["start_date_time"], wanted.params["end_date_time"]
    if wanted.target_type in (DeviceType.GSME, DeviceType.GPF):
        samples = min(_MOST_SAMPLES, max(0, (end - start) // _HALF_HOUR))
        return wanted.only({"log_from": start, "number_of_samples": samples})
    return wanted.only({"log_from": start, "log_to": end})


def _period(wanted: Wanted) -> Command:
    return wanted.only({START: wanted.params["start_time"], END: wanted.params["end_time"]})


def _reset(wanted: Wanted) -> Command:
    """6.18.2: those that are named; all of them where none is."""
    named = [reset for name, reset in _RESETS.items() if wanted.params.get(name)]
    return wanted.only(dict.fromkeys(named or _RESETS.values(), True))


TRANSFORMS: Mapping[str, Transform] = {
    **dict.fromkeys(("4.1.1", "4.1.2", "4.1.3", "4.1.4", "4.2", "4.12.1", "4.12.2", "4.15", "4.16"), plain),
    **dict.fromkeys(("4.8.1", "4.8.2", "4.8.3"), _profile),
    "6.18.1": _period,
    "6.18.2": _reset,
}
"""By Service Reference Variant."""
