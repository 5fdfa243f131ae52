"""Frames: known answers, round trips, and what happens to bytes that are damaged."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.eui import Eui64
from bench.gbcs.errors import GbcsError
from bench.gbcs.message import MAX_MESSAGE_LENGTH, Cra, Framing, Message
from tests.gbcs.samples import CREDIT_ALERT, ESME, GSME, NETWORK_OPERATOR, OUTAGE_ALERT, PRE_COMMAND, SUPPLIER

SIGNED_ALERT = OUTAGE_ALERT + b"\x40" + bytes(range(64))

counters = st.integers(0, 2**64 - 1)
parties = st.binary(min_size=8, max_size=8).map(Eui64)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    framing = draw(st.sampled_from(Framing))
    cra = Cra.COMMAND if framing is Framing.PRE_COMMAND else draw(st.sampled_from(Cra))
    signature = draw(st.binary(min_size=64, max_size=64))
    signed = framing is Framing.SIGNED or (framing is Framing.MACED and draw(st.booleans()))
    depth = draw(st.integers(0, 4))
    return Message(
        framing=framing,
        cra=cra,
        originator_counter=draw(counters),
        originator=draw(parties),
        recipient=draw(parties),
        message_code=draw(st.integers(0, 0xFFFF)),
        content=draw(st.binary(max_size=300)),
        date_time=draw(st.none() | st.binary(min_size=12, max_size=12)),
        supplementary_remote_party=draw(parties) if depth > 0 else None,
        supplementary_remote_party_counter=draw(counters) if depth > 1 else None,
        supplementary_originator_counter=draw(counters) if depth == 3 else None,
        supplementary_certificate=draw(st.binary(min_size=9, max_size=300)) if depth == 4 else None,
        signature=signature if signed else None,
        null_signature=framing is Framing.PRE_COMMAND and draw(st.booleans()),
        mac=draw(st.binary(min_size=12, max_size=12)) if framing is Framing.MACED else None,
    )


def test_signed_alert() -> None:
    message = Message.parse(SIGNED_ALERT)
    assert message.framing is Framing.SIGNED
    assert message.cra is Cra.ALERT
    assert message.originator_counter == 2003
    assert (message.originator, message.recipient) == (ESME, NETWORK_OPERATOR)
    assert message.message_code == 0x0067
    assert message.date_time is None
    assert message.content == OUTAGE_ALERT[-0x35:]
    assert message.signature == bytes(range(64))
    assert message.mac is None
    assert message.tbs == OUTAGE_ALERT[1:]
    assert message.encode() == SIGNED_ALERT


def test_maced_alert() -> None:
    message = Message.parse(CREDIT_ALERT)
    assert message.framing is Framing.MACED
    assert (message.originator, message.recipient) == (GSME, SUPPLIER)
    assert message.originator_counter == 3000
    assert message.message_code == 0x1001
    assert message.signature is None
    assert message.mac is not None
    assert message.mac.hex() == "e98aeaf368b0bd02d9aa5592"
    assert message.encode() == CREDIT_ALERT


@pytest.mark.parametrize("ending", [b"", b"\x00"])
def test_pre_command_keeps_its_ending(ending: bytes) -> None:
    message = Message.parse(PRE_COMMAND + ending)
    assert message.framing is Framing.PRE_COMMAND
    assert message.null_signature is bool(ending)
    assert message.tbs == PRE_COMMAND[1:]
    assert message.encode() == PRE_COMMAND + ending


@given(messages())
def test_round_trip(message: Message) -> None:
    assert Message.parse(message.encode()) == message


@given(messages(), st.data())
@settings(max_examples=200)
def test_truncated_is_refused(message: Message, data: st.DataObject) -> None:
    whole = message.encode()
    part = whole[: data.draw(st.integers(0, len(whole) - 1))]
    if message.cra is Cra.COMMAND and message.framing is not Framing.MACED:
        # what is left of a signed command may be the same command before its signing
        try:
            assert Message.parse(part).framing is Framing.PRE_COMMAND
        except GbcsError:
            return
    else:
        with pytest.raises(GbcsError):
            Message.parse(part)


@given(st.sampled_from([SIGNED_ALERT, CREDIT_ALERT, PRE_COMMAND]), st.data())
@settings(max_examples=400)
def test_mutated_is_refused_or_read_exactly(whole: bytes, data: st.DataObject) -> None:
    mutated = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        mutated[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        message = Message.parse(bytes(mutated))
    except GbcsError:
        return
    assert message.encode() == bytes(mutated)


@given(st.binary(max_size=200), st.sampled_from([b"", b"\xdf\x09", b"\xdd" + bytes(6)]))
def test_noise_is_refused_or_read_exactly(noise: bytes, head: bytes) -> None:
    try:
        message = Message.parse(head + noise)
    except GbcsError:
        return
    assert message.encode() == head + noise


@pytest.mark.parametrize("index", range(0, len(SIGNED_ALERT), 7))
def test_inserted_byte_is_refused(index: int) -> None:
    with pytest.raises(GbcsError):
        Message.parse(SIGNED_ALERT[:index] + b"\x55" + SIGNED_ALERT[index:])


@pytest.mark.parametrize("index", range(0, len(CREDIT_ALERT), 5))
def test_deleted_byte_is_refused(index: int) -> None:
    with pytest.raises(GbcsError):
        Message.parse(CREDIT_ALERT[:index] + CREDIT_ALERT[index + 1 :])


def test_segment_is_named() -> None:
    with pytest.raises(GbcsError, match="segment of a longer message"):
        Message.parse(b"\xdd\x01" + CREDIT_ALERT[2:])


def test_fault_says_where_and_what_was_expected() -> None:
    damaged = bytearray(OUTAGE_ALERT + b"\x40" + bytes(64))
    damaged[2] = 9
    with pytest.raises(GbcsError) as caught:
        Message.parse(bytes(damaged))
    assert caught.value.offset == 2
    assert caught.value.expected == "01, 02 or 03"
    assert str(caught.value) == "byte 2: the CRA flag is 09; expected 01, 02 or 03"


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "starts with nothing"),
        (b"\x00" * 20, "starts with 00"),
        (SIGNED_ALERT + b"\x00", "1 bytes follow the end"),
        (CREDIT_ALERT + b"\x00", "the ciphered service has"),
        (OUTAGE_ALERT, "signature length is cut short"),
        (OUTAGE_ALERT + b"\x00", "the signature has 0 bytes"),
        (OUTAGE_ALERT + b"\x3f" + bytes(63), "the signature has 63 bytes"),
        (b"\xdf" + bytes(MAX_MESSAGE_LENGTH), "too many"),
        (OUTAGE_ALERT[:30] + b"\x03" + OUTAGE_ALERT[31:], "the other information has"),
    ],
)
def test_refusals(data: bytes, complaint: str) -> None:
    with pytest.raises(GbcsError, match=complaint):
        Message.parse(data)


def test_length_in_a_longer_form_is_refused() -> None:
    header = 1 + 6
    longer = CREDIT_ALERT[:header] + b"\x81" + CREDIT_ALERT[header:]
    with pytest.raises(GbcsError, match="shortest form"):
        Message.parse(longer)


def test_unfinished_message_is_not_encoded() -> None:
    common = {"cra": Cra.ALERT, "originator_counter": 1, "originator": ESME, "recipient": SUPPLIER, "message_code": 1}
    with pytest.raises(GbcsError, match="not been signed"):
        Message(framing=Framing.SIGNED, content=b"", **common).encode()  # type: ignore[arg-type]
    with pytest.raises(GbcsError, match="no MAC"):
        Message(framing=Framing.MACED, content=b"", **common).encode()  # type: ignore[arg-type]
    with pytest.raises(GbcsError, match="too many"):
        Message(framing=Framing.MACED, content=bytes(70_000), mac=bytes(12), **common).encode()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fields",
    [
        {"originator_counter": -1},
        {"originator_counter": 1 << 64},
        {"message_code": 0x10000},
        {"signature": bytes(63)},
        {"mac": bytes(16)},
        {"date_time": bytes(4)},
        {"supplementary_remote_party_counter": 1},
        {"supplementary_remote_party": SUPPLIER, "supplementary_originator_counter": 1},
    ],
)
def test_impossible_messages_are_programming_mistakes(fields: dict[str, object]) -> None:
    whole: dict[str, object] = {
        "framing": Framing.SIGNED,
        "cra": Cra.ALERT,
        "originator_counter": 1,
        "originator": ESME,
        "recipient": SUPPLIER,
        "message_code": 1,
        "content": b"",
    }
    with pytest.raises(ValueError, match="counter|code|bytes"):
        Message(**{**whole, **fields})  # type: ignore[arg-type]
