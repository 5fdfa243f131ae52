"""A DUIS document as a tree: every element with its line, codes in words, GBCS payloads taken apart inside."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error

from cryptography import x509
from lxml import etree

from bench.decode_certificates import Certificates
from bench.duis import signatures
from bench.duis.codes import dcc_alert_code, response_code
from bench.duis.errors import DuisError, SignatureError
from bench.duis.names import SR, ds, line_of, local
from bench.duis.request_id import RequestId
from bench.duis.requests import parse_request
from bench.duis.responses import parse_response
from bench.duis.safe_xml import parse
from bench.duis.service_requests import all_service_requests
from bench.errors import BenchError, CodecError
from bench.gbcs import catalogue
from bench.gbcs.message_tree import message_tree
from bench.gbcs.tree import HIDDEN, Node

_SECRETS = frozenset({"InstallCode"})
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
        else:
            parse_response(root)
    except DuisError as error:
        node.add("differs from the schema", str(error))


def _check_signature(node: Node, root: etree._Element, data: bytes, certificates: Certificates | None) -> None:
    if root.find(ds("Signature")) is None:
        node.add("signature", "none")
        return
    if certificates is None:
        return
    missing = []

    def find(issuer: x509.Name, serial: int) -> x509.Certificate | None:
        found = certificates.find(issuer, serial)
        if found is None:
            missing.append(f"{serial} of {issuer.rfc4514_string()}")
        return found

    try:
        signer = signatures.verify(data, find).signer
    except SignatureError as error:
        if missing:
            node.add("verified", f"not checked: no certificate {missing[0]}")
        else:
            node.add_fault(f"the signature is not valid: {error}")
        return
    try:
        who = str(signatures.certificate_eui(signer))
    except BenchError:
        who = "a party that its certificate does not name"
    node.add("verified", f"valid, by {who}", f"certificate {certificates.file_of(signer)}")
