from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from bench.duis.bodies import SIGNED_PRE_COMMAND, body_of
from bench.duis.errors import DuisError
from bench.duis.names import SR
from bench.duis.request_id import RequestId
from bench.duis.requests import Request, build_request, complete_params, parse_request
from bench.duis.safe_xml import parse
from bench.duis.service_requests import all_service_requests, service_request
from bench.duis.signatures import sign, verify
from bench.errors import UsageError
from bench.eui import Eui64
from tests.duis.certs import USER
from tests.duis.strategies import params_of
from tests.duis.test_request_id import request_ids

ESME = Eui64.parse("00-DB-12-34-56-78-90-A0")
GPF = Eui64.parse("00-DB-12-34-56-78-90-A3")
CODE = "00112233445566778899AABBCCDDEEFF"
ID = RequestId(Eui64.parse("90-B3-D5-1F-30-01-00-00"), ESME, 1000)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
KNOWN = list(all_service_requests())

EXAMPLES: list[tuple[str, int, dict[str, Any]]] = [
    (
        "12.2",
        8,
        {
            "device_id": ESME,
            "device_manufacturer": "106C",
            "device_model": "433100AC",
            "device_type": "ESME",
            "esme_variant": "A",
            "firmware_version": "9001",
            "smets_chts_version": "SMETS2 V4.2",
        },
    ),
    (
        "12.2",
        8,
        {
            "device_id": ESME,
            "device_manufacturer": "1",
            "device_model": "2",
            "device_type": "CHF",
            "associated_gpf_device_id": GPF,
        },
    ),
    ("8.11", 1, {"device_id": ESME, "install_code": CODE, "join_time_period": 3600}),
    ("8.11", 1, {"device_id": ESME, "request_type": "Remove"}),
    ("8.1.1", 4, {"current_date_time": NOON, "tolerance_period": 60}),
    ("8.1.1", 5, {"gbcs_payload": b"\xdf\x09"}),
    (
        "6.21",
        1,
        {"digital_signing_certificate": b"DER", "certificate": [b"path"], "remote_party_floor_seq_number": 2**63 - 1},
    ),
    ("8.7.2", 1, {"other_device_id": GPF}),
    ("6.20.1", 1, {"import_mpan": "1312345678111", "secondary_import_mpan": "1312345678222"}),
    ("6.20.1", 1, {"import_mprn": "1234567890"}),
    ("7.1", 4, {}),
    ("7.2", 5, {"gbcs_payload": b"\xdf\x09", "execution_date_time": NOON}),
    ("7.3", 4, {}),
    ("7.4", 1, {}),
    ("6.5", 1, {"average_rms_over_voltage_threshold": 253, "average_rms_voltage_measurement_period": 60}),
    (
        "6.5",
        1,
        {
            "poly_phase_voltage_settings": [
                {"phase": phase, "average_rms_over_voltage_threshold": 250 + phase} for phase in (1, 2, 3)
            ],
            "rms_voltage_counters_not_reset": True,
        },
    ),
    ("6.2.1", 1, {}),
    ("8.2", 8, {"device_id": ESME}),
    ("8.2", 8, {"post_code": "1111-111", "address_identifier": "12334"}),
    ("8.3", 8, {"device_id": ESME}),
    ("8.4", 8, {"device_id": ESME, "update_device_status_except_ch": "Pending"}),
    ("8.4", 8, {"device_id": ESME, "update_device_status_ch": "Commissioned"}),
    ("8.4", 8, {"device_id": ESME, "delete_device": True}),
    ("8.4", 8, {"device_id": ESME, "export_mpan": "1312345678111"}),
]


def read_back(document: bytes) -> Request:
    return parse_request(parse(document))


