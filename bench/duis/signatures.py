"""XML signatures in the one form that DUIS uses.

Enveloped, last child of the document element; SignedInfo under exclusive canonicalisation, ECDSA with SHA-256 on
P-256, one Reference to the whole document with no transform but enveloped-signature (so that its digest is over
*inclusive* Canonical XML 1.0, the default of XML-Signature clause 4.4.3.2); SignatureValue raw r||s; KeyInfo names
the certificate by issuer and serial number only. Observed in signatures of DCC's own systems.

Whatever differs from this form is refused, and only the element that was signed is handed on.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import NameOID
from lxml import etree

from bench.duis.errors import SignatureError
from bench.duis.names import SR, canonical, document, ds, line_of, local, sr
from bench.duis.safe_xml import MAX_BYTES, MAX_FIRMWARE_BYTES, parse, parser_for
from bench.eui import Eui64

EXCLUSIVE_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
ECDSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"

_DS = "http://www.w3.org/2000/09/xmldsig#"

_VALUE = re.compile(r"[A-Za-z0-9+/]{86}==")
# A response that carries a SMETS1 Service Provider's message holds that one's own signature, as its last child.
_SIGNED_BY_OTHERS = (sr("SMETS1SignedResponse"), sr("S1SPAlert"))

CertificateLookup = Callable[[x509.Name, int], x509.Certificate | None]
"""Finds the trusted certificate with an issuer and a serial number; None if there is none."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What a signature vouches for, and who signed.

    Attributes:
        root: the signed element, rebuilt from the very bytes that were digested; it holds no signature.
        signer: the trusted certificate that it was verified with.
    """

    root: etree._Element
    signer: x509.Certificate

    @property
    def signer_eui(self) -> Eui64:
        """The EUI-64 in the signer's certificate."""
        return certificate_eui(self.signer)

    def signer_valid_at(self, moment: datetime) -> bool:
        """Whether the signer's certificate is within its validity at an aware moment: `verify` does not ask."""
        return self.signer.not_valid_before_utc <= moment <= self.signer.not_valid_after_utc


def certificate_eui(certificate: x509.Certificate) -> Eui64:
    """The EUI-64 in an organisation certificate's x500UniqueIdentifier (a bit string, SEC Appendix B).

    Raises:
        SignatureError: the subject has none.
    """
    found = certificate.subject.get_attributes_for_oid(NameOID.X500_UNIQUE_IDENTIFIER)
    raw = found[0].value if len(found) == 1 else b""
    # The first byte of a DER bit string counts its unused bits.
    if not isinstance(raw, bytes) or len(raw) != 9 or raw[0] != 0:
        raise SignatureError(
            f"certificate {certificate.serial_number} names no EUI-64", expected="one x500UniqueIdentifier of 64 bits"
        )
    return Eui64(raw[1:])


def sign(
    document_or_root: bytes | etree._Element,
    private_key: ec.EllipticCurvePrivateKey,
    certificate: x509.Certificate,
) -> bytes:
    """Sign a document and return it with its signature, as UTF-8 XML.

    ECDSA is deterministic (RFC 6979): the same document and key give the same bytes.

    Args:
        document_or_root: the unsigned document, which stays as it was.
        private_key: a P-256 key.
        certificate: the certificate of that key; its issuer and serial number become the KeyInfo.

    Raises:
        SignatureError: the document has a signature already, or the key is not that of the certificate.
        DuisError: the bytes are not acceptable XML.
    """
    data = document_or_root if isinstance(document_or_root, bytes) else document(document_or_root)
    root = parse(data, max_bytes=MAX_FIRMWARE_BYTES)
    if root.find(ds("Signature")) is not None:
        raise SignatureError("the document is signed already", expected="an unsigned document")
    if private_key.public_key() != certificate.public_key() or not isinstance(private_key.curve, ec.SECP256R1):
        raise SignatureError(
            f"the private key does not belong to certificate {certificate.serial_number}", expected="its P-256 key"
        )
    digest = hashlib.sha256(canonical(root, exclusive=False)).digest()
    signature = _skeleton(root, base64.b64encode(digest).decode())
    signed_info = signature[0]
    der = private_key.sign(
        canonical(signed_info, exclusive=True),
        ec.ECDSA(hashes.SHA256(), deterministic_signing=True),
    )
    r, s = utils.decode_dss_signature(der)
    _add(signature, "SignatureValue", base64.b64encode(r.to_bytes(32) + s.to_bytes(32)).decode())
    issuer_serial = _add(_add(_add(signature, "KeyInfo"), "X509Data"), "X509IssuerSerial")
    _add(issuer_serial, "X509IssuerName", certificate.issuer.rfc4514_string())
    _add(issuer_serial, "X509SerialNumber", str(certificate.serial_number))
    return document(root)


