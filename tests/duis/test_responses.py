from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from bench.duis import values as v
from bench.duis.alert_bodies import ALERT_BODIES, INVENTORY_DEVICE
from bench.duis.codes import dcc_alert_codes, response_codes
from bench.duis.errors import DuisError
from bench.duis.names import RA, SR
from bench.duis.request_id import RequestId
from bench.duis.responses import (
    Acknowledgement,
    DccAlert,
    DeviceAlert,
    DspResponse,
    ErrorResponse,
    FutureDatedDeviceAlert,
    GbcsResponse,
    InventoryDevice,
    InventoryResponse,
    LocalCommand,
    OtherServiceResponse,
    PreCommand,
    Response,
    Smets1Response,
    build_response,
    parse_response,
)
from bench.duis.safe_xml import parse
from bench.duis.signatures import sign, verify
from bench.errors import UsageError
from bench.eui import Eui64
from tests.duis.certs import DSP
from tests.duis.strategies import of_kind, params_of
from tests.duis.test_request_id import request_ids

USER = Eui64.parse("90-B3-D5-1F-30-01-00-00")
ESME = Eui64.parse("00-DB-12-34-56-78-90-A0")
HUB = Eui64.parse("00-DB-12-34-56-78-90-A2")
ID = RequestId(USER, ESME, 1660751141087)
WHEN = datetime(2026, 1, 1, 12, 0, 0, 264_000, tzinfo=UTC)
ANSWER: dict[str, Any] = {"request_id": ID, "response_id": ID.response_id(), "response_date_time": WHEN}
OF_811: dict[str, Any] = {**ANSWER, "service_reference": "8.11", "service_reference_variant": "8.11"}
UNASKED: dict[str, Any] = {"response_id": RequestId(ESME, USER, 7), "response_date_time": WHEN}

MESSAGES: dict[str, Response] = {
    "acknowledgement": Acknowledgement(**OF_811, response_code="I99"),
    "error": ErrorResponse(**OF_811 | {"response_id": None}, response_code="E19"),
    "pre-command": PreCommand(**OF_811, gbcs_version="4.1", payload=b"\xdf\x09\x01"),
    "GBCS response": GbcsResponse(**OF_811, payload=b"\xdf\x09\x02"),
    "scheduled": GbcsResponse(**OF_811, payload=b"\xdf\x09\x02", schedule_id=10**12),
    "CIN": GbcsResponse(**OF_811, payload=b"\xdf\x09\x02", customer_identification_number="0042"),
    "local command": LocalCommand(**OF_811, payload=b"\xdd"),
    "future dated": FutureDatedDeviceAlert(
        **OF_811, alert_code=0x8F66, payload=b"\xdf", instruction_number=2, total_instructions=3
    ),
    "inventory": InventoryResponse(
        **OF_811,
        devices=(
            InventoryDevice(
                device_id=HUB,
                device_type="CHF",
                device_status="Commissioned",
                device_manufacturer="106C",
                device_model="433100AC",
                more={"date_commissioned": date(2025, 12, 28), "uprn": 123456789012, "connectivity": "Virtual"},
            ),
            InventoryDevice(
                device_id=ESME, device_type="CAD", device_status=None, device_manufacturer="GEO", device_model="9001"
            ),
        ),
    ),
    "schedule ID": DspResponse(**OF_811, name="DSPScheduleID", values={"dsp_schedule_id": 5}),
    "schedules": DspResponse(
        **OF_811,
        name="DSPSchedulesRead",
        values={
            "dsp_schedules": (
                {
                    "dsp_schedule_id": 5,
                    "dsp_schedule_details": {
                        "schedule_frequency": "Daily",
                        "schedule_start_date": date(2026, 1, 2),
                        "schedule_end_date": date(2026, 2, 2),
                        "dsp_scheduled_service_reference": "4.16",
                        "dsp_scheduled_service_reference_variant": "4.16",
                        "device_id": ESME,
                        "dsp_read_active_power_import": True,
                    },
                },
            )
        },
    ),
    "opt-in": DspResponse(
        **OF_811,
        name="DSPOptIn",
        values={"device_id": ESME, "dsp_broker_security_credentials_key_agreement": b"certificate"},
    ),
    "firmware warning": DspResponse(
        **OF_811, name="DSPUpdateFirmwareWarning", values={"invalid_device_id_list": f"{ESME},{HUB}"}
    ),
    "PPMID firmware warning": DspResponse(
        **OF_811, name="DSPUpdatePPMIDFirmwareWarning", values={"not_commissioned_device_id_list": str(HUB)}
    ),
    "WAN matrix": DspResponse(
        **OF_811,
        name="DSPWANMatrix",
        values={
            "request": {"uprn": 100},
            "dsp_wan_matrix_response": (
                {"csp_region": "4G North", "csp_region_response_code": "E120101"},
                {
                    "csp_region": "North",
                    "csp_region_response_code": "I0",
                    "coverage_availability": True,
                    "wan_technology": "LRR",
                    "connectivity_likelihood": "High",
                },
            ),
        },
    ),
    "device alert": DeviceAlert(**UNASKED, alert_code=0x8F36, payload=b"\xdf\x09\x03"),
    "throttled device alert": DeviceAlert(
        **UNASKED, alert_code=0x0002, payload=b"", throttled_sequence_id=0, throttled_count=2**32 - 1
    ),
    "AD1": DccAlert(
        **UNASKED,
        alert_code="AD1",
        body_name="PowerOutageEvent",
        body={"comms_hub_device_id": HUB, "start_date_time": WHEN, "mpxn": "1312345678111"},
    ),
    "N24": DccAlert(
        **UNASKED,
        alert_code="N24",
        body_name="UpdateHANDeviceLogResult",
        body={"update_han_device_log_service_request_id": ID},
        throttled_sequence_id=1,
        throttled_count=2,
    ),
    "N1": DccAlert(
        **UNASKED,
        alert_code="N1",
        body_name="DeviceStatusChangeEvent",
        body={
            "device_id": ESME,
            "meter_decommissioning_or_withdrawal": {
                "import_mpxn": "1312345678111",
                "associated_type1_device": ({"device_id": HUB, "device_type": "HCALCS"},),
            },
        },
    ),
    "N16": DccAlert(
        **UNASKED,
        alert_code="N16",
        body_name="DeviceStatusChangeEvent",
        body={"device_id": ESME, "meter_identity": {"import_mpxn": "1312345678111", "esme_variant": "AD"}},
    ),
    "N53": DccAlert(
        **UNASKED, alert_code="N53", body_name="CommandFailure", body={"command_request_id": ID, "device_id": ESME}
    ),
    "N54": DccAlert(
        **UNASKED,
        alert_code="N54",
        body_name="DualBandCHAlert",
        body={
            "chf_device_id": HUB,
            "device_alert_code": b"\x8f\x26",
            "gbcs_hexadecimal_message_code": b"\x01\x11",
            "sub_ghz_channel_changed": {
                "operating_upper_band_sub_ghz_channel": {"channel26": True},
                "scan_trigger": "GSMEMissedItsCurfew",
            },
        },
    ),
}

