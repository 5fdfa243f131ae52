"""YAML without guessing: every scalar is text, and the schema alone gives it a type.

`8.10` stays "8.10", `no` stays "no", `12:30` stays "12:30". Duplicate keys, anchors, aliases, tags and several
documents in one file are refused. Every error names the file, the line, what was expected and a correction.
"""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from bench.errors import UsageError

MAX_FILE_BYTES = 4 * 1024 * 1024
_MAX_DEPTH = 40
# Values under keys with these words in them are never repeated in an error.
_SECRET = ("token", "password", "secret", "install_code", "key")

ModelT = TypeVar("ModelT", bound=BaseModel)
Location = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: a tree of dict, list and str, and where each part stands.

    Attributes:
        path: the file.
        text: its text, exactly.
        root: the tree.
        lines: line number (from 1) of every part, by its path in the tree.
    """

    path: Path
    text: str
    root: Any
    lines: Mapping[Location, int]

    def where(self, location: Location) -> str:
        """`file:line` of a part, or of the nearest part around it."""
        while location and location not in self.lines:
            location = location[:-1]
        return f"{self.path}:{self.lines.get(location, 1)}"


def load(path: Path) -> Document:
    """Read a file.

    Raises:
        UsageError: it cannot be read, or is not YAML of the strict kind.
    """
    return parse(path, read(path))


def read(path: Path) -> str:
    """The text of a file.

    Raises:
        UsageError: it cannot be read, is too large, or is no UTF-8.
    """
    try:
        with path.open("rb") as file:
            # No more than this of something that never ends.
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    if len(raw) > MAX_FILE_BYTES:
        raise UsageError(f"{path} is larger than {MAX_FILE_BYTES // 1024} KiB")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise UsageError("the file is not UTF-8 text", where=f"{path}:{raw[: error.start].count(10) + 1}") from None


def parse(path: Path, text: str) -> Document:
    """Parse text as if it came from `path`; errors as `load`."""
    lines: dict[Location, int] = {}
    try:
        _refuse_machinery(path, text)
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
        if node is None:
            raise UsageError("the file is empty", where=f"{path}:1")
        root = _convert(path, node, (), lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise UsageError(
            f"this is not YAML: {error.problem or error.context}",
            where=f"{path}:{mark.line + 1 if mark else 1}",
            next_step="Check the indentation, quotes and brackets on this line and the one before",
        ) from None
    except yaml.YAMLError as error:
        raise UsageError(f"this is not YAML: {error}", where=str(path)) from None
    return Document(path, text, root, lines)


def _refuse_machinery(path: Path, text: str) -> None:
    depth = documents = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        where = f"{path}:{event.start_mark.line + 1 if event.start_mark else 1}"
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise UsageError("a second document begins here", where=where, next_step="Remove the '---'")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise UsageError(
                "anchors and aliases (& and *) are not used here", where=where, next_step="Write the value out"
            )
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag not in (None, "!"):
            raise UsageError(f"the tag {event.tag!r} is not used here", where=where, next_step="Remove it")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                raise UsageError(f"nested more than {_MAX_DEPTH} deep", where=where)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _convert(path: Path, node: yaml.Node, at: Location, lines: dict[Location, int]) -> Any:
    lines[at] = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        return node.value
    if isinstance(node, yaml.SequenceNode):
        return [_convert(path, item, (*at, index), lines) for index, item in enumerate(node.value)]
    mapping: dict[str, Any] = {}
    for key, value in node.value:
        where = f"{path}:{key.start_mark.line + 1}"
        if not isinstance(key, yaml.ScalarNode):
            raise UsageError("a key must be plain text", where=where)
        if key.value in mapping:
            raise UsageError(
                f"the key {key.value!r} stands twice, first on line {lines[*at, key.value]}",
                where=where,
                next_step="Keep one of them",
            )
        mapping[key.value] = _convert(path, value, (*at, key.value), lines)
        lines[*at, key.value] = key.start_mark.line + 1
    return mapping


def build(document: Document, model: type[ModelT], *, at: Location = ()) -> ModelT:
    """Make a typed object of (a part of) a document.

    Raises:
        UsageError: one line for each mistake, all of them at once.
    """
    part = document.root
    for key in at:
        part = part[key]
    if not isinstance(part, dict):
        raise UsageError("expected a mapping (key: value)", where=document.where(at))
    try:
        return model.model_validate(part)
    except ValidationError as error:
        raise UsageError("\n".join(sentences(document, model, at, error))) from None


def sentences(document: Document, model: type[BaseModel], at: Location, error: ValidationError) -> list[str]:
    """Say what a model did not like about a part of a document: one line with file and line number for each fault."""
    found, faults = [], error.errors(include_url=False)
    for fault in faults:
        if fault["type"] == "too_short" and any(_is_inside(other["loc"], fault["loc"]) for other in faults):
            continue  # only those of its items that are right were counted
        location = tuple(fault["loc"])
        found.append((document.lines.get(_known(document, (*at, *location)), 0), _sentence(model, at, location, fault)))
    found.sort(key=lambda pair: pair[0])
    return [f"{document.path}:{line or 1}: {text}" for line, text in found]


def _is_inside(inner: Location, outer: Location) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer


def _known(document: Document, location: Location) -> Location:
    while location and location not in document.lines:
        location = location[:-1]
    return location


def _sentence(model: type[BaseModel], at: Location, location: Location, fault: Any) -> str:
    name = ".".join(str(part) for part in location or at) or "the file"
    kind, value = fault["type"], fault["input"]
    if any(word in str(part) for part in location for word in _SECRET):
        value = "(not shown)"
    if kind == "extra_forbidden":
        known = _keys_at(model, location[:-1])
        close = difflib.get_close_matches(str(location[-1]), known, 1)
        hint = f"did you mean {close[0]!r}?" if close else f"known keys here: {', '.join(known)}"
        return f"unknown key {location[-1]!r}; {hint}"
    if kind == "missing":
        return f"{name} is missing; it must be given"
    if kind == "value_error":
        return f"{name}: {fault['ctx']['error']}"
    if kind in ("enum", "literal_error"):
        close = difflib.get_close_matches(str(value), [part.strip("' ") for part in _expected(fault)], 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return f"{name} is {value!r}; expected {fault['ctx']['expected']}{hint}"
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return f"{name}: expected a mapping (key: value), got {_describe(value)}"
    if kind == "list_type" or kind == "tuple_type":
        return f"{name}: expected a list, got {_describe(value)}"
    if kind == "too_short":
        return f"{name} needs at least {fault['ctx']['min_length']}, and has {fault['ctx']['actual_length']}"
    if kind == "string_type":
        return f"{name}: expected text, got {_describe(value)}"
    message = fault["msg"][0].lower() + fault["msg"][1:]
    return f"{name} is {_describe(value)}; {message}"


def _expected(fault: Any) -> list[str]:
    return str(fault["ctx"]["expected"]).replace(" or ", ", ").split(", ")


def _describe(value: object) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _keys_at(model: type[BaseModel], location: Location) -> list[str]:
    """The keys that a model accepts at a place below it, for a useful hint."""
    current: Any = model
    for part in location:
        if isinstance(current, type) and issubclass(current, BaseModel):
            fields = {field.alias or name: field.annotation for name, field in current.model_fields.items()}
            current = fields.get(str(part))
        else:
            arguments = [argument for argument in typing.get_args(current) if argument is not Ellipsis]
            current = arguments[-1] if arguments else None
        current = _unwrap(current)
    if isinstance(current, type) and issubclass(current, BaseModel):
        return sorted(field.alias or name for name, field in current.model_fields.items())
    return []


def _unwrap(annotation: Any) -> Any:
    """Take Optional and Annotated off an annotation."""
    while True:
        origin = typing.get_origin(annotation)
        if origin is typing.Annotated:
            annotation = typing.get_args(annotation)[0]
        elif origin in (typing.Union, types.UnionType):
            inner = [argument for argument in typing.get_args(annotation) if argument is not type(None)]
            annotation = inner[0]
        else:
            return annotation
