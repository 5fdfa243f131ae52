"""Signatures, key agreement and tags of GBCS messages (GBCS section 4: ECDSA and ECDH on P-256, AES-128-GCM).

The device's half of a tag needs the device's key agreement private key; a bench that only listens verifies
signatures, an emulated device or DCC computes both.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench.eui import Eui64
from bench.gbcs.errors import GbcsError
from bench.gbcs.message import MAC_LENGTH, Framing, Message

ENCRYPTION_CRA = 4
"""Takes the place of the CRA byte when the derived key encrypts a part of the content instead."""

_ALGORITHM_ID = bytes.fromhex("60857406080300")  # AES-128-GCM in the DLMS UA arc
_SCALAR_LENGTH = 32


def sign(message: Message, private_key: ec.EllipticCurvePrivateKey) -> Message:
    """Return the message with its originator's signature; a pre-command becomes a signed-only message.

    The signature is deterministic (RFC 6979): the same message and key give the same bytes. A tag that was
    there is dropped, because it covers the signature.
    """
    der = private_key.sign(message.tbs, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    r, s = decode_dss_signature(der)
    raw = r.to_bytes(_SCALAR_LENGTH, "big") + s.to_bytes(_SCALAR_LENGTH, "big")
    framing = Framing.SIGNED if message.framing is Framing.PRE_COMMAND else message.framing
    return replace(message, framing=framing, signature=raw, null_signature=False, mac=None)


def verify_signature(message: Message, public_key: ec.EllipticCurvePublicKey) -> bool:
    """Return whether the message has a signature and it is by the holder of the digital signature key."""
    return message.signature is not None and verify_raw(message.signature, message.tbs, public_key)


def verify_raw(signature: bytes, data: bytes, public_key: ec.EllipticCurvePublicKey) -> bool:
    """Return whether a signature as GBCS writes them, r and s one after the other, is right for some data."""
    r = int.from_bytes(signature[:_SCALAR_LENGTH], "big")
    s = int.from_bytes(signature[_SCALAR_LENGTH:], "big")
    try:
        public_key.verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def sign_pre_command(pre_command: bytes, private_key: ec.EllipticCurvePrivateKey) -> bytes:
    """Sign what the DCC returned from Transform, with or without the null signature byte at its end.

    Returns:
        The signed pre-command, ready for the body of a SignedPreCommand.

    Raises:
        GbcsError: the bytes are not a pre-command (an already signed one included).
    """
    message = Message.parse(pre_command)
    if message.framing is not Framing.PRE_COMMAND:
        raise GbcsError(f"the message is {message.framing.value}", offset=0, expected="an unsigned pre-command")
    return sign(message, private_key).encode()


def derive_key(
    private_ka: ec.EllipticCurvePrivateKey,
    public_ka: ec.EllipticCurvePublicKey,
    originator: Eui64,
    cra_byte: int,
    counter: int,
    recipient: Eui64,
) -> bytes:
    """Derive the 16-byte key of one message (NIST SP 800-56A one-step KDF over the ECDH secret).

    Args:
        private_ka: key agreement key of one end. For a command the sending end is the Access Control Broker,
            for a response or an alert it is the device.
        public_ka: key agreement key of the other end.
        originator: the message's originator.
        cra_byte: 1, 2 or 3 as in the message, or `ENCRYPTION_CRA`.
        counter: the message's originator counter.
        recipient: the message's recipient.
    """
    secret = private_ka.exchange(ec.ECDH(), public_ka)
    transaction = bytes([9, cra_byte]) + counter.to_bytes(8, "big")
    other_info = _ALGORITHM_ID + originator.raw + transaction + recipient.raw
    return hashlib.sha256((1).to_bytes(4, "big") + secret + other_info).digest()[:16]


def message_key(
    message: Message, private_ka: ec.EllipticCurvePrivateKey, public_ka: ec.EllipticCurvePublicKey
) -> bytes:
    """Derive the key of this message's tag: `derive_key` with the parties, counter and CRA of its frame."""
    return derive_key(
        private_ka,
        public_ka,
        message.originator,
        int(message.cra),
        message.originator_counter,
        message.recipient,
    )


def seal(message: Message, key: bytes) -> Message:
    """Return the message in MACed framing with its tag; a signature, if any, must already be there."""
    sealed = replace(message, framing=Framing.MACED, null_signature=False, mac=None)
    return replace(sealed, mac=_tag(sealed, key))


def verify_mac(message: Message, key: bytes) -> bool:
    """Return whether the message has a tag and it was made with this key."""
    return message.mac is not None and hmac.compare_digest(message.mac, _tag(message, key))


def _tag(message: Message, key: bytes) -> bytes:
    initialisation_vector = message.originator.raw + bytes(4)
    return AESGCM(key).encrypt(initialisation_vector, b"", message.mac_input)[:MAC_LENGTH]
