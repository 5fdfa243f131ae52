"""The planner: a dry run of a runbook against a rig, before anything is energised.

It checks everything that can be known beforehand (devices and what they can do, Users, Service Requests and their
parameters, limits), and adds up what the run will take: duration, highest and lowest voltage, requirements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from bench.capabilities import AcSource, CommsHub, Console, DccGateway, HandHeld, HanSniffer, Measures, Switch
from bench.device import AnyDriver
from bench.duis.bodies import body_of
from bench.duis.service_requests import Target, service_request
from bench.duis.shapes import leaves
from bench.errors import BenchError, LimitExceeded, UsageError
from bench.gbcs.catalogue import alert_entry
from bench.interlock import check_frequency, check_outage, check_slope, check_voltage
from bench.request_params import check_params
from bench.rig.file import Rig
from bench.rig.installed import driver_class
from bench.runbook import Placed, Runbook
from bench.sightings import CARRIED_BY_DCC
from bench.step_times import REQUEST_S, step_times
from bench.step_words import describe_act
from bench.steps import Expect, Forbid, Match, Send, Step
from bench.verbs import NEEDS, band, step_function

_HUB_STATES = ("power", "wan", "han")


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step of a plan.

    Attributes:
        usual_s: estimated duration if everything comes at once.
        longest_s: duration if everything comes at the last moment.
    """

    group: str
    name: str
    user: str | None
    act: str
    usual_s: float
    longest_s: float


@dataclass(slots=True)
class Plan:
    """What a runbook will do on a rig.

    Attributes:
        lowest_v: the lowest voltage that the source will be set to while it is on; None if it is not touched.
        outage_s: the longest interruption; 0 for none.
        notes: what is worth knowing and no mistake.
    """

    runbook: str
    title: str
    rig: str
    steps: list[PlannedStep] = field(default_factory=list)
    covers: list[str] = field(default_factory=list)
    lowest_v: float | None = None
    highest_v: float | None = None
    outage_s: float = 0.0
    notes: list[str] = field(default_factory=list)

    @property
    def usual_s(self) -> float:
        """Estimated duration, drain included."""
        return sum(step.usual_s for step in self.steps)

    @property
    def longest_s(self) -> float:
        """Duration if every window is used to its end."""
        return sum(step.longest_s for step in self.steps)


