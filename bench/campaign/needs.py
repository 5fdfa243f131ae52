"""Which devices of a rig a runbook cannot do without: what a lost device takes along, and what it does not."""

from __future__ import annotations

from collections.abc import Iterator

from bench.capabilities import CommsHub, Console, DccGateway, HanSniffer
from bench.rig.file import Rig
from bench.rig.installed import driver_class
from bench.runbook import Runbook
from bench.steps import Expect, Match, Step


def steps_of(runbook: Runbook) -> Iterator[Step]:
    """Every step of a runbook, those that are done in parallel one by one."""
    waiting = [placed.step for placed in runbook.all_steps()]
    while waiting:
        step = waiting.pop(0)
        yield step
        waiting[:0] = step.parallel or ()


def devices_needed(rig: Rig, runbook: Runbook) -> frozenset[str]:
    """The devices that a run of a runbook uses, and those that every run on the rig does.

    The supply path, what park and safe state act on, and what monitors read belong to every run. A witness that is
    optional is not needed. A runbook that calls a Python function needs all: nobody knows what that uses.

    Raises:
        UsageError: a device has no driver.
    """
    file = rig.file
    classes = {name: driver_class(rig, name) for name in file.devices}
    needed = {file.supply.source, file.supply.relay, file.supply.meter}
    needed |= {action.device for action in (*file.park.actions, *file.safe.actions)}
    needed |= {monitor.device for monitor in file.monitors}

    def all_that_are(protocol: type) -> set[str]:
        return {name for name, cls in classes.items() if issubclass(cls, protocol)}

    if runbook.preconditions:
        needed |= all_that_are(DccGateway)
    for step in steps_of(runbook):
        if step.call is not None:
            return frozenset(classes)
        if step.send is not None or step.inventory is not None or step.only_if is not None:
            needed |= all_that_are(DccGateway)
        if step.console is not None:
            needed |= {step.console.device} if step.console.device in classes else all_that_are(Console)
        for act in (step.supply, step.relay, step.measure):
            needed.add(getattr(act, "device", None))
        for match in (*step.expect, *step.forbid):
            needed |= _witnesses(match, all_that_are(HanSniffer), all_that_are(CommsHub), all_that_are(DccGateway))
    return frozenset(name for name in needed if name is not None)


def _witnesses(match: Match, sniffers: set[str], hubs: set[str], gateways: set[str]) -> set[str]:
    if isinstance(match, Expect) and match.witness == "optional":
        return set()
    return {"han": sniffers, "hub": hubs}.get(match.kind, gateways)


def asks_somebody(runbook: Runbook) -> str:
    """The first question that a runbook puts to a person, who is not there at night; empty if it asks nothing."""
    return next((step.prompt.text for step in steps_of(runbook) if step.prompt is not None), "")
