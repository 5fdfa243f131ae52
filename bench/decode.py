"""Explains any GBCS or DUIS message, in whatever form a capture has it: what `hilbench decode` prints."""

from __future__ import annotations

import os
import re
from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from bench.errors import CodecError, UsageError
from bench.gbcs.message_tree import message_tree
from bench.gbcs.tree import Node

if TYPE_CHECKING:
    from bench.decode_certificates import Certificates

MAX_BYTES = 1 << 21
"""Longest input that is looked at: a DUIS document has at most half of it, hexadecimal text four times a message."""

_BINARY = (b"\xdd", b"\xdf")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_HEX = re.compile(r"(?:0[xX])?[0-9A-Fa-f]")
_SEPARATORS = re.compile(r"[\s:,\-]+|0[xX](?=[0-9A-Fa-f]{2})")
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]+={0,2}\s*")


@dataclass(frozen=True, slots=True)
class Decoded:
    """What was found.

    Attributes:
        form: how the message was written: binary, hexadecimal text, base64, XML.
        tree: the message taken apart.
    """

    form: str
    tree: Node

    @property
    def exit_code(self) -> int:
        """0, or 1 if something in the message is wrong: its content, its payload or a signature."""
        return int(self.tree.faulty)

    def as_json(self) -> dict[str, Any]:
        """Return all of it as JSON knows it."""
        return {"form": self.form, "faulty": self.tree.faulty, "tree": self.tree.as_json()}

    def lines(self) -> list[str]:
        """Return all of it as text."""
        places = "lines are those of the document" if "XML" in self.form else "offsets count bytes of the message"
        return [f"{self.form}; {places}", *self.tree.lines()]


def read_input(argument: str, standard_input: BinaryIO) -> bytes:
    """Return what is to be decoded: standard input for "-", the file (or pipe) of that name, or the argument itself.

    Raises:
        UsageError: there is no such file and the argument is no message either, or it cannot be read.
    """
    if argument == "-":
        return standard_input.read(MAX_BYTES + 1)
    # os.path and not Path: what is too long for a name, or has a zero byte, is simply no file for it.
    if os.path.isdir(argument):
        raise UsageError("it is a folder", where=_shown(argument), next_step="Give one file of it")
    if os.path.exists(argument):
        try:
            with open(argument, "rb") as file:
                return file.read(MAX_BYTES + 1)
        except OSError as error:
            raise UsageError(f"cannot read it: {error.strerror}", where=_shown(argument)) from None
    if re.fullmatch(r"[0-9A-Fa-f\s:,\-xX]+|\s*<.*|[A-Za-z0-9+/=\s]{40,}", argument, re.DOTALL) is None:
        next_step = "Give a file, hexadecimal text or -"
        raise UsageError("there is no such file", where=_shown(argument), next_step=next_step)
    return argument.encode("utf-8", "surrogateescape")


def _shown(argument: str) -> str:
    """The beginning of an argument as a terminal can show it."""
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in argument[:80])


def decode(data: bytes, certificates: Certificates | None = None) -> Decoded:
    """Take a message apart.

    Args:
        data: binary, hexadecimal text with or without separators, base64, or XML.
        certificates: verify signatures; without them they are only shown.

    Raises:
        CodecError: it is no message in any of these forms, or is cut short; the error says where.
    """
    if len(data) > MAX_BYTES:
        raise CodecError(f"the input has more than {MAX_BYTES} bytes", next_step="Give one message")
    keys = certificates.signature_keys if certificates else None
    if data.startswith(_BINARY):
        return Decoded("binary", message_tree(data, keys))
    text = _text(data)
    if text.startswith("<"):
        return Decoded("XML", _duis(data.removeprefix(_BYTE_ORDER_MARK).strip(), certificates))
    if _HEX.match(text) and (digits := _digits(text)) is not None:
        return Decoded("hexadecimal text", message_tree(digits, keys))
    inner = _base64(text)
    if inner.lstrip().startswith(b"<"):
        return Decoded("XML in base64", _duis(inner.strip(), certificates))
    return Decoded("base64", message_tree(inner, keys))


def _duis(data: bytes, certificates: Certificates | None) -> Node:
    # Imported here because XML and signatures take time to load, and most captures are GBCS.
    from bench.decode_duis import duis_tree

    return duis_tree(data, certificates)


def _text(data: bytes) -> str:
    body = data.removeprefix(_BYTE_ORDER_MARK)
    try:
        return body.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        at = error.start + len(data) - len(body)
        first = data[0]
        raise CodecError(
            f"it starts with {first:02x} and is not text",
            offset=0 if not 0x20 <= first < 0x7F else at,
            next_step="A message starts with dd or df in binary, or is hexadecimal text, base64 or XML",
        ) from None


def _digits(text: str) -> bytes | None:
    """Return the bytes of hexadecimal text; None for text that may be base64.

    Raises:
        CodecError: it begins as a message does and then has another character, or half a byte.
    """
    plain = _SEPARATORS.sub("", text)
    stray = re.search(r"[^0-9A-Fa-f]", plain)
    if stray is None:
        if len(plain) % 2:
            raise CodecError(
                f"{len(plain)} hexadecimal digits are no whole bytes", offset=len(plain) // 2, next_step="Add the last"
            )
        return bytes.fromhex(plain)
    if plain[:4].upper() in ("DF09", "DD00"):
        raise CodecError(f"{stray[0]!r} is no hexadecimal digit", offset=stray.start() // 2)
    return None


def _base64(text: str) -> bytes:
    if not text:
        raise CodecError("the input is empty", offset=0, next_step="Give a message")
    if _BASE64.fullmatch(text):
        try:
            return b64decode("".join(text.split()), validate=True)
        except Base64Error:
            pass  # said below, with all that it might have been
    raise CodecError(
        f"{text[:20]!r} begins no message",
        offset=0,
        next_step="A message starts with dd or df in binary, or is hexadecimal text, base64 or XML",
    )
