"""Event logs: what happened to a device, as it is read by 6.13 and cleared by 3.3 (SMETS 4.6.5.9, 5.7.5.16)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from bench.gbcs.alerts import IntegrityIssue, Specific, SupplyOutage
from bench.gbcs.use_cases import UseCase
from bench.parties import DeviceType
from drivers.emulated.commands import Action, Refused, Values
from drivers.emulated.device import EmulatedDevice
from drivers.emulated.esme import Esme
from drivers.emulated.functions.base import Function
from drivers.emulated.functions.event_behaviour import EventBehaviour

MOST = 100
"""A log holds so many events; the oldest give way."""

DONE, NOT_DONE, CLEARED = 0x8154, 0x8155, 0x8F52
"""A command was carried out, or not; the event log was cleared."""

_SECURITY = frozenset(
    (0x8F0C, 0x8F12, 0x8F1B, 0x8F1C, 0x8F1E, 0x8F3E, 0x8F3F, 0x8F43, *range(0x8F47, 0x8F50))
    + (0x8F51, 0x8F52, 0x8F53, 0x8F5B, 0x8F60, 0x8F63, 0x8F64, 0x8F70, 0x8F72, *range(0x8F73, 0x8F79), 0x8F82)
)
_POWER = frozenset((*range(0x8F35, 0x8F3D), 0x8F58))
_NETWORK_OPERATOR = 0x80
_INVALID_VALUE = 0x87
_INTEGRITY = {1: 0x81AE, 2: 0x81AF, 3: 0x81B0, 4: 0x81B1, 5: 0x81B2, 6: 0x81B3, 7: 0x81AD, 8: 0x81AC}
_OWN_EVENTS, _OWN_SECURITY, _COPY = 3, 4, 3

Event = tuple[datetime, int, bytes]
_Row = TypeVar("_Row", bound=tuple[Any, ...])


class EventLog(Function):
    """The event log and the security log of a device, and the power event log of an ESME.

    Everything with an alert code is logged, told or not, unless a meter is configured not to log it (6.22), and every
    critical command, with its message code. Which log an event belongs to is taken from published responses. A power
    event has a number: of an outage its seconds, of an average voltage its volts. Defects are logged by their kind,
    not as the one alert that tells of them all. That a log was cleared is logged and told to nobody.

    Attributes:
        events: the event log: times, codes and other information.
        security: the security log, likewise.
        power: the power event log: times, codes and numbers.
    """

    remembers: ClassVar[tuple[str, ...]] = ("events", "security", "power")

    def __init__(self, device: EmulatedDevice) -> None:
        super().__init__(device)
        self.events: tuple[Event, ...] = ()
        self.security: tuple[Event, ...] = ()
        self.power: tuple[tuple[datetime, int, int], ...] = ()
        device.on_event.append(self._happened)
        device.on_command.append(self._commanded)

    @property
    def actions(self) -> Mapping[str, Action]:
        """What it can be told to do, by use case name."""
        if self.device.dut.type in (DeviceType.GSME, DeviceType.GPF):
            return {"CS10a": self._read_gas_events, "CS10b": self._read_gas_security, "CS11": self._clear}
        reads: dict[str, Action] = {
            **dict.fromkeys(("ECS35a", "ECS35c"), lambda params: {"event_log": within(self.events, params)}),
            **dict.fromkeys(("ECS35b", "ECS35d"), self._read_security),
        }
        if self.device.dut.type is not DeviceType.ESME:
            return reads
        return {
            **reads,
            "ECS35e": lambda params: {"power_event_log": within(self.power, params)},
            "ECS15a": self._clear,
        }

    def _happened(self, code: int, specific: Specific) -> None:
        if isinstance(specific, IntegrityIssue):
            code = _INTEGRITY.get(specific.reason, code)
        behaviour = next((each for each in self.device.functions if isinstance(each, EventBehaviour)), None)
        if behaviour is not None and not behaviour.logs(code):
            return
        now = self.device.clock.utc().replace(microsecond=0)
        if isinstance(self.device, Esme) and (code >> 8 == _NETWORK_OPERATOR or code in _POWER):
            if isinstance(specific, SupplyOutage):
                now = specific.restored.replace(microsecond=0)
            self.power = (*self.power, (now, code, self._number(code, specific)))[-MOST:]
        elif code in _SECURITY:
            self.security = (*self.security, (now, code, b""))[-MOST:]
        else:
            self.events = (*self.events, (now, code, b""))[-MOST:]

    def _number(self, code: int, specific: Specific) -> int:
        if isinstance(specific, SupplyOutage):
            return max(0, round((specific.restored - specific.interrupted).total_seconds()))
        assert isinstance(self.device, Esme)
        return round(self.device.average.mean_v or 0) if code >> 8 == _NETWORK_OPERATOR else 0

    def _commanded(self, use_case: UseCase, ok: bool) -> None:
        if use_case.critical or use_case.broker_signs:
            now = self.device.clock.utc().replace(microsecond=0)
            entry = now, DONE if ok else NOT_DONE, use_case.message_code.to_bytes(2, "big")
            self.events = (*self.events, entry)[-MOST:]

    def _clear(self, _params: Values) -> Values:
        self.events = ()
        self.device.happens(CLEARED)
        return {}

    def _read_security(self, params: Values) -> Values:
        return {"security_log": tuple(row[:2] for row in within(self.security, params))}

    def _read_gas_events(self, params: Values) -> Values:
        return self._gas(params, self._asked(params).events, _OWN_EVENTS)

    def _read_gas_security(self, params: Values) -> Values:
        return self._gas(params, self._asked(params).security, _OWN_SECURITY)

    def _asked(self, params: Values) -> EventLog:
        """The device's own log, or that of its GSME, of which a GPF keeps a copy."""
        if not params.get("copy_of_gsme"):
            return self
        if self.device.dut.type is DeviceType.GPF:
            for each in self.device.neighbours:
                if each.dut.type is DeviceType.GSME:
                    return each.function(EventLog)
        raise Refused("there is no copy of the log of a gas meter", {"status": _INVALID_VALUE})

    @staticmethod
    def _gas(params: Values, events: tuple[Event, ...], log: int) -> Values:
        number = log + (_COPY if params.get("copy_of_gsme") else 0)
        rows = tuple((number, code, moment, data) for moment, code, data in within(events, params))
        return {"matching_events": len(rows), "events": rows}


def within(rows: tuple[_Row, ...], params: Values) -> tuple[_Row, ...]:
    """The rows of a log whose time lies from `log_from` to `log_to`."""
    start, end = params["log_from"], params["log_to"]
    return tuple(row for row in rows if (start is None or start <= row[0]) and (end is None or row[0] <= end))


FUNCTIONS: Mapping[DeviceType, tuple[type[Function], ...]] = dict.fromkeys(
    (DeviceType.ESME, DeviceType.GSME, DeviceType.CHF, DeviceType.GPF), (EventLog,)
)
"""By type of device."""
