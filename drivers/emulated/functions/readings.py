"""What meters measure: energy, power, maximum demand and gas, all of it found when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import Any, ClassVar

from bench.gbcs.log_register_use_cases import BLOCK_TOU_REGISTERS, BLOCKS, TOU_REGISTERS
from bench.gbcs.readings_fields import END, START
from bench.parties import DeviceType
from drivers.emulated.commands import Action, Refused, Values
from drivers.emulated.device import EmulatedDevice, from_utc_ns, to_utc_ns
from drivers.emulated.esme import Esme
from drivers.emulated.functions.base import Function
from drivers.emulated.functions.counting import Count, Counts
from drivers.emulated.functions.flow import NS_PER_HOUR, Change, Flow
from drivers.emulated.functions.load_control import LoadControl
from drivers.emulated.functions.load_limit import LoadLimit
from drivers.emulated.functions.logs import EnergyLogs, GasLogs
from drivers.emulated.functions.logs_registers import Energy, Gas
from drivers.emulated.gsme import Gsme
from drivers.emulated.meter import SupplyState
from drivers.emulated.supply import SupplyNode

BASE_W, BASE_VAR = 250.0, 50.0
"""What the premises draw besides switched loads: the standby of a household."""

GAS_LITRES_PER_HOUR = 120.0
"""What the premises burn: a pilot's share of a boiler."""

HALF_HOUR = timedelta(minutes=30)
MOST_HALF_HOURS = 19_056
"""Thirteen months of half hours (SMETS 5.7.5.27); export and reactive import have fewer."""

MOST_OTHER_HALF_HOURS = 4_464
GAS_REGISTERS = 4
"""A GSME has so many registers by time of use, and counters of so many blocks."""

_LIVE_V = 80.0
_CUBIC_METRES = 1
_DIVISOR = 1000
_HALF_HOUR_NS = NS_PER_HOUR // 2
_WINDOWS = {"max_demand_import": False, "max_demand_config_time": True}


