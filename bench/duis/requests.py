"""DUIS Service Requests: written for the bench, read for an emulated DCC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from bench.duis import shape_xml
from bench.duis.bodies import SIGNED_PRE_COMMAND, Body, body_of
from bench.duis.errors import DuisError
from bench.duis.names import (
    SCHEMA_VERSION,
    SR,
    add,
    canonical,
    child,
    document,
    ds,
    line_of,
    local,
    only_child,
    optional,
    sr,
    text_of,
)
from bench.duis.request_id import RequestId
from bench.duis.safe_xml import parse
from bench.duis.service_requests import SIGNED_VARIANTS, all_service_requests, service_request
from bench.duis.shapes import Params, complete, secret_keys
from bench.errors import UsageError

_SIGNED = "SignedPreCommand"


@dataclass(frozen=True, slots=True)
class Request:
    """One Service Request.

    Attributes:
        request_id: who asks whom, under which counter.
        command_variant: 1 to 9.
        service_reference: "8.11".
        service_reference_variant: "6.20.1"; as the document has it, even if there is no such variant.
        body_name: the element in the body.
        params: its parameters, in canonical form; empty if the body is raw.
        raw_body: the body's element in exclusive canonical XML, if it is not the variant's own; else None.
        first_in_sequence: whether it begins a sequence of requests; None if the document does not say.
        preceding: the request after which this one is to be carried out, or None.
        schema_version: the DUIS version that the document states.
    """

    request_id: RequestId
    command_variant: int
    service_reference: str
    service_reference_variant: str
    body_name: str
    # Not shown: it may hold an install code.
    params: Mapping[str, Any] = field(repr=False)
    raw_body: bytes | None = field(default=None, repr=False)
    first_in_sequence: bool | None = None
    preceding: RequestId | None = None
    schema_version: str = SCHEMA_VERSION

    def shown_params(self) -> dict[str, Any]:
        """The parameters as they may be shown and recorded: secrets replaced by "***"."""
        body = _body(self.service_reference_variant, self.command_variant)
        hidden = secret_keys(body.shape) if body else frozenset()
        return {name: "***" if name in hidden else value for name, value in self.params.items()}


def _body(variant: str, command_variant: int) -> Body | None:
    return SIGNED_PRE_COMMAND if command_variant in SIGNED_VARIANTS else body_of(variant)


def complete_params(variant: str, command_variant: int, params: Params) -> dict[str, Any]:
    """Check a variant's parameters and return them in canonical form, with defaults, in document order.

    Raises:
        UsageError: the variant or a parameter is unknown, or one is missing or wrong; it is named.
    """
    subject = str(service_request(variant))
    body = _body(variant, command_variant)
    assert body is not None  # service_request has seen the variant
    if body is SIGNED_PRE_COMMAND:
        subject += f" with Command Variant {command_variant}"
    values = complete(body.shape, params, subject)
    fault = body.check(values)
    if fault:
        raise UsageError(f"{subject} {fault}")
    return values


def build_request(
    variant: str,
    *,
    request_id: RequestId,
    command_variant: int,
    params: Params | None = None,
    raw_body: bytes | None = None,
    schema_version: str = SCHEMA_VERSION,
) -> bytes:
    """Write an unsigned Service Request.

    Command Variants 5, 6 and 7 make it a Signed Pre-Command with the parameters `gbcs_payload` (bytes) and
    `execution_date_time`. A Command Variant that the variant may not have is written all the same: a bench has to
    be able to ask what must be refused.

    Args:
        variant: the Service Reference Variant, "6.20.1".
        request_id: who asks whom, under which counter.
        command_variant: 1 to 9.
        params: the body's parameters, by the snake_case of their element names; values may be text.
        raw_body: the body's element as XML, in place of `params`.
        schema_version: the version of DUIS that the document states.

    Raises:
        UsageError: the variant or a parameter is unknown, or one is missing or wrong; it is named.
        DuisError: `raw_body` is not acceptable XML.
    """
    request = service_request(variant)
    if not 1 <= command_variant <= 9:
        raise UsageError(f"Command Variant {command_variant} does not exist", next_step="Use 1 to 8")
    root = etree.Element(sr("Request"), nsmap={"sr": SR}, attrib={"schemaVersion": schema_version})
    header = add(root, "Header")
    add(header, "RequestID", str(request_id))
    add(header, "CommandVariant", str(command_variant))
    add(header, "ServiceReference", request.reference)
    add(header, "ServiceReferenceVariant", variant)
    body = add(root, "Body")
    if raw_body is not None:
        if params:
            raise UsageError(f"{request} has parameters and raw XML", next_step="Give one of them")
        element = parse(raw_body)
        if etree.QName(element).namespace != SR:
            raise DuisError(f"the body is {element.tag}", line=line_of(element), expected=f"an element of {SR}")
        body.append(element)
    else:
        values = complete_params(variant, command_variant, params or {})
        shape = _body(variant, command_variant)
        assert shape is not None  # complete_params has seen it
        signed = command_variant in SIGNED_VARIANTS
        shape_xml.write(shape.shape, values, add(body, _SIGNED if signed else request.body))
    return document(root)


def parse_request(root: etree._Element) -> Request:
    """Read a Service Request, signed or not: the signature is `signatures.verify`'s affair.

    A variant that the bench does not know keeps its body raw; so does one whose body is not the one that belongs to
    the variant.

    Raises:
        DuisError: it is not a Service Request, or its body breaks its variant's shape.
    """
    if root.tag != sr("Request"):
        raise DuisError(f"the document is {root.tag}", line=line_of(root), expected=sr("Request"))
    parts = [local(each) for each in root if each.tag != ds("Signature")]
    if parts != ["Header", "Body"]:
        raise DuisError(f"Request holds {', '.join(parts) or 'nothing'}", line=line_of(root), expected="Header, Body")
    header = child(root, "Header")
    cv_text = text_of(child(header, "CommandVariant"))
    if cv_text not in "123456789" or len(cv_text) != 1:
        raise DuisError(f"CommandVariant is {cv_text[:20]!r}", line=line_of(header), expected="1 to 9")
    command_variant = int(cv_text)
    variant = text_of(child(header, "ServiceReferenceVariant"))
    element = only_child(child(root, "Body"), "one Service Request")
    name = local(element)
    known = all_service_requests().get(variant)
    body = _body(variant, command_variant)
    expected_name = _SIGNED if command_variant in SIGNED_VARIANTS else known.body if known else ""
    fits = body is not None and name == expected_name
    first = optional(header, "FirstInSequence")
    preceding = optional(header, "PrecedingServiceRequestID")
    return Request(
        request_id=_request_id(child(header, "RequestID")),
        command_variant=command_variant,
        service_reference=text_of(child(header, "ServiceReference")),
        service_reference_variant=variant,
        body_name=name,
        params=shape_xml.read(body.shape, element) if body and fits else {},
        raw_body=None if fits else canonical(element, exclusive=True),
        first_in_sequence=None if first is None else text_of(first) in ("true", "1"),
        preceding=None if preceding is None else _request_id(preceding),
        schema_version=str(root.get("schemaVersion", "")),
    )


def _request_id(element: etree._Element) -> RequestId:
    try:
        return RequestId.parse(text_of(element))
    except DuisError as error:
        raise DuisError(error.what, line=line_of(element), next_step=error.next_step) from None
