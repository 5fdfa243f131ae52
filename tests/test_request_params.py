"""What the rig knows fills in what a runbook does not say, and nothing else does."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from bench.clock import VirtualClock
from bench.errors import UsageError
from bench.eui import Eui64
from bench.parties import DeviceType, Dut, KeyPair, Parties
from bench.request_params import NothingSaved, check_params, request_params, resolve
from tests.duis.certs import make_signer
from tests.fakes import make_parties

ESME_CODE = "83FED3407A939723A5C639B26916D505"


@pytest.fixture
def parties(tmp_path: Path) -> Parties:
    """The small rig's, with a GSME that the DUT file says little of."""
    parties = make_parties(tmp_path)
    gsme = Dut("gsme", DeviceType.GSME, Eui64.parse("00-DB-12-34-56-78-90-A1"), model="M", manufacturer="X")
    return dataclasses.replace(parties, duts={**parties.duts, "gsme": gsme})


def params(
    parties: Parties,
    variant: str,
    target: str | None = None,
    device: str | None = None,
    saved: Mapping[str, Mapping[str, Any]] | None = None,
    **given: Any,
) -> dict[str, Any]:
    return request_params(
        variant,
        given,
        user=parties.users["IS"],
        target=parties.duts[target] if target else None,
        device=parties.duts[device] if device else None,
        parties=parties,
        clock=VirtualClock(asyncio.get_running_loop()),
        saved=saved or {},
    )


async def test_identifiers_come_from_the_rig(parties: Parties) -> None:
    esme = parties.duts["esme"].eui
    assert params(parties, "8.2", device="esme") == {"device_id": esme}
    assert params(parties, "8.7.2", "gsme", "esme") == {"other_device_id": esme}
    assert params(parties, "7.4", "esme") == {}
    assert params(parties, "8.11", "chf", "esme") == {
        "device_id": esme,
        "install_code": ESME_CODE,
        "import_mpxn": "1012345678901",
    }
    assert params(parties, "8.11", "chf", "esme", request_type="Remove") == {
        "device_id": esme,
        "request_type": "Remove",
    }
    assert params(parties, "6.20.1", "esme") == {"import_mpan": "1012345678901"}


async def test_a_new_device_is_described_by_its_file(parties: Parties) -> None:
    described = {
        "device_id": parties.duts["gsme"].eui,
        "device_type": "GSME",
        "device_manufacturer": "X",
        "device_model": "M",
    }
    assert params(parties, "12.2", device="gsme") == described, "and no empty firmware version"
    gsme = dataclasses.replace(parties.duts["gsme"], firmware="0102")
    parties = dataclasses.replace(parties, duts={**parties.duts, "gsme": gsme})
    assert params(parties, "12.2", device="gsme") == described | {"firmware_version": "0102"}


async def test_times_come_from_the_clock(parties: Parties) -> None:
    await asyncio.sleep(3600)
    assert params(parties, "8.1.1", "esme") == {"current_date_time": "2026-01-01T01:00:00Z"}
    assert params(parties, "4.10", "esme") == {
        "start_date_time": "2025-12-31T01:00:00Z",
        "end_date_time": "2026-01-01T01:00:00Z",
    }


async def test_certificates_are_those_of_the_user_who_asks(parties: Parties) -> None:
    signer, other = make_signer("90-B3-D5-1F-30-01-00-00", seed=1), make_signer("90-B3-D5-1F-30-01-00-00", seed=2)
    user = dataclasses.replace(
        parties.users["IS"],
        signing=KeyPair(signer.key, signer.certificate),
        agreement=KeyPair(other.key, other.certificate),
    )
    parties = dataclasses.replace(parties, users={"IS": user})
    filled = params(parties, "6.21", "esme")
    assert filled["digital_signing_certificate"] == signer.certificate.public_bytes(Encoding.DER)
    assert filled["key_agreement_certificate"] == other.certificate.public_bytes(Encoding.DER)


async def test_what_the_runbook_says_has_precedence(parties: Parties) -> None:
    assert params(parties, "8.2", device="esme", device_id="another")["device_id"] == "another"
    assert params(parties, "8.11", "chf", "gsme", install_code="AA")["install_code"] == "AA"
    assert params(parties, "6.20.1", "gsme", import_mprn="1")["import_mprn"] == "1"


@pytest.mark.parametrize(
    ("variant", "target", "device", "what"),
    [
        ("8.11", "chf", "gsme", "does not say the install code of gsme"),
        ("6.20.1", "gsme", None, "does not say the mpxn of gsme"),
    ],
)
async def test_what_the_dut_file_does_not_say_is_named(
    parties: Parties, variant: str, target: str, device: str | None, what: str
) -> None:
    with pytest.raises(UsageError, match=what):
        params(parties, variant, target, device)
    duts = parties.duts
    found = check_params(variant, {}, target=duts[target], device=duts.get(device or ""), duts=duts, saved=())
    assert len(found) == 1 and what in found[0], "planning finds it too"


