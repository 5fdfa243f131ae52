"""What a person can do by hand, and what each act asks for: forms as data, and the step that they make."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.errors import UsageError

REQUEST = "request"
"""The name of the act whose form depends on what is chosen in it."""


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that an act asks for.

    Attributes:
        key: its name.
        label: for people.
        example: what to write.
        unit: what a bare number is taken to be in.
        choose: "users", "devices" (under test) or "consoles" to choose from; "" to write.
    """

    key: str
    label: str
    example: str = ""
    unit: str = ""
    choose: str = ""


@dataclass(frozen=True, slots=True)
class Act:
    """One act.

    Attributes:
        name: of the act.
        title: for people.
        fields: what it asks for.
        make: the step, from what was given.
    """

    name: str
    title: str
    make: Callable[[Mapping[str, str]], dict[str, Any]]
    fields: tuple[Field, ...] = field(default=())


_VOLTS = Field("volts", "Voltage", "253 V", "V")
_LENGTH = Field("length", "For", "30 s", "s")
_USER = Field("as", "As", choose="users")
_METER = Field("to", "Meter", choose="devices")


def _supply(**verb: Any) -> dict[str, Any]:
    return {"supply": verb}


def _service_request(variant: str) -> Callable[[Mapping[str, str]], dict[str, Any]]:
    def make(given: Mapping[str, str]) -> dict[str, Any]:
        return {"send": {"service_request": variant, "to": given["to"]}, "as": given["as"]}

    return make


ACTS: tuple[Act, ...] = (
    Act("set", "Set the voltage", lambda given: _supply(set=given["volts"]), (_VOLTS,)),
    Act(
        "sag",
        "Sag",
        lambda given: _supply(sag={"to": given["volts"], "for": given["length"]}),
        (Field("volts", "To", "200 V", "V"), _LENGTH),
    ),
    Act(
        "swell",
        "Swell",
        lambda given: _supply(swell={"to": given["volts"], "for": given["length"]}),
        (Field("volts", "To", "260 V", "V"), _LENGTH),
    ),
    Act("interrupt", "Interrupt the supply", lambda given: _supply(interrupt={"for": given["length"]}), (_LENGTH,)),
    Act(
        "ramp",
        "Ramp",
        lambda given: _supply(ramp={"to": given["volts"], "slope": given["slope"]}),
        (Field("volts", "To", "250 V", "V"), Field("slope", "Slope", "5 V/s", "V/s")),
    ),
    Act(
        "frequency",
        "Set the frequency",
        lambda given: _supply(frequency=given["hertz"]),
        (Field("hertz", "Frequency", "50 Hz", "Hz"),),
    ),
    Act("on", "Source output on", lambda given: _supply(output="on")),
    Act("off", "Source output off", lambda given: _supply(output="off")),
    Act("open", "Open the relay", lambda given: {"relay": {"closed": "no"}}),
    Act("close", "Close the relay", lambda given: {"relay": {"closed": "yes"}}),
    Act("disable", "Disable supply (7.2)", _service_request("7.2"), (_USER, _METER)),
    Act("arm", "Arm supply (7.3)", _service_request("7.3"), (_USER, _METER)),
    Act("enable", "Enable supply (7.1)", _service_request("7.1"), (_USER, _METER)),
    Act(
        "console",
        "Ask a console",
        lambda given: {
            "console": {
                "device": given["console"].partition(" ")[0],
                "command": given["console"].partition(" ")[2],
                "arguments": _mapping(given.get("arguments", "")),
            }
        },
        (Field("console", "Command", choose="consoles"), Field("arguments", "Arguments", '{"minutes": "5"}')),
    ),
    Act(REQUEST, "Send a Service Request ...", lambda given: {}),
)


def step_of(act: Act, given: Mapping[str, str]) -> dict[str, Any]:
    """The step that an act makes.

    Raises:
        UsageError: something is missing.
    """
    values = {}
    for each in act.fields:
        text = given.get(each.key, "").strip()
        if not text and each.key != "arguments":
            raise UsageError(
                f"{each.label} is missing", next_step=f"Give it, such as {each.example}" * bool(each.example)
            )
        values[each.key] = f"{text} {each.unit}" if each.unit and _is_number(text) else text
    return act.make(values)


def request_step(
    form: Mapping[str, Any], given: Mapping[str, str], *, user: str, target: str, about: str
) -> dict[str, Any]:
    """The step that sends a Service Request.

    Args:
        form: what the engine said of its parameters.
        given: what was written for each; empty for what the rig, or a default, fills in.
        user: who asks.
        target: the device under test that is asked, or "dcc".
        about: the device that it is about, if another.

    Raises:
        UsageError: a list or mapping is no JSON; what is missing, the engine says.
    """
    params: dict[str, Any] = {}
    for each in form["fields"]:
        key, text = each["key"], given.get(each["key"], "").strip()
        if text:
            params[key] = _json(key, text) if each["kind"] in ("list", "mapping") else text
    send: dict[str, Any] = {"service_request": form["variant"], "to": target}
    if about:
        send["device"] = about
    if params:
        send["params"] = params
    return {"send": send, "as": user}


def _json(key: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise UsageError(f"{key}: this is no JSON: {error}", next_step='Write [{"a": "1"}] or {"a": "1"}') from None


def _mapping(text: str) -> dict[str, str]:
    found = _json("Arguments", text) if text else {}
    if not isinstance(found, dict):
        raise UsageError("Arguments: this is no mapping", next_step='Write {"minutes": "5"}')
    return {str(key): str(value) for key, value in found.items()}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
