"""A whole GBCS message as a tree: frame, content in whichever notation, signature and tag, each with its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from bench.eui import Eui64
from bench.gbcs import catalogue, crypto, times
from bench.gbcs.der_tree import add_der, is_der
from bench.gbcs.dlms_tree import add_dlms, is_dlms
from bench.gbcs.errors import GbcsError
from bench.gbcs.explain import explain_content, is_secret
from bench.gbcs.gbz_tree import add_gbz, add_gbz_alert, is_gbz
from bench.gbcs.message import MAC_LENGTH, SIGNATURE_LENGTH, Cra, Framing, Message
from bench.gbcs.object_names import access_list
from bench.gbcs.reader import Reader
from bench.gbcs.tree import HIDDEN, Node

SignatureKeys = Callable[[Eui64], tuple[tuple[str, ec.EllipticCurvePublicKey], ...]]
"""Finds the digital signature keys of a party, each with the name of where it comes from."""

_CIPHERING_TAG = 0xDD
_FRAMINGS = {
    Framing.SIGNED: "signed",
    Framing.MACED: "with a MAC",
    Framing.PRE_COMMAND: "a pre-command, not signed yet",
}


def message_tree(data: bytes, keys: SignatureKeys | None = None) -> Node:
    """Take one whole message apart.

    Content that breaks its notation is shown as far as it can be read, then a fault, then the bytes that are left.

    Args:
        data: the message.
        keys: verifies the signature; without it the signature is only shown.

    Raises:
        GbcsError: the bytes are no message; the error has the offset.
    """
    message = Message.parse(data)
    title = f"{message.cra.name.lower()}, {_FRAMINGS[message.framing]}"
    root = Node("GBCS message", _use_case(message), title, 0, len(data))
    reader = Reader(data)
    if reader.peek() == _CIPHERING_TAG:
        _part(root, reader, 1, "tag", "general ciphering")
        _part(root, reader, 6, "header", "no transaction, parties, date-time, other information, key information")
        start, at = reader.position, reader.offset
        length = reader.length("ciphered service length")
        root.add("length", length, offset=at, length=reader.position - start)
        _part(root, reader, 5, "security header", "authentication only")
    _part(root, reader, 1, "tag", "general signing")
    _transaction(root, reader, message)
    _other_information(root, reader, message)
    start, at = reader.position, reader.offset
    length = reader.length("content length")
    root.add("content length", length, offset=at, length=reader.position - start)
    at = reader.offset
    content = root.add("content", offset=at, length=length)
    reader.take(length, "content")
    _content(content, message, at)
    _signature(root, reader, message, keys)
    if message.mac is not None:
        _part(root, reader, MAC_LENGTH, "MAC", "AES-128-GCM over all from the security header on; not checked here")
    return root


def _use_case(message: Message) -> str:
    entry = catalogue.use_case_names().get(message.message_code)
    name = catalogue.use_case_name(message.message_code)
    return f"{name}, {entry.title}" if entry and entry.title else name


def _part(parent: Node, reader: Reader, size: int, name: str, note: str = "") -> Node:
    at = reader.offset
    return parent.add(name, reader.take(size, name).hex(), note, offset=at, length=size)


def _transaction(root: Node, reader: Reader, message: Message) -> None:
    node = root.add("transaction id", offset=reader.offset, length=10)
    _part(node, reader, 1, "length", "9 bytes")
    _part(node, reader, 1, "CRA flag", message.cra.name.lower())
    at = reader.offset
    node.add("originator counter", reader.uint(8, "counter"), _counter_note(message), offset=at, length=8)
    for name, party in (("originator", message.originator), ("recipient", message.recipient)):
        at = reader.offset
        reader.take(9, name)
        root.add(name, str(party), "EUI-64 after its length", offset=at, length=9)
    at = reader.offset
    size = 1 if message.date_time is None else 13
    reader.take(size, "date-time")
    value = "none"
    if message.date_time is not None:
        moment = times.decode_dlms(message.date_time)
        value = moment.isoformat().replace("+00:00", "Z") if moment else "not valid, or the device has no time"
    root.add("date-time", value, offset=at, length=size)


def _counter_note(message: Message) -> str:
    if message.cra is Cra.RESPONSE:
        return f"that of the command; 0x{message.originator_counter:016X}"
    return f"0x{message.originator_counter:016X}"


def _other_information(root: Node, reader: Reader, message: Message) -> None:
    at, start = reader.offset, reader.position
    length = reader.length("other information length")
    node = root.add("other information", None, f"{length} bytes", offset=at, length=reader.position - start + length)
    end = reader.position + length
    at = reader.offset
    reader.take(2, "message code")
    entry = catalogue.use_case_names().get(message.message_code)
    references = ", ".join(dict.fromkeys(entry.service_references)) if entry else ""
    note = _use_case(message) + (f"; Service Request {references}" if references else "")
    node.add("message code", f"0x{message.message_code:04X}", note, offset=at, length=2)
    for name, value in (
        ("supplementary remote party", message.supplementary_remote_party),
        ("supplementary remote party counter", message.supplementary_remote_party_counter),
        ("supplementary originator counter", message.supplementary_originator_counter),
    ):
        if value is not None:
            at = reader.offset
            reader.take(8, name)
            shown = value if isinstance(value, int) else str(value)
            node.add(name, shown, _PARTY_NOTES.get(name, ""), offset=at, length=8)
    if message.supplementary_certificate is not None:
        _part(node, reader, end - reader.position, "supplementary certificate", "key agreement certificate, DER")


_PARTY_NOTES = {
    "supplementary remote party": "the User behind a message to or from the Access Control Broker",
    "supplementary remote party counter": "the counter of the DUIS RequestID",
}


def _content(node: Node, message: Message, base: int) -> None:
    content = message.content
    try:
        if is_dlms(content):
            node.note = "DLMS"
            listed = access_list(message.message_code) if message.cra is Cra.RESPONSE else ()
            add_dlms(node, content, base, listed)
        elif is_gbz(content):
            node.note = "GBZ"
            add = add_gbz_alert if message.cra is Cra.ALERT else add_gbz
            add(node, content, base)
        elif is_der(content):
            node.note = "ASN.1"
            add_der(node, content, base)
        else:
            node.value = HIDDEN if is_secret(message) else content.hex()
            node.note = "in no notation that is known here"
    except GbcsError as fault:
        if is_secret(message):
            # Nobody can tell where in broken content the secret is.
            node.children.clear()
            node.value = HIDDEN
            node.add_fault("the content breaks its notation", fault.offset)
            return
        node.add_fault(fault.what, fault.offset)
        at = base if fault.offset is None else fault.offset
        rest = content[at - base :]
        node.add("from there", rest.hex(), offset=at, length=len(rest))
        return
    meaning = {name: value for name, value in explain_content(message).items() if value not in ({}, "")}
    if "fault" in meaning:
        node.add("differs from the use case", meaning.pop("fault"))
    if meaning:
        add_values(node.add("meaning"), meaning)


def add_values(node: Node, values: dict[str, Any] | list[Any]) -> None:
    """Append plain values, as JSON knows them, by name."""
    pairs = values.items() if isinstance(values, dict) else ((f"[{index}]", each) for index, each in enumerate(values))
    for name, value in pairs:
        if isinstance(value, dict | list):
            add_values(node.add(name), value)
        else:
            node.add(name, "none" if value is None else str(value).lower() if isinstance(value, bool) else value)


def _signature(root: Node, reader: Reader, message: Message, keys: SignatureKeys | None) -> None:
    if message.framing is Framing.PRE_COMMAND:
        if message.null_signature:
            _part(root, reader, 1, "signature", "the zero byte that stands for none")
        return
    at = reader.offset
    reader.take(1, "signature length")
    if message.signature is None:
        root.add("signature", "none", offset=at, length=1)
        return
    reader.take(SIGNATURE_LENGTH, "signature")
    node = root.add("signature", message.signature.hex(), "ECDSA P-256", offset=at, length=1 + SIGNATURE_LENGTH)
    if keys is None:
        return
    found = keys(message.originator)
    good = next((name for name, key in found if crypto.verify_signature(message, key)), None)
    if good is not None:
        node.add("verified", f"valid, by {message.originator}", f"certificate {good}")
    elif found:
        node.add_fault(f"not valid by {', '.join(name for name, _ in found)}", at)
    else:
        node.add("verified", f"not checked: no certificate of {message.originator}")
