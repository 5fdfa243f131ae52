"""Rigs of one campaign that are on one port or address, though none of their files says that they share it."""

from __future__ import annotations

from collections.abc import Mapping

from bench.clock import RealClock
from bench.device import NoCounters
from bench.errors import BenchError
from bench.events import EventStream
from bench.parties import Certificates, Parties
from bench.rig.drivers import build_drivers
from bench.rig.file import Rig


def conflicts(rigs: Mapping[str, Rig]) -> dict[str, str]:
    """Why a rig cannot run beside the others, by its name.

    Rigs with an emulated world of their own have no port until it is made, and never the same.
    """
    users: dict[str, tuple[str, str, str | None]] = {}
    found: dict[str, str] = {}
    for name, rig in rigs.items():
        for device, resource in _resources(rig):
            shared = rig.file.shared.get(device)
            other, its_device, its_shared = users.setdefault(resource, (name, device, shared))
            if other != name and (shared is None or shared != its_shared):
                found[name] = (
                    f"its {device} and the {its_device} of {other} are both {resource}. "
                    "If they share it, give it one name under 'shared' in both rig files"
                )
    return found


def _resources(rig: Rig) -> list[tuple[str, str]]:
    if rig.emulated:
        return []
    parties = Parties({}, rig.duts, rig.file.dcc, Certificates())
    try:
        drivers = build_drivers(rig, {}, EventStream(RealClock()), parties, NoCounters())
    except BenchError:
        return []  # `plan` says what is wrong with it
    return [(device, resource) for device, driver in drivers.items() for resource in driver.resources()]