class Metering(Function):
    """The registers, profiles and maximum demands of an ESME (SMETS 5.7.5).

    The premises draw a base load, and what their switched loads draw, as long as the load switch is closed and there
    is voltage; they export nothing. A half hour is in the profile once it is over, if the meter knew all of it.

    Attributes:
        changes: of active power, in watts.
        reactive_changes: of reactive power, in var.
        counts: what the registers of the tariff have counted.
        on_flow: called whenever the power that is imported has changed.
        resets: when a maximum demand was reset last, by name.
        period: start and end of the configurable time, each day.
    """

    remembers: ClassVar[tuple[str, ...]] = (
        "changes",
        "reactive_changes",
        "counts",
        "resets",
        "period",
    )

    def __init__(self, device: EmulatedDevice) -> None:
        super().__init__(device)
        self._active, self._reactive = Flow(), Flow()
        self._loads_w = 0.0
        self.counts = Counts.of(TOU_REGISTERS, BLOCKS * BLOCK_TOU_REGISTERS)
        self.on_flow: list[Callable[[], None]] = []
        self.resets: dict[str, datetime] = {}
        self.period: tuple[time, time] = (time(16), time(20))

    @property
    def changes(self) -> tuple[Change, ...]:
        """Changes of active power."""
        return self._active.changes

    @changes.setter
    def changes(self, changes: tuple[Change, ...]) -> None:
        self._active = Flow(changes)

    @property
    def reactive_changes(self) -> tuple[Change, ...]:
        """Changes of reactive power."""
        return self._reactive.changes

    @reactive_changes.setter
    def reactive_changes(self, changes: tuple[Change, ...]) -> None:
        self._reactive = Flow(changes)

    @property
    def actions(self) -> Mapping[str, Action]:
        """What it can be told to do, by use case name."""
        return {
            "ECS17a": lambda _params: {"active_export_wh": 0, "reactive_export_varh": 0},
            "ECS17b": self._read_import,
            "ECS17c": self._read_power,
            "ECS17d": lambda _params: {"tou_registers_wh": self.energy().by_time},
            "ECS17e": self._read_blocks,
            "ECS18a": self._read_export_demand,
            "ECS18b": self._read_import_demand,
            "ECS22a": lambda params: {"export_profile": tuple((end, 0, 0) for end, _ in self._profile(params, False))},
            "ECS22b": lambda params: {"import_profile": self._profile(params, True)},
            "ECS22c": lambda params: {"reactive_import_profile": self._profile(params, False)},
            "ECS27": self._read_load_limit,
            "ECS37": self._set_period,
            "ECS57": self._reset,
        }

    def start(self) -> None:
        """Begin to measure."""
        esme = self.device
        assert isinstance(esme, Esme)
        esme.load.subscribe(self._voltage_changed)
        loads = esme.function(LoadControl)
        self._loads_w, loads.on_power = loads.watts, self._loads_changed
        esme.function(EnergyLogs).read_energy = self.energy
        self._measure()

    def energy(self, at: datetime | None = None) -> Energy:
        """What the registers say now, or said just before a moment, in whole watt-hours."""
        count = self.count(at, before=True)
        return Energy(
            imported=int(count.total), by_time=tuple(map(int, count.by_time)), by_block=_in_blocks(count.by_block)
        )

    def count(self, at: datetime | None = None, *, before: bool = False) -> Count:
        """What was counted up to now, or up to a moment; `before` leaves out what changed at that moment itself."""
        at_ns = self._now_ns if at is None else to_utc_ns(at)
        count = self.counts.before(at_ns) if before and at is not None else self.counts.last
        return count.at(at_ns, self._active.total(at_ns))

    def count_in(self, at: datetime, register: int, block: int | None = None, *, anew: bool = False) -> None:
        """Count from a moment on in another register: the tariff has switched.

        Args:
            at: UTC, not in the future.
            register: by time of use, from 0 on.
            block: from 0 on; None for a price by time of use only.
            anew: the counters of the blocks begin at zero.
        """
        count = self.counts.last.at(to_utc_ns(at), self._active.total(to_utc_ns(at)))
        self.counts = self.counts.changed(
            replace(
                count,
                counters=(0.0,) * len(count.counters) if anew else count.counters,
                time_register=register if block is None else None,
                block_register=None if block is None else block * BLOCK_TOU_REGISTERS + register,
            )
        )

    def reaches(self, wh: float) -> datetime | None:
        """When the import register says so much, if the power stays as it is; None if it never does."""
        at_ns = self._active.reaches(wh)
        return None if at_ns is None else from_utc_ns(at_ns)

    @property
    def _now_ns(self) -> int:
        return self.device.clock.utc_ns()

    def _voltage_changed(self, _node: SupplyNode) -> None:
        self._measure()

    def _loads_changed(self, watts: float) -> None:
        self._loads_w = watts
        self._measure()

    def _measure(self) -> None:
        esme = self.device
        assert isinstance(esme, Esme)
        live, before = esme.load.trajectory.target_v >= _LIVE_V, self._active.rate
        self._active.set(self._now_ns, BASE_W + self._loads_w if live else 0.0)
        self._reactive.set(self._now_ns, BASE_VAR if live else 0.0)
        esme.function(LoadLimit).power_is(self._active.rate)
        if self._active.rate != before:
            for listener in self.on_flow:
                listener()

    def _read_import(self, _params: Values) -> Values:
        return {
            "active_import_wh": self.energy().imported,
            "reactive_import_varh": int(self._reactive.total(self._now_ns)),
        }

    def _read_power(self, _params: Values) -> Values:
        watts = round(self._active.rate)
        return {"active_import_w": watts, "primary_active_import_w": watts}

    def _read_blocks(self, _params: Values) -> Values:
        """Of each block the registers by time of use, then the counters, which count the same until they are reset."""
        count = self.count()
        rows = zip(_in_blocks(count.by_block), _in_blocks(count.counters), strict=True)
        return {"block_registers_wh": tuple(value for row in rows for part in row for value in part)}

    # Profiles

    def _profile(self, params: Values, active: bool) -> tuple[tuple[datetime, int], ...]:
        flow, most = (self._active, MOST_HALF_HOURS) if active else (self._reactive, MOST_OTHER_HALF_HOURS)
        ends = half_hours(flow, self._now_ns, params["log_from"], params["log_to"], most)
        return tuple((end, round(flow.between(_ns(end) - _HALF_HOUR_NS, _ns(end)))) for end in ends)

    # Maximum demand

    def _read_import_demand(self, _params: Values) -> Values:
        values: dict[str, Any] = {START: self.period[0], END: self.period[1]}
        for name, only_in_period in _WINDOWS.items():
            values[f"{name}_reset_at"] = self.resets.get(name)
            values[f"{name}_w"], values[f"{name}_at"] = self._demand(name, only_in_period)
        return values

    def _demand(self, name: str, only_in_period: bool) -> tuple[int, datetime | None]:
        """The highest average power of a half hour since the reset, and when that half hour was over."""
        highest, at = 0.0, None
        for end in half_hours(self._active, self._now_ns, self.resets.get(name), None, MOST_HALF_HOURS):
            if only_in_period and not self._is_in_period((end - HALF_HOUR).time()):
                continue
            watts = 2 * self._active.between(_ns(end) - _HALF_HOUR_NS, _ns(end))
            if watts > highest + 1e-6:
                highest, at = watts, end
        return round(highest), at

    def _is_in_period(self, at: time) -> bool:
        start, end = self.period
        return start <= at < end if start <= end else at >= start or at < end

    def _read_export_demand(self, _params: Values) -> Values:
        return {
            "max_demand_export_reset_at": self.resets.get("max_demand_export"),
            "max_demand_export_w": 0,
            "max_demand_export_at": None,
        }

    def _set_period(self, params: Values) -> Values:
        self.period = params[START], params[END]
        return {}

    def _reset(self, params: Values) -> Values:
        now = self.device.clock.utc().replace(microsecond=0)
        self.resets |= {name.removeprefix("reset_"): now for name in params}
        return {}

    def _read_load_limit(self, _params: Values) -> Values:
        limit = self.device.function(LoadLimit)
        return {
            "load_limit_supply_flag": int(limit.disables),
            "load_limit_counter": limit.counter,
            "load_limit_power_threshold_w": limit.power_threshold_w,
            "load_limit_period_s": limit.period_s,
            "load_limit_restoration_period_s": limit.restoration_period_s,
        }


