"""A message as a printable tree."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.gbcs import crypto
from bench.gbcs.errors import GbcsError
from bench.gbcs.explain import explain
from bench.gbcs.message import Message
from bench.gbcs.use_cases import use_case_for
from tests.gbcs.samples import ACB, CHF, CREDIT_ALERT, ESME, OUTAGE_ALERT, PRE_COMMAND, SUPPLIER, private_key


def test_alert() -> None:
    tree = explain(OUTAGE_ALERT + b"\x40" + bytes(64))
    assert tree == {
        "kind": "alert",
        "use_case": "ECS80 supply outage restore alert",
        "message_code": "0x0067",
        "originator": "00-DB-12-34-56-78-90-A0",
        "recipient": "90-B3-D5-1F-30-02-00-00",
        "originator_counter": 2003,
        "framing": "signed",
        "alert": {
            "code": "0x8F36",
            "meaning": "Supply outage restored after 3 minutes or more",
            "timestamp": "2015-01-01T00:00:00Z",
            "encoding": "DLMS",
            "specific": {"interrupted": "2014-12-31T23:50:00Z", "restored": "2014-12-31T23:59:00Z"},
        },
        "signature": "00" * 64,
    }


def test_command_and_response() -> None:
    tree = explain(PRE_COMMAND)
    assert (tree["kind"], tree["use_case"], tree["params"]) == ("command", "ECS42", {})
    enable = use_case_for(0x004F)
    assert enable is not None
    response = enable.build_response(Message.parse(PRE_COMMAND), {}, ok=False)
    tree = explain(crypto.sign(response, private_key(5)).encode())
    assert tree["ok"] is False
    assert tree["detail"] == "enable_supply: hardware fault (1)"


def add_device(content: bytes | None = None) -> bytes:
    add = use_case_for(0x0001)
    assert add is not None
    params = {"device": ESME, "install_code": b"\xc0\xde" * 8, "device_type": "ESME", "join_time_period_s": 300}
    command = add.build_command(
        params, originator=ACB, recipient=CHF, originator_counter=9, user=SUPPLIER, user_counter=4711
    )
    return crypto.seal(replace(command, content=content or command.content), bytes(16)).encode()


def test_install_code_is_not_shown() -> None:
    tree = explain(add_device())
    assert tree["params"]["install_code"] == "(hidden)"
    assert tree["supplementary_remote_party_counter"] == 4711
    assert "c0dec0de" not in json.dumps(tree)
    broken = explain(add_device(content=b"\xd9\xc0\xde\xc0\xde"))
    assert "fault" in broken
    assert "c0dec0de" not in json.dumps(broken)


def test_broken_and_unknown_content() -> None:
    whole = Message.parse(OUTAGE_ALERT + b"\x40" + bytes(64))
    tree = explain(replace(whole, content=b"\x0f\x00").encode())
    assert tree["content_hex"] == "0f00"
    assert "cut short" in tree["fault"]
    assert explain(replace(whole, content=b"\x99").encode())["content_hex"] == "99"
    unknown = replace(Message.parse(PRE_COMMAND), message_code=0x7777)
    assert explain(unknown.encode())["accesses"] == ["action 9/0-0:10.0.106.255/1"]


def test_integrity_issue_is_put_in_words() -> None:
    content = bytes.fromhex("01 09 01 81A0 1C374A80 0006")
    message = replace(Message.parse(CREDIT_ALERT), message_code=0x00F2, content=content)
    assert explain(message.encode())["alert"]["reason"] == "watchdog"


def test_no_message() -> None:
    with pytest.raises(GbcsError):
        explain(b"hello")


@given(st.binary(max_size=60), st.integers(0, 0xFFFF), st.sampled_from([OUTAGE_ALERT + bytes([64] * 65), CREDIT_ALERT]))
def test_every_tree_is_printable(content: bytes, message_code: int, whole: bytes) -> None:
    message = replace(Message.parse(whole), content=content, message_code=message_code)
    assert json.dumps(explain(message.encode()))
