"""How long a step takes, as far as its runbook says."""

from __future__ import annotations

from bench.rig.sections import VoltageRange
from bench.steps import Expect, Forbid, Step

REQUEST_S = 5.0
"""What a Service Request with its answer usually takes; only for the estimate."""


def step_times(step: Step, voltage: VoltageRange) -> tuple[float, float]:
    """How long a step usually takes, and at most, in seconds.

    Args:
        step: which.
        voltage: between what voltages a ramp may have to go.
    """
    if step.parallel:
        times = [step_times(inner, voltage) for inner in step.parallel]
        return max(usual_s for usual_s, _ in times), max(longest_s for _, longest_s in times)
    verb_s = _verb_s(step, voltage)
    waits: list[Expect] = [item for item in step.expect if item.after in ("restore", "end", "set")]
    longest = max((item.within for item in step.expect if item not in waits), default=0.0)
    tail = max((item.within for item in waits), default=0.0)
    forbids = max((_forbid_end_s(item, verb_s) for item in step.forbid), default=0.0)
    usual_s = max(verb_s, forbids)
    polling_s = step.inventory.within if step.inventory is not None else 0.0
    return usual_s, max(usual_s, longest, verb_s + tail, verb_s + polling_s)


def _forbid_end_s(item: Forbid, verb_s: float) -> float:
    return item.duration + (verb_s if item.after in ("restore", "end", "set") else 0.0)


def _verb_s(step: Step, voltage: VoltageRange) -> float:
    if step.wait is not None:
        return step.wait
    if step.measure is not None:
        return step.measure.settle
    act = step.supply
    if act is not None:
        for shape in (act.sag, act.swell, act.interrupt):
            if shape is not None:
                return shape.duration
        if act.ramp is not None:
            # From wherever the source stands; the whole range is the worst.
            return (voltage.max - voltage.min) / act.ramp.slope
    return REQUEST_S if step.verb in ("send", "inventory") else 0.0
