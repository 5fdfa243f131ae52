"""What a SMETS1 Service Provider says: it comes inside a message of the DCC, with a signature of its own.

Two parties vouch for such a message: the DCC for the whole, the provider for what is inside. The provider signed a
document of its own, whose digest is over inclusive Canonical XML: where its namespaces were declared is part of what
was signed, and the document around it can hide that. So it is tried as it stands, and with each set of namespaces
declared at its root and the others where they are used; all of them say the same, and the one whose digest fits is
what the provider signed. A namespace that the provider declares elsewhere, and the DCC around it as well, is lost.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography import x509
from lxml import etree

from bench.duis import shape_xml
from bench.duis import values as v
from bench.duis.errors import DuisError
from bench.duis.messages import DccAlert, Smets1Response
from bench.duis.names import RA, canonical, child, ds, line_of, local, only_child, sr
from bench.duis.request_id import RequestId
from bench.duis.safe_xml import parse
from bench.duis.shapes import Group, Leaf, Shape, snake
from bench.duis.signatures import CertificateLookup, Verified, verify
from bench.eui import Eui64

_MAX_PREFIXES = 6
"""So many namespaces that may or may not be declared at the root make 64 documents to try; DUIS itself has four."""


def _optional(tag: str, kind: v.Kind) -> Leaf:
    return Leaf(tag, kind, required=False)


_COUNTER = v.whole(0, 2**64 - 1)
_HEADER: Shape = (
    Leaf("BusinessOriginatorID", v.EUI),
    Leaf("BusinessTargetID", v.EUI),
    Leaf("OriginatorCounter", _COUNTER),
    _optional("SupplementaryRemotePartyID", v.EUI),
    _optional("SupplementaryRemotePartyCounter", _COUNTER),
    _optional("SupplementaryOriginatorCounter", _COUNTER),
    _optional("GBCSHexadecimalMessageCode", v.ALERT_CODE),
    _optional("ServiceReference", v.text(1, 10)),
    _optional("ServiceReferenceVariant", v.text(1, 10)),
    Group(
        "Timestamp",
        (
            Leaf("isFromGSME", v.BOOLEAN, required=False, attribute=True, key="is_from_gsme"),
            Leaf("ClockStatus", v.one_of("reliable", "invalid", "unreliable"), required=False, attribute=True),
            Leaf("", v.DATE_TIME, key="timestamp", text=True),
        ),
        required=False,
    ),
)
_ALERT_HEAD: Shape = (
    _optional("GBCSHexAlertCode", v.ALERT_CODE),
    Leaf("AlertDescription", v.text(0, 250)),
    Leaf("Timestamp", v.DATE_TIME),
)
_S1SP_ALERT: Shape = (
    _optional("RequestID", v.REQUEST_ID),
    _optional("DeviceID", v.EUI),
    Leaf("S1SPAlertCode", v.text(0, 100), key="code"),
    _optional("AdditionalInformation", v.text(0, 10_000)),
    Leaf("UTRN", v.text(20, 20, "[0-9]*", "a UTRN of 20 digits"), required=False, secret=True),
    Leaf("DateTime", v.DATE_TIME),
    Leaf("schemaVersion", v.text(1, 10), attribute=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Smets1Header:
    """The header of the Message Mapping Catalogue, which stands where a GBCS message has its own.

    Attributes:
        originator: the device.
        target: the User, or the DCC.
        originator_counter: that of the request.
        supplementary_remote_party: the User behind a request of the DCC.
        supplementary_remote_party_counter: that User's counter.
        supplementary_originator_counter: counter for protected content.
        message_code: the GBCS use case that the message is like.
        service_reference: that of the request.
        service_reference_variant: that of the request.
        timestamp: the device's time, aware, UTC.
        is_from_gsme: whether a gas meter's clock gave it.
        clock_status: "reliable", "invalid" or "unreliable".
    """

    originator: Eui64
    target: Eui64
    originator_counter: int
    supplementary_remote_party: Eui64 | None = None
    supplementary_remote_party_counter: int | None = None
    supplementary_originator_counter: int | None = None
    message_code: int | None = None
    service_reference: str | None = None
    service_reference_variant: str | None = None
    timestamp: datetime | None = None
    is_from_gsme: bool | None = None
    clock_status: str | None = None

    @property
    def request_id(self) -> RequestId:
        """The RequestID of the request that a response answers: of an alert it means nothing."""
        counter = self.supplementary_remote_party_counter
        return RequestId(
            self.supplementary_remote_party or self.target,
            self.originator,
            self.originator_counter if counter is None else counter,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Smets1Alert:
    """An alert of a SMETS1 device.

    Attributes:
        header: the header.
        code: the GBCS alert code that it is like (0x8F40, 0x8F41), if the provider names one.
        description: what it says.
        timestamp: when, aware, UTC.
        payload: what it adds, by the snake_case of element names: {"supply_outage_restore_alert": {...}}.
    """

    header: Smets1Header
    code: int | None
    description: str
    timestamp: datetime
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Smets1Result:
    """An answer of a SMETS1 device.

    Attributes:
        header: the header.
        name: what it answers: "ReadSupplyStatusRsp"; empty if it holds no data in clear.
        success: whether it was carried out, if the provider says so.
        values: what was read, by the snake_case of element names; text, lists and mappings.
        debug: what the provider adds for who looks for an error.
        gbcs_data: how many parts are in GBCS form, which can be encrypted.
    """

    header: Smets1Header
    name: str
    success: bool | None
    values: Mapping[str, Any]
    debug: Mapping[str, Any]
    gbcs_data: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class S1spAlert:
    """An alert of the provider itself, in DCC Alerts N55 and N56.

    Attributes:
        request_id: the request that it is about.
        device_id: the device that it is about.
        code: the provider's own code.
        additional_information: what it adds.
        utrn: the UTRN of a top-up (N56); worth money, so never shown.
        date_time: when, aware, UTC.
    """

    request_id: RequestId | None
    device_id: Eui64 | None
    code: str
    additional_information: str | None
    utrn: str | None = field(repr=False)
    date_time: datetime


Smets1Content = Smets1Alert | Smets1Result | S1spAlert


def verify_provider(
    message: Smets1Response | DccAlert, certificates: Sequence[x509.Certificate] | CertificateLookup
) -> Verified:
    """Check the provider's own signature; the DCC's around it is `signatures.verify`'s affair.

    Raises:
        SignatureError: there is none, or it is none of a trusted provider over this content.
        DuisError: the message holds no document of a provider.
    """
    inner = _inner(message)
    # Whatever is wrong with the form is said of the first document, and if none fits the digest, too.
    documents = _documents(inner)
    first = next(documents)
    fitting = (document for document in itertools.chain((first,), documents) if _digest_fits(document))
    return verify(next(fitting, first), certificates)


def read_content(message: Smets1Response | DccAlert, certificates: Sequence[x509.Certificate]) -> Smets1Content:
    """What the provider says, if its signature is good.

    Raises:
        SignatureError: as `verify_provider`.
        DuisError: it is not of the form that DUIS and the Message Mapping Catalogue fix.
    """
    return parse_content(verify_provider(message, certificates).root)


def parse_content(root: etree._Element) -> Smets1Content:
    """Read a provider's document, without its signature, as `verify_provider` returns it.

    Raises:
        DuisError: it is not of the form that DUIS and the Message Mapping Catalogue fix.
    """
    if root.tag == sr("S1SPAlert"):
        return _s1sp_alert(root)
    if root.tag != sr("SMETS1SignedResponse"):
        raise DuisError(f"the document is {root.tag}", line=line_of(root), expected=sr("SMETS1SignedResponse"))
    response = only_child(root, "SMETS1Response")
    header = _header(child(response, "Header"))
    message = only_child(child(response, "Body"), "ResponseMessage or DeviceAlertMessage")
    if local(message) == "DeviceAlertMessage":
        return _alert(header, message)
    if local(message) == "ResponseMessage":
        return _result(header, message)
    raise DuisError(f"Body holds {local(message)}", line=line_of(message), expected="an answer or an alert")


def _inner(message: Smets1Response | DccAlert) -> etree._Element:
    raw = message.raw if isinstance(message, Smets1Response) else message.raw_body
    if raw is None:
        raise DuisError("the message holds no document of a SMETS1 Service Provider", expected="an S1SPAlert")
    holder = parse(raw)
    name = "SMETS1SignedResponse" if isinstance(message, Smets1Response) else "S1SPAlert"
    return child(holder, name)


def _documents(inner: etree._Element) -> Iterator[bytes]:
    """The element as a document of its own: as it stands, then with each set of namespaces declared at its root."""
    signature = inner.find(ds("Signature"))
    if signature is not None:
        # Copied by itself, so that the copy does not declare the signature's namespace at the root.
        alone, tail = parse(canonical(signature, exclusive=True)), signature.tail
        signature.tail = None
        inner.remove(signature)
        copy = deepcopy(inner)
        inner.append(signature)
        copy.append(alone)
        alone.tail = signature.tail = tail
        yield canonical(copy, exclusive=False)
    prefixes = sorted(prefix for prefix in inner.nsmap if prefix not in (None, inner.prefix))[:_MAX_PREFIXES]
    for size in range(len(prefixes), -1, -1):
        for declared in itertools.combinations(prefixes, size):
            yield etree.tostring(
                inner, method="c14n", exclusive=True, inclusive_ns_prefixes=list(declared) or None, with_tail=False
            )


def _digest_fits(document: bytes) -> bool:
    root = parse(document)
    signature = root.find(ds("Signature"))
    stated = None if signature is None else signature.findtext(f".//{ds('DigestValue')}")
    if signature is None or stated is None:
        return False
    before, tail = signature.getprevious(), signature.tail or ""
    if before is None:
        root.text = (root.text or "") + tail
    else:
        before.tail = (before.tail or "") + tail
    signature.tail = None
    root.remove(signature)
    try:
        return base64.b64decode(stated, validate=False) == hashlib.sha256(canonical(root, exclusive=False)).digest()
    except (binascii.Error, ValueError):
        return False


def _ra(parent: etree._Element, name: str) -> etree._Element | None:
    found = parent.findall(f"{{{RA}}}{name}")
    if len(found) > 1:
        raise DuisError(f"{local(parent)} has {len(found)} {name}", line=line_of(found[1]), expected="one")
    return found[0] if found else None


def _read(shape: Shape, element: etree._Element) -> dict[str, Any]:
    """Read an element whose children are of the Message Mapping Catalogue."""
    copy = deepcopy(element)
    for each in copy.iter(f"{{{RA}}}*"):
        each.tag = sr(local(each))
    return shape_xml.read(shape, copy)


def _number(raw: bytes | None) -> int | None:
    return None if raw is None else int.from_bytes(raw)


def _header(element: etree._Element) -> Smets1Header:
    given = _read(_HEADER, element)
    return Smets1Header(
        originator=given.pop("business_originator_id"),
        target=given.pop("business_target_id"),
        supplementary_remote_party=given.pop("supplementary_remote_party_id", None),
        message_code=_number(given.pop("gbcs_hexadecimal_message_code", None)),
        **given,
    )


def _alert(header: Smets1Header, message: etree._Element) -> Smets1Alert:
    content = _ra(message, "DeviceAlertContent")
    if content is None:
        raise DuisError("the alert has no DeviceAlertContent", line=line_of(message), expected="what it says")
    payload = _ra(content, "Payload")
    if payload is not None:
        content = deepcopy(content)
        content.remove(content[-1])
    given = _read(_ALERT_HEAD, content)
    return Smets1Alert(
        header=header,
        code=_number(given.get("gbcs_hex_alert_code")),
        description=given["alert_description"],
        timestamp=given["timestamp"],
        payload={} if payload is None else _mapping(payload),
    )


def _result(header: Smets1Header, message: etree._Element) -> Smets1Result:
    data, debug = _ra(message, "SMETSData"), _ra(message, "DebugInfo")
    content = None if data is None or len(data) == 0 else data[0]
    success = None if content is None else content.get("MessageSuccess")
    return Smets1Result(
        header=header,
        name="" if content is None else local(content),
        success=None if success is None else success in ("true", "1"),
        values={} if content is None else _mapping(content),
        debug={} if debug is None else _mapping(debug),
        gbcs_data=len(message.findall(f"{{{RA}}}GBCSData")),
    )


def _s1sp_alert(root: etree._Element) -> S1spAlert:
    given = shape_xml.read(_S1SP_ALERT, root)
    return S1spAlert(
        request_id=given.get("request_id"),
        device_id=given.get("device_id"),
        code=given["code"],
        additional_information=given.get("additional_information"),
        utrn=given.get("utrn"),
        date_time=given["date_time"],
    )


def _mapping(element: etree._Element) -> dict[str, Any]:
    """The children by name; those that occur several times as a list."""
    out: dict[str, Any] = {}
    for each in element:
        name = snake(local(each))
        plain = not len(each) and not each.attrib
        value: Any = (each.text or "").strip() if plain else _attributes(each) | _mapping(each)
        if not plain and not len(each) and (each.text or "").strip():
            value["value"] = (each.text or "").strip()
        if name in out:
            out[name] = [*out[name], value] if isinstance(out[name], list) else [out[name], value]
        else:
            out[name] = value
    return out


def _attributes(element: etree._Element) -> dict[str, str]:
    return {snake(str(name)): str(value) for name, value in element.attrib.items()}
