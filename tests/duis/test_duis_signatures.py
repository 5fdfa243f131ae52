from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from bench.duis.errors import DuisError, SignatureError
from bench.duis.names import SR, ds, line_of
from bench.duis.safe_xml import parse
from bench.duis.signatures import certificate_eui, sign, verify
from bench.eui import Eui64
from tests.duis.certs import DSP, STRANGER, USER, make_signer

DOCUMENT = f"""<?xml version="1.0" encoding="UTF-8"?>
<sr:Response xmlns:sr="{SR}" xmlns:unused="urn:unused" schemaVersion="5.4">
  <sr:Header><sr:ResponseCode>I99</sr:ResponseCode></sr:Header>
  <sr:Body>some&#13;text</sr:Body>
</sr:Response>""".encode()
TRUSTED = [USER.certificate, DSP.certificate]
SIGNED = sign(DOCUMENT, DSP.key, DSP.certificate)


def replaced(old: str, new: str, count: int = 1) -> bytes:
    assert old.encode() in SIGNED
    return SIGNED.replace(old.encode(), new.encode(), count)


def edited(change: Callable[[etree._Element, etree._Element], None]) -> bytes:
    """The signed document after a change that knows its root and its signature."""
    root = etree.fromstring(SIGNED)
    change(root, root[-1])
    return etree.tostring(root)


def test_what_was_signed_comes_back_and_who_signed() -> None:
    verified = verify(SIGNED, TRUSTED)
    assert verified.signer is DSP.certificate
    assert verified.signer_eui == Eui64.parse("90-B3-D5-1F-30-00-00-02")
    assert etree.tostring(verified.root, method="c14n") == etree.tostring(parse(DOCUMENT), method="c14n")
    assert verified.root.find(ds("Signature")) is None


def test_the_form_is_the_one_of_the_dcc() -> None:
    signature = etree.fromstring(SIGNED)[-1]
    info, value, key_info = signature
    assert [(each.tag, dict(each.attrib)) for each in info.iter() if each.attrib] == [
        (ds("CanonicalizationMethod"), {"Algorithm": "http://www.w3.org/2001/10/xml-exc-c14n#"}),
        (ds("SignatureMethod"), {"Algorithm": "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"}),
        (ds("Reference"), {"URI": ""}),
        (ds("Transform"), {"Algorithm": "http://www.w3.org/2000/09/xmldsig#enveloped-signature"}),
        (ds("DigestMethod"), {"Algorithm": "http://www.w3.org/2001/04/xmlenc#sha256"}),
    ]
    assert [each.text for each in key_info.iter() if each.text] == ["CN=Z1,OU=07", str(DSP.certificate.serial_number)]
    # Inclusive canonicalisation keeps the namespace that nobody uses, exclusive would not.
    inclusive = etree.tostring(parse(DOCUMENT), method="c14n")
    assert b"urn:unused" in inclusive
    assert info.findtext(f".//{ds('DigestValue')}") == base64.b64encode(hashlib.sha256(inclusive).digest()).decode()
    raw = base64.b64decode(value.text or "")
    assert len(raw) == 64
    r, s = int.from_bytes(raw[:32]), int.from_bytes(raw[32:])
    signed_info = etree.tostring(info, method="c14n", exclusive=True)
    key = DSP.key.public_key()
    key.verify(utils.encode_dss_signature(r, s), signed_info, ec.ECDSA(hashes.SHA256()))


def test_signing_is_deterministic_and_leaves_its_input_alone() -> None:
    root = parse(DOCUMENT)
    assert sign(root, DSP.key, DSP.certificate) == sign(root, DSP.key, DSP.certificate) == SIGNED
    assert root.find(ds("Signature")) is None


