"""Auxiliary load control, boost buttons and controllers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import ClassVar

from bench.eui import Eui64
from bench.gbcs.dlms import Target
from bench.gbcs.load_control_fields import ACTIONS, CALENDAR_ACTIONS, SWITCHES
from bench.gbcs.times import ZIGBEE_EPOCH
from bench.parties import DeviceType
from drivers.emulated.commands import Action, Refused, Values
from drivers.emulated.device import EmulatedDevice, to_utc_ns
from drivers.emulated.esme import Esme
from drivers.emulated.functions.activations import Activations
from drivers.emulated.functions.base import Function
from drivers.emulated.functions.electricity_settings import ElectricitySettings
from drivers.emulated.functions.load_limit import LoadLimit
from drivers.emulated.functions.load_switch import LoadSwitch
from drivers.emulated.functions.switch_calendar import Calendar
from drivers.emulated.schedule import Timer

OWN_SWITCH = bytes(8)
"""In place of an EUI-64: the switch is the ESME's own and no HCALCS."""
LOAD_W = 3000.0
"""What is behind each switch draws so much when it is on: an immersion heater, a storage heater."""

_PARTS = tuple(Target(9000, f"0-0:94.44.128.{end}", 6) for end in (26, 35))
INSTRUCTIONS = len(_PARTS)
"""How many 0x8F66 follow a future-dated calendar: one for its times and one for its special days."""

_ABOUT = "load control calendar"
_SENT, _DONE, _NOT_DONE = 0, 1, 2
_MOST_EVENTS, _MOST_BOOSTS = 100, 25
_BOOST_MIN = (15, 30, 45, 60)
_LIMIT_S = 1799
_HAN_S = 1.0
_AGAIN_S, _LOOK_S = 60.0, 3600.0
_CODES = {word: code for code, word in ACTIONS.items()}
_CALENDAR_CODES = {word == "close": code for code, word in CALENDAR_ACTIONS.items()}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Event = tuple[datetime, int, int, int]
"""A row of the switch event log: when, the selector (its low byte 0 for what an HCALCS answers), the outcome (0 sent to
an HCALCS, 1 done, 2 not done), and, of an HCALCS, when it was sent: seconds since 1970."""