def _add(parent: etree._Element, name: str, text: str | None = None, **attributes: str) -> etree._Element:
    element = etree.SubElement(parent, ds(name), attributes)
    element.text = text
    return element


def _skeleton(root: etree._Element, digest: str) -> etree._Element:
    signature = etree.SubElement(root, ds("Signature"), nsmap={"ds": _DS})
    info = _add(signature, "SignedInfo")
    _add(info, "CanonicalizationMethod", Algorithm=EXCLUSIVE_C14N)
    _add(info, "SignatureMethod", Algorithm=ECDSA_SHA256)
    reference = _add(info, "Reference", URI="")
    _add(_add(reference, "Transforms"), "Transform", Algorithm=ENVELOPED)
    _add(reference, "DigestMethod", Algorithm=SHA256)
    _add(reference, "DigestValue", digest)
    return signature


def verify(
    data: bytes,
    certificates: Sequence[x509.Certificate] | CertificateLookup,
    *,
    max_bytes: int = MAX_BYTES,
) -> Verified:
    """Check a document's signature and return the element that it covers.

    The certificate is looked up, by the issuer and serial number that KeyInfo names, among those trusted; a
    certificate inside the document is never believed. Whether the signer is the right one for the message, and
    whether its certificate is still valid (`Verified.signer_valid_at`), is the caller's to decide.

    Args:
        data: the whole document.
        certificates: those that are trusted, or where to look for them.
        max_bytes: refuse longer documents; `safe_xml.MAX_FIRMWARE_BYTES` for a receiver of firmware images.

    Raises:
        SignatureError: unsigned, signed in another form or by somebody unknown, or changed since.
        DuisError: the bytes are not acceptable XML.
    """
    root = parse(data, max_bytes=max_bytes)
    if etree.QName(root).namespace != SR:
        raise SignatureError(f"the document element is {root.tag}", line=line_of(root), expected=f"one of {SR}")
    signature = _the_signature(root)
    _check_form(signature)
    certificate = _trusted(signature, certificates)
    signed = _signed_bytes(root, certificate, line_of(signature), max_bytes)
    # Canonical form has no XML declaration: line feeds in its place keep the line numbers of later errors right.
    blank = b"\n" * ((line_of(root) or 1) - 1)
    return Verified(parse(blank + signed, max_bytes=4 * max_bytes), certificate)


def _the_signature(root: etree._Element) -> etree._Element:
    found = [element for element in root.iter(ds("Signature")) if not _belongs_to_others(element)]
    if len(found) != 1:
        raise SignatureError(
            f"{local(root)} has {len(found) or 'no'} signature{'s' * (len(found) > 1)}",
            line=line_of(found[1] if found else root),
            expected="one ds:Signature",
        )
    if found[0].getparent() is not root or root[-1] is not found[0]:
        raise SignatureError(
            "the signature is in the wrong place",
            line=line_of(found[0]),
            expected="ds:Signature as the last child of the document element",
        )
    return found[0]


def _belongs_to_others(signature: etree._Element) -> bool:
    parent = signature.getparent()
    if parent is None or parent.getparent() is None:
        # The document's own, or that of a provider's message that is looked at by itself.
        return False
    return parent.tag in _SIGNED_BY_OTHERS and parent[-1] is signature


def _children(parent: etree._Element, *names: str) -> list[etree._Element]:
    """The children, which must be exactly these ds elements in this order."""
    if [element.tag for element in parent] != [ds(name) for name in names]:
        held = ", ".join(local(each) for each in parent) or "nothing"
        raise SignatureError(f"ds:{local(parent)} holds {held}", line=line_of(parent), expected=", ".join(names))
    return list(parent)


def _expect(element: etree._Element, attribute: str, value: str) -> None:
    # Nothing but this attribute, and nothing inside, such as InclusiveNamespaces, that would alter an algorithm.
    if element.items() != [(attribute, value)] or (len(element) and local(element) != "Reference"):
        got = element.get(attribute)
        raise SignatureError(
            f"ds:{local(element)} has {attribute} {got!r}", line=line_of(element), expected=f"{value!r} and no more"
        )


