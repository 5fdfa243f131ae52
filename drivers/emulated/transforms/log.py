"""Logs: Service Requests made into commands (3.3, 4.4.2, 4.4.3, 4.6, 4.10, 4.17, 6.13, 14.1)."""

from __future__ import annotations

from collections.abc import Mapping

from bench.gbcs.log_gas_use_cases import days_between
from bench.parties import DeviceType
from drivers.emulated.transforms.base import Command, NotTransformable, Transform, Wanted

_GAS = (DeviceType.GSME, DeviceType.GPF)
_ALCS = "ALCS"
_LOGS = {
    (DeviceType.ESME, "Event"): "ECS35a",
    (DeviceType.ESME, "Security"): "ECS35b",
    (DeviceType.ESME, "PowerEvent"): "ECS35e",
    (DeviceType.ESME, "ALCSEvent"): "ECS35f",
    (DeviceType.CHF, "Event"): "ECS35c",
    (DeviceType.CHF, "Security"): "ECS35d",
    **{(kind, "Event"): "CS10a" for kind in _GAS},
    **{(kind, "Security"): "CS10b" for kind in _GAS},
    (DeviceType.GPF, "GSMEEvent"): "CS10a",
    (DeviceType.GPF, "GSMESecurity"): "CS10b",
}


def _period(wanted: Wanted) -> dict[str, object]:
    return {"log_from": wanted.params["start_date_time"], "log_to": wanted.params["end_date_time"]}


def _between(wanted: Wanted) -> Command:
    return wanted.only(_period(wanted))


def _network_data(wanted: Wanted) -> Command:
    """4.10: the network data log of a GSME is always read whole."""
    return wanted.only({} if wanted.target_type in _GAS else _period(wanted))


def _consumption(wanted: Wanted) -> Command:
    if wanted.target_type not in _GAS:
        return _between(wanted)
    start, end = wanted.params["start_date_time"], wanted.params["end_date_time"]
    return wanted.only({"log_from": start, "number_of_samples": days_between(start, end)})


def _events(wanted: Wanted) -> Command:
    """6.13.

    Raises:
        NotTransformable: E11, the target has no such log.
    """
    which = wanted.params["log_to_read"]
    for (kind, log), name in _LOGS.items():
        if wanted.target_type == kind and log == which:
            copy = {"copy_of_gsme": True} if which.startswith("GSME") else {}
            return wanted.command(name, _period(wanted) | copy)
    raise NotTransformable("E11")


def _clear(wanted: Wanted) -> Command:
    if wanted.target_type in _GAS:
        return wanted.command("CS11")
    return wanted.command("ECS15c" if wanted.params.get("esme_event_log_type") == _ALCS else "ECS15a")


TRANSFORMS: Mapping[str, Transform] = {
    "3.3": _clear,
    "4.4.2": _between,
    "4.4.3": _between,
    "4.6.1": _between,
    "4.6.2": _between,
    "4.10": _network_data,
    "4.17": _consumption,
    "6.13": _events,
    "14.1": lambda wanted: wanted.only({"issued_at": wanted.now}),
}
"""By Service Reference Variant."""