class _Planner:
    def __init__(self, rig: Rig, runbook: Runbook) -> None:
        self._rig = rig
        self._runbook = runbook
        self._classes: dict[str, type[AnyDriver]] = {}
        self._saved: set[str] = set()
        # What keeps the supply off, by where it began, and for how long at most.
        self._dark: dict[str, str] = {}
        self._dark_s = 0.0
        self.mistakes: list[str] = []
        self.plan = Plan(runbook.name, runbook.title, rig.name, covers=runbook.covers)

    def run(self) -> Plan:
        for name in self._rig.file.devices:
            try:
                self._classes[name] = driver_class(self._rig, name)
            except UsageError as error:
                self.mistakes.append(str(error))
        self._check_rig()
        for item in self._runbook.preconditions:
            condition = item.precondition
            self._user(condition.user, item.where)
            self._dut(condition.inventory.device, item.where)
            self.plan.steps.append(
                PlannedStep("precondition", condition.title, condition.user, "read the inventory", REQUEST_S, REQUEST_S)
            )
            for placed in item.establish:
                self._step("if needed", placed)
        for group, steps in (
            ("setup", self._runbook.setup),
            ("step", self._runbook.steps),
            ("teardown", self._runbook.teardown),
        ):
            for placed in steps:
                self._step(group, placed)
        drain_s = self._rig.file.drain
        self.plan.steps.append(PlannedStep("park", "park and drain", None, "wait for late messages", drain_s, drain_s))
        if self.mistakes:
            raise UsageError("\n".join(dict.fromkeys(self.mistakes)))
        return self.plan

    def _check_rig(self) -> None:
        """See that the devices can do what monitors, park state and safe state ask of them."""
        rig = self._rig
        for index, monitor in enumerate(rig.file.monitors):
            own = monitor.device == rig.file.supply.source and monitor.quantity == "voltage"
            self._check(rig.where("monitors", index), self._needs, AcSource if own else Measures, monitor.device)
        for name, state in (("park", rig.file.park), ("safe", rig.file.safe)):
            for index, action in enumerate(state.actions):
                where = rig.where(name, "actions", index)
                if action.closed is not None:
                    self._check(where, self._needs, Switch, action.device)
                if action.output is not None:
                    self._check(where, self._needs, AcSource, action.device)

    def _mistake(self, where: str, error: BenchError | str) -> None:
        self.mistakes.append(f"{where}: {error}")

    def _check(self, where: str, check: Callable[..., None], *arguments: Any) -> None:
        try:
            check(*arguments)
        except (LimitExceeded, UsageError) as error:
            self._mistake(where, error)

    def _step(self, group: str, placed: Placed) -> None:
        self._check_step(placed.step, placed.where)
        usual_s, longest_s = step_times(placed.step, self._rig.file.limits.voltage)
        if group == "if needed":
            usual_s = 0.0
        else:
            self._count_darkness(placed, longest_s)
        act = describe_act(placed.step)
        self.plan.steps.append(PlannedStep(group, placed.name, placed.step.user, act, usual_s, longest_s))

    def _check_step(self, step: Step, where: str, outer_user: str | None = None) -> None:
        if step.user is not None:
            self._user(step.user, where)
        if step.only_if is not None:
            self._dut(step.only_if.device, where)
        self._check(where, self._check_verb, step, where)
        for match in (*step.expect, *step.allow, *step.forbid):
            self._check_match(match, step, where)
            named = match.user or step.user or outer_user
            if isinstance(match, Expect) and match.kind in CARRIED_BY_DCC and named is None:
                self._mistake(where, f"say which User must get {match.label}: 'as: ED' in the step, or beside it")
        for inner in step.parallel or ():
            self._check_step(inner, where, step.user)

    def _count_darkness(self, placed: Placed, longest_s: float) -> None:
        """Hold an outage that several steps make together, by relay or output, against the rig's limit."""
        for step in self._flat(placed.step):
            supply = self._rig.file.supply
            if step.relay is not None:
                name, powered = step.relay.device or supply.relay or "relay", step.relay.closed
            elif step.supply is not None and step.supply.output is not None:
                name, powered = step.supply.device or supply.source, step.supply.output
            else:
                continue
            if powered:
                self._dark.pop(name, None)
            else:
                self._dark.setdefault(name, placed.where)
        if not self._dark:
            self._dark_s = 0.0
            return
        self._dark_s += longest_s
        self.plan.outage_s = max(self.plan.outage_s, self._dark_s)
        where = next(iter(self._dark.values()))
        if self._dark_s - longest_s <= self._rig.file.limits.outage:
            self._check(where, check_outage, self._rig.file.limits, self._dark_s)

    def _flat(self, step: Step) -> Iterator[Step]:
        yield step
        for inner in step.parallel or ():
            yield from self._flat(inner)

    def _check_verb(self, step: Step, where: str) -> None:
        supply = self._rig.file.supply
        if step.send is not None:
            self._needs(DccGateway, None)
            self._check_send(step.send, where)
        elif step.inventory is not None:
            self._needs(DccGateway, None)
            self._dut(step.inventory.device, where)
        elif step.supply is not None:
            self._needs(AcSource, step.supply.device or supply.source)
            self._check_supply(step)
        elif step.relay is not None:
            self._needs(Switch, step.relay.device or supply.relay)
        elif step.console is not None:
            self._needs(Console, step.console.device)
        elif step.measure is not None:
            self._needs(Measures, step.measure.device or supply.meter)
            band(step.measure)
        elif step.deliver is not None:
            self._needs(HandHeld, step.deliver.device)
            self._dut(step.deliver.to, where)
            if step.deliver.command not in self._saved:
                self._mistake(where, f"nothing was saved as {step.deliver.command!r} by an earlier step")
            if step.deliver.save is not None:
                self._saved.add(step.deliver.save)
        elif step.call is not None:
            needed = getattr(step_function(step.call.function), NEEDS, None)
            if needed is not None:
                self._needs(needed, None)

    def _check_supply(self, step: Step) -> None:
        act, limits = step.supply, self._rig.file.limits
        assert act is not None
        volts = act.set
        for shape in (act.sag, act.swell, act.ramp):
            volts = shape.to if shape is not None else volts
        if volts is not None:
            check_voltage(limits, volts)
            plan = self.plan
            plan.lowest_v = volts if plan.lowest_v is None else min(plan.lowest_v, volts)
            plan.highest_v = volts if plan.highest_v is None else max(plan.highest_v, volts)
        if act.ramp is not None:
            check_slope(limits, act.ramp.slope)
        if act.frequency is not None:
            check_frequency(limits, act.frequency)
        if act.interrupt is not None:
            check_outage(limits, act.interrupt.duration)
            self.plan.outage_s = max(self.plan.outage_s, act.interrupt.duration)

    def _check_send(self, send: Send, where: str) -> None:
        request = service_request(send.service_request)
        if send.to != "dcc":
            self._dut(send.to, where)
        if send.device is not None:
            self._dut(send.device, where)
        body = body_of(send.service_request)
        known = [item.key for item in leaves(body.shape)] if body is not None else None
        for key in send.params:
            if known is not None and key not in known:
                self._mistake(where, f"{request} has no parameter {key!r}; it has {', '.join(known) or 'none'}")
        if (send.to == "dcc") != (request.target is Target.DCC):
            whom = "the DCC" if request.target is Target.DCC else "a device"
            self._mistake(where, f"{request} is for {whom}, and this sends it to {send.to}")
        duts = self._rig.duts
        target, device = duts.get(send.to), duts.get(send.device or "")
        named = (send.to == "dcc" or target is not None) and (send.device is None or device is not None)
        if named:
            for mistake in check_params(
                send.service_request,
                send.params,
                target=target,
                device=device,
                duts=duts,
                saved=self._saved,
                users=self._rig.file.users,
            ):
                self._mistake(where, mistake)
        if send.command_variant is not None and send.command_variant not in request.command_variants:
            allowed = ", ".join(str(variant) for variant in request.command_variants)
            self.plan.notes.append(
                f"{where}: {request} is sent with a Command Variant other than {allowed}, on purpose"
            )
        if send.save is not None:
            self._saved.add(send.save)

    def _check_match(self, match: Match, step: Step, where: str) -> None:
        for name in (match.source, match.device):
            if name is not None:
                self._dut(name, where)
        if match.user is not None:
            self._user(match.user, where)
        answered = match.response or (match.request if isinstance(match, Expect) else None)
        sent = {inner.send.service_request for inner in self._flat(step) if inner.send is not None}
        if answered is not None and answered not in sent:
            self._mistake(where, f"{match.label} answers a Service Request that this step does not send: {answered}")
        if match.device_alert is not None and alert_entry(int(match.device_alert, 16)) is None:
            self.plan.notes.append(f"{where}: {match.device_alert} is in no list of alert codes that the bench has")
        if match.han is not None:
            self._expects(HanSniffer, match, where)
        if match.hub is not None:
            self._expects(CommsHub, match, where)
            for key in match.hub:
                if key not in _HUB_STATES:
                    self._mistake(where, f"no Comms Hub says {key!r}; it says {', '.join(_HUB_STATES)}")
        anchor = match.after if isinstance(match, Expect | Forbid) else "stimulus"
        if anchor in ("fall", "restore", "set") and not (step.supply or step.relay):
            self._mistake(where, f"{match.label} counts from a {anchor} of the supply, and this step makes none")

    def _expects(self, protocol: type[Any], match: Match, where: str) -> None:
        if isinstance(match, Expect) and match.witness == "optional":
            return
        try:
            self._needs(protocol, None, any_of=True)
        except UsageError as error:
            self._mistake(where, f"{match.label}: {error}")

    def _needs(self, protocol: type[Any], device: str | None, *, any_of: bool = False) -> None:
        if device is None:
            able = [name for name, cls in self._classes.items() if issubclass(cls, protocol)]
            if not able:
                raise UsageError(f"the rig has no {protocol.__name__}")
            if len(able) > 1 and not any_of:
                raise UsageError(f"the rig has several devices for this: name one of {', '.join(able)}")
            return
        if device not in self._rig.file.devices:
            raise UsageError(
                f"the rig has no device {device!r}", next_step=f"It has {', '.join(self._rig.file.devices)}"
            )
        cls = self._classes.get(device)
        if cls is not None and not issubclass(cls, protocol):
            raise UsageError(f"{device} cannot be used here: its driver is no {protocol.__name__}")

    def _user(self, name: str, where: str) -> None:
        if name not in self._rig.file.users:
            self._mistake(where, f"the rig has no User {name!r}; it has {', '.join(self._rig.file.users)}")

    def _dut(self, name: str, where: str) -> None:
        if name not in self._rig.duts:
            self._mistake(where, f"the rig has no device under test {name!r}; it has {', '.join(self._rig.duts)}")


def plan(rig: Rig, runbook: Runbook) -> Plan:
    """Check a runbook against a rig and say what it will do.

    Raises:
        UsageError: with every mistake, each with file and line; among them every limit that would be exceeded.
    """
    return _Planner(rig, runbook).run()
