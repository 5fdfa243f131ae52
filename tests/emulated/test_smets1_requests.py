"""What is set on a SMETS1 installation acts, is remembered, and is read back."""

from __future__ import annotations

import asyncio
from datetime import time, timedelta
from typing import Any

import pytest

from bench.duis import responses as duis
from bench.duis.default_params import default_params
from bench.eui import Eui64
from tests.emulated.cells import MORE_DUTS, PPMID, Cell
from tests.emulated.smets1_cells import params_of
from tests.emulated.smets1_worlds import (
    CODE,
    S1_CHF,
    S1_DUTS,
    S1_ESME,
    S1_GPF,
    S1_GSME,
    S1_PPMID,
    ask,
    smets1_world,
)
from tests.emulated.tariffs import day, gas_prices, gas_tariff, prices, tariff
from tests.emulated.worlds import ALL_USERS, DCC, Small

BASE_WH = 250
PREPAYMENT = {"suspend_debt_disabled": False, "suspend_debt_emergency": False, "disablement_threshold": 0}


async def read(small: Small, user: str, variant: str, target: Eui64, **params: Any) -> Any:
    answer = await ask(small, user, variant, target, params)
    assert answer.success, answer.debug
    return answer.values


async def put(small: Small, user: str, variant: str, target: Eui64, params: dict[str, Any]) -> None:
    answer = await ask(small, user, variant, target, params)
    assert answer.success, answer.debug


async def test_a_tariff_that_was_set_is_read_counts_and_costs() -> None:
    with smets1_world() as small:
        rates = prices(20_000, 10_000, charge=0)
        await put(small, "IS", "1.1.1", S1_ESME, tariff([day(1, (time(), 2), (time(7), 1))]) | rates)
        said = (await read(small, "OU", "4.11.1", S1_ESME))["electricity"]
        assert (said["primary_active_tariff_price"], said["currency_units_label"]) == ("10000", "GBP")
        assert [each["value"] for each in said["tariff_tou_price_matrix"]["tariff_tou_price"]] == ["20000", "10000"]
        schedule = said["tariff_switching_table"]["day_profiles"]["day_profile"]["profile_schedule"]
        assert [(each["start_time"], each["tou_tariff_action"]) for each in schedule] == [
            ("00:00:00Z", "2"),
            ("07:00:00Z", "1"),
        ]
        now = small.world.mail.now
        await asyncio.sleep((now.replace(hour=9, minute=0, second=0) - now).total_seconds())
        registers = await read(small, "ED", "4.1.2", S1_ESME)
        counted = registers["electricity"]["tariff_tou_register_collection"]["tou_primary_register_value"]
        assert [int(each["value"]) for each in counted[:3]] == [
            pytest.approx(2 * BASE_WH, abs=5),
            pytest.approx(7 * BASE_WH, abs=5),
            0,
        ]
        # 0.5 kWh at 20 pence, 1.75 kWh at 10 pence: 27.5 pence are due.
        due = -int((await read(small, "IS", "4.18", S1_ESME))["meter_balance"])
        assert due == pytest.approx(27_500, rel=0.02)
        await put(small, "IS", "1.2.1", S1_ESME, prices(30_000, charge=0))
        again = (await read(small, "IS", "4.11.1", S1_ESME))["electricity"]
        assert again["primary_active_tariff_price"] == "30000"
        assert again["tariff_switching_table"] == said["tariff_switching_table"], "1.2.1 changes prices only"


async def test_gas_in_blocks_is_counted_and_read_from_meter_and_proxy() -> None:
    with smets1_world() as small:
        elements = gas_tariff(0, thresholds=(60, 120)) | gas_prices(1000, 2000, 3000, thresholds_in_use=2)
        await put(small, "GS", "1.1.1", S1_GSME, elements)
        await asyncio.sleep(7200)
        for target in (S1_GSME, S1_GPF):
            said = (await read(small, "GS", "4.11.1", target))["gas"]
            assert said["primary_active_tariff_price"] == "3000"
            assert [each["value"] for each in said["tariff_thresholds"]["block_threshold"]] == ["0.060", "0.120"]
            counters = await read(small, "GS", "4.1.4", target)
            values = [each["value"] for each in counters["import_block_counters"]["tariff_block_counter_value"]]
            assert [float(each) for each in values[:3]] == pytest.approx([0.06, 0.06, 0.12], abs=0.01)
        log = (await read(small, "GT", "4.10", S1_GSME))["gas"]["network_data_log"]["log_entry"]
        assert len(log) == 20 and {each["value"] for each in log} == {"0.012"}, "120 litres an hour"