OPAQUE: dict[str, Response] = {
    "N42": DccAlert(
        **UNASKED,
        alert_code="N42",
        body_name="SecurityCredentialsUpdated",
        raw_body=(
            f'<sr:SecurityCredentialsUpdated xmlns:sr="{SR}"><sr:DeviceID>{ESME}</sr:DeviceID>'
            "<sr:RemotePartyRole>Supplier</sr:RemotePartyRole><sr:Certificates>"
            "<sr:CertificateType>KeyAgreement</sr:CertificateType><sr:CertificateHash>AAAA</sr:CertificateHash>"
            "</sr:Certificates></sr:SecurityCredentialsUpdated>"
        ).encode(),
    ),
}
ALL = MESSAGES | OPAQUE


def test_an_answer_of_a_later_schema_is_kept_as_it_came() -> None:
    raw = f'<sr:DSPNews xmlns:sr="{SR}">5</sr:DSPNews>'.encode()
    news = OtherServiceResponse(**OF_811, name="DSPNews", raw=raw)
    assert read_back(build_response(news)) == news


def read_back(document: bytes) -> Response:
    return parse_response(parse(document))


@pytest.mark.parametrize("name", ALL)
def test_what_is_written_is_read_back(name: str) -> None:
    assert read_back(build_response(ALL[name])) == ALL[name]


@pytest.mark.parametrize("name", ALL)
def test_it_is_valid_before_and_after_signing(name: str, duis_schema: etree.XMLSchema) -> None:
    document = build_response(ALL[name])
    duis_schema.assertValid(parse(document))
    signed = sign(document, DSP.key, DSP.certificate)
    duis_schema.assertValid(parse(signed))
    assert parse_response(verify(signed, [DSP.certificate]).root) == ALL[name]


def test_an_alert_says_what_it_is_about() -> None:
    def of(name: str) -> DccAlert:
        alert = MESSAGES[name]
        assert isinstance(alert, DccAlert)
        return alert

    assert (of("N24").about_request, of("N24").device_id) == (ID, None)
    assert (of("AD1").about_request, of("AD1").device_id) == (None, HUB)
    assert (of("N53").about_request, of("N53").device_id) == (ID, ESME)
    assert of("N1").device_id == ESME