class GasMetering(Function):
    """The registers and the profile of a GSME (SMETS 4.6.5), in litres; a closed valve lets nothing through.

    Attributes:
        changes: of the flow, in litres an hour.
        counts: what the registers of the tariff have counted.
        on_flow: called whenever the flow may have changed.
    """

    remembers: ClassVar[tuple[str, ...]] = ("changes", "counts")

    def __init__(self, device: EmulatedDevice) -> None:
        super().__init__(device)
        self._flow = Flow()
        self.counts = Counts.of(GAS_REGISTERS, GAS_REGISTERS)
        self.on_flow: list[Callable[[], None]] = []

    @property
    def changes(self) -> tuple[Change, ...]:
        """Changes of the flow."""
        return self._flow.changes

    @changes.setter
    def changes(self, changes: tuple[Change, ...]) -> None:
        self._flow = Flow(changes)

    @property
    def actions(self) -> Mapping[str, Action]:
        """What it can be told to do, by use case name."""
        return {
            "GCS13a": lambda _params: _FORMAT | {"consumption": self.gas().consumed},
            "GCS13b": lambda _params: _FORMAT | _numbered("block_counter", self.gas().by_block),
            "GCS13c": lambda _params: _FORMAT | _numbered("tou_register", self.gas().by_time),
            "GCS17": self._read_profile,
        }

    def start(self) -> None:
        """Begin to measure."""
        gsme = self.device
        assert isinstance(gsme, Gsme)
        gsme.on_supply.append(self._measure)
        gsme.function(GasLogs).read_gas = self.gas
        self._measure()

    def gas(self, at: datetime | None = None) -> Gas:
        """What the registers say now, or said just before a moment, in whole litres."""
        count = self.count(at, before=True)
        return Gas(int(count.total), tuple(map(int, count.by_time)), tuple(map(int, count.counters)))

    def count(self, at: datetime | None = None, *, before: bool = False) -> Count:
        """What was counted up to now, or up to a moment; `before` leaves out what changed at that moment itself."""
        at_ns = self.device.clock.utc_ns() if at is None else to_utc_ns(at)
        count = self.counts.before(at_ns) if before and at is not None else self.counts.last
        return count.at(at_ns, self._flow.total(at_ns))

    def count_in(self, at: datetime, register: int, block: int | None = None, *, anew: bool = False) -> None:
        """Count from a moment on in another register, or in another block: the tariff has switched."""
        count = self.counts.last.at(to_utc_ns(at), self._flow.total(to_utc_ns(at)))
        counters = (0.0,) * GAS_REGISTERS if anew else count.counters
        self.counts = self.counts.changed(
            replace(count, counters=counters, time_register=register if block is None else None, block_register=block)
        )

    def reaches(self, litres: float) -> datetime | None:
        """When the consumption register says so much, if the flow stays as it is; None if it never does."""
        at_ns = self._flow.reaches(litres)
        return None if at_ns is None else from_utc_ns(at_ns)

    def _measure(self) -> None:
        gsme = self.device
        assert isinstance(gsme, Gsme)
        rate = GAS_LITRES_PER_HOUR if gsme.supply is SupplyState.ENABLED else 0.0
        self._flow.set(gsme.clock.utc_ns(), rate)
        for listener in self.on_flow:
            listener()

    def _read_profile(self, params: Values) -> Values:
        ends = list(half_hours(self._flow, self.device.clock.utc_ns(), params["log_from"], None, MOST_HALF_HOURS))
        ends = ends[: params["number_of_samples"]]
        if not ends:
            return {}
        litres = (round(self._flow.between(_ns(end) - _HALF_HOUR_NS, _ns(end))) for end in ends)
        return {"first_sample": ends[0], "interval_s": 1800, "samples": tuple(litres)}


