"""Judges what protects a bench when its PC dies: what the rig file states, against what its devices can do."""

from __future__ import annotations

from collections.abc import Mapping

from bench.capabilities import ActsAlone
from bench.device import AnyDriver
from bench.quantities import format_duration
from bench.rig.file import Rig
from bench.rig.sections import Protection


def judge(rig: Rig, drivers: Mapping[str, AnyDriver]) -> tuple[list[str], list[str]]:
    """What is wrong with what a rig file states, and what it does not state.

    Args:
        rig: the rig.
        drivers: of its devices, not connected.

    Returns:
        problems, and notes.
    """
    problems, notes = [], list[str]()
    for index, stated in enumerate(rig.file.protection):
        if stated.device is not None and (wrong := _wrong(rig, stated, drivers.get(stated.device))):
            problems.append(f"{rig.where('protection', index)}: {wrong}")
    alone = {name: driver.acts_alone_after_s for name, driver in drivers.items() if isinstance(driver, ActsAlone)}
    watching = {name: after_s for name, after_s in alone.items() if after_s is not None}
    for name, after_s in watching.items():
        does = "opens" if name == rig.file.supply.relay else "goes off"
        notes.append(f"{name} {does} by its own watchdog {format_duration(after_s)} after this PC has died")
    checked = [stated for stated in rig.file.protection if stated.device is not None]
    if not rig.file.protection and not watching:
        notes.append(
            "nothing is said about what protects the bench when this PC dies; list it under 'protection' "
            "(a fail-safe relay, an instrument's own watchdog)"
        )
    elif not checked and not watching:
        notes.append(
            "what protects the bench when this PC dies is said in words alone, which nobody can check; name a device: "
            "{device: relay, how: watchdog, within: 10 s}"
        )
    return problems, notes


def _wrong(rig: Rig, stated: Protection, driver: AnyDriver | None) -> str:
    """Why a statement does not hold; empty if it does, as far as can be seen."""
    name, supply = stated.device, rig.file.supply
    if driver is None:
        return f"there is no device {name!r}; the rig has {', '.join(rig.file.devices)}"
    if name not in (supply.source, supply.relay):
        return f"{name} is not in the supply path, and takes nothing away from it"
    if not isinstance(driver, ActsAlone):
        return f"{name} has nothing that the bench knows of with which it could act alone; say it in words"
    if stated.how == "unpowered":
        return "" if driver.opens_unpowered else f"{name} closes the supply path when it loses its power"
    after_s = driver.acts_alone_after_s
    if after_s is None:
        return f"{name} has no watchdog in its section of the rig file, so that none is armed"
    if stated.within is not None and after_s > stated.within:
        return f"{name} acts after {format_duration(after_s)}, not within {format_duration(stated.within)}"
    return ""