class LoadControl(Function):
    """The five auxiliary load control switches of an ESME, and its boost button (SMETS 5.23 to 5.26).

    A switch follows a command for as long as that lasts, else a boost, else the calendar, whose times come later by
    the randomised offset; without any of them it is open. A meter that is off looks at its switches within a minute
    after it has booted, and one whose clock was set within an hour. What the loads draw counts for the load limit. No
    event or alert code for a switch is published: what is done is told in the switch event log.

    Attributes:
        labels: by number.
        devices: the HCALCS that a number stands for, zeros for the ESME's own switch.
        calendar: in force.
        overrides: commands: closed or not, from when and until when, by number.
        boost_controls: the switches that the boost button closes.
        boost: the boost that is going on: its start and its end.
        boosts: boosts that are over: their starts and ends.
        closed: by number.
        events: the switch event log.
        on_power: told the watts that the loads draw whenever these change; the load limit, unless it is replaced.
    """

    remembers: ClassVar[tuple[str, ...]] = (
        "labels",
        "devices",
        "calendar",
        "overrides",
        "boost_controls",
        "boost",
        "boosts",
        "closed",
        "events",
    )

    def __init__(self, device: EmulatedDevice) -> None:
        super().__init__(device)
        self.labels = dict.fromkeys(SWITCHES, "")
        self.devices = dict.fromkeys(SWITCHES, Eui64(OWN_SWITCH))
        self.calendar = Calendar()
        self.overrides: dict[int, tuple[bool, datetime, datetime]] = {}
        self.boost_controls = dict.fromkeys(SWITCHES, False)
        self.boost: tuple[datetime, datetime] | None = None
        self.boosts: tuple[tuple[datetime, datetime], ...] = ()
        self.closed = dict.fromkeys(SWITCHES, False)
        self.events: tuple[Event, ...] = ()
        self.on_power: Callable[[float], None] = lambda watts: device.function(LoadLimit).power_is(watts)
        self._drawn_w = 0.0
        # None where an HCALCS did not do what was wanted.
        self._wanted: dict[int, bool | None] = {}
        self._timer: Timer | None = None

    @property
    def actions(self) -> Mapping[str, Action]:
        """What it can be told to do, by use case name."""
        return {
            "ECS38": self._limit_offset,
            "ECS46a": self._label,
            **dict.fromkeys(("ECS46c", "ECS46d"), self._configure),
            "ECS47": self._command,
            "ECS47a": self._command_level,
            "ECS47e": self._limit_level,
            "ECS61a": self._read,
            "ECS61c": self._read_boosts,
            "ECS62": self._control,
            **dict.fromkeys(("ECS35f", "ECS35g"), self._read_events),
            "ECS15c": self._clear_events,
        }

    @property
    def watts(self) -> float:
        """What all that is switched on draws; nothing while the premises have no supply."""
        fed = isinstance(self.device, Esme) and self.device.load.volts >= self.world.spec.brown_out
        return LOAD_W * sum(self.closed.values()) if fed else 0.0

    def start(self) -> None:
        """Begin to follow the calendar."""
        assert isinstance(self.device, Esme)
        self._wanted = dict(self.closed)
        self.device.load.subscribe(lambda _node: self._supply_changed())
        self._tell_power()
        self.refresh()

    def _supply_changed(self) -> None:
        self._tell_power()
        if None in self._wanted.values():
            self.refresh()

    def press_boost(self, minutes: int) -> None:
        """Close the switches of the boost button for some time; 0 ends a boost (SMETS 5.26).

        Raises:
            Refused: there is no boost of this length.
        """
        now = self.device.clock.utc()
        if minutes not in (0, *_BOOST_MIN):
            raise Refused(f"a boost of {minutes} min; there are {', '.join(map(str, _BOOST_MIN))}")
        if self.boost is not None:
            self._end_boost(min(now, self.boost[1]))
        if minutes:
            self.boost = now, now + timedelta(minutes=minutes)
        self.refresh()

    def refresh(self) -> None:
        """Switch what has to be switched now, and come back when there is something to do again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self.device.powered:
            self._timer = self.world.schedule.after(_AGAIN_S, self.refresh)
            return
        now = self.device.clock.utc()
        self.overrides = {n: each for n, each in self.overrides.items() if now < each[2]}
        if self.boost is not None and now >= self.boost[1]:
            self._end_boost(self.boost[1])
        for number in SWITCHES:
            closed = self._due(number, now)
            if closed is not self._wanted[number]:
                self._drive(number, closed, _CALENDAR_CODES[closed])
        self._plan(now)

    def _due(self, number: int, now: datetime) -> bool:
        closed, start, end = self.overrides.get(number, (False, now, now))
        if start <= now < end:
            return closed
        if self.boost is not None and self.boost_controls[number]:
            return True
        return self.calendar.closed(number, now - self._offset) or False

    @property
    def _offset(self) -> timedelta:
        return timedelta(seconds=self.device.function(ElectricitySettings).randomised_offset_s)

    def _plan(self, now: datetime) -> None:
        moments = [moment for _, *times in self.overrides.values() for moment in times]
        moments += self.boost or ()
        following = self.calendar.next(now - self._offset)
        if following is not None:
            moments.append(following + self._offset)
        if moments := [moment for moment in moments if moment > now]:
            delay_s = (to_utc_ns(min(moments)) - self.device.clock.utc_ns()) / 1e9
            self._timer = self.world.schedule.after(min(max(0.0, delay_s), _LOOK_S), self.refresh)

    def _drive(self, number: int, closed: bool, action: int) -> None:
        """Move a contact, of the ESME or of an HCALCS, which answers a moment later."""
        self._wanted[number] = closed
        now, selector = self.device.clock.utc(), number << 8 | action
        if self.devices[number].raw == OWN_SWITCH:
            self._moved(number, closed)
            self._log(now, selector, _DONE, 0)
        else:
            sent = (now - _EPOCH) // timedelta(seconds=1)
            self._log(now, selector, _SENT, sent)
            self.world.schedule.after(_HAN_S, partial(self._ask, number, closed, sent))

    def _ask(self, number: int, closed: bool, sent: int) -> None:
        done = False
        for each in self.device.neighbours:
            if each.eui == self.devices[number] and each.dut.type is DeviceType.HCALCS:
                done = each.function(LoadSwitch).switch(closed)
        if done:
            self._moved(number, closed)
        else:
            self._wanted[number] = None
        self._log(self.device.clock.utc(), number << 8, _DONE if done else _NOT_DONE, sent)

    def _moved(self, number: int, closed: bool) -> None:
        self.closed[number] = closed
        self._tell_power()

    def _tell_power(self) -> None:
        if self.watts != self._drawn_w:
            self._drawn_w = self.watts
            self.on_power(self._drawn_w)

    def _log(self, moment: datetime, selector: int, outcome: int, sent: int) -> None:
        self.events = (*self.events, (moment, selector, outcome, sent))[-_MOST_EVENTS:]

    def _end_boost(self, end: datetime) -> None:
        assert self.boost is not None
        self.boosts = (*self.boosts, (self.boost[0], end))[-_MOST_BOOSTS:]
        self.boost = None

    # Commands

    def _limit_offset(self, params: Values) -> Values:
        limit_s = params["randomised_offset_limit_s"]
        if limit_s > _LIMIT_S:
            raise Refused(f"the limit of the randomised offset is {limit_s} s; at most {_LIMIT_S} s")
        self.device.function(ElectricitySettings).randomised_offset_limit_s = limit_s
        self.refresh()
        return {}

    def _label(self, params: Values) -> Values:
        self.labels |= {n: params[f"label_{n}"] for n in SWITCHES if f"label_{n}" in params}
        return {}

    def _configure(self, params: Values) -> Values:
        """A device is another one at once; calendar and special days take effect when they are to."""
        changed = {n: params[f"device_{n}"] for n in SWITCHES if f"device_{n}" in params}
        for number in (n for n, eui in changed.items() if eui != self.devices[n]):
            self.devices[number] = changed[number]
            self._moved(number, False)
            self._wanted[number] = False
        calendar = Calendar(params["switching_times"], params["special_days"])
        activations, when = self.device.function(Activations), params["activation_time"]
        if when in ("never", "now"):
            activations.cancel(_ABOUT)
        else:
            activations.at(when, _PARTS, partial(self._activate, calendar), about=_ABOUT)
        if when == "now":
            self._activate(calendar)
        else:
            self.refresh()
        return {}

    def _activate(self, calendar: Calendar) -> None:
        self.calendar = calendar
        self.refresh()

    def _command(self, params: Values) -> Values:
        number, word = params["switch"], params["action"]
        now = self.device.clock.utc()
        self.overrides.pop(number, None)
        if word != "revert":
            end = now + timedelta(minutes=params["duration_min"])
            self.overrides[number] = word == "close", now, end
        self._drive(number, self._due(number, now), _CODES[word])
        self.refresh()
        return {}

    def _command_level(self, params: Values) -> Values:
        number, start, end = params["controller"], params["period_start"], params["period_end"]
        if params["input"] or start is None or end is None or end <= start:
            raise Refused("a switch has no input, or the period has no length")
        self.overrides[number] = params["level_percent"] == 100, start, end
        self.refresh()
        return {}

    def _limit_level(self, params: Values) -> Values:
        raise Refused(f"controller {params['controller']} is a switch: its level cannot be limited")

    def _control(self, params: Values) -> Values:
        self.boost_controls = {n: params[f"boost_{n}"] for n in SWITCHES}
        self.refresh()
        return {}

    def _read(self, _params: Values) -> Values:
        return {
            **{f"label_{n}": self.labels[n] for n in SWITCHES},
            **{f"device_{n}": self.devices[n] for n in SWITCHES},
            "special_days": self.calendar.special_days,
            "switching_times": self.calendar.times,
            **{f"closed_{n}": self.closed[n] for n in SWITCHES},
        }

    def _read_events(self, params: Values) -> Values:
        return {"switch_event_log": tuple(each for each in self.events if _within(each[0], params))}

    def _clear_events(self, _params: Values) -> Values:
        self.events = ()
        return {}

    def _read_boosts(self, params: Values) -> Values:
        rows = [each for each in self.boosts if _within(each[0], params)]
        return {
            "boost_function_available": True,
            "boost_log": tuple((begun, (over - ZIGBEE_EPOCH) // timedelta(seconds=1)) for begun, over in rows),
            **{f"boost_{n}": self.boost_controls[n] for n in SWITCHES},
        }


def _within(moment: datetime, params: Values) -> bool:
    start, end = params["log_from"], params["log_to"]
    return (start is None or start <= moment) and (end is None or moment <= end)


FUNCTIONS: Mapping[DeviceType, tuple[type[Function], ...]] = {
    DeviceType.ESME: (LoadControl,),
    DeviceType.HCALCS: (LoadSwitch,),
}
"""By type of device."""
