"""The verbs of a step, carried out on a live rig.

Each returns a few words for the table of steps, tells the step's watch the anchors that it made, and raises
`StepFailed` if what it looked at is not as it must be. Limits are checked by the guarded source.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any, Protocol, cast

from bench.capabilities import AcSource, Console, DccGateway, Edge, Exchange, HandHeld, Measures, Switch
from bench.duis.bodies import body_of
from bench.duis.shapes import secret_keys
from bench.errors import BenchError, DeviceError, LimitExceeded, UsageError
from bench.expectations import StepWatch
from bench.interlock import GuardedSource
from bench.parties import Dut
from bench.quantities import format_duration, parse
from bench.request_params import NothingSaved, request_params
from bench.rig.installed import load_entry
from bench.rig.session import RigSession
from bench.steps import Inventory, Measure, Send, Step, Supply
from bench.tasks import at_once

INVENTORY_REQUEST = "8.2"
INVENTORY_POLL_S = 5.0
NEEDS = "needs"
"""The attribute of a step function that names the capability which a rig must have for it."""
_SHOWN_CHARACTERS = 80


class StepFailed(BenchError):
    """A verb found something other than what the runbook demands."""


class Operator(Protocol):
    """Somebody who answers a runbook's questions."""

    async def ask(self, text: str, choices: Sequence[str]) -> str:
        """Put a question and wait for one of the choices; virtual time stands still meanwhile."""


@dataclass(slots=True)
class Stage:
    """What the verbs of one run work with.

    Attributes:
        saved: decoded responses by the name that a step saved them under.
    """

    session: RigSession
    operator: Operator
    saved: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def source(self, device: str | None) -> GuardedSource:
        """The AC source, guarded by the rig's limits."""
        rig = self.session.rig.file
        return GuardedSource(self.session.capability(AcSource, device or rig.supply.source), rig.limits)

    def dut(self, name: str) -> Dut:
        """A device under test by name."""
        try:
            return self.session.parties.duts[name]
        except KeyError:
            raise UsageError(
                f"there is no device under test {name!r}",
                next_step=f"The rig has {', '.join(self.session.parties.duts)}",
            ) from None


async def perform(stage: Stage, step: Step, watch: StepWatch) -> str:
    """Carry out a step's verb.

    Raises:
        StepFailed: something is not as it must be.
        DeviceLost, DeviceError, LimitExceeded: from the devices and the interlock.
    """
    verb = step.verb
    handler = _VERBS.get(verb)
    if handler is None:
        raise UsageError(f"the verb {verb!r} cannot be carried out here")
    return await handler(stage, step, watch)


async def _send(stage: Stage, step: Step, watch: StepWatch) -> str:
    send, user = step.send, step.user
    assert send is not None and user is not None  # the runbook's model has checked it
    target = None if send.to == "dcc" else stage.dut(send.to)
    exchange = await _request(stage, send, user, target, watch)
    return f"{send.service_request} as {user}: {exchange}"


async def _request(stage: Stage, send: Send, user: str, target: Dut | None, watch: StepWatch) -> str:
    parties = stage.session.parties
    if user not in parties.users:
        raise UsageError(f"the rig has no User {user!r}", next_step=f"It has {', '.join(parties.users)}")
    params = request_params(
        send.service_request,
        send.params,
        user=parties.users[user],
        target=target,
        device=stage.dut(send.device) if send.device else None,
        parties=parties,
        clock=stage.session.clock,
        saved=stage.saved,
    )
    gateway = stage.session.capability(DccGateway)
    eui = parties.dcc if target is None else target.eui
    exchange = await gateway.request(user, send.service_request, eui, params, send.command_variant)
    watch.request_ids[send.service_request] = exchange.request_id
    uncertainty_ns = (exchange.answered_at.mono_ns - exchange.sent_at.mono_ns) // 2
    watch.anchor("stimulus", exchange.sent_at, uncertainty_ns)
    _note_sent(stage, send, user, exchange, params)
    return exchange.response_code


def _note_sent(stage: Stage, send: Send, user: str, exchange: Exchange, params: Mapping[str, Any]) -> None:
    """Put a request on record as it was meant, without its secrets; its bytes are in the captures."""
    body = body_of(send.service_request)
    secret = secret_keys(body.shape) if body is not None else frozenset()
    shown = {key: "(secret)" if key in secret else _plain(value) for key, value in params.items()}
    stage.session.stream.emit(
        "engine",
        "sent",
        {
            "user": user,
            "service_request": send.service_request,
            "to": send.to,
            "about": send.device,
            "request_id": exchange.request_id,
            "response_code": exchange.response_code,
            "params": shown,
            "mono_ns": exchange.sent_at.mono_ns,
        },
    )


