"""Puts a SMETS1 installation and its service provider into a world."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bench.errors import UsageError
from bench.eui import Eui64
from bench.parties import DeviceType, Dut, KeyPair, KeyUse
from drivers.emulated.dcc import Dcc
from drivers.emulated.dcc_parts.smets1 import Smets1
from drivers.emulated.device import Anchor, Surroundings
from drivers.emulated.identities import Identities, RemotePartyRole
from drivers.emulated.s1sp import S1sp
from drivers.emulated.smets1_installation import Smets1Installation
from drivers.emulated.supply import SupplyNode

_METERS = (DeviceType.ESME, DeviceType.GSME)
_TYPES = (DeviceType.CHF, *_METERS, DeviceType.GPF, DeviceType.PPMID)


def provider_keys(identities: Identities, provider: Eui64) -> KeyPair:
    """The keys with which a service provider signs."""
    return identities.organisation(provider, KeyUse.XML_SIGN, RemotePartyRole.XML_SIGN)


def set_up(
    surroundings: Surroundings,
    duts: Sequence[Dut],
    anchors: Callable[[Dut], Mapping[RemotePartyRole, Anchor]],
    node: SupplyNode,
    dcc: Dcc,
    provider: Eui64,
) -> Smets1Installation | None:
    """Make the installation of the SMETS1 devices under test, and let the DCC reach it; None if there are none.

    Args:
        surroundings: the world.
        duts: every device under test.
        anchors: who serves a device.
        node: what feeds ESME and Comms Hub.
        dcc: the DCC.
        provider: the EUI-64 of the service provider.

    Raises:
        UsageError: the devices are not one Comms Hub with an ESME, a GSME or both, and at most a GPF and a PPMID.
    """
    own = [dut for dut in duts if dut.smets1]
    types = [dut.type for dut in own]
    if not own:
        return None
    complete = DeviceType.CHF in types and any(kind in types for kind in _METERS)
    if not complete or len(set(types)) != len(types) or not set(types) <= set(_TYPES):
        raise UsageError(
            f"the SMETS1 devices under test are {', '.join(types)}",
            where="emulation",
            next_step="It is one CHF, with an ESME, a GSME or both; a GPF and a PPMID may be there",
        )
    part = dcc.part(Smets1)
    installation = Smets1Installation(surroundings, own, anchors, node, part.said)
    part.attach(installation, S1sp(provider_keys(surroundings.identities, provider)))
    return installation
