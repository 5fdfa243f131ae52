"""`hilbench emulate`: an emulated world as a process of its own, for any client."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import yaml

from bench.clock import RealClock
from bench.errors import UsageError
from bench.rig import Emulation, build_emulation
from bench.rig_file import Rig, load_rig


def serve(rig_path: Path, folder: Path | None, seed: int | None, faults: Sequence[str], as_json: bool) -> None:
    """Run the world of a rig until SIGINT or SIGTERM.

    Raises:
        UsageError: the rig has no emulated world, or the folder cannot be written.
    """
    rig = load_rig(rig_path)
    if not rig.emulated:
        raise UsageError(f"{rig.name} has no emulated world", next_step="Add an 'emulation:' section to the rig file")
    asyncio.run(_serve(rig, folder, seed, faults, as_json))


async def _serve(rig: Rig, folder: Path | None, seed: int | None, faults: Sequence[str], as_json: bool) -> None:
    world = build_emulation(rig, RealClock(), seed=seed, faults=faults)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        await world.start()
        written = write_rig(rig, world, folder) if folder is not None else None
        if as_json:
            devices = {name: dict(section) for name, section in world.settings.items()}
            click.echo(json.dumps({"rig": rig.name, "devices": devices, "written": str(written or "")}, default=str))
        else:
            click.echo(f"{rig.name} is emulated here until Ctrl-C:")
            for name, section in world.settings.items():
                shown = ", ".join(f"{key} {value}" for key, value in section.items())
                click.echo(f"  {name:12} {shown}")
            if written is not None:
                click.echo(f"use it from another process: hilbench run RUNBOOK --realtime --rig {written}")
        await stop.wait()
    finally:
        await world.close()


def write_rig(rig: Rig, world: Emulation, folder: Path) -> Path:
    """Write a rig file with the addresses of a running world, its keys (private) and certificates; returns its path.

    Raises:
        UsageError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in world.private_material().items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)
            path.write_bytes(content)
        (folder / "duts.yaml").touch(mode=0o600)
        (folder / "duts.yaml").write_text((rig.document.path.parent / rig.file.duts).read_text())
        target = folder / "rig.yaml"
        target.write_text(yaml.safe_dump(_rig_section(rig, world), sort_keys=False))
    except OSError as error:
        raise UsageError(f"cannot write {error.filename}: {error.strerror}") from None
    return target


def _rig_section(rig: Rig, world: Emulation) -> dict[str, Any]:
    """The rig file of a world in another process: the same keys, without `emulation`, with addresses and keys."""
    section = {key: value for key, value in rig.document.root.items() if key != "emulation"}
    section["duts"] = "duts.yaml"
    section["emulated_elsewhere"] = "yes"
    section["certificates"] = "certificates"
    section["users"] = {
        name: {"role": user.role, "id": str(user.id), "keys": f"keys/{name}"} for name, user in rig.file.users.items()
    }
    section["devices"] = {
        name: dict(device) | _plain(world.settings.get(name, {}))
        for name, device in rig.document.root["devices"].items()
    }
    return section


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value if isinstance(value, int | float | bool) else str(value) for key, value in settings.items()}
