"""The sub-GHz radio of a dual band Comms Hub: channel, noise, who is in touch, and what the hub tells of them.

GBCS and the schema of DUIS name thresholds, triggers and outcomes; how a hub measures, and how often it may do what, no
public source says. Those figures are here, as constants, and in `DualBandSpec`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar

from bench.errors import CodecError, UsageError
from bench.eui import Eui64
from bench.gbcs import sub_ghz
from bench.gbcs.hub_use_cases import channel_entry
from bench.gbcs.sub_ghz import ALL_CHANNELS, Channel, Configuration
from bench.parties import DeviceType
from drivers.emulated.commands import Action, Refused, Values
from drivers.emulated.device import EmulatedDevice, from_utc_ns
from drivers.emulated.functions.air_time import NORMAL, AirTime
from drivers.emulated.functions.base import Function
from drivers.emulated.hub_functions import Chf
from drivers.emulated.identities import RemotePartyRole

DEAF_DBM = -60
"""With more noise than this on its channel, nobody understands the hub."""
_QUIET_DBM = (-105, -92)
_JAMMED_DBM = -40
_LOG_LENGTH = 100
_MOST_COMMANDS_A_DAY, _MOST_SCANS_A_DAY, _MOST_SCANS_A_WEEK = 1, 3, 7
_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
_SEARCHES, _SEARCH_EVERY_S = 3, 3600.0
_SOON_S = 0.5
_FAULTS = ("sub-ghz-interference", "sub-ghz-unreachable")

_DEFAULT = Configuration(ALL_CHANNELS, 150, 220, 3, 120, 10, 10, 5000, 100, 120, 5000, 5000)


class SubGhz(Function):
    """The radio, if the hub is a dual band one.

    Attributes:
        configuration: as 6.28 set it last.
        channel: in use.
        log: times and entries of changes of the channel.
        noise: dBm by channel where it is not the usual one.
        out_of_range: devices of this band that the hub cannot reach, wherever it sends.
        lost: since when the hub misses each device.
        asked: when 6.29 came within the last week.
        scans: when it scanned, likewise.
        changes: when it changed the channel, likewise.
        air: its air time.
        counted: since when it counts messages to judge its channel, how many, and how many of them failed.
        turned_away: devices that have been told of once because there was no room for them.
        on_touch: called when nobody is out of touch any more.
    """

    remembers: ClassVar[tuple[str, ...]] = (
        *("configuration", "channel", "log", "noise", "out_of_range", "lost", "asked", "scans", "changes"),
        *("counted", "turned_away"),
    )

    def __init__(self, device: EmulatedDevice) -> None:
        super().__init__(device)
        assert isinstance(device, Chf)
        self._han, self.spec = device.han, device.world.spec.dual_band
        self.configuration = _DEFAULT
        self.noise: dict[Channel, int] = {}
        self.channel = min(ALL_CHANNELS, key=self._noise_on)
        self.log: tuple[tuple[datetime, bytes], ...] = ()
        self.out_of_range: tuple[Eui64, ...] = ()
        self.lost: dict[Eui64, datetime] = {}
        self.asked: tuple[datetime, ...] = ()
        self.scans: tuple[datetime, ...] = ()
        self.changes: tuple[datetime, ...] = ()
        self.turned_away: tuple[Eui64, ...] = ()
        self.counted: tuple[datetime | None, int, int] = None, 0, 0
        self.air = device.function(AirTime)
        self.air.thresholds = self._thresholds
        self.air.reaches, self.air.misses = self.in_touch, lambda eui: eui in self.lost
        self.air.say = lambda code, values: self._say(code, **values)
        self.on_touch: Callable[[], None] = lambda: None

    @property
    def actions(self) -> Mapping[str, Action]:
        """What it can be told to do, by use case name; nothing if the hub has one band only."""
        if self.spec is None:
            return {}
        return {
            "DBCH01": lambda _params: {"sub_ghz_channel": self.channel},
            "DBCH02": self._read_log,
            "DBCH03": lambda _params: {"sub_ghz_configuration": self.configuration},
            "DBCH04": self._configure,
            "DBCH05": self._asked_to_scan,
        }

    def start(self) -> None:
        """Form the network on the quietest channel, or go on; and let what is to go wrong go wrong."""
        faults = [name for name in _FAULTS if self.world.faults.find(name)]
        if self.spec is None and faults:
            raise UsageError(
                f"a single band Comms Hub cannot have the fault {faults[0]}",
                where="emulation",
                next_step="Give the rig a dual band one: emulation.world.dual_band: {devices: [gsme]}",
            )
        if self.spec is None:
            return
        self._han.admits = self._admits
        self._han.overheard = lambda eui: not self.serves(eui)
        if not self.log:
            self._note_channel(self.channel, "SMHAN formation")
        for device in self.device.neighbours:
            if device.eui in self.lost:
                self._miss(device, self.lost[device.eui])
        for fault in self.world.faults.all("sub-ghz-interference"):
            self.world.schedule.after(fault.begins_s, self.interfere)
        for fault in self.world.faults.all("sub-ghz-unreachable"):
            self.world.schedule.after(fault.begins_s, self.take_out_of_range)

    @property
    def now(self) -> datetime:
        """UTC."""
        return from_utc_ns(self.world.clock.now().utc_ns)

    # Who is reached

    def serves(self, eui: Eui64) -> bool:
        """Whether a device is reached by this radio, and not at 2.4 GHz."""
        names = self.spec.devices if self.spec is not None else ()
        return any(each.eui == eui and each.dut.name in names for each in self.device.neighbours)

    def in_touch(self, eui: Eui64) -> bool:
        """Whether hub and device understand each other now; of a device at 2.4 GHz they do."""
        if not self.serves(eui):
            return True
        return self._noise_on(self.channel) <= DEAF_DBM and eui not in self.out_of_range

    def send(self, device: EmulatedDevice, raw: bytes) -> bool:
        """Send a command to a device of any band; false if it did not get it."""
        if not self.serves(device.eui):
            return True
        if not self.air.send(device.eui, raw):
            return False
        arrived = self.in_touch(device.eui)
        self._count(arrived=arrived)
        return arrived

    def _admits(self, eui: Eui64) -> bool:
        assert self.spec is not None
        if not self.serves(eui):
            return True
        members = [each for each in self._han.log if self.serves(each) and self._han.is_member(each)]
        if len(members) < self.spec.capacity:
            return self.in_touch(eui)
        if eui not in self.turned_away:
            self.turned_away = (*self.turned_away, eui)
            self._say(sub_ghz.FULL, device=eui)
        return False

    def _thresholds(self) -> tuple[int, int]:
        return self.configuration.normal_limited_threshold, self.configuration.limited_critical_threshold

    # Noise and channel

    def _noise_on(self, channel: Channel) -> int:
        """Noise on a channel, dBm."""
        usual = self.world.schedule.random(f"noise on {channel}").randint(*_QUIET_DBM)
        return self.noise.get(channel, usual)

    def interfere(self, dbm: int = _JAMMED_DBM) -> None:
        """Let another transmitter appear on the channel in use, and stay there."""
        self.noise[self.channel] = dbm
        self._look_for_losses()

    def take_out_of_range(self) -> None:
        """Let no device of this band be reached any more, whatever the channel."""
        self.out_of_range = tuple(each.eui for each in self.device.neighbours if self.serves(each.eui))
        self._look_for_losses()

    def bring_back(self) -> None:
        """Let every device be within range again."""
        self.out_of_range = ()
        self._look_for_losses()

    def _look_for_losses(self) -> None:
        for device in self.device.neighbours:
            if not self.serves(device.eui) or not self._han.is_member(device.eui):
                continue
            if self.in_touch(device.eui):
                self.lost.pop(device.eui, None)
            elif device.eui not in self.lost and device.dut.type is DeviceType.GSME:
                self.lost[device.eui] = self.now
                self._miss(device, self.now)
        if not self.lost:
            self.on_touch()

    def _miss(self, device: EmulatedDevice, since: datetime) -> None:
        """Wait for a GSME that should wake, and look for it if it does not come."""
        eui = device.eui
        gone_s = (self.now - since).total_seconds()
        schedule = self.world.schedule
        wakes_s = device.next_awake_s(schedule.now_s - gone_s)
        curfew_s = wakes_s + self.configuration.gsme_curfew_min * 60.0

        def look(number: int) -> None:
            if self.lost.get(eui) != since:
                return
            if number == 0:
                self.request_scan("GSME missed its curfew")
            elif number == _SEARCHES:
                self._say(sub_ghz.GSME_LOST)

        def look_after_a_day() -> None:
            if self.lost.get(eui) == since:
                self.request_scan("GSME missing for the last day")

        for number in range(_SEARCHES + 1):
            when_s = curfew_s + number * _SEARCH_EVERY_S
            if when_s >= schedule.now_s:
                schedule.at(when_s, partial(look, number))
        day_s = wakes_s + _DAY.total_seconds()
        if day_s >= schedule.now_s:
            schedule.at(day_s, look_after_a_day)

    def _count(self, *, arrived: bool) -> None:
        """Count messages over the measurement period, at whose end too many failures are a reason to scan."""
        since, sent, failed = self.counted
        if since is None:
            since = self.now
            self.world.schedule.after(float(self.configuration.noise_measurement_period_s), self._measured)
        self.counted = since, sent + 1, failed + (not arrived)

    def _measured(self) -> None:
        _, sent, failed = self.counted
        self.counted = None, 0, 0
        share = 10000 * failed / sent if sent else 0.0
        usual = self.world.schedule.random(f"noise on {self.channel}").randint(*_QUIET_DBM)
        noisier = self._noise_on(self.channel) - usual >= self.configuration.channel_noisier_threshold
        if failed and noisier and share >= self.configuration.failure_percentage:
            self.request_scan("message failures")

    def request_scan(self, trigger: str) -> None:
        """Ask for a scan, as a User (6.29), a device or the hub itself does; the hub tells what it makes of that."""
        outcome = self._assess(trigger)
        if trigger == sub_ghz.TRIGGERS[0]:
            self.asked = (*self._within(self.asked, _WEEK), self.now)
        self._say(sub_ghz.SCAN_ASSESSED, outcome=outcome, trigger=trigger)
        if outcome == sub_ghz.OUTCOMES[0]:
            assert self.spec is not None
            self.scans = (*self._within(self.scans, _WEEK), self.now)
            self._say(sub_ghz.SCAN_STARTED)
            self.world.schedule.after(self.spec.scan, lambda: self._scanned(trigger))

    def _assess(self, trigger: str) -> str:
        by_command = trigger == sub_ghz.TRIGGERS[0]
        reasons = {
            "duty cycle too high": self.air.state != NORMAL,
            "joining permitted": self._han.window_open,
            "GSME image under way": any(eui not in self.lost for eui in self.air.transfers),
            "too many commands today": by_command and len(self._within(self.asked, _DAY)) >= _MOST_COMMANDS_A_DAY,
            "too many scans today": len(self._within(self.scans, _DAY)) >= _MOST_SCANS_A_DAY,
            "too many scans this week": len(self._within(self.scans, _WEEK)) >= _MOST_SCANS_A_WEEK,
        }
        return next((reason for reason, holds in reasons.items() if holds), sub_ghz.OUTCOMES[0])

    def _within(self, moments: tuple[datetime, ...], length: timedelta) -> tuple[datetime, ...]:
        return tuple(each for each in moments if self.now - each < length)

    def _scanned(self, trigger: str) -> None:
        """Go to the quietest channel that may be used, if that is worth it and the week has a change left."""
        if not self.device.powered:
            return
        best = min(self.configuration.channels, key=self._noise_on)
        forbidden = self.channel not in self.configuration.channels
        quieter = self._noise_on(self.channel) - self._noise_on(best) >= self.configuration.channel_quieter_threshold
        self.changes = self._within(self.changes, _WEEK)
        spent = len(self.changes) >= self.configuration.most_channel_changes_per_week
        if best == self.channel or not (quieter or forbidden) or spent:
            self._say(sub_ghz.NOT_CHANGED)
            return
        self.changes = (*self.changes, self.now)
        self._note_channel(best, trigger)
        self._say(sub_ghz.CHANNEL_CHANGED, channel=best, trigger=trigger)
        self._look_for_losses()

    def _note_channel(self, channel: Channel, trigger: str) -> None:
        self.channel = channel
        self.log = (*self.log, (self.now, channel_entry(channel, trigger)))[-_LOG_LENGTH:]

    # Commands

    def _read_log(self, params: Values) -> Values:
        rows = (
            (time, sub_ghz.CHANNEL_CHANGED, entry)
            for time, entry in self.log
            if params["log_from"] <= time <= params["log_to"]
        )
        return {"sub_ghz_channel_log": tuple(rows)}

    def _configure(self, params: Values) -> Values:
        wanted: Configuration = params["sub_ghz_configuration"]
        if not wanted.channels or wanted.limited_critical_threshold <= wanted.normal_limited_threshold:
            raise Refused("no channel, or thresholds out of order")
        self.configuration = wanted
        self._soon(lambda: self._say(sub_ghz.CONFIGURED, configuration=wanted))
        self._soon(self.air.settle)
        if self.channel not in wanted.channels:
            self._soon(lambda: self._scanned(sub_ghz.TRIGGERS[0]))
        return {}

    def _asked_to_scan(self, params: Values) -> Values:
        self._soon(lambda: self.request_scan(params["trigger"]))
        return {}

    def _soon(self, action: Any) -> None:
        """Do something once the response is on its way."""
        self.world.schedule.after(_SOON_S, action)

    def _say(self, code: int, **values: Any) -> None:
        """Tell the DCC."""
        broker = self.device.anchors[RemotePartyRole.ACCESS_CONTROL_BROKER]
        try:
            self.device.raise_alert(code, sub_ghz.specific(code, values), to=broker)
        except CodecError as error:
            raise RuntimeError(f"alert 0x{code:04X}: {error}") from error
