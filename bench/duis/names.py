"""Namespaces of DUIS and XML signatures, and small helpers to find elements with a useful error."""

from __future__ import annotations

from typing import cast

from lxml import etree

from bench.duis.errors import DuisError

SR = "http://www.dccinterface.co.uk/ServiceUserGateway"
RA = "http://www.dccinterface.co.uk/ResponseAndAlert"
DS = "http://www.w3.org/2000/09/xmldsig#"

SCHEMA_VERSION = "5.4"
"""The version of the DUIS schema that the bench writes (November 2025, aligned with GBCS 4.3)."""


def sr(name: str) -> str:
    """The qualified name of a DUIS element."""
    return f"{{{SR}}}{name}"


def ds(name: str) -> str:
    """The qualified name of an XML signature element."""
    return f"{{{DS}}}{name}"


def local(element: etree._Element) -> str:
    """An element's name without its namespace."""
    return etree.QName(element).localname


def line_of(element: etree._Element) -> int | None:
    """The line on which an element begins, counted from 1; None for one that was not parsed."""
    return cast("int | None", element.sourceline)


def child(parent: etree._Element, name: str) -> etree._Element:
    """The one DUIS child with this name.

    Raises:
        DuisError: there is none, or more than one.
    """
    found = parent.findall(sr(name))
    if len(found) != 1:
        raise DuisError(
            f"{local(parent)} has {len(found) or 'no'} {name}", line=line_of(parent), expected=f"one sr:{name}"
        )
    return found[0]


def optional(parent: etree._Element, name: str) -> etree._Element | None:
    """The DUIS child with this name, or None.

    Raises:
        DuisError: there is more than one.
    """
    return child(parent, name) if parent.find(sr(name)) is not None else None


def only_child(parent: etree._Element, what: str) -> etree._Element:
    """The single DUIS element that `parent` must hold.

    Raises:
        DuisError: it holds none, several, or one of another namespace.
    """
    children = list(parent)
    if len(children) != 1 or etree.QName(children[0]).namespace != SR:
        held = ", ".join(local(each) for each in children[:5]) or "nothing"
        raise DuisError(f"{local(parent)} holds {held}", line=line_of(parent), expected=what)
    return children[0]


def text_of(element: etree._Element) -> str:
    """The text of an element that holds text only, without white space around it.

    Raises:
        DuisError: it holds elements.
    """
    if len(element):
        raise DuisError(f"{local(element)} holds elements", line=line_of(element), expected="text")
    return (element.text or "").strip()


def add(parent: etree._Element, name: str, text: str | None = None) -> etree._Element:
    """Append a DUIS element, with text if there is any, and return it."""
    element = etree.SubElement(parent, sr(name))
    element.text = text
    return element


def document(root: etree._Element) -> bytes:
    """Write a tree as a UTF-8 document with an XML declaration; the same tree always gives the same bytes."""
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def canonical(element: etree._Element, *, exclusive: bool) -> bytes:
    """An element in Canonical XML 1.0 or Exclusive Canonical XML, without comments.

    Raises:
        DuisError: it has no canonical form, since a namespace in it is not an absolute URI (Canonical XML clause 1.3).
    """
    try:
        return etree.tostring(element, method="c14n", exclusive=exclusive, with_tail=False)
    except etree.C14NError:
        raise DuisError(
            f"{local(element)} has no canonical form",
            line=line_of(element),
            expected="namespaces that are absolute URIs",
        ) from None
