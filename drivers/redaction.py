"""Keeping install codes, link keys and UTRNs out of events, whatever the DCC or a stranger makes of a message.

An install code lets a device join the HAN, and a UTRN is worth money. Both are known by the element that holds them,
an install code by its owner in the rig too, and by having been seen; wherever one turns up again, it is replaced. A
GBCS message that carries install codes or link keys is replaced as a whole.
"""

from __future__ import annotations

import base64
import binascii
import re

from lxml import etree

from bench.duis.errors import DuisError
from bench.duis.names import local
from bench.duis.safe_xml import parse
from bench.errors import CodecError
from bench.gbcs.message import Cra, Message
from bench.parties import Parties

HIDDEN = "(secret)"
SECRET_ELEMENTS = ("InstallCode", "UTRN")

_SECRET_TEXT = re.compile(rf"(<(?:\w+:)?(?:{'|'.join(SECRET_ELEMENTS)})\b[^>]*>)[^<]*")
_SECRET_MESSAGES = ((0x0001, Cra.COMMAND), (0x0003, Cra.COMMAND), (0x00FE, Cra.RESPONSE))
"""Devices put into a device log with their install codes, and device logs with keys: CCS01, CCS03 and CCS07."""
_PAYLOAD = re.compile(r"(<(?:\w+:)?(?:GBCSPayload|DeviceGBCSResponse)\b[^>]*>)([A-Za-z0-9+/=\s]+)")
_HEX = re.compile(r"[0-9A-F]{8,}")


class Redactor:
    """Shows documents as events may hold them: verbatim, but for the secrets."""

    def __init__(self, parties: Parties) -> None:
        self._secrets: dict[str, re.Pattern[str]] = {}
        for dut in parties.duts.values():
            self._learn(dut.install_code or "")

    def _learn(self, code: str) -> None:
        digits = re.sub(r"[\s:-]", "", code).upper()
        if _HEX.fullmatch(digits) and digits not in self._secrets:
            # In any case, and with or without separators between the bytes.
            spaced = r"[\s:-]?".join(digits[at : at + 2] for at in range(0, len(digits), 2))
            self._secrets[digits] = re.compile(spaced, re.IGNORECASE)

    def text(self, text: str) -> str:
        """Any text, without the secrets that are known."""
        for secret in self._secrets.values():
            text = secret.sub(HIDDEN, text)
        return text

    def gbcs(self, payload: bytes) -> str:
        """A GBCS message in hexadecimal, unless it carries secrets."""
        return HIDDEN if is_secret(payload) else self.text(payload.hex())

    def document(self, document: bytes) -> str:
        """A document, XML or not; the secrets in it are remembered."""
        text = _PAYLOAD.sub(_show_payload, document.decode("utf-8", errors="backslashreplace"))
        if not any(name in text for name in SECRET_ELEMENTS):
            return self.text(text)
        try:
            root = parse(text.encode("utf-8"))
        except DuisError:
            return self.text(_SECRET_TEXT.sub(rf"\g<1>{HIDDEN}", text))
        for element in root.iter():
            if local(element) in SECRET_ELEMENTS:
                self._learn("".join(str(part) for part in element.itertext()))
                tail = element.tail
                element.clear()
                element.text, element.tail = HIDDEN, tail
        return self.text(etree.tostring(root, encoding="unicode"))


def is_secret(payload: bytes) -> bool:
    """Whether a GBCS message carries install codes or link keys."""
    try:
        message = Message.parse(payload)
    except CodecError:
        return False
    return (message.message_code, message.cra) in _SECRET_MESSAGES


def _show_payload(found: re.Match[str]) -> str:
    try:
        payload = base64.b64decode("".join(found[2].split()), validate=True)
    except (binascii.Error, ValueError):
        return found[0]
    return found[1] + HIDDEN if is_secret(payload) else found[0]
