"""The runbook file: a reviewed Test Script as data, read into an immutable tree.

A runbook has preconditions (checked, and established where they do not hold), `setup`, `steps` and `teardown`; setup
and teardown always run. A step has exactly one verb, says as which User it acts, and states what must be seen, what
may come beside it, and what must not come. Fragments that several runbooks share are procedures, in
`procedures/NAME.yaml` beside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pydantic import Field

from bench import strict_yaml
from bench.errors import UsageError
from bench.schema import NameField, Part
from bench.steps import Inventory, Step


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


@lru_cache(maxsize=64)
def _procedure(path: Path, text: str) -> tuple[strict_yaml.Document, ProcedureFile]:
    """A procedure by its text: the runbooks of a plan call the same few again and again."""
    document = strict_yaml.parse(path, text)
    return document, strict_yaml.build(document, ProcedureFile)


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
            self._procedures[name] = _procedure(path, strict_yaml.read(path))
        return self._procedures[name]


BUILT_IN = Path(__file__).parents[1] / "runbooks"
"""The runbooks that come with the project, for whoever works elsewhere; a copy without its checkout has none."""


def find_runbook(name: str, *, beside: Sequence[Path] = ()) -> Path:
    """The file of a runbook given by path, or by name.

    Args:
        name: a path, or what is looked for in `beside`, in the folder `runbooks`, and in that of the project.
        beside: folders that come first; a path that is not absolute is looked for in the first of them and here.

    Raises:
        UsageError: there is none; it says where was looked, and which are known.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or "/" in name:
        places = {place.absolute(): place for place in (*(folder / path for folder in beside[:1]), path)}
        if found := next((place for place in places.values() if place.is_file()), None):
            return found
        looked = f". Looked for {' and '.join(str(place) for place in places)}" if beside else ""
        raise UsageError(f"there is no runbook file {name}{looked}")
    here = Path("runbooks")
    folders = {folder.resolve(): folder for folder in (*beside, here, BUILT_IN)}
    if found := next((at for folder in folders.values() if (at := folder / f"{name}.yaml").is_file()), None):
        return found
    known = {folder: sorted(file.stem for file in folder.glob("*.yaml")) for folder in (here, BUILT_IN)}
    full = next((folder for folder, names in known.items() if names), None)
    listed = f"In {full.resolve()} there are: {', '.join(known[full])}" if full else "Give the path of its file"
    looked = f". Looked for in {', '.join(str(folder) for folder in folders)}" if len(folders) > 1 else ""
    raise UsageError(f"there is no runbook {name!r}", next_step=listed + looked)


def load_runbook(path: Path) -> Runbook:
    """Read and check a runbook and its procedures.

    Raises:
        UsageError: with every mistake found, each with file and line.
    """
    return build_runbook(strict_yaml.load(path))


def build_runbook(document: strict_yaml.Document) -> Runbook:
    """Check a runbook that was read, or made, and the procedures that stand beside where its path says it is.

    Raises:
        UsageError: with every mistake found, each with file and line.
    """
    file = strict_yaml.build(document, RunbookFile)
    reader = _Reader(document.path.parent)
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