@pytest.mark.parametrize(
    ("key", "text", "sent"),
    [
        ("average_rms_over_voltage_threshold", "253 V", "253"),
        ("average_rms_over_voltage_threshold", "0.253 kV", "253"),
        ("average_rms_over_voltage_threshold", "253", "253"),
        ("average_rms_voltage_measurement_period", "30 min", "1800"),
        ("join_time_period", "600 s", "600"),
        ("device_model", "253 V", "253 V"),
    ],
)
async def test_quantities_are_sent_in_the_units_of_duis(parties: Parties, key: str, text: str, sent: str) -> None:
    assert params(parties, "6.5", "esme", **{key: text}) == {key: sent}


@pytest.mark.parametrize(
    ("key", "text", "what"),
    [
        ("average_rms_over_voltage_threshold", "253 Hz", "is not a voltage"),
        ("average_rms_over_voltage_threshold", "high", "is not a voltage"),
        ("average_rms_over_voltage_threshold", "252.5 V", "is not a whole number of volts"),
        ("join_time_period", "1500 ms", "is not a whole number of seconds"),
        ("join_time_period", "5 V", "is not a duration"),
    ],
)
async def test_a_quantity_that_cannot_be_sent_as_it_is_is_refused(
    parties: Parties, key: str, text: str, what: str
) -> None:
    with pytest.raises(UsageError, match=f"{key}: .*{what}"):
        params(parties, "6.5", "esme", **{key: text})


async def test_references_are_filled_in_before_units_are_read(parties: Parties) -> None:
    saved = {"before": {"volts": 250, "text": "x y", "zero": 0}}
    filled = params(
        parties,
        "6.5",
        "esme",
        saved=saved,
        rms_voltage_sag_threshold="${saved.before.volts} V",
        note="${saved.before.text}/${esme.mpxn}/${chf.id}/${saved.before.zero}",
        nested=[{"sag_period": "1 min", "ids": ["${chf.id}", 5]}],
    )
    assert filled == {
        "rms_voltage_sag_threshold": "250",
        "note": "x y/1012345678901/00-DB-12-34-56-78-90-A2/0",
        "nested": [{"sag_period": "60", "ids": ["00-DB-12-34-56-78-90-A2", 5]}],
    }


@pytest.mark.parametrize(
    ("text", "error", "what"),
    [
        ("${saved.after.volts}", NothingSaved, r"nothing was saved as \$\{saved.after.volts\}. Saved: nothing"),
        ("${saved.before.unread}", NothingSaved, "nothing was saved"),
        ("${saved.before.amps}", NothingSaved, "Saved: volts"),
        ("${toaster.id}", UsageError, r"\$\{toaster.id\} names nothing. Write"),
        ("${esme.color}", UsageError, "names nothing"),
        ("${ESME.id}", UsageError, "names nothing"),
        ("${esme}", UsageError, "names nothing"),
        ("${}", UsageError, "names nothing"),
        ("a ${esme.id", UsageError, r"\$\{esme.id names nothing"),
        ("${chf.mpxn}", UsageError, "does not say the mpxn of chf"),
    ],
)
async def test_a_reference_that_names_nothing_is_never_sent(
    parties: Parties, text: str, error: type[UsageError], what: str
) -> None:
    with pytest.raises(error, match=what) as caught:
        resolve(text, parties, {"before": {"volts": 250, "unread": None}})
    assert type(caught.value) is error


async def test_planning_knows_which_names_are_saved_and_which_references_hold(parties: Parties) -> None:
    def found(**given: Any) -> list[str]:
        duts = parties.duts
        return check_params("6.5", given, target=duts["esme"], device=None, duts=duts, saved={"before"})

    assert found(a="${saved.before.volts} V", b="${esme.id}", rms_voltage_sag_threshold="${saved.before.x} V") == []
    assert found(a="${saved.after.volts}${saved.later.volts}") == [
        "nothing was saved as 'after' by an earlier step",
        "nothing was saved as 'later' by an earlier step",
    ]
    assert "names nothing" in found(a=[{"b": "${toaster.id}"}])[0]
    assert "is not a voltage" in found(rms_voltage_sag_threshold="5 A")[0]


@pytest.mark.parametrize(
    ("variant", "given", "added"),
    [
        ("1.1.1", {}, {"gas_tariff_elements": {}, "gas_price_elements": {}}),
        ("1.1.1", {"gas_price_elements": {"standing_charge": 1}}, {"gas_tariff_elements": {}}),
        ("1.1.1", {"elec_tariff_elements": {}, "electricity_price_elements": {}}, {}),
        ("6.8", {}, {"gas_billing_calendar": {}}),
        ("6.22", {"gas_supplier_alert_event_settings": {}}, {}),
        ("7.4", {}, {}),
    ],
)
async def test_a_gas_meter_is_asked_for_what_gas_meters_have(
    parties: Parties, variant: str, given: dict[str, Any], added: dict[str, Any]
) -> None:
    assert params(parties, variant, "gsme", **given) == added | given
    assert params(parties, variant, "esme", **given) == given