def _check_form(signature: etree._Element) -> None:
    info, value, key_info = _children(signature, "SignedInfo", "SignatureValue", "KeyInfo")
    c14n, method, reference = _children(info, "CanonicalizationMethod", "SignatureMethod", "Reference")
    _expect(c14n, "Algorithm", EXCLUSIVE_C14N)
    _expect(method, "Algorithm", ECDSA_SHA256)
    _expect(reference, "URI", "")
    transforms, digest, _ = _children(reference, "Transforms", "DigestMethod", "DigestValue")
    (transform,) = _children(transforms, "Transform")
    _expect(transform, "Algorithm", ENVELOPED)
    _expect(digest, "Algorithm", SHA256)
    if not _VALUE.fullmatch("".join((value.text or "").split())):
        raise SignatureError("ds:SignatureValue is no signature", line=line_of(value), expected="64 bytes in base64")
    (x509_data,) = _children(key_info, "X509Data")
    (issuer_serial,) = _children(x509_data, "X509IssuerSerial")
    _children(issuer_serial, "X509IssuerName", "X509SerialNumber")


def _parse_issuer(text: str) -> x509.Name | None:
    # Java and Node write "CN=Z1, OU=07" where RFC 4514 has no blank.
    parts = [part.strip() for part in text.split(",")]
    try:
        return x509.Name.from_rfc4514_string(",".join(parts))
    except ValueError:
        return None


def _trusted(
    signature: etree._Element, certificates: Sequence[x509.Certificate] | CertificateLookup
) -> x509.Certificate:
    name, number = signature[2][0][0]
    issuer = _parse_issuer(name.text or "")
    digits = (number.text or "").strip()
    if issuer is None or not (digits.isascii() and digits.isdigit() and len(digits) <= 60):
        raise SignatureError(
            "the signer is not named",
            line=line_of(name),
            expected="an issuer such as CN=Z1,OU=07 and a decimal serial number",
        )
    serial = int(digits)
    found = certificates(issuer, serial) if callable(certificates) else _search(certificates, issuer, serial)
    if found is None:
        raise SignatureError(
            f"it is signed with certificate {serial:032x} of {name.text}, which is not trusted",
            line=line_of(number),
            next_step="Add the certificate to those of the rig, or refresh them from the SMKI repository",
        )
    return found


def _search(certificates: Sequence[x509.Certificate], issuer: x509.Name, serial: int) -> x509.Certificate | None:
    # Some writers print the names in certificate order and not, as RFC 4514 says, in reverse.
    names = (issuer, x509.Name(reversed(list(issuer.rdns))))
    return next((each for each in certificates if each.serial_number == serial and each.issuer in names), None)


def _signed_bytes(root: etree._Element, certificate: x509.Certificate, line: int | None, max_bytes: int) -> bytes:
    # Imported here because it loads schemas and a chain verifier, which a run without signatures can save.
    from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
    from signxml.exceptions import SignXMLException
    from signxml.verifier import SignatureConfiguration, VerifyResult, XMLVerifier

    form = SignatureConfiguration(
        require_x509=True,
        location="./",
        expect_references=1,
        signature_methods=frozenset({SignatureMethod.ECDSA_SHA256}),
        digest_algorithms=frozenset({DigestAlgorithm.SHA256}),
        default_reference_c14n_method=CanonicalizationMethod.CANONICAL_XML_1_0,
        # Validity is a question for the bench's clock, never for the one that signxml would read.
        verification_time=certificate.not_valid_before_utc + timedelta(seconds=1),
    )
    try:
        result = XMLVerifier().verify(root, x509_cert=certificate, expect_config=form, parser=parser_for(max_bytes))
    except (SignXMLException, etree.LxmlError, ValueError) as error:
        raise SignatureError(
            f"the signature does not verify: {error}",
            line=line,
            next_step="The document was changed after signing, or signed with another key than its KeyInfo names",
        ) from error
    if not isinstance(result, VerifyResult) or result.signed_xml is None or result.signed_xml.tag != root.tag:
        raise SignatureError("the signature covers something else", line=line, expected=f"all of {local(root)}")
    return result.signed_data
