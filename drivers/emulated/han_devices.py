"""PPMID and HCALCS: devices of the consumer's premises, fed through the meter's load switch and joined to the HAN."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench.gbcs.catalogue import Encoding
from bench.parties import Dut
from drivers.emulated.device import Anchor, EmulatedDevice, Surroundings
from drivers.emulated.identities import RemotePartyRole
from drivers.emulated.supply import SupplyNode


class HanDevice(EmulatedDevice):
    """A PPMID or an HCALCS; what it does is in its functions.

    It has no battery, and so it is off while the supply of the premises is disabled. Its messages are in the ZigBee
    notation, as a GSME's are: no source says otherwise.

    Args:
        surroundings: the world.
        dut: what the rig says of it.
        anchors: whom it trusts.
        node: what feeds it.

    Attributes:
        on_han: whether it is a member of the HAN.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        dut: Dut,
        anchors: Mapping[RemotePartyRole, Anchor],
        node: SupplyNode,
    ) -> None:
        super().__init__(surroundings, dut, Encoding.GBZ, anchors)
        self._node = node
        self.on_han: Callable[[], bool] = lambda: False

    @property
    def powered(self) -> bool:
        """Whether it has supply."""
        return self._node.volts >= self.world.spec.brown_out