def test_a_signature_value_in_two_lines_with_carriage_returns_is_accepted() -> None:
    def fold(root: etree._Element, signature: etree._Element) -> None:
        text = signature[1].text or ""
        signature[1].text = f"{text[:76]}\r\n{text[76:]}"

    folded = edited(fold)
    assert b"&#13;\n" in folded
    assert verify(folded, TRUSTED).signer is DSP.certificate


@pytest.mark.parametrize("issuer", ["CN=Z1,OU=07", "CN=Z1, OU=07", "OU=07,CN=Z1", " CN=Z1 ,\tOU=07"])
def test_the_issuer_may_be_written_in_several_ways(issuer: str) -> None:
    assert verify(replaced("CN=Z1,OU=07", issuer), TRUSTED).signer is DSP.certificate


def test_certificates_may_come_from_a_lookup() -> None:
    asked: list[tuple[str, int]] = []

    def lookup(issuer: x509.Name, serial: int) -> x509.Certificate | None:
        asked.append((issuer.rfc4514_string(), serial))
        return DSP.certificate

    assert verify(SIGNED, lookup).signer is DSP.certificate
    assert asked == [("CN=Z1,OU=07", DSP.certificate.serial_number)]
    with pytest.raises(SignatureError, match="not trusted"):
        verify(SIGNED, lambda issuer, serial: None)


def test_an_unknown_signer_is_refused_by_number_with_advice() -> None:
    with pytest.raises(SignatureError, match=f"{DSP.certificate.serial_number:032x} of CN=Z1,OU=07") as caught:
        verify(SIGNED, [USER.certificate])
    assert "SMKI" in caught.value.next_step
    other_issuer = make_signer(
        "90-B3-D5-1F-30-00-00-02", seed=2, serial=DSP.certificate.serial_number, issuer=("U1", "07")
    )
    with pytest.raises(SignatureError, match="not trusted"):
        verify(SIGNED, [other_issuer.certificate])
    with pytest.raises(SignatureError, match="not trusted"):
        verify(SIGNED, [])


def test_the_key_must_be_the_one_of_the_trusted_certificate() -> None:
    same_name = make_signer("90-B3-D5-1F-30-00-00-02", seed=77, serial=DSP.certificate.serial_number)
    with pytest.raises(SignatureError, match="does not verify"):
        verify(SIGNED, [same_name.certificate])


def test_a_certificate_inside_the_document_is_not_believed() -> None:
    forged = sign(DOCUMENT, STRANGER.key, STRANGER.certificate)
    with pytest.raises(SignatureError, match="not trusted"):
        verify(forged, TRUSTED)

    def embed(root: etree._Element, signature: etree._Element) -> None:
        der = base64.b64encode(STRANGER.certificate.public_bytes(Encoding.DER)).decode()
        etree.SubElement(signature[2][0], ds("X509Certificate")).text = der

    with pytest.raises(SignatureError, match="X509Data holds X509IssuerSerial, X509Certificate"):
        verify(edited(embed), [*TRUSTED, STRANGER.certificate])


