"""A message taken apart: named parts, each with its place in the bytes, what it holds and what that means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

HIDDEN = "(hidden)"
"""Stands where a secret would: a tree ends up on screens and in reports."""

_SHOWN_CHARACTERS = 200


@dataclass(slots=True)
class Node:
    """One part.

    Attributes:
        name: what it is.
        value: what it holds: hexadecimal text, a number, a text; None for a part that only has parts.
        note: what that means, in words; empty where nothing is known.
        offset: index of its first byte in the message; None for what has no place of its own.
        length: how many bytes it has.
        line: line of the XML document, counted from 1; None outside XML.
        fault: the part says that something is wrong.
        children: its parts, in their order.
    """

    name: str
    value: str | int | None = None
    note: str = ""
    offset: int | None = None
    length: int | None = None
    line: int | None = None
    fault: bool = False
    children: list[Node] = field(default_factory=list)

    def add(
        self,
        name: str,
        value: str | int | None = None,
        note: str = "",
        *,
        offset: int | None = None,
        length: int | None = None,
    ) -> Node:
        """Append a part and return it."""
        node = Node(name, value, note, offset, length)
        self.children.append(node)
        return node

    def add_fault(self, what: str, offset: int | None = None) -> Node:
        """Append a part that says what is wrong, and return it."""
        node = Node("fault", what, offset=offset, fault=True)
        self.children.append(node)
        return node

    def walk(self) -> Iterator[Node]:
        """Return every part, this one first, in the order of reading."""
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def faulty(self) -> bool:
        """Whether this part or one in it says that something is wrong."""
        return any(node.fault for node in self.walk())

    def find(self, name: str) -> Node | None:
        """Return the first part of this name, or None."""
        return next((node for node in self.walk() if node.name == name), None)

    def as_json(self) -> dict[str, Any]:
        """Return the tree as JSON knows it; what a part does not have is left out."""
        shown: dict[str, Any] = {"name": self.name}
        for key in ("value", "offset", "length", "line"):
            if getattr(self, key) is not None:
                shown[key] = getattr(self, key)
        if self.note:
            shown["note"] = self.note
        if self.fault:
            shown["fault"] = True
        if self.children:
            shown["children"] = [child.as_json() for child in self.children]
        return shown

    def lines(self) -> list[str]:
        """Return the tree as text: place, length, and the indented part; long values are shortened."""
        return [_line(node, depth) for node, depth in _with_depth(self, 0)]


def _with_depth(node: Node, depth: int) -> Iterator[tuple[Node, int]]:
    yield node, depth
    for child in node.children:
        yield from _with_depth(child, depth + 1)


def _line(node: Node, depth: int) -> str:
    if node.line is not None:
        place = f"line {node.line}"
    elif node.offset is None:
        place = ""
    else:
        place = f"{node.offset:5}" + ("" if node.length is None else f" +{node.length}")
    value = "" if node.value is None else str(node.value)
    if len(value) > _SHOWN_CHARACTERS and not node.fault:
        value = f"{value[:_SHOWN_CHARACTERS]}... ({len(value)} characters)"
    name = f"! {node.name}" if node.fault else node.name
    text = f"{name}: {value}" if value else name
    return f"{place:12}{'  ' * depth}{text}{f'  ({node.note})' if node.note else ''}".rstrip()
