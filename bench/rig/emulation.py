"""The emulated world that a rig may bring along, as the controller sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError

from bench.clock import Clock
from bench.errors import UsageError
from bench.parties import Parties
from bench.rig.file import Rig
from bench.rig.installed import emulator_class
from bench.strict_yaml import sentences


class Emulation(Protocol):
    """An emulated world, as the controller sees it: something to start, that says where its wires are.

    Attributes:
        on_change: called whenever something may have changed that `memory` holds.
    """

    on_change: Callable[[], None]

    @property
    def parties(self) -> Parties:
        """Everybody on the rig, with keys and certificates made for it."""

    @property
    def record(self) -> Sequence[Mapping[str, Any]]:
        """What went wrong in the world and when, whatever the bench made of it."""

    @property
    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """Keys to add to each device's section of the rig file: where its wire is."""

    async def start(self) -> None:
        """Bring the world and its wires up."""

    async def close(self) -> None:
        """Take everything down."""

    def memory(self) -> bytes:
        """Everything that another life of this world needs to go on."""

    def private_material(self) -> Mapping[str, bytes]:
        """Key and certificate files by relative path, for a rig that another process uses."""


def drawn_faults(section: Mapping[str, Any], seed: int) -> tuple[str, ...]:
    """Draw the faults of a night from a fault schedule, for `open_rig`; the same seed gives the same ones.

    Args:
        section: as `emulation.fault_schedule` of a rig file: `faults`, `every`, `shortest`, `longest`, `until`, `seed`.
        seed: in place of a seed of the section's own.

    Raises:
        UsageError: the section is no schedule, or names no such fault.
    """
    try:
        return tuple(emulator_class().drawn_faults(section, seed))
    except ValidationError as error:
        mistakes = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise UsageError(f"the fault schedule cannot be read: {mistakes}") from None


def build_emulation(
    rig: Rig,
    clock: Clock,
    *,
    seed: int | None,
    faults: Sequence[str],
    saved: bytes | None = None,
    record: Path | None = None,
) -> Emulation:
    """Make (but not start) the emulated world of a rig.

    Args:
        rig: whose world it is.
        clock: true time.
        seed: in place of the rig file's.
        faults: what goes wrong beside the rig file's faults.
        saved: the memory of an earlier life of it.
        record: file that gets a line for each beginning and end of a fault.

    Raises:
        UsageError: the rig's `emulation` section is wrong, a fault has no such name, or `saved` is of another world.
    """
    emulator = emulator_class()
    section = dict(rig.file.emulation or {})
    spec_class: type[BaseModel] = emulator.Spec
    try:
        spec = spec_class.model_validate(section)
    except ValidationError as error:
        raise UsageError("\n".join(sentences(rig.document, spec_class, ("emulation",), error))) from None
    users = {name: {"role": user.role, "id": str(user.id)} for name, user in rig.file.users.items()}
    world: Emulation = emulator(
        spec,
        rig_devices={name: dict(section) for name, section in rig.file.devices.items()},
        supply=rig.file.supply.model_dump(),
        users=users,
        duts=rig.duts,
        clock=clock,
        seed=seed,
        faults=tuple(faults),
        rig=rig.name,
        saved=saved,
        record=record,
    )
    return world