async def test_debts_and_settings_are_read_back_and_emergency_credit_is_used() -> None:
    with smets1_world() as small:
        for user, target in (("IS", S1_ESME), ("GS", S1_GSME)):
            await put(small, user, "2.1", target, params_of(Cell(user, "2.1", 4), small, {}))
            debts = params_of(Cell(user, "2.3", 4), small, {}) | {"payment_debt_register": 70_000}
            await put(small, user, "2.3", target, debts)
            settings = await read(small, user, "4.13", target)
            assert settings["emergency_credit_limit"] == "1000000"
            calendar = settings["gas" if user == "GS" else "electricity"]["non_disablement_calendar"]
            assert "START" in str(calendar) and "STOP" in str(calendar)
            assert (await ask(small, user, "2.5", target)).success is False, "not in credit mode"
            await put(small, user, "1.6", target, PREPAYMENT)
            await put(small, user, "2.5", target, {})
            registers = await read(small, user, "4.3", target)
            assert registers["payment_debt_register"] == "70000"
            assert int(registers["emergency_credit_balance"]) == pytest.approx(1_000_000, abs=2_000)
            mode = await read(small, user, "6.2.9", target)
            assert mode["payment_mode"] == "Prepayment"


async def test_calendars_gas_settings_and_alert_behaviour() -> None:
    with smets1_world() as small:
        weekly = {"electricity_billing_calendar": {"billing_time": time(3), "weekly": 5}}
        await put(small, "IS", "6.8", S1_ESME, weekly)
        calendar = (await read(small, "RSA", "6.2.3", S1_ESME))["billing_calendar"]["electricity_billing_calendar"]
        assert calendar == {"billing_time": "03:00:00Z", "weekly": "5"}
        await put(small, "GS", "6.6", S1_GSME, {"calorific_value": "38.5", "conversion_factor": "1.02"})
        for user, target in (("GT", S1_GSME), ("RSA", S1_GPF)):
            gas = await read(small, user, "6.2.8", target)
            assert (gas["calorific_value"], gas["conversion_factor"]) == ("38.5", "1.02000")
        behaviours = (await read(small, "ED", "6.2.10", S1_ESME))["electricity_network_operator_alert_event_settings"]
        wan = behaviours["electricity_network_operator_wan_alert_settings"]
        assert wan["network_operator_esme_single_phase"]["x8002"] == "Enable"


async def test_events_are_logged_and_cleared() -> None:
    with smets1_world() as small:
        await put(small, "IS", "7.2", S1_ESME, {})
        log = (await read(small, "IS", "6.13", S1_ESME, log_to_read="Event"))["log"]["log_entry"]
        assert log["log_code"] == "8154" and "other_information" not in log, "a critical command was carried out"
        small.world.source_node.step(260.0)
        await asyncio.sleep(130)
        power = (await read(small, "ED", "6.13", S1_ESME, log_to_read="PowerEvent"))["log"]["log_entry"]
        assert (power["log_code"], power["other_information"]) == ("8002", f"{260:08X}")
        await put(small, "IS", "3.3", S1_ESME, {})
        events = await read(small, "IS", "6.13", S1_ESME, log_to_read="Event")
        assert "log_entry" not in (events["log"] or {})


async def test_readings_of_half_hours_and_days() -> None:
    with smets1_world() as small:
        await asyncio.sleep(25 * 3600)
        profile = (await read(small, "OU", "4.8.2", S1_ESME))["log_entry"]
        assert {each["reactive_energy_imported_value"] for each in profile} == {"25"}, "50 var"
        exported = (await read(small, "ES", "4.8.3", S1_ESME))["log_entry"]
        assert {each["active_energy_exported_value"] for each in exported} == {"0"}
        for user, target in (("IS", S1_ESME), ("GS", S1_GSME)):
            midnight = (await read(small, user, "4.6.1", target))["log_entry"]
            assert midnight["timestamp"] == "2026-01-02T00:00:00Z"


async def _whitelist(small: Small, code: str = CODE) -> None:
    added = {"device_id": S1_PPMID, "install_code": code, "join_time_period": 600, "request_type": "Add"}
    await put(small, "IS", "8.11", S1_CHF, added)


async def _log(small: Small) -> set[str]:
    entries = (await read(small, "OU", "8.9", S1_CHF))["chf_device_log"]["chf_device_log_entry"]
    return {each["device_id"] for each in entries}