@pytest.mark.parametrize(("variant", "command_variant", "params"), EXAMPLES)
def test_what_is_written_is_read_back(variant: str, command_variant: int, params: Mapping[str, Any]) -> None:
    document = build_request(variant, request_id=ID, command_variant=command_variant, params=params)
    request = read_back(document)
    complete = complete_params(variant, command_variant, params)
    assert request == Request(
        request_id=ID,
        command_variant=command_variant,
        service_reference=service_request(variant).reference,
        service_reference_variant=variant,
        body_name="SignedPreCommand" if command_variant == 5 else service_request(variant).body,
        params=complete,
    )
    assert all(complete[name] == value for name, value in params.items() if isinstance(value, int | Eui64 | datetime))
    # Written again from what was read, it is the same document.
    again = build_request(variant, request_id=ID, command_variant=command_variant, params=request.params)
    assert again == document


@pytest.mark.parametrize(("variant", "command_variant", "params"), EXAMPLES)
def test_it_is_valid_before_and_after_signing(
    variant: str, command_variant: int, params: Mapping[str, Any], duis_schema: etree.XMLSchema
) -> None:
    document = build_request(variant, request_id=ID, command_variant=command_variant, params=params)
    duis_schema.assertValid(parse(document))
    signed = sign(document, USER.key, USER.certificate)
    duis_schema.assertValid(parse(signed))
    assert parse_request(verify(signed, [USER.certificate]).root) == read_back(document)


@pytest.mark.parametrize("variant", KNOWN)
@settings(max_examples=8)
@given(data=st.data())
def test_every_shape_goes_to_xml_and_back(variant: str, data: st.DataObject) -> None:
    body = body_of(variant)
    assert body is not None
    params = data.draw(params_of(body.shape))
    if variant == "8.11":
        params["request_type"] = "Add" if "install_code" in params else "Remove"
    request_id = data.draw(request_ids)
    document = build_request(variant, request_id=request_id, command_variant=1, params=params)
    request = read_back(document)
    assert dict(request.params) == params
    assert request.raw_body is None
    assert request.request_id == request_id


@pytest.mark.parametrize("variant", KNOWN)
def test_every_shape_is_valid(variant: str, duis_schema: etree.XMLSchema) -> None:
    body = body_of(variant)
    assert body is not None

    @settings(max_examples=8, database=None)
    @given(params_of(body.shape))
    def check(params: dict[str, Any]) -> None:
        if variant == "8.11":
            params["request_type"] = "Add" if "install_code" in params else "Remove"
        duis_schema.assertValid(parse(build_request(variant, request_id=ID, command_variant=1, params=params)))

    check()


@given(params_of(SIGNED_PRE_COMMAND.shape), st.sampled_from([5, 6, 7]))
def test_a_signed_pre_command_is_the_same_for_every_variant(params: dict[str, Any], command_variant: int) -> None:
    document = build_request("1.1.1", request_id=ID, command_variant=command_variant, params=params)
    request = read_back(document)
    assert (request.body_name, dict(request.params), request.raw_body) == ("SignedPreCommand", params, None)


def test_values_may_be_text_as_in_a_runbook() -> None:
    typed = {"device_id": ESME, "install_code": bytes.fromhex(CODE), "join_time_period": 60}
    text = {"device_id": "00db1234567890a0", "install_code": CODE.lower(), "join_time_period": "60"}
    assert complete_params("8.11", 1, text) == complete_params("8.11", 1, typed)
    clock = complete_params("8.1.1", 4, {"current_date_time": "2026-01-01T13:00:00.5+01:00"})
    assert clock["current_date_time"] == NOON.replace(microsecond=500_000)
    gas = complete_params("6.6", 4, {"calorific_value": "39.5", "conversion_factor": 1.02264})
    assert gas == {"calorific_value": Decimal("39.5"), "conversion_factor": Decimal("1.02264")}


def test_defaults_are_filled_in_and_can_be_overridden() -> None:
    params = complete_params("6.5", 1, {})
    assert params["average_rms_over_voltage_threshold"] == 264
    assert params["average_rms_voltage_measurement_period"] == 1800
    assert "poly_phase_voltage_settings" not in params
    assert complete_params("6.5", 1, {"rms_voltage_swell_threshold": 270})["rms_voltage_swell_threshold"] == 270
    assert complete_params("8.11", 1, {"device_id": ESME, "install_code": CODE})["request_type"] == "Add"


