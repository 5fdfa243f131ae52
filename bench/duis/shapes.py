"""The shape of a body, as data: from it parameters are checked here, and written and read by `shape_xml`.

A shape is a sequence of items. Most elements of one body have names of their own, so the parameters are one flat
mapping from the snake_case of the element's name; only what repeats is a list of mappings.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.duis.values import Kind
from bench.errors import UsageError

Params = Mapping[str, object]

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_ALERT_CODE = re.compile("x[0-9A-F]{4}")
# Names whose capitals do not show where words end.
_SPELLED = {"SMETSCHTSVersion": "smets_chts_version", "S1SP": "s1sp"}


def snake(tag: str) -> str:
    """The parameter name of an element: `AverageRMSOverVoltageThreshold` -> `average_rms_over_voltage_threshold`.

    MPxN is one word, a number belongs to the word before it, and an alert code such as x81A0 keeps its form.
    """
    if _ALERT_CODE.fullmatch(tag):
        return tag.lower()
    words = _WORD.findall(tag.replace("MPxN", "Mpxn").replace("IDs", "Ids").replace("GHz", "Ghz"))
    return _SPELLED.get(tag) or re.sub(r"_(?=\d)", "", "_".join(words)).lower()


@dataclass(frozen=True, slots=True)
class Leaf:
    """An element that holds one value, or an attribute or the text of the element around it.

    Attributes:
        tag: the element's name in the DUIS schema.
        kind: what it may hold.
        required: whether the schema requires it.
        default: what a required one holds if it is not given; None: it must be given.
        key: its parameter's name.
        attribute: whether it is an attribute.
        text: whether it is the text of an element that has attributes besides; its tag is empty.
        secret: whether its value must never be shown: in events, evidence or messages.
    """

    tag: str
    kind: Kind
    required: bool = True
    default: object = None
    key: str = ""
    attribute: bool = False
    secret: bool = False
    text: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", self.key or snake(self.tag))


@dataclass(frozen=True, slots=True)
class Flag:
    """An element without content: there or not."""

    tag: str
    required: bool = False

    @property
    def key(self) -> str:
        """Its parameter's name; the value is true or false."""
        return snake(self.tag)


@dataclass(frozen=True, slots=True)
class Group:
    """An element that holds items; their parameters belong to the mapping around it, unless it `nests` them.

    Attributes:
        tag: the element's name in the DUIS schema.
        items: what it holds.
        required: whether the schema requires it.
        nests: whether its parameters are a mapping of their own.
        default: what a required one that nests holds if it is not given, besides the defaults of its items.
    """

    tag: str
    items: tuple[Item, ...]
    required: bool = True
    nests: bool = False
    default: Params = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Its parameter's name, if it nests."""
        return snake(self.tag)


@dataclass(frozen=True, slots=True)
class Repeat:
    """An element that occurs several times: a list, of mappings or (with a kind) of values.

    Attributes:
        tag: the element's name in the DUIS schema.
        content: what each of them holds.
        minimum: how many there are at least.
        maximum: how many there are at most.
        key: its parameter's name.
        default: the entries, if none are given; empty: they must be given (unless the minimum is 0).
        inner: the one element inside each that holds the value; empty: it holds the value itself.
    """

    tag: str
    content: tuple[Item, ...] | Kind
    minimum: int
    maximum: int
    key: str = ""
    default: tuple[object, ...] = ()
    inner: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", self.key or snake(self.tag))


@dataclass(frozen=True, slots=True)
class Choice:
    """Exactly one of several branches, each a sequence of items; or, if it is not required, none.

    Attributes:
        branches: what there is to choose from.
        required: whether the schema requires one.
        default: the parameters that choose a branch if nothing of any branch is given; empty: one must be given.
    """

    branches: tuple[tuple[Item, ...], ...]
    required: bool = True
    default: Params = field(default_factory=dict)

    @property
    def may_be_empty(self) -> bool:
        """Whether the schema is content with nothing."""
        return not self.required or any(not any(map(needed, branch)) for branch in self.branches)


Item = Leaf | Flag | Group | Repeat | Choice
Shape = tuple[Item, ...]


def needed(item: Item) -> bool:
    """Whether the schema requires that this item says something."""
    if isinstance(item, Choice):
        return not item.may_be_empty
    return item.minimum > 0 if isinstance(item, Repeat) else item.required


def leaves(items: Iterable[Item]) -> Iterator[Leaf | Flag | Repeat | Group]:
    """Every item that has a parameter of its own at this level, in document order."""
    for item in items:
        if isinstance(item, Choice):
            for branch in item.branches:
                yield from leaves(branch)
        elif isinstance(item, Group) and not item.nests:
            yield from leaves(item.items)
        else:
            yield item


