"""Reading a rig file together with its DUT file, and what is wrong between their parts. Nothing here opens a port."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench import strict_yaml
from bench.errors import UsageError
from bench.eui import Eui64
from bench.parties import DeviceType, Dut
from bench.rig.file import DutFile, DutSpec, Rig, RigFile


def load_rig(path: Path) -> Rig:
    """Read and check a rig file and its DUT file.

    Raises:
        UsageError: with every mistake found, each with its line.
    """
    document = strict_yaml.load(path)
    file = strict_yaml.build(document, RigFile)
    dut_document = strict_yaml.load(path.parent / file.duts)
    specs = strict_yaml.build(dut_document, DutFile).duts
    duts = {name: _dut(name, spec) for name, spec in specs.items()}
    rig = Rig(file, document, duts, dut_document)
    mistakes = [*_dut_mistakes(dut_document, specs), *_topology_mistakes(rig), *_user_mistakes(rig)]
    if mistakes:
        raise UsageError("\n".join(mistakes))
    return rig


def _dut(name: str, spec: DutSpec) -> Dut:
    return Dut(
        name,
        spec.type,
        spec.id,
        spec.model,
        spec.manufacturer,
        spec.firmware,
        spec.serial,
        spec.mpxn,
        spec.install_code,
        smets1=spec.smets == "1",
        sub_ghz=spec.band == "sub-GHz",
    )


def _dut_mistakes(document: strict_yaml.Document, specs: Mapping[str, DutSpec]) -> list[str]:
    mistakes, seen = [], dict[Eui64, str]()
    for name, spec in specs.items():
        other = seen.setdefault(spec.id, name)
        # A Comms Hub's two functions are two devices with an identifier each; sharing one is E120201 at the DCC.
        if other != name:
            mistakes.append(f"{document.where(('duts', name, 'id'))}: {name} has the same id as {other}")
    return mistakes


def _user_mistakes(rig: Rig) -> list[str]:
    mistakes, seen = [], dict[Eui64, str]()
    for name, user in rig.file.users.items():
        other = seen.setdefault(user.id, name)
        if other != name:
            mistakes.append(f"{rig.where('users', name, 'id')}: User {name} has the same id as User {other}")
        if user.keys is None and not rig.emulated:
            mistakes.append(
                f"{rig.where('users', name)}: User {name} has no keys; name the folder that holds them with 'keys:'"
            )
    return mistakes


def _topology_mistakes(rig: Rig) -> list[str]:
    file, mistakes = rig.file, []
    for name, section in file.devices.items():
        if "driver" not in section:
            mistakes.append(f"{rig.where('devices', name)}: device {name} names no driver; add 'driver: ...'")
    roles = {"source": file.supply.source, "relay": file.supply.relay, "meter": file.supply.meter}
    named: dict[str, str] = {}
    for role, device in roles.items():
        if device is None:
            continue
        if device not in file.devices:
            mistakes.append(
                f"{rig.where('supply', role)}: there is no device {device!r}; the rig has {', '.join(file.devices)}"
            )
        if device in named:
            mistakes.append(
                f"{rig.where('supply', role)}: {device!r} cannot be both {named[device]} and {role} of the supply path"
            )
        named[device] = role
    if file.supply.feeds not in rig.duts:
        mistakes.append(
            f"{rig.where('supply', 'feeds')}: there is no device under test {file.supply.feeds!r}; "
            f"the DUT file has {', '.join(rig.duts)}"
        )
    elif rig.duts[file.supply.feeds].type is not DeviceType.ESME:
        mistakes.append(
            f"{rig.where('supply', 'feeds')}: the mains feeds an ESME, which feeds the Comms Hub; "
            f"{file.supply.feeds!r} is a {rig.duts[file.supply.feeds].type}"
        )
    for state in ("park", "safe"):
        for index, action in enumerate(getattr(file, state).actions):
            where = rig.where(state, "actions", index)
            if action.device not in file.devices:
                mistakes.append(f"{where}: there is no device {action.device!r}")
            if action.voltage is not None and not file.limits.voltage.min <= action.voltage <= file.limits.voltage.max:
                mistakes.append(f"{where}: {action.voltage:g} V is outside the rig's own limits")
    for index, monitor in enumerate(file.monitors):
        if monitor.device not in file.devices:
            mistakes.append(f"{rig.where('monitors', index)}: there is no device {monitor.device!r}")
    for device in file.shared:
        if device not in file.devices:
            mistakes.append(f"{rig.where('shared', device)}: there is no device {device!r}")
    return mistakes