WRONG: list[tuple[str, dict[str, Any], str]] = [
    (
        "6.5",
        {"average_rms_over_voltage_treshold": 1},
        "'average_rms_over_voltage_treshold'.*Did you mean 'average_rms_over_",
    ),
    (
        "6.5",
        {"average_rms_over_voltage_threshold": "253 V"},
        "'average_rms_over_voltage_threshold' is '253 V'.*whole number",
    ),
    ("6.5", {"average_rms_over_voltage_threshold": -1}, "is -1.*0 to 4294967295"),
    ("6.5", {"average_rms_over_voltage_threshold": True}, "is True"),
    ("6.5", {"average_rms_over_voltage_threshold": 253.0}, "is 253.0"),
    ("6.5", {"poly_phase_voltage_settings": [{"phase": 1}]}, "1 entries.*3 to 3"),
    ("6.5", {"poly_phase_voltage_settings": "all"}, "is not a list"),
    ("6.5", {"poly_phase_voltage_settings": [1, 2, 3]}, "1 is not a mapping"),
    ("6.5", {"poly_phase_voltage_settings": [{}] * 3}, "'poly_phase_voltage_settings' 1 needs 'phase'"),
    (
        "6.5",
        {"average_rms_over_voltage_threshold": 1, "poly_phase_voltage_settings": []},
        "both 'average_rms_over_voltage_threshold' and 'poly_phase_voltage_settings'",
    ),
    ("6.5", {"rms_voltage_counters_not_reset": "maybe"}, "'maybe'.*true or false"),
    ("8.11", {}, "needs 'device_id'.*EUI-64"),
    ("8.11", {"device_id": ESME}, "needs 'install_code'"),
    ("8.11", {"device_id": ESME, "join_time_period": 60}, "needs 'install_code'"),
    ("8.11", {"device_id": ESME, "install_code": CODE, "join_time_period": 3601}, "3601.*1 to 3600"),
    ("8.11", {"device_id": ESME, "install_code": CODE, "request_type": "Remove"}, "Remove a device takes neither"),
    ("8.11", {"device_id": ESME, "install_code": CODE, "request_type": "add"}, "'add'.*one of Add, Remove"),
    ("8.11", {"device_id": "ESME", "install_code": CODE}, "'device_id' is 'ESME'"),
    ("8.2", {}, "needs one of: uprn; device_id; mpxn; post_code with address_identifier"),
    ("8.2", {"device_id": ESME, "mpxn": "1"}, "both 'device_id' and 'mpxn'"),
    ("8.4", {"device_id": ESME, "update_device_status_ch": "Pending"}, "'Pending'.*Commissioned"),
    ("6.20.1", {"import_mpan": "123"}, "MPAN of 13 characters"),
    ("6.24.1", {"remote_party_role": ["Supplier", "Me"]}, "'remote_party_role 2' is 'Me'"),
    ("6.6", {"calorific_value": "39.55", "conversion_factor": 1}, "'39.55'.*at most 1 decimals"),
    ("6.6", {"calorific_value": "NaN", "conversion_factor": 1}, "'NaN'"),
    ("6.6", {"calorific_value": "1e400", "conversion_factor": 1}, "'1e400'"),
    ("6.6", {"calorific_value": Decimal("1e400"), "conversion_factor": 1}, "calorific_value"),
    ("7.1", {"duration": 5}, "7.1 Enable Supply has no parameter 'duration'. It has none"),
    ("8.1.1", {"current_date_time": "2026-01-01"}, "2026-01-01T00:00:00Z"),
    ("8.1.1", {"current_date_time": datetime(2026, 1, 1)}, "UTC time"),  # noqa: DTZ001
    ("12.2", {"device_id": ESME, "device_manufacturer": "x" * 31, "device_model": "", "device_type": "CHF"}, "0 to 30"),
    (
        "12.2",
        {"device_id": ESME, "device_manufacturer": "a\x00b", "device_model": "", "device_type": "CHF"},
        "manufacturer",
    ),
]