async def test_a_device_is_added_as_an_operator_would_and_taken_out_again() -> None:
    with smets1_world(inventory={"s1-ppmid": "unknown"}) as small:
        assert small.send("IS", "11.2", S1_PPMID).response_code == "E19"
        assert await _log(small) == {str(S1_ESME), str(S1_GSME)}
        own = S1_DUTS["s1-ppmid"]
        details = {"device_manufacturer": own.manufacturer, "device_model": own.model, "device_type": "PPMID"}
        assert small.send("IS", "12.2", DCC, {"device_id": S1_PPMID, **details}).response_code == "I99"
        assert small.send("IS", "11.2", S1_PPMID).response_code == "E5", "it is not on the HAN"
        await _whitelist(small)
        assert (small.status(S1_PPMID), small.codes()) == ("Whitelisted", ["N24"])
        await asyncio.sleep(10)
        assert small.status(S1_PPMID) == "InstalledNotCommissioned"
        assert await _log(small) == {str(S1_ESME), str(S1_GSME), str(S1_PPMID)}
        await put(small, "IS", "8.7.1", S1_ESME, {"other_device_id": S1_PPMID})
        assert small.status(S1_PPMID) == "Commissioned"
        joined = (await read(small, "IS", "8.9", S1_ESME))["device_log_entries"]["log_entry"]
        assert joined == {"device_id": str(S1_PPMID), "device_type": "PPMID"}
        assert (await ask(small, "IS", "11.2", S1_PPMID)).success
        await put(small, "IS", "8.8.1", S1_ESME, {"other_device_id": S1_PPMID})
        assert not (await read(small, "IS", "8.9", S1_ESME))["device_log_entries"]
        again = await ask(small, "IS", "8.8.1", S1_ESME, {"other_device_id": S1_PPMID})
        assert (again.success, again.values["unjoin_response_code"]["asn1_status"]) == (False, "otherFailure")
        await put(small, "IS", "8.11", S1_CHF, {"device_id": S1_PPMID, "request_type": "Remove"})
        assert await _log(small) == {str(S1_ESME), str(S1_GSME)}


async def test_what_stands_against_joining() -> None:
    with smets1_world(inventory={"s1-ppmid": "Pending"}, more=MORE_DUTS) as small:
        stranger = {"other_device_id": Eui64(bytes(8))}
        assert small.send("IS", "8.7.1", S1_ESME, stranger, command_variant=4).response_code == "E19"
        other = await ask(small, "IS", "8.7.1", S1_ESME, {"other_device_id": PPMID})
        assert (other.success, other.values["join_response_code"]["asn1_status"]) == (False, "noCBKEResponse")
        await put(small, "IS", "7.2", S1_ESME, {})
        await _whitelist(small)
        await asyncio.sleep(60)
        assert small.status(S1_PPMID) == "Whitelisted", "it has no power behind the open load switch"
        await put(small, "IS", "7.1", S1_ESME, {})
        await asyncio.sleep(10)
        assert small.status(S1_PPMID) == "InstalledNotCommissioned"
        await put(small, "IS", "8.11", S1_CHF, {"device_id": S1_PPMID, "request_type": "Remove"})
        await _whitelist(small, CODE[::-1])
        await asyncio.sleep(60)
        assert small.status(S1_PPMID) == "Whitelisted", "the install code is not that of the device"
        taken = {"device_id": S1_ESME, "install_code": CODE, "request_type": "Add"}
        assert small.send("IS", "8.11", S1_CHF, taken).response_code == "E5", "it is commissioned"


async def test_the_provider_tells_whose_credentials_it_keeps() -> None:
    with smets1_world() as small:
        roles = {"remote_party_role": ["Supplier", "NetworkOperator", "Root"]}
        rows = (await read(small, "IS", "6.24.1", S1_ESME, **roles))["remote_party_details"]
        held = {(row["remote_party_role"], row.get("existing_remote_party_id")) for row in rows}
        assert held == {
            ("Supplier", str(ALL_USERS["IS"][1])),
            ("NetworkOperator", str(ALL_USERS["ED"][1])),
            ("Root", None),
        }
        await put(small, "GS", "6.21", S1_GPF, params_of(Cell("GS", "6.21", 1), small, {}))
        rows = (await read(small, "GS", "6.24.1", S1_GPF, remote_party_role=["Supplier"]))["remote_party_details"]
        assert {row["existing_remote_party_id"] for row in rows} == {str(ALL_USERS["GS"][1])}


async def test_a_tariff_with_a_date_is_kept_by_the_provider_until_then() -> None:
    with smets1_world() as small:
        later = {"execution_date_time": small.world.mail.now + timedelta(hours=1)}
        params = default_params("1.2.1", 4, now=small.world.mail.now) | prices(7_000) | later
        answer = small.send("IS", "1.2.1", S1_ESME, params, command_variant=4)
        assert isinstance(answer, duis.Acknowledgement)
        assert (await read(small, "IS", "4.11.1", S1_ESME))["electricity"]["primary_active_tariff_price"] == "0"
        await asyncio.sleep(3700)
        assert (await read(small, "IS", "4.11.1", S1_ESME))["electricity"]["primary_active_tariff_price"] == "7000"
