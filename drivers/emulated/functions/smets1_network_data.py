"""The network data log of a SMETS1 GSME (4.10)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from bench.gbcs.log_gas_use_cases import NETWORK_INTERVAL_S, NETWORK_SAMPLES
from drivers.emulated.commands import Action, Values
from drivers.emulated.device import from_utc_ns
from drivers.emulated.functions.base import Function
from drivers.emulated.functions.readings import GasMetering


class Smets1NetworkData(Function):
    """What was consumed in each of the last 41 periods of six minutes.

    No Service Request starts this log at a SMETS1 meter (14.1 is for SMETS2+ only), and so it never stops: inferred.
    """

    @property
    def actions(self) -> Mapping[str, Action]:
        """What it can be told to do, by use case name."""
        return {"GCS18": self._read}

    def _read(self, _params: Values) -> Values:
        metering = self.device.function(GasMetering)
        interval = timedelta(seconds=NETWORK_INTERVAL_S)
        now = self.device.clock.utc().replace(microsecond=0)
        last = now - timedelta(seconds=now.timestamp() % NETWORK_INTERVAL_S)
        began = from_utc_ns(metering.changes[0][0])
        count = min(NETWORK_SAMPLES, max(0, (last - began) // interval))
        if not count:
            return {}
        litres = [metering.gas(last - at * interval).consumed for at in range(count, -1, -1)]
        samples = tuple(after - before for before, after in zip(litres, litres[1:], strict=False))
        return {"first_sample": last - (count - 1) * interval, "interval_s": NETWORK_INTERVAL_S, "samples": samples}
