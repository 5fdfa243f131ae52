"""Folds what an engine says into the model: pure, quick, and never surprised by a message that it does not know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bench.cockpit import fold_run, fold_supply
from bench.cockpit.fold_seen import fold_seen
from bench.cockpit.model import Device, Model, Prompt
from bench.cockpit.moments import note


def fold(model: Model, message: Mapping[str, Any], at_s: float) -> None:
    """Take one message of an engine into account.

    Args:
        model: is changed.
        message: as it came.
        at_s: when, by the time of this process's event loop.
    """
    model.changes += 1
    handler = _MESSAGES.get(message["type"])
    if handler is not None:
        handler(model, message, at_s)


def attached(model: Model, hello: Mapping[str, Any], at_s: float) -> None:
    """An engine was found; if it is another process than before, all that was known is old."""
    if hello["pid"] != model.pid:
        fresh = Model()
        for name in Model.__slots__:
            setattr(model, name, getattr(fresh, name))
    model.link, model.why = "attached", ""
    status(model, hello)
    _clock(model, hello, at_s)


def parted(model: Model, link: str, why: str) -> None:
    """The engine is gone, or was never there."""
    if (model.link, model.why) != (link, why):
        model.changes += 1
        model.link, model.why = link, why


def status(model: Model, found: Mapping[str, Any]) -> None:
    """Take what the engine says of itself."""
    model.changes += 1
    model.engine = dict(found)
    model.state = found["state"]
    model.hands_on = found.get("hands_on")
    model.waiting = [(each["job"], each["runbook"]) for each in found["waiting"]]
    model.prompts = {each["prompt"]: _prompt(each) for each in found["prompts"]}
    model.done.clear()
    model.done.extend(found["done"])
    running = found.get("run")
    if running is not None:
        if model.run is None or model.run.job != running["job"]:
            model.run = fold_run.new_run(running)
        model.run.paused = running["paused"]
    elif model.run is not None and not model.run.over:
        # It ended while nobody listened.
        ended = next((each for each in model.done if each["job"] == model.run.job), None)
        fold_run.end_run(model, model.run, ended or {})


def describe(model: Model, found: Mapping[str, Any]) -> None:
    """Take what the engine says of its rig."""
    model.changes += 1
    model.rig = dict(found)
    supply = found["supply"]
    path = model.supply
    path.source, path.relay = supply["source"], supply["relay"] or ""
    path.meter, path.feeds = supply["meter"] or "", supply["feeds"]
    for each in found["devices"]:
        known = model.devices.get(each["name"])
        if known is None:
            model.devices[each["name"]] = Device(each["name"], each["driver"], each["address"], "connected")
    for name, dut in found["duts"].items():
        if name not in model.duts:
            detail = " ".join(part for part in (dut["model"], dut["firmware"]) if part)
            model.duts[name] = Device(name, dut["type"], dut["id"], "", detail)


def _prompt(each: Mapping[str, Any]) -> Prompt:
    return Prompt(each["prompt"], each["text"], tuple(each["choices"]))


def _clock(model: Model, message: Mapping[str, Any], at_s: float) -> None:
    mono_ns = message.get("mono_ns")
    if mono_ns is not None and mono_ns >= model.last_ns:
        model.last_ns, model.last_utc_ns, model.last_at_s = mono_ns, message["utc_ns"], at_s


def _event(model: Model, message: Mapping[str, Any], at_s: float) -> None:
    if message["n"] <= model.last_n:
        return
    model.last_n = message["n"]
    _clock(model, message, at_s)
    kind, source, data = message["kind"], message["source"], message["data"]
    device = model.devices.get(source)
    if device is not None:
        device.seen_ns = message["mono_ns"]
        if kind != "device" and device.state == "lost":
            device.state, device.detail = "connected", ""
    if kind.startswith("seen."):
        fold_seen(model, message)
    elif (handler := _EVENTS.get(kind)) is not None:
        handler(model, message, data)


def _device(model: Model, message: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    device = model.devices.get(message["source"])
    if device is None:
        return
    if data["state"] in ("lost", "garbled", "tripped") and device.state != data["state"]:
        note(model, message["mono_ns"], "trouble", f"{device.name} {data['state']}: {data.get('detail', '')}", False)
    device.state, device.detail = data["state"], data.get("detail") or ""


def _manual(model: Model, message: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    if data["state"] == "start":
        if model.hands_on is not None:
            model.hands_on = {**model.hands_on, "act": data["did"]}
        return
    if model.hands_on is not None:
        model.hands_on = {**model.hands_on, "act": ""}
    text = f"{data['did']}: {data['error'] or data['summary']}"
    model.acts.append(("not done: " if data["error"] else "done: ") + text)
    note(model, message["mono_ns"], "operator", f"by hand: {text}", False if data["error"] else None)


def _says(kind: str, key: str, good: bool | None) -> Callable[[Model, Mapping[str, Any], Mapping[str, Any]], None]:
    def say(model: Model, message: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        note(model, message["mono_ns"], kind, str(data[key]), good)

    return say


def _operator(model: Model, message: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    note(model, message["mono_ns"], "operator", f"{data['who']}: {data['did']}")


def _job(model: Model, message: Mapping[str, Any], at_s: float) -> None:
    state, job = message["state"], message["job"]
    model.waiting = [each for each in model.waiting if each[0] != job]
    if state == "wait":
        model.waiting.append((job, message["runbook"]))
    elif state == "start":
        model.run = fold_run.new_run(message)
        model.state = "running"
    else:
        model.done.append(message)
        if model.run is not None and model.run.job == job:
            fold_run.end_run(model, model.run, message)
        if message["error"]:
            note(model, model.last_ns, "trouble", f"{message['runbook']} did not run: {message['error']}", False)


def _asked(model: Model, message: Mapping[str, Any], at_s: float) -> None:
    if message["state"] == "open":
        model.prompts[message["prompt"]] = _prompt(message)
        note(model, model.last_ns, "operator", f"the runbook asks: {message['text']}")
    else:
        model.prompts.pop(message["prompt"], None)


def _in_hands(model: Model, message: Mapping[str, Any], at_s: float) -> None:
    if message["state"] == "open":
        model.hands_on = {"who": message["who"], "folder": message["folder"], "act": ""}
        model.state = "manual"
        return
    model.hands_on, model.state = None, message["rig"]
    end = message["error"] or message["bundle"]
    model.acts.append(f"given back ({message['why']}): the rig is {message['rig']}; evidence: {end}")


def _live(model: Model, message: Mapping[str, Any], at_s: float) -> None:
    _clock(model, message, at_s)
    fold_supply.live(model, message)


_EVENTS: dict[str, Callable[[Model, Mapping[str, Any], Mapping[str, Any]], None]] = {
    "measurement": fold_supply.measurement,
    "edge": fold_supply.edge,
    "run": fold_run.run_event,
    "step": fold_run.step,
    "precondition": fold_run.precondition,
    "awaiting": fold_run.awaiting,
    "expectation": fold_run.expectation,
    "sent": fold_run.sent,
    "saved": fold_run.saved,
    "park": fold_supply.rig_state,
    "safe": fold_supply.rig_state,
    "device": _device,
    "manual": _manual,
    "operator": _operator,
    "finding": _says("trouble", "text", None),
    "problem": _says("trouble", "text", False),
}
_MESSAGES: dict[str, Callable[[Model, Mapping[str, Any], float], None]] = {
    "event": _event,
    "job": _job,
    "prompt": _asked,
    "hands_on": _in_hands,
    "live": _live,
}
