"""Folds what an engine says of a run: its steps, what is awaited, what was sent, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.cockpit.model import NS, Awaited, Model, Run, StepLine
from bench.cockpit.moments import note
from bench.durations import format_duration

MOST_STEPS = 2_000

_GROUPS = {"if needed": "precondition"}


def new_run(found: Mapping[str, Any]) -> Run:
    """A run that begins, with the steps of its plan."""
    plan = found.get("plan") or {}
    steps = [
        StepLine(_GROUPS.get(each["group"], each["group"]), each["name"], each["user"] or "", each["act"])
        for each in plan.get("steps", ())
    ]
    return Run(found["job"], found["runbook"], plan.get("title", ""), plan=plan, steps=steps)


def run_event(model: Model, message: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    """A run begins, is held, goes on, is aborted or ends."""
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


def step(model: Model, message: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    """A step begins or ends."""
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
    if len(run.steps) >= MOST_STEPS:
        return run.steps[-1]
    begun = [index for index, line in enumerate(run.steps) if line.verdict]
    line = StepLine(group, data["name"], data["as"] or "")
    run.steps.insert(begun[-1] + 1 if begun else 0, line)
    return line


def precondition(model: Model, message: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    """A precondition was looked at."""
    run = model.run
    if run is None or run.over:
        return
    for line in run.steps:
        if line.group == "precondition" and data["text"].startswith(f"{line.name}: ") and not line.verdict:
            line.verdict, line.reason = ("passed", "") if data["holds"] else ("to do", data["text"])
            line.began_ns, line.duration_ns = message["mono_ns"], 0
            break
    note(model, message["mono_ns"], "step", data["text"] + ("" if data["holds"] else ": to be established"))


def awaiting(model: Model, message: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    """What is awaited, and until when."""
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


def expectation(model: Model, message: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    """What became of something awaited."""
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


def sent(model: Model, message: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    """A Service Request went out."""
    about = f" about {data['about']}" if data["about"] else ""
    said = f"{data['service_request']} to {data['to']}{about} as {data['user']}: {data['response_code']}"
    note(model, data["mono_ns"], "stimulus", said)
    _thresholds(model, data["params"], "_threshold")


def saved(model: Model, message: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    """An answer was kept for later steps."""
    _thresholds(model, data["values"], "_threshold_v")


def _thresholds(model: Model, values: Mapping[str, Any], ending: str) -> None:
    for key, value in values.items():
        if key.endswith(ending) and "voltage" in key:
            try:
                model.trace.thresholds[key.removesuffix(ending).replace("_", " ")] = float(value)
            except (TypeError, ValueError):
                continue


def end_run(model: Model, run: Run, message: Mapping[str, Any]) -> None:
    """A run is over."""
    run.state, run.ended_ns, run.paused = "ended", model.last_ns, False
    run.verdict = message.get("verdict") or "not run"
    run.reason = message.get("reason") or message.get("error") or ""
    run.bundle = message.get("bundle") or ""
    for line in run.steps:
        if line.verdict == "running":
            line.verdict = "undecided"
