"""Reading XML from outside: bounded, without entities, DTDs, processing instructions or network.

Comments are dropped while parsing, so that text which a comment cuts in two is one text again: what a reader of
the tree sees is what canonicalisation (and thus a signature) covers.
"""

from __future__ import annotations

import re

from lxml import etree

from bench.duis.errors import DuisError
from bench.duis.names import line_of

MAX_BYTES = 1 << 20
"""No DUIS message but one with a firmware image comes near 1 MiB; what does is an accident or an attack."""

MAX_FIRMWARE_BYTES = 16 << 20
"""What an Update Firmware request (11.1, 11.4) can take: an image of 10,240,000 bytes and a list of 50,000 devices."""

MAX_DEPTH = 40
"""The deepest element of DUIS Schema V5.4, with a signature inside a SMETS1 response, lies at 13."""

MAX_NAMESPACES = 200
MAX_ATTRIBUTES = 32
"""Canonicalisation takes time that grows with the square of namespaces and attributes: DUIS needs 5 and 1."""

_DECLARATION = re.compile(r"<\?xml\s[^>]*?encoding\s*=\s*[\"']([^\"']*)[\"']")


def parser_for(max_bytes: int) -> etree.XMLParser:
    """A parser for one document of at most so many bytes, without entities, DTDs, comments or network.

    It is used once: an lxml parser keeps the error log and dictionary of what it read before.
    """
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        # libxml2 refuses texts beyond 10 MB otherwise, which a firmware image may be.
        huge_tree=max_bytes >= MAX_FIRMWARE_BYTES,
        remove_comments=True,
        encoding="UTF-8",
    )


def parse(data: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> etree._Element:
    """Parse one UTF-8 document and return its root element.

    Args:
        data: the whole document.
        max_bytes: refuse longer ones before anything is parsed.
        max_depth: refuse elements nested deeper than this; the root has depth 1.

    Raises:
        DuisError: too large, too deep, not UTF-8, not well formed, or with a DTD, an entity or a processing
            instruction.
    """
    if len(data) > max_bytes:
        raise DuisError(f"the document has {len(data)} bytes", expected=f"at most {max_bytes}")
    _refuse_markup(_decode(data))
    try:
        root = etree.fromstring(data, parser_for(max_bytes))
    except etree.XMLSyntaxError as error:
        line = error.lineno if isinstance(error.lineno, int) and error.lineno > 0 else None
        reason = re.sub(r", line \d+, column \d+.*$", "", error.msg or "it is empty")
        raise DuisError(f"not well-formed XML: {reason}", line=line, expected="one XML document") from None
    _check_tree(root, max_depth)
    return root


def _decode(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DuisError(f"byte {error.start} is not UTF-8", line=line, expected="XML in UTF-8") from None
    declared = _DECLARATION.match(text)
    if declared and declared[1].lower() not in ("utf-8", "us-ascii"):
        raise DuisError(f"the document says it is in {declared[1]}", line=1, expected="XML in UTF-8")
    return text


def _refuse_markup(text: str) -> None:
    """Refuse before parsing what already acts while parsing: entities and attribute defaults of a DTD."""
    at = text.find("<!DOCTYPE")
    if at >= 0:
        raise DuisError("the document has a DTD", line=text.count("\n", 0, at) + 1, expected="no <!DOCTYPE")
    namespaces = text.count("xmlns")
    if namespaces > MAX_NAMESPACES:
        raise DuisError(f"the document declares {namespaces} namespaces", expected=f"at most {MAX_NAMESPACES}")


def _check_tree(root: etree._Element, max_depth: int) -> None:
    if root.getroottree().docinfo.internalDTD is not None:
        raise DuisError("the document has a DTD", expected="no <!DOCTYPE")
    for outside in (*root.itersiblings(preceding=True), *root.itersiblings()):
        raise DuisError(
            "a processing instruction stands outside the document element",
            line=line_of(outside),
            expected="elements only",
        )
    level = [root]
    depth = 1
    while level:
        if depth > max_depth:
            line = line_of(level[0])
            raise DuisError(f"elements are nested deeper than {max_depth}", line=line, expected="a DUIS message")
        for node in level:
            if not isinstance(node.tag, str):
                raise DuisError(
                    "the document holds a processing instruction or an entity",
                    line=line_of(node),
                    expected="elements and text only",
                )
            _check_attributes(node)
        level = [child for node in level for child in node]
        depth += 1


def _check_attributes(node: etree._Element) -> None:
    if len(node.attrib) > MAX_ATTRIBUTES:
        raise DuisError(
            f"an element has {len(node.attrib)} attributes", line=line_of(node), expected=f"at most {MAX_ATTRIBUTES}"
        )
