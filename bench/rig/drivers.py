"""The drivers of a rig's devices, made from their sections of the rig file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench.device import AnyDriver, Counters, DeviceContext, Driver
from bench.errors import UsageError
from bench.events import EventStream
from bench.parties import Parties
from bench.rig.file import Rig
from bench.rig.installed import driver_class
from bench.strict_yaml import sentences


def build_drivers(
    rig: Rig,
    settings: Mapping[str, Mapping[str, Any]],
    stream: EventStream,
    parties: Parties,
    counters: Counters,
    *,
    only: Collection[str] | None = None,
    shared: Path | None = None,
) -> dict[str, AnyDriver]:
    """Make the rig's drivers, or only some of them, opening nothing.

    Args:
        rig: whose they are.
        settings: of an emulated world: keys to add to their sections of the rig file.
        stream: where their events go.
        parties: who is on the rig.
        counters: counters that survive the process.
        only: make these and no others.
        shared: the folder of what rigs of several processes share.

    Raises:
        UsageError: with every mistake in every device's section, and two devices on one resource.
    """
    drivers: dict[str, AnyDriver] = {}
    mistakes: list[str] = []
    holders: dict[str, tuple[str, str]] = {}
    for name, section in rig.file.devices.items():
        if only is not None and name not in only:
            continue
        try:
            cls = driver_class(rig, name)
        except UsageError as error:
            mistakes.append(str(error))
            continue
        merged = {key: value for key, value in section.items() if key != "driver"} | dict(settings.get(name, {}))
        try:
            config = cls.Config.model_validate(merged)
        except ValidationError as error:
            mistakes.extend(sentences(rig.document, cls.Config, ("devices", name), error))
            continue
        driver: Driver[Any] = cls(DeviceContext(name, stream, parties, counters, rig.name, shared), config)
        # A use of its own for what is held exclusively: nobody else's is the same.
        uses = dict.fromkeys(driver.resources(), f"by {name} alone") | dict(driver.shared_ports())
        for resource, use in uses.items():
            other, other_use = holders.setdefault(resource, (name, use))
            if other_use != use:
                how = f", {use} and {other_use}" if resource in driver.shared_ports() else ""
                mistakes.append(f"{rig.where('devices', name)}: {name} and {other} are both on {resource}{how}")
        drivers[name] = driver
    if mistakes:
        raise UsageError("\n".join(mistakes))
    return drivers
