"""The runbook file: a reviewed Test Script as data, read into an immutable tree.

A runbook has preconditions (checked, and established where they do not hold), `setup`, `steps` and `teardown`; setup
and teardown always run. A step has exactly one verb, says as which User it acts, and states what must be seen, what
may come beside it, and what must not come. Fragments that several runbooks share are procedures, in
`procedures/NAME.yaml` beside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from bench import strict_yaml
from bench.errors import UsageError
from bench.quantities import HertzField, SecondsField, SlopeField, VoltsField
from bench.rig_file import NameField, Part, YesNo

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
        if self.code is not None and kind != "response":
            raise ValueError("'code' belongs to a response")
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


class Precondition(Part):
    """A state that the runbook starts from: checked, and established by steps if it does not hold."""

    title: str
    user: str = Field(alias="as")
    inventory: Inventory
    establish: tuple[Step, ...] = ()


class RunbookFile(Part):
    """`runbooks/NAME.yaml`."""

    runbook: NameField
    title: str
    preconditions: tuple[Precondition, ...] = ()
    setup: tuple[Step, ...] = ()
    steps: tuple[Step, ...] = Field(min_length=1)
    teardown: tuple[Step, ...] = ()


class ProcedureFile(Part):
    """`runbooks/procedures/NAME.yaml`."""

    procedure: NameField
    title: str = ""
    steps: tuple[Step, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Placed:
    """A step, and where it stands in which file."""

    step: Step
    where: str
    path: str

    @property
    def name(self) -> str:
        """How reports name the step: its label and title."""
        return " ".join(part for part in (self.step.step, self.step.title) if part) or self.path


@dataclass(frozen=True, slots=True)
class PlacedPrecondition:
    """A precondition with its place and its placed steps."""

    precondition: Precondition
    where: str
    establish: tuple[Placed, ...]


@dataclass(frozen=True, slots=True)
class Runbook:
    """A whole runbook with its procedures written out.

    Attributes:
        documents: the files it is made of, for evidence.
    """

    name: str
    title: str
    preconditions: tuple[PlacedPrecondition, ...]
    setup: tuple[Placed, ...]
    steps: tuple[Placed, ...]
    teardown: tuple[Placed, ...]
    documents: tuple[strict_yaml.Document, ...]

    def all_steps(self) -> Iterator[Placed]:
        """Every step, in the order in which they stand, preconditions first."""
        for precondition in self.preconditions:
            yield from precondition.establish
        for group in (self.setup, self.steps, self.teardown):
            yield from group

    @property
    def covers(self) -> list[str]:
        """Requirements that a pass is evidence for."""
        return list(dict.fromkeys(item for placed in self.steps for item in placed.step.covers))


class _Reader:
    """Reads a runbook with its procedures, and keeps track of what stands where."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._procedures: dict[str, tuple[strict_yaml.Document, ProcedureFile]] = {}

    @property
    def procedure_documents(self) -> list[strict_yaml.Document]:
        return [document for document, _ in self._procedures.values()]

    def place(
        self,
        document: strict_yaml.Document,
        at: strict_yaml.Location,
        steps: tuple[Step, ...],
        inside: tuple[str, ...] = (),
    ) -> Iterator[Placed]:
        for index, step in enumerate(steps):
            where = document.where((*at, index))
            if step.procedure is None:
                yield Placed(step, where, ".".join(str(part) for part in (*inside, *at, index)))
                continue
            if step.procedure in inside:
                raise UsageError(f"procedure {step.procedure!r} calls itself", where=where)
            inner, procedure = self._load(step.procedure, where)
            yield from self.place(inner, ("steps",), procedure.steps, (*inside, step.procedure))

    def _load(self, name: str, where: str) -> tuple[strict_yaml.Document, ProcedureFile]:
        if name not in self._procedures:
            path = self._folder / "procedures" / f"{name}.yaml"
            if not re.fullmatch(r"[a-z0-9-]+", name) or not path.is_file():
                raise UsageError(f"there is no procedure {name!r}", where=where, next_step=f"It would be {path}")
            document = strict_yaml.load(path)
            self._procedures[name] = document, strict_yaml.build(document, ProcedureFile)
        return self._procedures[name]


def find_runbook(name: str) -> Path:
    """The file of a runbook given by path, or by name in the folder `runbooks`.

    Raises:
        UsageError: there is none; the known ones are listed.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or "/" in name:
        if path.is_file():
            return path
        raise UsageError(f"there is no runbook file {name}")
    folder = Path("runbooks")
    if (candidate := folder / f"{name}.yaml").is_file():
        return candidate
    known = sorted(file.stem for file in folder.glob("*.yaml"))
    raise UsageError(
        f"there is no runbook {name!r}",
        next_step=f"In {folder.resolve()} there are: {', '.join(known)}" if known else "Give the path of its file",
    )


def load_runbook(path: Path) -> Runbook:
    """Read and check a runbook and its procedures.

    Raises:
        UsageError: with every mistake found, each with file and line.
    """
    document = strict_yaml.load(path)
    file = strict_yaml.build(document, RunbookFile)
    reader = _Reader(path.parent)
    preconditions = tuple(
        PlacedPrecondition(
            item,
            document.where(("preconditions", index)),
            tuple(reader.place(document, ("preconditions", index, "establish"), item.establish)),
        )
        for index, item in enumerate(file.preconditions)
    )
    setup, steps, teardown = (
        tuple(reader.place(document, (group,), getattr(file, group))) for group in ("setup", "steps", "teardown")
    )
    documents = (document, *reader.procedure_documents)
    return Runbook(file.runbook, file.title, preconditions, setup, steps, teardown, documents)
