"""Drivers and emulators that are installed, found by entry point."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from bench.device import AnyDriver
from bench.errors import UsageError
from bench.rig.file import Rig


@functools.cache
def _installed(group: str) -> Mapping[str, EntryPoint]:
    """The entry points of a group by name; to search all that is installed for each device would take a while."""
    return {entry.name: entry for entry in entry_points(group=group)}


def load_entry(entry: EntryPoint) -> Any:
    """What an entry point names.

    Raises:
        UsageError: it cannot be imported.
    """
    try:
        return entry.load()
    except (ImportError, AttributeError) as error:
        raise UsageError(f"{entry.name!r} is installed and cannot be loaded: {error}", where=entry.value) from error


def emulator_class() -> Any:
    """The installed emulator, found by entry point.

    Raises:
        UsageError: none is installed.
    """
    for entry in _installed("hilbench.emulators").values():
        return load_entry(entry)
    raise UsageError("no emulator is installed", next_step="Install the project with its drivers")


def driver_class(rig: Rig, device: str) -> type[AnyDriver]:
    """The class of a device's driver, found by entry point.

    Raises:
        UsageError: there is no such driver.
    """
    name = str(rig.file.devices[device]["driver"])
    found = _installed("hilbench.drivers")
    if name not in found:
        raise UsageError(
            f"there is no driver {name!r}",
            where=rig.where("devices", device, "driver"),
            next_step=f"There are: {', '.join(sorted(found))}",
        )
    return cast("type[AnyDriver]", load_entry(found[name]))