@pytest.mark.parametrize("name", ALERT_BODIES)
@settings(max_examples=15)
@given(data=st.data())
def test_every_alert_body_goes_to_xml_and_back(name: str, data: st.DataObject) -> None:
    body = data.draw(params_of(ALERT_BODIES[name]))
    code = data.draw(st.sampled_from(list(dcc_alert_codes())))
    alert = DccAlert(**UNASKED, alert_code=code, body_name=name, body=body)
    assert read_back(build_response(alert)) == alert


@pytest.mark.parametrize("name", ALERT_BODIES)
def test_every_alert_body_is_valid(name: str, duis_schema: etree.XMLSchema) -> None:
    @settings(max_examples=8, database=None)
    @given(params_of(ALERT_BODIES[name]))
    def check(body: dict[str, Any]) -> None:
        body = _with_esme_variant(body)
        duis_schema.assertValid(parse(build_response(DccAlert(**UNASKED, alert_code="N1", body_name=name, body=body))))

    check()


def _with_esme_variant(body: dict[str, Any]) -> dict[str, Any]:
    """The bench reads any ESME variant, the schema has a list of them."""
    return {
        name: _with_esme_variant(value) if isinstance(value, dict) else "ADE" if name == "esme_variant" else value
        for name, value in body.items()
    }


headers = st.fixed_dictionaries(
    {
        "request_id": st.none() | request_ids,
        "response_id": st.none() | request_ids,
        "response_date_time": of_kind(v.DATE_TIME),
    }
)


@given(headers, st.sampled_from(list(response_codes())), st.binary(max_size=300), st.integers(0, 0xFFFF))
def test_headers_codes_and_payloads_survive(header: dict[str, Any], code: str, payload: bytes, alert: int) -> None:
    names = {"service_reference": "7.4", "service_reference_variant": "7.4"}
    of_74: dict[str, Any] = {**header, **names, "response_code": code}
    empty = Acknowledgement(**of_74) if code.startswith("I") else ErrorResponse(**of_74)
    device = DeviceAlert(**header, response_code=code, alert_code=alert, payload=payload)
    for message in (empty, device, GbcsResponse(**of_74, payload=payload)):
        assert read_back(build_response(message)) == message


@given(st.lists(params_of(INVENTORY_DEVICE), min_size=1, max_size=3))
def test_an_inventory_survives(entries: list[dict[str, Any]]) -> None:
    base = ("device_id", "device_type", "device_status", "device_manufacturer", "device_model")
    devices = tuple(
        InventoryDevice(
            **dict[str, Any]({name: entry.get(name) for name in base}),
            more={name: value for name, value in entry.items() if name not in base},
        )
        for entry in entries
    )
    message = InventoryResponse(**OF_811, devices=devices)
    assert read_back(build_response(message)) == message


SMETS1 = (
    f'<sr:SMETS1ResponseMessage xmlns:sr="{SR}"><sr:SMETS1SignedResponse schemaVersion="5.4">'
    f'<sr:SMETS1Response><sr:Body><sr:DeviceAlertMessage><ra:X xmlns:ra="{RA}">'
    "<ra:GBCSHexAlertCode>8F40</ra:GBCSHexAlertCode></ra:X></sr:DeviceAlertMessage></sr:Body></sr:SMETS1Response>"
    "</sr:SMETS1SignedResponse></sr:SMETS1ResponseMessage>"
)


def test_a_smets1_alert_is_kept_whole_with_its_code() -> None:
    message = Smets1Response(**UNASKED, raw=SMETS1.encode(), device_alert_code=0x8F40)
    assert read_back(build_response(message)) == message
    broken = build_response(message).replace(b"8F40", b"8F4")
    with pytest.raises(DuisError, match="GBCSHexAlertCode is '8F4'"):
        read_back(broken)


def test_an_unknown_body_of_a_dcc_alert_is_kept_raw() -> None:
    document = build_response(MESSAGES["N24"]).replace(b"UpdateHANDeviceLogResult>", b"SomethingNew>")
    alert = read_back(document)
    assert isinstance(alert, DccAlert)
    assert (alert.alert_code, alert.body_name, dict(alert.body)) == ("N24", "SomethingNew", {})
    assert alert.raw_body is not None
    assert str(ID).encode() in alert.raw_body
    assert read_back(build_response(alert)) == alert


