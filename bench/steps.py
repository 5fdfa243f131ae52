"""The vocabulary of a step: its verbs, and what must, may and must not be seen after them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from bench.quantities import HertzField, SecondsField, SlopeField, VoltsField
from bench.schema import Part, YesNo

_ALERT = re.compile(r"0x[0-9A-Fa-f]{4}")
_DCC_ALERT = re.compile(r"AD1|N[0-9]{1,3}")


def _alert_code(value: object) -> object:
    if isinstance(value, str):
        if not _ALERT.fullmatch(value):
            raise ValueError(f"{value!r} is not a Device Alert code; write it as 0x8F35")
        return "0x" + value[2:].upper()
    return value


def _dcc_alert_code(value: object) -> object:
    if isinstance(value, str) and not _DCC_ALERT.fullmatch(value):
        raise ValueError(f"{value!r} is not a DCC Alert code; write it as N24 or AD1")
    return value


AlertCode = Annotated[str, BeforeValidator(_alert_code)]
DccAlertCode = Annotated[str, BeforeValidator(_dcc_alert_code)]
Anchor = Literal["stimulus", "fall", "restore", "set", "end"]


class Send(Part):
    """A Service Request.

    Attributes:
        service_request: its variant: "8.11", "6.20.1".
        to: the device under test that is the business target, or "dcc".
        device: the device under test that it is about, if another (8.11 goes to the CHF, about the ESME).
        params: parameters of the variant; `${esme.mpxn}` and `${saved.NAME.KEY}` are filled in.
        command_variant: instead of the usual one.
        save: keep the decoded response under this name for later steps.
    """

    service_request: str
    to: str = "dcc"
    device: str | None = None
    params: Mapping[str, Any] = Field(default_factory=dict)
    command_variant: int | None = Field(default=None, ge=1, le=8)
    save: str | None = None


class Ramp(Part):
    """Move to a voltage at a slope."""

    to: VoltsField
    slope: SlopeField = Field(gt=0)


class Excursion(Part):
    """Go to a voltage, stay, come back."""

    to: VoltsField
    duration: SecondsField = Field(alias="for", gt=0)


class Interruption(Part):
    """Take the supply away and give it back."""

    duration: SecondsField = Field(alias="for", gt=0)


def _exactly_one(part: Part, names: tuple[str, ...], what: str) -> str:
    given = [name for name in names if getattr(part, name) is not None]
    if len(given) != 1:
        have = f"this has {' and '.join(given)}" if given else "this has none"
        raise ValueError(f"{what} needs exactly one of {', '.join(names)}; {have}")
    return given[0]


class Supply(Part):
    """Something done to the mains; `device` is the rig's source unless named."""

    set: VoltsField | None = None
    ramp: Ramp | None = None
    sag: Excursion | None = None
    swell: Excursion | None = None
    interrupt: Interruption | None = None
    output: YesNo | None = None
    frequency: HertzField | None = None
    device: str | None = None

    @model_validator(mode="after")
    def _one_act(self) -> Supply:
        _exactly_one(self, ("set", "ramp", "sag", "swell", "interrupt", "output", "frequency"), "supply")
        return self


class Relay(Part):
    """Open or close a contact; `device` is the rig's relay unless named."""

    closed: YesNo
    device: str | None = None


class ConsoleCommand(Part):
    """Ask a console; every named part of the answer must match its value (a regular expression)."""

    device: str
    command: str
    arguments: Mapping[str, str] = Field(default_factory=dict)
    answer: Mapping[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _readable_patterns(self) -> ConsoleCommand:
        for key, pattern in self.answer.items():
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} for {key} is not a regular expression: {error}") from None
        return self


class Measure(Part):
    """Read a quantity and hold it against a band, both ends included."""

    device: str | None = None
    quantity: Literal["voltage", "current", "frequency", "power"] = "voltage"
    between: tuple[str, str]
    settle: SecondsField = Field(default=0.0, ge=0)


