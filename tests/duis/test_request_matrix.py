"""Every cell of the Common Test Scenarios' tables of Service Requests, for each User Role (SEC Appendix R, 8.1.5)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from lxml import etree

from bench.ctsd import tables
from bench.ctsd.tables import Role
from bench.duis.default_params import default_params, needed_params
from bench.duis.request_id import RequestId
from bench.duis.requests import build_request, complete_params, parse_request
from bench.duis.safe_xml import MAX_FIRMWARE_BYTES, parse
from bench.duis.service_requests import SIGNED_VARIANTS, Target, all_service_requests, service_request
from bench.duis.signatures import sign, verify
from bench.errors import UsageError
from bench.eui import Eui64
from tests.duis.certs import USER

NOW = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
THEN = datetime(2026, 4, 1, tzinfo=UTC)
USER_EUI = Eui64.parse("90-B3-D5-1F-30-01-00-00")
DEVICE = Eui64.parse("00-DB-12-34-56-78-90-A0")
DCC = Eui64.parse("90-B3-D5-1F-30-00-00-02")
REQUEST_ID = RequestId(USER_EUI, DEVICE, 1000)

KNOWN_TO_THE_CALLER: dict[str, Any] = {
    "certificate": [b"issuer"],
    "device_certificate": b"device",
    "device_gbcs_response": b"\xdd",
    "device_id": DEVICE,
    "device_id_list": [DEVICE],
    "device_manufacturer": "106C",
    "device_model": "433100AC",
    "device_type": "ESME",
    "digital_signing_certificate": b"signing",
    "dsp_schedule_id": 7,
    "export_mpan": "1312345678111",
    "firmware_hash": bytes(32),
    "firmware_image": b"image",
    "firmware_version": "9001",
    "gbcs_payload": b"\xdf\x09",
    "import_mpan": "1312345678111",
    "import_mpxn": "1312345678111",
    "install_code": bytes(16),
    "key_agreement_certificate": b"agreement",
    "mpxn": "1312345678111",
    "old_chf_id": DEVICE,
    "old_gpf_id": DEVICE,
    "other_device_id": DEVICE,
    "uprn": 100,
    "utrn": "12345678901234567890",
}

Cell = tuple[str, str, int, bool]


def _cells() -> list[Cell]:
    return [
        (role.value, cell.variant, cell.column.command_variant, cell.column.future_dated)
        for role in Role
        for cell in tables.cells(role)
    ]


CELLS = _cells()


def name_of(cell: Cell) -> str:
    return f"{cell[0]} {cell[1]} CV{cell[2]} {'future dated' if cell[3] else 'on demand'}"


def identifiers(variant: str, command_variant: int) -> dict[str, Any]:
    """What no default can say, but for moments."""
    needed = [*needed_params(variant, command_variant)]
    if variant == "8.11" and command_variant not in SIGNED_VARIANTS:
        needed.append("install_code")
    return {name: KNOWN_TO_THE_CALLER[name] for name in needed if name in KNOWN_TO_THE_CALLER}


def unsigned(cell: Cell) -> bytes:
    role, variant, command_variant, future = cell
    request = service_request(variant)
    assert command_variant in request.command_variants
    gas = role in ("GS", "GT") and "GSME" in request.device_types
    defaults = default_params(
        variant,
        command_variant,
        future=THEN if future else None,
        now=NOW,
        device_type="GSME" if gas else None,
    )
    target = DCC if request.target is Target.DCC else DEVICE
    document = build_request(
        variant,
        request_id=RequestId(USER_EUI, target, 1000),
        command_variant=command_variant,
        params=defaults | identifiers(variant, command_variant),
    )
    assert (b"ExecutionDateTime>2026-04-01T00:00:00Z" in document) == future
    return document


def test_the_tables_have_as_many_cells_and_variants_as_the_document() -> None:
    assert len(CELLS) == 376
    assert len({variant for _, variant, _, _ in CELLS}) == 121
    assert sum(future for *_, future in CELLS) == 16


@pytest.mark.parametrize("cell", CELLS, ids=name_of)
def test_every_cell_is_built_signed_verified_and_read_back(cell: Cell) -> None:
    document = unsigned(cell)
    signed = sign(document, USER.key, USER.certificate)
    request = parse_request(verify(signed, [USER.certificate]).root)
    assert request == parse_request(parse(document))
    assert (request.service_reference_variant, request.command_variant) == cell[1:3]
    assert request.raw_body is None
    again = build_request(cell[1], request_id=request.request_id, command_variant=cell[2], params=request.params)
    assert again == document


@pytest.mark.parametrize("cell", CELLS, ids=name_of)
def test_every_cell_is_valid(cell: Cell, duis_schema: etree.XMLSchema) -> None:
    document = unsigned(cell)
    duis_schema.assertValid(parse(document))
    duis_schema.assertValid(parse(sign(document, USER.key, USER.certificate)))


@pytest.mark.parametrize("variant", all_service_requests())
def test_every_variant_needs_no_more_than_identifiers_and_moments(variant: str, duis_schema: etree.XMLSchema) -> None:
    for command_variant in service_request(variant).command_variants:
        params = identifiers(variant, command_variant)
        moments = set(needed_params(variant, command_variant)) - set(params)
        assert all(name.endswith(("_date_time", "_date")) for name in moments), moments
        params |= {name: NOW.date() if name.endswith("_date") else NOW for name in moments}
        document = build_request(variant, request_id=REQUEST_ID, command_variant=command_variant, params=params)
        duis_schema.assertValid(parse(document))
        defaults = default_params(variant, command_variant, now=NOW)
        assert not set(defaults) & set(identifiers(variant, command_variant)), "an identifier has a default"
        complete = complete_params(variant, command_variant, params)
        assert {name: complete[name] for name in defaults if name not in moments} == {
            name: value for name, value in defaults.items() if name not in moments
        }


GAS = ["1.1.1", "1.2.1", "2.1", "2.3", "6.8", "6.22", "8.6"]


@pytest.mark.parametrize("variant", GAS)
def test_a_gas_meter_is_given_what_gas_meters_take(variant: str, duis_schema: etree.XMLSchema) -> None:
    params = default_params(variant, 4, now=NOW, device_type="GSME")
    document = build_request(variant, request_id=REQUEST_ID, command_variant=4, params=identifiers(variant, 4) | params)
    assert b"Gas" in document or b"GSME" in document
    assert b"Elec" not in document
    assert b"ESME" not in document
    duis_schema.assertValid(parse(document))


def test_moments_follow_from_now() -> None:
    assert default_params("8.1.1", 4, now=NOW)["current_date_time"] == NOW
    assert "current_date_time" not in default_params("8.1.1", 4)
    assert str(default_params("5.1", 8, now=NOW)["schedule_start_date"]) == "2026-03-30"
    period = default_params("7.16", 4, now=NOW)
    assert (period["end_date_time"] - period["start_date_time"]).total_seconds() == 3600
    assert default_params("8.5", 1, now=NOW)["execution_date_time"] == NOW
    assert default_params("8.5", 1, now=NOW, future=THEN)["execution_date_time"] == THEN


def test_only_what_can_wait_is_future_dated() -> None:
    assert default_params("6.5", 1, future=THEN)["execution_date_time"] == THEN
    assert default_params("1.6", 5, future=THEN) == {"execution_date_time": THEN}
    for variant, command_variant in (("7.1", 4), ("7.1", 5), ("8.2", 8)):
        with pytest.raises(UsageError, match=f"{variant} .* cannot be future dated"):
            default_params(variant, command_variant, future=THEN)


def test_what_is_needed_is_named() -> None:
    assert needed_params("7.4", 1) == ()
    assert needed_params("7.1", 5) == ("gbcs_payload",)
    assert needed_params("12.2", 8) == ("device_id", "device_manufacturer", "device_model", "device_type")
    assert needed_params("6.20.1", 1) == ("import_mpan",)
    assert needed_params("1.1.1", 4) == ()
    with pytest.raises(UsageError, match="no Service Reference Variant"):
        needed_params("1.1.9", 4)


WRONG = [
    ("1.1.1", {"elec_tariff_elements": {"currency_units": "EUR"}}, "'currency_units' is 'EUR'.*one of GBP, ECB"),
    ("1.1.1", {"elec_tariff_elements": {"currency": "GBP"}}, "has no parameter 'currency'.*Did you mean 'currency_un"),
    (
        "1.1.1",
        {"elec_tariff_elements": {}, "gas_tariff_elements": {}},
        "both 'elec_tariff_elements' and 'gas_tariff_elements'",
    ),
    (
        "1.1.1",
        {"elec_tariff_elements": {"season": [{"season_name": "midsummer"}]}},
        "'season' 1, 'season_name' is 'mids",
    ),
    ("1.2.2", {"electricity_price_element": [{"index": 5, "price": 1}]}, "'index' is 5.*1 to 4"),
    ("1.2.2", {"electricity_price_element": [{"index": 1}]}, "needs 'price'"),
    ("7.9", {"add_to_boost_button": [{"index": 1, "add": True}]}, "has 1 entries.*5 to 5"),
    ("6.8", {"electricity_billing_calendar": {"monthly": 29}}, "'monthly' is 29.*1 to 28"),
    ("6.8", {"electricity_billing_calendar": {"monthly": 1, "weekly": 1}}, "both 'weekly' and 'monthly'"),
    ("6.22", {"electricity_supplier_alerts": {"x8183": "on"}}, "'x8183' is 'on'.*Disable, Enable"),
    ("6.22", {"electricity_supplier_alerts": {"x8002": "Enable"}}, "has no parameter 'x8002'"),
    ("6.28", {"limited_critical_duty_cycle_threshold": "2.5"}, "'2.5'.*from 1.6 to 2.4"),
    ("6.28", {"gsme_curfew": 1}, "'gsme_curfew' is 1.*2 to 65535"),
    (
        "5.1",
        {"schedule_start_date": "2026-02-30", "device_id": DEVICE},
        "'schedule_start_date' is '2026-02-30'.*UTC date",
    ),
    (
        "6.14.2",
        {"alcshcalcs_connection_schedule": [{"activate_switch": True, "days_of_week": ["Funday"]}]},
        "'days_of_week 1' is 'Funday'.*Monday",
    ),
    ("6.14.2", {"alcshcalcs_connection_schedule": [{}]}, "needs one of: activate_switch; deactivate_switch"),
    (
        "11.1",
        {"firmware_version": "1", "firmware_image": b"", "device_id_list": "here"},
        "'device_id_list' is 'here'.*commas",
    ),
    (
        "11.1",
        {"firmware_version": "1", "firmware_image": bytes(10_240_001)},
        "'firmware_image'.*at most 10240000 bytes",
    ),
    ("2.1", {"update_prepay_config_electricity": {"debt_recovery_rate_cap": -1}}, "is -1.*0 to 65535"),
    ("8.14.1", {"chf_location": "Cellar"}, "needs 'device_id'"),
    ("8.14.1", {"device_id": DEVICE, "mpxn": "1", "chf_location": "Cellar"}, "'Cellar'.*Basement or Cellar"),
]


@pytest.mark.parametrize(("variant", "params", "message"), WRONG)
def test_a_wrong_parameter_is_named_with_what_it_may_be(variant: str, params: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        complete_params(variant, service_request(variant).usual_command_variant, params)
    assert str(caught.value).count(variant)


def test_a_firmware_image_of_the_largest_size_can_be_signed() -> None:
    params = {"firmware_image": bytes(10_240_000), "firmware_version": "9001", "device_id_list": [DEVICE]}
    document = build_request("11.1", request_id=REQUEST_ID, command_variant=8, params=params)
    signed = sign(document, USER.key, USER.certificate)
    root = verify(signed, [USER.certificate], max_bytes=MAX_FIRMWARE_BYTES).root
    assert parse_request(root).params["firmware_image"] == params["firmware_image"]
