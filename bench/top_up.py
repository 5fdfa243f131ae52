"""`hilbench utrn`: a top-up token of a rig's supplier for one of its meters."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bench.clock import VirtualClock
from bench.errors import UsageError
from bench.gbcs import utrn
from bench.parties import DeviceType, KeyUse, Parties
from bench.rig.emulation import build_emulation
from bench.rig.file import Rig
from bench.rig.keys import load_parties
from bench.rig.load import load_rig
from bench.virtual_time import VirtualLoop

_METERS = (DeviceType.ESME, DeviceType.GSME)


def issue(rig_path: Path, user: str, device: str, value: int, number: int, *, pounds: bool) -> str:
    """Make a UTRN with the key agreement key that the rig has of a User.

    Args:
        rig_path: the rig file.
        user: the supplier, by its name on the rig.
        device: the meter, by its name on the rig.
        value: pence, or pounds.
        number: upper half of the originator counter, higher than that of every earlier top up of the meter.
        pounds: the value is in pounds.

    Raises:
        UsageError: there is no such User or meter, or no certificate of it.
        GbcsError: value or number do not fit.
    """
    rig = load_rig(rig_path)
    parties = _parties_of_world(rig) if rig.emulated else load_parties(rig)
    supplier, dut = parties.users.get(user), parties.duts.get(device)
    if supplier is None:
        raise UsageError(f"the rig has no User {user!r}", next_step=f"It has {', '.join(parties.users)}")
    if dut is None or dut.type not in _METERS:
        meters = (name for name, each in parties.duts.items() if each.type in _METERS)
        raise UsageError(f"the rig has no meter {device!r}", next_step=f"It has {', '.join(meters)}")
    own = parties.certificates.public_key(dut.eui, KeyUse.KEY_AGREEMENT)
    if own is None:
        wanted = f"{dut.eui.raw.hex()}-ka.pem"
        raise UsageError(
            f"there is no key agreement certificate of {device}", next_step=f"Put {wanted} in `certificates`"
        )
    return utrn.issue(value, number, supplier.agreement.private_key, own, supplier.eui, dut.eui, pounds=pounds)


def _parties_of_world(rig: Rig) -> Parties:
    """Everybody of an emulated world, with the keys that its seed makes."""

    async def made() -> Parties:
        world = build_emulation(rig, VirtualClock(asyncio.get_running_loop()), seed=None, faults=())
        try:
            return world.parties
        finally:
            await world.close()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(made())
