"""The bench's signatures against implementations that are not the bench's, both ways.

One is written here from the standards, with nothing of the bench: XML-Signature, and canonical XML of the Python
library instead of libxml2's. Its canonical form is that of C14N 2.0, which for documents that declare one namespace at
their root, use it there and hold no comments is that of both forms of 1.0. The others are signxml and, where it is
installed, openssl.
"""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureConstructionMethod, SignatureMethod
from signxml.signer import XMLSigner
from signxml.verifier import SignatureConfiguration, XMLVerifier

from bench.duis.names import DS, SR
from bench.duis.requests import parse_request
from bench.duis.safe_xml import parse
from bench.duis.signatures import sign, verify
from tests.duis.certs import USER, Signer
from tests.duis.test_request_matrix import CELLS, Cell, name_of, unsigned

SAMPLE = CELLS[::23]
_PREFIX = f'xmlns:ds="{DS}"'


def split(signed: bytes) -> tuple[str, str]:
    """A signed document without its signature, and the signature, as text: no XML tool is asked."""
    text = re.sub(r"^<\?xml[^>]*\?>\s*", "", signed.decode())
    found = re.search(r"<(ds:)?Signature\b.*</(ds:)?Signature>", text, re.DOTALL)
    assert found is not None
    return text[: found.start()] + text[found.end() :], found[0]


def signed_info(signature: str) -> str:
    found = re.search(r"<(ds:)?SignedInfo>.*</(ds:)?SignedInfo>", signature, re.DOTALL)
    assert found is not None
    prefix = _PREFIX if found[1] else f'xmlns="{DS}"'
    opened = found[0].replace("SignedInfo>", f"SignedInfo {prefix}>", 1)
    return ElementTree.canonicalize(opened)


def value_of(signature: str, name: str) -> bytes:
    found = re.search(rf"<(?:ds:)?{name}>([^<]*)<", signature)
    assert found is not None
    return base64.b64decode(found[1])


def check(signed: bytes, key: ec.EllipticCurvePublicKey) -> None:
    """Verify a DUIS signature; AssertionError or InvalidSignature if it is not good."""
    document, signature = split(signed)
    digest = hashlib.sha256(ElementTree.canonicalize(document).encode()).digest()
    assert value_of(signature, "DigestValue") == digest
    raw = value_of(signature, "SignatureValue")
    assert len(raw) == 64
    der = utils.encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    key.verify(der, signed_info(signature).encode(), ec.ECDSA(hashes.SHA256()))


def sign_by_hand(
    document: str, signer: Signer, *, prefix: str = "ds:", fold: str = "", issuer: str = "CN=Z1, OU=07"
) -> str:
    """Sign a document that ends in its root's end tag."""
    digest = base64.b64encode(hashlib.sha256(ElementTree.canonicalize(document).encode()).digest()).decode()
    info = (
        "<SignedInfo>"
        '<CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>'
        '<SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"/>'
        '<Reference URI=""><Transforms>'
        '<Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/></Transforms>'
        '<DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>'
        f"<DigestValue>{digest}</DigestValue></Reference></SignedInfo>"
    )
    tail = (
        "<KeyInfo><X509Data><X509IssuerSerial>"
        f"<X509IssuerName>{issuer}</X509IssuerName>"
        f"<X509SerialNumber>{signer.certificate.serial_number}</X509SerialNumber>"
        "</X509IssuerSerial></X509Data></KeyInfo>"
    )
    info, tail = (re.sub(r"<(/?)(?=[A-Z])", rf"<\g<1>{prefix}", each) for each in (info, tail))
    der = signer.key.sign(signed_info(info).encode(), ec.ECDSA(hashes.SHA256()))
    r, s = utils.decode_dss_signature(der)
    value = base64.b64encode(r.to_bytes(32) + s.to_bytes(32)).decode()
    declared = _PREFIX if prefix else f'xmlns="{DS}"'
    signature = (
        f"<{prefix}Signature {declared}>{info}<{prefix}SignatureValue>{value[:76]}{fold}{value[76:]}"
        f"</{prefix}SignatureValue>{tail}</{prefix}Signature>"
    )
    at = document.rindex("</")
    return document[:at] + signature + document[at:]


@pytest.mark.parametrize("cell", SAMPLE, ids=name_of)
def test_what_the_bench_signs_is_good_by_the_standards(cell: Cell) -> None:
    signed = sign(unsigned(cell), USER.key, USER.certificate)
    check(signed, USER.key.public_key())
    changed = signed.replace(b"CommandVariant>", b"CommandVariant> ", 1)
    with pytest.raises(AssertionError):
        check(changed, USER.key.public_key())


