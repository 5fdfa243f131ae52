"""Folds what an engine says into the model: pure, quick, and never surprised by a message that it does not know."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from typing import Any

from bench.cockpit.fold_seen import fold_seen
from bench.cockpit.model import NS, Awaited, Device, Model, Moment, Prompt, Run, StepLine
from bench.quantities import format_duration

_GROUPS = {"if needed": "precondition"}


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
            model.run = _new_run(running)
        model.run.paused = running["paused"]
    elif model.run is not None and not model.run.over:
        # It ended while nobody listened.
        ended = next((each for each in model.done if each["job"] == model.run.job), None)
        _end(model, model.run, ended or {})


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


def _new_run(found: Mapping[str, Any]) -> Run:
    plan = found.get("plan") or {}
    steps = [
        StepLine(_GROUPS.get(each["group"], each["group"]), each["name"], each["user"] or "", each["act"])
        for each in plan.get("steps", ())
    ]
    return Run(found["job"], found["runbook"], plan.get("title", ""), plan=plan, steps=steps)


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


def note(model: Model, at_ns: int, kind: str, text: str, good: bool | None = None) -> None:
    """Put a line into the time line, where it belongs: what caused something is often told after it."""
    moment, moments = Moment(at_ns, kind, text, good), model.moments
    if not moments or moments[-1].at_ns <= at_ns:
        moments.append(moment)
        return
    place = bisect_right([each.at_ns for each in moments], at_ns)
    if len(moments) == moments.maxlen:
        moments.popleft()
        place = max(0, place - 1)
    moments.insert(place, moment)


def _measurement(model: Model, message: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    if data["quantity"] != "voltage":
        return
    _reading(model, message["source"], message["mono_ns"] / NS, data["value"])


def _reading(model: Model, device: str, at_s: float, volts: float) -> None:
    supply, trace = model.supply, model.trace
    if device == supply.meter:
        supply.meter_v = volts
        trace.meter.append((at_s, volts))
    elif device == supply.source:
        supply.source_v = volts
        trace.source.append((at_s, volts))


def _edge(model: Model, message: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    at_ns, volts, kind = data["mono_ns"], data["volts"], data["edge"]
    supply, uncertainty_ns = model.supply, data["uncertainty_ns"]
    if volts is not None and (kind != "fall" or volts > 0):
        supply.set_v, supply.on = volts, True
    _follow_set(model, at_ns / NS, 0.0 if kind == "fall" else supply.set_v if volts is None else volts)
    _outage(model, at_ns / NS, dark=kind == "fall") if kind != "set" else None
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


def _outage(model: Model, at_s: float, *, dark: bool) -> None:
    outages = model.trace.outages
    going_on = bool(outages) and outages[-1][1] is None
    if dark and not going_on:
        outages.append([at_s, None])
    elif not dark and going_on:
        outages[-1][1] = at_s


def _run(model: Model, message: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    run, state, at_ns = model.run, data["state"], message["mono_ns"]
    if state == "start":
        if run is not None and run.runbook == data["runbook"] and not run.over:
            run.title, run.began_ns = data["title"], at_ns
        note(model, at_ns, "step", f"{data['runbook']} begins: {data['title']}")
    elif state == "end":
        note(model, at_ns, "verdict", f"ends {data['verdict'].upper()}{_because(data)}", data["verdict"] == "passed")
    elif state == "abort":
        note(model, at_ns, "operator", f"aborted: {data['reason']}", False)
    elif state == "abort step":
        note(model, at_ns, "operator", f"step aborted {data['reason']}", False)
    elif state in ("pause", "resume"):
        if run is not None:
            run.paused = state == "pause"
        note(model, at_ns, "operator", "held before the next step" if state == "pause" else "goes on")


def _because(data: Mapping[str, Any]) -> str:
    return f": {data['reason']}" if data.get("reason") else ""


def _step(model: Model, message: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    run, at_ns = model.run, message["mono_ns"]
    if run is None or run.over:
        return
    line = _line(run, data)
    if data["state"] == "start":
        line.verdict, line.began_ns = "running", at_ns
        run.awaited.clear()
        note(model, at_ns, "step", f"{data['name']}{' as ' + data['as'] if data['as'] else ''}")
        return
    line.verdict, line.reason, line.duration_ns = data["verdict"], data["reason"], data["duration_ns"]
    if data["verdict"] != "blocked":
        good = {"passed": True, "skipped": None}.get(data["verdict"], False)
        note(model, at_ns, "verdict", f"{data['name']}: {data['verdict']}{_because(data)}", good)


def _line(run: Run, data: Mapping[str, Any]) -> StepLine:
    """The step's line: the first of that name that has not ended, or a new one behind the last that has begun."""
    group = _GROUPS.get(data["group"], data["group"])
    for line in run.steps:
        if (line.group, line.name) == (group, data["name"]) and line.verdict in ("", "running"):
            return line
    begun = [index for index, line in enumerate(run.steps) if line.verdict]
    line = StepLine(group, data["name"], data["as"] or "")
    run.steps.insert(begun[-1] + 1 if begun else 0, line)
    return line