WRONG_FORMS = {
    "inclusive SignedInfo": (
        "http://www.w3.org/2001/10/xml-exc-c14n#",
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
    ),
    "with comments": ("xml-exc-c14n#", "xml-exc-c14n#WithComments"),
    "ECDSA with SHA-1": ("ecdsa-sha256", "ecdsa-sha1"),
    "ECDSA with SHA-512": ("ecdsa-sha256", "ecdsa-sha512"),
    "RSA": ("ecdsa-sha256", "rsa-sha256"),
    "HMAC": ("ecdsa-sha256", "hmac-sha256"),
    "SHA-1 digest": ("http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2000/09/xmldsig#sha1"),
    "SHA-512 digest": ("xmlenc#sha256", "xmlenc#sha512"),
    "another transform": ("xmldsig#enveloped-signature", "xmldsig#base64"),
    "reference to an ID": ('URI=""', 'URI="#evil"'),
    "reference to a file": ('URI=""', 'URI="file:///etc/passwd"'),
    "no reference URI": (' URI=""', ""),
    "a typed reference": ('URI=""', 'URI="" Type="http://www.w3.org/2000/09/xmldsig#Object"'),
    "inclusive namespaces": (
        'xml-exc-c14n#"/>',
        'xml-exc-c14n#"><ec:InclusiveNamespaces xmlns:ec="http://www.w3.org/2001/10/xml-exc-c14n#"'
        ' PrefixList="unused"/></ds:CanonicalizationMethod>',
    ),
    "an XPath in the transform": (
        'enveloped-signature"/>',
        'enveloped-signature"><ds:XPath>//evil</ds:XPath></ds:Transform>',
    ),
    "a second transform": (
        "</ds:Transforms>",
        '<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"/></ds:Transforms>',
    ),
    "no transform": ('<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>', ""),
    "a serial that is no number": ("<ds:X509SerialNumber>", "<ds:X509SerialNumber>x"),
    "a negative serial": ("<ds:X509SerialNumber>", "<ds:X509SerialNumber>-"),
    "an endless serial": ("<ds:X509SerialNumber>", "<ds:X509SerialNumber>" + "1" * 5000),
    "an issuer that is no name": ("CN=Z1,OU=07", "me"),
    "no issuer": ("CN=Z1,OU=07", ""),
    "a signature in another namespace": ('xmlns:ds="http://www.w3.org/2000/09/xmldsig#"', 'xmlns:ds="urn:x"'),
    "a document of another namespace": (SR, "urn:x"),
    "a signature value that is no base64": ("<ds:SignatureValue>", "<ds:SignatureValue>!!"),
    "a digest value that is no base64": ("<ds:DigestValue>", "<ds:DigestValue>\u00e9"),
}


@pytest.mark.parametrize("name", WRONG_FORMS)
def test_any_other_form_is_refused(name: str) -> None:
    with pytest.raises(SignatureError) as caught:
        verify(replaced(*WRONG_FORMS[name]), TRUSTED)
    assert caught.value.next_step


def test_a_second_reference_is_refused_even_if_it_is_signed() -> None:
    def add(root: etree._Element, signature: etree._Element) -> None:
        info = signature[0]
        info.append(etree.fromstring(etree.tostring(info[2])))
        der = DSP.key.sign(etree.tostring(info, method="c14n", exclusive=True), ec.ECDSA(hashes.SHA256()))
        r, s = utils.decode_dss_signature(der)
        signature[1].text = base64.b64encode(r.to_bytes(32) + s.to_bytes(32)).decode()

    with pytest.raises(SignatureError, match="Reference, Reference"):
        verify(edited(add), TRUSTED)


def test_an_exclusive_digest_is_refused() -> None:
    """XML-Signature without a transform to say otherwise digests over inclusive canonical XML."""

    def redo(root: etree._Element, signature: etree._Element) -> None:
        exclusive = etree.tostring(parse(DOCUMENT), method="c14n", exclusive=True)
        for value in signature.iter(ds("DigestValue")):
            value.text = base64.b64encode(hashlib.sha256(exclusive).digest()).decode()
        message = etree.tostring(signature[0], method="c14n", exclusive=True)
        r, s = utils.decode_dss_signature(DSP.key.sign(message, ec.ECDSA(hashes.SHA256())))
        signature[1].text = base64.b64encode(r.to_bytes(32) + s.to_bytes(32)).decode()

    with pytest.raises(SignatureError, match="Digest mismatch"):
        verify(edited(redo), TRUSTED)


def _append_copy(root: etree._Element, signature: etree._Element) -> None:
    root.append(etree.fromstring(etree.tostring(signature)))


def _hide_copy(root: etree._Element, signature: etree._Element) -> None:
    root[1].append(etree.fromstring(etree.tostring(signature)))


def _move_first(root: etree._Element, signature: etree._Element) -> None:
    root.insert(0, signature)


