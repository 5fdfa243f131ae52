"""Keys and security, against values published with the Zigbee specification."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import UsageError
from bench.eui import Eui64
from bench.zigbee.mac import check_fcs, fcs
from bench.zigbee.reader import Reader, ZigbeeError
from bench.zigbee.security import (
    WELL_KNOWN_LINK_KEY,
    KeyId,
    Keys,
    SecurityHeader,
    aes_mmo,
    key_load_key,
    key_transport_key,
    link_key_from_install_code,
)

SENDER = Eui64(bytes(range(8)))


def test_hash_agrees_with_the_specification() -> None:
    assert aes_mmo(bytes.fromhex("c0")).hex() == "ae3a102a28d43ee0d4a09e22788b206c"
    assert aes_mmo(bytes(range(0xC0, 0xD0))).hex() == "a7977e88bc0b61e8210827109a228f2d"


def test_key_transport_key_of_the_well_known_link_key() -> None:
    assert key_transport_key(WELL_KNOWN_LINK_KEY).hex() == "4bab0f173e1434a2d572e1c1ef478782"
    assert key_load_key(WELL_KNOWN_LINK_KEY) != key_transport_key(WELL_KNOWN_LINK_KEY)


def test_install_code_makes_the_published_link_key() -> None:
    key = "66b6900981e1ee3ca4206b6b861c02bb"
    assert link_key_from_install_code("83FED3407A939723A5C639B26916D505C3B5").hex() == key
    assert link_key_from_install_code("83FED3407A939723A5C639B26916D505").hex() == key


@pytest.mark.parametrize("text", ["", "83FEzz", "00" * 5, "00" * 17, "83FED3407A939723A5C639B26916D505C3B6"])
def test_wrong_install_code_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        link_key_from_install_code(text)
    assert not text or text not in str(caught.value)


def test_keys_never_show_themselves() -> None:
    keys = Keys().with_network(b"N" * 16).with_link(b"L" * 16)
    assert keys.network == (b"N" * 16,)
    assert "N" * 16 not in repr(keys) and "L" * 16 not in repr(keys)


def test_newest_network_key_is_tried_first() -> None:
    keys = Keys().with_network(b"a" * 16).with_network(b"b" * 16).with_network(b"a" * 16)
    assert keys.network == (b"a" * 16, b"b" * 16)


@given(
    st.sampled_from(KeyId),
    st.integers(0, 2**32 - 1),
    st.booleans(),
    st.integers(0, 255),
    st.integers(0, 3),
    st.binary(max_size=90),
    st.binary(max_size=30),
)
def test_what_is_protected_opens_again(
    key_id: KeyId, counter: int, named: bool, sequence: int, flags: int, payload: bytes, header: bytes
) -> None:
    key = b"k" * 16
    security = SecurityHeader(
        key_id, counter, SENDER if named else None, sequence if key_id is KeyId.NETWORK else None, flags=flags
    )
    sealed = security.protect(key, header, payload, source=SENDER)
    reader = Reader(sealed)
    read = SecurityHeader.read(reader)
    assert read == security
    rest = reader.rest()
    assert read.open([b"x" * 16, key], header, rest, source=SENDER) == payload
    assert read.open([b"x" * 16], header, rest, source=SENDER) is None
    assert read.open([key], header + b"!", rest, source=SENDER) is None
    assert named or read.open([key], header, rest) is None


def test_nobody_cannot_send_a_secured_frame() -> None:
    with pytest.raises(ZigbeeError):
        SecurityHeader(KeyId.LINK, 1).protect(b"k" * 16, b"", b"payload")


def test_fcs_is_the_crc_of_itu_t() -> None:
    assert fcs(b"123456789") == bytes.fromhex("8921")


@given(st.binary(min_size=3, max_size=125), st.data())
def test_fcs_finds_any_changed_byte(body: bytes, data: st.DataObject) -> None:
    psdu = body + fcs(body)
    assert check_fcs(psdu) == (body, True)
    at = data.draw(st.integers(0, len(psdu) - 1))
    changed = bytearray(psdu)
    changed[at] ^= data.draw(st.integers(1, 255))
    assert check_fcs(bytes(changed))[1] is False