def _plain(value: object) -> str | int | bool | None:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Mapping | list | tuple):
        return f"({len(value)} entries)"
    text = value.hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


async def _inventory(stage: Stage, step: Step, watch: StepWatch) -> str:
    assert step.inventory is not None and step.user is not None
    clock = stage.session.clock
    deadline_ns = clock.now().mono_ns + round(step.inventory.within * 1e9)
    status = await read_inventory(stage, step.inventory, step.user, watch)
    while status not in step.inventory.status and clock.now().mono_ns < deadline_ns:
        await clock.sleep(INVENTORY_POLL_S)
        status = await read_inventory(stage, step.inventory, step.user, watch)
    if status not in step.inventory.status:
        raise StepFailed(f"the inventory says {step.inventory.device} is {status}, not {_or(step.inventory.status)}")
    return f"{step.inventory.device} is {status}"


async def read_inventory(stage: Stage, inventory: Inventory, user: str, watch: StepWatch) -> str:
    """Ask the Smart Metering Inventory for a device's status; "absent" if it does not know the device."""
    send = Send(service_request=INVENTORY_REQUEST, device=inventory.device)
    code = await _request(stage, send, user, None, watch)
    eui = str(stage.dut(inventory.device).eui)
    wanted = watch.request_ids[INVENTORY_REQUEST]
    answers = [item for item in watch.sightings if item.kind == "response" and item.data.get("request_id") == wanted]
    if not answers:
        # Without the answer itself nothing is known, least of all that the device is not there.
        raise DeviceError(f"the DCC's answer to 8.2 ({code}) could not be read")
    for sighting in answers:
        if sighting.data.get("signature") != "valid":
            raise DeviceError(f"the DCC's answer to 8.2 is not believable: {sighting.data.get('signature')}")
        for device in (sighting.data.get("values") or {}).get("devices", ()):
            if device["device_id"] == eui:
                return str(device["status"])
    if code in ("I0", "E19") or code.startswith("E0802"):
        return "absent"
    raise DeviceError(f"the DCC answered 8.2 with {code}")


async def _supply(stage: Stage, step: Step, watch: StepWatch) -> str:
    act = step.supply
    assert act is not None
    source = stage.source(act.device)
    edges, text = await _act_on_supply(source, act)
    for edge in edges:
        _take_edge(stage, edge, watch)
    timed_by = f", timed by the {edges[0].timed_by.value}" if edges else ""
    return f"{text}{timed_by}"


def _take_edge(stage: Stage, edge: Edge, watch: StepWatch) -> None:
    watch.anchor_edge(edge)
    stage.session.stream.emit(
        "engine",
        "edge",
        {
            "edge": edge.kind.value,
            "volts": edge.volts if math.isfinite(edge.volts) else None,
            "mono_ns": edge.at.mono_ns,
            "utc_ns": edge.at.utc_ns,
            "uncertainty_ns": edge.uncertainty_ns,
            "timed_by": edge.timed_by.value,
        },
    )


async def _act_on_supply(source: GuardedSource, act: Supply) -> tuple[Sequence[Edge], str]:
    if act.set is not None:
        return (await source.set_voltage(act.set),), f"set to {act.set:g} V"
    if act.ramp is not None:
        return await source.ramp(act.ramp.to, act.ramp.slope), f"ramped to {act.ramp.to:g} V at {act.ramp.slope:g} V/s"
    if act.interrupt is not None:
        length = act.interrupt.duration
        return await source.interrupt(length), f"interrupted for {format_duration(length)}"
    for shape, name in ((act.sag, "sagged"), (act.swell, "swelled")):
        if shape is not None:
            shown = format_duration(shape.duration)
            return await source.excursion(shape.to, shape.duration), f"{name} to {shape.to:g} V for {shown}"
    if act.frequency is not None:
        await source.set_frequency(act.frequency)
        return (), f"set to {act.frequency:g} Hz"
    return (await source.output(bool(act.output)),), f"output {'on' if act.output else 'off'}"


async def _relay(stage: Stage, step: Step, watch: StepWatch) -> str:
    assert step.relay is not None
    device = step.relay.device or stage.session.rig.file.supply.relay
    switch = stage.session.capability(Switch, device)
    _take_edge(stage, await switch.switch(step.relay.closed), watch)
    return f"{device or 'the relay'} {'closed' if step.relay.closed else 'open'}"


async def _console(stage: Stage, step: Step, watch: StepWatch) -> str:
    ask = step.console
    assert ask is not None
    console = stage.session.capability(Console, ask.device)
    answer = await console.ask(ask.command, ask.arguments)
    for key, pattern in ask.answer.items():
        if key not in answer or not re.fullmatch(pattern, answer[key]):
            raise StepFailed(f"{ask.device} answers {key} {answer.get(key)!r} to {ask.command!r}; expected {pattern!r}")
    return ", ".join(f"{key} {value}" for key, value in answer.items())