class GasReadingsProxy(Function):
    """A GPF's mirror of its GSME's registers and profile."""

    @property
    def actions(self) -> Mapping[str, Action]:
        """What it can be told to do, by use case name."""
        return {name: partial(self._mirror, name) for name in ("GCS13a", "GCS13b", "GCS13c", "GCS17")}

    def _mirror(self, name: str, params: Values) -> Values:
        for each in self.device.neighbours:
            if isinstance(each, Gsme):
                return each.function(GasMetering).actions[name](params)
        raise Refused("there is no GSME")


_FORMAT = {"divisor": _DIVISOR, "multiplier": 1, "unit": _CUBIC_METRES}


def half_hours(flow: Flow, now_ns: int, start: datetime | None, end: datetime | None, most: int) -> Iterator[datetime]:
    """The ends of the half hours that are wholly known, over, and in a range; the latest of very many."""
    if flow.began_ns is None:
        return
    first_ns = -(-flow.began_ns // _HALF_HOUR_NS) * _HALF_HOUR_NS + _HALF_HOUR_NS
    last_ns = now_ns // _HALF_HOUR_NS * _HALF_HOUR_NS
    first_ns = max(first_ns, last_ns - (most - 1) * _HALF_HOUR_NS)
    if start is not None:
        first_ns = max(first_ns, -(-_ns(start) // _HALF_HOUR_NS) * _HALF_HOUR_NS)
    if end is not None:
        last_ns = min(last_ns, _ns(end))
    for at_ns in range(first_ns, last_ns + 1, _HALF_HOUR_NS):
        yield from_utc_ns(at_ns)


def _ns(moment: datetime) -> int:
    return to_utc_ns(moment.astimezone(UTC))


def _in_blocks(registers: tuple[float, ...]) -> tuple[tuple[int, ...], ...]:
    whole = tuple(map(int, registers))
    return tuple(whole[start : start + BLOCK_TOU_REGISTERS] for start in range(0, len(whole), BLOCK_TOU_REGISTERS))


def _numbered(name: str, values: tuple[int, ...]) -> dict[str, int]:
    return {f"{name}_{number}": value for number, value in enumerate(values, start=1)}


FUNCTIONS: Mapping[DeviceType, tuple[type[Function], ...]] = {
    DeviceType.ESME: (Metering,),
    DeviceType.GSME: (GasMetering,),
    DeviceType.GPF: (GasReadingsProxy,),
}
"""By type of device."""
