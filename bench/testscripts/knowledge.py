"""What a Service Request needs to be tested sensibly: the state it starts from, what comes first, what is put back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.ctsd.tables import Role, Smets
from bench.duis.service_requests import Target, service_request
from bench.parties import DeviceType
from bench.testscripts.data import DataPlan
from bench.testscripts.params import FILLED_IN, GAS, duration_text, meter_type, params_of, target_type

Step = dict[str, Any]

_WITH_DATA = ("5.1", "5.2", "8.2", "12.1", "9.1")
"""DCC-only requests that are answered with data and I0; the others with I99."""

_BECOMES = {
    "8.1.1": ("InstalledNotCommissioned", "install"),
    "8.11": ("Pending", "prenotify"),
    "12.2": ("absent", "remove"),
    "8.4": ("InstalledNotCommissioned", "install"),
}
"""Variants before which the device is not Commissioned: its status, and the procedure that leads to it."""

LIFE_CYCLE = (*_BECOMES, "8.3")
"""Variants after which the device is brought back."""


@dataclass(slots=True)
class Needs:
    """What stands around the step of a Test Script.

    Attributes:
        preconditions: of the runbook.
        setup: steps before it.
        params: of the request, that come from them.
        save: the name that its response is kept under.
        teardown: steps after it.
    """

    preconditions: list[dict[str, Any]] = field(default_factory=list)
    setup: list[Step] = field(default_factory=list)
    params: dict[str, Any] = field(default_factory=dict)
    save: str | None = None
    teardown: list[Step] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Case:
    """Who sends what to which kind of device.

    Attributes:
        role: who asks.
        variant: the Service Reference Variant.
        smets: of which kind the devices are.
        data: the Test Data Plan.
    """

    role: Role
    variant: str
    smets: Smets
    data: DataPlan

    @property
    def user(self) -> str:
        """The User that acts."""
        return self.data.user(self.role)

    @property
    def supplier(self) -> str:
        """The User that installs and removes the meter, whoever asks."""
        return self.data.user(Role.GS if self.role in GAS else Role.IS)

    @property
    def subject(self) -> str:
        """The device that comes and goes: a meter, or what an Other User may install."""
        kind = DeviceType.PPMID if self.role is Role.OU and self.variant in LIFE_CYCLE else meter_type(self.role)
        return self.data.device(self.smets, kind)

    @property
    def target(self) -> str:
        """The device that a request goes to, or "dcc"."""
        if service_request(self.variant).target is Target.DCC:
            return "dcc"
        return self.data.device(self.smets, target_type(self.role, self.variant))

    @property
    def within(self) -> str:
        """How long the target may take to answer."""
        windows = self.data.windows
        if self.target == "dcc":
            return duration_text(windows.dcc)
        sleeps = target_type(self.role, self.variant) is DeviceType.GSME
        return duration_text(windows.gas if sleeps else windows.mains)

    def send(self, variant: str, command_variant: int | None = None, **more: Any) -> Step:
        """A step that sends a request of the same User, and expects that it succeeds."""
        other = Case(self.role, variant, self.smets, self.data)
        sent = service_request(variant)
        known = command_variant or (5 if sent.critical else sent.usual_command_variant)
        send: Step = {"service_request": variant}
        if other.target != "dcc":
            send["to"] = other.target
        if variant in FILLED_IN and variant != "6.21" and variant != "6.20.1":
            send["device"] = other.about
        params = params_of(variant, known, self.role, self.smets, self.data) | more.pop("params", {})
        if params:
            send["params"] = params
        step = {"title": sent.name, "as": self.user, "send": send | more}
        return step | {"expect": [{"response": variant, "code": good_code(variant), "within": other.within}]}

    @property
    def about(self) -> str:
        """The device that a request is about."""
        if self.variant.startswith(("8.7", "8.8")):
            kind = DeviceType.GPF if self.role in GAS else DeviceType.PPMID
            return self.data.device(self.smets, kind)
        return self.subject


def good_code(variant: str) -> str:
    """The response code with which a request succeeds."""
    if service_request(variant).target is Target.DEVICE:
        return "I0"
    return "I0" if variant in _WITH_DATA else "I99"


def needs_of(case: Case, *, transformed_only: bool = False) -> Needs:
    """What a request needs around it.

    Args:
        case: the request.
        transformed_only: it is not sent on to the device, which therefore need not be prepared, and stays as it is.
    """
    needs = Needs(preconditions=_preconditions(case))
    if not transformed_only:
        for table in (_SCHEDULES, _SUPPLY, _FIRMWARE, _LOADS, _BOOST, _RETURNED, _LOCAL, _CREDIT, _JOINS):
            if case.variant in table:
                table[case.variant](case, needs)
    if case.variant == "8.4":
        needs.teardown.append(_off_the_log(case))
    if case.variant in LIFE_CYCLE:
        needs.teardown += _procedures(case, "remove", "commission")
    return needs


def _procedures(case: Case, *names: str) -> list[Step]:
    return [{"procedure": f"{name}-{case.subject}"} for name in names]


def hub_is_commissioned(case: Case) -> dict[str, Any]:
    """The precondition that all the others rest on."""
    hub = case.data.device(case.smets, DeviceType.CHF)
    return {
        "title": "The Comms Hub is commissioned",
        "as": case.supplier,
        "inventory": {"device": hub, "status": "Commissioned"},
    }


def _preconditions(case: Case) -> list[dict[str, Any]]:
    status, procedure = _BECOMES.get(case.variant, ("Commissioned", "commission"))
    steps = ["remove"] if case.variant == "12.2" else ["remove", procedure]
    statuses: Sequence[str] = ("absent", "Pending") if case.variant == "12.2" else (status,)
    return [
        hub_is_commissioned(case),
        {
            "title": f"The device {case.subject} is {' or '.join(statuses)}",
            "as": case.supplier,
            "inventory": {"device": case.subject, "status": list(statuses) if len(statuses) > 1 else status},
            "establish": _procedures(case, *steps),
        },
    ]


def _off_the_log(case: Case) -> Step:
    """A device that was set to Pending is still on the device log, and cannot join until it was taken off."""
    supplier = Case(Role.GS if case.role in GAS else Role.IS, "8.11", case.smets, case.data)
    step = supplier.send("8.11")
    return step | {"send": step["send"] | {"device": case.subject, "params": {"request_type": "Remove"}}}


def _own_schedule(case: Case, needs: Needs) -> None:
    needs.save = "schedule"
    needs.teardown.append(_delete(case))


def _existing_schedule(case: Case, needs: Needs) -> None:
    needs.setup.append(case.send("5.1", save="schedule"))
    needs.params["dsp_schedule_id"] = "${saved.schedule.dsp_schedule_id}"
    if case.variant == "5.2":
        needs.teardown.append(_delete(case))


def _delete(case: Case) -> Step:
    return case.send("5.3", params={"dsp_schedule_id": "${saved.schedule.dsp_schedule_id}"})


_SCHEDULES = {"5.1": _own_schedule, "5.2": _existing_schedule, "5.3": _existing_schedule}


def _supply_back(case: Case, needs: Needs) -> None:
    # A gas supply comes back only by hand, at the meter, after it was armed.
    needs.teardown.append(case.send("7.3" if case.role in GAS else "7.1"))


def _supply_off(case: Case, needs: Needs) -> None:
    needs.setup.append(case.send("7.2"))
    if case.variant == "7.3" and case.role not in GAS:
        needs.teardown.append(case.send("7.1"))


_SUPPLY = {"7.1": _supply_off, "7.2": _supply_back, "7.3": _supply_off}


def _image_first(case: Case, needs: Needs) -> None:
    needs.setup.append(case.send("11.1"))
    needs.setup.append({"title": "The image comes to the device", "wait": duration_text(case.data.windows.activation)})


def _image_after(case: Case, needs: Needs) -> None:
    # Until the image is there, the DCC takes no other for the device.
    needs.teardown.append(
        {"title": "The image comes to the device", "wait": duration_text(case.data.windows.activation)}
    )


_FIRMWARE = {"11.1": _image_after, "11.3": _image_first}


def _hub_back(case: Case, needs: Needs) -> None:
    """A Comms Hub that was reported as returned is withdrawn, and its Gas Proxy with it."""
    supplier = Case(Role.GS if case.role in GAS else Role.IS, "8.4", case.smets, case.data)
    for kind in (DeviceType.CHF, DeviceType.GPF):
        step = supplier.send("8.4")
        device = case.data.device(case.smets, kind)
        send = step["send"] | {"device": device, "params": {"update_device_status_ch": "Commissioned"}}
        needs.teardown.append(step | {"title": f"{device} stays in use", "send": send})


_RETURNED = {"8.14.3": _hub_back, "8.14.4": _hub_back}


def _delivered(case: Case, needs: Needs) -> None:
    """A local command, delivered by hand: what the device answered is what is returned to the DCC."""
    device = case.data.device(case.smets, meter_type(case.role))
    step = case.send("7.4", 2, save="local")
    step["expect"] = [
        {"response": "7.4", "code": "I0", "form": "local-command", "within": duration_text(case.data.windows.dcc)}
    ]
    step["send"]["command_variant"] = "2"
    needs.setup.append(step)
    needs.setup.append(
        {
            "title": f"Deliver it to {device} by the hand-held terminal",
            "as": case.user,
            "deliver": {"command": "local", "to": device, "save": "returned"},
        }
    )
    needs.params["device_gbcs_response"] = "${saved.returned.response}"
    needs.params["original_request_id"] = "${saved.local.request_id}"


def _prepayment(case: Case, needs: Needs) -> None:
    """A meter without credit in prepayment mode has emergency credit to offer; then it is in credit mode again."""
    prepayment = {"suspend_debt_disabled": "false", "suspend_debt_emergency": "false", "disablement_threshold": "0"}
    step = case.send("1.6")
    needs.setup.append(step | {"send": step["send"] | {"params": prepayment}})
    needs.teardown.append(case.send("1.6"))


def _joined(case: Case, needs: Needs) -> None:
    """Devices have to be joined before that is ended, and are joined again."""
    join = case.variant.replace("8.8", "8.7")
    needs.setup.append(case.send(join))
    needs.teardown.append(case.send(join))


_JOINS = {"8.8.1": _joined, "8.8.2": _joined}
_CREDIT = {"2.5": _prepayment}
_LOCAL = {"8.13": _delivered}


def _load_back(case: Case, needs: Needs) -> None:
    needs.teardown.append(case.send("7.8"))


_LOADS = {"7.5": _load_back, "7.6": _load_back}


def _off_the_button(case: Case, needs: Needs) -> None:
    needs.teardown.append(case.send("7.10"))


def _on_the_button(case: Case, needs: Needs) -> None:
    needs.setup.append(case.send("7.9"))


_BOOST = {"7.9": _off_the_button, "7.10": _on_the_button}