async def _measure(stage: Stage, step: Step, watch: StepWatch) -> str:
    ask = step.measure
    assert ask is not None
    low, high = band(ask)
    if ask.settle:
        await stage.session.clock.sleep(ask.settle)
    device = ask.device or stage.session.rig.file.supply.meter
    reading = await stage.session.capability(Measures, device).measure(ask.quantity)
    stage.session.stream.emit(
        device or "engine",
        "measurement",
        {"quantity": reading.quantity, "value": reading.value, "unit": reading.unit},
        at=reading.at,
    )
    shown = f"{ask.quantity} {reading.value:.2f} {reading.unit}"
    if not low <= reading.value <= high:
        raise StepFailed(f"{shown} is outside {ask.between[0]} to {ask.between[1]}")
    return shown


def band(ask: Measure) -> tuple[float, float]:
    """The band of a measurement in base units.

    Raises:
        UsageError: an end is not a quantity of that kind, or they are the wrong way round.
    """
    try:
        low, high = (parse(text, ask.quantity) for text in ask.between)
    except ValueError as error:
        raise UsageError(f"between: {error}") from None
    if low > high:
        raise UsageError(f"between: {ask.between[0]} is above {ask.between[1]}")
    return low, high


async def _wait(stage: Stage, step: Step, watch: StepWatch) -> str:
    assert step.wait is not None
    await stage.session.clock.sleep(step.wait)
    return f"waited {format_duration(step.wait)}"


async def _prompt(stage: Stage, step: Step, watch: StepWatch) -> str:
    ask = step.prompt
    assert ask is not None
    answer = await stage.operator.ask(ask.text, ask.choices)
    if answer not in ask.passes:
        raise StepFailed(f"the operator answered {answer!r}")
    return f"the operator answered {answer!r}"


async def _parallel(stage: Stage, step: Step, watch: StepWatch) -> str:
    assert step.parallel is not None

    async def one(inner: Step) -> str:
        part, clock = watch.part(inner), stage.session.clock
        part.anchor("stimulus", clock.now())
        summary = await perform(stage, inner, part)
        part.verb_ended(clock.now())
        return summary

    try:
        return "; ".join(await at_once(one(inner) for inner in step.parallel))
    except ExceptionGroup as errors:
        ours = [error for error in errors.exceptions if isinstance(error, BenchError)]
        if len(ours) < len(errors.exceptions):
            raise
        raise min(ours, key=_mildness) from None


def _mildness(error: BenchError) -> int:
    """A limit is the gravest; what the bench could not see is graver than what the device did."""
    return 0 if isinstance(error, LimitExceeded) else 2 if isinstance(error, StepFailed) else 1


async def _deliver(stage: Stage, step: Step, watch: StepWatch) -> str:
    ask = step.deliver
    assert ask is not None
    command = stage.saved.get(ask.command, {}).get("command")
    if command is None:
        raise NothingSaved(f"nothing was saved as a local command under {ask.command!r}")
    terminal = stage.session.capability(HandHeld, ask.device)
    message = stage.session.capability(DccGateway).local_command(str(command))
    response = await terminal.deliver(stage.dut(ask.to).eui, message)
    if ask.save is not None:
        values = {"response": base64.b64encode(response).decode()}
        stage.saved[ask.save] = values
        stage.session.stream.emit("engine", "saved", {"name": ask.save, "values": values})
    return f"delivered to {ask.to}, which answered"


async def _call(stage: Stage, step: Step, watch: StepWatch) -> str:
    assert step.call is not None
    return str(await step_function(step.call.function)(stage.session, **step.call.arguments))


def step_function(name: str) -> Callable[..., Awaitable[object]]:
    """A function that runbooks may call, found by entry point.

    Raises:
        UsageError: there is none of this name, or it cannot be imported.
    """
    for entry in entry_points(group="hilbench.steps", name=name):
        return cast("Callable[..., Awaitable[object]]", load_entry(entry))
    raise UsageError(f"there is no step function {name!r} in the entry point group hilbench.steps")


def _or(words: Sequence[str]) -> str:
    return " or ".join(words)


_Verb = Callable[[Stage, Step, StepWatch], Awaitable[str]]
_VERBS: dict[str, _Verb] = {
    "send": _send,
    "inventory": _inventory,
    "supply": _supply,
    "relay": _relay,
    "console": _console,
    "measure": _measure,
    "wait": _wait,
    "prompt": _prompt,
    "parallel": _parallel,
    "call": _call,
    "deliver": _deliver,
}
