"""The Comms Hub's device logs: read, and restored after the hub was exchanged (8.9, 8.12)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from bench.gbcs.hub_use_cases import AUTHORISED, REPORTING, SWAPPED_OUT, TRANSMITTING, Backup, LoggedDevice
from bench.gbcs.join_use_cases import NOT_RESTORED
from bench.parties import DeviceType
from drivers.emulated.commands import Action, Refused, Values
from drivers.emulated.device import EmulatedDevice, from_utc_ns
from drivers.emulated.functions.air_time import AirTime
from drivers.emulated.functions.base import Function
from drivers.emulated.functions.joins import FUNCTIONS as JOINS
from drivers.emulated.functions.joins import Joins
from drivers.emulated.functions.sub_ghz import SubGhz
from drivers.emulated.hub_functions import Chf

_MOST_COUNTED = 0xFF
_APPLICATION_VERSION, _STACK_VERSION = 1, 1
_HOPS = 1


class DeviceLog(Function):
    """The CHF's log of devices, and the one before its last change.

    What was heard of each device is counted from its messages; strengths are plausible ones that stay. CCS06 counts as
    the check of communications that it asks for: devices that are out of touch are not reported as heard.

    Attributes:
        current: the log as it was kept when it changed last.
        before: the log before that.
        on_change: told of the log that there is now.
    """

    remembers: ClassVar[tuple[str, ...]] = ("current", "before")

    def __init__(self, device: EmulatedDevice) -> None:
        super().__init__(device)
        assert isinstance(device, Chf)
        self._han = device.han
        self.current = Backup(device.clock.utc(), device.han.extended_pan_id, ())
        self.before = self.current
        self.on_change: Callable[[Backup], None] = lambda backup: None

    @property
    def actions(self) -> Mapping[str, Action]:
        """What it can be told to do, by use case name."""
        return {"CCS03": self._restore, "CCS05CCS04": self._read, "CCS06": self._read, "CCS07": self._back_up}

    def start(self) -> None:
        """Take note of changes from now on; what the world began with is no change."""
        if not self.current.keys:
            self.current = self._now()
            self.on_change(self.current)
        self._han.on_log = self._changed
        for fault in self.world.faults.all("hub-log-lost"):
            self.world.schedule.after(fault.begins_s, self._han.forget)

    def _now(self) -> Backup:
        return Backup(from_utc_ns(self.world.clock.now().utc_ns), self._han.extended_pan_id, self._han.hashed_keys)

    def _changed(self) -> None:
        self.before, self.current = self.current, self._now()
        self.on_change(self.current)

    def _read(self, _params: Values) -> Values:
        return {"device_log": tuple(self._entry(each) for each in self._han.log)}

    def _entry(self, eui: Any) -> LoggedDevice:
        traffic, member = self._han.traffic(eui), self._han.is_member(eui)
        random = self.world.schedule.random(f"radio of {eui}")
        mean = random.randint(-75, -45)
        quality = random.randint(150, 230)
        status = AUTHORISED | (REPORTING | TRANSMITTING if member else 0)
        return LoggedDevice(
            eui,
            status | (SWAPPED_OUT if self._han.is_restored(eui) else 0),
            (mean + 8, mean, mean - 12),
            (quality + 20, quality, quality - 40),
            traffic.last_heard,
            _HOPS,
            min(traffic.failures, _MOST_COUNTED),
            min(traffic.successes, _MOST_COUNTED),
            _APPLICATION_VERSION,
            _STACK_VERSION,
        )

    def _back_up(self, _params: Values) -> Values:
        return {"device_log": self.current, "previous_device_log": self.before}

    def _restore(self, params: Values) -> Values:
        backup: Backup = params["device_log_to_restore"]
        if len(backup.extended_pan_id) != 8:
            raise Refused("an extended PAN ID has 8 bytes")
        self._han.restore(backup.extended_pan_id, backup.keys)
        return {}


class GpfLog(Function):
    """Restoring whom a GPF is joined to (GCS59)."""

    @property
    def actions(self) -> Mapping[str, Action]:
        """What it can be told to do, by use case name."""
        return {"GCS59": self._restore}

    def _restore(self, params: Values) -> Values:
        joins = self.device.function(Joins)
        joins.partners.clear()
        results = tuple(
            (eui, kind, 0 if joins.join(eui, kind) else NOT_RESTORED) for eui, kind in params["joined_devices"]
        )
        if results and all(result for _, _, result in results):
            raise Refused("none of those devices is there", {"results": results})
        return {"results": results}


FUNCTIONS: Mapping[DeviceType, tuple[type[Function], ...]] = {
    **JOINS,
    DeviceType.CHF: (DeviceLog, AirTime, SubGhz),
    DeviceType.GPF: (*JOINS[DeviceType.GPF], GpfLog),
}
"""By type of device."""