class Inventory(Part):
    """Ask the Smart Metering Inventory (8.2) for a device; "absent" stands for a device it does not know.

    Attributes:
        within: how long to go on asking until it says so; once, if not given.
    """

    device: str
    status: tuple[str, ...] = Field(min_length=1)
    within: SecondsField = Field(default=0.0, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _one_status(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("status"), str):
            return {**value, "status": [value["status"]]}
        return value


class Deliver(Part):
    """A local command that an earlier step got (Command Variant 2, 3, 6 or 7), carried to the HAN by hand.

    Attributes:
        command: the name that the earlier step saved it under.
        to: the device under test.
        save: keep the device's response under this name, as `response` (base64).
        device: the hand-held terminal, if the rig has several.
    """

    command: str
    to: str
    save: str | None = None
    device: str | None = None


class Prompt(Part):
    """A question to the operator; any of `choices` is an answer, those in `passes` let the step pass."""

    text: str
    choices: tuple[str, ...] = ("yes", "no")
    passes: tuple[str, ...] = ("yes",)

    @model_validator(mode="after")
    def _can_pass(self) -> Prompt:
        if unknown := [answer for answer in self.passes if answer not in self.choices]:
            raise ValueError(f"{unknown[0]!r} lets the step pass and is none of the choices {', '.join(self.choices)}")
        return self


class Call(Part):
    """A Python function from the entry point group `hilbench.steps`."""

    function: str
    arguments: Mapping[str, Any] = Field(default_factory=dict)


class Match(Part):
    """Which message is meant. Exactly one of the first five.

    Attributes:
        response: a response to this Service Request variant, sent in this step.
        device_alert: a Device Alert code.
        dcc_alert: a DCC Alert code.
        han: a stage of a join on the air; "join" is all of it.
        hub: what the Comms Hub monitor must say, such as {power: on}.
        code: the response code; any if not given.
        form: what a response must bring: a `pre-command` (transformed, not sent), a `local-command` (for the User to
            deliver) or the `device`'s own answer; any if not given.
        source: the device under test that it comes from (`from`).
        device: the device under test that a HAN join is about.
        user: the User that must get it; the step's User if not given (`as`).
        values: decoded contents that must be so.
    """

    response: str | None = None
    device_alert: AlertCode | None = None
    dcc_alert: DccAlertCode | None = None
    han: Literal["association", "transport_key", "device_announce", "cbke", "join"] | None = None
    hub: Mapping[str, str] | None = None
    code: str | None = None
    form: Literal["pre-command", "local-command", "device"] | None = None
    source: str | None = Field(default=None, alias="from")
    device: str | None = None
    user: str | None = Field(default=None, alias="as")
    values: Mapping[str, str] = Field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Which of the five it is."""
        return _exactly_one(self, ("response", "device_alert", "dcc_alert", "han", "hub"), "this")

    @property
    def label(self) -> str:
        """How people name it: "0x8F35 from esme", "N24", "response 8.11 I0"."""
        kind = self.kind
        value = getattr(self, kind)
        states = ", ".join(f"{key} {state}" for key, state in (self.hub or {}).items())
        texts = {"response": f"response {value}", "han": f"{value} on the air", "hub": f"hub {states}"}
        text = texts.get(kind, str(value))
        parts = [
            text,
            self.code or "",
            f"({self.form})" if self.form else "",
            f"from {self.source}" if self.source else "",
            f"of {self.device}" if self.device else "",
        ]
        return " ".join(part for part in parts if part)

    @model_validator(mode="after")
    def _one_kind(self) -> Match:
        kind = self.kind
        if kind == "device_alert" and self.source is None:
            raise ValueError("say which device the alert must come from: 'from: esme'")
        if kind == "han" and self.device is None:
            raise ValueError("say whose join it is: 'device: esme'")
        if (self.code is not None or self.form is not None) and kind != "response":
            raise ValueError(f"{'code' if self.code is not None else 'form'!r} belongs to a response")
        return self


class Expect(Match):
    """What must be seen.

    Attributes:
        within: from the anchor; later is too late.
        after: what the window counts from: the stimulus, the supply's fall, restoration or setting, the verb's end.
        request: the Service Request of this step that a DCC Alert answers (`for`).
        witness: for `han` and `hub`: "required" must be seen, "optional" may be unavailable.
    """

    within: SecondsField = Field(gt=0)
    after: Anchor = "stimulus"
    request: str | None = Field(default=None, alias="for")
    witness: Literal["required", "optional"] = "required"


class Forbid(Match):
    """What must not come, for how long after the anchor."""

    duration: SecondsField = Field(alias="for", gt=0)
    after: Anchor = "stimulus"


VERBS = (
    "send",
    "supply",
    "relay",
    "console",
    "measure",
    "inventory",
    "wait",
    "prompt",
    "parallel",
    "call",
    "deliver",
    "procedure",
)


class Step(Part):
    """One step: a verb, and what must, may and must not follow.

    Attributes:
        step: its number or label in the Test Script.
        covers: requirement ids that a pass of this step is evidence for.
        user: the User it acts as (`as`).
        only_if: skip the step unless the inventory says this; asked as the same User.
        repeatable: whether an interrupted step may simply be done again.
    """

    step: str = ""
    title: str = ""
    covers: tuple[str, ...] = ()
    user: str | None = Field(default=None, alias="as")
    send: Send | None = None
    supply: Supply | None = None
    relay: Relay | None = None
    console: ConsoleCommand | None = None
    measure: Measure | None = None
    inventory: Inventory | None = None
    wait: SecondsField | None = Field(default=None, ge=0)
    prompt: Prompt | None = None
    parallel: tuple[Step, ...] | None = None
    call: Call | None = None
    deliver: Deliver | None = None
    procedure: str | None = None
    only_if: Inventory | None = None
    expect: tuple[Expect, ...] = ()
    allow: tuple[Match, ...] = ()
    forbid: tuple[Forbid, ...] = ()
    repeatable: YesNo = False

    @property
    def verb(self) -> str:
        """Which verb it is."""
        return _exactly_one(self, VERBS, "a step")

    @model_validator(mode="after")
    def _one_verb(self) -> Step:
        verb = self.verb
        if (verb in ("send", "inventory") or self.only_if is not None) and self.user is None:
            asks = verb if self.only_if is None else "only_if"
            raise ValueError(f"a step with '{asks}' says as which User it acts: 'as: IS'")
        if verb in ("procedure", "parallel") and (self.expect or self.forbid):
            raise ValueError(f"'expect' and 'forbid' belong to the steps inside '{verb}'")
        if verb == "procedure" and (self.covers or self.user or self.only_if or self.allow):
            raise ValueError("'covers', 'as', 'only_if' and 'allow' belong to the steps of the procedure")
        if self.parallel is not None:
            self._check_parts(self.parallel)
        return self

    @staticmethod
    def _check_parts(parts: tuple[Step, ...]) -> None:
        if not parts:
            raise ValueError("'parallel' has no steps")
        for part in parts:
            if part.procedure is not None:
                raise ValueError("a procedure cannot stand inside 'parallel': write its steps out")
            if part.covers or part.only_if is not None:
                raise ValueError("'covers' and 'only_if' belong to the 'parallel' step as a whole")
