"""The emulated HAN: who is a member, who looks for the network, and what a join puts on the air."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bench.eui import Eui64
from bench.gbcs.hub_use_cases import HashedKey
from bench.zigbee.join_sequence import CAPABILITY_MAINS, CAPABILITY_SLEEPY, HanNetwork, TimedFrame, join_sequence
from bench.zigbee.security import aes_mmo, link_key_from_install_code
from drivers.emulated.device import EmulatedDevice, Surroundings, from_utc_ns
from drivers.emulated.schedule import Timer, next_turn

_COUNTERS_PER_JOIN = 16
_PAUSE_S = 0.1
_FRAMES_TO_NETWORK_KEY = {False: 10, True: 12}
"""Frames up to the network key, by whether the device is sleepy: with another install code it cannot read that one."""


@dataclass(slots=True)
class LogEntry:
    """One device in the CHF Device Log.

    Attributes:
        link_key: from the install code that the entry was made with.
        until_s: loop time until which the device may join.
        restored: it came from a log that was restored.
    """

    link_key: bytes = field(repr=False)
    until_s: float = 0.0
    restored: bool = False


@dataclass(slots=True)
class Traffic:
    """What was heard of a device.

    Attributes:
        successes: messages that it got or sent.
        failures: messages that it did not get.
        last_heard: UTC; None if it never was.
    """

    successes: int = 0
    failures: int = 0
    last_heard: datetime | None = None


@dataclass(slots=True)
class _Station:
    device: EmulatedDevice
    sleepy: bool
    on_joined: Callable[[], None]
    link_key: bytes | None = field(repr=False)
    scan_phase: float = 0.0
    timer: Timer | None = None


class Han:
    """A ZigBee network with a trust centre in the Comms Hub.

    A device that is not a member looks for the network at moments of its own; it gets in while it has power, the hub is
    on, its EUI-64 is in the device log with the install code on its label, and the join window is open.

    Args:
        surroundings: the world.
        coordinator: EUI-64 of the hub.
        hub_on: whether the hub's radio works.
        on_air: overhears every frame of a join.
        on_joined: told of a new member, before the member itself.

    Attributes:
        network: identifiers and key of the network.
        extended_pan_id: of the network, 8 bytes; that of the old one, once its log was restored.
        admits: whether there is room for a device.
        overheard: whether a sniffer of the 2.4 GHz band sees what a device sends.
        on_log: told whenever the device log has changed.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        coordinator: Eui64,
        *,
        hub_on: Callable[[], bool],
        on_air: Callable[[bytes], None],
        on_joined: Callable[[Eui64], None],
    ) -> None:
        self._world = surroundings
        self._hub_on, self._on_air, self._on_joined = hub_on, on_air, on_joined
        self._rng = surroundings.schedule.random("HAN")
        self.network = HanNetwork(self._rng.randrange(1, 0xFFF0), coordinator, self._rng.randbytes(16))
        self._stations: dict[Eui64, _Station] = {}
        self._log: dict[Eui64, LogEntry] = {}
        self._members: dict[Eui64, None] = {}
        self._traffic: dict[Eui64, Traffic] = {}
        self._counter = 1
        self.extended_pan_id = coordinator.raw
        self.admits: Callable[[Eui64], bool] = lambda eui: True
        self.overheard: Callable[[Eui64], bool] = lambda eui: True
        self.on_log: Callable[[], None] = lambda: None

    def attach(self, device: EmulatedDevice, *, sleepy: bool, on_joined: Callable[[], None]) -> None:
        """Bring a device within reach of the radio."""
        self._stations[device.eui] = _Station(device, sleepy, on_joined, _first_key(device), self._rng.random())

    def admit(self, eui: Eui64) -> None:
        """Make a device a member from the start, without a join."""
        self._log[eui] = LogEntry(self._stations[eui].link_key or b"")
        self._members[eui] = None

    def save(self) -> dict[str, Any]:
        """Device log and members, for another life of the world; ends of join windows as seconds to come."""
        now_s = self._world.schedule.now_s
        log = {eui: (entry.link_key, entry.until_s - now_s, entry.restored) for eui, entry in self._log.items()}
        return {
            "log": log,
            "members": list(self._members),
            "counter": self._counter,
            "extended_pan_id": self.extended_pan_id,
            "traffic": self._traffic,
            "link_keys": {eui: station.link_key for eui, station in self._stations.items()},
        }

    def load(self, saved: Mapping[str, Any], away_s: float) -> None:
        """Go on with the log and the members of an earlier life that ended `away_s` seconds ago."""
        now_s = self._world.schedule.now_s
        self._log = {
            eui: LogEntry(key, now_s + left_s - away_s, restored)
            for eui, (key, left_s, restored) in saved["log"].items()
        }
        self.extended_pan_id, self._traffic = saved["extended_pan_id"], dict(saved["traffic"])
        for eui, link_key in saved["link_keys"].items():
            if eui in self._stations:
                self._stations[eui].link_key = link_key
        self._members = dict.fromkeys(saved["members"])
        self._counter = saved["counter"] + _COUNTERS_PER_JOIN
        self.look_all()

    @property
    def log(self) -> list[Eui64]:
        """Who is in the device log, in the order of addition."""
        return list(self._log)

    def traffic(self, eui: Eui64) -> Traffic:
        """What was heard of a device so far."""
        return self._traffic.setdefault(eui, Traffic())

    def heard(self, eui: Eui64) -> None:
        """Take note that a message to or from a device has arrived."""
        traffic = self.traffic(eui)
        traffic.successes += 1
        traffic.last_heard = from_utc_ns(self._world.clock.now().utc_ns)

    def is_restored(self, eui: Eui64) -> bool:
        """Whether a device is in the log because that was restored."""
        return eui in self._log and self._log[eui].restored

    @property
    def hashed_keys(self) -> tuple[HashedKey, ...]:
        """The devices of the log, each with the hash of its link key."""
        return tuple(HashedKey(eui, aes_mmo(entry.link_key)) for eui, entry in self._log.items())

    def restore(self, extended_pan_id: bytes, keys: tuple[HashedKey, ...]) -> None:
        """Take over the log of another hub: its devices come back, without a join window, with hashed keys."""
        self.extended_pan_id = extended_pan_id
        self._log = {each.device: LogEntry(each.key, restored=True) for each in keys}
        self._members = {}
        for each in keys:
            station = self._stations.get(each.device)
            if station is None or station.link_key is None or not self._in_touch(station):
                continue
            if hmac.compare_digest(aes_mmo(station.link_key), each.key):
                station.link_key = each.key
                self._members[each.device] = None
        self.on_log()

    def forget(self) -> None:
        """Lose the log and every member, as a hub would be that somebody has put in the place of this one."""
        self._log, self._members = {}, {}

    def is_member(self, eui: Eui64) -> bool:
        """Whether a device is on the network."""
        return eui in self._members

    @property
    def window_open(self) -> bool:
        """Whether anybody may join now."""
        now_s = self._world.schedule.now_s
        return any(entry.until_s > now_s and eui not in self._members for eui, entry in self._log.items())

    def add(self, eui: Eui64, install_code: bytes, window_s: float) -> None:
        """Put a device into the log and let it join for some seconds.

        Raises:
            UsageError: no link key can be made of the install code.
        """
        until_s = self._world.schedule.now_s + window_s
        self._log[eui] = LogEntry(link_key_from_install_code(install_code.hex()), until_s)
        self.on_log()
        self.look(eui)

    def remove(self, eui: Eui64) -> bool:
        """Take a device out of the log and off the network; False if it was not in the log.

        It begins anew with the key of its install code, whatever a restored log has made of that.
        """
        self._members.pop(eui, None)
        if (station := self._stations.get(eui)) is not None:
            station.link_key = _first_key(station.device)
        known = self._log.pop(eui, None) is not None
        self.on_log()
        return known

    def look_all(self) -> None:
        """The radio has come back: whoever is no member looks for it."""
        for eui in self._stations:
            self.look(eui)

    def look(self, eui: Eui64) -> None:
        """Let a device look for the network when it next does, if it may find it."""
        station = self._stations.get(eui)
        if station is None or not self._may_join(station):
            return
        if station.timer is not None and station.timer.pending:
            return
        schedule = self._world.schedule
        # The next moment after this one, so that a try that failed is not repeated in the same moment.
        when_s = next_turn(schedule.now_s + _PAUSE_S, self._world.spec.scan_interval, station.scan_phase)
        station.timer = schedule.at(when_s, lambda: self._attempt(station))

    def _may_join(self, station: _Station) -> bool:
        entry = self._log.get(station.device.eui)
        return (
            entry is not None
            and entry.until_s > self._world.schedule.now_s
            and station.device.eui not in self._members
            and self._in_touch(station)
            and not self._world.faults.find("join-never")
        )

    def _in_touch(self, station: _Station) -> bool:
        return station.device.eui in self._log and station.device.powered and self._hub_on()

    def _attempt(self, station: _Station) -> None:
        station.timer = None
        if not self._may_join(station):
            return
        if not self.admits(station.device.eui):
            self.look(station.device.eui)
            return
        entry = self._log[station.device.eui]
        known = station.link_key is not None and hmac.compare_digest(station.link_key, entry.link_key)
        frames = join_sequence(
            self.network,
            station.device.eui,
            entry.link_key,
            self._rng,
            coordinator_counter=self._counter,
            capability=CAPABILITY_SLEEPY if station.sleepy else CAPABILITY_MAINS,
        )
        self._counter += _COUNTERS_PER_JOIN
        if not known:
            del frames[_FRAMES_TO_NETWORK_KEY[station.sleepy] :]
        self._play(station, frames, known)

    def _play(self, station: _Station, frames: list[TimedFrame], known: bool) -> None:
        """Let the next frame follow; loss of power, or removal from the log, ends the join half way."""
        station.timer = None
        if not self._in_touch(station):
            return
        if frames:
            frame = frames.pop(0)
            station.timer = self._world.schedule.after(frame.delay_s, lambda: self._emit(station, frame, frames, known))
        elif known:
            self._members[station.device.eui] = None
            self._on_joined(station.device.eui)
            station.on_joined()
        else:
            self.look(station.device.eui)

    def _emit(self, station: _Station, frame: TimedFrame, rest: list[TimedFrame], known: bool) -> None:
        on_air = self.overheard(station.device.eui) and not self._world.faults.find("join-not-on-air")
        if self._in_touch(station) and on_air:
            self._on_air(frame.psdu)
        self._play(station, rest, known)


def _first_key(device: EmulatedDevice) -> bytes | None:
    """The link key that a device has of its install code."""
    code = device.dut.install_code
    return link_key_from_install_code(code) if code else None
