"""The emulated bench that the controller starts: a world, a wire to each device of the rig, and everybody's keys."""

from __future__ import annotations

import asyncio
import math
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.clock import Clock
from bench.errors import UsageError
from bench.eui import Eui64
from bench.parties import Dut, KeyUse, Parties
from drivers.emulated.fault_kinds import KINDS, KNOWN
from drivers.emulated.fault_record import FaultRecord
from drivers.emulated.fault_schedule import FaultScheduleSpec, draw
from drivers.emulated.faults import Fault, Faults
from drivers.emulated.identities import certificate_pem, private_pem
from drivers.emulated.memory import NotMemorable, dumps, loads
from drivers.emulated.spec import EmulationSpec
from drivers.emulated.wires import Place, Wire, make
from drivers.emulated.world import Wiring, World

_ROLES = ("source", "relay", "meter")
_FORMAT = "hilbench emulated world 1"


class EmulatedBench:
    """An emulated world with its wires. Several may live in one event loop.

    Args:
        spec: the section `emulation` of the rig file.
        rig_devices: the rig file's devices: name to section.
        supply: the rig file's `supply`: names of source, relay, meter, and of the ESME that they feed.
        users: the rig's Users: name to `role` and `id`.
        duts: the devices under test.
        clock: true time; its scale is that of the running event loop.
        seed: in place of the seed of `spec`.
        faults: what goes wrong beside the faults of `spec`.
        rig: the rig's name.
        saved: what an earlier life of this world has written (`memory`).
        record: file that gets a line for each beginning and end of a fault.

    Attributes:
        on_change: called whenever something may have changed that `memory` holds.

    Raises:
        UsageError: something in `spec` or `faults` does not fit the rig, or `saved` is of another rig or seed.
    """

    Spec = EmulationSpec

    def __init__(
        self,
        spec: EmulationSpec,
        *,
        rig_devices: Mapping[str, Mapping[str, Any]],
        supply: Mapping[str, Any],
        users: Mapping[str, Mapping[str, str]],
        duts: Mapping[str, Dut],
        clock: Clock,
        seed: int | None = None,
        faults: Sequence[str] = (),
        rig: str = "",
        saved: bytes | None = None,
        record: Path | None = None,
    ) -> None:
        self.on_change: Callable[[], None] = lambda: None
        self._spec, self._devices, self._supply = spec, rig_devices, supply
        loop = asyncio.get_running_loop()
        seed = spec.seed if seed is None else seed
        drawn = () if spec.fault_schedule is None else draw(spec.fault_schedule, seed)
        self._faults = Faults((*spec.faults, *(str(fault) for fault in drawn), *faults))
        self._identity = {
            "rig": rig,
            "seed": seed,
            "dcc": spec.dcc,
            "users": {name: (str(user["role"]), str(user["id"])) for name, user in users.items()},
            "devices": {name: (dut.type.value, dut.eui) for name, dut in duts.items()},
        }
        state = _read_state(saved, self._identity) if saved is not None else None
        self._saved_wires = state["wires"] if state else {}
        self.world = World(
            spec,
            seed,
            self._faults,
            Wiring(str(supply["feeds"]), supply.get("relay") is not None),
            {name: (str(user["role"]), Eui64.parse(str(user["id"]))) for name, user in users.items()},
            duts,
            clock,
            loop,
            saved=state["world"] if state else None,
        )
        self.world.on_change = lambda: self.on_change()
        self._record = FaultRecord(self.world.schedule, clock, record)
        self._folder = Path()
        self._wires: dict[str, Wire] = {}
        self._settings: dict[str, Mapping[str, Any]] = {}
        self._failing: list[asyncio.Task[None]] = []

    @staticmethod
    def faults_known() -> Mapping[str, str]:
        """Every fault by name, with what it does."""
        return KNOWN

    @staticmethod
    def drawn_faults(section: Mapping[str, Any], seed: int) -> tuple[str, ...]:
        """The faults of a fault schedule, as `faults` takes them.

        Raises:
            ValidationError: the section is no schedule.
        """
        return tuple(str(fault) for fault in draw(FaultScheduleSpec.model_validate(section), seed))

    @property
    def record(self) -> Sequence[Mapping[str, Any]]:
        """What went wrong when (`drivers.emulated.fault_record`)."""
        return self._record.notes

    @property
    def parties(self) -> Parties:
        """Everybody on the rig, with keys and certificates made for it."""
        return self.world.parties

    @property
    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """Keys to add to each device's section of the rig file: where its wire is. Known once it was started."""
        return self._settings

    async def start(self) -> None:
        """Bring the wires up, in the order of the rig file, and let faults begin that have no delay.

        Raises:
            UsageError: a wire does not fit the rig, or a fault has no wire.
        """
        self._folder = Path(tempfile.mkdtemp(prefix="hilbench-wires-"))
        try:
            for name in self._spec.wires:
                wire = self._wires[name] = make(self._place(name))
                if self._saved_wires.get(name) is not None:
                    wire.load(self._saved_wires[name])
            self._check_faults()
            for name, wire in self._wires.items():
                self._settings[name] = await wire.start()
            for fault in self._wire_faults():
                await self._schedule_fault(fault)
            self._record.start(self._faults)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Take everything down, the last wire first; may be called twice."""
        failing, self._failing = self._failing, []
        for task in failing:
            task.cancel()
        ended = await asyncio.gather(*failing, return_exceptions=True)
        wires, self._wires = self._wires, {}
        for wire in reversed(list(wires.values())):
            await wire.close()
        if self._folder != Path():
            shutil.rmtree(self._folder, ignore_errors=True)
        self.world.close()
        for error in ended:
            if isinstance(error, Exception):
                # A fault that could not come is a mistake of the emulator.
                raise error

    def memory(self) -> bytes:
        """Everything that another life of this world needs to go on, as a text that `saved` takes."""
        wires = {name: wire.save() for name, wire in self._wires.items()}
        return dumps({"format": _FORMAT, "identity": self._identity, "world": self.world.save(), "wires": wires})

    def private_material(self) -> dict[str, bytes]:
        """Key and certificate files by relative path, for a rig that another process uses.

        `keys/USER` is what a User's `keys` names, `certificates` what the rig's `certificates` names.
        """
        files: dict[str, bytes] = {}
        for name, user in self.parties.users.items():
            for use, pair in zip(KeyUse, (user.signing, user.agreement, user.xml), strict=True):
                files[f"keys/{name}/{use}.key"] = private_pem(pair.private_key)
                files[f"keys/{name}/{use}.pem"] = certificate_pem(pair.certificate)
        holders = [self.parties.dcc, self.world.spec.s1sp, *(dut.eui for dut in self.parties.duts.values())]
        for eui in holders:
            for use in KeyUse:
                certificate = self.parties.certificates.find(eui, use)
                if certificate is not None:
                    files[f"certificates/{eui.hex}-{use}.pem"] = certificate_pem(certificate)
        return files

    def _place(self, name: str) -> Place:
        if name not in self._devices:
            raise UsageError(
                f"the rig has no device {name!r}",
                where="emulation.wires",
                next_step=f"It has {', '.join(self._devices)}",
            )
        return Place(
            name,
            self._devices[name],
            self._spec.wires[name],
            self.world,
            self._folder,
            next((role for role in _ROLES if self._supply.get(role) == name), ""),
            asyncio.get_running_loop(),
        )

    def _wire_faults(self) -> list[Fault]:
        return [fault for fault in self._faults.every() if KINDS[fault.name].wire]

    def _check_faults(self) -> None:
        for fault in self._wire_faults():
            if not any(fault.name in wire.faults for wire in self._wires.values()):
                raise UsageError(f"no wire of this rig can have the fault {fault.name}", where="emulation.wires")

    async def _schedule_fault(self, fault: Fault) -> None:
        for wire in self._wires.values():
            if fault.name not in wire.faults:
                continue
            if fault.begins_s or KINDS[fault.name].momentary or math.isfinite(fault.ends_s):
                self._failing.append(asyncio.create_task(self._befall(wire, fault), name=f"fault {fault.name}"))
            else:
                await wire.fail(fault)

    async def _befall(self, wire: Wire, fault: Fault) -> None:
        """Let a fault come, and go again if it does."""
        schedule = self.world.schedule
        await asyncio.sleep(fault.begins_s - schedule.age_s)
        await wire.fail(fault)
        if not KINDS[fault.name].momentary and math.isfinite(fault.ends_s):
            await asyncio.sleep(fault.ends_s - schedule.age_s)
            await wire.mend(fault)


def _read_state(saved: bytes, identity: Mapping[str, Any]) -> Mapping[str, Any]:
    anew = "Name another folder, or remove the file so that the world begins anew"
    try:
        state = loads(saved)
        if state["format"] != _FORMAT:
            raise NotMemorable(f"its format is {state['format']!r}, not {_FORMAT!r}")
        there: Mapping[str, Any] = state["identity"]
        for key, own in identity.items():
            if there[key] != own:
                what = f"{key} {there[key]}, not {own}" if isinstance(own, str | int | Eui64) else f"other {key}"
                raise UsageError(f"the saved world is another one: it has {what}", next_step=anew)
        return {"world": state["world"], "wires": state["wires"]}
    except NotMemorable as error:
        raise UsageError(f"the saved world cannot be read: {error}", next_step=anew) from None
    except (KeyError, TypeError, IndexError) as error:
        raise UsageError(f"the saved world cannot be read: it has no {error}", next_step=anew) from None
