"""One GBCS message: the frame around a command, a response or an alert (GBCS section 7, DLMS Green Book).

Three framings exist. A signed-only message is a general-signing APDU that ends in a signature. A MACed one wraps
a general-signing APDU, signed or not, in a general-ciphering APDU that ends in a 12-byte tag. A pre-command is
what the DCC hands to a User for signing: a general-signing APDU without its signature.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum, IntEnum

from bench.eui import Eui64
from bench.gbcs.errors import GbcsError
from bench.gbcs.reader import Reader, encode_length

SIGNATURE_LENGTH = 64
MAC_LENGTH = 12
MAX_MESSAGE_LENGTH = 0x20000
"""Longest frame that is looked at, in bytes: its lengths have 16 bits; longer input is refused unread."""

_CIPHERING_TAG = 0xDD
_SIGNING_TAG = 0xDF
_CIPHERING_HEADER = bytes(6)  # transaction, originator, recipient, date-time, other information, no key info
_SECURITY_HEADER = bytes.fromhex("1100000000")  # authentication only, invocation counter 0
_TRANSACTION_ID_LENGTH = b"\x09"
_EUI_LENGTH = b"\x08"


class Framing(Enum):
    """How a message is protected."""

    SIGNED = "signed"
    """Signature only: critical alerts and responses, and pre-commands that the User has signed."""
    MACED = "maced"
    """Tag, with or without a signature inside: every command to a device, non-critical alerts and responses."""
    PRE_COMMAND = "pre-command"
    """Neither yet: a command awaiting its User's signature."""


class Cra(IntEnum):
    """Command, response or alert: the first byte of the transaction id."""

    COMMAND = 1
    RESPONSE = 2
    ALERT = 3


@dataclass(frozen=True, slots=True)
class Message:
    """A GBCS message, immutable. `Message.parse(data).encode() == data` for everything that parses.

    Attributes:
        framing: how it is protected.
        cra: command, response or alert.
        originator_counter: 64-bit counter of the originator; a response repeats that of its command.
        originator: who made it.
        recipient: whom it is for.
        message_code: the use case, such as 0x0067.
        content: the use-case content, undecoded.
        date_time: 12 bytes of DLMS date-time, or None where the frame carries none.
        supplementary_remote_party: the User behind a message to or from the Access Control Broker.
        supplementary_remote_party_counter: that User's counter; the counter of the DUIS RequestID.
        supplementary_originator_counter: counter for protected content addressed to that party.
        supplementary_certificate: that party's key agreement certificate, DER.
        signature: raw r||s, 64 bytes, or None.
        null_signature: a pre-command has the zero byte that stands for "no signature".
        mac: 12-byte tag, or None while a MACed message has not been sealed.
    """

    framing: Framing
    cra: Cra
    originator_counter: int
    originator: Eui64
    recipient: Eui64
    message_code: int
    content: bytes = field(repr=False)
    date_time: bytes | None = None
    supplementary_remote_party: Eui64 | None = None
    supplementary_remote_party_counter: int | None = None
    supplementary_originator_counter: int | None = None
    supplementary_certificate: bytes | None = field(default=None, repr=False)
    signature: bytes | None = field(default=None, repr=False)
    null_signature: bool = False
    mac: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        counters = (
            self.originator_counter,
            self.supplementary_remote_party_counter,
            self.supplementary_originator_counter,
        )
        if any(counter is not None and not 0 <= counter < 1 << 64 for counter in counters):
            raise ValueError(f"a counter has 64 bits: {counters}")
        if not 0 <= self.message_code <= 0xFFFF:
            raise ValueError(f"a message code has 16 bits: {self.message_code:#x}")
        for name, value, size in (
            ("date_time", self.date_time, 12),
            ("signature", self.signature, SIGNATURE_LENGTH),
            ("mac", self.mac, MAC_LENGTH),
        ):
            if value is not None and len(value) != size:
                raise ValueError(f"{name} has {size} bytes, not {len(value)}")
        if self.supplementary_remote_party is None and self.supplementary_remote_party_counter is not None:
            raise ValueError("a supplementary counter needs its party")
        extras = (self.supplementary_originator_counter, self.supplementary_certificate)
        if self.supplementary_remote_party_counter is None and extras != (None, None):
            raise ValueError("a supplementary originator counter or certificate needs the party's counter")
        if None not in extras:
            raise ValueError("a message carries a supplementary originator counter or a certificate, not both")
        if self.supplementary_certificate is not None and len(self.supplementary_certificate) <= 8:
            raise ValueError("a certificate has more than 8 bytes")

    @classmethod
    def parse(cls, data: bytes) -> Message:
        """Read one whole message.

        Raises:
            GbcsError: it is not one, is cut short, has bytes after its end, or is a segment of a longer message
                (general block transfer, which is not supported).
        """
        if len(data) > MAX_MESSAGE_LENGTH:
            raise GbcsError(f"{len(data)} bytes are too many", expected=f"at most {MAX_MESSAGE_LENGTH}")
        reader = Reader(bytes(data))
        first = reader.peek()
        if first == _SIGNING_TAG:
            message = _read_signing(reader, maced=False)
            reader.finish("the message")
            return message
        if first != _CIPHERING_TAG:
            found = "nothing" if first is None else f"{first:02x}"
            raise GbcsError(f"the message starts with {found}", offset=0, expected="dd or df")
        reader.take(1, "tag")
        if reader.peek() not in (None, 0):
            raise GbcsError(
                "this is a segment of a longer message", offset=1, expected="a whole message, not block transfer"
            )
        reader.literal(_CIPHERING_HEADER, "general-ciphering header")
        length = reader.length("ciphered service length")
        if length != reader.remaining:
            raise GbcsError(
                f"the ciphered service has {reader.remaining} bytes", offset=reader.offset, expected=f"{length} bytes"
            )
        reader.literal(_SECURITY_HEADER, "security header")
        message = _read_signing(reader, maced=True)
        mac = reader.take(MAC_LENGTH, "MAC")
        reader.finish("the message")
        return replace(message, mac=mac)

    def encode(self) -> bytes:
        """Return the message's bytes.

        Raises:
            GbcsError: it lacks the signature or tag that its framing asks for, or is too long.
        """
        if self.framing is Framing.PRE_COMMAND:
            return bytes([_SIGNING_TAG]) + self.tbs + (b"\x00" if self.null_signature else b"")
        if self.framing is Framing.SIGNED:
            if self.signature is None:
                raise GbcsError("the message has not been signed", expected="a signature: sign it first")
            return self.signed_part
        if self.mac is None:
            raise GbcsError("the message has no MAC", expected="a tag: seal it first")
        service = _SECURITY_HEADER + self.signed_part + self.mac
        return bytes([_CIPHERING_TAG]) + _CIPHERING_HEADER + encode_length(len(service)) + service

    @property
    def tbs(self) -> bytes:
        """The bytes that a signature covers: everything after the tag 0xDF up to the end of the content."""
        other = self.message_code.to_bytes(2, "big")
        if self.supplementary_remote_party is not None:
            other += self.supplementary_remote_party.raw
        for counter in (self.supplementary_remote_party_counter, self.supplementary_originator_counter):
            if counter is not None:
                other += counter.to_bytes(8, "big")
        other += self.supplementary_certificate or b""
        return b"".join(
            (
                _TRANSACTION_ID_LENGTH,
                bytes([self.cra]),
                self.originator_counter.to_bytes(8, "big"),
                _EUI_LENGTH + self.originator.raw,
                _EUI_LENGTH + self.recipient.raw,
                b"\x00" if self.date_time is None else b"\x0c" + self.date_time,
                encode_length(len(other)) + other,
                encode_length(len(self.content)) + self.content,
            )
        )

    @property
    def signed_part(self) -> bytes:
        """The general-signing APDU with its signature, or with the zero byte that stands for none."""
        signature = self.signature or b""
        return bytes([_SIGNING_TAG]) + self.tbs + bytes([len(signature)]) + signature

    @property
    def mac_input(self) -> bytes:
        """The additional data that the tag covers: control byte, empty header fields, then the signed part."""
        return _SECURITY_HEADER[:1] + bytes(5) + self.signed_part


