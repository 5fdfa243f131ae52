"""Every table of the bench against the DUIS schema: names, order, occurrence and choices, element for element."""

from __future__ import annotations

import re
from typing import Any

import pytest
from lxml import etree

from bench.duis.alert_bodies import ALERT_BODIES, INVENTORY_DEVICE
from bench.duis.bodies import SIGNED_PRE_COMMAND, body_of
from bench.duis.codes import dcc_alert_codes, response_codes
from bench.duis.dsp_contents import CONTENTS
from bench.duis.service_requests import all_service_requests
from bench.duis.shapes import Choice, Flag, Group, Item, Leaf, Repeat
from bench.duis.values import Kind

XS = "{http://www.w3.org/2001/XMLSchema}"
Outline = list[Any]


class Schema:
    """Outlines of types: ("name", min, max, outline of children) and ("choice", min, branches)."""

    def __init__(self, root: etree._Element) -> None:
        self.types = {
            str(each.get("name")): each for each in root if each.tag in (XS + "complexType", XS + "simpleType")
        }

    def enumeration(self, name: str) -> list[str]:
        return [str(each.get("value")) for each in self.types[name].iter(XS + "enumeration")]

    def outline(self, node: etree._Element) -> Outline:
        out: Outline = []
        for each in node:
            if each.tag == XS + "attribute":
                out.insert(0, (f"@{each.get('name')}", int(each.get("use") == "required"), 1, []))
            elif each.tag == XS + "element":
                low, high = self._occurs(each)
                out.append((str(each.get("name")), low, high, self._content(each)))
            elif each.tag == XS + "choice":
                branches = [self._branch(branch) for branch in each if isinstance(branch.tag, str)]
                out.append(branches[0][0] if len(branches) == 1 else ("choice", self._occurs(each)[0], branches))
            elif each.tag == XS + "sequence":
                low, high = self._occurs(each)
                inner = self.outline(each)
                # A sequence of one element that occurs so often is an element that occurs so often.
                assert (low, high) == (1, 1) or len(inner) == 1
                out += (
                    [(name, low * least, high * most, rest) for name, least, most, rest in inner]
                    if ((low, high) != (1, 1))
                    else inner
                )
            elif each.tag in (XS + "extension", XS + "restriction"):
                base = self.types.get(str(each.get("base")).removeprefix("sr:"))
                inherited = self.outline(base) if base is not None else []
                own = self.outline(each)
                attributes = [entry for entry in own if entry[0].startswith("@")]
                out[:0] = attributes
                out += inherited + own[len(attributes) :]
            elif each.tag in (XS + "complexContent", XS + "simpleContent", XS + "complexType"):
                out += self.outline(each)
        return out

    @staticmethod
    def _occurs(node: etree._Element) -> tuple[int, int]:
        return int(node.get("minOccurs", "1")), int(node.get("maxOccurs", "1"))

    def _branch(self, node: etree._Element) -> Outline:
        holder = etree.Element("holder")
        holder.append(etree.fromstring(etree.tostring(node)))
        return self.outline(holder)

    def _content(self, element: etree._Element) -> Outline:
        named = self.types.get(str(element.get("type", "")).removeprefix("sr:"))
        return self.outline(named if named is not None and named.tag == XS + "complexType" else element)


def outline_of(items: tuple[Item, ...]) -> Outline:
    """The outline of a shape of the bench."""
    out: Outline = []
    for item in items:
        if isinstance(item, Choice):
            out.append(("choice", int(item.required), [outline_of(branch) for branch in item.branches]))
        elif isinstance(item, Leaf) and item.text:
            continue
        elif isinstance(item, Leaf):
            out.append((f"@{item.tag}" if item.attribute else item.tag, int(item.required), 1, []))
        elif isinstance(item, Flag):
            out.append((item.tag, int(item.required), 1, []))
        elif isinstance(item, Group):
            out.append((item.tag, int(item.required), 1, outline_of(item.items)))
        elif isinstance(item, Repeat):
            inner = [] if isinstance(item.content, Kind) else outline_of(item.content)
            if item.inner:
                inner = [(item.inner, 1, 1, inner)]
            out.append((item.tag, item.minimum, item.maximum, inner))
    return out


@pytest.fixture
def schema(schema_tree: etree._Element) -> Schema:
    return Schema(schema_tree)


def request_bodies(tree: etree._Element) -> dict[str, etree._Element]:
    body = next(each for each in Schema(tree).types["Request"].iter(XS + "element") if each.get("name") == "Body")
    return {str(each.get("name")): each for each in body.iter(XS + "element") if each is not body}


def test_every_variant_of_the_schema_is_there_with_its_body(schema_tree: etree._Element, schema: Schema) -> None:
    known = all_service_requests()
    assert list(known) == schema.enumeration("ServiceReferenceVariant")
    assert {each.reference for each in known.values()} == set(schema.enumeration("ServiceReference"))
    bodies = request_bodies(schema_tree)
    assert {each.body for each in known.values()} | {"SignedPreCommand"} == set(bodies)


def test_command_variants_are_those_of_the_schema(schema: Schema) -> None:
    stated: dict[str, tuple[int, ...]] = {}
    variant = ""
    for node in schema.types["ServiceReferenceVariant"].iter():
        if isinstance(node, etree._Comment):
            stated[variant] = tuple(int(each) for each in re.findall(r"\d", str(node.text)))
        elif node.tag == XS + "enumeration":
            variant = str(node.get("value"))
    ours = {variant: each.command_variants for variant, each in all_service_requests().items()}
    differing = {variant for variant in ours if ours[variant] != stated[variant]}
    assert differing == {"7.12", "7.13", "7.14", "7.15"}


def test_shapes_of_requests_are_those_of_the_schema(schema_tree: etree._Element, schema: Schema) -> None:
    bodies = request_bodies(schema_tree)
    checked = 0
    for variant, request in all_service_requests().items():
        body = body_of(variant)
        assert body is not None
        assert outline_of(body.shape) == schema._content(bodies[request.body]), variant
        checked += 1
    assert checked == 129
    assert outline_of(SIGNED_PRE_COMMAND.shape) == schema._content(bodies["SignedPreCommand"])


def test_shapes_of_dcc_alerts_and_of_the_inventory_are_those_of_the_schema(schema: Schema) -> None:
    ((_, _, branches),) = schema.outline(schema.types["DCCAlert"])
    alerts = {branch[0][0]: branch[0][3] for branch in branches}
    for name, shape in ALERT_BODIES.items():
        assert outline_of(shape) == alerts[name], name
    assert outline_of(INVENTORY_DEVICE) == schema.outline(schema.types["Device"])
    assert {each.body for each in dcc_alert_codes().values()} - {""} <= set(alerts)


def test_answers_of_the_dcc_itself_are_those_of_the_schema(schema: Schema) -> None:
    """But for a schedule's number, which is no sequence, and the WAN matrix, a part of which is optional as a whole."""
    for name in CONTENTS.keys() - {"DSPScheduleID", "DSPWANMatrix"}:
        assert outline_of(CONTENTS[name]) == schema.outline(schema.types[name]), name


def test_codes_are_those_of_the_schema(schema: Schema) -> None:
    assert list(response_codes()) == schema.enumeration("ResponseCode")
    assert list(dcc_alert_codes()) == schema.enumeration("DCCAlertMessage")