def _precondition(model: Model, message: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    run = model.run
    if run is None or run.over:
        return
    for line in run.steps:
        if line.group == "precondition" and data["text"].startswith(f"{line.name}: ") and not line.verdict:
            line.verdict, line.reason = ("passed", "") if data["holds"] else ("to do", data["text"])
            line.began_ns, line.duration_ns = message["mono_ns"], 0
            break
    note(model, message["mono_ns"], "step", data["text"] + ("" if data["holds"] else ": to be established"))


def _awaiting(model: Model, message: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    run = model.run
    if run is None or run.over:
        return
    taken: list[Awaited] = []
    for item in data["items"]:
        open_ones = (each for each in run.awaited if not each.verdict and not any(each is other for other in taken))
        known = next((each for each in open_ones if (each.label, each.must) == (item["label"], item["must"])), None)
        if known is None:
            known = Awaited(item["label"], item["must"], item["to"] or "", item["after"], item["due_mono_ns"])
            run.awaited.append(known)
        elif item["due_mono_ns"] is not None:
            known.due_ns = item["due_mono_ns"]
        taken.append(known)


def _expectation(model: Model, message: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    latency_ns, uncertainty_ns = data.get("latency_ns"), data.get("uncertainty_ns") or 0
    after = ""
    if latency_ns is not None:
        spread = f" ± {format_duration(uncertainty_ns / NS)}" if uncertainty_ns else ""
        after = f" after {format_duration(latency_ns / NS)}{spread}"
    note(
        model,
        message["mono_ns"],
        "verdict",
        f"{data['label']}: {data['verdict']}{after}{_because(data)}",
        data["verdict"] == "passed",
    )
    for each in model.run.awaited if model.run is not None else ():
        if each.label == data["label"] and not each.verdict:
            each.verdict, each.reason = data["verdict"], data["reason"]
            each.latency_ns, each.uncertainty_ns = latency_ns, uncertainty_ns
            break


def _sent(model: Model, message: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    about = f" about {data['about']}" if data["about"] else ""
    said = f"{data['service_request']} to {data['to']}{about} as {data['user']}: {data['response_code']}"
    note(model, data["mono_ns"], "stimulus", said)
    _thresholds(model, data["params"], "_threshold")


def _saved(model: Model, message: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    _thresholds(model, data["values"], "_threshold_v")


def _thresholds(model: Model, values: Mapping[str, Any], ending: str) -> None:
    for key, value in values.items():
        if key.endswith(ending) and "voltage" in key:
            try:
                model.trace.thresholds[key.removesuffix(ending).replace("_", " ")] = float(value)
            except (TypeError, ValueError):
                continue


def _state(model: Model, message: Mapping[str, Any], data: Mapping[str, Any]) -> None:
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
    if supply.live is not None:
        _outage(model, at_ns / NS, dark=not supply.live)


def _device(model: Model, message: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    device = model.devices.get(message["source"])
    if device is None:
        return
    if data["state"] in ("lost", "garbled") and device.state != data["state"]:
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
        model.run = _new_run(message)
        model.state = "running"
    else:
        model.done.append(message)
        if model.run is not None and model.run.job == job:
            _end(model, model.run, message)
        if message["error"]:
            note(model, model.last_ns, "trouble", f"{message['runbook']} did not run: {message['error']}", False)


def _end(model: Model, run: Run, message: Mapping[str, Any]) -> None:
    run.state, run.ended_ns, run.paused = "ended", model.last_ns, False
    run.verdict = message.get("verdict") or "not run"
    run.reason = message.get("reason") or message.get("error") or ""
    run.bundle = message.get("bundle") or ""
    for line in run.steps:
        if line.verdict == "running":
            line.verdict = "undecided"


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


_EVENTS: dict[str, Callable[[Model, Mapping[str, Any], Mapping[str, Any]], None]] = {
    "measurement": _measurement,
    "edge": _edge,
    "run": _run,
    "step": _step,
    "precondition": _precondition,
    "awaiting": _awaiting,
    "expectation": _expectation,
    "sent": _sent,
    "saved": _saved,
    "park": _state,
    "safe": _state,
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
