"""Signatures, keys and tags: both ends agree, and nothing else does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from hypothesis import given
from hypothesis import strategies as st

from bench.gbcs import crypto
from bench.gbcs.errors import GbcsError
from bench.gbcs.message import Framing, Message
from tests.gbcs.samples import ACB, CREDIT_ALERT, ESME, GSME, OUTAGE_ALERT, PRE_COMMAND, SUPPLIER, private_key

DEVICE_DS, DEVICE_KA, USER_KA, OTHER = (private_key(scalar) for scalar in (101, 102, 103, 104))
ALERT = Message.parse(OUTAGE_ALERT + b"\x40" + bytes(64))
MACED = Message.parse(CREDIT_ALERT)


def test_signature_is_good_for_its_key_and_message_only() -> None:
    signed = crypto.sign(ALERT, DEVICE_DS)
    assert crypto.verify_signature(signed, DEVICE_DS.public_key())
    assert not crypto.verify_signature(signed, OTHER.public_key())
    assert not crypto.verify_signature(ALERT, DEVICE_DS.public_key())
    for altered in (
        replace(signed, originator_counter=2004),
        replace(signed, content=signed.content[:-1] + b"\x00"),
        replace(signed, signature=bytes(64)),
        replace(signed, signature=b"\xff" * 64),
        replace(signed, recipient=SUPPLIER),
    ):
        assert not crypto.verify_signature(altered, DEVICE_DS.public_key())


def test_unsigned_message_does_not_verify() -> None:
    assert not crypto.verify_signature(MACED, DEVICE_DS.public_key())


def test_signature_is_the_same_every_time() -> None:
    assert crypto.sign(ALERT, DEVICE_DS) == crypto.sign(ALERT, DEVICE_DS)
    again = Message.parse(crypto.sign(ALERT, DEVICE_DS).encode())
    assert crypto.verify_signature(again, DEVICE_DS.public_key())


@pytest.mark.parametrize("ending", [b"", b"\x00"])
def test_sign_pre_command(ending: bytes) -> None:
    signed = crypto.sign_pre_command(PRE_COMMAND + ending, DEVICE_DS)
    assert signed[: len(PRE_COMMAND)] == PRE_COMMAND
    assert signed[len(PRE_COMMAND)] == 0x40
    assert len(signed) == len(PRE_COMMAND) + 1 + 64
    message = Message.parse(signed)
    assert message.framing is Framing.SIGNED
    assert crypto.verify_signature(message, DEVICE_DS.public_key())


def test_what_is_no_pre_command_is_not_signed() -> None:
    with pytest.raises(GbcsError, match="expected an unsigned pre-command"):
        crypto.sign_pre_command(crypto.sign_pre_command(PRE_COMMAND, DEVICE_DS), DEVICE_DS)
    with pytest.raises(GbcsError, match="message is maced"):
        crypto.sign_pre_command(CREDIT_ALERT, DEVICE_DS)


def test_key_follows_the_one_step_kdf() -> None:
    key = crypto.derive_key(DEVICE_KA, USER_KA.public_key(), GSME, 3, 3000, SUPPLIER)
    info = bytes.fromhex("60857406080300") + GSME.raw + bytes.fromhex("0903") + (3000).to_bytes(8, "big") + SUPPLIER.raw
    secret = USER_KA.exchange(ec.ECDH(), DEVICE_KA.public_key())
    assert key == ConcatKDFHash(hashes.SHA256(), 16, info).derive(secret)


@given(st.integers(0, 2**64 - 1), st.sampled_from([1, 2, 3, crypto.ENCRYPTION_CRA]))
def test_both_ends_derive_one_key(counter: int, cra_byte: int) -> None:
    device = crypto.derive_key(DEVICE_KA, USER_KA.public_key(), ESME, cra_byte, counter, SUPPLIER)
    user = crypto.derive_key(USER_KA, DEVICE_KA.public_key(), ESME, cra_byte, counter, SUPPLIER)
    assert device == user
    assert device != crypto.derive_key(DEVICE_KA, USER_KA.public_key(), ESME, cra_byte, counter ^ 1, SUPPLIER)
    assert device != crypto.derive_key(DEVICE_KA, USER_KA.public_key(), SUPPLIER, cra_byte, counter, ESME)


def test_tag_covers_what_the_specification_says() -> None:
    """AAD is security control, five empty header fields and the signed part; the IV is originator and zero counter."""
    key = bytes(range(16))
    signed_part = CREDIT_ALERT[13:-12]
    gcm = Cipher(algorithms.AES(key), modes.GCM(GSME.raw + bytes(4))).encryptor()
    gcm.authenticate_additional_data(bytes.fromhex("110000000000") + signed_part)
    gcm.finalize()
    assert crypto.seal(MACED, key).mac == gcm.tag[:12]


def test_seal_and_verify() -> None:
    sealed = crypto.seal(replace(MACED, mac=None), crypto.message_key(MACED, DEVICE_KA, USER_KA.public_key()))
    assert Message.parse(sealed.encode()) == sealed
    key = crypto.message_key(sealed, USER_KA, DEVICE_KA.public_key())
    assert crypto.verify_mac(sealed, key)
    assert not crypto.verify_mac(sealed, bytes(16))
    assert not crypto.verify_mac(MACED, key)
    assert not crypto.verify_mac(replace(sealed, mac=None), key)
    assert not crypto.verify_mac(replace(sealed, content=b"\x01"), key)
    assert not crypto.verify_mac(replace(sealed, message_code=0x1000), key)


def test_signed_command_on_its_way_to_the_device() -> None:
    """The User signs, the Access Control Broker seals, the device checks both."""
    user_ds, acb_ka = private_key(201), private_key(202)
    from_user = Message.parse(crypto.sign_pre_command(PRE_COMMAND, user_ds))
    to_device = crypto.seal(from_user, crypto.message_key(from_user, acb_ka, DEVICE_KA.public_key()))
    received = Message.parse(to_device.encode())
    assert received.framing is Framing.MACED
    assert crypto.verify_mac(received, crypto.message_key(received, DEVICE_KA, acb_ka.public_key()))
    assert crypto.verify_signature(received, user_ds.public_key())
    assert received.recipient == ESME
    assert received.originator != ACB
    resigned = crypto.sign(received, OTHER)
    assert resigned.mac is None