def secret_keys(items: Iterable[Item]) -> frozenset[str]:
    """Names of the parameters whose values must never be shown."""
    return frozenset(item.key for item in leaves(items) if isinstance(item, Leaf) and item.secret)


def complete(items: Shape, params: Params, subject: str) -> dict[str, Any]:
    """Check parameters against a shape and return them in canonical form, in document order, with defaults.

    Args:
        items: the shape.
        params: what was given; values may be text.
        subject: whose parameters they are, for the error: "8.11 Update HAN Device Log".

    Raises:
        UsageError: a parameter is unknown, missing, of the wrong kind, or excludes another; it is named.
    """
    known = [item.key for item in leaves(items)]
    for name in params:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, 1, 0.6)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            offer = "It has " + ", ".join(dict.fromkeys(known)) if known else "It has none"
            raise UsageError(f"{subject} has no parameter {str(name)!r}", next_step=hint + offer)
    out: dict[str, Any] = {}
    _fill(items, params, out, subject)
    return out


def _fill(items: Shape, params: Params, out: dict[str, Any], subject: str) -> None:
    for item in items:
        if isinstance(item, Choice):
            chosen = params if any(given(branch, params) for branch in item.branches) else {**params, **item.default}
            branch = _choose(item, chosen, subject)
            if branch is not None:
                _fill(branch, chosen, out, subject)
        elif isinstance(item, Group) and not item.nests:
            if item.required or given(item.items, params):
                _fill(item.items, params, out, subject)
        elif item.key in params:
            value = _accept(item, params[item.key], subject)
            if not (isinstance(item, Flag) and value is False):
                out[item.key] = value
        elif needed(item):
            out[item.key] = _default(item, subject)


def _default(item: Leaf | Flag | Repeat | Group, subject: str) -> Any:
    """What a required item holds that was not given."""
    if isinstance(item, Flag):
        return True
    if isinstance(item, Group):
        return complete(item.items, item.default, f"{subject}, {item.key!r}")
    if isinstance(item, Repeat):
        if not item.default:
            raise UsageError(f"{subject} needs {item.key!r}", next_step="Give a list")
        return _accept_list(item, item.default, f"{subject}, {item.key!r}")
    if item.default is None:
        raise UsageError(f"{subject} needs {item.key!r}", next_step=f"Give {item.kind.expected}")
    return item.kind.accept(item.default)


def _accept(item: Leaf | Flag | Repeat | Group, value: object, subject: str) -> Any:
    where = f"{subject}, {item.key!r}"
    if isinstance(item, Group):
        if not isinstance(value, Mapping):
            raise UsageError(f"{where} is not a mapping", next_step="Give its parameters by name")
        return complete(item.items, value, where)
    if isinstance(item, Repeat):
        return _accept_list(item, value, where)
    if isinstance(item, Flag):
        if value not in (True, False, "true", "false"):
            raise UsageError(f"{where} is {value!r}", next_step="Expected true or false")
        return value in (True, "true")
    try:
        return item.kind.accept(value)
    except ValueError:
        shown = "not acceptable" if item.secret else repr(value)[:80]
        raise UsageError(f"{where} is {shown}", next_step=f"Expected {item.kind.expected}") from None


def _accept_list(item: Repeat, value: object, where: str) -> tuple[Any, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise UsageError(f"{where} is not a list", next_step=f"Give {item.minimum} to {item.maximum} entries")
    if not item.minimum <= len(value) <= item.maximum:
        raise UsageError(
            f"{where} has {len(value)} entries", next_step=f"Expected {item.minimum} to {item.maximum} of them"
        )
    entries: list[Any] = []
    for index, entry in enumerate(value, 1):
        if isinstance(item.content, Kind):
            entries.append(_accept(Leaf(item.tag, item.content, key=f"{item.key} {index}"), entry, where))
        elif isinstance(entry, Mapping):
            entries.append(complete(item.content, entry, f"{where} {index}"))
        else:
            raise UsageError(f"{where} {index} is not a mapping", next_step="Give its parameters by name")
    return tuple(entries)


def given(items: Iterable[Item], params: Params) -> bool:
    """Whether any parameter of these items is there."""
    return any(item.key in params for item in leaves(items))


def _choose(choice: Choice, params: Params, subject: str) -> Shape | None:
    chosen = [branch for branch in choice.branches if given(branch, params)]
    if len(chosen) == 1:
        return chosen[0]
    offers = [" with ".join(item.key for item in leaves(branch)) for branch in choice.branches]
    if chosen:
        names = [item.key for branch in chosen for item in leaves(branch) if item.key in params]
        raise UsageError(f"{subject} cannot have both {names[0]!r} and {names[-1]!r}", next_step="Give one of them")
    if choice.may_be_empty:
        return None
    raise UsageError(f"{subject} needs one of: {'; '.join(offers)}")
