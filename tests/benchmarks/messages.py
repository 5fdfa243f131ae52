"""What one message costs: GBCS read and verified, DUIS written and signed, DUIS read and verified.

All times are the processor's, so that others on the machine count little. Beside it, in the same run and for the same
document, the XML work by two others: by signxml alone, a public implementation of XML-Signature (which the bench's own
verification uses, with checks of its own around it), and by the least that lxml and cryptography can do, which checks
neither the signature's form nor who has signed. Further ones, in processes of their own, are those of `peers`. For GBCS
no public implementation with signatures can be installed from an index; beside it stands the one verification that
nobody can leave out.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from lxml import etree
from signxml.algorithms import SignatureConstructionMethod
from signxml.signer import XMLSigner
from signxml.verifier import XMLVerifier

from bench.duis import responses as duis
from bench.duis.request_id import RequestId
from bench.duis.requests import build_request
from bench.duis.signatures import EXCLUSIVE_C14N, sign, verify
from bench.duis.smets1 import Smets1Alert, read_content
from bench.duis.smets1_write import response_message
from bench.eui import Eui64
from bench.gbcs import crypto
from bench.gbcs.alerts import Alert, SupplyOutage, build_alert, decode_alert
from bench.gbcs.catalogue import Encoding
from bench.gbcs.message import Framing, Message
from bench.parties import KeyUse
from drivers.emulated.identities import Identities, RemotePartyRole
from drivers.emulated.s1sp import S1sp
from drivers.emulated.smets1 import OVER_VOLTAGE, Spoken
from tests.benchmarks.peers import peers
from tests.benchmarks.result import Result

_COUNT, _REPEATS = 200, 7
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_USER, _DEVICE = Eui64.parse("90-B3-D5-1F-30-01-00-00"), Eui64.parse("00-DB-12-34-56-78-90-A0")
_PROVIDER = Eui64.parse("90-B3-D5-1F-30-00-00-11")
_SCALAR = 32


def messages() -> list[Result]:
    """Each kind of message by itself, in one thread."""
    identities = Identities(1)
    device = identities.device(_DEVICE, KeyUse.DIGITAL_SIGNATURE)
    xml = identities.organisation(_USER, KeyUse.XML_SIGN, RemotePartyRole.XML_SIGN)
    provider = identities.organisation(_PROVIDER, KeyUse.XML_SIGN, RemotePartyRole.XML_SIGN)
    alert = build_alert(
        Alert(0x8F36, _NOW, Encoding.DLMS, SupplyOutage(_NOW, _NOW)),
        originator=_DEVICE,
        recipient=_USER,
        originator_counter=2000,
        critical=True,
    )
    raw = crypto.sign(alert, device.private_key).encode()
    public = device.certificate.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    request_id = RequestId(_USER, _DEVICE, 1000)
    params = {"device_id": _DEVICE, "install_code": "83FED3407A939723A5C639B26916D505"}

    def read_gbcs() -> None:
        message = Message.parse(raw)
        assert message.framing is Framing.SIGNED and crypto.verify_signature(message, public)
        assert decode_alert(message) is not None

    message = Message.parse(raw)
    assert message.signature is not None
    r, s = message.signature[:_SCALAR], message.signature[_SCALAR:]
    der = utils.encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))

    def verify_only() -> None:
        public.verify(der, message.tbs, ec.ECDSA(hashes.SHA256()))

    def unsigned() -> bytes:
        return build_request("8.11", request_id=request_id, command_variant=1, params=params)

    def write_duis() -> bytes:
        return sign(unsigned(), xml.private_key, xml.certificate)

    answer = duis.DeviceAlert(
        response_id=RequestId(_DEVICE, _USER, 2000), response_date_time=_NOW, alert_code=0x8F36, payload=raw
    )
    delivered = sign(duis.build_response(answer), xml.private_key, xml.certificate)

    def read_duis() -> None:
        assert isinstance(duis.parse_response(verify(delivered, [xml.certificate]).root), duis.DeviceAlert)

    spoken = Spoken(_DEVICE, _USER, OVER_VOLTAGE, _NOW, 2000)
    said = duis.Smets1Response(response_date_time=_NOW, raw=response_message(S1sp(provider).alert(spoken)))
    from_provider = sign(duis.build_response(said), xml.private_key, xml.certificate)

    def read_smets1() -> None:
        outer = duis.parse_response(verify(from_provider, [xml.certificate]).root)
        assert isinstance(outer, duis.Smets1Response)
        assert isinstance(read_content(outer, [provider.certificate]), Smets1Alert)

    request = unsigned()
    signed = write_duis()

    def verify_duis() -> None:
        assert verify(signed, [xml.certificate]).signer == xml.certificate

    def signxml_sign() -> bytes:
        signer = XMLSigner(SignatureConstructionMethod.enveloped, "ecdsa-sha256", "sha256", EXCLUSIVE_C14N)
        root = signer.sign(etree.fromstring(request), key=xml.private_key, cert=[xml.certificate])
        return etree.tostring(root)

    theirs = signxml_sign()

    def signxml_verify() -> None:
        XMLVerifier().verify(etree.fromstring(theirs), x509_cert=xml.certificate)

    key = xml.private_key.public_key()
    others = "by signxml alone"
    return [
        _result("GBCS alert 0x8F36: read and verified", _each_us(read_gbcs)),
        _result("of that, the ECDSA verification alone (cryptography)", _each_us(verify_only)),
        _result("DUIS request 8.11: written, its parameters checked, signed", _each_us(write_duis)),
        _result(f"the same request parsed and signed {others}", _each_us(signxml_sign)),
        _result("DUIS request 8.11: parsed safely, its signature verified", _each_us(verify_duis)),
        _result(f"parsed and verified {others}", _each_us(signxml_verify)),
        _result("parsed and verified by the least of lxml and cryptography", _each_us(lambda: _least(signed, key))),
        _result("DUIS alert with its GBCS message: verified and read", _each_us(read_duis)),
        _result("SMETS1 alert: both signatures verified, read", _each_us(read_smets1)),
        *peers(request, signed, xml),
    ]


def _least(document: bytes, key: ec.EllipticCurvePublicKey) -> None:
    """Verify an enveloped signature, and believe everything that it says of itself."""
    root = etree.fromstring(document)
    signature = root[-1]
    info, value = signature[0], signature[1]
    signed_info = etree.tostring(info, method="c14n", exclusive=True)
    digest = info[2][2].text
    root.remove(signature)
    assert base64.b64decode(digest or "") == hashlib.sha256(etree.tostring(root, method="c14n")).digest()
    raw = base64.b64decode(value.text or "")
    r, s = (int.from_bytes(part, "big") for part in (raw[:_SCALAR], raw[_SCALAR:]))
    key.verify(utils.encode_dss_signature(r, s), signed_info, ec.ECDSA(hashes.SHA256()))


def _result(what: str, samples: list[float], note: str = "") -> Result:
    rate = f"{1e6 / sorted(samples)[len(samples) // 2]:.0f}/s"
    return Result(what, "us", samples, None, f"{rate}{'; ' + note if note else ''}")


def _each_us(what: Callable[[], object]) -> list[float]:
    what()
    samples = []
    for _ in range(_REPEATS):
        began_s = time.process_time()
        for _ in range(_COUNT):
            what()
        samples.append((time.process_time() - began_s) / _COUNT * 1e6)
    return samples
