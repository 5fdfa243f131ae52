from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from bench.duis.errors import DuisError, SignatureError
from bench.duis.messages import DccAlert, Smets1Response
from bench.duis.names import DS, RA, SR
from bench.duis.request_id import RequestId
from bench.duis.responses import build_response, parse_response
from bench.duis.safe_xml import parse
from bench.duis.signatures import sign, verify
from bench.duis.smets1 import S1spAlert, Smets1Alert, Smets1Result, parse_content, read_content, verify_provider
from bench.eui import Eui64
from tests.duis.certs import DSP, STRANGER, USER, make_signer

DEVICE = Eui64.parse("00-0A-BC-12-34-56-78-90")
OPERATOR = Eui64.parse("90-B3-D5-1F-30-02-00-00")
PROVIDER = make_signer("90-B3-D5-1F-30-07-00-00", seed=7, serial=7007)
PROVIDERS = [PROVIDER.certificate]
WHEN = datetime(2026, 1, 1, 12, tzinfo=UTC)
MOMENT = "2026-01-01T12:00:00Z"

HEADER = (
    f"<sr:Header><ra:BusinessOriginatorID>{DEVICE}</ra:BusinessOriginatorID>"
    f"<ra:BusinessTargetID>{OPERATOR}</ra:BusinessTargetID><ra:OriginatorCounter>1200</ra:OriginatorCounter>"
    "{more}</sr:Header>"
)
ALERT = (
    "<sr:DeviceAlertMessage><ra:DeviceAlertContent><ra:GBCSHexAlertCode>{code}</ra:GBCSHexAlertCode>"
    "<ra:AlertDescription>{what}</ra:AlertDescription>"
    f"<ra:Timestamp>{MOMENT}</ra:Timestamp>"
    "{payload}</ra:DeviceAlertContent></sr:DeviceAlertMessage>"
)
RESULT = (
    "<sr:ResponseMessage><ra:SMETSData><ra:ReadSupplyStatusRsp MessageSuccess='true'>"
    "<ra:SupplyState>Enabled</ra:SupplyState><ra:Gas><ra:RemainingBatteryCapacity>4200</ra:RemainingBatteryCapacity>"
    "</ra:Gas></ra:ReadSupplyStatusRsp></ra:SMETSData></sr:ResponseMessage>"
)
NAMESPACES = {"sr": SR, "ra": RA, "ds": DS, "xsi": "http://www.w3.org/2001/XMLSchema-instance"}


def declare(*prefixes: str) -> str:
    return " ".join(f'xmlns:{prefix}="{NAMESPACES[prefix]}"' for prefix in prefixes)


def alert(code: str = "8F40", what: str = "Over voltage", payload: str = "") -> str:
    return ALERT.format(code=code, what=what, payload=payload)


def provided(body: str, *, declared: str = "", inside: str = "", more: str = "", signer: Any = PROVIDER) -> bytes:
    """What the provider signs, with namespaces declared at its root or further inside."""
    response = f"<sr:SMETS1Response {inside}>{HEADER.format(more=more)}<sr:Body>{body}</sr:Body></sr:SMETS1Response>"
    document = f'<sr:SMETS1SignedResponse {declare("sr")} {declared} schemaVersion="5.4">{response}'
    return sign(f"{document}</sr:SMETS1SignedResponse>".encode(), signer.key, signer.certificate)


def without_declaration(document: bytes) -> str:
    return document.decode().split("?>", 1)[-1].strip()


def delivered(inner: bytes, *, declared: str = "", named: str = "", code: str = "I0") -> bytes:
    """What the DCC makes of it, and signs."""
    header = f"<sr:ResponseCode>{code}</sr:ResponseCode><sr:ResponseDateTime>{MOMENT}</sr:ResponseDateTime>"
    message = f"<sr:SMETS1ResponseMessage>{named}{without_declaration(inner)}</sr:SMETS1ResponseMessage>"
    document = (
        f'<sr:Response {declare("sr")} {declared} schemaVersion="5.4"><sr:Header>{header}</sr:Header>'
        f"<sr:Body>{message}</sr:Body></sr:Response>"
    )
    return sign(document.encode(), DSP.key, DSP.certificate)


def received(document: bytes) -> Smets1Response:
    """As the bench receives it: only what the DCC's signature covers."""
    message = parse_response(verify(document, [DSP.certificate]).root)
    assert isinstance(message, Smets1Response)
    return message


@pytest.mark.parametrize(("code", "what"), [("8F40", "Over voltage"), ("8F41", "Under voltage")])
def test_voltage_alerts_come_with_two_good_signatures(code: str, what: str, duis_schema: etree.XMLSchema) -> None:
    document = delivered(provided(alert(code, what), declared=declare("ra")))
    duis_schema.assertValid(parse(document))
    message = received(document)
    assert message.device_alert_code == int(code, 16)
    content = read_content(message, PROVIDERS)
    assert isinstance(content, Smets1Alert)
    assert (content.code, content.description, content.timestamp) == (int(code, 16), what, WHEN)
    assert (content.header.originator, content.header.target) == (DEVICE, OPERATOR)
    assert verify_provider(message, PROVIDERS).signer_eui == Eui64.parse("90-B3-D5-1F-30-07-00-00")