def test_times_without_a_zone_are_utc() -> None:
    document = build_response(MESSAGES["acknowledgement"])
    assert b"2026-01-01T12:00:00.264000Z" in document
    bare = document.replace(b"264000Z", b"264")
    assert read_back(bare) == MESSAGES["acknowledgement"]
    shifted = document.replace(b"T12:00:00.264000Z", b"T13:00:00.264+01:00")
    assert read_back(shifted) == MESSAGES["acknowledgement"]


MALFORMED = [
    ("acknowledgement", "ResponseCode>I99<", "ResponseCode>OK<", "ResponseCode is 'OK'.*I99"),
    ("acknowledgement", "ResponseCode>I99<", "ResponseCode><sr:x/><", "ResponseCode holds elements"),
    ("acknowledgement", "ResponseDateTime>2026", "ResponseDateTime>26", "ResponseDateTime is"),
    ("acknowledgement", "ResponseDateTime>2026-01-01", "ResponseDateTime>2026-02-30", "ResponseDateTime is"),
    ("acknowledgement", "ResponseDateTime>2026-01-01T12", "ResponseDateTime>0001-01-01T25", "ResponseDateTime is"),
    ("acknowledgement", "RequestID>90", "RequestID>9", "RequestID is"),
    ("acknowledgement", "<sr:ServiceReference>8.11</sr:ServiceReference>", "", "no ServiceReference"),
    ("acknowledgement", "<sr:Body>", "<sr:Body/><sr:Body>", "Header, Body, Body"),
    ("acknowledgement", "sr:ResponseMessage", "sr:Surprise", "Body holds Surprise"),
    ("GBCS response", "<sr:GBCSPayload>", "<sr:GBCSPayload>!", "GBCSPayload is '!3wkC'.*base64"),
    ("GBCS response", "<sr:GBCSPayload>", "<sr:LocalCommand/><sr:GBCSPayload>", "two contents"),
    ("future dated", "8F66", "8F6600", "FutureDatedAlertCode is"),
    ("future dated", "InstructionNumber>2<", "InstructionNumber>two<", "InstructionNumber is 'two'"),
    ("inventory", "<sr:DeviceType>CHF", "<sr:DeviceType>Hub", "DeviceType is 'Hub'.*ESME"),
    ("inventory", "<sr:DSPInventory>", "<sr:DSPInventory><sr:X/>", "DSPInventory holds X"),
    ("device alert", "AlertCode>8F36<", "AlertCode>8F3X<", "AlertCode is '8F3X'"),
    ("AD1", "DCCAlertCode>AD1<", "DCCAlertCode>X1<", "DCCAlertCode is 'X1'"),
    ("AD1", "<sr:MPxN>1312345678111</sr:MPxN>", "", "PowerOutageEvent has its end too early.*MPxN"),
    ("N24", "<sr:DCCAlert>", "<sr:DCCAlert><sr:X/>", "DCCAlert holds X, UpdateHANDeviceLogResult"),
    ("N1", "MeterDecommissioningOrWithdrawal>", "X>", "DeviceStatusChange has X too early"),
]


@pytest.mark.parametrize(("name", "old", "new", "message"), MALFORMED)
def test_a_malformed_response_is_refused_with_line_and_reason(name: str, old: str, new: str, message: str) -> None:
    document = build_response(MESSAGES[name])
    assert old.encode() in document
    with pytest.raises(DuisError, match=message) as caught:
        read_back(document.replace(old.encode(), new.encode()))
    assert caught.value.line == 2


def test_a_request_is_no_response_and_wrong_builds_are_named() -> None:
    with pytest.raises(DuisError, match="Request"):
        read_back(f'<sr:Request xmlns:sr="{SR}"/>'.encode())
    alert = MESSAGES["AD1"]
    assert isinstance(alert, DccAlert)
    with pytest.raises(UsageError, match="AD1 PowerOutageEvent needs 'mpxn'"):
        build_response(replace(alert, body={"comms_hub_device_id": HUB, "start_date_time": WHEN}))
    with pytest.raises(DuisError, match="no shape for Outage.*raw_body"):
        build_response(replace(alert, body_name="Outage"))
    with pytest.raises(TypeError, match="Response has no content"):
        build_response(Response(response_date_time=WHEN))


@given(st.data())
def test_a_changed_byte_gives_a_message_or_a_duis_error(data: st.DataObject) -> None:
    document = build_response(data.draw(st.sampled_from(list(ALL.values()))))
    position = data.draw(st.integers(0, len(document) - 1))
    changed = document[:position] + bytes([data.draw(st.integers(0, 255))]) + document[position + 1 :]
    try:
        assert isinstance(read_back(changed), Response)
    except DuisError as error:
        assert str(error)
