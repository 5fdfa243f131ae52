"""`hilbench decode`: every form of input, what is shown, what is hidden, and how it ends."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bench.cli import main
from bench.decode import MAX_BYTES, decode
from bench.eui import Eui64
from bench.gbcs import crypto
from bench.gbcs.message import Cra, Message
from bench.gbcs.use_cases import use_case_for
from tests.gbcs.samples import ACB, CHF, CREDIT_ALERT, ESME, OUTAGE_ALERT, PRE_COMMAND, SUPPLIER, private_key

SIGNED = crypto.sign(Message.parse(OUTAGE_ALERT + b"\x40" + bytes(64)), private_key(7)).encode()
SECRET = b"\xc0\xde" * 8


def call(*arguments: str, given: bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["decode", *arguments], input=given)


def tree(*arguments: str, code: int = 0) -> dict[str, Any]:
    result = call("--json", *arguments)
    assert result.exit_code == code, result.output
    shown: dict[str, Any] = json.loads(result.stdout)
    return shown


def flat(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [node] + [each for child in node.get("children", []) for each in flat(child)]


def one(node: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in flat(node) if each["name"] == name)


def add_device(content: bytes | None = None, message_code: int = 0x0001) -> bytes:
    use_case = use_case_for(0x0001)
    assert use_case is not None
    params = {"device": ESME, "install_code": SECRET, "device_type": "ESME", "join_time_period_s": 300}
    command = use_case.build_command(
        params, originator=ACB, recipient=CHF, originator_counter=9, user=SUPPLIER, user_counter=4711
    )
    changed = replace(command, content=content or command.content, message_code=message_code)
    return crypto.seal(changed, bytes(16)).encode()


def document(
    payload: bytes, *, body: str = "DeviceAlertMessage", code: str = "<sr:AlertCode>8F36</sr:AlertCode>"
) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<sr:Response xmlns:sr="http://www.dccinterface.co.uk/ServiceUserGateway" schemaVersion="5.4">\n<sr:Header>\n'
        "<sr:ResponseID>00-DB-12-34-56-78-90-A0:90-B3-D5-1F-30-02-00-00:2003</sr:ResponseID>\n"
        "<sr:ResponseCode>I0</sr:ResponseCode>\n<sr:ResponseDateTime>2026-01-01T00:00:00.00Z</sr:ResponseDateTime>\n"
        f"</sr:Header>\n<sr:Body>\n<sr:DeviceAlertMessage>\n<sr:AlertCode>8F36</sr:AlertCode>\n"
        f"<sr:GBCSPayload>{b64encode(payload).decode()}</sr:GBCSPayload>\n</sr:DeviceAlertMessage>\n</sr:Body>\n</sr:Response>"
    ).encode()


@pytest.mark.parametrize(
    ("given", "form"),
    [
        (SIGNED, "binary"),
        (SIGNED.hex().encode(), "hexadecimal text"),
        (SIGNED.hex(" ").upper().encode() + b"\r\n", "hexadecimal text"),
        (SIGNED.hex(":").encode(), "hexadecimal text"),
        (b"0x" + SIGNED.hex().encode(), "hexadecimal text"),
        (b"\n".join(SIGNED.hex().encode()[i : i + 32] for i in range(0, 2 * len(SIGNED), 32)), "hexadecimal text"),
        (b64encode(SIGNED), "base64"),
        (b64encode(SIGNED)[:40] + b"\n" + b64encode(SIGNED)[40:] + b"\n", "base64"),
        (b"\xef\xbb\xbf" + SIGNED.hex().encode(), "hexadecimal text"),
    ],
)
def test_every_form_gives_the_same_tree(given: bytes, form: str) -> None:
    decoded = decode(given)
    assert decoded.form == form
    assert decoded.exit_code == 0
    assert decoded.tree == decode(SIGNED).tree


def test_alert_with_places_and_meanings(tmp_path: Path) -> None:
    path = tmp_path / "capture.bin"
    path.write_bytes(SIGNED)
    found = tree(str(path))["tree"]
    assert found["value"] == "ECS80 supply outage restore alert"
    code = one(found, "alert code")
    assert (code["value"], code["note"], code["offset"], code["length"]) == (
        "0x8F36",
        "Supply outage restored after 3 minutes or more",
        42,
        3,
    )
    assert SIGNED[42:45].hex() == "128f36"
    assert one(found, "originator")["value"] == str(ESME)
    assert one(found, "originator counter")["value"] == 2003
    assert one(found, "interrupted")["value"] == "2014-12-31T23:50:00Z"
    assert one(found, "signature")["offset"] == len(SIGNED) - 65


def test_text_shows_places(tmp_path: Path) -> None:
    result = call("-", given=CREDIT_ALERT)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert "   50 +2        alert code: 0x810E  (Credit added locally)" in lines
    assert any(line.startswith("   57 +12     MAC: e98aeaf368b0bd02d9aa5592") for line in lines)


def test_parts_do_not_overlap_and_leave_nothing_out() -> None:
    for message in (SIGNED, CREDIT_ALERT, PRE_COMMAND, PRE_COMMAND + b"\x00", add_device()):
        position = 0
        for part in decode(message).tree.children:
            assert part.offset == position, part.name
            assert part.length is not None
            position += part.length
        assert position == len(message)


def test_install_code_is_hidden() -> None:
    for message in (add_device(), add_device(message_code=0x7777), add_device(content=b"\xd9" + SECRET * 2)):
        for form in (message, document(message), message.hex().encode()):
            decoded = decode(form)
            shown = "\n".join(decoded.lines()) + json.dumps(decoded.as_json())
            assert "(hidden)" in shown
            assert SECRET.hex()[:8] not in shown
    request = (
        b'<sr:Request xmlns:sr="http://www.dccinterface.co.uk/ServiceUserGateway"><sr:Body>'
        b"<sr:InstallCode>C0DEC0DEC0DEC0DE</sr:InstallCode></sr:Body></sr:Request>"
    )
    shown = "\n".join(decode(request).lines())
    assert "InstallCode: (hidden)" in shown
    assert "C0DE" not in shown


def test_what_is_not_known_is_shown_raw() -> None:
    unknown = replace(Message.parse(SIGNED), message_code=0x7777, content=bytes.fromhex("FF0102"))
    decoded = decode(unknown.encode())
    assert decoded.exit_code == 0
    assert decoded.tree.value == "message code 0x7777"
    content = decoded.tree.find("content")
    assert content is not None
    assert content.value == "ff0102"
    alert = OUTAGE_ALERT.replace(b"\x8f\x36", b"\x8a\xbc") + b"\x40" + bytes(64)
    code = decode(alert).tree.find("alert code")
    assert code is not None
    assert (code.value, code.note) == ("0x8ABC", "alert 0x8ABC (not in the catalogue)")


@pytest.mark.parametrize(
    ("cra", "content", "expected"),
    [
        (Cra.RESPONSE, "DA 20000001 00 00 01 11 07 01 01 00", "[0]: 7  (uint8)"),
        (Cra.RESPONSE, "DA 20000001 00 00 01 00 01 02 03", "[0] set: 3  (read-write denied)"),
        (
            Cra.RESPONSE,
            "DA 20000001 00 00 01 13 02 02 06 12 06 1C35F900 8F66 01 0100",
            "2014-12-31T00:00:00Z, 8F66",
        ),
        (
            Cra.RESPONSE,
            "0109 01 01 0702 000E 08 00 01 0502 00 21 6400 1400 00 30 02",
            "attribute 0205: 100",
        ),
        (Cra.RESPONSE, "0109 01 01 0702 0005 08 00 0B 0B C0", "status: C0  (hardware failure)"),
        (Cra.COMMAND, "0109 01 11 0705 000C 1C0E6C00 01 00 08 FEFFFFFF 05", "from date-time: 2014-12-01T00:00:00Z"),
        (
            Cra.RESPONSE,
            "0109 01 03 0702 001D 0000 18 00 01 0016 3100000000 6162636465 000102030405060708090A0B",
            "tag: 0001",
        ),
        (Cra.COMMAND, "30 08 06 06 2A8648CE3D03", "1.2.840.10045.3"),
        (Cra.COMMAND, "30 11 18 0F 32303236303130313030303030305A", "20260101000000Z  (tag 18, 15 bytes: 2026-01-01"),
        (Cra.RESPONSE, "02 01 03", "integer: 3  (tag 02, 1 bytes)"),
    ],
)
def test_every_notation_without_a_use_case(cra: Cra, content: str, expected: str) -> None:
    message = replace(Message.parse(CREDIT_ALERT), cra=cra, message_code=0x7777, content=bytes.fromhex(content))
    decoded = decode(message.encode())
    assert decoded.exit_code == 0
    assert expected in "\n".join(decoded.lines())


def test_response_items_are_named() -> None:
    use_case = use_case_for(0x003C)
    assert use_case is not None
    response = replace(
        Message.parse(CREDIT_ALERT),
        cra=Cra.RESPONSE,
        message_code=0x003C,
        content=bytes.fromhex("DA 20000001 00 00 0A") + bytes.fromhex("06 0000011F") * 10 + b"\x0a" + b"\x01\x00" * 10,
    )
    text = "\n".join(decode(response.encode()).lines())
    assert "[8] 1/1-0:32.35.0.4/2: 287  (average RMS over-voltage threshold, phase 1: value; uint32)" in text
    assert "average_rms_over_voltage_threshold_v: 287" in text


def test_broken_content_is_shown_as_far_as_it_goes() -> None:
    broken = replace(Message.parse(SIGNED), content=Message.parse(SIGNED).content[:20])
    result = call("-", given=broken.encode())
    assert result.exit_code == 1
    assert "alert code: 0x8F36" in result.stdout or "[0]: 36662" in result.stdout
    assert "! fault: " in result.stdout
    assert "cut short" in result.stdout


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (SIGNED[:-1], "byte 88: signature is cut short; expected 64 bytes, 63 are left"),
        (SIGNED[:5].hex().encode(), "byte 3: originator counter is cut short"),
        (SIGNED + b"\x00", "byte 152: 1 bytes follow the end of the message"),
        (b"", "byte 0: the input is empty"),
        (b"hello, world", "byte 0: 'hello, world' begins no message"),
        (b"\x00\x01\x02\xff", "byte 0: it starts with 00 and is not text"),
        (b"DF09 03 0g", "byte 3: 'g' is no hexadecimal digit"),
        (b"DF090", "byte 2: 5 hexadecimal digits are no whole bytes"),
        (b"<a><b></a>", "line 1: not well-formed XML"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "line 1: the document has a DTD"),
        (b"00" * (MAX_BYTES // 2 + 1), "the input has more than"),
    ],
)
def test_what_is_no_message_gives_one_error(given: bytes, complaint: str) -> None:
    result = call("-", given=given)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(f"hilbench: {complaint}")
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_name_that_is_no_file() -> None:
    result = call("no-such.hex")
    assert result.exit_code == 2
    assert "no-such.hex: there is no such file" in result.stderr


def test_argument_is_the_message() -> None:
    assert tree(SIGNED.hex())["form"] == "hexadecimal text"
    assert tree(b64encode(SIGNED).decode())["form"] == "base64"


def test_duis_alert_with_its_payload() -> None:
    decoded = decode(document(SIGNED))
    text = "\n".join(decoded.lines())
    assert decoded.exit_code == 0
    assert decoded.form == "XML"
    assert "AlertCode: 8F36  (Supply outage restored after 3 minutes or more)" in text
    assert "from 00-DB-12-34-56-78-90-A0 to 90-B3-D5-1F-30-02-00-00, counter 2003" in text
    assert "ResponseCode: I0  (" in text
    assert "GBCS message: ECS80" in text
    node = decoded.tree.find("AlertCode")
    assert node is not None
    assert node.line == 10
    assert decode(b64encode(document(SIGNED))).form == "XML in base64"


def test_duis_codes_in_words() -> None:
    request = (
        b'<sr:Request xmlns:sr="http://www.dccinterface.co.uk/ServiceUserGateway"><sr:CommandVariant>4'
        b"</sr:CommandVariant><sr:ServiceReferenceVariant>7.3</sr:ServiceReferenceVariant>"
        b"<sr:DCCAlertCode>N24</sr:DCCAlertCode></sr:Request>"
    )
    text = "\n".join(decode(request).lines())
    for expected in ("critical: to be transformed", "7.3  (Arm Supply)", "N24  (", "differs from the schema"):
        assert expected in text
    assert "XML, but no DUIS" in "\n".join(decode(b"<a><b>1</b></a>").lines())


def test_broken_payload_inside_a_document() -> None:
    decoded = decode(document(SIGNED[:-1]))
    assert decoded.exit_code == 1
    assert "the payload is no GBCS message: signature is cut short" in "\n".join(decoded.lines())
    assert decode(document(b"").replace(b"<sr:GBCSPayload>", b"<sr:GBCSPayload>A?")).exit_code == 1


def certificate(folder: Path, name: str, scalar: int, party: Eui64) -> None:
    key = private_key(scalar)
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, name),
            x509.NameAttribute(NameOID.X500_UNIQUE_IDENTIFIER, b"\x00" + party.raw, x509.name._ASN1Type.BitString),
        ]
    )
    start = datetime(2026, 1, 1, tzinfo=UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(scalar)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    (folder / name).write_bytes(built.public_bytes(serialization.Encoding.PEM))


def test_signature_is_verified_with_the_right_certificate(tmp_path: Path) -> None:
    certificate(tmp_path, "00db1234567890a0-ds.pem", 7, ESME)
    certificate(tmp_path, "00db1234567890a0-ka.pem", 8, ESME)
    found = one(tree(SIGNED.hex(), "--certificates", str(tmp_path))["tree"], "verified")
    assert found["value"] == f"valid, by {ESME}"
    assert found["note"] == "certificate 00db1234567890a0-ds.pem"
    in_document = decode_with(tmp_path, document(SIGNED))
    assert "certificate 00db1234567890a0-ds.pem" in in_document


def decode_with(folder: Path, data: bytes) -> str:
    return call("-", "--certificates", str(folder), given=data).stdout


def test_wrong_and_missing_certificates(tmp_path: Path) -> None:
    certificate(tmp_path, "00-DB-12-34-56-78-90-A0-ds.pem", 9, ESME)
    result = call("-", "--certificates", str(tmp_path), given=SIGNED)
    assert result.exit_code == 1
    assert "! fault: not valid by 00-DB-12-34-56-78-90-A0-ds.pem" in result.stdout
    other = tmp_path / "other"
    other.mkdir()
    certificate(other, "network.pem", 9, SUPPLIER)
    result = call("-", "--certificates", str(other), given=SIGNED)
    assert result.exit_code == 0
    assert f"not checked: no certificate of {ESME}" in result.stdout


def test_folder_of_certificates_that_is_none(tmp_path: Path) -> None:
    for folder, complaint in ((tmp_path / "none", "cannot be read"), (tmp_path, "no certificates")):
        result = call("-", "--certificates", str(folder), given=SIGNED)
        assert result.exit_code == 2
        assert complaint in result.stderr
    (tmp_path / "bad.pem").write_text("nothing")
    result = call("-", "--certificates", str(tmp_path), given=SIGNED)
    assert result.exit_code == 2
    assert "bad.pem: this is no certificate in PEM form" in result.stderr


def test_every_reference_message_and_request(rtds: Path) -> None:
    count = 0
    for path in sorted((rtds / "gbcs").rglob("*.HEX")):
        decoded = decode(path.read_bytes())
        assert decoded.exit_code == 0, path.name
        content = decoded.tree.find("content")
        assert content is not None
        assert content.children, path.name
        assert decoded.tree.find("differs from the use case") is None, path.name
        count += 1
    assert count >= 423
    for path in sorted((rtds / "duis").glob("*.XML")):
        assert decode(path.read_bytes()).exit_code == 0, path.name


def test_every_reference_signature(rtds: Path) -> None:
    from bench.decode_certificates import Certificates

    certificates = Certificates(rtds / "certs")
    valid = 0
    for row in json.loads((rtds / "index.json").read_text()):
        if row.get("signature_valid"):
            decoded = decode((rtds / "gbcs" / row["file"]).read_bytes(), certificates)
            node = decoded.tree.find("verified")
            assert node is not None, row["file"]
            assert str(node.value).startswith("valid, by"), row["file"]
            valid += 1
    assert valid >= 141