def test_a_response_is_read_with_its_header(duis_schema: etree.XMLSchema) -> None:
    more = (
        f"<ra:SupplementaryRemotePartyID>{USER_EUI}</ra:SupplementaryRemotePartyID>"
        "<ra:SupplementaryRemotePartyCounter>77</ra:SupplementaryRemotePartyCounter>"
        "<ra:GBCSHexadecimalMessageCode>0044</ra:GBCSHexadecimalMessageCode>"
        "<ra:ServiceReference>7.4</ra:ServiceReference><ra:ServiceReferenceVariant>7.4</ra:ServiceReferenceVariant>"
        f'<ra:Timestamp isFromGSME="true" ClockStatus="unreliable">{MOMENT}</ra:Timestamp>'
    )
    named = "<sr:ServiceReference>7.4</sr:ServiceReference><sr:ServiceReferenceVariant>7.4</sr:ServiceReferenceVariant>"
    document = delivered(provided(RESULT, declared=declare("ra"), more=more), named=named)
    duis_schema.assertValid(parse(document))
    message = received(document)
    assert (message.service_reference, message.service_reference_variant, message.schedule_id) == ("7.4", "7.4", None)
    content = read_content(message, PROVIDERS)
    assert isinstance(content, Smets1Result)
    assert (content.name, content.success) == ("ReadSupplyStatusRsp", True)
    assert content.values == {"supply_state": "Enabled", "gas": {"remaining_battery_capacity": "4200"}}
    header = content.header
    assert (header.message_code, header.is_from_gsme, header.clock_status) == (0x0044, True, "unreliable")
    assert (header.timestamp, header.service_reference_variant) == (WHEN, "7.4")
    assert header.request_id == RequestId(USER_EUI, DEVICE, 77)


USER_EUI = Eui64.parse("90-B3-D5-1F-30-01-00-00")


def test_what_an_alert_adds_is_read() -> None:
    payload = (
        f"<ra:Payload><ra:SupplyOutageRestoreAlert><ra:interruptionValue>{MOMENT}</ra:interruptionValue>"
        f"<ra:restorationValue>{MOMENT}</ra:restorationValue></ra:SupplyOutageRestoreAlert></ra:Payload>"
    )
    content = read_content(
        received(delivered(provided(alert("8F36", payload=payload), declared=declare("ra")))), PROVIDERS
    )
    assert isinstance(content, Smets1Alert)
    assert content.payload == {
        "supply_outage_restore_alert": {"interruption_value": MOMENT, "restoration_value": MOMENT}
    }


ROOTS = [(), ("ra",), ("ds",), ("ra", "ds"), ("ra", "xsi"), ("ra", "ds", "xsi")]


# Where the provider declares a namespace below its root, and the DCC at its own, that cannot be told any more.
PAIRS = [(ours, theirs) for ours in ROOTS for theirs in ROOTS if "ra" in ours or not {"ra", *ours} & {*theirs}]


@pytest.mark.parametrize(("provider", "dcc"), PAIRS)
def test_both_signatures_are_good_wherever_namespaces_are_declared(
    provider: tuple[str, ...], dcc: tuple[str, ...]
) -> None:
    inside = "" if "ra" in provider else declare("ra")
    inner = provided(alert(), declared=declare(*provider), inside=inside)
    assert verify(inner, PROVIDERS).signer is PROVIDER.certificate
    message = received(delivered(inner, declared=declare(*dcc)))
    content = read_content(message, PROVIDERS)
    assert isinstance(content, Smets1Alert)
    assert content.code == 0x8F40
    # What an emulated DCC writes again is as good.
    again = sign(build_response(message), DSP.key, DSP.certificate)
    assert received(again) == message
    assert read_content(received(again), PROVIDERS) == content


def test_white_space_around_the_provider_s_signature_is_part_of_what_was_signed() -> None:
    inner = provided(alert(), declared=declare("ra")).decode().replace("<sr:SMETS1Response >", "<sr:SMETS1Response>")
    document = inner[: inner.index("<ds:Signature")].replace("<?xml version='1.0' encoding='UTF-8'?>", "")
    spaced = sign(f"{document}\n\n</sr:SMETS1SignedResponse>".encode(), PROVIDER.key, PROVIDER.certificate).decode()
    apart = spaced.replace("\n\n<ds:Signature", "\n<ds:Signature").replace("</ds:Signature>", "</ds:Signature>\n")
    assert apart != spaced
    for each in (spaced, apart):
        assert isinstance(read_content(received(delivered(each.encode())), PROVIDERS), Smets1Alert)


