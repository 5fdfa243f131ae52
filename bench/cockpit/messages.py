"""A message opened: what the engine said of it, and each form in which it came over the wire, taken apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.cockpit.model import Message
from bench.decode import decode
from bench.errors import CodecError
from bench.gbcs.tree import Node


@dataclass(frozen=True, slots=True)
class Opened:
    """A message taken apart.

    Attributes:
        trees: one for what the engine said, then one for each form on the wire.
        data: the bytes of each of these trees; empty where it has none.
    """

    trees: tuple[Node, ...]
    data: tuple[bytes, ...]

    def _index(self, node: Node | None) -> int | None:
        if node is None:
            return None
        for index, tree in enumerate(self.trees):
            if any(each is node for each in tree.walk()):
                return index
        return None

    def bytes_of(self, node: Node | None) -> bytes:
        """The bytes that a part's offsets count in; for the whole, those of the last form that has some."""
        index = self._index(node)
        if index is None:
            return next((each for each in reversed(self.data) if each), b"")
        return self.data[index]

    def text_of(self, node: Node | None) -> str:
        """What to show of a part that has no bytes."""
        if node is None or node.value is None:
            return "no bytes"
        return str(node.value)


def open_message(message: Message, wire: Sequence[Mapping[str, Any]], complaint: str) -> Opened:
    """Take a message apart.

    Args:
        message: which.
        wire: what came over the wire, as the engine kept it.
        complaint: why there is nothing, if there is not.
    """
    said = Node("as the bench read it")
    _branch(said, message.data)
    if complaint:
        said.add_fault(complaint)
    trees, data = [said], [b""]
    for each in wire:
        tree, content = _decoded(each)
        trees.append(tree)
        data.append(content)
    return Opened(tuple(trees), tuple(data))


def _branch(node: Node, value: Mapping[str, Any]) -> None:
    for key, each in value.items():
        if isinstance(each, Mapping):
            _branch(node.add(key), each)
        elif isinstance(each, list):
            below = node.add(key, f"{len(each)} entries")
            for index, entry in enumerate(each, 1):
                if isinstance(entry, Mapping):
                    _branch(below.add(str(index)), entry)
                else:
                    below.add(str(index), str(entry))
        elif each is not None:
            node.add(key, str(each))


def _decoded(wire: Mapping[str, Any]) -> tuple[Node, bytes]:
    channel = wire.get("channel", "wire")
    content = bytes.fromhex(wire["hex"]) if "hex" in wire else str(wire.get("text", "")).encode()
    tree = Node(f"received ({channel}), {len(content)} bytes")
    try:
        tree.children.append(decode(content).tree)
    except CodecError as error:
        # A line of a sniffer or a topic of a broker is no GBCS or DUIS message; its bytes are shown all the same.
        tree.add("not taken apart", note=str(error))
    return tree, content
