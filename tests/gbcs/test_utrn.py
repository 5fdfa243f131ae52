"""Top-up tokens: published ones are read, ours are believed by their device only, and typing errors are found."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from bench.eui import Eui64
from bench.gbcs import utrn
from bench.gbcs.errors import GbcsError
from bench.gbcs.message import Message
from bench.gbcs.use_cases import use_case_for
from bench.gbcs.utrn import Utrn

SUPPLIER, OTHER = Eui64.parse("90-B3-D5-1F-30-01-00-00"), Eui64.parse("90-B3-D5-1F-30-07-00-00")
DEVICE = Eui64.parse("00-DB-12-34-56-78-90-A0")
OWN, METERS, STRANGERS = (ec.derive_private_key(number, ec.SECP256R1()) for number in (5, 6, 7))
TOKENS = st.builds(
    Utrn, st.integers(0, 1023), st.booleans(), st.integers(0, utrn.MOST), st.binary(min_size=4, max_size=4)
)


def issued(value: int = 1250, number: int = 7, *, pounds: bool = False) -> str:
    return utrn.issue(value, number, OWN, METERS.public_key(), SUPPLIER, DEVICE, pounds=pounds)


def test_a_published_top_up_says_its_amount_and_the_counter_of_its_command(rtds: Path) -> None:
    raw = bytes.fromhex(re.sub(r"\s", "", (rtds / "gbcs/messages/CS01a_2.2_SUCCESS_COMMAND_GBCS.HEX").read_text()))
    message = Message.parse(raw)
    use_case = use_case_for(message.message_code)
    assert use_case is not None
    text = use_case.decode_command(message.content)["utrn"]
    token = Utrn.parse(text)
    assert (token.pounds, token.value, token.amount) == (True, 10, 1_000_000)
    assert token.counter == message.originator_counter >> 32
    assert str(token) == text


@given(TOKENS)
def test_tokens_come_back(token: Utrn) -> None:
    text = str(token)
    assert len(text) == utrn.DIGITS
    assert Utrn.parse(text) == token


@given(TOKENS, st.integers(0, 19), st.integers(1, 9))
def test_a_wrong_digit_is_found(token: Utrn, place: int, by: int) -> None:
    text = str(token)
    wrong = text[:place] + str((int(text[place]) + by) % 10) + text[place + 1 :]
    with pytest.raises(GbcsError, match="check digit"):
        Utrn.parse(wrong)


@given(TOKENS, st.integers(0, 18))
def test_two_digits_in_the_wrong_order_are_found(token: Utrn, place: int) -> None:
    text = str(token)
    wrong = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    if wrong != text:
        with pytest.raises(GbcsError, match="check digit"):
            Utrn.parse(wrong)


def test_both_ends_believe_a_token_and_nobody_else_does() -> None:
    token = Utrn.parse(issued())
    assert token.amount == 1_250_000
    assert token.is_authentic(7, METERS, OWN.public_key(), SUPPLIER, DEVICE)
    assert token.is_authentic(7, OWN, METERS.public_key(), SUPPLIER, DEVICE)
    assert not token.is_authentic(7, STRANGERS, OWN.public_key(), SUPPLIER, DEVICE)
    assert not token.is_authentic(7 + 1024, METERS, OWN.public_key(), SUPPLIER, DEVICE)
    assert not token.is_authentic(8, METERS, OWN.public_key(), SUPPLIER, DEVICE)
    assert not token.is_authentic(7, METERS, OWN.public_key(), OTHER, DEVICE)
    assert not token.is_authentic(7, METERS, OWN.public_key(), SUPPLIER, OTHER)
    richer = Utrn(token.counter, True, token.value, token.mac)
    assert not richer.is_authentic(7, METERS, OWN.public_key(), SUPPLIER, DEVICE)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("123", "20 digits"),
        ("1234567890123456789x", "20 digits"),
        ("٣" * 20, "20 digits"),
        ("0" * 19 + utrn.check_digit("0" * 19), "no top-up token"),
        (str(utrn._BASE + (2 << 45)) + utrn.check_digit(str(utrn._BASE + (2 << 45))), "class of the UTRN's value is 2"),
    ],
)
def test_what_is_no_utrn_is_explained(text: str, complaint: str) -> None:
    with pytest.raises(GbcsError, match=complaint):
        Utrn.parse(text)


@pytest.mark.parametrize(("value", "number"), [(8192, 1), (-1, 1), (1, -1), (1, 1 << 32)])
def test_what_has_no_room_is_refused(value: int, number: int) -> None:
    with pytest.raises(GbcsError):
        issued(value, number)