@pytest.mark.parametrize("cell", SAMPLE, ids=name_of)
def test_what_the_bench_signs_is_good_for_signxml(cell: Cell) -> None:
    document = unsigned(cell)
    form = SignatureConfiguration(
        location="./",
        signature_methods=frozenset({SignatureMethod.ECDSA_SHA256}),
        digest_algorithms=frozenset({DigestAlgorithm.SHA256}),
        default_reference_c14n_method=CanonicalizationMethod.CANONICAL_XML_1_0,
        verification_time=USER.certificate.not_valid_before_utc,
    )
    signed = sign(document, USER.key, USER.certificate)
    result = XMLVerifier().verify(signed, x509_cert=USER.certificate, expect_config=form)
    assert not isinstance(result, list)
    assert result.signed_xml is not None
    assert etree.tostring(result.signed_xml, method="c14n") == etree.tostring(parse(document), method="c14n")


@pytest.mark.parametrize("cell", SAMPLE, ids=name_of)
@pytest.mark.parametrize(("prefix", "fold"), [("ds:", ""), ("", ""), ("ds:", "\n"), ("ds:", "&#13;\n")])
def test_what_others_sign_is_good_for_the_bench(cell: Cell, prefix: str, fold: str) -> None:
    document, _ = split(sign(unsigned(cell), USER.key, USER.certificate))
    signed = sign_by_hand(document, USER, prefix=prefix, fold=fold)
    root = verify(signed.encode(), [USER.certificate]).root
    assert parse_request(root) == parse_request(parse(unsigned(cell)))


def test_a_document_with_white_space_and_a_declaration_by_others_is_good() -> None:
    document = f'<sr:Request xmlns:sr="{SR}" schemaVersion="5.4">\n  <sr:Header>\n  </sr:Header>\n</sr:Request>'
    signed = f'<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n{sign_by_hand(document, USER)}\n'
    assert verify(signed.encode(), [USER.certificate]).root[0].tag == f"{{{SR}}}Header"


def test_what_signxml_signs_has_another_form_and_is_refused_for_it() -> None:
    """signxml states the canonicalisation of the document as a second transform, which DUIS signatures do not."""
    signer = XMLSigner(
        method=SignatureConstructionMethod.enveloped,
        signature_algorithm=SignatureMethod.ECDSA_SHA256,
        digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    root = signer.sign(parse(unsigned(CELLS[0])), key=USER.key, cert=[USER.certificate])
    with pytest.raises(Exception, match=r"Transform|X509Data|KeyInfo"):
        verify(etree.tostring(root), [USER.certificate])


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_what_the_bench_signs_is_good_for_openssl(tmp_path: Path) -> None:
    _, signature = split(sign(unsigned(CELLS[0]), USER.key, USER.certificate))
    raw = value_of(signature, "SignatureValue")
    der = utils.encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    (tmp_path / "signature").write_bytes(der)
    (tmp_path / "info").write_text(signed_info(signature))
    public = USER.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (tmp_path / "key.pem").write_bytes(public)
    command = ["openssl", "dgst", "-sha256", "-verify", "key.pem", "-signature", "signature", "info"]
    assert "Verified OK" in subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(shutil.which("javac") is None, reason="no Java compiler is installed")
def test_java_and_the_bench_accept_each_other_s_signatures(tmp_path: Path) -> None:
    """DCC's own tools and those of DCC Boxed use the Java platform's XML signatures."""
    private, public = USER.key, USER.key.public_key()
    der, none = serialization.Encoding.DER, serialization.NoEncryption()
    (tmp_path / "private.der").write_bytes(private.private_bytes(der, serialization.PrivateFormat.PKCS8, none))
    (tmp_path / "public.der").write_bytes(public.public_bytes(der, serialization.PublicFormat.SubjectPublicKeyInfo))
    for number, cell in enumerate(SAMPLE):
        document = unsigned(cell)
        (tmp_path / f"{number:02}.unsigned").write_bytes(document)
        (tmp_path / f"{number:02}.signed").write_bytes(sign(document, USER.key, USER.certificate))
    changed = (tmp_path / "00.signed").read_bytes().replace(b"CommandVariant>", b"CommandVariant> ", 1)
    (tmp_path / "changed.signed").write_bytes(changed)
    program = Path(__file__).with_name("OtherSigner.java")
    arguments: list[str | Path] = [
        tmp_path,
        USER.certificate.issuer.rfc4514_string(),
        str(USER.certificate.serial_number),
    ]
    out = subprocess.run(["java", program, *arguments], capture_output=True, text=True, check=True).stdout
    verdicts = dict(line.split() for line in out.splitlines())
    assert verdicts == {f"{number:02}.signed": "true" for number in range(len(SAMPLE))} | {"changed.signed": "false"}
    for number, cell in enumerate(SAMPLE):
        root = verify((tmp_path / f"{number:02}.java").read_bytes(), [USER.certificate]).root
        assert parse_request(root) == parse_request(parse(unsigned(cell)))
