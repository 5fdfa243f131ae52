"""A DUIS document as a tree: every element with its line, codes in words, GBCS payloads taken apart inside."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from copy import deepcopy

from cryptography import x509
from lxml import etree

from bench.decode_certificates import Certificates
from bench.duis import signatures
from bench.duis.codes import dcc_alert_code, response_code
from bench.duis.errors import DuisError, SignatureError
from bench.duis.messages import DccAlert, Smets1Response
from bench.duis.names import SR, ds, line_of, local, sr
from bench.duis.request_id import RequestId
from bench.duis.requests import parse_request
from bench.duis.responses import parse_response
from bench.duis.safe_xml import parse
from bench.duis.service_requests import all_service_requests
from bench.duis.smets1 import parse_content, verify_provider
from bench.errors import BenchError, CodecError
from bench.gbcs import catalogue
from bench.gbcs.message_tree import message_tree
from bench.gbcs.tree import HIDDEN, Node

_SECRETS = frozenset({"InstallCode", "UTRN"})
_USUAL = [signatures.EXCLUSIVE_C14N, signatures.ECDSA_SHA256, signatures.ENVELOPED, signatures.SHA256]
_PROVIDERS = frozenset({"SMETS1SignedResponse", "S1SPAlert"})
_PAYLOAD = "GBCSPayload"
_ALERT_CODES = frozenset({"AlertCode", "FutureDatedAlertCode", "DeviceAlertCode", "GBCSHexAlertCode"})
_COMMAND_VARIANTS = {
    "1": "to the device",
    "2": "returned for delivery over the HAN",
    "3": "to the device, and returned for delivery over the HAN",
    "4": "critical: to be transformed into a pre-command",
    "5": "signed pre-command, to the device",
    "6": "signed pre-command, returned for delivery over the HAN",
    "7": "signed pre-command, to the device, and returned for delivery over the HAN",
    "8": "for the DCC only",
}
_REQUEST_ID = re.compile(r"(?:[0-9A-Fa-f]{2}-){7}[0-9A-Fa-f]{2}:(?:[0-9A-Fa-f]{2}-){7}[0-9A-Fa-f]{2}:\d+")
_HEX_CODE = re.compile(r"(?:0x)?([0-9A-Fa-f]{4})")


def duis_tree(data: bytes, certificates: Certificates | None = None) -> Node:
    """Take a document apart. Other XML than DUIS is shown too; what the schema would refuse is said, not refused.

    Args:
        data: the document.
        certificates: verify its signature and those of the payloads; without them they are only shown.

    Raises:
        DuisError: the bytes are not acceptable XML; the error has the line.
    """
    root = parse(data)
    node = _element(root, certificates)
    if etree.QName(root).namespace != SR:
        node.note = "XML, but no DUIS"
        return node
    node.name = f"DUIS {node.name}"
    _check_form(node, root)
    _check_signature(node, root, data, certificates)
    return node


def _element(element: etree._Element, certificates: Certificates | None) -> Node:
    name = local(element)
    if element.tag == ds("Signature") and (short := _usual_signature(element)) is not None:
        return short
    node = Node(name, line=line_of(element))
    for key, value in element.attrib.items():
        node.add(f"@{etree.QName(key).localname}", str(value))
    text = (element.text or "").strip()
    if name in _SECRETS:
        node.value = HIDDEN
        return node
    if text:
        node.value, node.note = text, _meaning(name, text)
    if name == _PAYLOAD and text:
        _payload(node, text, certificates)
    node.children.extend(_element(child, certificates) for child in element)
    return node


def _usual_signature(element: etree._Element) -> Node | None:
    """A signature of the one form that DUIS has, in short; None for any other."""
    if [each.get("Algorithm") for each in element.iter() if each.get("Algorithm") is not None] != _USUAL:
        return None
    names = ("DigestValue", "SignatureValue", "X509IssuerName", "X509SerialNumber")
    parts = [list(element.iter(ds(each))) for each in names]
    if any(len(found) != 1 or len(found[0]) for found in parts):
        return None
    digest, value, issuer, serial = ((found[0].text or "").strip() for found in parts)
    node = Node("Signature", f"by the holder of certificate {serial} of {issuer}", line=line_of(element))
    for name, text in (("DigestValue", digest), ("SignatureValue", value)):
        node.add(name, text)
    return node


def _meaning(name: str, text: str) -> str:
    """Return what a text stands for, as far as its element or its form tells."""
    if _REQUEST_ID.fullmatch(text):
        found = RequestId.parse(text)
        return f"from {found.originator} to {found.target}, counter {found.counter}"
    if name == "CommandVariant":
        return _COMMAND_VARIANTS.get(text, "not a Command Variant")
    if name == "ServiceReferenceVariant":
        known = all_service_requests().get(text)
        return known.name if known else "not a variant of the schema"
    if name == "ResponseCode":
        return response_code(text).meaning or "meaning not published"
    if name == "DCCAlertCode":
        return dcc_alert_code(text).meaning or "meaning not published"
    code = _HEX_CODE.fullmatch(text)
    if name in _ALERT_CODES and code:
        return catalogue.alert_meaning(int(code[1], 16))
    if name == "GBCSHexadecimalMessageCode" and code:
        return catalogue.use_case_name(int(code[1], 16))
    return ""


def _payload(node: Node, text: str, certificates: Certificates | None) -> None:
    node.value, node.note = f"{len(text)} characters of base64", "offsets below count in the decoded payload"
    try:
        payload = b64decode("".join(text.split()), validate=True)
        node.children.append(message_tree(payload, certificates.signature_keys if certificates else None))
    except Base64Error:
        node.add_fault("the payload is not base64")
    except CodecError as error:
        node.add_fault(f"the payload is no GBCS message: {error.what}", error.offset)


def _check_form(node: Node, root: etree._Element) -> None:
    try:
        if local(root) == "Request":
            parse_request(root)
        elif local(root) in _PROVIDERS:
            parse_content(_unsigned(root))
        else:
            parse_response(root)
            _check_provided(root)
    except DuisError as error:
        node.add("differs from the schema", str(error))


def _check_provided(root: etree._Element) -> None:
    """See whether what a SMETS1 Service Provider says inside can be read."""
    for name in _PROVIDERS:
        for provided in root.iter(sr(name)):
            parse_content(_unsigned(provided))


def _unsigned(provided: etree._Element) -> etree._Element:
    copy = deepcopy(provided)
    for signature in copy.findall(ds("Signature")):
        copy.remove(signature)
    return copy


def _check_signature(node: Node, root: etree._Element, data: bytes, certificates: Certificates | None) -> None:
    if root.find(ds("Signature")) is None:
        node.add("signature", "none")
        return
    if certificates is None:
        return
    if local(root) in ("Request", "Response", *_PROVIDERS):
        _judge(node, "verified", certificates, lambda find: signatures.verify(data, find))
    if any(True for name in _PROVIDERS for each in root.iter(sr(name)) if each is not root):
        _judge(node, "provider verified", certificates, lambda find: _verify_provided(root, find))


def _verify_provided(root: etree._Element, find: signatures.CertificateLookup) -> signatures.Verified:
    message = parse_response(root)
    if not isinstance(message, Smets1Response | DccAlert):
        raise SignatureError("the provider's document stands where none belongs")
    return verify_provider(message, find)


def _judge(
    node: Node,
    name: str,
    certificates: Certificates,
    verify: Callable[[signatures.CertificateLookup], signatures.Verified],
) -> None:
    missing = []

    def find(issuer: x509.Name, serial: int) -> x509.Certificate | None:
        found = certificates.find(issuer, serial)
        if found is None:
            missing.append(f"{serial} of {issuer.rfc4514_string()}")
        return found

    try:
        signer = verify(find).signer
    except DuisError as error:
        if missing:
            node.add(name, f"not checked: no certificate {missing[0]}")
        else:
            whose = "the signature of the SMETS1 Service Provider" if name != "verified" else "the signature"
            node.add_fault(f"{whose} is not valid: {error}")
        return
    try:
        who = str(signatures.certificate_eui(signer))
    except BenchError:
        who = "a party that its certificate does not name"
    node.add(name, f"valid, by {who}", f"certificate {certificates.file_of(signer)}")
