"""Secrets never reach evidence, in any form that a wire gives them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import quote
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import canonical
from bench.errors import UsageError
from bench.eui import Eui64
from bench.evidence.redact import HIDDEN, Redactor, SecretFound
from bench.parties import Certificates, DeviceType, Dut, Parties
from bench.zigbee.security import link_key_from_install_code
from tests.evidence.bundles import INSTALL_CODE, PASSWORD

DUTS = {
    "esme": Dut("esme", DeviceType.ESME, Eui64.parse("00-00-00-00-00-00-00-01"), install_code=INSTALL_CODE),
    "gsme": Dut("gsme", DeviceType.GSME, Eui64.parse("00-00-00-00-00-00-00-02")),
}
PARTIES = Parties({}, DUTS, Eui64.parse("00-00-00-00-00-00-00-03"), Certificates())
REDACTOR = Redactor.of(PARTIES, {"password of the broker": PASSWORD})
BINARY = bytes.fromhex(INSTALL_CODE)


def grouped(text: str, size: int, separator: str) -> str:
    return separator.join(text[at : at + size] for at in range(0, len(text), size))


@pytest.mark.parametrize(
    "form",
    [
        INSTALL_CODE,
        INSTALL_CODE.lower(),
        INSTALL_CODE[:32],
        link_key_from_install_code(INSTALL_CODE).hex(),
        grouped(INSTALL_CODE, 2, ":"),
        grouped(INSTALL_CODE.lower(), 2, " "),
        grouped(INSTALL_CODE, 4, "-"),
        INSTALL_CODE.encode().hex(),
        INSTALL_CODE.lower().encode().hex().upper(),
        base64.b64encode(BINARY).decode(),
        base64.b64encode(b"x" + BINARY[:16] + b"yz").decode(),
        base64.b64encode(b"xy" + INSTALL_CODE.encode()).decode(),
        PASSWORD,
        escape(PASSWORD),
        quote(PASSWORD),
        PASSWORD.encode().hex(),
        base64.b64encode(b"user:" + PASSWORD.encode()).decode(),
    ],
)
@pytest.mark.parametrize("around", ["{}", "before {} after", "<InstallCode>{}</InstallCode>", '{{"code": "{}"}}'])
def test_a_secret_is_found_in_every_form(form: str, around: str) -> None:
    text = REDACTOR.encode({"direction": "tx", "text": around.format(form), "more": [{"k": around.format(form)}]})
    assert canonical.decode(text.encode())["direction"] == "tx"
    assert text.count(HIDDEN) == 2
    assert form not in text
    with pytest.raises(
        SecretFound,
        match=r"rig.yaml: the file holds the (install code of esme|link key of esme|password of the broker)",
    ):
        REDACTOR.refuse(around.format(form).encode(), "rig.yaml")


@pytest.mark.parametrize("secret", ['quo"te\\back', "tab\tbed x", "grüße aus köln", "<&>'\"; drop"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda secret: secret,
        json.dumps,
        lambda secret: json.dumps(secret, ensure_ascii=False),
        escape,
        lambda secret: escape(secret, {'"': "&quot;", "'": "&apos;"}),
        lambda secret: quote(secret, safe=""),
        lambda secret: secret.encode().hex(),
    ],
)
def test_odd_characters_and_their_escapes_are_found(secret: str, wrap: Callable[[str], str]) -> None:
    text = Redactor({"odd": secret}).encode({"text": f"login {wrap(secret)};"})
    assert HIDDEN in text and wrap(secret) not in canonical.decode(text.encode())["text"]


@given(
    secret=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=12, max_size=30),
    before=st.binary(max_size=5),
    after=st.binary(max_size=5),
)
def test_any_secret_is_found_within_any_bytes(secret: str, before: bytes, after: bytes) -> None:
    redactor = Redactor({"s": secret})
    payload = before + secret.encode() + after
    for text in (payload.hex(), base64.b64encode(payload).decode(), base64.urlsafe_b64encode(payload).decode()):
        assert HIDDEN in redactor.encode([text])


def test_what_holds_no_secret_is_untouched() -> None:
    value = {"hex": "df09" * 40, "volts": 230.5, "n": 83, "text": "correct horse", "none": None, "list": [True, 1]}
    assert REDACTOR.encode(value) == canonical.to_text(value) == Redactor().encode(value)
    REDACTOR.refuse(canonical.encode(value), "rig.yaml")


def test_numbers_are_never_touched_and_short_secrets_only_where_they_stand_alone() -> None:
    redactor = Redactor({"PIN": "1234"})
    value = {"n": 1234, "mono_ns": 91234, "digest": "ab1234cd", "text": "PIN=1234;", "key 1234": 1}
    assert canonical.decode(redactor.encode(value).encode()) == {
        "n": 1234,
        "mono_ns": 91234,
        "digest": "ab1234cd",
        "text": f"PIN={HIDDEN};",
        f"key {HIDDEN}": 1,
    }


def test_a_secret_within_another_does_not_leave_the_rest_of_it() -> None:
    redactor = Redactor({"short": "correct horse", "long": "correct horse battery staple"})
    assert redactor.text("is correct horse battery staple.") == f"is {HIDDEN}."


def test_an_install_code_with_a_slip_in_it_is_refused_without_repeating_it() -> None:
    with pytest.raises(UsageError, match="CRC") as caught:
        Redactor().add_install_code("esme", INSTALL_CODE[:-1] + "0")
    assert INSTALL_CODE[:12] not in str(caught.value)


def test_an_install_code_without_its_crc_is_hidden_too() -> None:
    redactor = Redactor()
    redactor.add_install_code("esme", grouped(INSTALL_CODE[:32], 4, "-"))
    assert redactor.text(f"code {INSTALL_CODE[:32]}") == f"code {HIDDEN}"
    assert redactor.text(link_key_from_install_code(INSTALL_CODE).hex().upper()) == HIDDEN


def test_a_secret_too_short_to_hide_is_refused() -> None:
    with pytest.raises(UsageError, match="PIN of the meter has fewer than 4 characters.*Choose a longer"):
        Redactor({"PIN of the meter": "123"})


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("source (TCPIP0::127.0.0.1::38229::SOCKET): silent", "source (TCPIP0::127.0.0.1::(emulated)::SOCKET): silent"),
        ("relay (tcp://127.0.0.1:41001 device 1)", "relay (tcp://127.0.0.1:(emulated) device 1)"),
        ("Connect call failed ('127.0.0.1', 41001)", "Connect call failed ('127.0.0.1', (emulated))"),
        ("rtu:///tmp/hilbench-wires-z4ed_9/meter: no such file", "rtu://(emulated)/meter: no such file"),
        ("in '/var/tmp/x/hilbench-wires-a/hub/tty'", "in '(emulated)/hub/tty'"),
        ("192.0.2.11:2101, and 127.0.0.1 without one", "192.0.2.11:2101, and 127.0.0.1 without one"),
    ],
)
def test_what_an_emulated_world_makes_up_is_only_kept_of_real_rigs(said: str, kept: str) -> None:
    value = {"text": said, "at": [said], "n": 127}
    emulated = Redactor.of(PARTIES, emulated=True)
    assert json.loads(emulated.encode(value)) == {"text": kept, "at": [kept], "n": 127}
    assert emulated.text(said) == kept
    assert json.loads(REDACTOR.encode(value)) == value