GOOD = provided(alert(), declared=declare("ra"))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("Over voltage", "Under voltage"),
        lambda text: text.replace(">8F40<", ">8F41<"),
        lambda text: text.replace(">1200<", ">1201<"),
        lambda text: text.replace('schemaVersion="5.4"', 'schemaVersion="5.3"'),
        lambda text: text.replace("<sr:Body>", "<sr:Body x='1'>"),
    ],
)
def test_what_was_changed_on_its_way_to_the_dcc_is_refused(change: Any) -> None:
    changed = change(GOOD.decode())
    assert changed != GOOD.decode()
    message = received(delivered(changed.encode()))
    with pytest.raises(SignatureError, match="does not verify"):
        read_content(message, PROVIDERS)


def test_the_provider_must_be_a_trusted_one_and_the_dcc_vouches_for_itself_only() -> None:
    message = received(delivered(provided(alert(), declared=declare("ra"), signer=STRANGER)))
    with pytest.raises(SignatureError, match="not trusted"):
        read_content(message, [*PROVIDERS, DSP.certificate, USER.certificate])
    with pytest.raises(SignatureError, match="not trusted"):
        verify(delivered(GOOD), PROVIDERS)


def test_a_message_without_the_provider_s_signature_is_refused() -> None:
    root = etree.fromstring(GOOD)
    root.remove(root[-1])
    message = received(delivered(etree.tostring(root)))
    with pytest.raises(SignatureError, match="no signature"):
        read_content(message, PROVIDERS)
    twice = etree.fromstring(GOOD)
    twice.append(etree.fromstring(etree.tostring(twice[-1])))
    with pytest.raises(DuisError):
        read_content(received(delivered(etree.tostring(twice))), PROVIDERS)


def test_a_second_document_beside_the_signed_one_is_refused() -> None:
    text = without_declaration(GOOD)
    forged = text.replace("8F40", "8F32")
    with pytest.raises(DuisError):
        message = received(delivered((text + forged).encode()))
        read_content(message, PROVIDERS)


def test_malformed_content_is_refused_with_the_reason() -> None:
    for body, why in (
        ("<sr:DeviceAlertMessage/>", "no DeviceAlertContent"),
        (alert().replace("AlertDescription", "Description"), "has Description too early.*AlertDescription"),
        (alert().replace(MOMENT, "today"), "Timestamp is 'today'"),
        ("<sr:Other/>", "Body holds Other"),
    ):
        message = received(delivered(provided(body, declared=declare("ra"))))
        with pytest.raises(DuisError, match=why):
            read_content(message, PROVIDERS)
    with pytest.raises(DuisError, match="the document is"):
        parse_content(etree.fromstring(f"<sr:Other {declare('sr')}/>"))


def s1sp_alert(extra: str) -> bytes:
    document = (
        f'<sr:S1SPAlert {declare("sr")} schemaVersion="5.4"><sr:DeviceID>{DEVICE}</sr:DeviceID>'
        f"<sr:S1SPAlertCode>S1VE1</sr:S1SPAlertCode>{extra}<sr:DateTime>{MOMENT}</sr:DateTime></sr:S1SPAlert>"
    )
    return sign(document.encode(), PROVIDER.key, PROVIDER.certificate)


def n55(inner: bytes, code: str = "N55") -> DccAlert:
    holder = f"<sr:S1SPAlertDSP {declare('sr', 'ra')}>{without_declaration(inner)}</sr:S1SPAlertDSP>"
    alert = DccAlert(response_date_time=WHEN, alert_code=code, body_name="S1SPAlertDSP", raw_body=holder.encode())
    document = sign(build_response(alert), DSP.key, DSP.certificate)
    message = parse_response(verify(document, [DSP.certificate]).root)
    assert isinstance(message, DccAlert)
    return message


def test_alerts_of_the_provider_itself_are_read_too(duis_schema: etree.XMLSchema) -> None:
    message = n55(s1sp_alert("<sr:AdditionalInformation>no answer</sr:AdditionalInformation>"))
    duis_schema.assertValid(parse(build_response(message)))
    assert read_content(message, PROVIDERS) == S1spAlert(
        request_id=None,
        device_id=DEVICE,
        code="S1VE1",
        additional_information="no answer",
        utrn=None,
        date_time=WHEN,
    )
    content = read_content(n55(s1sp_alert("<sr:UTRN>12345678901234567890</sr:UTRN>"), "N56"), PROVIDERS)
    assert isinstance(content, S1spAlert)
    assert content.utrn == "12345678901234567890"
    assert content.utrn not in repr(content)
    with pytest.raises(SignatureError, match="not trusted"):
        read_content(message, [DSP.certificate])
    with pytest.raises(DuisError, match="no document of a SMETS1"):
        verify_provider(replace(message, raw_body=None), PROVIDERS)


@given(st.data())
def test_a_changed_byte_is_refused_or_changes_nothing(data: st.DataObject) -> None:
    document = without_declaration(GOOD).encode()
    position = data.draw(st.integers(0, len(document) - 1))
    changed = document[:position] + bytes([data.draw(st.integers(32, 126))]) + document[position + 1 :]
    try:
        content = read_content(received(delivered(changed)), PROVIDERS)
    except DuisError:
        return
    assert content == read_content(received(delivered(GOOD)), PROVIDERS)
