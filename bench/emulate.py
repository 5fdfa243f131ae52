"""`hilbench emulate`: an emulated world as a process of its own, for any client."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import yaml

from bench.clock import RealClock
from bench.emulate_state import StateKeeper
from bench.errors import UsageError
from bench.rig.emulation import Emulation, build_emulation
from bench.rig.file import Rig
from bench.rig.load import load_rig


def serve(
    rig_path: Path,
    folder: Path | None,
    seed: int | None,
    faults: Sequence[str],
    as_json: bool,
    state: Path | None = None,
) -> None:
    """Run the world of a rig until SIGINT or SIGTERM.

    Args:
        rig_path: the rig file.
        folder: where a rig file for other processes is written, with keys and certificates; None: nowhere.
        seed: in place of the rig file's.
        faults: beside the rig file's.
        as_json: say where everything is in JSON.
        state: folder in which the world is kept, and goes on where it stopped; None: it begins anew.

    Raises:
        UsageError: the rig has no emulated world, a folder cannot be written, or holds the state of another world.
        StorageError: the state cannot be kept.
    """
    rig = load_rig(rig_path)
    if not rig.emulated:
        raise UsageError(f"{rig.name} has no emulated world", next_step="Add an 'emulation:' section to the rig file")
    with contextlib.ExitStack() as stack:
        keeper = stack.enter_context(StateKeeper(state)) if state is not None else None
        asyncio.run(_serve(rig, folder, seed, faults, as_json, keeper))


async def _serve(
    rig: Rig, folder: Path | None, seed: int | None, faults: Sequence[str], as_json: bool, keeper: StateKeeper | None
) -> None:
    saved = keeper.read() if keeper else None
    record = _record_in(folder) if folder is not None else None
    world = build_emulation(rig, RealClock(), seed=seed, faults=faults, saved=saved, record=record)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        await world.start()
        if keeper is not None:
            await keeper.save(world.memory())
            world.on_change = keeper.changed
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
        if keeper is None:
            await stop.wait()
        else:
            await keeper.keep(world.memory, stop)
    finally:
        await world.close()


def _record_in(folder: Path) -> Path:
    """Where the world notes its faults."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write {error.filename}: {error.strerror}") from None
    return folder / "faults.jsonl"


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
        target.write_text(yaml.safe_dump(_rig_section(rig, world, folder), sort_keys=False))
    except OSError as error:
        raise UsageError(f"cannot write {error.filename}: {error.strerror}") from None
    return target


def _rig_section(rig: Rig, world: Emulation, folder: Path) -> dict[str, Any]:
    """The rig file of a world in another process: the same keys, without `emulation`, with addresses and keys."""
    section = {key: value for key, value in rig.document.root.items() if key != "emulation"}
    section["duts"] = "duts.yaml"
    section["emulated_elsewhere"] = "yes"
    section["certificates"] = "certificates"
    section["users"] = {
        name: {"role": user.role, "id": str(user.id), "keys": f"keys/{name}"} for name, user in rig.file.users.items()
    }
    section["devices"] = {
        name: dict(device) | _plain(world.settings.get(name, {}), folder / f"{name}-tls")
        for name, device in rig.document.root["devices"].items()
    }
    return section


def _plain(settings: Mapping[str, Any], tls: Path) -> dict[str, Any]:
    """Settings as a rig file may have them; the TLS files that they name are copied to a folder beside it."""
    return {key: _plain_value(value, tls) for key, value in settings.items()}


def _plain_value(value: Any, tls: Path) -> Any:
    if isinstance(value, Mapping):
        return _plain(value, tls)
    if isinstance(value, Path):
        tls.mkdir(mode=0o700, exist_ok=True)
        copy = tls / value.name
        copy.touch(mode=0o600)
        copy.write_bytes(value.read_bytes())
        return str(copy.resolve())
    return value if isinstance(value, int | float | bool) else str(value)
