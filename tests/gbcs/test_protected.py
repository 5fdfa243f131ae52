"""Personal data in responses: only the device and its User can read them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from bench.eui import Eui64
from bench.gbcs import dlms, gbz, protected
from bench.gbcs.dlms import Data, Tag, Target
from bench.gbcs.dlms_use_case import DlmsUseCase, number
from bench.gbcs.errors import GbcsError
from bench.gbcs.gbz import Component
from bench.gbcs.message import Cra, Framing, Message
from bench.gbcs.protected_items import ProtectedAttribute, protected_item

USER = Eui64.parse("90-B3-D5-1F-30-01-00-00")
DCC = Eui64.parse("90-B3-D5-1F-30-00-00-02")
ESME = Eui64.parse("00-DB-12-34-56-78-90-A0")
KEYS = {name: ec.derive_private_key(number, ec.SECP256R1()) for number, name in enumerate(("esme", "user", "dcc"), 5)}
DATES = ("first", "last")


def use_case(label: str, code: int, through: str, *attributes: ProtectedAttribute) -> DlmsUseCase:
    item = protected_item(label, through, attributes, number("energy_wh"))
    return DlmsUseCase(
        message_code=code,
        name=label,
        service_references=("4.1.1",),
        device_type="ESME",
        critical=False,
        response_signed=False,
        protected=True,
        items=(item,),
    )


REGISTERS = use_case("ECS17b", 0x0027, "0-0:43.2.8.255", ProtectedAttribute(Target(1, "0-0:94.44.34.10", 2)))
BILLING = use_case(
    "ECS20c",
    0x0030,
    "0-0:43.2.2.255",
    ProtectedAttribute(Target(7, "0-0:98.1.0.255", 2), DATES),
    ProtectedAttribute(Target(7, "0-0:98.1.1.255", 2), DATES),
)
A_WINTER = {"first": datetime(2014, 11, 2, 9, tzinfo=UTC), "last": datetime(2015, 3, 1, 9, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("file", "case", "params"),
    [("ECS17b_4.1.1_SINGLE_SUCCESS_COMMAND", REGISTERS, {}), ("ECS20c_4.4.3_ERROR_COMMAND", BILLING, A_WINTER)],
)
def test_a_command_names_its_parties_as_reference_messages_do(
    rtds: Path, file: str, case: DlmsUseCase, params: dict[str, datetime]
) -> None:
    raw = bytes.fromhex((rtds / "gbcs/messages" / f"{file}_GBCS.HEX").read_text())
    reference = Message.parse(raw)
    made = case.build_command(params, originator=USER, recipient=ESME, originator_counter=reference.originator_counter)
    assert made.content == reference.content
    assert case.decode_command(reference.content) == params


def test_a_response_has_the_length_and_the_parameters_of_a_reference_response(rtds: Path) -> None:
    raw = bytes.fromhex((rtds / "gbcs/messages/ECS17b_4.1.1_SINGLE_SUCCESS_RESPONSE_GBCS.HEX").read_text())
    reference = Message.parse(raw)
    assert protected.is_concealed(reference.content)
    assert protected.address(reference) == reference
    with pytest.raises(GbcsError, match="another key"):
        protected.reveal(reference, bytes(16))
    assert REGISTERS.outcome(reference.content).ok


def asked(**others: object) -> Message:
    made = REGISTERS.build_command({}, originator=USER, recipient=ESME, originator_counter=1000)
    return replace(made, **others)  # type: ignore[arg-type]


def test_only_the_user_reads_what_the_device_encrypted() -> None:
    plain = REGISTERS.build_response(asked(), {"energy_wh": 4711})
    sent = protected.conceal(plain, protected.content_key(plain, KEYS["esme"], KEYS["user"].public_key()))
    assert (4711).to_bytes(4, "big") in plain.content
    assert (4711).to_bytes(4, "big") not in sent.content
    with pytest.raises(GbcsError, match="encrypted for its User"):
        REGISTERS.decode_response(sent.content)
    seen = protected.reveal(sent, protected.content_key(sent, KEYS["user"], KEYS["esme"].public_key()))
    assert REGISTERS.decode_response(seen.content).values == {"energy_wh": 4711}
    with pytest.raises(GbcsError, match="another key"):
        protected.reveal(sent, protected.content_key(sent, KEYS["dcc"], KEYS["esme"].public_key()))


def test_a_users_counter_and_name_make_the_key_when_the_broker_asks() -> None:
    command = REGISTERS.build_command(
        {}, originator=DCC, recipient=ESME, originator_counter=77, user=USER, user_counter=5, user_certificate=b"x" * 9
    )
    _, (access,) = dlms.decode_request(command.content)
    assert isinstance(access.data.value, tuple)
    assert access.data.value[1] == protected.parameters(USER, 5, ESME)
    response = REGISTERS.build_response(command, {"energy_wh": 1})
    assert response.supplementary_originator_counter == 5
    key = protected.content_key(response, KEYS["esme"], KEYS["user"].public_key())
    of_broker = replace(
        response,
        supplementary_remote_party=None,
        supplementary_remote_party_counter=None,
        supplementary_originator_counter=None,
    )
    assert key != protected.content_key(of_broker, KEYS["esme"], KEYS["user"].public_key())


def test_a_refusal_hides_nothing() -> None:
    refusal = REGISTERS.build_response(asked(), {}, ok=False)
    assert protected.conceal(refusal, bytes(16)) == refusal
    assert not REGISTERS.outcome(refusal.content).ok


def zigbee(*components: Component) -> Message:
    content = gbz.encode_components(*components)
    return Message(Framing.MACED, Cra.RESPONSE, 1, ESME, USER, 0x0074, content)


ATTRIBUTES = Component(0x0702, 0x18, gbz.READ_ATTRIBUTES_RESPONSE, bytes(29))
DEFAULT = Component(0x0702, 0x08, gbz.DEFAULT_RESPONSE, b"\x00\xc0", sequence=1)


def test_a_zigbee_response_is_laid_out_as_a_reference_response(rtds: Path) -> None:
    raw = bytes.fromhex((rtds / "gbcs/messages/GCS13a_4.1.1_SUCCESS_RELIABLE_GSME_RESPONSE_GBCS.HEX").read_text())
    reference = Message.parse(raw).content
    made = protected.conceal(zigbee(ATTRIBUTES), bytes(16)).content
    (found,), (wanted,) = gbz.read_components(made), gbz.read_components(reference)
    assert replace(found, payload=b"") == replace(wanted, payload=b"")
    assert (len(made), made[:29]) == (len(reference), reference[:20] + made[20:29])


def test_a_default_response_stays_readable() -> None:
    sent = protected.conceal(zigbee(ATTRIBUTES, DEFAULT), bytes(16))
    first, second = gbz.read_components(sent.content)
    assert first.encrypted
    assert second == DEFAULT
    with pytest.raises(GbcsError, match="encrypted"):
        gbz.decode_components(sent.content)
    assert protected.reveal(sent, bytes(16)) == zigbee(ATTRIBUTES, DEFAULT)


@given(st.binary(max_size=300), st.binary(min_size=16, max_size=16), st.integers(0, 2000))
def test_encryption_round_trips_and_a_flipped_bit_is_noticed(plain: bytes, key: bytes, bit: int) -> None:
    ciphered = protected.encrypt(plain, key, ESME)
    assert len(ciphered) == len(plain) + 17
    assert protected.decrypt(ciphered, key, ESME) == plain
    bit %= 8 * len(ciphered)
    broken = bytearray(ciphered)
    broken[bit // 8] ^= 1 << bit % 8
    with pytest.raises(GbcsError):
        protected.decrypt(bytes(broken), key, ESME)


@pytest.mark.parametrize("data", [dlms.NULL, Data(Tag.ARRAY, ()), Data(Tag.ARRAY, (dlms.NULL,)), dlms.uint32(3)])
def test_other_data_are_no_protection_parameters(data: Data) -> None:
    assert not protected.are_parameters(data)


def test_a_command_for_other_objects_is_refused() -> None:
    content = asked().content.replace(bytes.fromhex("00005e2c220a"), bytes.fromhex("00005e2c220b"))
    with pytest.raises(GbcsError, match="another object"):
        REGISTERS.decode_command(content)
    with pytest.raises(GbcsError, match="2"):
        BILLING.decode_command(asked().content.replace(bytes.fromhex("00002b0208ff"), bytes.fromhex("00002b0202ff")))


def test_a_response_needs_its_values() -> None:
    with pytest.raises(GbcsError, match="energy_wh"):
        REGISTERS.build_response(asked(), {})
