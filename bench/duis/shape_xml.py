"""XML of a body from its parameters, and its parameters from XML, both driven by its shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lxml import etree

from bench.duis.errors import DuisError
from bench.duis.names import add, line_of, local, sr
from bench.duis.shapes import Choice, Flag, Group, Item, Leaf, Params, Repeat, Shape, given, leaves, needed
from bench.duis.values import Kind

_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"


def write(items: Shape, values: Params, parent: etree._Element) -> None:
    """Append to `parent` the elements of complete parameters (`complete` makes them so)."""
    for item in items:
        if isinstance(item, Choice):
            branch = next((each for each in item.branches if given(each, values)), None)
            write(branch or (), values, parent)
        elif isinstance(item, Group):
            inner = values.get(item.key, {}) if item.nests else values
            if item.required or item.key in values or (not item.nests and given(item.items, values)):
                assert isinstance(inner, Mapping)
                write(item.items, inner, add(parent, item.tag))
        elif item.key in values:
            _write_item(item, values[item.key], parent)


def _write_item(item: Leaf | Flag | Repeat, value: Any, parent: etree._Element) -> None:
    if isinstance(item, Flag):
        add(parent, item.tag)
    elif isinstance(item, Leaf):
        if item.attribute:
            parent.set(item.tag, item.kind.write(value))
        elif item.text:
            parent.text = item.kind.write(value)
        else:
            add(parent, item.tag, item.kind.write(value))
    else:
        for entry in value:
            if isinstance(item.content, Kind):
                holder = add(parent, item.tag) if item.inner else parent
                add(holder, item.inner or item.tag, item.content.write(entry))
            else:
                write(item.content, entry, add(parent, item.tag))


def read(items: Shape, parent: etree._Element) -> dict[str, Any]:
    """Read the parameters of an element that has this shape.

    Raises:
        DuisError: an element is missing, unexpected, out of order, repeated or of the wrong kind.
    """
    out: dict[str, Any] = {}
    children = list(parent)
    if any(isinstance(item, Leaf) and item.text for item in items):
        return _read_text(items, parent)
    if children and any(text and text.strip() for text in (parent.text, *(each.tail for each in children))):
        raise DuisError(f"{local(parent)} holds text", line=line_of(parent), expected="elements only")
    attributes = _attributes(parent)
    position = _read_items(items, parent, children, 0, out, attributes)
    if position < len(children):
        left = children[position]
        raise DuisError(
            f"{local(left)} is not expected here", line=line_of(left), expected=f"the end of {local(parent)}"
        )
    _refuse_attributes(attributes, parent)
    return out


def _read_items(
    items: Shape,
    parent: etree._Element,
    children: list[etree._Element],
    position: int,
    out: dict[str, Any],
    attributes: set[str],
) -> int:
    for item in items:
        node = children[position] if position < len(children) else None
        if isinstance(item, Choice):
            branch = next((each for each in item.branches if _begins(each, node)), None)
            if branch is None and not item.may_be_empty:
                raise _missing(" or ".join(_first_tags((item,))), parent, node)
            position = _read_items(branch or (), parent, children, position, out, attributes)
        elif isinstance(item, Leaf) and item.attribute:
            attributes.discard(item.tag)
            text = parent.get(item.tag)
            if text is not None:
                out[item.key] = _value(item.kind, str(text), item.tag, parent, item.secret)
            elif item.required:
                raise DuisError(f"{local(parent)} has no attribute {item.tag}", line=line_of(parent))
        elif isinstance(item, Repeat):
            nodes = [each for each in children[position:] if each.tag == sr(item.tag)]
            if not item.minimum <= len(nodes) <= item.maximum:
                raise DuisError(
                    f"{local(parent)} has {len(nodes)} {item.tag}",
                    line=line_of(parent),
                    expected=f"{item.minimum} to {item.maximum}",
                )
            position += len(nodes)
            if nodes:
                out[item.key] = tuple(_read_entry(item, each) for each in nodes)
        elif node is not None and node.tag == sr(item.tag):
            position += 1
            if isinstance(item, Group):
                inner = read(item.items, node)
                if not inner and not item.required and not item.nests:
                    # There, but empty: that is not the same as not there.
                    inner = {each.key: () for each in leaves(item.items) if isinstance(each, Repeat)}
                out.update({item.key: inner} if item.nests else inner)
            else:
                out[item.key] = _read_leaf(item, node)
        elif item.required:
            raise _missing(item.tag, parent, node)
    return position


def _read_entry(item: Repeat, node: etree._Element) -> Any:
    if not isinstance(item.content, Kind):
        return read(item.content, node)
    if item.inner:
        return read((Leaf(item.inner, item.content, key=item.inner),), node)[item.inner]
    return _read_leaf(Leaf(item.tag, item.content), node)


def _read_text(items: Shape, node: etree._Element) -> dict[str, Any]:
    """Read an element that holds attributes and a text."""
    if len(node):
        raise DuisError(f"{local(node)} holds elements", line=line_of(node), expected="text")
    out: dict[str, Any] = {}
    attributes = _attributes(node)
    for item in items:
        assert isinstance(item, Leaf)  # so the tables have it
        if item.text:
            out[item.key] = _value(item.kind, node.text or "", local(node), node, item.secret)
        else:
            _read_items((item,), node, [], 0, out, attributes)
    _refuse_attributes(attributes, node)
    return out


def _read_leaf(item: Leaf | Flag, node: etree._Element) -> Any:
    _refuse_attributes(_attributes(node), node)
    text = node.text or ""
    if len(node) or (isinstance(item, Flag) and text.strip()):
        held = "elements" if len(node) else "text"
        expected = "nothing in it" if isinstance(item, Flag) else item.kind.expected
        raise DuisError(f"{item.tag} holds {held}", line=line_of(node), expected=expected)
    return True if isinstance(item, Flag) else _value(item.kind, text, item.tag, node, item.secret)


def _attributes(node: etree._Element) -> set[str]:
    return {str(name) for name in node.attrib if not str(name).startswith(_XSI)}


def _refuse_attributes(left: set[str], node: etree._Element) -> None:
    if left:
        raise DuisError(f"{local(node)} has the attribute {min(left)}", line=line_of(node), expected="none such")


def _value(kind: Kind, text: str, tag: str, node: etree._Element, secret: bool) -> Any:
    try:
        return kind.accept(text)
    except ValueError:
        shown = "not acceptable" if secret else repr(text)[:80]
        raise DuisError(f"{tag} is {shown}", line=line_of(node), expected=kind.expected) from None


def _missing(expected: str, parent: etree._Element, node: etree._Element | None) -> DuisError:
    found = local(node) if node is not None else "its end"
    return DuisError(
        f"{local(parent)} has {found} too early", line=line_of(node if node is not None else parent), expected=expected
    )


def _first_tags(items: Iterable[Item]) -> list[str]:
    """Tags with which this sequence may begin."""
    tags: list[str] = []
    for item in items:
        if isinstance(item, Choice):
            tags += [tag for branch in item.branches for tag in _first_tags(branch)]
        else:
            tags.append(item.tag)
        if needed(item):
            break
    return tags


def _begins(branch: Shape, node: etree._Element | None) -> bool:
    return node is not None and node.tag in [sr(tag) for tag in _first_tags(branch)]