@pytest.mark.parametrize(("variant", "params", "message"), WRONG)
def test_a_wrong_parameter_is_named(variant: str, params: Mapping[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        build_request(
            variant, request_id=ID, command_variant=service_request(variant).usual_command_variant, params=params
        )
    assert variant in str(caught.value)


def test_a_secret_is_in_no_message_and_in_nothing_shown() -> None:
    with pytest.raises(UsageError) as caught:
        complete_params("8.11", 1, {"device_id": ESME, "install_code": "5ECRE7"})
    assert "5ECRE7" not in str(caught.value)
    document = build_request("8.11", request_id=ID, command_variant=1, params={"device_id": ESME, "install_code": CODE})
    request = read_back(document)
    assert request.params["install_code"] == bytes.fromhex(CODE)
    assert request.shown_params()["install_code"] == "***"
    assert request.shown_params()["device_id"] == ESME
    assert "install_code" not in repr(request)
    assert CODE.encode() in document
    with pytest.raises(DuisError) as refused:
        read_back(document.replace(CODE.encode(), b"5ECRE7x"))
    assert "5ECRE7" not in str(refused.value)


def test_an_unknown_variant_is_refused_with_those_near_it() -> None:
    with pytest.raises(UsageError, match=r"'6.20'.*6\.20\.1, 6\.20\.2"):
        build_request("6.20", request_id=ID, command_variant=1)
    with pytest.raises(UsageError, match="'99.9'"):
        build_request("99.9", request_id=ID, command_variant=1)
    with pytest.raises(UsageError, match="Command Variant 0"):
        build_request("7.4", request_id=ID, command_variant=0)


def test_a_command_variant_that_must_be_refused_can_be_asked() -> None:
    assert read_back(build_request("7.1", request_id=ID, command_variant=1)).command_variant == 1
    with pytest.raises(UsageError, match="Command Variant 5 needs 'gbcs_payload'"):
        build_request("7.4", request_id=ID, command_variant=5)


def test_a_body_can_be_given_as_raw_xml() -> None:
    element = f'<sr:ArmSupply xmlns:sr="{SR}"><sr:Anything index="1">x</sr:Anything></sr:ArmSupply>'.encode()
    document = build_request("7.4", request_id=ID, command_variant=1, raw_body=element)
    request = read_back(document)
    assert (request.body_name, request.raw_body, dict(request.params)) == ("ArmSupply", element, {})


def test_raw_xml_is_read_as_carefully_as_the_rest() -> None:
    with pytest.raises(DuisError, match="DTD"):
        build_request("1.5", request_id=ID, command_variant=4, raw_body=b"<!DOCTYPE a><a/>")
    with pytest.raises(DuisError, match="the body is a"):
        build_request("1.5", request_id=ID, command_variant=4, raw_body=b"<a/>")
    relative = build_request("7.4", request_id=ID, command_variant=1).replace(b"ReadSupplyStatus", b"X xmlns:x='y'")
    with pytest.raises(DuisError, match="no canonical form"):
        read_back(relative)
    with pytest.raises(UsageError, match="Give one of them"):
        build_request("7.4", request_id=ID, command_variant=1, params={"x": 1}, raw_body=b"<a/>")


SAMPLE = build_request("8.11", request_id=ID, command_variant=1, params={"device_id": ESME, "install_code": CODE})


def changed(old: str, new: str) -> bytes:
    assert old.encode() in SAMPLE
    return SAMPLE.replace(old.encode(), new.encode(), 1)


def test_a_request_that_is_not_what_it_says_keeps_its_body_raw() -> None:
    for document in (
        changed("Variant>8.11<", "Variant>99.1<"),
        changed("CommandVariant>1<", "CommandVariant>5<"),
        changed("Variant>8.11<", "Variant>8.3<"),
    ):
        request = read_back(document)
        assert request.body_name == "UpdateHANDeviceLog"
        assert request.raw_body is not None
        assert CODE.encode() in request.raw_body
        assert dict(request.params) == {}


MALFORMED = [
    ("sr:RequestID>90-B3", "sr:RequestID>XX-B3", "not a RequestID"),
    ("CommandVariant>1<", "CommandVariant>10<", "1 to 9"),
    ("CommandVariant>1<", "CommandVariant><", "1 to 9"),
    ("CommandVariant>1<", "CommandVariant>\u0661<", "1 to 9"),
    ("<sr:CommandVariant>1</sr:CommandVariant>", "", "no CommandVariant"),
    ("<sr:CommandVariant>", "<sr:CommandVariant>1</sr:CommandVariant><sr:CommandVariant>", "2 CommandVariant"),
    ("<sr:Body>", "<sr:Body/><sr:Body>", "Header, Body, Body"),
    ("<sr:Body>", "<sr:Body><sr:ArmSupply/>", "Body holds ArmSupply, UpdateHANDeviceLog"),
    ("JoinTimePeriod>600<", "JoinTimePeriod>0<", "JoinTimePeriod is '0'.*1 to 3600"),
    ("<sr:JoinTimePeriod>600</sr:JoinTimePeriod>", "", "JoinTimePeriod"),
    ("<sr:RequestType>Add</sr:RequestType>", "", "has AddDeviceToCHFWhitelist too early.*RequestType"),
    ("<sr:RequestType>", "<sr:Extra/><sr:RequestType>", "has Extra too early"),
    ("</sr:AddDeviceToCHFWhitelist>", "</sr:AddDeviceToCHFWhitelist><sr:Extra/>", "Extra is not expected here"),
    ("<sr:RequestType>Add", "<sr:RequestType x='1'>Add", "RequestType has the attribute x"),
    ("<sr:UpdateHANDeviceLog>", "<sr:UpdateHANDeviceLog x='1'>", "has the attribute x"),
    ("<sr:UpdateHANDeviceLog>", "<sr:UpdateHANDeviceLog>text", "UpdateHANDeviceLog holds text"),
    ("</sr:RequestType>", "</sr:RequestType>text", "UpdateHANDeviceLog holds text"),
    ("JoinTimePeriod>600<", "JoinTimePeriod><sr:x/><", "JoinTimePeriod holds elements"),
    (f'xmlns:sr="{SR}"', 'xmlns:sr="urn:x"', "the document is {urn:x}Request"),
]


@pytest.mark.parametrize(("old", "new", "message"), MALFORMED)
def test_a_malformed_request_is_refused_with_line_and_reason(old: str, new: str, message: str) -> None:
    with pytest.raises(DuisError, match=message) as caught:
        read_back(changed(old, new))
    assert caught.value.line == 2


def test_optional_parts_of_the_header_are_read() -> None:
    preceding = f"<sr:PrecedingServiceRequestID>{ID}</sr:PrecedingServiceRequestID>"
    extra = f"<sr:FirstInSequence>false</sr:FirstInSequence>{preceding}"
    request = read_back(changed("<sr:CommandVariant>", extra + "<sr:CommandVariant>"))
    assert (request.first_in_sequence, request.preceding) == (False, ID)
    assert request.schema_version == "5.4"


def test_published_requests_are_read_and_written_again(rtds: Path, duis_schema: etree.XMLSchema) -> None:
    files = sorted((rtds / "duis").glob("*.XML"))
    assert len(files) == 42
    for file in files:
        root = parse(file.read_bytes())
        request = parse_request(root)
        assert request.service_reference_variant in file.name
        assert request.raw_body is None
        again = build_request(
            request.service_reference_variant,
            request_id=request.request_id,
            command_variant=request.command_variant,
            params=request.params,
        )
        assert read_back(again) == request, file.name
        duis_schema.assertValid(parse(again))
        # What the file says between Header and Signature is, blanks aside, what is written.
        want, got = (_body_text(each) for each in (root, parse(again)))
        assert got == want, file.name


def _plain(text: str | None) -> str:
    return re.sub(r"\.0+Z$", "Z", (text or "").strip())


def _body_text(root: etree._Element) -> list[tuple[str, str, dict[Any, Any]]]:
    body = root[1]
    return [(str(each.tag), _plain(each.text), dict(each.attrib)) for each in body.iter()]


def test_published_requests_carry_placeholders_for_signatures(rtds: Path) -> None:
    for file in (rtds / "duis").glob("*.XML"):
        with pytest.raises(DuisError):
            verify(file.read_bytes(), [USER.certificate])