def _read_signing(reader: Reader, *, maced: bool) -> Message:
    reader.literal(bytes([_SIGNING_TAG]), "general-signing tag")
    reader.literal(_TRANSACTION_ID_LENGTH, "transaction id length")
    at = reader.offset
    cra_byte = reader.uint(1, "CRA flag")
    if cra_byte not in (1, 2, 3):
        raise GbcsError(f"the CRA flag is {cra_byte:02x}", offset=at, expected="01, 02 or 03")
    cra = Cra(cra_byte)
    counter = reader.uint(8, "originator counter")
    reader.literal(_EUI_LENGTH, "originator length")
    originator = Eui64(reader.take(8, "originator"))
    reader.literal(_EUI_LENGTH, "recipient length")
    recipient = Eui64(reader.take(8, "recipient"))
    at = reader.offset
    date_time_length = reader.uint(1, "date-time length")
    if date_time_length not in (0, 12):
        raise GbcsError(f"the date-time has {date_time_length} bytes", offset=at, expected="0 or 12")
    date_time = reader.take(12, "date-time") if date_time_length else None
    other_at = reader.offset
    other_length = reader.length("other information length")
    other = Reader(reader.take(other_length, "other information"), base=reader.offset - other_length)
    if other_length not in (2, 10, 18) and other_length < 26:
        raise GbcsError(
            f"the other information has {other_length} bytes", offset=other_at, expected="2, 10, 18, 26 or more"
        )
    message_code = other.uint(2, "message code")
    party = Eui64(other.take(8, "supplementary party")) if other.remaining else None
    party_counter = other.uint(8, "supplementary counter") if other.remaining else None
    originator_counter = other.uint(8, "supplementary originator counter") if other.remaining == 8 else None
    certificate = other.take(other.remaining, "certificate") if other.remaining else None
    content = reader.take(reader.length("content length"), "content")
    signature, framing, null_signature = _read_signature(reader, cra, maced=maced)
    return Message(
        framing=framing,
        cra=cra,
        originator_counter=counter,
        originator=originator,
        recipient=recipient,
        message_code=message_code,
        content=content,
        date_time=date_time,
        supplementary_remote_party=party,
        supplementary_remote_party_counter=party_counter,
        supplementary_originator_counter=originator_counter,
        supplementary_certificate=certificate,
        signature=signature,
        null_signature=null_signature,
    )


def _read_signature(reader: Reader, cra: Cra, *, maced: bool) -> tuple[bytes | None, Framing, bool]:
    """Return signature, framing and whether a pre-command has its null signature byte."""
    at = reader.offset
    awaits_signature = cra is Cra.COMMAND and not maced
    if awaits_signature and not reader.remaining:
        return None, Framing.PRE_COMMAND, False
    length = reader.uint(1, "signature length")
    framing = Framing.MACED if maced else Framing.SIGNED
    if length == SIGNATURE_LENGTH:
        return reader.take(SIGNATURE_LENGTH, "signature"), framing, False
    if length == 0 and awaits_signature:
        return None, Framing.PRE_COMMAND, True
    if length == 0 and maced:
        return None, framing, False
    raise GbcsError(f"the signature has {length} bytes", offset=at, expected="0 or 64" if maced else "64")
