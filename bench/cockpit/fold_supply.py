"""Folds what an engine says of the supply: what was set, what is read, and what the rig was brought to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.cockpit.model import DARK_V, NS, Model
from bench.cockpit.moments import note
from bench.durations import format_duration

_SETTLED_S = 2.0


def measurement(model: Model, message: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    """A monitor read something."""
    if data["quantity"] != "voltage":
        return
    _reading(model, message["source"], message["mono_ns"] / NS, data["value"])


def _reading(model: Model, device: str, at_s: float, volts: float) -> None:
    supply, trace = model.supply, model.trace
    if device == supply.meter:
        supply.meter_v = volts
        trace.meter.append((at_s, volts))
        _outage(model, at_s, dark=volts < DARK_V)
    elif device == supply.source:
        supply.source_v = volts
        trace.source.append((at_s, volts))


def edge(model: Model, message: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    """The supply changed."""
    at_ns, volts, kind = data["mono_ns"], data["volts"], data["edge"]
    supply, uncertainty_ns = model.supply, data["uncertainty_ns"]
    if volts is not None and (kind != "fall" or volts > 0):
        supply.set_v, supply.on = volts, True
    _follow_set(model, at_ns / NS, 0.0 if kind == "fall" else supply.set_v if volts is None else volts)
    if kind == "restore":
        # Whatever the meter read is of before.
        supply.meter_v = None
    if kind != "set":
        _outage(model, at_ns / NS, dark=kind == "fall", exact=True)
    words = {"fall": "supply falls", "restore": "supply is back", "set": "supply set"}[kind]
    at = f" at {volts:g} V" if volts else ""
    note(model, at_ns, "supply", f"{words}{at} ± {format_duration(uncertainty_ns / NS)}, by the {data['timed_by']}")


def _follow_set(model: Model, at_s: float, volts: float | None) -> None:
    series = model.trace.set
    if volts is None:
        return
    if series:
        series.append((at_s, series[-1][1]))
    series.append((at_s, volts))


def _outage(model: Model, at_s: float, *, dark: bool, exact: bool = False) -> None:
    """The supply went or came; an exact moment, which is often told later, replaces that of a reading."""
    outages = model.trace.outages
    last = outages[-1] if outages else None
    began, ended = last or (None, at_s)
    if dark:
        if not exact and last is not None and ended is not None and at_s - ended < _SETTLED_S:
            # Asked for before the supply came back.
            return
        if last is None or (ended is not None and not (exact and ended >= at_s)):
            outages.append([at_s, None])
        elif exact and began is not None:
            last[0] = min(began, at_s)
    elif last is not None and (ended is None or (exact and began is not None and began < at_s < ended)):
        last[1] = at_s


def rig_state(model: Model, message: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    """The rig is parked or made safe, device by device."""
    at_ns, name = message["mono_ns"], message["kind"]
    if data["state"] == "start":
        note(model, at_ns, "supply", "the rig is parked" if name == "park" else "the rig is made safe")
    elif data["state"] == "done":
        _apply(model, at_ns, data["device"], data["action"])
    elif data["state"] == "unconfirmed":
        note(model, at_ns, "trouble", f"NOT CONFIRMED: {data['device']}: {data['reason']}", False)
    elif data["state"] == "end":
        model.state = {"park": "parked", "safe": "safe"}[name] if data["confirmed"] else "unsafe"


def _apply(model: Model, at_ns: int, device: str, action: str) -> None:
    """What an action says it did: "output on at 230 V", "output off", "open", "closed"."""
    supply = model.supply
    if device == supply.relay and action in ("open", "closed"):
        supply.closed = action == "closed"
    elif device == supply.source and action.startswith("output "):
        supply.on = action.startswith("output on")
        volts = action.rpartition(" at ")[2].removesuffix(" V") if " at " in action else ""
        if supply.on and volts:
            supply.set_v = float(volts)
        _follow_set(model, at_ns / NS, supply.set_v if supply.on else 0.0)
    if supply.on and supply.closed is not False:
        supply.meter_v = None
    if supply.live is not None:
        _outage(model, at_ns / NS, dark=not supply.live)


def live(model: Model, message: Mapping[str, Any]) -> None:
    """What the supply path reads just now."""
    supply, now_s = model.supply, message["mono_ns"] / NS
    for role in ("source", "relay", "meter"):
        values = message.get(role)
        name = getattr(supply, role)
        if values is None or name not in model.devices:
            continue
        device = model.devices[name]
        device.seen_ns = message["mono_ns"]
        if device.state == "lost":
            device.state, device.detail = "connected", ""
        if role == "relay":
            supply.closed = values["closed"]
        else:
            _reading(model, name, now_s, values["v"])
    source = message.get("source") or {}
    if "on" in source:
        supply.on, supply.set_v = source["on"], source["set_v"]
        volts = source["set_v"] if source["on"] else 0.0
        if not model.trace.set or model.trace.set[-1][1] != volts:
            _follow_set(model, now_s, volts)
    for name, why in message["lost"].items():
        if name in model.devices:
            model.devices[name].state, model.devices[name].detail = "lost", why
    if supply.live is not None:
        _outage(model, now_s, dark=not supply.live)
