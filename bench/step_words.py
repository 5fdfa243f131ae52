"""What a step does, in words, for people who read a plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.duis.service_requests import all_service_requests
from bench.quantities import format_duration
from bench.steps import Step


def describe_act(step: Step) -> str:
    """A step's verb in words."""
    if step.send is not None:
        about = f" about {step.send.device}" if step.send.device else ""
        request = all_service_requests().get(step.send.service_request, step.send.service_request)
        return f"send {request} to {step.send.to}{about}"
    if step.supply is not None:
        return f"supply: {_describe_supply(step.supply.model_dump(exclude_none=True, by_alias=True))}"
    if step.relay is not None:
        return f"{'close' if step.relay.closed else 'open'} the relay"
    if step.measure is not None:
        return f"measure {step.measure.quantity}: {step.measure.between[0]} to {step.measure.between[1]}"
    if step.wait is not None:
        return f"wait {format_duration(step.wait)}"
    if step.inventory is not None:
        return f"inventory: {step.inventory.device} is {' or '.join(step.inventory.status)}"
    if step.console is not None:
        return f"ask {step.console.device}: {step.console.command}"
    if step.prompt is not None:
        return f"ask the operator: {step.prompt.text}"
    if step.call is not None:
        return f"call {step.call.function}"
    if step.deliver is not None:
        return f"deliver the local command {step.deliver.command} to {step.deliver.to} by hand"
    return "at once: " + "; ".join(describe_act(inner) for inner in step.parallel or ())


def _describe_supply(act: Mapping[str, Any]) -> str:
    words = []
    for name, value in act.items():
        if isinstance(value, bool):
            words.append(f"{name} {'on' if value else 'off'}")
        elif isinstance(value, Mapping):
            words.append(f"{name} " + " ".join(f"{key} {item}" for key, item in value.items()))
        else:
            words.append(f"{name} {value}")
    return ", ".join(words)