def _move_into_body(root: etree._Element, signature: etree._Element) -> None:
    root[1].append(signature)


def _move_where_others_sign(root: etree._Element, signature: etree._Element) -> None:
    etree.SubElement(root[1], f"{{{SR}}}SMETS1SignedResponse").append(signature)


def _add_after(root: etree._Element, signature: etree._Element) -> None:
    etree.SubElement(root, f"{{{SR}}}Body").text = "evil"


def _wrap_in_object(root: etree._Element, signature: etree._Element) -> None:
    original = etree.fromstring(DOCUMENT)
    original.set("Id", "original")
    etree.SubElement(signature, ds("Object")).append(original)
    root[1].text = "evil"
    signature[0][2].set("URI", "#original")


def _wrap_document(root: etree._Element, signature: etree._Element) -> None:
    inner = etree.fromstring(SIGNED)
    for each in list(root):
        root.remove(each)
    etree.SubElement(root, f"{{{SR}}}Body").text = "evil"
    root.append(inner)


def _drop(root: etree._Element, signature: etree._Element) -> None:
    root.remove(signature)


@pytest.mark.parametrize(
    "attack",
    [
        _append_copy,
        _hide_copy,
        _move_first,
        _move_into_body,
        _move_where_others_sign,
        _add_after,
        _wrap_in_object,
        _wrap_document,
        _drop,
    ],
)
def test_wrapping_moving_doubling_and_dropping_are_refused(
    attack: Callable[[etree._Element, etree._Element], None],
) -> None:
    with pytest.raises(SignatureError):
        verify(edited(attack), TRUSTED)


def test_a_signature_of_a_smets1_provider_inside_does_no_harm() -> None:
    inner = f"<sr:SMETS1SignedResponse xmlns:sr='{SR}'><sr:X/></sr:SMETS1SignedResponse>".encode()
    inside = sign(inner, STRANGER.key, STRANGER.certificate).split(b"?>")[1].decode()
    document = f"<sr:Response xmlns:sr='{SR}'><sr:Body>{inside}</sr:Body></sr:Response>".encode()
    verified = verify(sign(document, DSP.key, DSP.certificate), TRUSTED)
    assert verified.signer is DSP.certificate
    assert len(list(verified.root.iter(ds("Signature")))) == 1
    with pytest.raises(SignatureError, match="no signature"):
        verify(document, TRUSTED)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("I99", "I0"),
        ('schemaVersion="5.4"', 'schemaVersion="5.3"'),
        ("<sr:Header>", "<sr:Header x='1'>"),
        ("some", "other"),
    ],
)
def test_any_change_is_noticed(old: str, new: str) -> None:
    with pytest.raises(SignatureError, match="Digest mismatch") as caught:
        verify(replaced(old, new), TRUSTED)
    assert caught.value.line == 5


def test_a_comment_cannot_hide_part_of_a_value() -> None:
    verified = verify(replaced("I99", "I9<!-- and no more -->9"), TRUSTED)
    assert verified.root[0][0].text == "I99"


def test_a_namespace_declared_later_is_a_change() -> None:
    with pytest.raises(SignatureError):
        verify(replaced("<sr:Header>", '<sr:Header xmlns:x="urn:x">'), TRUSTED)


def test_lines_of_the_verified_element_are_those_of_the_document() -> None:
    root = verify(SIGNED, TRUSTED).root
    assert [line_of(each) for each in (root, root[0], root[1])] == [2, 3, 4]


@given(st.data())
def test_a_changed_byte_is_refused_or_changes_nothing(data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(SIGNED) - 1))
    byte = data.draw(st.integers(0, 255))
    changed = SIGNED[:position] + bytes([byte]) + SIGNED[position + 1 :]
    try:
        verified = verify(changed, TRUSTED)
    except DuisError:
        return
    expected = etree.tostring(parse(DOCUMENT), method="c14n")
    assert etree.tostring(verified.root, method="c14n") == expected


text = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=30
)


@given(text, text.map(lambda each: re.sub(r"\s", "", each)))
def test_any_text_survives_signing(content: str, attribute: str) -> None:
    root = etree.Element(f"{{{SR}}}Response", nsmap={"sr": SR}, attrib={"a": attribute})
    etree.SubElement(root, f"{{{SR}}}Body").text = content
    verified = verify(sign(root, USER.key, USER.certificate), TRUSTED).root
    assert (verified[0].text or "", verified.get("a")) == (content, attribute)


def test_only_an_unsigned_document_and_the_key_of_the_certificate_will_do() -> None:
    with pytest.raises(SignatureError, match="signed already"):
        sign(SIGNED, DSP.key, DSP.certificate)
    with pytest.raises(SignatureError, match="does not belong"):
        sign(DOCUMENT, USER.key, DSP.certificate)
    with pytest.raises(DuisError, match="no canonical form"):
        sign(f"<sr:a xmlns:sr='{SR}' xmlns:relative='x'/>".encode(), DSP.key, DSP.certificate)
    with pytest.raises(SignatureError, match="does not verify"):
        verify(replaced("<sr:Body>", "<sr:Body xmlns:relative='x'>"), TRUSTED)
    with pytest.raises(DuisError, match="DTD"):
        sign(b"<!DOCTYPE a><a/>", DSP.key, DSP.certificate)


def test_validity_is_asked_of_the_bench_and_not_of_the_machine() -> None:
    expired = make_signer("90-B3-D5-1F-30-00-00-02", seed=5, until=2019)
    verified = verify(sign(DOCUMENT, expired.key, expired.certificate), [expired.certificate])
    assert verified.signer_valid_at(datetime(2018, 6, 1, tzinfo=UTC))
    assert not verified.signer_valid_at(datetime(2026, 1, 1, tzinfo=UTC))
    assert not verified.signer_valid_at(datetime(2017, 1, 1, tzinfo=UTC))


def test_a_certificate_without_an_eui_is_named() -> None:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nobody")])
    nobody = (
        x509.CertificateBuilder()
        .issuer_name(name)
        .subject_name(name)
        .serial_number(5)
        .public_key(USER.key.public_key())
        .not_valid_before(datetime(2018, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2118, 1, 1, tzinfo=UTC))
        .sign(USER.key, hashes.SHA256())
    )
    with pytest.raises(SignatureError, match="certificate 5 names no EUI-64"):
        certificate_eui(nobody)


def test_signing_alone_does_not_load_signxml() -> None:
    code = "import sys, bench.duis.signatures; sys.exit('signxml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("file", "eui"),
    [
        ("xml-sign-90B3D51F30010000-ds.pem", "90-B3-D5-1F-30-01-00-00"),
        ("dsp-xml-sign-90B3D51F30000002-ds.pem", "90-B3-D5-1F-30-00-00-02"),
        ("Z1-accessControlBroker-dSPXmlSign.pem", "90-B3-D5-1F-30-00-00-02"),
    ],
)
def test_published_certificates_are_found_by_issuer_and_serial(rtds: Path, file: str, eui: str) -> None:
    folder = sorted((rtds / "certs").glob("*.pem"))
    certificates = [x509.load_pem_x509_certificate(each.read_bytes()) for each in folder]
    published = x509.load_pem_x509_certificate((rtds / "certs" / file).read_bytes())
    assert certificate_eui(published) == Eui64.parse(eui)

    def rename(root: etree._Element, signature: etree._Element) -> None:
        issuer_serial = signature[2][0][0]
        issuer_serial[0].text = published.issuer.rfc4514_string()
        issuer_serial[1].text = str(published.serial_number)

    # It is found, and then it is not the one that signed.
    with pytest.raises(SignatureError, match="does not verify"):
        verify(edited(rename), certificates)
