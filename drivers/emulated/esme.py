"""The emulated electricity meter: fed by the mains, it tells outages and average voltages and feeds the Comms Hub."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from bench.gbcs.alerts import SUPPLY_OUTAGE_RESTORED, SUPPLY_OUTAGE_RESTORED_LONG, Specific, SupplyOutage
from bench.gbcs.catalogue import Encoding
from bench.parties import Dut
from drivers.emulated.commands import Values
from drivers.emulated.device import Anchor, Surroundings, from_utc_ns
from drivers.emulated.identities import RemotePartyRole
from drivers.emulated.meter import Meter, SupplyState
from drivers.emulated.power import AverageVoltage, PowerSense, VoltageSettings
from drivers.emulated.schedule import Timer
from drivers.emulated.supply import Gate, SupplyNode

LONG_OUTAGE_NS = 180 * 1_000_000_000
"""From this length on a restored outage is 0x8F36 and no longer 0x8F35."""

_NOTICEABLE_V = 1.0

_LIMITS = {
    "rms_extreme_over_voltage_threshold_v": 276,
    "rms_extreme_over_voltage_measurement_period_s": 30,
    "rms_extreme_under_voltage_threshold_v": 184,
    "rms_extreme_under_voltage_measurement_period_s": 30,
    "rms_voltage_sag_threshold_v": 207,
    "rms_voltage_sag_measurement_period_s": 30,
    "rms_voltage_swell_threshold_v": 265,
    "rms_voltage_swell_measurement_period_s": 30,
}
"""Settings of the extreme, sag and swell detectors: kept and read back, their events are not emulated."""


class Esme(Meter):
    """An ESME with its terminals at a node of the supply path.

    An outage is the time during which the voltage at the terminals lay below the brown-out level, if that is longer
    than the meter's hold-up time; its length counts by the meter's own clock. It is reported once the meter has
    booted again. What a real meter keeps in non-volatile memory, this one keeps across an outage: settings, supply
    state, clock and counters.

    Args:
        surroundings: the world.
        dut: what the rig says of it.
        anchors: whom it trusts.
        node: its terminals.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        dut: Dut,
        anchors: Mapping[RemotePartyRole, Anchor],
        node: SupplyNode,
    ) -> None:
        super().__init__(surroundings, dut, Encoding.DLMS, anchors)
        spec, schedule = surroundings.spec, surroundings.schedule
        self.node = node
        self._limits: dict[str, int] = dict(_LIMITS)
        self.load = SupplyNode(lambda: schedule.now_s)
        self._load_switch = Gate(node, self.load, lambda: schedule.now_s, closed=True)
        self._fell_utc_ns = 0
        self._unreported: list[tuple[int, Specific]] = []
        self.last_outage: SupplyOutage | None = None
        self._boot: Timer | None = None
        self._target_v = node.trajectory.target_v
        self._power = PowerSense(
            schedule,
            node,
            spec.brown_out,
            spec.hold_up,
            on_fall=self._fell,
            on_lost=self._lost,
            on_back=self._back,
        )
        self._running = self._power.powered
        phase = schedule.random(f"averaging phase of {dut.name}").random()
        settings = VoltageSettings(int(spec.voltage.period), spec.voltage.over, spec.voltage.under)
        self.average = AverageVoltage(schedule, phase, settings, self.raise_alert)
        self.average.follow(node.trajectory if self._power.powered else None)
        node.subscribe(self._voltage_changed)
        self.actions |= {
            "ECS29a": self._configure_and_reset,
            "ECS29c": self._configure_voltage,
            "ECS26b": self._read_voltage,
            "ECS23": self._read_recorded,
            "ECS42": self.enable_supply,
            "ECS43": self.disable_supply,
            "ECS44": self.arm_supply,
            "ECS45": lambda _params: {"supply_state": self.supply.name.lower()},
            "ECS70": self.set_clock,
            "ECS39a": self._set_mpan,
        }

    def save(self) -> dict[str, Any]:
        """What it keeps without power."""
        return super().save() | {
            "limits": self._limits,
            "average": self.average.save(),
            "fell_utc_ns": self._fell_utc_ns,
            "last_outage": self.last_outage,
            "unreported": self._unreported,
        }

    def restore(self, saved: Mapping[str, Any], away_s: float) -> None:
        """Go on where an earlier life of the world stopped."""
        super().restore(saved, away_s)
        self._load_switch.set(self.supply is SupplyState.ENABLED)
        self._limits = dict(saved["limits"])
        self.average.load(saved["average"], away_s)
        self._fell_utc_ns, self.last_outage = saved["fell_utc_ns"], saved["last_outage"]
        self._unreported = list(saved["unreported"])
        if self._running and self._unreported:
            self._boot = self.world.schedule.after(self.world.spec.esme_boot, self._booted)

    @property
    def powered(self) -> bool:
        """Whether it has booted since its supply came back."""
        return self._running

    def _configure_voltage(self, params: Values) -> Values:
        self._limits = {name: value for name, value in params.items() if not name.startswith("average_")}
        self.average.configure(
            VoltageSettings(
                params["average_rms_voltage_measurement_period_s"],
                params["average_rms_over_voltage_threshold_v"],
                params["average_rms_under_voltage_threshold_v"],
            )
        )
        return {}

    def _configure_and_reset(self, params: Values) -> Values:
        self.average.reset_counts()
        return self._configure_voltage(params)

    def _read_recorded(self, params: Values) -> Values:
        now_s, now = self.world.schedule.now_s, self.clock.utc()
        entries = [(now - timedelta(seconds=now_s - end_s), round(volts)) for end_s, volts in self.average.means]
        start, end = params["log_from"], params["log_to"]
        return {
            "average_rms_under_voltage_counter": self.average.under_count,
            "average_rms_over_voltage_counter": self.average.over_count,
            "average_rms_voltage_log": tuple(entry for entry in entries if _within(entry[0], start, end)),
            "average_rms_voltage_measurement_period_s": self.average.settings.period_s,
        }

    def _read_voltage(self, _params: Values) -> Values:
        settings = self.average.settings
        return self._limits | {
            "average_rms_over_voltage_threshold_v": round(settings.over_v),
            "average_rms_under_voltage_threshold_v": round(settings.under_v),
        }

    def _set_mpan(self, params: Values) -> Values:
        self.mpxn = params["import_mpan"]
        return {}

    def set_supply(self, state: SupplyState) -> None:
        """Put the load switch into a state, whoever wants that."""
        super().set_supply(state)
        self._load_switch.set(state is SupplyState.ENABLED)

    def _voltage_changed(self, node: SupplyNode) -> None:
        if self._power.powered:
            self.average.follow(node.trajectory)
            if self._target_v and abs(node.trajectory.target_v - self._target_v) >= _NOTICEABLE_V:
                self.world.stimulus("voltage" if node.trajectory.target_v else "fallen")
        self._target_v = node.trajectory.target_v

    def _fell(self) -> None:
        self._fell_utc_ns = self.clock.utc_ns()

    def _lost(self) -> None:
        self._running = False
        if self._boot is not None:
            self._boot.cancel()
        self.average.follow(None)

    def _back(self) -> None:
        back_utc_ns = self.clock.utc_ns()
        self.average.follow(self.node.trajectory)
        if self._fell_utc_ns:
            self.last_outage = SupplyOutage(from_utc_ns(self._fell_utc_ns), from_utc_ns(back_utc_ns))
            long = back_utc_ns - self._fell_utc_ns >= LONG_OUTAGE_NS
            code = SUPPLY_OUTAGE_RESTORED_LONG if long else SUPPLY_OUTAGE_RESTORED
            self._unreported.append((code, self.last_outage))
            self.world.stimulus("restored")
        self._boot = self.world.schedule.after(self.world.spec.esme_boot, self._booted)

    def _booted(self) -> None:
        self._running = True
        unreported, self._unreported = self._unreported, []
        for code, specific in unreported:
            self.raise_alert(code, specific)

    def reboot(self) -> None:
        """Restart the meter's software: for a while it says nothing on the HAN, and begins a new averaging period."""
        if self._power.powered:
            self._lost()
            self.average.follow(self.node.trajectory)
            self._boot = self.world.schedule.after(self.world.spec.esme_boot, self._booted)

    def tell(self, code: int, specific: Specific = b"") -> None:
        """Raise an alert, now or as soon as the meter has booted."""
        if self._running:
            self.raise_alert(code, specific)
        else:
            self._unreported.append((code, specific))


def _within(moment: datetime, start: datetime | None, end: datetime | None) -> bool:
    return (start is None or start <= moment) and (end is None or moment <= end)
