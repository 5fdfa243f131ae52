"""Published reference messages: parsed, re-encoded and verified; they are no part of the project."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from bench.gbcs import crypto, dlms, protected
from bench.gbcs.alerts import build_alert, decode_alert, encode_alert
from bench.gbcs.catalogue import Encoding
from bench.gbcs.explain import explain
from bench.gbcs.message import Cra, Framing, Message
from bench.gbcs.use_cases import use_case_for


@cache
def vectors(rtds: Path) -> list[tuple[dict[str, Any], bytes]]:
    rows = json.loads((rtds / "index.json").read_text())
    return [(row, bytes.fromhex("".join((rtds / "gbcs" / row["file"]).read_text().split()))) for row in rows]


@cache
def signature_key(rtds: Path, eui: str) -> ec.EllipticCurvePublicKey:
    key = x509.load_pem_x509_certificate((rtds / "certs" / f"{eui}-ds.pem").read_bytes()).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key


def test_every_frame(rtds: Path) -> None:
    rows = vectors(rtds)
    assert len(rows) >= 423
    for row, data in rows:
        message = Message.parse(data)
        assert message.encode() == data, row["file"]
        maced = message.framing is Framing.MACED
        assert {
            "framing": "MACed" if maced else "signed",
            "cra": message.cra.name.capitalize(),
            "originator_counter": message.originator_counter,
            "originator": message.originator.hex,
            "target": message.recipient.hex,
            "date_time": message.date_time.hex() if message.date_time else None,
            "message_code": f"{message.message_code:04x}",
            "content": message.content.hex(),
            "signature": message.signature.hex() if message.signature else None,
            "mac": message.mac.hex() if message.mac else None,
            "party": message.supplementary_remote_party.hex if message.supplementary_remote_party else None,
            "party_counter": message.supplementary_remote_party_counter,
        } == {
            **{k: row[k] for k in ("framing", "cra", "originator_counter", "originator", "target", "date_time")},
            **{k: row[k] for k in ("message_code", "content", "signature", "mac")},
            "party": row.get("supplementary_remote_party_id"),
            "party_counter": row.get("supplementary_remote_party_counter"),
        }, row["file"]
        assert ("PRECOMMAND" in row["file"]) is (message.framing is Framing.PRE_COMMAND)


def test_every_signature(rtds: Path) -> None:
    count = 0
    for row, data in vectors(rtds):
        if row.get("signature_valid"):
            message = Message.parse(data)
            assert crypto.verify_signature(message, signature_key(rtds, row["originator"])), row["file"]
            count += 1
    assert count >= 141


def test_every_mac(rtds: Path) -> None:
    count = 0
    for row, data in vectors(rtds):
        if row.get("mac_valid"):
            message, key = Message.parse(data), bytes.fromhex(row["mac_key"])
            assert crypto.verify_mac(message, key), row["file"]
            assert crypto.seal(message, key).encode() == data
            count += 1
    assert count >= 291


def test_every_alert(rtds: Path) -> None:
    count = 0
    for row, data in vectors(rtds):
        message = Message.parse(data)
        alert = decode_alert(message)
        if alert is None:
            assert row["cra"] != "Alert"
            continue
        count += 1
        assert alert.encoding.value == row["alert"]["encoding"].replace(".", "")
        assert f"{alert.code:04X}" == row["alert"]["code"]
        assert encode_alert(alert, message.originator_counter) == message.content, row["file"]
        if alert.encoding is not Encoding.ASN1:
            assert not isinstance(alert.specific, bytes)
            rebuilt = build_alert(
                alert,
                originator=message.originator,
                recipient=message.recipient,
                originator_counter=message.originator_counter,
            )
            assert rebuilt.tbs == message.tbs
            assert rebuilt.framing is message.framing
    assert count >= 49


def test_every_access_request_and_response(rtds: Path) -> None:
    count = 0
    for row, data in vectors(rtds):
        message = Message.parse(data)
        if message.content[:1] == b"\xd9":
            _, items = dlms.decode_request(message.content)
            assert dlms.encode_request(message.originator_counter, items) == message.content, row["file"]
            count += 1
        elif message.content[:1] == b"\xda":
            _, results = dlms.decode_response(message.content)
            assert dlms.encode_response(message.originator_counter, results) == message.content, row["file"]
            count += 1
    assert count >= 241


def test_dcc_boxed_pre_commands_can_be_signed(rtds: Path) -> None:
    key = ec.derive_private_key(11, ec.SECP256R1())
    for row, data in vectors(rtds):
        if "PRECOMMAND" in row["file"]:
            assert crypto.verify_signature(Message.parse(crypto.sign_pre_command(data, key)), key.public_key())
            assert crypto.sign_pre_command(data, key) == crypto.sign_pre_command(data + b"\x00", key)


def test_every_known_use_case(rtds: Path) -> None:
    """What is decoded is encoded again to the same bytes, and a response is judged as its file name says."""
    seen = set()
    for row, data in vectors(rtds):
        message = Message.parse(data)
        use_case = use_case_for(message.message_code)
        if use_case is None or message.cra is Cra.ALERT:
            continue
        seen.add(use_case.message_code)
        counter = message.originator_counter
        if message.cra is Cra.COMMAND:
            params = use_case.decode_command(message.content)
            again = use_case.encode_command(params, originator_counter=counter)
            if use_case.protected:
                again = protected.address(replace(message, content=again)).content
            assert again == message.content, row["file"]
            continue
        if use_case.protected and protected.is_concealed(message.content):
            assert use_case.outcome(message.content).ok, row["file"]
            continue
        response = use_case.decode_response(message.content)
        again = use_case.encode_response(response.values, originator_counter=counter, ok=response.ok)
        assert again == message.content, row["file"]
        if "NOT_FOUND" not in row["file"]:  # an empty log is no refusal
            assert response.ok is ("ERROR" not in row["file"]), row["file"]
        assert use_case.response_signed is (message.framing is Framing.SIGNED), row["file"]
        assert use_case.response_dated is (message.date_time is not None), row["file"]
    assert len(seen) >= 79


def test_every_message_is_explained(rtds: Path) -> None:
    for row, data in vectors(rtds):
        tree = explain(data)
        assert "fault" not in tree, row["file"]
        assert json.dumps(tree)
