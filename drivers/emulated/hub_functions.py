"""The two devices in a Comms Hub's housing: the Comms Hub Function and the Gas Proxy Function."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench.errors import BenchError
from bench.gbcs.catalogue import Encoding
from bench.parties import Dut
from drivers.emulated.commands import Refused, Values
from drivers.emulated.device import Anchor, EmulatedDevice, Surroundings
from drivers.emulated.han import Han
from drivers.emulated.identities import RemotePartyRole

_DEVICE_LOG_CHANGED = 0x8F12


class HubFunction(EmulatedDevice):
    """What both are: awake while the hub is."""

    def __init__(
        self,
        surroundings: Surroundings,
        dut: Dut,
        encoding: Encoding,
        anchors: Mapping[RemotePartyRole, Anchor],
        hub_on: Callable[[], bool],
    ) -> None:
        super().__init__(surroundings, dut, encoding, anchors)
        self._hub_on = hub_on

    @property
    def powered(self) -> bool:
        """Whether the hub has booted."""
        return self._hub_on()


class Chf(HubFunction):
    """The Comms Hub Function: it keeps the device log and opens the HAN for those in it.

    Args:
        surroundings: the world.
        dut: what the rig says of it.
        anchors: whom it trusts.
        hub_on: whether the hub has booted.
        han: its network.
        on_window: told for how many seconds the join window is open now; 0 closes it.

    Attributes:
        han: its network.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        dut: Dut,
        anchors: Mapping[RemotePartyRole, Anchor],
        hub_on: Callable[[], bool],
        han: Han,
        on_window: Callable[[float], None],
    ) -> None:
        super().__init__(surroundings, dut, Encoding.DLMS, anchors, hub_on)
        self.han, self._on_window = han, on_window
        self.actions |= {"CCS01": self._add, "CCS02": self._remove}

    def _add(self, params: Values) -> Values:
        window_s = float(params["join_time_period_s"])
        try:
            self.han.add(params["device"], params["install_code"], window_s)
        except BenchError as error:
            raise Refused(error.what) from None
        self._on_window(window_s)
        self.happens(_DEVICE_LOG_CHANGED)
        self.world.stimulus("joining")
        return {}

    def _remove(self, params: Values) -> Values:
        if not self.han.remove(params["device"]):
            raise Refused("the device is not in the device log")
        self._on_window(0.0)
        self.happens(_DEVICE_LOG_CHANGED)
        return {}


class Gpf(HubFunction):
    """The Gas Proxy Function: controlled by the DCC until it is handed over to its supplier (6.21)."""

    def __init__(
        self,
        surroundings: Surroundings,
        dut: Dut,
        anchors: Mapping[RemotePartyRole, Anchor],
        hub_on: Callable[[], bool],
    ) -> None:
        super().__init__(surroundings, dut, Encoding.GBZ, anchors, hub_on)
